"""What a tensor of the network is made of: `transpose(h.{i}.attn.c_attn.weight)`, `join(q.weight, k.weight, v.weight)`.

name                a tensor of the file
transpose(x)        its last two dims swapped
join(x, y, …)       behind each other along the first dim, or `dim=1`
part(x, k, n)       part k, from 0, of n equal parts along the first dim, or `dim=1`
item(x, k)          place k of the first dim
"""

import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .patterns import BadPattern, Pattern

Shape = tuple[int, ...]
Use = tuple[tuple[str, int, int, int], ...]
"""What of a tensor is used: the whole, or step after step what is taken of it, as ("part", k, n, dim)."""

DEEPEST = 8
TOKEN = re.compile(r"\s*(?:(?P<call>[a-z]+)\(|(?P<key>[a-z]+)\s*=\s*(?=\d)|(?P<word>[^\s(),=]+)|(?P<mark>[,()]))", re.ASCII)


class NotThere(LookupError):
    """None of these names is in the file."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(names)
        self.names = names


class DoesNotFit(ValueError):
    """A step cannot be done on the tensor that it is given; the text says why."""


@dataclass(frozen=True)
class Recipe:
    """One step, with all names and numbers filled in."""

    def shape(self, shapes: Mapping[str, Shape]) -> Shape:
        """The shape that comes out; raises `DoesNotFit`."""
        raise NotImplementedError

    def made(self, tensor: Callable[[str], Any]) -> Any:
        """The tensor itself."""
        raise NotImplementedError

    def uses(self) -> Iterator[tuple[str, Use]]:
        """The tensors that it reads, and what of them."""
        raise NotImplementedError


@dataclass(frozen=True)
class Whole(Recipe):
    """A tensor of the file."""

    name: str

    def shape(self, shapes: Mapping[str, Shape]) -> Shape:
        return shapes[self.name]

    def made(self, tensor: Callable[[str], Any]) -> Any:
        return tensor(self.name)

    def uses(self) -> Iterator[tuple[str, Use]]:
        yield self.name, ()


@dataclass(frozen=True)
class Transposed(Recipe):
    of: Recipe

    def shape(self, shapes: Mapping[str, Shape]) -> Shape:
        before = self.of.shape(shapes)
        if len(before) < 2:
            raise DoesNotFit(f"transpose swaps the last two dims, and this is {list(before)}")
        return (*before[:-2], before[-1], before[-2])

    def made(self, tensor: Callable[[str], Any]) -> Any:
        return self.of.made(tensor).mT

    def uses(self) -> Iterator[tuple[str, Use]]:
        for name, use in self.of.uses():
            yield name, (*use, ("transpose", 0, 1, 0))


@dataclass(frozen=True)
class Joined(Recipe):
    parts: tuple[Recipe, ...]
    dim: int

    def shape(self, shapes: Mapping[str, Shape]) -> Shape:
        found = [part.shape(shapes) for part in self.parts]
        rest = {(*shape[: self.dim], *shape[self.dim + 1 :]) for shape in found}
        if len(rest) > 1 or any(len(shape) <= self.dim for shape in found):
            raise DoesNotFit(f"{', '.join(str(list(shape)) for shape in found)} cannot be joined along dim {self.dim}")
        return (*found[0][: self.dim], sum(shape[self.dim] for shape in found), *found[0][self.dim + 1 :])

    def made(self, tensor: Callable[[str], Any]) -> Any:
        import torch

        return torch.cat([part.made(tensor) for part in self.parts], dim=self.dim)

    def uses(self) -> Iterator[tuple[str, Use]]:
        for part in self.parts:
            yield from part.uses()


@dataclass(frozen=True)
class Part(Recipe):
    of: Recipe
    place: int
    parts: int
    dim: int

    def shape(self, shapes: Mapping[str, Shape]) -> Shape:
        before = self.of.shape(shapes)
        if len(before) <= self.dim or not self.parts or before[self.dim] % self.parts or self.place >= self.parts:
            raise DoesNotFit(f"{list(before)} has no part {self.place} of {self.parts} equal ones along dim {self.dim}")
        return (*before[: self.dim], before[self.dim] // self.parts, *before[self.dim + 1 :])

    def made(self, tensor: Callable[[str], Any]) -> Any:
        return self.of.made(tensor).chunk(self.parts, self.dim)[self.place]

    def uses(self) -> Iterator[tuple[str, Use]]:
        for name, use in self.of.uses():
            yield name, (*use, ("part", self.place, self.parts, self.dim))


@dataclass(frozen=True)
class Item(Recipe):
    of: Recipe
    place: int

    def shape(self, shapes: Mapping[str, Shape]) -> Shape:
        before = self.of.shape(shapes)
        if not before or self.place >= before[0]:
            raise DoesNotFit(f"{list(before)} has no place {self.place}")
        return before[1:]

    def made(self, tensor: Callable[[str], Any]) -> Any:
        return self.of.made(tensor)[self.place]

    def uses(self) -> Iterator[tuple[str, Use]]:
        for name, use in self.of.uses():
            yield name, (*use, ("item", self.place, 0, 0))


# Text -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """A recipe as it stands in a map: a call with its arguments, or a name with gaps."""

    call: str
    name: Pattern | None = None
    args: "tuple[Written, ...]" = ()
    dim: int = 0

    def has(self, call: str) -> bool:
        """Does such a call stand in it?"""
        return self.call == call or any(arg.has(call) for arg in self.args)

    @property
    def patterns(self) -> "Iterator[Pattern]":
        if self.name is not None:
            yield self.name
        for arg in self.args:
            yield from arg.patterns

    def filled(self, gaps: Mapping[str, str], there: Container[str]) -> Recipe:
        """The recipe with its gaps filled; of several forms of a name the one that is there. Raises `NotThere`."""
        if self.name is not None:
            names = self.name.names(gaps)
            found = next((name for name in names if name in there), None)
            if found is None:
                raise NotThere(names)
            return Whole(found)
        tensors = [arg.filled(gaps, there) for arg in self.args[: TAKES[self.call][0] if TAKES[self.call][0] > 0 else None]]
        numbers = [_number(arg.name.names(gaps)[0]) for arg in self.args[len(tensors) :] if arg.name is not None]
        match self.call:
            case "transpose":
                return Transposed(tensors[0])
            case "join":
                return Joined(tuple(tensors), self.dim)
            case "part":
                return Part(tensors[0], numbers[0], numbers[1], self.dim)
        return Item(tensors[0], numbers[0])


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise DoesNotFit(f"{text} stands where a number is wanted")
    return int(text)


TAKES = {"transpose": (1, 0), "join": (-1, 0), "part": (1, 2), "item": (1, 1)}
"""How many tensors, and how many numbers behind them."""


def read(text: str) -> Written:
    """Reads the right side of a map; raises `BadPattern`."""
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text.rstrip()):
        found = TOKEN.match(text, at)
        if found is None:
            raise BadPattern(f"{text[at : at + 12]!r} cannot be read")
        tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
        at = found.end()
    tokens.append(("end", ""))
    written, rest = _expression(tokens, 0, 0)
    if tokens[rest][0] != "end":
        raise BadPattern(f"after a whole expression stands {tokens[rest][1]!r}")
    return written


def _expression(tokens: list[tuple[str, str]], at: int, depth: int) -> tuple[Written, int]:
    kind, text = tokens[at]
    if depth > DEEPEST:
        raise BadPattern(f"calls stand more than {DEEPEST} deep in each other")
    if kind == "word":
        return Written("", Pattern.of(text)), at + 1
    if kind != "call":
        raise BadPattern("a name of a tensor or a call is missing" if kind == "end" else f"{text!r} is no name of a tensor")
    if text not in TAKES:
        from ...dsl.nearest import nearest

        near = nearest(text, TAKES)
        raise BadPattern(f"there is no {text}(…)" + (f"; did you mean {near}?" if near else f"; there are {', '.join(TAKES)}"))
    args, dim, at = [], 0, at + 1
    while True:
        if tokens[at] == ("key", "dim") and text in ("join", "part"):
            dim, at = int(tokens[at + 1][1]) if tokens[at + 1][1].isdecimal() else 0, at + 2
        else:
            arg, at = _expression(tokens, at, depth + 1)
            args.append(arg)
        if tokens[at] == ("mark", ")"):
            break
        if tokens[at] != ("mark", ","):
            raise BadPattern(f"{text}(…) has no end")
        at += 1
    tensors, numbers = TAKES[text]
    if (len(args) != tensors + numbers) if tensors > 0 else not args:
        raise BadPattern(
            f"{text}(…) wants {'a tensor' if tensors > 0 else 'tensors'}" + (f" and {numbers} numbers" * (numbers > 0))
        )
    for number in args[tensors:] if tensors > 0 else ():
        if number.name is None or not (number.name.text.isdecimal() or [kind for kind, _ in number.name.pieces] == ["name"]):
            raise BadPattern(f"{text}(…) wants numbers behind its tensor, as in part(x, 0, 3)")
    if text in ("part", "item") and args[0].has("join"):
        raise BadPattern(f"{text}(…) takes a piece of one tensor, and not of joined ones")
    return Written(text, None, tuple(args), dim), at + 1

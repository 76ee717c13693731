"""Index notation: `rearrange` and `einsum`, checked with symbols."""

import re
from typing import Any, ClassVar, NamedTuple

from ..emit.code import Code, Show, call, method
from ..errors.layers import BadPattern
from ..errors.shapes import DimsDisagree, DoesNotDivide
from ..graph import TensorType
from ..shapes import Dim as WholeNumber
from ..shapes import Size
from ._rules import Dim, disagree, is_one, plural, product, promoted, want_dtype
from .base import ONE, Checker, Family, Layer, Positive, Refusal

_TOKEN = re.compile(r"\s*(\.\.\.|[A-Za-z_]\w*|\d+|[()])")
Group = tuple[str, ...]  # the names that share one dim; () is a dim of size 1


LONGEST = 1_000


class Mistake(Exception):
    """What is wrong with a pattern."""


def _sides(pattern: str) -> list[str]:
    """What stands left and right of the arrow."""
    if len(pattern) > LONGEST:
        raise Mistake(f"it is longer than {LONGEST:,} characters")
    sides = pattern.split("->")
    if len(sides) != 2:
        raise Mistake("it needs one arrow, ->")
    return sides


def _side(text: str, groups: bool = True) -> list[Group]:
    """One side of a pattern: a group for each dim."""
    found: list[Group] = []
    inside: list[str] | None = None
    at = 0
    while at < len(text.rstrip()):
        token = _TOKEN.match(text, at)
        if token is None:
            raise Mistake(f'"{text[at:].strip()[0]}" has no meaning there')
        at, word = token.end(), token.group(1)
        if word in "()":
            if not groups or (word == "(") == (inside is not None):
                raise Mistake("the parentheses do not match" if groups else "it has no parentheses")
            inside, found = ([], found) if word == "(" else (None, [*found, tuple(inside or ())])
        elif word.isdigit() and (word != "1" or not groups):
            raise Mistake(f"{word} is no name of a dim")
        elif inside is not None:
            if word == "...":
                raise Mistake("... cannot stand in parentheses")
            inside += [] if word == "1" else [word]
        else:
            found.append(() if word == "1" else (word,))
    if inside is not None:
        raise Mistake("the parentheses do not match")
    return found


def _once(groups: list[Group]) -> list[str]:
    names = [name for group in groups for name in group]
    for name in names:
        if names.count(name) > 1:
            raise Mistake(f"{name} stands twice on one side")
    return names


class Plan(NamedTuple):
    """A pattern for a tensor of known rank: `...` is spelled out."""

    left: list[Group]
    right: list[Group]


class Rearrange(Layer):
    """Dims split, joined and put in another order by their names: `rearrange("b t (h d) -> b h t d", h=heads)`.

    Parentheses on the left split a dim (all sizes but one are given by name), on the right they join dims. `1` is a dim of size 1,
    `...` any run of dims.
    """

    name: ClassVar[str] = "rearrange"
    family: ClassVar[Family] = "shape"
    formula: ClassVar[str] = "[B, T, H * D] -> [B, H, T, D]"
    example: ClassVar[str] = 'x: [B, T, 64] -> rearrange("b t (h d) -> b h t d", h=4)'
    synonyms: ClassVar[tuple[str, ...]] = ("Rearrange",)
    further: ClassVar[str] = "sizes"

    pattern: str
    sizes: dict[str, Positive]

    @classmethod
    def gathered(cls, values: dict[str, Any]) -> dict[str, Any]:
        named = {name: value for name, value in values.items() if name not in cls.model_fields}
        kept = {name: value for name, value in values.items() if name in cls.model_fields}
        sizes = kept.get("sizes", {})
        return kept | {"sizes": {**sizes, **named} if isinstance(sizes, dict) else sizes}

    def plan(self, rank: int) -> Plan:
        sides = _sides(self.pattern)
        left, right = (_side(side) for side in sides)
        before, after = _once(left), _once(right)
        for name in set(before) ^ set(after):
            raise Mistake(f"{name} stands only on the {'left' if name in before else 'right'}")
        for name in self.sizes:
            if name not in before:
                raise Mistake(f"{name} has a size, but does not stand in it")
        missing = rank - len(left) + (("...",) in left)
        if missing < 0 or (("...",) not in left and missing):
            raise Mistake(f"it has {plural(len(left), 'dim')} on the left, and the tensor has {rank}")
        rest: list[Group] = [(f"{at}",) for at in range(missing)]
        return Plan(*([one for group in side for one in (rest if group == ("...",) else [group])] for side in (left, right)))

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        try:
            plan = self.plan(x.rank)
        except Mistake as mistake:
            raise Refusal(BadPattern(see.place("pattern"), self.name, self.pattern, str(mistake), x.origin)) from None
        known: dict[str, Size] = {}
        for at, (group, size) in enumerate(zip(plan.left, x.shape, strict=True)):
            known |= self._split(see, x, at, group, size)
        return TensorType(x.dtype, tuple(product([known[name] for name in group]) for group in plan.right))

    def _split(self, see: Checker, x: TensorType, at: int, group: Group, size: Size) -> dict[str, Size]:
        """The sizes of the names that share a dim: one may be left to be found."""
        free = [name for name in group if name not in self.sizes]
        given = product([self.sizes[name] for name in group if name in self.sizes])
        if len(free) > 1:
            reason = f"of {' and '.join(free)} only one can be found: give the others a size, {free[0]}=…"
            raise Refusal(BadPattern(see.place("pattern"), self.name, self.pattern, reason, see.origin(0, at)))
        if not free and not see.same(given, size):
            rule = f'the sizes of "{" ".join(group) or "1"}" must give the dim they share'
            raise Refusal(
                DimsDisagree(see.place(0), rule, f"their product is {given}", f"dim {at} of {x} is {size}", see.origin(0, at))
            )
        if free and see.divides(given, size) is False:
            raise Refusal(
                DoesNotDivide(see.place(0), f"rearrange splits dim {at} of {x}", str(size), str(given), see.origin(0, at))
            )
        return {name: self.sizes.get(name, size if len(group) == 1 else size // given) for name in group}

    def forward(self, show: Show, x: Code) -> Code:
        plan = self.plan(show.types[0].rank)
        for at in reversed(range(len(plan.left))):
            group = plan.left[at]
            if not group:
                x = method(x, "squeeze", str(at))
            elif len(group) > 1:
                sizes = [show(self.sizes[name]) if name in self.sizes else "-1" for name in group]
                x = method(x, "unflatten", str(at), f"({', '.join(sizes)})")
        before = [name for group in plan.left for name in group]
        x = _reordered(x, [before.index(name) for group in plan.right for name in group])
        for at, group in enumerate(plan.right):
            if not group:
                x = method(x, "unsqueeze", str(at))
            elif len(group) > 1:
                last = sum(len(later) for later in plan.right[at + 1 :]) == 0
                x = method(x, "flatten", str(at), *([] if last else [str(at + len(group) - 1)]))
        return x


def _reordered(x: Code, order: list[int]) -> Code:
    moved = [at for at, before in enumerate(order) if at != before]
    if not moved:
        return x
    if len(moved) == 2:
        return method(x, "transpose", str(moved[0]), str(moved[1]))
    return method(x, "permute", *map(str, order))


class Einsum(Layer):
    """Products of tensors, summed over the names that are missing on the right: `einsum("b i d, b j d -> b i j")(q, k)`.

    The names of a tensor's dims are separated by spaces; equal names are equal sizes. `...` is any run of dims, which broadcast.
    """

    name: ClassVar[str] = "einsum"
    family: ClassVar[Family] = "linear"
    formula: ClassVar[str] = "y[b, i, j] = sum_d q[b, i, d] * k[b, j, d]"
    example: ClassVar[str] = 'q: [B, T, 64], k: [B, S, 64] -> einsum("b i d, b j d -> b i j")'
    tensors: ClassVar[int | None] = None

    equation: str

    def terms(self) -> tuple[list[list[str]], list[str]]:
        """The names of each tensor's dims, and of what comes out."""
        sides = _sides(self.equation)
        reads = [[group[0] for group in _side(term, groups=False)] for term in sides[0].split(",")]
        gives = [group[0] for group in _side(sides[1], groups=False)]
        if len({name for term in [*reads, gives] for name in term} - {"..."}) > 52:
            raise Mistake("it has more than 52 names")
        if any(term.count("...") > 1 for term in [*reads, gives]):
            raise Mistake("... stands twice in one list")
        _once([(name,) for name in gives])
        for name in gives:
            if name != "..." and not any(name in term for term in reads):
                raise Mistake(f"{name} comes out, but stands in no tensor")
        if "..." in gives and not any("..." in term for term in reads):
            raise Mistake("... comes out, but stands in no tensor")
        return reads, gives

    def infer(self, see: Checker, *inputs: TensorType) -> TensorType:
        try:
            reads, gives = self.terms()
            if len(reads) != len(inputs):
                raise Mistake(f"it has {plural(len(reads), 'list')} of names, and there are {plural(len(inputs), 'tensor')}")
            spelled = [_spelled(names, tensor.rank) for names, tensor in zip(reads, inputs, strict=True)]
        except Mistake as mistake:
            raise Refusal(BadPattern(see.place("equation"), self.name, self.equation, str(mistake), inputs[0].origin)) from None
        for which, tensor in enumerate(inputs):
            want_dtype(see, self.name, which, tensor, *(("float", "int") if len(inputs) > 1 else ("float", "int", "bool")))
            if tensor.dtype != inputs[0].dtype:
                want_dtype(see, self.name, which, tensor, inputs[0].dtype)
        found = self._sizes(see, spelled, inputs)
        dots = max((sum(name.isdigit() for name in names) for names in spelled), default=0)
        shape = [
            found[name].size
            for name in gives
            for name in ([str(at) for at in reversed(range(dots))] if name == "..." else [name])
        ]
        summed = any(name not in gives and not name.isdigit() for name in found) or (dots > 0 and "..." not in gives)
        dtype = "int" if promoted(*inputs) == "bool" and summed else inputs[0].dtype
        return TensorType(dtype, tuple(shape))

    def _sizes(self, see: Checker, spelled: list[list[str]], inputs: tuple[TensorType, ...]) -> dict[str, Dim]:
        found: dict[str, Dim] = {}
        for which, (names, tensor) in enumerate(zip(spelled, inputs, strict=True)):
            within: dict[str, Dim] = {}
            for at, (name, size) in enumerate(zip(names, tensor.shape, strict=True)):
                here, before = Dim(size, which, at), within.get(name) or found.get(name)
                joins = (
                    before is None
                    or see.same(before.size, size)
                    or (name not in within and (is_one(see, size) or is_one(see, before.size)))
                )
                if not joins:
                    rule = (
                        f"all dims called {name} in an einsum have one size"
                        if not name.isdigit()
                        else "the dims of ... broadcast"
                    )
                    raise disagree(see, rule, before or here, here, inputs)
                within[name] = here if before is None or (before.size.number == 1 and size.number != 1) else before
            found |= within
        return found

    def forward(self, show: Show, *inputs: Code) -> Code:
        reads, gives = self.terms()
        letters: dict[str, str] = {"...": "..."}
        for name in [name for term in reads for name in term]:
            if name not in letters:
                free = [name[0], *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"]
                letters[name] = next(letter for letter in free if letter.isalpha() and letter not in letters.values())
        spelled = ", ".join("".join(letters[name] for name in term) for term in reads)
        return call("torch.einsum", f'"{spelled} -> {"".join(letters[name] for name in gives)}"', *inputs)

    def cost(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> WholeNumber:
        """Every combination of the names, once; views and sums of one tensor multiply nothing."""
        if len(inputs) == 1:
            return WholeNumber.of(0)
        reads, _ = self.terms()
        sizes: dict[str, Size] = {}
        for names, tensor in zip(reads, inputs, strict=True):
            for name, size in zip(_spelled(names, tensor.rank), tensor.shape, strict=True):
                sizes[name] = size if sizes.get(name, ONE).number == 1 else sizes[name]
        return product(list(sizes.values())).value * (len(inputs) - 1)


def _spelled(names: list[str], rank: int) -> list[str]:
    """A name for each dim; those of `...` are numbered from the last."""
    missing = rank - len(names) + ("..." in names)
    if missing < 0 or ("..." not in names and missing):
        raise Mistake(f'"{" ".join(names)}" has {plural(len(names), "name")}, and its tensor has {plural(rank, "dim")}')
    return [one for name in names for one in ([str(at) for at in reversed(range(missing))] if name == "..." else [name])]

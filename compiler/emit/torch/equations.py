"""Index functions as Python: positions are ranges along the four axes of a score, and broadcasting does the rest.

Comes in: equations, and what their tensors and numbers are called. Goes out: lines for what is used twice, and an expression. A value that
depends on `j` alone has the shape `[T]`, one of `i` and `j` `[T, T]`, one of the batch four dims.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping

from ...attention.terms import INDICES, Equation, Term
from ...graph import TensorType
from ...shapes import Size
from ...values import Formula, Real, names_of
from ..code import ATOM, Code, Show, binary, call, method, unary

LOGIC = {"and": "&", "or": "|"}
LINEAR = ("+", "-", "*", "neg", "abs")
WIDEST = 96


def joined(equations: Mapping[str, Equation]) -> tuple[list[Term], dict[str, int], list[int]]:
    """The terms of several equations as one list, where each of them ends, and the operands that they read."""
    terms: list[Term] = []
    roots: dict[str, int] = {}
    known: dict[object, int] = {}
    operands: list[int] = []
    for name, equation in equations.items():
        places: list[int] = []
        for term in equation.terms:
            tensor = -1
            if term.tensor >= 0:
                operand = equation.tensors[term.tensor]
                if operand not in operands:
                    operands.append(operand)
                tensor = operand
            moved = term.model_copy(update={"args": tuple(places[arg] for arg in term.args), "tensor": tensor})
            key = (moved.op, moved.args, moved.dtype, type(moved.value), moved.value, tensor, repr(moved.layer), moved.reach)
            if key not in known:
                known[key] = len(terms)
                terms.append(moved)
            places.append(known[key])
        roots[name] = places[-1]
    return terms, roots, operands


class Sheet:
    """Writes equations in one place of the source."""

    def __init__(
        self,
        equations: tuple[list[Term], dict[str, int], list[int]],
        show: Show,
        extents: Mapping[str, Size],
        tensors: Mapping[int, Code],
        device: str,
        dtype: str,
        free: Callable[[str], str],
        score: str = "",
    ) -> None:
        self.terms, self.roots, _ = equations
        self.show, self.extents, self.tensors, self.free, self.score = show, extents, tensors, free, score
        self.device, self.dtype = device, dtype
        self.lines: list[str] = []
        self.typed = False  # the dtype was used
        self.reals: set[str] = set()  # names that stand for real numbers
        self.indices: dict[str, str] = {}
        self.codes: dict[int, Code] = {}
        self.spans: Mapping[str, tuple[str, str]] = {}
        self.moving: tuple[int, ...] = ()
        self.axes = self._axes()
        self.uses = Counter(arg for term in self.terms for arg in self._needed(term))
        self.uses.update(self.roots.values())
        self.floats = self._floats()

    def walk(self, spans: Mapping[str, tuple[str, str]], moving: tuple[int, ...]) -> None:
        """Positions that do not run from 0: where those of an index begin and end. Tensors in `moving` have theirs in order, others are
        looked up."""
        self.spans, self.moving = spans, moving
        self.uses = Counter(arg for term in self.terms for arg in self._needed(term))
        self.uses.update(self.roots.values())

    def stand(self, indices: Mapping[str, str]) -> None:
        """Positions that stand in variables already, as whole numbers: tensors are looked up at them."""
        self.indices |= indices
        self.walk(dict.fromkeys(indices, ("", "")), ())
        self.floats = self._floats()

    def _axes(self) -> list[frozenset[str]]:
        found: list[frozenset[str]] = []
        for term in self.terms:
            own = frozenset((term.op,)) if term.op in INDICES else frozenset(INDICES) if term.op == "s" else frozenset[str]()
            found.append(own.union(*(found[arg] for arg in term.args)))
        return found

    def _needed(self, term: Term) -> tuple[int, ...]:
        """The terms that stand in the text of a term: the indices of a view do not."""
        return () if self._is_view(term) else term.args

    def _is_view(self, term: Term) -> bool:
        """Is a tensor read along its own dims, in the order of the indices?"""
        letters = [self.terms[arg].op for arg in term.args]
        if term.tensor not in self.moving and not self.spans.keys().isdisjoint(letters):
            return False
        return (
            term.op == "read"
            and all(reach != "any" for reach in term.reach)
            and letters == sorted(set(letters), key=INDICES.index)
        )

    # Dtypes -----------------------------------------------------------------------------------------------------------

    def _is_tensor(self, place: int) -> bool:
        return bool(self.axes[place]) or self.terms[place].op != "number"

    def _converts(self, term: Term) -> tuple[int, ...]:
        """The whole numbers that a term must read as floats, so that PyTorch does not choose a dtype of its own."""
        if term.dtype != "float" or term.op in ("read", "number", "s"):
            return ()
        tensors = [arg for arg in self._numbers(term) if self._is_tensor(arg)]
        if any(self.terms[arg].dtype == "float" for arg in tensors):
            return ()
        return tuple(arg for arg in tensors if self.terms[arg].dtype == "int")

    def _numbers(self, term: Term) -> tuple[int, ...]:
        """The terms that the number of a term is made from: not the truth that chooses."""
        return term.args[1:] if term.op == "where" else term.args

    def _floats(self) -> set[int]:
        """Whole numbers that are read as floats alone: they are made as floats."""
        readers: dict[int, list[int]] = {}
        for place, term in enumerate(self.terms):
            for arg in term.args:
                readers.setdefault(arg, []).append(place)
        found: set[int] = set()
        for place in range(len(self.terms) - 1, -1, -1):
            term = self.terms[place]
            if term.dtype != "int" or place in self.roots.values() or place not in readers or not self._is_tensor(place):
                continue
            if term.op in self.indices:
                continue
            if (not term.args or term.op in (*LINEAR, "read")) and all(
                place in self._converts(self.terms[reader]) or (reader in found and self.terms[reader].op in LINEAR)
                for reader in readers[place]
            ):
                found.add(place)
        for place in sorted(found):  # floats are made at the leaves
            if self.terms[place].op in LINEAR and not any(arg in found for arg in self.terms[place].args):
                found.discard(place)
        return found

    # Terms ------------------------------------------------------------------------------------------------------------

    def value(self, name: str) -> Code:
        """The value of an equation."""
        return self._code(self.roots[name])

    def truth(self, name: str) -> Code:
        """The value of an equation of truths; a tensor also where it is the same everywhere."""
        code = self.value(name)
        return code if self._is_tensor(self.roots[name]) else call("torch.full", "()", code, device=self.device)

    def number(self, name: str) -> Code:
        """The value of an equation of numbers, in the dtype of the queries."""
        return self._typed(self.roots[name])

    def _code(self, root: int) -> Code:
        wanted = {root}
        for place in range(root, -1, -1):
            if place in wanted:
                wanted.update(self._needed(self.terms[place]))
        for place in sorted(wanted):
            if place not in self.codes:
                self.codes[place] = self._kept(place, self._made(place), place == root)
        return self.codes[root]

    def _kept(self, place: int, code: Code, is_root: bool) -> Code:
        """What is used twice, has a name or is long gets a line."""
        term = self.terms[place]
        simple = not term.args or self._is_view(term)
        if simple or is_root or not (self.uses[place] > 1 or term.name or len(code.text) > WIDEST):
            return code
        name = self.free(term.name or "t")
        self.lines.append(f"{name} = {code}")
        return Code(name)

    def _made(self, place: int) -> Code:
        term = self.terms[place]
        args = [self.codes[arg] for arg in self._needed(term)]
        for number in self._converts(term):
            if number not in self.floats:
                self.typed = True
                at = term.args.index(number)
                args[at] = method(args[at], "to", self.dtype)
        match term.op:
            case "b" | "h" | "i" | "j":
                return self._position(term.op, place in self.floats)
            case "s":
                return Code(self.score)
            case "number":
                return self._number(term.value)
            case "read":
                return self._read(place, term, args)
            case "and" | "or":
                return binary(LOGIC[term.op], *args)
            case "not":
                return unary("~", args[0])
            case "neg":
                return unary("-", args[0])
            case "where":
                if term.dtype == "float" and not any(map(self._is_tensor, term.args[1:])):
                    args[1] = self._scalar(args[1])
                return call("torch.where", *args)
            case "min" | "max":
                return self._extreme(term, args)
            case "ceil" | "floor":
                return args[0] if self.terms[term.args[0]].dtype == "int" else method(method(args[0], term.op), "long")
            case "abs" | "sqrt" | "log" | "exp":
                return method(args[0], term.op)
            case "layer":
                if not self._is_tensor(term.args[0]):
                    args = [self._scalar(args[0])]
                made: Code = term.layer.forward(Show(self.show.names, "", (TensorType("float", ()),)), args[0])  # type: ignore[union-attr]
                return made
        return binary(term.op, *args)

    def _number(self, value: object) -> Code:
        if isinstance(value, Real):
            self.reals |= {name for name in names_of(value.text) if isinstance(value.text, Formula)}
        return self.show.code(value)

    def _position(self, index: str, as_float: bool) -> Code:
        if index not in self.indices:
            name = self.indices[index] = self.free(index)
            dtype = {"dtype": self.dtype} if as_float else {}
            self.typed = self.typed or as_float
            dims = ", None" * (len(INDICES) - 1 - INDICES.index(index))
            column = f"[:{dims}]" if dims else ""
            ends = self.spans.get(index) or (self.show(self.extents[index]),)
            self.lines.append(f"{name} = {call('torch.arange', *ends, **dtype, device=self.device)}{column}")
        return Code(self.indices[index])

    def _extreme(self, term: Term, args: list[Code]) -> Code:
        sides = [self._is_tensor(arg) for arg in term.args]
        if all(sides):
            return call("torch.minimum" if term.op == "min" else "torch.maximum", *args)
        x, bound = args if sides[0] else args[::-1]
        if (inner := re.fullmatch(r"(.*)\.clamp\(min=([^()]*)\)", x.text)) and term.op == "min":
            return Code(f"{inner[1]}.clamp({inner[2]}, {bound})")
        return method(x, "clamp", **{"max" if term.op == "min" else "min": bound.text})

    def _read(self, place: int, term: Term, args: list[Code]) -> Code:
        base = self.tensors[term.tensor]
        if not term.args:
            code = base
        elif self._is_view(term):
            code = self._view(base, [self.terms[arg].op for arg in term.args], term)
        else:
            code = Code(f"{base.at(ATOM)}[{', '.join(arg.text for arg in args)}]")
        if place in self.floats:
            self.typed = True
            return method(code, "to", self.dtype)
        return code

    def _view(self, base: Code, letters: list[str], term: Term) -> Code:
        """A tensor whose dims are the indices themselves: dims of size 1 are put between them."""
        items = []
        for axis in INDICES[INDICES.index(letters[0]) :]:
            if axis not in letters:
                items.append("None")
            else:
                reach = term.reach[letters.index(axis)]
                items.append(":" if reach == "whole" else f":{self.show(self.extents[axis])}")
        while items and items[-1] == ":":
            items.pop()
        return Code(f"{base.at(ATOM)}[{', '.join(items)}]") if items else base

    # Masks ------------------------------------------------------------------------------------------------------------

    def mask_of(self, masked: bool, biased: bool) -> Code:
        """What `attn_mask` is given: at least two dims, and four where there are more than two."""
        if masked and biased:
            mask, bias = self.truth("mask"), self._typed(self.roots["bias"])
            code = call("torch.where", mask, bias, 'float("-inf")')
        elif biased:
            code = self._typed(self.roots["bias"])
        else:
            code = self.truth("mask")
        axes = self._all_axes()
        if "b" not in axes and "h" in axes:
            return Code(f"{code.at(ATOM)}[None]")
        if not axes:
            return method(code, "expand", self.show(self.extents["i"]), self.show(self.extents["j"]))
        return Code(f"{code.at(ATOM)}[None]") if axes == {"j"} else code

    def _all_axes(self) -> frozenset[str]:
        return frozenset[str]().union(*(self.axes[root] for root in self.roots.values()))

    def shape_of(self, extents: Mapping[str, Size]) -> list[str]:
        """The shape of the mask, in words."""
        axes = self._all_axes()
        wanted = INDICES if axes & {"b", "h"} else INDICES[2:]
        return [str(extents[axis].text) if axis in axes else "1" for axis in wanted]

    def _typed(self, root: int) -> Code:
        """A bias in the dtype of the queries."""
        code = self._code(root)
        if self._is_certain(root):
            return code
        self.typed = True
        if not self._is_tensor(root):
            return self._scalar(code)
        return method(code, "to", self.dtype)

    def _scalar(self, code: Code) -> Code:
        """A number as a tensor."""
        self.typed = True
        return call("torch.full", "()", code, dtype=self.dtype, device=self.device)

    def _is_certain(self, root: int) -> bool:
        """Is the dtype that of the queries: made from floats that are?"""
        term = self.terms[root]
        if term.dtype != "float" or term.op == "number":
            return False
        if term.op == "where":
            return any(self._is_certain(arg) for arg in term.args[1:])
        if term.op in ("read", "s") or self._converts(term):
            return True
        return any(self._is_certain(arg) for arg in term.args)

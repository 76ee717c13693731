"""Values that depend on the indices of an index function: terms under construction, and the tensors that they are read from.

Comes in: values, as expressions give them. Goes out: entries, each a term of one dtype; every tensor is read inside its dims as far as
that can be proved.
"""

from __future__ import annotations

from ...dsl import ast
from ...dsl.span import Span
from ..attention.ranges import Range, range_of
from ..attention.terms import INDICES, Reach, Terms
from ..errors.attention import NotAnIndexExpression, PlaceOutside, WrongIndexDtype
from ..graph import DType
from ..layers._elementwise import Elementwise
from ..layers.base import Refusal
from ..shapes import Dim, Size
from ..values import Real, Truth
from . import numbers
from .body import Body, LayerChecker
from .values import IndexFunction, Tensor, Value, describe

KINDS: dict[DType, str] = {"bool": "true or false", "int": "a whole number", "float": "a number"}


class Entry:
    """A value that depends on the indices: a term under construction."""

    def __init__(self, place: int, dtype: DType, range_: Range) -> None:
        self.place, self.dtype, self.range = place, dtype, range_


class Entries:
    """Makes the entries of one equation. `extents` are the sizes of the indices; `read` holds the tensors that it reads, and
    `function` the index functions that are being written out, the innermost last."""

    def __init__(self, body: Body, extents: dict[str, Size]) -> None:
        self.body, self.extents = body, extents
        self.terms = Terms()
        self.read: list[Tensor] = []
        self.function: list[IndexFunction] = []

    def called(self) -> str:
        """The name of the function that is being written out."""
        return self.function[-1].node.name.text

    def index(self, role: str) -> Entry:
        """An index by its letter, or the score."""
        if role == "s":
            return Entry(self.terms.add("s", "float"), "float", Range())
        high = self.extents[role] - 1
        return Entry(self.terms.add(role, "int"), "int", Range(Dim.of(0), high.value, reached=True, moving=frozenset((role,))))

    # Terms ------------------------------------------------------------------------------------------------------------

    def made(self, op: str, dtype: DType, *entries: Entry, layer: Elementwise | None = None) -> Entry:
        place = self.terms.add(op, dtype, (entry.place for entry in entries), layer=layer)
        facts = self.body.elaborator.facts
        return Entry(place, dtype, range_of(op, tuple(entry.range for entry in entries), facts.decide))

    def at(self, place: int) -> Entry:
        return Entry(place, self.terms.terms[place].dtype, Range())

    def lifted(self, value: Value, span: Span) -> Entry:
        """A value as an entry; a compile-time number becomes a term."""
        if isinstance(value, Entry):
            return value
        if isinstance(value, Truth):
            value = numbers.decided(self.body, value, span, "a condition of an index function")
        dtype = self.dtype(value, span)
        bound = value.value if isinstance(value, Size) else None
        return Entry(self.terms.add("number", dtype, value=value), dtype, Range(bound, bound, reached=True))

    def dtype(self, value: Value, span: Span) -> DType:
        match value:
            case Entry():
                return value.dtype
            case Size():
                return "int"
            case Real():
                return "float"
            case bool() | Truth():
                return "bool"
        raise Refusal(NotAnIndexExpression(span, describe(value), self.called() if self.function else "it"))

    def number(self, value: Value, node: ast.Expr) -> Entry:
        entry = self.lifted(value, node.span)
        self.want(entry, node.span, "int", "float")
        return entry

    def want(self, entry: Entry, span: Span, *dtypes: DType) -> None:
        if entry.dtype not in dtypes:
            raise Refusal(WrongIndexDtype(span, "this", KINDS[dtypes[-1]], KINDS[entry.dtype]))

    # Tensors ----------------------------------------------------------------------------------------------------------

    def placed(self, tensor: Tensor, name: str, axis: int, value: Value, span: Span) -> tuple[Entry, Reach]:
        """An index of a tensor, and how it reads its dim."""
        entry = self.lifted(value, span)
        size = tensor.type.shape[axis]
        if entry.dtype != "int":
            mend = "floor(…) makes a whole number" if entry.dtype == "float" else ""
            what = f"the index of dim {axis} of {name}"
            raise Refusal(WrongIndexDtype(span, what, KINDS["int"], KINDS[entry.dtype], mend=mend))
        facts = self.body.elaborator.facts
        for bound, outside in ((entry.range.high, ">="), (entry.range.low, "<")):
            against = size.value if outside == ">=" else Dim.of(0)
            if bound is not None and entry.range.reached and facts.decide(outside, bound, against):
                origin = LayerChecker(self.body, (tensor,), {}, span).origin(0, axis)
                reaches = f"reaches {bound}" if entry.range.low != entry.range.high else f"is {bound}"
                if (shown := self.body.unit.source.slice(span)) == str(bound):
                    shown, reaches = "this place", f"is {bound}"
                raise Refusal(PlaceOutside(span, name, shown, reaches, str(size), origin))
        term = self.terms.terms[entry.place]
        if term.op in INDICES:
            extent = self.extents[term.op]
            if self.body.same(extent, size):
                return entry, "whole"
            if facts.decide("<=", extent.value, size.value) and self.body.holds("<=", extent, size):
                return entry, "start"
        return entry, "any"

    def reading(self, tensor: Tensor, places: tuple[tuple[Entry, Reach], ...]) -> Entry:
        """A tensor at one place."""
        number = next((n for n, known in enumerate(self.read) if known.body is tensor.body and known.ref == tensor.ref), None)
        if number is None:
            number = len(self.read)
            self.read.append(tensor)
        args = tuple(entry.place for entry, _ in places)
        reach = tuple(reach for _, reach in places)
        dtype = tensor.type.dtype
        return Entry(self.terms.add("read", dtype, args, tensor=number, reach=reach), dtype, Range())

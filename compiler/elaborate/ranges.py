"""Range analysis: between which two numbers does a tensor lie? What is declared a `gate` must be bounded, or not negative.

Comes in: the nodes of a body. Goes out: an interval for each tensor, by interval arithmetic from the leaves, which may be anything. What is
found holds for all inputs and weights; an interval may be wider than what can happen, never narrower.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

from ...dsl.span import Span
from ..graph import Graph, Input, Node, Operand, Ref, Repeat, Use
from ..layers.base import Layer
from ..shapes import Size
from ..values import Real

INF = math.inf
DEEPEST = 200
"""Steps that are looked through; what lies deeper may be anything."""


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`; `why` is the place of the step that lets it be boundless, and what it is called."""

    low: float = -INF
    high: float = INF
    why: tuple[Span, str] | None = None

    @property
    def gates(self) -> bool:
        """Bounded, or never negative."""
        return self.low >= 0 or (self.low > -INF and self.high < INF)


UNIT, SIGNED, POSITIVE = Range(0, 1), Range(-1, 1), Range(0, INF)

BOUNDED: dict[str, Range] = {
    "sigmoid": UNIT,
    "hardsigmoid": UNIT,
    "softmax": UNIT,
    "softmin": UNIT,
    "tanh": SIGNED,
    "softsign": SIGNED,
    "erf": SIGNED,
    "sin": SIGNED,
    "cos": SIGNED,
    "sign": SIGNED,
    "atan": Range(-math.pi / 2, math.pi / 2),
    "relu6": Range(0, 6),
    "exp": POSITIVE,
    "softplus": POSITIVE,
    "square": POSITIVE,
    "sqrt": POSITIVE,
    "rsqrt": POSITIVE,
    "norm": POSITIVE,
    "var": POSITIVE,
    "std": POSITIVE,
    "one_hot": UNIT,
    "==": UNIT,
    "!=": UNIT,
    "<": UNIT,
    "<=": UNIT,
    ">": UNIT,
    ">=": UNIT,
    "and": UNIT,
    "or": UNIT,
    "not": UNIT,
    "isnan": UNIT,
    "any": UNIT,
    "all": UNIT,
}
"""Layers that give numbers of a range whatever they are given."""

KEEPS = frozenset(
    """index flatten reshape squeeze unsqueeze transpose permute expand repeat repeat_interleave rearrange roll flip stop_gradient
    float max min mean pixel_shuffle pixel_unshuffle chunk split max_pool global_max_pool global_avg_pool adaptive_avg_pool
    adaptive_max_pool concat pack""".split()
)
"""Layers whose numbers lie between the least and the largest of those they are given."""


class Ranges:
    """The ranges of the tensors of one body; `given` are those of its inputs, anything where nothing is known."""

    def __init__(self, nodes: Sequence[Node], given: dict[int, Range] | None = None, depth: int = 0) -> None:
        self.nodes, self.given, self.depth = nodes, given or {}, depth
        self.known: dict[Ref, Range] = {}

    def of(self, operand: Operand, depth: int = 0) -> Range:
        """The range of an operand; `depth` counts the steps between it and what was asked for."""
        if not isinstance(operand, Ref):
            return _number(operand)
        if operand not in self.known:
            node = self.nodes[operand.node]
            found = Range() if self.depth + depth > DEEPEST else self._node(node, operand, depth + 1)
            if not found.gates and found.why is None:
                found = Range(found.low, found.high, (node.span, node.op.title))
            self.known[operand] = found
        return self.known[operand]

    def _node(self, node: Node, ref: Ref, depth: int) -> Range:
        match node.op:
            case Input():
                return self.given.get(ref.node, Range(why=(node.span, f"the tensor {node.op.name}")))
            case Use(graph=graph):
                return self._inside(graph, node, ref, depth)
            case Repeat(kind="stack", levels=(*_, last), carried=carried) if ref.output < carried:
                inner = Ranges(last.graph.nodes, {}, self.depth + depth)
                return inner.of(last.graph.outputs[ref.output].ref)  # whatever comes into the last level
            case Layer():
                return self._layer(node, node.op, ref, depth)
        return Range()

    def _inside(self, graph: Graph, node: Node, ref: Ref, depth: int) -> Range:
        inputs = [number for number, inner in enumerate(graph.nodes) if isinstance(inner.op, Input)]
        tensors = [operand for operand in node.inputs if isinstance(operand, Ref)]
        given = {number: self.of(operand, depth) for number, operand in zip(inputs, tensors, strict=False)}
        found = Ranges(graph.nodes, given, self.depth + depth).of(graph.outputs[ref.output].ref)
        return found if found.gates else Range(found.low, found.high, (node.span, node.op.title))

    def _layer(self, node: Node, layer: Layer, ref: Ref, depth: int) -> Range:
        name = layer.name
        if name in BOUNDED:
            return BOUNDED[name]
        if name in ("sort", "top_k") and ref.output:
            return POSITIVE  # places
        inputs = [self.of(operand, depth) for operand in node.inputs]
        if name in KEEPS and not (name in ("max", "min") and len(inputs) > 1):
            return _hull(inputs)
        if name in ("gather", "sort", "top_k"):
            return inputs[0]
        if name == "where":
            return _hull(inputs[1:])
        if name == "clip":
            return _clipped(inputs[0], *(getattr(layer, bound) for bound in ("min", "max")))
        if name == "hardtanh":
            return _clipped(inputs[0], *(getattr(layer, bound) for bound in ("min_val", "max_val")))
        if name in ARITHMETIC:
            return ARITHMETIC[name](inputs)
        return Range()


def _number(operand: Size | Real | bool) -> Range:
    if isinstance(operand, Size):
        number = operand.number
        return Range(1, INF) if number is None else Range(number, number)
    value = float(operand) if isinstance(operand, bool) else operand.value
    return Range(value, value)


def _first(ranges: Sequence[Range]) -> tuple[Span, str] | None:
    """The place that is to blame: of the first range that is boundless."""
    return next((one.why for one in ranges if one.why is not None), None)


def _made(low: float, high: float, ranges: Sequence[Range]) -> Range:
    return Range(-INF if math.isnan(low) else low, INF if math.isnan(high) else high, _first(ranges))


def _hull(ranges: Sequence[Range]) -> Range:
    return _made(min(one.low for one in ranges), max(one.high for one in ranges), ranges)


def _sum(ranges: Sequence[Range]) -> Range:
    return _made(sum(one.low for one in ranges), sum(one.high for one in ranges), ranges)


def _difference(ranges: Sequence[Range]) -> Range:
    a, b = ranges
    return _made(a.low - b.high, a.high - b.low, ranges)


def _times(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b  # a bound that is not reached: 0 times it is 0


def _product(ranges: Sequence[Range]) -> Range:
    a, b = ranges
    corners = [_times(x, y) for x, y in product((a.low, a.high), (b.low, b.high))]
    return _made(min(corners), max(corners), ranges)


def _quotient(ranges: Sequence[Range]) -> Range:
    a, b = ranges
    if b.low > 0 or b.high < 0:
        corners = [_times(x, 1 / y if abs(y) != INF else 0.0) for x, y in product((a.low, a.high), (b.low, b.high))]
        return _made(min(corners), max(corners), ranges)
    if a.low >= 0 and b.low >= 0:
        return Range(0, INF, _first(ranges))
    return _made(-INF, INF, ranges)


def _negated(ranges: Sequence[Range]) -> Range:
    return _made(-ranges[0].high, -ranges[0].low, ranges)


def _power(ranges: Sequence[Range]) -> Range:
    a, b = ranges
    even = b.low == b.high and b.low > 0 and b.low % 2 == 0
    if even and max(abs(a.low), abs(a.high)) <= 1:
        return UNIT
    return POSITIVE if even or a.low >= 0 else Range(why=_first(ranges))


def _absolute(ranges: Sequence[Range]) -> Range:
    a = ranges[0]
    return Range(0 if a.low <= 0 <= a.high else min(abs(a.low), abs(a.high)), max(abs(a.low), abs(a.high)))


def _largest(ranges: Sequence[Range]) -> Range:
    return _made(max(one.low for one in ranges), max(one.high for one in ranges), ranges)


def _least(ranges: Sequence[Range]) -> Range:
    return _made(min(one.low for one in ranges), min(one.high for one in ranges), ranges)


def _rectified(ranges: Sequence[Range]) -> Range:
    return Range(max(0.0, ranges[0].low), max(0.0, ranges[0].high))


def _lowered(least: float) -> Callable[[Sequence[Range]], Range]:
    """An activation that is x or less above zero, and no less than `least` below."""
    return lambda ranges: Range(max(least, min(ranges[0].low, 0.0)), max(0.0, ranges[0].high), None)


def _total(ranges: Sequence[Range]) -> Range:
    """A sum of any number of items."""
    a = ranges[0]
    return _made(0.0 if a.low >= 0 else -INF, 0.0 if a.high <= 0 else INF, ranges)


def _dropped(ranges: Sequence[Range]) -> Range:
    """Some numbers become 0, the others are scaled up."""
    a = ranges[0]
    return _made(-INF if a.low < 0 else 0.0, INF if a.high > 0 else 0.0, ranges)


def _clipped(given: Range, least: Size | Real | None, most: Size | Real | None) -> Range:
    """min(max(x, least), most)."""
    low, high = given.low, given.high
    if least is not None:
        bound = _number(least)
        low, high = max(low, bound.low), max(high, bound.high)
    if most is not None:
        bound = _number(most)
        low, high = min(low, bound.low), min(high, bound.high)
    return Range(low, high, given.why)


ARITHMETIC: dict[str, Callable[[Sequence[Range]], Range]] = {
    "+": _sum,
    "-": _difference,
    "*": _product,
    "/": _quotient,
    "neg": _negated,
    "**": _power,
    "abs": _absolute,
    "max": _largest,
    "maximum": _largest,
    "min": _least,
    "minimum": _least,
    "relu": _rectified,
    "silu": _lowered(-0.279),
    "gelu": _lowered(-0.171),
    "mish": _lowered(-0.309),
    "hardswish": _lowered(-0.376),
    "sum": _total,
    "cumsum": _total,
    "logsumexp": lambda ranges: Range(why=_first(ranges)),
    "dropout": _dropped,
    "channel_dropout": _dropped,
}

"""Steps that change nothing go away: `x * 1`, `-(-x)`, a transpose and back, a reshape to the shape that is there, `dropout(0)`, a part
or a stack that hands on what it was given.

Comes in: any graph. Goes out: the same values, read where they were made. What owns weights keeps its key, what the text gives a name
(`as`, `layer`) stays, and a gate stays to be watched. Only the text decides: `x * width` is no identity because width is 1 today, since the
constructor may be called with another. The layers say themselves what they leave alone (`neutral`, `twice`, `still`, `order`, `idle`).
`x + 0` counts as x, which is right but for the sign of a zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ..graph import Graph, Input, Node, Operand, Recur, Ref, Repeat, SlopePenalty, TensorType, Use
from ..layers.base import Layer
from ..shapes import Dim, Size
from ..values import Real, number_of
from .base import Pass, kept_carried, redirected, redirected_outputs, returned

FURTHEST = 16
"""So many steps back are looked at."""


def same_type(left: TensorType, right: TensorType) -> bool:
    """One dtype and one shape, whatever numbers stand for the names."""
    if left.dtype != right.dtype or left.rank != right.rank:
        return False
    return all(a.text == b.text for a, b in zip(left.shape, right.shape, strict=True))


def is_number(operand: Operand, number: float) -> bool:
    """Is it this number, whatever the hyperparameters are?"""
    return isinstance(operand, Size | Real) and number_of(operand.text) == number


def as_many(left: TensorType, right: TensorType) -> bool:
    """One dtype, and as many numbers, whatever stands for the names."""
    return left.dtype == right.dtype and _elements(left) == _elements(right)


def _elements(tensor: TensorType) -> Dim:
    total = Dim.of(1)
    for size in tensor.shape:
        total = total * size.text
    return total


def given_back(nodes: list[Node], number: int) -> dict[Ref, Ref]:
    """The outputs of a step that are values which were there before it, with those."""
    node = nodes[number]
    if node.gate or isinstance(node.op, Recur | SlopePenalty):
        return {}  # what a cell hands on at each step is another value than what it is given for all; a slope is another, too
    if isinstance(node.op, Use):
        return {Ref(number, k): node.refs[place] for k, place in handed_on(node.op.graph).items()}
    if isinstance(node.op, Repeat):
        return {Ref(number, k): node.refs[place] for k, place in _through_levels(node, node.op).items()}
    kept = unchanged(nodes, node)
    return {} if kept is None else {Ref(number): kept}


def handed_on(graph: Graph) -> dict[int, int]:
    """The outputs of a part, its own body done, that are its inputs, with their places."""
    nodes = list(graph.nodes)
    places = {Ref(number): place for place, number in enumerate(n for n, node in enumerate(nodes) if isinstance(node.op, Input))}
    instead = given_back(nodes, len(nodes) - 1) if is_one_call(graph) else {}
    refs = [instead.get(output.ref, output.ref) for output in graph.outputs]
    return {k: places[ref] for k, ref in enumerate(refs) if ref in places}


def is_one_call(graph: Graph) -> bool:
    """Is it a level of one step? Such a level is the submodule of its step, and keeps it: what it hands on, its user finds out."""
    return graph.kind == "level" and len(graph.nodes) == len(graph.inputs) + 1


def _through_levels(node: Node, op: Repeat) -> dict[int, int]:
    """The outputs of a stack that are what came in, with their places, because every level hands that on."""
    common = {*handed_on(op.levels[0].graph).items()} if op.levels else set()
    for level in op.levels[1:]:
        common &= handed_on(level.graph).items()
    first = kept_carried(op)
    last = {(k, k) for k in range(first)} & common
    moving = {*range(first)} - {k for k, _ in last}
    alike = {
        output: place for output, place in common if output >= first and place < op.carried + op.captured and place not in moving
    }
    collected = {k: alike[returned(op, k)] for k in range(first, len(node.outputs)) if returned(op, k) in alike}
    return dict(last) | collected


def unchanged(nodes: list[Node], node: Node) -> Ref | None:
    """The value that a layer gives back as it was; none where it does something."""
    op = node.op
    if not isinstance(op, Layer) or len(node.outputs) != 1:
        return None
    if op.idle and not node.named:
        return node.refs[0]
    if node.key is not None or not op.pure:
        return None
    if op.neutral != (None, None):
        return _neutral(nodes, node, op)
    if len(node.inputs) != 1 or not isinstance(node.inputs[0], Ref):
        return None
    if op.twice is not None:
        return _twice(nodes, node, op)
    return _moved_back(nodes, node) or _shaped_back(nodes, node)


def _neutral(nodes: list[Node], node: Node, op: Layer) -> Ref | None:
    """`x * 1`, `0 + x`."""
    left, right = node.inputs
    for kept, other, number in ((right, left, op.neutral[0]), (left, right, op.neutral[1])):
        if number is not None and isinstance(kept, Ref) and is_number(other, number) and same_type(_type(nodes, kept), node.type):
            return kept
    return None


def _twice(nodes: list[Node], node: Node, op: Layer) -> Ref | None:
    """`-(-x)`, `relu(relu(x))`."""
    (inner,) = node.refs
    before = nodes[inner.node]
    if before.key is not None or before.op != op or not same_type(before.type, node.type):
        return None
    if op.twice == "once":
        return inner
    return before.refs[0] if same_type(_type(nodes, before.refs[0]), node.type) else None


def _moved_back(nodes: list[Node], node: Node) -> Ref | None:
    """Dims in another order, until they stand as they stood."""
    order = list(range(node.type.rank))
    for op, before in _back(nodes, node):
        step = op.order(_type(nodes, before))
        if step is None:
            return None
        order = [step[place] for place in order]
        if order == list(range(len(order))):
            return before
    return None


def _shaped_back(nodes: list[Node], node: Node) -> Ref | None:
    """Other shapes for the same numbers, until there is the shape that there was: all on the way are as many numbers."""
    between: list[TensorType] = []
    for op, before in _back(nodes, node):
        if not op.still:
            return None
        type_ = _type(nodes, before)
        if same_type(type_, node.type):
            return before if all(as_many(other, type_) for other in between) else None
        between.append(type_)
    return None


def _type(nodes: list[Node], ref: Ref) -> TensorType:
    return nodes[ref.node].outputs[ref.output].type


def _back(nodes: list[Node], node: Node) -> Iterator[tuple[Layer, Ref]]:
    """The step and those before it, as long as each has one tensor and owns nothing; with what each reads."""
    for _ in range(FURTHEST):
        if (
            not isinstance(node.op, Layer)
            or node.key is not None
            or not len(node.inputs) == len(node.refs) == len(node.outputs) == 1
        ):
            return
        yield node.op, node.refs[0]
        node = nodes[node.refs[0].node]


class Fold(Pass):
    name: ClassVar[str] = "fold"

    def apply(self, graph: Graph) -> Graph:
        instead: dict[Ref, Ref] = {}
        nodes: list[Node] = []
        for number, node in enumerate(graph.nodes):
            nodes.append(redirected(node, instead))
            instead |= given_back(nodes, number)
        outputs = redirected_outputs(graph, instead)
        if is_one_call(graph) or (outputs == graph.outputs and all(a is b for a, b in zip(nodes, graph.nodes, strict=True))):
            return graph
        return graph.model_copy(update={"nodes": tuple(nodes), "outputs": outputs})

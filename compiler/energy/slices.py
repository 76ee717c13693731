"""Graphs cut out of the body of an energy: some of its inputs, and what one result needs of its steps."""

from __future__ import annotations

from collections.abc import Sequence

from ..elaborate.body import Body
from ..elaborate.values import Tensor
from ..graph import Axis, Graph, Input, Node, Operand, Output, Parameter, Ref
from ..shapes import Dim


def cut(
    body: Body, name: str, inputs: Sequence[Tensor], results: Sequence[tuple[str, Tensor]], *, all_weights: bool = False
) -> Graph:
    """A graph of these inputs and results. `all_weights`: what owns weights is in it, needed or not, in the order of the text."""
    needed = _needed(body, {tensor.ref.node for _, tensor in results})
    if all_weights:
        needed = _needed(body, needed | _owners(body))
    given = [tensor.ref.node for tensor in inputs]
    kept = [*given, *(n for n in sorted(needed) if n not in given)]
    place = {old: new for new, old in enumerate(kept)}
    nodes = tuple(_moved(body.nodes[old], place, old in given) for old in kept)
    outputs = tuple(Output(name=label, ref=Ref(place[tensor.ref.node], tensor.ref.output)) for label, tensor in results)
    return Graph(
        name=name,
        kind="energy",
        dims=_dims(body, nodes[: len(given)]),
        nodes=nodes,
        outputs=outputs,
        hypers=(),
        assertions=(),
        assumptions=(),
        averages=(),
        decided=(),
        span=body.nodes[results[0][1].ref.node].span,
    )


def _needed(body: Body, numbers: set[int]) -> set[int]:
    """These nodes and all that they are computed from."""
    found, pending = set(numbers), list(numbers)
    while pending:
        for ref in body.nodes[pending.pop()].refs:
            if ref.node not in found:
                found.add(ref.node)
                pending.append(ref.node)
    return found


def _owners(body: Body) -> set[int]:
    """Parameters, which every instance of the energy has."""
    return {n for n, node in enumerate(body.nodes) if isinstance(node.op, Parameter)}


def _moved(node: Node, place: dict[int, int], is_input: bool) -> Node:
    """The node with its operands where they are now; what was hidden is an input like any other."""
    if is_input and isinstance(node.op, Input):
        return node.model_copy(update={"op": Input(name=node.op.name)})
    operands: tuple[Operand, ...] = tuple(Ref(place[o.node], o.output) if isinstance(o, Ref) else o for o in node.inputs)
    return node.model_copy(update={"inputs": operands})


def _dims(body: Body, inputs: Sequence[Node]) -> dict[str, Axis]:
    """Where each free dim can be read: the first axis of the inputs that has its name for a size."""
    found: dict[str, Axis] = {}
    for number, node in enumerate(inputs):
        for axis, size in enumerate(node.type.shape):
            if isinstance(size.text, Dim) and size.text.symbol in body.dims:
                found.setdefault(str(size.text.symbol), Axis(number, axis))
    return {name: found[name] for name in body.dims if name in found}

"""Steps whose result nobody reads go away; what owns weights, draws or is an input stays, because the text says that it is there."""

from __future__ import annotations

from typing import ClassVar

from ..graph import Graph, Input, Node, Output, Ref
from .base import Pass


def is_droppable(node: Node) -> bool:
    """Nothing but its result would be missed."""
    return node.key is None and not isinstance(node.op, Input) and getattr(node.op, "pure", False)


class DropUnused(Pass):
    name: ClassVar[str] = "drop-unused"

    def apply(self, graph: Graph) -> Graph:
        read = {output.ref.node for output in graph.outputs}
        needed = read | {number for number, node in enumerate(graph.nodes) if not is_droppable(node)}
        needed |= graph.ancestors(needed)
        if len(needed) == len(graph.nodes):
            return graph
        return without(graph, set(range(len(graph.nodes))) - needed)


def without(graph: Graph, dropped: set[int]) -> Graph:
    """The graph without some nodes that no other reads."""
    kept = [number for number in range(len(graph.nodes)) if number not in dropped]
    place = {old: new for new, old in enumerate(kept)}

    def moved(ref: Ref) -> Ref:
        return Ref(place[ref.node], ref.output)

    nodes = []
    for number in kept:
        node = graph.nodes[number]
        inputs = tuple(moved(operand) if isinstance(operand, Ref) else operand for operand in node.inputs)
        nodes.append(node.model_copy(update={"inputs": inputs}))
    outputs = tuple(Output(name=output.name, ref=moved(output.ref)) for output in graph.outputs)
    return graph.model_copy(update={"nodes": tuple(nodes), "outputs": outputs})

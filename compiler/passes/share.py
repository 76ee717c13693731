"""What is computed twice from the same values is computed once.

Comes in: any graph. Goes out: of equal steps of one body the first, read by the readers of all. Steps are equal if they are pure, own no
key, and have equal arguments and inputs; so no draw, no layer and no part is ever shared that the text does not share. A weight is read
anew after a step that is not pure, since that may have moved it (running statistics).
"""

from __future__ import annotations

from typing import ClassVar

from ..graph import Graph, Node, Parameter, Ref, Repeat, Use, Weight
from ..layers.base import Layer
from .base import Pass, redirected, redirected_outputs


def is_shareable(node: Node) -> bool:
    """Would it give the same again?"""
    return isinstance(node.op, Layer) and node.op.pure and node.key is None and bool(node.outputs)


def reads_storage(nodes: list[Node], node: Node) -> bool:
    """Does it read what a layer or the body keeps?"""
    return any(isinstance(nodes[ref.node].op, Weight | Parameter) for ref in node.refs)


def may_move_storage(node: Node) -> bool:
    """May it change what a layer keeps?"""
    return isinstance(node.op, Use | Repeat) or (isinstance(node.op, Layer) and not node.op.pure)


def told(node: Node) -> tuple[object, ...]:
    """What a step does and to what, to the sign of a zero, which `==` does not see."""
    return type(node.op), repr(node.op), repr(node.inputs)


def merged(first: Node, second: Node) -> Node:
    """The first of two equal steps with the names that the text gives to either."""
    pairs = zip(first.outputs, second.outputs, strict=True)
    outputs = tuple(a if a.name is not None else b for a, b in pairs)
    return first.model_copy(update={"outputs": outputs, "gate": first.gate or second.gate})


class Share(Pass):
    name: ClassVar[str] = "share"

    def apply(self, graph: Graph) -> Graph:
        instead: dict[Ref, Ref] = {}
        nodes: list[Node] = []
        known: dict[object, int] = {}
        moments = 0  # how often storage may have changed
        for number, old in enumerate(graph.nodes):
            nodes.append(node := redirected(old, instead))
            if not is_shareable(node):
                moments += may_move_storage(node)
                continue
            first = known.setdefault((told(node), moments if reads_storage(nodes, node) else -1), number)
            if first != number:
                nodes[first] = merged(nodes[first], node)
                instead |= {Ref(number, k): Ref(first, k) for k in range(len(node.outputs))}
        if not instead:
            return graph
        return graph.model_copy(update={"nodes": tuple(nodes), "outputs": redirected_outputs(graph, instead)})

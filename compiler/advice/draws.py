"""Draws that no gradient goes through, where weights have nothing else to learn from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...dsl.diagnostic import Fault
from ..errors.advice import NoGradientThroughDraw
from ..graph import Graph, Node, Parameter, Penalty, Repeat, Use
from ..layers.base import Layer

INSTEAD = {
    "bernoulli": "relaxed_bernoulli(logits, hard=true)",
    "categorical": "gumbel_softmax(logits, hard=true), whose draws are one-hot",
}


def advice(graph: Graph) -> Iterator[Fault]:
    """Each draw without a gradient, of whose parameters some weights depend on nothing but such draws to be of any use."""
    blocked = {n for n, node in enumerate(graph.nodes) if _kind(node.op) in INSTEAD}
    if not blocked:
        return
    learning = _learning(graph, blocked)
    for number in sorted(blocked):
        node = graph.nodes[number]
        op: Any = node.op
        behind = {ref.node for ref in node.refs[: len(op.given)]}
        stuck = (behind | graph.ancestors(behind)) - learning if behind else set()
        if any(_is_learned(graph.nodes[one]) for one in stuck):
            yield NoGradientThroughDraw(node.span, node.outputs[0].name or "it", _kind(op), INSTEAD[_kind(op)])


def _kind(op: Any) -> str:
    """What is drawn from, if something is; draws are told by their name, since most specs have none and are not to load them."""
    return op.distribution.name if getattr(op, "name", "") == "draw" else ""


def _learning(graph: Graph, blocked: set[int]) -> set[int]:
    """The nodes that a gradient comes to from what the body returns, or adds to the loss."""
    found: set[int] = set()
    waiting = [output.ref.node for output in graph.outputs]
    waiting += [n for n, node in enumerate(graph.nodes) if isinstance(node.op, Penalty)]
    while waiting:
        number = waiting.pop()
        if number not in found and number not in blocked:
            found.add(number)
            waiting.extend(ref.node for ref in graph.nodes[number].refs)
    return found


def _is_learned(node: Node) -> bool:
    """Has it weights of its own?"""
    match node.op:
        case Parameter():
            return node.op.learned
        case Use():
            return any(map(_is_learned, node.op.graph.nodes))
        case Repeat():
            return any(_is_learned(inner) for level in node.op.levels for inner in level.graph.nodes)
        case Layer():
            return node.op.owns
    return False

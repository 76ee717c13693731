"""Invariants of a graph, checked between passes. A graph that breaks one is a bug in archc, never of a spec."""

from __future__ import annotations

from .graph import Graph, Input, Node, Recur, Ref, Repeat, SlopePenalty, Use
from .shapes import Size


class BrokenGraph(Exception):
    """A pass has made a graph that cannot be."""


def verify(root: Graph, after: str) -> None:
    """Every tensor is made before it is read.

    Inputs come first; parts and levels get as many tensors as they take, of the types they were made for, and give what is read.
    """
    seen: set[int] = set()
    pending = [root]
    while pending:
        graph = pending.pop()
        if id(graph) in seen:
            continue
        seen.add(id(graph))
        problem = _problem(graph)
        if problem is not None:
            raise BrokenGraph(f"after {after}, {graph.name}: {problem}")
        pending.extend(child for _, child in graph.children())


def _problem(graph: Graph) -> str | None:
    for number, node in enumerate(graph.nodes):
        for ref in node.refs:
            if not 0 <= ref.node < number:
                return f"node {number} ({node.op.title}) reads node {ref.node}, which is not before it"
            if not 0 <= ref.output < len(graph.nodes[ref.node].outputs):
                return f"node {number} ({node.op.title}) reads an output that node {ref.node} does not have"
        if isinstance(node.op, Recur):
            taken = node.op.graph.stepped + node.op.constants + node.op.lengths + node.op.states * node.op.given
            if len(node.refs) != taken:
                return f"node {number} ({node.op.title}) has {len(node.refs)} tensors and takes {taken}"
        elif isinstance(node.op, Use) and (wrong := _misfit(graph, given_to_graph(node), node.op.graph)) is not None:
            return f"node {number} ({node.op.title}) {wrong}"
        if isinstance(node.op, Repeat) and (wrong := _misfit_levels(node, node.op)) is not None:
            return f"node {number} ({node.op.title}) {wrong}"
    for output in graph.outputs:
        if not 0 <= output.ref.node < len(graph.nodes):
            return f"the output {output.name} is not there"
    for name, axis in graph.dims.items():
        if not 0 <= axis.input < len(graph.inputs) or not 0 <= axis.axis < graph.inputs[axis.input].type.rank:
            return f"the dim {name} is read where there is none"
    return None


def given_to_graph(node: Node) -> tuple[object, ...]:
    """What its graph is given; a penalty gives a point between two tensors, which is of the type of the first."""
    return (node.inputs[0], *node.inputs[2:]) if isinstance(node.op, SlopePenalty) else node.inputs


def _misfit(graph: Graph, operands: tuple[object, ...], part: Graph) -> str | None:
    inputs = [node for node in part.nodes if isinstance(node.op, Input)]
    refs = [operand for operand in operands if isinstance(operand, Ref)]
    if len(refs) != len(inputs):
        return f"gives {len(refs)} tensors to {len(inputs)} inputs"
    for ref, node in zip(refs, inputs, strict=True):
        given, wanted = graph.type_of(ref), node.type
        if given.dtype != wanted.dtype or not _same(given.shape, wanted.shape):
            return f"gives {given} where {wanted} is wanted"
    return None


def _misfit_levels(node: Node, op: Repeat) -> str | None:
    """What does not fit between a stack, what it is given, and its levels; for a stack without levels, nothing does."""
    if len(node.refs) != op.carried + op.captured + op.walked + op.routed:
        return f"has {len(node.refs)} tensors"
    returned = op.collects + (op.carried if op.kind == "stack" else 0)
    for level in op.levels:
        if len(level.graph.outputs) != returned:
            return f"wants {returned} tensors of each level, one gives {len(level.graph.outputs)}"
        further = len(level.graph.inputs) - op.carried - op.captured
        if further < 0 or (further > 0) != (op.walked > 0):
            return f"carries {op.carried} tensors and hands in {op.captured}, a level takes {len(level.graph.inputs)}"
    return None


def _same(left: tuple[Size, ...], right: tuple[Size, ...]) -> bool:
    return len(left) == len(right) and all(
        a.number is None or b.number is None or a.number == b.number for a, b in zip(left, right, strict=True)
    )

"""Steps and parts whose result nobody reads go away; what owns weights, draws, checks, is an input or has a name of its own in the state
dict's paths stays, because the text says that it is there.

Nor do parts return what none of their users reads, nor are levels of a stack given what none of them reads: a part is looked at with all
its uses together, so that it stays one class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from ..graph import Graph, Input, Node, Output, Recur, Ref, Repeat, Use
from .base import Pass, everywhere, kept_carried, redirected, redirected_outputs, returned, without

Declared = tuple[object, ...]  # what all graphs of one declaration have in common


def is_droppable(node: Node) -> bool:
    """Nothing but its result would be missed."""
    return node.is_free and not node.named and not isinstance(node.op, Input)


def unread(graph: Graph) -> set[int]:
    """The steps that neither an output nor a step that stays depends on."""
    read = {output.ref.node for output in graph.outputs}
    dropped = set()
    for number in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[number]
        if number in read or not is_droppable(node):
            read.update(ref.node for ref in node.refs)
        else:
            dropped.add(number)
    return dropped


def read_in(graph: Graph) -> set[Ref]:
    """All values that something in the body reads, or that it returns."""
    return {ref for node in graph.nodes for ref in node.refs} | {output.ref for output in graph.outputs}


# Parts ----------------------------------------------------------------------------------------------------------------


@dataclass
class Wanted:
    """Of a declaration that is used: the outputs that some user reads, and the inputs that some instance reads."""

    outputs: set[int] = field(default_factory=set)
    inputs: set[int] = field(default_factory=set)


def graphs_below(root: Graph) -> Iterator[Graph]:
    """The root and all parts, each once."""
    pending, seen = [root], {id(root)}
    while pending:
        graph = pending.pop()
        yield graph
        for _, child in graph.children():
            if id(child) not in seen:
                seen.add(id(child))
                pending.append(child)


def declared(graph: Graph) -> Declared:
    return graph.name, graph.kind, graph.span, tuple(output.name for output in graph.outputs), len(graph.inputs)


def wishes(root: Graph) -> dict[Declared, Wanted]:
    """What is wanted of each part, all its uses together."""
    found: dict[Declared, Wanted] = {}
    for graph in graphs_below(root):
        read = read_in(graph)
        for number, node in enumerate(graph.nodes):
            used = [k for k in range(len(node.outputs)) if Ref(number, k) in read]
            if isinstance(node.op, Use):
                used = list(range(len(node.outputs))) if isinstance(node.op, Recur) else used  # each step needs all of the last
                found.setdefault(declared(node.op.graph), Wanted()).outputs.update(used)
            elif isinstance(node.op, Repeat):
                for level in node.op.levels:
                    wanted = found.setdefault(declared(level.graph), Wanted())
                    wanted.outputs |= {*range(kept_carried(node.op)), *(returned(node.op, k) for k in used)}
                    wanted.inputs |= {*range(node.op.carried), *_read_inputs(level.graph)}
    return found


def _read_inputs(graph: Graph) -> set[int]:
    """The inputs that a level reads, its walked items and those that tell a dim among them."""
    read = read_in(graph)
    numbers = [number for number, node in enumerate(graph.nodes) if isinstance(node.op, Input)]
    return {k for k, number in enumerate(numbers) if Ref(number) in read} | {axis.input for axis in graph.dims.values()}


def narrowed(graph: Graph, wanted: dict[Declared, Wanted]) -> Graph:
    """The graph with the parts directly inside it, and their nodes, cut down to what is wanted."""
    instead: dict[Ref, Ref] = {}
    nodes: list[Node] = []
    changed = False
    for number, node in enumerate(graph.nodes):
        new, kept = node, list(range(len(node.outputs)))
        if isinstance(node.op, Use):
            new, kept = _narrowed_use(node, node.op, wanted[declared(node.op.graph)])
        elif isinstance(node.op, Repeat) and node.op.levels:
            new, kept = _narrowed_repeat(node, node.op, wanted)
        changed = changed or new is not node
        instead |= {Ref(number, old): Ref(number, place) for place, old in enumerate(kept) if old != place}
        nodes.append(redirected(new, instead))
    if not changed:
        return graph
    return graph.model_copy(update={"nodes": tuple(nodes), "outputs": redirected_outputs(graph, instead)})


def _narrowed_use(node: Node, op: Use, wanted: Wanted) -> tuple[Node, list[int]]:
    every = list(range(len(node.outputs)))
    kept = [k for k in every if k in wanted.outputs]
    if kept == every or not kept:
        return node, every
    part = _returning(op.graph, kept)
    outputs = tuple(node.outputs[k] for k in kept)
    return node.model_copy(update={"op": op.model_copy(update={"graph": part}), "outputs": outputs}), kept


def _narrowed_repeat(node: Node, op: Repeat, wanted: dict[Declared, Wanted]) -> tuple[Node, list[int]]:
    wish = Wanted()
    for level in op.levels:
        wish.outputs |= wanted[declared(level.graph)].outputs
        wish.inputs |= wanted[declared(level.graph)].inputs
    first = kept_carried(op)
    returns = [k for k in range(first + op.collects) if k in wish.outputs]
    captured = [k for k in range(op.captured) if op.carried + k in wish.inputs]
    every = list(range(len(node.outputs)))
    if op.single and returns != every[: len(returns)]:
        returns = list(range(first + op.collects))  # a level that is one call gives the first of what the call gives
    if (len(returns) == first + op.collects and len(captured) == op.captured) or not returns:
        return node, every
    gone = {op.carried + k for k in range(op.captured) if k not in captured}
    levels = tuple(level.model_copy(update={"graph": _taking(_returning(level.graph, returns), gone)}) for level in op.levels)
    update = {"levels": levels, "collects": len(returns) - first, "captured": len(captured)}
    kept = [k for k in every if returned(op, k) in returns]
    inputs = tuple(operand for place, operand in enumerate(node.inputs) if place not in gone)
    outputs = tuple(node.outputs[k] for k in kept)
    return node.model_copy(update={"op": op.model_copy(update=update), "inputs": inputs, "outputs": outputs}), kept


def _returning(graph: Graph, kept: list[int]) -> Graph:
    """The graph with some of its outputs."""
    outputs: tuple[Output, ...] = tuple(graph.outputs[k] for k in kept)
    return graph if len(outputs) == len(graph.outputs) else graph.model_copy(update={"outputs": outputs})


def _taking(graph: Graph, gone: set[int]) -> Graph:
    """The graph without some inputs that nothing in it reads."""
    numbers = [number for number, node in enumerate(graph.nodes) if isinstance(node.op, Input)]
    return without(graph, {numbers[k] for k in gone}) if gone else graph


class DropUnused(Pass):
    name: ClassVar[str] = "drop-unused"

    def apply(self, graph: Graph) -> Graph:
        dropped = unread(graph)
        return without(graph, dropped) if dropped else graph

    def run(self, root: Graph) -> Graph:
        while True:
            root = super().run(root)
            narrower = everywhere(partial(narrowed, wanted=wishes(root)), root)
            if narrower is root:
                return root
            root = narrower

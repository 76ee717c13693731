"""What a pass is, the pipeline that runs them and verifies the graph between any two, and the rewritings that passes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import ClassVar

from ..graph import Axis, Graph, Input, Node, Output, Ref, Repeat, Use
from ..record import Record
from ..verify import verify


class Pass(Record):
    """One rewriting of graphs: options as fields, one method. The pipeline takes it through all parts, inner ones first."""

    name: ClassVar[str]

    def apply(self, graph: Graph) -> Graph:
        """The graph, rewritten; its parts are done already."""
        raise NotImplementedError

    def run(self, root: Graph) -> Graph:
        """The root and all its parts, rewritten."""
        return everywhere(self.apply, root)


class Pipeline(Record):
    passes: tuple[Pass, ...]

    def run(self, root: Graph) -> Graph:
        """The root after all passes; a pass that breaks the graph is a bug in archc and is named."""
        verify(root, "the elaborator")
        for step in self.passes:
            root = step.run(root)
            verify(root, f"the pass {step.name}")
        return root


def everywhere(step: Callable[[Graph], Graph], root: Graph) -> Graph:
    """A rewriting of a graph and all its parts, inner ones first; a part that is used twice stays one object."""
    return _everywhere(step, root, {})


def _everywhere(step: Callable[[Graph], Graph], graph: Graph, done: dict[int, Graph]) -> Graph:
    if id(graph) not in done:
        nodes = tuple(with_parts(node, lambda part: _everywhere(step, part, done)) for node in graph.nodes)
        changed = any(new is not old for new, old in zip(nodes, graph.nodes, strict=True))
        done[id(graph)] = step(graph.model_copy(update={"nodes": nodes}) if changed else graph)
    return done[id(graph)]


def with_parts(node: Node, rewrite: Callable[[Graph], Graph]) -> Node:
    """The node with the graphs that it holds rewritten; the same object where none of them changes."""
    if isinstance(node.op, Use):
        part = rewrite(node.op.graph)
        if part is not node.op.graph:
            return node.model_copy(update={"op": node.op.model_copy(update={"graph": part})})
    elif isinstance(node.op, Repeat):
        parts = [rewrite(level.graph) for level in node.op.levels]
        if any(part is not level.graph for part, level in zip(parts, node.op.levels, strict=True)):
            pairs = zip(node.op.levels, parts, strict=True)
            levels = tuple(level.model_copy(update={"graph": part}) for level, part in pairs)
            return node.model_copy(update={"op": node.op.model_copy(update={"levels": levels})})
    return node


# Stacks ---------------------------------------------------------------------------------------------------------------


def kept_carried(op: Repeat) -> int:
    """How many outputs of a level go on to the next."""
    return op.carried if op.kind == "stack" else 0


def returned(op: Repeat, output: int) -> int:
    """The output of a level that an output of the stack comes from."""
    first = kept_carried(op)
    return output if output < first else first + (output - first) % op.collects


# Rewriting ------------------------------------------------------------------------------------------------------------


def redirected(node: Node, instead: Mapping[Ref, Ref]) -> Node:
    """The node reading, instead of some values, others."""
    if not any(ref in instead for ref in node.refs):
        return node
    inputs = tuple(instead.get(operand, operand) if isinstance(operand, Ref) else operand for operand in node.inputs)
    return node.model_copy(update={"inputs": inputs})


def redirected_outputs(graph: Graph, instead: Mapping[Ref, Ref]) -> tuple[Output, ...]:
    """The outputs of the graph with some values replaced by others."""
    return tuple(Output(name=output.name, ref=instead.get(output.ref, output.ref)) for output in graph.outputs)


def without(graph: Graph, dropped: Set[int]) -> Graph:
    """The graph without some nodes, none of which another reads."""
    kept = [number for number in range(len(graph.nodes)) if number not in dropped]
    place = {old: new for new, old in enumerate(kept)}
    before = [number for number, node in enumerate(graph.nodes) if isinstance(node.op, Input)]
    input_place = {old: new for new, old in enumerate(k for k, number in enumerate(before) if number in place)}

    def moved(ref: Ref) -> Ref:
        return Ref(place[ref.node], ref.output)

    nodes = []
    for number in kept:
        node = graph.nodes[number]
        if node.refs:
            inputs = tuple(moved(operand) if isinstance(operand, Ref) else operand for operand in node.inputs)
            node = node.model_copy(update={"inputs": inputs})
        nodes.append(node)
    outputs = tuple(Output(name=output.name, ref=moved(output.ref)) for output in graph.outputs)
    dims = graph.dims
    if len(input_place) < len(before):
        dims = {name: Axis(input_place[axis.input], axis.axis) for name, axis in dims.items() if axis.input in input_place}
    return graph.model_copy(update={"nodes": tuple(nodes), "outputs": outputs, "dims": dims})

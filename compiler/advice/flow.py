"""What flows where in a graph: readers of each tensor, and back from a tensor to the layer that made it. Read only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from ..graph import Graph, Node, Ref, Repeat, TensorType, Use
from ..layers.base import Layer
from ..values import AxisName


class Made(NamedTuple):
    """A layer at work: the graph it stands in, and its node."""

    graph: Graph
    node: Node
    layer: Layer


class Flow:
    """A graph with its readers counted."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def readers(self) -> Counter[int]:
        """How often each node is read, by steps of the graph and by its outputs."""
        counted = Counter(ref.node for node in self.graph.nodes for ref in node.refs)
        counted.update(output.ref.node for output in self.graph.outputs)
        return counted

    @cached_property
    def keys(self) -> Counter[str]:
        """How many nodes share the weights of each key."""
        return Counter(node.key for node in self.graph.nodes if node.key is not None)

    def only_reader(self, node: Node) -> Made | None:
        """The layer before `node`, if `node` alone reads it and it shares its weights with none."""
        if not node.inputs or not isinstance(ref := node.inputs[0], Ref):
            return None
        before = self.graph.nodes[ref.node]
        if not isinstance(before.op, Layer) or self.readers[ref.node] != 1:
            return None
        if before.owner or (before.key is not None and self.keys[before.key] != 1):
            return None
        return Made(self.graph, before, before.op)


def reached(graphs: Sequence[Graph]) -> Iterator[Graph]:
    """The graphs and all below them, each once."""
    waiting, known = list(reversed(graphs)), set()
    while waiting:
        graph = waiting.pop()
        if id(graph) not in known:
            known.add(id(graph))
            yield graph
            waiting.extend(child for _, child in graph.children())


def maker(graph: Graph, ref: Ref, through: Callable[[Layer], bool] = lambda layer: False) -> Made | Node | None:
    """The layer that made a tensor, looked for inside the parts that are used; an input as its node.

    Layers for which `through` holds are passed on the way, by their first tensor. None where a level or a part gives back what it got.
    """
    while True:
        node = graph.nodes[ref.node]
        if isinstance(node.op, Use):
            graph, ref = node.op.graph, node.op.graph.outputs[ref.output].ref
        elif isinstance(node.op, Repeat):
            if node.op.kind != "stack" or ref.output >= node.op.carried:
                return None
            graph = node.op.levels[-1].graph
            ref = graph.outputs[ref.output].ref
        elif isinstance(node.op, Layer):
            if not (node.refs and through(node.op)):
                return Made(graph, node, node.op)
            ref = node.refs[0]
        else:
            return node


def axis_of(dim: object, type_: TensorType) -> int | None:
    """The number of the dim that an argument `dim=` of a layer means."""
    if isinstance(dim, AxisName):
        held = [i for i, size in enumerate(type_.shape) if size.text.symbol == str(dim) or size.value.symbol == str(dim)]
        return held[0] if len(held) == 1 else None
    number = getattr(dim, "number", None)
    return number % type_.rank if isinstance(number, int) and type_.rank else None

"""What a graph costs, as exact formulae over the root's free dims: parameters, multiply-adds, activation bytes.

The customs, which the summary and the diagrams share:
- parameters are what is learned; buffers (running statistics) are counted apart. Weights that several nodes share count once, a stack's
  weights once a level, a tied stack's once;
- multiply-adds are what each layer declares (`Layer.cost`): products and sums of convolutions, dense maps and matrix products; elementwise
  work, norms and pooling are not counted, as is usual. `flops` is twice that;
- of experts under a gate, as many are at work as it chooses for a row (`passes.route`);
- activation bytes are the outputs of all steps, as training keeps them, at the default precision (float 4, int 8, bool 1 byte a number);
  inputs, parameters and views of other tensors take none.

Work is bounded by the number of distinct graphs, however often each is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..graph import Graph, Input, Level, Node, Operand, Parameter, Recur, Ref, Repeat, TensorType, Use
from ..graph import Weight as WeightOf
from ..layers.base import Given, Layer, elements
from ..passes.route import chosen
from ..shapes import Dim

BYTES = {"float": 4, "int": 8, "bool": 1}
VIEWS = frozenset(
    {"flatten", "reshape", "squeeze", "unsqueeze", "transpose", "permute", "chunk", "split", "index", "slice", "expand"}
)
NOTHING = Dim.of(0)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one step, or one graph, costs."""

    parameters: Dim = NOTHING
    buffers: Dim = NOTHING
    multiply_adds: Dim = NOTHING
    activation_bytes: Dim = NOTHING

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.parameters + other.parameters,
            self.buffers + other.buffers,
            self.multiply_adds + other.multiply_adds,
            self.activation_bytes + other.activation_bytes,
        )

    def times(self, count: Dim, weights: Dim | None = None) -> Cost:
        """Done `count` times; with `weights` sets of weights, where that is another number."""
        sets = count if weights is None else weights
        return Cost(self.parameters * sets, self.buffers * sets, self.multiply_adds * count, self.activation_bytes * count)

    @property
    def weights(self) -> Cost:
        """What it keeps."""
        return Cost(self.parameters, self.buffers)

    @property
    def work(self) -> Cost:
        """What it does."""
        return Cost(NOTHING, NOTHING, self.multiply_adds, self.activation_bytes)

    @property
    def total(self) -> int:
        """The number of parameters. Weights have known sizes, so it is a number."""
        number = self.parameters.constant
        if number is None:
            raise AssertionError(f"parameters depend on free dims: {self.parameters}")
        return number


class Costs:
    """The costs of a graph and of all graphs inside it."""

    def __init__(self, graph: Graph) -> None:
        self._held = graph  # the identities stay good as long as the graph lives
        self._nodes: dict[int, dict[int, Cost]] = {}
        self._totals: dict[int, Cost] = {}
        self._chosen: dict[int, int] = {}  # of experts under a gate, by the identity of their node, how many run on a row
        self._borrowed: dict[int, dict[tuple[str, int], Cost]] = {}  # weights that stand so many bodies further up
        for inner in innermost_first(graph):
            self._count(inner)

    def of(self, graph: Graph) -> Cost:
        """The whole graph, with everything inside; without weights that stand further up."""
        return self._totals[id(graph)]

    def node(self, graph: Graph, node: Node) -> Cost:
        """One step. Weights that several steps share are counted at the first, in the body where they stand."""
        return self._nodes[id(graph)][id(node)]

    def level(self, repeat: Repeat, level: Level) -> Cost:
        """One run of levels of a stack, all of its levels together."""
        sets = Dim.of(1) if repeat.tied else None
        return self.of(level.graph).times(level.count.value, sets)

    def alone(self, graph: Graph, node: Node) -> Cost:
        """One step as if nothing else used its weights."""
        match node.op:
            case Recur(graph=inner, cells=cells):
                steps = node.outputs[0].type.shape[1].value
                return self.of(inner).times(steps * cells, Dim.of(cells))
            case Use(graph=inner):
                return self.of(inner)
            case Repeat(levels=levels) if id(node) in self._chosen:
                return self.of(levels[0].graph).times(Dim.of(self._chosen[id(node)]), levels[0].count.value)
            case Repeat(levels=levels) as repeat:
                total = Cost()
                for level in levels:
                    total = total + self.level(repeat, level)
                return total
            case Parameter(learned=learned):
                size = elements(node.type)
                return Cost(parameters=size) if learned else Cost(buffers=size)
            case Layer() as layer:
                return _layer(layer, given(graph, node.inputs), tuple(edge.type for edge in node.outputs))
        return Cost()

    def _count(self, graph: Graph) -> None:
        seen: set[str] = set()
        borrowed: dict[tuple[str, int], Cost] = {}
        counted: dict[int, Cost] = {}
        total = Cost()
        self._chosen |= {id(graph.nodes[number]): count for number, count in chosen(graph).items()}
        for node in graph.nodes:
            cost = self.alone(graph, node)
            if owns(node) and node.key is not None:
                if node.owner:
                    borrowed.setdefault((node.key, node.owner), cost.weights)
                if node.owner or node.key in seen:
                    cost = cost.work
                else:
                    seen.add(node.key)
            for (key, up), weights in self._lent(node):
                if up > 1:
                    borrowed.setdefault((key, up - 1), weights)
                elif key not in seen:
                    seen.add(key)
                    cost = cost + weights
            counted[id(node)] = cost
            total = total + cost
        self._nodes[id(graph)], self._totals[id(graph)], self._borrowed[id(graph)] = counted, total, borrowed

    def _lent(self, node: Node) -> list[tuple[tuple[str, int], Cost]]:
        """The weights that what is inside a step takes from further up."""
        match node.op:
            case Use(graph=inner):
                return list(self._borrowed[id(inner)].items())
            case Repeat(levels=levels):
                return [item for level in levels for item in self._borrowed[id(level.graph)].items()]
        return []


def given(graph: Graph, operands: Iterable[Operand]) -> tuple[Given, ...]:
    """What a layer is applied to: the types of tensors, numbers as they are."""
    return tuple(graph.type_of(operand) if isinstance(operand, Ref) else operand for operand in operands)


def owns(node: Node) -> bool:
    """Its key is where weights are, or may be."""
    return node.key is not None and not isinstance(node.op, Input | WeightOf)


def sharing(graph: Graph) -> list[bool]:
    """For each node: does it use the weights of a node before it?"""
    seen: set[tuple[str, int]] = set()
    again = []
    for node in graph.nodes:
        name = (node.key, node.owner) if owns(node) and node.key is not None else None
        again.append(name in seen)
        if name is not None:
            seen.add(name)
    return again


def _layer(layer: Layer, inputs: tuple[Given, ...], outputs: tuple[TensorType, ...]) -> Cost:
    learned = buffers = memory = NOTHING
    for weight in layer.weights(*inputs).values():
        size = Dim.of(1)
        for side in weight.shape:
            size = size * side.value
        learned, buffers = (learned + size, buffers) if weight.learned else (learned, buffers + size)
    if layer.name not in VIEWS:
        for tensor in outputs:
            memory = memory + elements(tensor) * BYTES[tensor.dtype]
    return Cost(learned, buffers, layer.cost(inputs, outputs), memory)


def innermost_first(graph: Graph) -> list[Graph]:
    """Every distinct graph once, those inside before those that hold them. Without recursion: nesting is as deep as the text wants."""
    order: list[Graph] = []
    done: set[int] = set()
    waiting = [(graph, False)]
    while waiting:
        current, ready = waiting.pop()
        if id(current) in done:
            continue
        if ready:
            done.add(id(current))
            order.append(current)
            continue
        waiting.append((current, True))
        waiting.extend((inner, False) for _, inner in current.children() if id(inner) not in done)
    return order

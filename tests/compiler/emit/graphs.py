"""Graphs built by hand, for what is tested below the elaborator: large ones, odd ones, hostile ones."""

from __future__ import annotations

from typing import Any

from archc.compiler.graph import (
    Axis,
    Edge,
    Graph,
    Input,
    Level,
    Node,
    Operand,
    Operation,
    Output,
    Parameter,
    Ref,
    Repeat,
    TensorType,
    Use,
    Weight,
)
from archc.compiler.layers import registry
from archc.compiler.shapes import Dim, Size
from archc.dsl.span import Loc, Span


def size(value: int | str | Size) -> Size:
    return value if isinstance(value, Size) else Size.of(Dim.of(value))


def tensor(*dims: int | str | Size) -> TensorType:
    return TensorType("float", tuple(size(dim) for dim in dims))


class Trusting:
    """A checker that believes what the values say."""

    span = Span("hand.arch", Loc(1, 1), Loc(1, 2))

    def place(self, which: int | str) -> Span:
        return self.span

    def origin(self, which: int, axis: int) -> Span:
        return self.span

    def same(self, left: Size, right: Size) -> bool:
        return left.value == right.value

    def holds(self, op: str, left: Size, right: Size) -> bool | None:
        return None

    def divides(self, divisor: Size, size: Size) -> bool | None:
        return size.value.divided(divisor.value) is not None


class Draft:
    """A graph in the making. Every step stands on a line of its own."""

    def __init__(self, name: str, kind: str = "model", doc: str | None = None) -> None:
        self.name, self.kind, self.doc = name, kind, doc
        self.nodes: list[Node] = []

    def add(
        self, op: Operation, inputs: tuple[Operand, ...], *types: TensorType, key: str | None = None, name: bool = False
    ) -> Ref:
        line = len(self.nodes) + 2
        span = Span("hand.arch", Loc(line, 5), Loc(line, 20))
        edges = tuple(Edge(type=one) for one in types)
        self.nodes.append(Node(op=op, inputs=inputs, outputs=edges, key=key, named=name, span=span))
        return Ref(len(self.nodes) - 1)

    def input(self, name: str, *dims: int | str | Size) -> Ref:
        return self.add(Input(name=name), (), tensor(*dims))

    def layer(self, kind: str, *inputs: Operand, key: str | None = None, **arguments: Any) -> Ref:
        op = registry()[kind](**arguments)
        types = [self.nodes[given.node].outputs[given.output].type if isinstance(given, Ref) else given for given in inputs]
        made = op.infer(Trusting(), *types)
        return self.add(op, inputs, *(made if isinstance(made, tuple) else (made,)), key=key)

    def param(self, name: str, *dims: int | str, learned: bool = True) -> Ref:
        return self.add(Parameter(name=name, learned=learned), (), tensor(*dims), key=name, name=True)

    def weight(self, key: str, attribute: str, *dims: int) -> Ref:
        return self.add(Weight(attribute=attribute), (), tensor(*dims), key=key)

    def use(self, graph: Graph, *inputs: Operand, key: str | None = None, **arguments: Any) -> Ref:
        types = [graph.type_of(output.ref) for output in graph.outputs]
        return self.add(Use(graph=graph, arguments=arguments, dims={}), inputs, *types, key=key)

    def stack(
        self, *levels: tuple[Graph, int], inputs: tuple[Operand, ...], tied: bool = False, key: str = "stack1", **arguments: Any
    ) -> Ref:
        """Plain runs of levels, each a graph and how many there are."""
        runs = tuple(Level(graph=graph, count=Size.of(count), arguments=arguments, dims={}) for graph, count in levels)
        total = Size.of(sum(count for _, count in levels))
        made = [levels[-1][0].type_of(output.ref) for output in levels[-1][0].outputs]
        repeat = Repeat(kind="stack", levels=runs, carried=1, captured=len(inputs) - 1, tied=tied, count=total)
        return self.add(repeat, inputs, *made, key=key)

    def graph(self, **outputs: Ref) -> Graph:
        made = tuple(Output(name=name, ref=ref) for name, ref in outputs.items())
        free = {str(dim.value): Axis(0, at) for at, dim in enumerate(self.nodes[0].type.shape) if dim.value.symbol}
        span = Span("hand.arch", Loc(1, 1), Loc(1, 6))
        return Graph(name=self.name, kind=self.kind, doc=self.doc, dims=free, nodes=tuple(self.nodes), outputs=made, span=span)


def residual(width: int = 64) -> Graph:
    """A block with a skip connection."""
    draft = Draft("Residual", "block")
    x = draft.input("x", "B", width)
    main = draft.layer("dense", draft.layer("layer_norm", x, key="layer_norm1"), key="dense1", out_features=width)
    return draft.graph(output=draft.layer("+", main, x))


def level_of(graph: Graph, width: int = 64) -> Graph:
    """A level that is one part."""
    draft = Draft("level", "level")
    return draft.graph(h=draft.use(graph, draft.input("h", "B", width), key=graph.name.lower()))


def tower(levels: int, width: int = 64, tied: bool = False) -> Graph:
    """A stack of equal residual blocks."""
    draft = Draft("Tower", doc="A tower.\nSecond line.")
    x = draft.input("x", "B", width)
    h = draft.stack((level_of(residual(width), width), levels), inputs=(x,), tied=tied)
    return draft.graph(logits=draft.layer("dense", h, key="dense1", out_features=10))


def chain(steps: int) -> Graph:
    """So many dense layers, one after another."""
    draft = Draft("Chain")
    x = draft.input("x", "B", 8)
    for step in range(steps):
        x = draft.layer("dense", x, key=f"dense{step + 1}", out_features=8)
    return draft.graph(y=x)


def doubling(floors: int) -> Graph:
    """Each block uses the one below twice: 2 to the `floors` steps, if all were counted one by one."""
    draft = Draft("Leaf", "block")
    graph = draft.graph(y=draft.layer("dense", draft.input("x", "B", 8), key="dense1", out_features=8))
    for floor in range(floors):
        draft = Draft(f"Floor{floor}", "model" if floor == floors - 1 else "block")
        x = draft.input("x", "B", 8)
        graph = draft.graph(y=draft.use(graph, draft.use(graph, x, key="a"), key="b"))
    return graph

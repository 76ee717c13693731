"""How the values of a body flow: who reads what, what is alive, what is pure.

Comes in: a graph. Goes out: its wiring with the stacks of no level left out. Nothing here knows how anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ...graph import Graph, Input, Node, Parameter, Ref, Repeat, SlopePenalty, Use, Weight

RETURN = -1  # the user of what a body returns
Express = Callable[[int, "list[str] | None"], str]


@dataclass
class Purity:
    """Which graphs draw or keep something when they run; each is looked at once."""

    known: dict[int, bool] = field(default_factory=dict)
    kept: list[Graph] = field(default_factory=list)  # alive, so that no identity is used twice

    def graph(self, graph: Graph) -> bool:
        if id(graph) not in self.known:
            self.kept.append(graph)
            self.known[id(graph)] = all(self.node(node) for node in graph.nodes)
        return self.known[id(graph)]

    def node(self, node: Node) -> bool:
        match node.op:
            case SlopePenalty():
                return False
            case Use():
                return self.graph(node.op.graph)
            case Repeat():
                return all(self.graph(level.graph) for level in node.op.levels)
        return bool(getattr(node.op, "pure", True))


def is_atom(node: Node) -> bool:
    """Is it there without computing: an input, a parameter, a weight of a layer?"""
    return isinstance(node.op, Input | Parameter | Weight)


def stands_alone(node: Node) -> bool:
    """Does it take statements of its own: a stack, or an op that says so?"""
    return isinstance(node.op, Repeat) or bool(getattr(node.op, "statement", False))


def is_empty(node: Node) -> bool:
    """A stack of no level: what goes in comes out."""
    return isinstance(node.op, Repeat) and not node.op.levels


class Wiring:
    """Readers of each node, in the order of the text; `RETURN` stands for the end of the body."""

    def __init__(self, graph: Graph, purity: Purity) -> None:
        self.graph, self.purity = graph, purity
        self.nodes = graph.nodes
        self.end = len(graph.nodes)
        self.returned = tuple(self.resolve(output.ref) for output in graph.outputs)
        self.operands = {i: self._operands(node) for i, node in enumerate(graph.nodes)}
        self.live = self._live()
        self.readers: dict[Ref, list[tuple[int, int]]] = {}
        for i in sorted(self.live):
            self._read(i, self.operands[i])
        self._read(RETURN, self.returned)

    def _read(self, reader: int, operands: tuple[object, ...]) -> None:
        for place, operand in enumerate(operands):
            if isinstance(operand, Ref):
                self.readers.setdefault(operand, []).append((reader, place))

    def _operands(self, node: Node) -> tuple[object, ...]:
        if isinstance(node.op, Input):
            return ()  # what a state starts from is made before the first step
        return tuple(self.resolve(operand) if isinstance(operand, Ref) else operand for operand in node.inputs)

    def resolve(self, ref: Ref) -> Ref:
        """Through stacks of no level to what they hand on."""
        while is_empty(self.nodes[ref.node]):
            before = self.nodes[ref.node].inputs[ref.output]
            assert isinstance(before, Ref)
            ref = before
        return ref

    def _live(self) -> set[int]:
        """What the outputs need, and what has an effect."""
        wanted = [ref.node for ref in self.returned]
        wanted += [i for i, node in enumerate(self.nodes) if not self.purity.node(node)]
        live: set[int] = set()
        while wanted:
            i = wanted.pop()
            if i not in live:
                live.add(i)
                wanted += [operand.node for operand in self.operands[i] if isinstance(operand, Ref)]
        return {i for i in live if not is_empty(self.nodes[i])}

    def steps(self) -> Iterator[int]:
        """What is computed, in order."""
        return (i for i in sorted(self.live) if not is_atom(self.nodes[i]))

    def used(self, node: int) -> list[int]:
        """The outputs of a node that something reads."""
        return [k for k in range(len(self.nodes[node].outputs)) if Ref(node, k) in self.readers]

    def only_reader(self, node: int) -> tuple[int, int] | None:
        """Who reads the node and where, if its outputs are read once in all."""
        readers = [reader for k in self.used(node) for reader in self.readers[Ref(node, k)]]
        return readers[0] if len(readers) == 1 else None

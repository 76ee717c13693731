"""What is decided before anything is drawn: which steps share a box, how far blocks are opened, how much there would be to draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ...graph import Graph, Input, Level, Node, Ref, Repeat, State, Use
from ...layers.base import Layer
from ..costs import sharing
from .alike import Run

FOLDED = frozenset({"normalisation", "activation", "dropout"})  # drawn as a strip under what they follow
LED = frozenset({"flatten"})  # drawn as a strip over what they lead to
HOSTS = frozenset({"linear", "convolution", "embedding", "normalisation", "activation", "dropout", "pooling"})
READABLE = 40  # items that a picture may have when nobody said how deep
DEEPEST = 12


def beginnings(graph: Graph) -> set[int]:
    """The steps that only make what the states of a cell start from."""
    if not any(isinstance(node.op, State) for node in graph.nodes):
        return set()
    needed: set[int] = set()
    pending = [output.ref.node for output in graph.outputs]
    while pending:
        number = pending.pop()
        if number not in needed:
            needed.add(number)
            node = graph.nodes[number]
            pending += () if isinstance(node.op, State) else (ref.node for ref in node.refs)
    before = [ref.node for node in graph.nodes if isinstance(node.op, State) for ref in node.refs]
    found: set[int] = set()
    while before:
        number = before.pop()
        if number not in needed and number not in found and not isinstance(graph.nodes[number].op, Input):
            found.add(number)
            before += (ref.node for ref in graph.nodes[number].refs)
    return found


def uses(graph: Graph) -> Counter[Ref]:
    """How often each tensor is read, the outputs of the graph counted."""
    counted: Counter[Ref] = Counter(ref for node in graph.nodes for ref in node.refs)
    counted.update(output.ref for output in graph.outputs)
    return counted


def chains(graph: Graph) -> list[list[int]]:
    """The steps in the order of the text, those that are drawn in one box together; each chain is one line of single readers."""
    read, again = uses(graph), sharing(graph)
    shared = {graph.nodes[number].key for number, is_again in enumerate(again) if is_again}
    found: dict[int, list[int]] = {}  # by its last step
    order: list[list[int]] = []
    for number, node in enumerate(graph.nodes):
        before = _before(graph, node, read)
        if before in found and node.key not in (shared - {None}) and _joins(graph, node, found[before]):
            chain = found.pop(before)
            chain.append(number)
        else:
            chain = [number]
            order.append(chain)
        found[number] = chain
    return order


def _before(graph: Graph, node: Node, read: Counter[Ref]) -> int:
    """The step that this one alone continues; -1 where there is none."""
    if len(node.inputs) != 1 or len(node.outputs) != 1 or len(node.refs) != 1:
        return -1
    ref = node.refs[0]
    return ref.node if read[ref] == 1 and len(graph.nodes[ref.node].outputs) == 1 else -1


def _joins(graph: Graph, node: Node, chain: list[int]) -> bool:
    head, last = graph.nodes[chain[0]], graph.nodes[chain[-1]]
    if not isinstance(node.op, Layer) or not isinstance(last.op, Layer) or not isinstance(head.op, Layer):
        return False
    if node.gate or last.gate:
        return False
    if node.op.family in FOLDED:
        same = tuple(size.value for size in node.type.shape) == tuple(size.value for size in last.type.shape)
        return same and last.op.family in HOSTS
    return len(chain) == 1 and last.op.name in LED and node.op.family == "linear"


def core(level: Level) -> Node | None:
    """The one step that a level consists of, if it is one."""
    steps = [node for node in level.graph.nodes if not isinstance(node.op, Input)]
    return steps[0] if len(steps) == 1 else None


def one_part(repeat: Repeat) -> Use | None:
    """The part that every level of a stack is, if it is one: what its box can be named for."""
    cores = [core(level) for level in repeat.levels]
    parts = [inner.op for inner in cores if inner is not None and isinstance(inner.op, Use)]
    same = len(parts) == len(cores) and len({part.graph.name for part in parts}) == 1
    return parts[0] if same else None


class Extent:
    """How many items a graph would be drawn with when parts are opened so many floors deep, and nameless stacks always.

    `runs` says which levels of a stack are one drawing. Each graph is counted once, however often it is used.
    """

    def __init__(self, runs: Callable[[Repeat, int], Sequence[Run]]) -> None:
        self._known: dict[tuple[int, int], int] = {}
        self._runs = runs

    def of(self, graph: Graph, floors: int) -> int:
        key = (id(graph), floors)
        if key not in self._known:
            self._known[key] = sum(self._node(graph.nodes[chain[0]], floors) for chain in chains(graph))
        return self._known[key]

    def _node(self, node: Node, floors: int) -> int:
        match node.op:
            case Use(graph=inner) if floors > 0:
                return self.of(inner, floors - 1)
            case Repeat() as repeat:
                return sum(self._level(run.first, floors) for run in self._runs(repeat, floors))
        return 1

    def _level(self, level: Level, floors: int) -> int:
        inner = core(level)
        return self._node(inner, floors) if inner is not None else self.of(level.graph, max(floors - 1, 0))

    def comfortable(self, graph: Graph) -> int:
        """The most floors with which the picture is still read at a glance."""
        floors = 0
        while floors < DEEPEST:
            now, more = self.of(graph, floors), self.of(graph, floors + 1)
            if more > READABLE or more == now:
                break
            floors += 1
        return floors


def hands_up(graph: Graph) -> bool:
    """Is there a stack whose levels hand what they say on to the next beside what they were given, as in a deep stacking network?"""
    return any(
        isinstance(node.op, Repeat) and node.op.kind == "stack" and all(_joins_own(level.graph) for level in node.op.levels)
        for node in graph.nodes
    )


def _joins_own(level: Graph) -> bool:
    """Is its carried value what it is given, joined with what it returns?"""
    if len(level.outputs) != 2:
        return False
    carried, said = (output.ref for output in level.outputs)
    node = level.nodes[carried.node]
    return isinstance(node.op, Layer) and node.op.name == "concat" and {said, Ref(0)} <= set(node.refs)

"""Penalties as further results of the parts that they stand in, so that nothing is kept on modules, and a part may be run twice at once.

Comes in: a graph whose parts hold `Penalty` nodes. Goes out: a graph without any; each part returns, after its outputs, the sum of the
penalties of each name that ran in it.
"""

from __future__ import annotations

from ..dsl.span import Span
from .graph import Edge, Graph, Input, Level, Node, Operation, Output, Penalty, Ref, Repeat, SlopePenalty, State, TensorType, Use
from .layers._threads import SCALAR, Spread, Total, Zero
from .penalties import Known, penalties_of
from .shapes import Size


def charged(cell: Graph) -> Graph:
    """A cell with the penalties of its parts among its own: at each step that of a part is one number, the same for all examples."""
    found = penalties_of(cell, {})
    if not found:
        return cell
    body = Rewritten(Threads({}), cell)
    for number, node in enumerate(cell.nodes):
        body.step(number, node)
    outputs = [Output(name=output.name, ref=body.place[output.ref]) for output in cell.outputs]
    states = len(outputs) - sum(isinstance(node.op, State) for node in cell.nodes)
    given, own, last = outputs[: states - len(cell.charged)], outputs[states - len(cell.charged) : states], outputs[states:]
    sums = {output.name: output.ref for output in own}
    for name, span in found.items():
        ref = body.spread(name, body.sum(name), outputs[0].ref, span)
        sums[name] = ref if name not in sums else body.total(name, (sums[name], ref), span, body.each)
    outputs = [*given, *(Output(name=name, ref=ref) for name, ref in sums.items()), *last]
    return cell.model_copy(update={"nodes": tuple(body.nodes), "outputs": tuple(outputs), "charged": tuple(sums)})


def of_part(cell: Graph) -> Node | None:
    """Where a penalty of a part comes into a cell."""
    return next((node for node in cell.nodes if isinstance(node.op, Spread)), None)


class Threads:
    """The parts of one root, each rewritten once for the penalties that are wanted of it."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.done: dict[tuple[int, tuple[str, ...]], tuple[Graph, Graph]] = {}  # with the graph before, which stays alive

    def graph(self, graph: Graph, names: tuple[str, ...]) -> Graph:
        """The graph, returning these penalties too."""
        if not names:
            return graph
        key = (id(graph), names)
        if key not in self.done:
            self.done[key] = graph, Rewritten(self, graph).run(names)
        return self.done[key][1]

    def names(self, graph: Graph) -> tuple[str, ...]:
        return tuple(penalties_of(graph, self.known))

    def names_of(self, repeat: Repeat) -> tuple[str, ...]:
        """Those of all levels, of which each returns all."""
        return tuple(dict.fromkeys(name for level in repeat.levels for name in self.names(level.graph)))


class Rewritten:
    """One body being rewritten: its nodes anew, and where each old value is now."""

    def __init__(self, threads: Threads, graph: Graph) -> None:
        self.threads, self.old = threads, graph
        self.nodes: list[Node] = []
        self.place: dict[Ref, Ref] = {}
        self.found: dict[str, list[Ref]] = {}

    def run(self, names: tuple[str, ...]) -> Graph:
        for number, node in enumerate(self.old.nodes):
            self.step(number, node)
        outputs = [Output(name=output.name, ref=self.place[output.ref]) for output in self.old.outputs]
        outputs += [Output(name=name, ref=self.sum(name)) for name in names]
        return self.old.model_copy(update={"nodes": tuple(self.nodes), "outputs": tuple(outputs)})

    def step(self, number: int, node: Node) -> None:
        inputs = tuple(self.place[operand] if isinstance(operand, Ref) else operand for operand in node.inputs)
        match node.op:
            case Penalty(name=name):
                ref = inputs[0]
                assert isinstance(ref, Ref)
                self.found.setdefault(name, []).append(ref)
                return
            case Use(graph=inner) as use:
                names = self.threads.names(inner)
                graph = self.threads.graph(inner, names)
                if isinstance(use, SlopePenalty):  # looks at the score alone
                    names = ()
                op: Operation = use.model_copy(update={"graph": graph})
                outputs = (*node.outputs, *(_edge(name) for name in names))
                at = self._add(node.model_copy(update={"op": op, "inputs": inputs, "outputs": outputs}))
                for k, name in enumerate(names):
                    self.found.setdefault(name, []).append(Ref(at, len(node.outputs) + k))
            case Repeat() as repeat:
                at = self._repeat(number, node.model_copy(update={"inputs": inputs}), repeat)
                if self.threads.names_of(repeat):
                    return
            case _:
                at = self._add(node.model_copy(update={"inputs": inputs}) if inputs != node.inputs else node)
        self.place |= {Ref(number, k): Ref(at, k) for k in range(len(node.outputs))}

    def _repeat(self, number: int, node: Node, repeat: Repeat) -> int:
        """A stack: each level returns its penalties beside what it collects."""
        names = self.threads.names_of(repeat)
        if not names:
            return self._add(node)
        first = 0 if repeat.kind == "parallel" else repeat.carried
        before, after = repeat.collects, repeat.collects + len(names)
        levels = tuple(self._level(level, names) for level in repeat.levels)
        total = sum(level.count.number or 0 for level in levels)
        outputs = list(node.outputs[:first])
        at = len(self.nodes)
        self.place |= {Ref(number, k): Ref(at, k) for k in range(first)}
        for n in range(total):
            for k in range(before):
                old = first + n * before + k
                self.place[Ref(number, old)] = Ref(at, first + n * after + k)
                outputs.append(node.outputs[old])
            outputs += [_edge(name) for name in names]
        op = repeat.model_copy(update={"levels": levels, "collects": after})
        self._add(node.model_copy(update={"op": op, "outputs": tuple(outputs)}))
        for k, name in enumerate(names):
            refs = tuple(Ref(at, first + n * after + before + k) for n in range(total))
            self.found.setdefault(name, []).append(self.total(name, refs, node.span))
        return at

    def _level(self, level: Level, names: tuple[str, ...]) -> Level:
        return level.model_copy(update={"graph": self.threads.graph(level.graph, names)})

    def sum(self, name: str) -> Ref:
        """All penalties of a name in this body."""
        found = self.found.get(name, [])
        if not found:
            inputs = [(node.type.dtype != "float", i) for i, node in enumerate(self.nodes) if isinstance(node.op, Input)]
            like = Ref(min(inputs)[1])
            zero = Node(op=Zero(), inputs=(like,), outputs=(_edge(name),), span=self.old.span)
            return Ref(self._add(_whole(zero)))
        return found[0] if len(found) == 1 else self.total(name, tuple(found), self.old.span)

    def total(self, name: str | None, refs: tuple[Ref, ...], span: Span, type_: TensorType = SCALAR) -> Ref:
        made = Node(op=Total(), inputs=refs, outputs=(_edge(name, type_),), span=span)
        return Ref(self._add(_whole(made)))

    def spread(self, name: str, number: Ref, like: Ref, span: Span) -> Ref:
        """The number for each example of a tensor."""
        made = Node(op=Spread(), inputs=(number, like), outputs=(_edge(name, self.each),), span=span)
        return Ref(self._add(_whole(made)))

    @property
    def each(self) -> TensorType:
        """[B, 1], as the first input has its examples."""
        return TensorType("float", (self.old.nodes[0].type.shape[0], Size.of(1)))

    def _add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1


def _edge(name: str | None, type_: TensorType = SCALAR) -> Edge:
    return Edge(type=type_, name=name)


def _whole(node: Node) -> Node:
    return node.model_copy(update={"key": None, "named": False, "owner": 0, "gate": False})

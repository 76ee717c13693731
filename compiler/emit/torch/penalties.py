"""Penalties in the generated source: what a body asks to be added to the loss becomes a further result of it, up to the root.

Comes in: a root whose parts hold `Penalty` nodes. Goes out: the root without any; each part returns, after its outputs, the sum of the
penalties of each name that ran in it. A game adds them to its objectives itself. Nothing is kept on the modules, so that a network may be
run twice at once, and exported.
"""

from __future__ import annotations

import itertools

from ....dsl.span import Span
from ...game.shared import players_behind
from ...graph import Edge, Game, Graph, Input, Level, Node, Operation, Output, Penalty, Ref, Repeat, SlopePenalty, Use
from ...layers._threads import SCALAR, Total, Zero
from ...penalties import Known, penalties_of


def threaded(root: Graph) -> tuple[Graph, tuple[str, ...]]:
    """The root with its penalties as its last outputs, and their names."""
    known: Known = {}
    names = tuple(penalties_of(root, known))
    return (_Threads(known).graph(root, names), names) if names else (root, ())


def into_objectives(game: Game) -> Game:
    """The game with its penalties added to its objectives: those of a part to every objective that ran the part, those of the game's own
    body to the objectives of all players that they are computed with. To others they would be numbers that nothing moves."""
    known: Known = {}
    if not penalties_of(game, known):
        return game
    body = _Body(_Threads(known), game)
    found: list[tuple[Ref, bool]] = []  # each penalty, and whether it is of the game's own body
    for number, node in enumerate(game.nodes):
        before = {name: len(refs) for name, refs in body.found.items()}
        body.step(number, node)
        for name, refs in body.found.items():
            found += [(ref, isinstance(node.op, Penalty)) for ref in refs[before.get(name, 0) :]]
    grown = game.model_copy(update={"nodes": tuple(body.nodes)})
    behind = players_behind(grown)
    outputs = []
    for output, objective in itertools.zip_longest(game.outputs, game.objectives):
        ref = body.place[output.ref]
        if objective is not None:
            run = grown.ancestors({ref.node}) | {ref.node}
            more = [
                penalty
                for penalty, own in found
                if (own or penalty.node in run) and not behind[penalty.node].isdisjoint(objective.players)
            ]
            ref = body.total(None, (ref, *more), objective.span) if more else ref
        outputs.append(Output(name=output.name, ref=ref))
    return game.model_copy(update={"nodes": tuple(body.nodes), "outputs": tuple(outputs)})


class _Threads:
    def __init__(self, known: Known) -> None:
        self.known = known
        self.done: dict[tuple[int, tuple[str, ...]], tuple[Graph, Graph]] = {}  # with the graph before, which stays alive

    def graph(self, graph: Graph, names: tuple[str, ...]) -> Graph:
        """The graph, returning these penalties too."""
        if not names:
            return graph
        key = (id(graph), names)
        if key not in self.done:
            self.done[key] = graph, _Body(self, graph).run(names)
        return self.done[key][1]

    def names(self, graph: Graph) -> tuple[str, ...]:
        return tuple(penalties_of(graph, self.known))

    def names_of(self, repeat: Repeat) -> tuple[str, ...]:
        """Those of all levels, of which each returns all."""
        return tuple(dict.fromkeys(name for level in repeat.levels for name in self.names(level.graph)))


class _Body:
    """One body being rewritten: its nodes anew, and where each old value is now."""

    def __init__(self, threads: _Threads, graph: Graph) -> None:
        self.threads, self.old = threads, graph
        self.nodes: list[Node] = []
        self.place: dict[Ref, Ref] = {}
        self.found: dict[str, list[Ref]] = {}

    def run(self, names: tuple[str, ...]) -> Graph:
        for number, node in enumerate(self.old.nodes):
            self.step(number, node)
        outputs = [Output(name=output.name, ref=self.place[output.ref]) for output in self.old.outputs]
        outputs += [Output(name=name, ref=self._sum(name)) for name in names]
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

    def _sum(self, name: str) -> Ref:
        """All penalties of a name in this body."""
        found = self.found.get(name, [])
        if not found:
            inputs = [(node.type.dtype != "float", i) for i, node in enumerate(self.nodes) if isinstance(node.op, Input)]
            like = Ref(min(inputs)[1])
            zero = Node.model_construct(op=Zero(), inputs=(like,), outputs=(_edge(name),), span=self.old.span)
            return Ref(self._add(_whole(zero)))
        return found[0] if len(found) == 1 else self.total(name, tuple(found), self.old.span)

    def total(self, name: str | None, refs: tuple[Ref, ...], span: Span) -> Ref:
        made = Node.model_construct(op=Total(), inputs=refs, outputs=(_edge(name),), span=span)
        return Ref(self._add(_whole(made)))

    def _add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1


def _edge(name: str | None) -> Edge:
    return Edge.model_construct(type=SCALAR, name=name)


def _whole(node: Node) -> Node:
    return node.model_copy(update={"key": None, "named": False, "owner": 0, "gate": False})

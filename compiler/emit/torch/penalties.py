"""Penalties in the generated source: what a body asks to be added to the loss becomes a further result of it, up to the root.

Comes in: a root whose parts hold `Penalty` nodes. Goes out: the root without any. A game adds them to its objectives itself.
"""

from __future__ import annotations

import itertools

from ...game.shared import players_behind
from ...graph import Game, Graph, Output, Penalty, Ref
from ...penalties import Known, penalties_of
from ...returned import Rewritten, Threads


def threaded(root: Graph) -> tuple[Graph, tuple[str, ...]]:
    """The root with its penalties as its last outputs, and their names."""
    known: Known = {}
    names = tuple(penalties_of(root, known))
    return (Threads(known).graph(root, names), names) if names else (root, ())


def into_objectives(game: Game) -> Game:
    """The game with its penalties added to its objectives: those of a part to every objective that ran the part, those of the game's own
    body to the objectives of all players that they are computed with. To others they would be numbers that nothing moves."""
    known: Known = {}
    if not penalties_of(game, known):
        return game
    body = Rewritten(Threads(known), game)
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

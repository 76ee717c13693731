"""The updates of a round, from the objectives of a game and the `rounds` of its train program."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Game
from ..plan import RoundsPlan, Term, UpdatePlan
from .constants import place_of

NOT_IN_GAMES = {
    "loss": "the objectives of its players are its losses; a term of all of them belongs into the game",
    "accumulate": "each update is made from one batch",
    "early_stop": "no objective tells how well all players do",
}


def game_updates(root: Game, rounds: Sequence[RoundsPlan]) -> list[UpdatePlan]:
    """An update for each objective, in order."""
    counts = {player: plan.count for plan in rounds for player in plan.players}
    return [
        UpdatePlan(
            losses=[Term(name=o.name, function="", arguments=[output.name], objective=True, place=place_of(o.span))],
            targets=list(o.players),
            method=f"objective_{o.name}",
            rounds=max(counts.get(player, 1) for player in o.players),
        )
        for o, output in zip(root.objectives, root.outputs, strict=False)
    ]

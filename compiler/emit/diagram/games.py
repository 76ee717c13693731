"""Games as they are drawn: each player has a hue of its own, each objective is a box in the hues of those who minimize it.

Comes in: a game, and where its players were drawn. Goes out: hues by the players' names, and the strips of an objective.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...graph import Game, Graph, Objective
from .palette import PLAYERS, HueName
from .scene import Strip


def hues_of(graph: Graph) -> dict[str, HueName]:
    """The hue of each player; where there are many the hues begin anew."""
    if not isinstance(graph, Game):
        return {}
    return {player: PLAYERS[place % len(PLAYERS)] for place, player in enumerate(graph.players)}


def objective(told: Objective, hues: Mapping[str, HueName]) -> tuple[Strip, ...]:
    """A strip for each player that moves by it."""
    return tuple(Strip(f"{player} minimizes", hue=hues[player], strong=True) for player in told.players)

"""Adversarial games: players, each with weights of its own, and objectives, each of which moves the weights of its players alone.

Comes in: the statements `player` and `minimizes` of a body. Goes out: a `Game`, a graph whose outputs are the objectives in the order
they are written. After this every weight belongs to one player, each player has an objective, and each objective depends on its players.
"""

from .build import game, objective, player
from .makes import made
from .slope import gradient_penalty

__all__ = ["game", "gradient_penalty", "made", "objective", "player"]

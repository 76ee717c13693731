"""The hues of the diagrams: one a family, a quiet fill and a darker line of the same hue, and what the legend calls it.

Later parts of the language take theirs from here too: `attention`, `gate` and `memory` stand ready.
"""

from typing import Literal, NamedTuple

from ...graph import Operation, Parameter, Weight
from ...layers.base import Family, Layer

HueName = Literal[
    "draw", "weights", "memory", "attention", "gate", "norm", "activation", "pooling", "plain", "part",
    "player1", "player2", "player3", "player4", "player5", "player6",
]  # fmt: skip

INK = "#20262d"  # names
GREY = "#6b747e"  # sizes and shapes
LINE = "#5b6570"  # the main line
PALE = "#9fb4cc"  # skip connections, borders of blocks
BLUE = "#1f5fa8"  # how many times
GROUND = ("#fafcfe", "#f1f5fa")  # the fill of blocks, by turns


class Hue(NamedTuple):
    fill: str
    line: str
    legend: str  # empty: it needs no explanation


HUES: dict[HueName, Hue] = {
    "weights": Hue("#dfeafa", "#3f74b5", "weights"),
    "memory": Hue("#fdf3dc", "#b07d14", "tables, memory"),
    "attention": Hue("#e4f1dd", "#5a8f43", "attention"),
    "gate": Hue("#fbe6e1", "#c2614a", "gate"),
    "norm": Hue("#e9ecef", "#7d8792", "normalisation"),
    "activation": Hue("#efe6f7", "#8a63b0", "activation"),
    "pooling": Hue("#dcf1ee", "#35877f", "pooling"),
    "draw": Hue("#fff7d6", "#8c7a1f", "draw"),
    "plain": Hue("#ffffff", "#8a939c", ""),
    "part": Hue("#ffffff", "#6f90b5", ""),
    "player1": Hue("#e3f4e8", "#2e8b57", ""),
    "player2": Hue("#fde8da", "#c9622b", ""),
    "player3": Hue("#e2f0fb", "#2678b2", ""),
    "player4": Hue("#fbe3ec", "#b8407a", ""),
    "player5": Hue("#f3efd2", "#857a1c", ""),
    "player6": Hue("#e8e6f6", "#5d51a8", ""),
}
PLAYERS: tuple[HueName, ...] = ("player1", "player2", "player3", "player4", "player5", "player6")

_FAMILIES: dict[Family, HueName] = {
    "linear": "weights",
    "convolution": "weights",
    "embedding": "memory",
    "attention": "attention",
    "normalisation": "norm",
    "activation": "activation",
    "pooling": "pooling",
}


def hue_of(op: Operation, gate: bool = False) -> HueName:
    """The hue of what a node does."""
    if gate:
        return "gate"
    if isinstance(op, Parameter | Weight):
        return "memory"
    if not isinstance(op, Layer):
        return "part"
    if op.family == "distribution" and not op.pure:
        return "draw"
    hue = _FAMILIES.get(op.family, "plain")
    return hue if op.owns or hue not in ("weights", "memory") else "plain"

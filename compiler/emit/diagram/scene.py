"""What a diagram consists of, before it is text: frozen values without a word of DOT.

A scene is built by `build` from a graph; whatever else the language draws (cells, masks, energies, games) is built into the same values,
and written by the one `dot` module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .palette import HueName

ItemKind = Literal["box", "circle", "gate", "name", "dot", "more"]
WireKind = Literal["flow", "skip", "shared", "state", "next", "mutual", "down", "moves"]


@dataclass(frozen=True, slots=True)
class Strip:
    """One line of writing: a name in black, sizes in grey, how many times in blue, and what it costs at the end."""

    name: str
    size: str = ""
    times: str = ""
    cost: str = ""
    hue: HueName = "plain"
    mask: tuple[str, ...] = ()  # what queries see of keys, row by row (see attention.picture)
    strong: bool = False  # the name of something declared: bold


@dataclass(frozen=True, slots=True)
class Item:
    """A node. A box holds one strip for each step folded into it; the others have one. A gate is a circle with its symbol, the size of its
    strip, and its name beside it."""

    id: str
    kind: ItemKind
    strips: tuple[Strip, ...]
    dashed: bool = False  # its weights are drawn elsewhere
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A block that is opened: its title, and what is inside."""

    id: str
    title: Strip
    children: tuple[Item | Group, ...]
    dashed: bool = False
    tip: str = ""
    hue: HueName | None = None  # of a player of a game


@dataclass(frozen=True, slots=True)
class Wire:
    """A line from item to item.

    A `mutual` one, between units of an energy, has no direction; a `down` one points at its tail; one that `moves` leads from an objective
    back to the weights that it moves, in their hue. A `state` one is where a state of a cell runs through the step; a `next` one leads
    what it has become back, a step later. `into` is the group at whose border it ends; `main` lines are kept straight.
    """

    tail: str
    head: str
    kind: WireKind = "flow"
    label: str = ""
    into: str | None = None
    main: bool = True
    hue: HueName | None = None


@dataclass(frozen=True, slots=True)
class Sketch:
    """Items with their wires: the whole of a graph, or a panel beside it."""

    children: tuple[Item | Group, ...]
    wires: tuple[Wire, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole picture. `panels` are the blocks that stay closed in `main`, each drawn once: its frame, and what is in it."""

    title: Strip
    subtitle: str
    main: Sketch
    panels: tuple[tuple[Group, Sketch], ...] = ()
    hues: tuple[HueName, ...] = ()
    notes: tuple[str, ...] = ()
    tip: str = ""
    sideways: bool = False  # drawn from left to right

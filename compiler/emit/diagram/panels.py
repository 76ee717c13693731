"""The blocks that stay closed in a picture, each drawn once beside it in its own words.

Two uses of one declaration share a panel when they look the same in the declaration's own names (`conv 1×1, 4·width`); where an `if` or a
stack made them differ, each look has a panel and a letter, which its boxes bear too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ....dsl.span import Span
from ...graph import Graph
from .build import Pen
from .scene import Group, Item, Sketch, Strip
from .words import MOST, Voice, short

MOST_PANELS = 6


@dataclass
class _Look:
    graph: Graph
    boxes: list[str]
    sketch: Sketch
    letter: str = ""


@dataclass
class Panels:
    """Frames to be drawn beside the picture, with what is in them; `letters` are for the boxes, by item."""

    drawn: tuple[tuple[Group, Sketch], ...]
    letters: Mapping[str, str]
    rounded_up: bool


def panels_of(closed: Mapping[str, Graph], by: Pen) -> Panels:
    """One panel for each look of the parts that are closed, and of those that are closed in these. `by` drew the picture beside them."""
    looks: dict[tuple[str, Span, int], _Look] = {}
    waiting = list(closed.items())
    voice = Voice(own=True)
    while waiting:
        box, graph = waiting.pop(0)
        key = graph.name, graph.span, by.look(graph, own=True)
        if key not in looks:
            if len(looks) == MOST_PANELS:
                continue
            pen = Pen(by.costs, by.tips, voice, prefix=f"p{len(looks) + 1}_", priced=False, roomy=True, looks=by.looks)
            looks[key] = _Look(graph, [], pen.sketch(graph, 0))
            waiting += pen.closed.items()
        looks[key].boxes.append(box)
    found = list(looks.values())
    _letter(found)
    letters = {box: look.letter for look in found for box in look.boxes if look.letter}
    drawn = tuple((_frame(place, look, letters), look.sketch) for place, look in enumerate(found, 1))
    return Panels(drawn, letters, voice.rounded_up)


def lettered(children: tuple[Item | Group, ...], letters: Mapping[str, str]) -> tuple[Item | Group, ...]:
    """The items with the letters of their looks behind their names."""
    return tuple(
        replace(child, children=lettered(child.children, letters))
        if isinstance(child, Group)
        else replace(
            child, strips=(replace(child.strips[0], name=f"{child.strips[0].name} {letters[child.id]}"), *child.strips[1:])
        )
        if child.id in letters
        else child
        for child in children
    )


def _letter(looks: list[_Look]) -> None:
    names = [look.graph.name for look in looks]
    for name in dict.fromkeys(names):
        alike = [look for look in looks if look.graph.name == name]
        for number, look in enumerate(alike):
            look.letter = chr(ord("A") + number) if len(alike) > 1 else ""


def _frame(place: int, look: _Look, letters: Mapping[str, str]) -> Group:
    graph = look.graph
    name = f"{graph.name} {look.letter}".rstrip()
    title = Strip(name, short("where " + "; ".join(graph.decided), MOST) if graph.decided else "", strong=True, hue="part")
    return Group(f"p{place}", title, lettered(look.sketch.children, letters), tip=graph.doc or "")

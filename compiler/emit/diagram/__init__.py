"""Graph to picture, as DOT text. Pure: no files, no programs; `runtime.diagram` renders what comes out.

A stranger should understand the network from the picture alone. Blocks are groups opened as deep as the picture stays readable, or as
deep as one asks; neighbouring levels of a stack that are drawn alike are one drawing with its ×N in blue; names are black, sizes grey; a
shape stands on a line where it is new; what owns weights says how many; a family of layers has a hue. Parts that stay closed are drawn
once beside it.

The way: `build` (graph to scene, with `fold`, `alike` and `words`), `panels` (what stays closed), `dot` (scene to text).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ....dsl.source import Source
from ...graph import Graph
from ..costs import Costs
from .build import Pen
from .dot import write
from .fold import Extent, hands_up
from .games import hues_of
from .palette import HUES, HueName
from .panels import lettered, panels_of
from .scene import Group, Item, Scene, Sketch, Strip
from .tips import Tips
from .words import Voice, amount

ROUNDED = "H/2 means: divided, and rounded up"


def dot_of(graph: Graph, depth: int | None = None, sources: Mapping[str, Source] | None = None) -> str:
    """The picture of a checked root as DOT text, the same for the same graph.

    `depth` is how many floors of blocks and stacks are opened in their place; none for as many as can be read at a glance, with what stays
    closed drawn once beside it. `sources` are the texts that spans point into, by name: the tips then quote the spec.
    """
    return write(scene_of(graph, depth, sources))


def scene_of(graph: Graph, depth: int | None = None, sources: Mapping[str, Source] | None = None) -> Scene:
    """What the picture consists of."""
    costs, tips, voice = Costs(graph), Tips(dict(sources or {})), Voice()
    players = hues_of(graph)
    pen = Pen(costs, tips, voice, roomy=depth is None, players=players)
    floors = Extent(pen.runs).comfortable(graph) if depth is None else depth
    main = pen.sketch(graph, floors)
    shut = pen.opened & {closed.span for closed in pen.closed.values()}
    if depth is None and shut:  # what is closed somewhere is closed everywhere: its panel shows it
        pen = Pen(costs, tips, voice, roomy=True, shut=frozenset(shut), looks=pen.looks, players=players)
        main = pen.sketch(graph, floors)
    panels = panels_of(pen.closed if depth is None else {}, pen)
    main = Sketch(lettered(main.children, panels.letters), main.wires)
    total = costs.of(graph).total
    hues = {strip.hue for child in (*main.children, *(frame for frame, _ in panels.drawn)) for strip in _strips(child)}
    legend = tuple(name for name in HUES if name in hues and HUES[name].legend)
    return Scene(
        title=Strip(graph.name, f"{amount(total)} parameters" if total else "no parameters"),
        subtitle=" ".join((graph.doc or "").strip().partition("\n\n")[0].split()),
        main=main,
        panels=panels.drawn,
        hues=legend if len(legend) > 1 else (),
        notes=(ROUNDED,) if voice.rounded_up or panels.rounded_up else (),
        tip=f"{graph.name}: {total:,} parameters",
        sideways=hands_up(graph),
    )


def _strips(child: Item | Group) -> Iterable[Strip]:
    if isinstance(child, Item):
        yield from child.strips
    else:
        for inner in child.children:
            yield from _strips(inner)


__all__ = ["HueName", "dot_of", "scene_of"]

"""What is drawn alike: which graphs look the same, and which neighbouring levels of a stack are one drawing with its ×N.

Two graphs look the same when their pictures do, item for item and line for line, with those of the parts that are closed in them. In a
declaration's own words that decides who shares a panel; in the root's numbers, which levels are one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from ...graph import Graph, Level, Repeat
from ...shapes import Dim
from ..costs import innermost_first
from .scene import Group, Item, Sketch

Drawn = tuple[Sketch, Sequence[Graph]]  # a graph with its parts closed, and the parts
Draw = Callable[[Graph, bool], Drawn]


@dataclass
class Looks:
    """Numbers for looks: equal where the pictures are. Each graph is drawn once, however often it is used."""

    _known: dict[tuple[int, bool], int] = field(default_factory=dict)
    _numbers: dict[Any, int] = field(default_factory=dict)
    _held: list[Graph] = field(default_factory=list)  # the identities stay good as long as the graphs live

    def of(self, graph: Graph, own: bool, draw: Draw) -> int:
        """The look of a graph in its own words, or in the root's numbers. What is inside comes first: nesting may be deep."""
        if (id(graph), own) not in self._known:
            inside = innermost_first(graph)
            for words in (True,) if own else (True, False):
                for inner in inside:
                    self._draw(inner, words, draw)
        return self._known[id(graph), own]

    def _draw(self, graph: Graph, own: bool, draw: Draw) -> None:
        if (id(graph), own) in self._known:
            return
        sketch, closed = draw(graph, own)
        picture = (graph.name, bare(sketch.children), sketch.wires, tuple(self._known[id(part), own] for part in closed))
        self._known[id(graph), own] = self._numbers.setdefault(picture, len(self._numbers))
        self._held.append(graph)


def bare(children: tuple[Item | Group, ...]) -> tuple[Item | Group, ...]:
    """Without what the pointer tells, which has places and numbers in it."""
    return tuple(
        replace(child, tip="", children=bare(child.children)) if isinstance(child, Group) else replace(child, tip="")
        for child in children
    )


@dataclass(frozen=True)
class Run:
    """Neighbouring levels that are one drawing. `start` is the number of the first, from 0; `places` are theirs in the stack."""

    levels: tuple[Level, ...]
    start: int
    places: range

    @property
    def first(self) -> Level:
        return self.levels[0]

    @property
    def count(self) -> Dim:
        total = Dim.of(0)
        for level in self.levels:
            total = total + level.count.value
        return total

    @property
    def number(self) -> int:
        return sum(many(level) for level in self.levels)

    def each(self, read: Callable[[Level], Any]) -> list[tuple[Any, int]]:
        """What each level has of something, with how many have it."""
        return [(read(level), many(level)) for level in self.levels]


def runs_of(repeat: Repeat, look: Callable[[Level], object]) -> list[Run]:
    """The levels of a stack in runs of one look."""
    runs: list[Run] = []
    start = 0
    for _, group in groupby(enumerate(repeat.levels), lambda pair: look(pair[1])):
        places, levels = zip(*group, strict=True)
        runs.append(Run(levels, start, range(places[0], places[-1] + 1)))
        start += runs[-1].number
    return runs


def many(level: Level) -> int:
    return level.count.number or 1

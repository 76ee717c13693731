"""Where tensors come from in the picture, and how those of a stack are dealt out to its levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from ...graph import Node, Repeat
from ...shapes import Dim


class Port(NamedTuple):
    """Where a tensor comes from in the picture, its shape in words, and the group at whose border lines of it end."""

    item: str
    shape: str
    into: str | None = None


Feeds = Sequence[Port | None]
Further = Mapping[int, Feeds]  # what else comes in at an input: the items of the other levels of a run
NO_FURTHER: Further = MappingProxyType({})


def left_out(number: int, most: int) -> range:
    """Which of so many are left out: none where all fit, else those before the last few."""
    last = max(most // 4, 1)
    return range(0) if number <= most else range(most - last, number - last)


def times_of(count: Dim) -> str:
    return "" if count == 1 else f"×{count}"


def rows_of(repeat: Repeat, walked: Feeds) -> list[Feeds]:
    """The items of the lists that are walked, level by level."""
    wide = repeat.walked // (repeat.count.number or 1) if repeat.walked else 0
    return [walked[at : at + wide] for at in range(0, len(walked), wide)] if wide else []


def outputs_of(node: Node, repeat: Repeat, carried: Feeds, collected: list[list[Port | None]]) -> list[Port | None]:
    """What the stack gives: the last carried values, then what the levels returned, level by level."""
    outs = list(carried[: len(node.outputs)]) if repeat.kind == "stack" else []
    rest = len(node.outputs) - len(outs)
    runs = [port for level in collected for port in level]
    if rest and runs:
        outs += runs if len(runs) == rest else [runs[min(place * len(runs) // rest, len(runs) - 1)] for place in range(rest)]
    return outs

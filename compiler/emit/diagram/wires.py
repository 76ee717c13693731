"""Which lines are drawn between items, and what stands on them.

A shape stands on a line where it is new: after a step that changed it, and where a block is entered or left; once for each tensor, and not
where an end of the line says it itself. A line that a longer way runs beside is a skip connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from .palette import HueName
from .scene import Wire, WireKind


class Raw(NamedTuple):
    """A tensor that flows from item to item. `into` is the group whose entry the head is; `remark` is what a line that is no flow says."""

    tail: str
    head: str
    shape: str
    into: str | None = None
    remark: str = ""
    kind: WireKind = "flow"
    hue: HueName | None = None


def wired(
    raw: Sequence[Raw],
    home: Mapping[str, tuple[str, ...]],
    typed: AbstractSet[str],
    entries: AbstractSet[str],
    *,
    labelled: bool = True,
) -> tuple[Wire, ...]:
    """The lines in the order in which they were drawn, several between one pair as one.

    `home` are the groups around each item, `typed` the items that say their own shape, `entries` those at the top of a group.
    """
    flows = {(line.tail, line.head): line for line in reversed(raw) if line.kind == "flow"}
    heads: dict[str, list[str]] = {}
    came: dict[str, str] = {}  # the shape that first came into each item
    for tail, head in reversed(flows):
        heads.setdefault(tail, []).append(head)
        came.setdefault(head, flows[tail, head].shape)
    mains = _mains(list(flows), heads)
    said: set[tuple[str, str]] = set()
    lines = []
    for line in dict.fromkeys(raw):
        if line.kind != "flow":
            lines.append(
                Wire(line.tail, line.head, line.kind, line.remark, line.into if line.kind == "moves" else None, hue=line.hue)
            )
            continue
        if flows[line.tail, line.head] is not line:
            continue
        skip = _longer_way(line.tail, line.head, heads)
        label = ""
        plain = line.tail in typed or line.head in typed or line.tail in entries
        if labelled and not skip and not plain and (line.tail, line.shape) not in said and _news(line, came, home):
            label = line.shape
            said.add((line.tail, line.shape))
        lines.append(
            Wire(line.tail, line.head, "skip" if skip else "flow", label, line.into, main=(line.tail, line.head) in mains)
        )
    return tuple(lines)


def _mains(flows: Sequence[tuple[str, str]], heads: Mapping[str, Sequence[str]]) -> set[tuple[str, str]]:
    """The lines that go on with the longest way behind them into the longest way ahead: the spine of the picture, kept straight."""
    ahead: dict[str, int] = {}
    behind: dict[str, int] = {}
    spine: dict[str, str] = {}  # the item with the longest way behind it, of those that lead to each
    for tail, head in flows:  # the last first: an item is drawn after all that it reads
        ahead[tail] = max(ahead.get(tail, 0), ahead.get(head, 0) + 1)
    for tail, head in reversed(flows):
        way = behind.get(tail, 0) + 1
        if way > behind.get(head, 0):
            behind[head], spine[head] = way, tail
    mains = {tail: max(into, key=lambda head: ahead.get(head, 0)) for tail, into in heads.items()}
    return {(tail, head) for tail, head in mains.items() if spine[head] == tail}


def _news(line: Raw, came: Mapping[str, str], home: Mapping[str, tuple[str, ...]]) -> bool:
    return line.tail not in came or came[line.tail] != line.shape or home[line.tail] != home[line.head]


def _longer_way(tail: str, head: str, heads: Mapping[str, Sequence[str]]) -> bool:
    """Does another way lead from `tail` to `head`?"""
    seen: set[str] = set()
    waiting = [other for other in heads.get(tail, ()) if other != head]
    while waiting:
        current = waiting.pop()
        if current == head:
            return True
        if current not in seen:
            seen.add(current)
            waiting.extend(heads.get(current, ()))
    return False


def run_through(wires: Sequence[Wire], states: Sequence[tuple[str, str]], circles: AbstractSet[str]) -> frozenset[Wire]:
    """The lines on which a state, from what it was to what it becomes, runs through sums and products alone."""
    ahead: dict[str, list[Wire]] = {}
    for wire in wires:
        if wire.kind in ("flow", "skip"):
            ahead.setdefault(wire.tail, []).append(wire)
    found: set[Wire] = set()
    for before, after in states:
        leads: dict[str, bool] = {after: True}

        def reaches(item: str, leads: dict[str, bool] = leads) -> bool:
            if item not in leads:
                leads[item] = False
                leads[item] = item in circles and any(reaches(wire.head) for wire in ahead.get(item, ()))
            return leads[item]

        pending = [before] if after in circles else []
        while pending:
            for wire in ahead.get(pending.pop(), ()):
                if wire not in found and wire.head in circles and reaches(wire.head):
                    found.add(wire)
                    pending += [wire.head] if wire.head != after else []
    return frozenset(found)

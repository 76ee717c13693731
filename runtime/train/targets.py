"""Targets of the plan against the keys of a state dict: a path without the numbers of levels is a prefix of the keys below it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

Value = TypeVar("Value")


def plain(key: str) -> tuple[str, ...]:
    """A key of the state dict as a path without the numbers of levels."""
    return tuple(part for part in key.split(".") if not part.isdecimal())


def depth(key: str, targets: Sequence[str]) -> int:
    """How specific the targets are for a key: the parts of the longest that it lies under; 0 for all, -1 where it is below none."""
    if not targets:
        return 0
    path = plain(key)
    lengths = [len(parts) for target in targets if path[: len(parts := tuple(p for p in target.split(".") if p))] == parts]
    return max(lengths, default=-1)


def below(keys: Iterable[str], targets: Sequence[str]) -> list[str]:
    """The keys that lie under one of the targets."""
    return [key for key in keys if depth(key, targets) >= 0]


def assigned(key: str, clauses: Sequence[Sequence[str]]) -> int | None:
    """Which clause counts for a key: the one with the most specific target; of equals the last. None where there is none."""
    found = [(depth(key, targets), i) for i, targets in enumerate(clauses)]
    best = max((f for f in found if f[0] >= 0), default=None)
    return None if best is None else best[1]


def shared_by(values: Mapping[str, Value], clauses: Sequence[Sequence[str]]) -> list[list[Value]]:
    """What each clause is about, of values by their keys; what lies below no target is in none."""
    found: list[list[Value]] = [[] for _ in clauses]
    for key, value in values.items():
        which = assigned(key, clauses)
        if which is not None:
            found[which].append(value)
    return found

"""Which queries a mask leaves without any key, where that can be proved from the mask alone.

Comes in: the equation of a mask. Goes out: the queries, in words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..shapes import Dim
from .recognise import Form, Linear
from .terms import Equation

Bound = tuple[int, Dim]
"""`factor * i + rest`."""
START: Bound = (0, Dim.of(0))
PLACE: Bound = (1, Dim.of(0))


@dataclass
class _Keys:
    """What a mask says of j, the key, for a query i: at least each of `low`, at most each of `high`; and of i alone, at least 0."""

    low: list[Bound] = field(default_factory=list)
    high: list[Bound] = field(default_factory=list)
    alone: list[Bound] = field(default_factory=list)

    def add(self, linear: Linear, sign: int) -> None:
        """That a form is at least 0, if it is one of i and j alone."""
        factors = {atom: sign * factor for atom, factor in linear.factors}
        i, j, rest = factors.pop("i", 0), factors.pop("j", 0), linear.rest * sign
        if not factors and isinstance(i, int) and j in (-1, 0, 1):
            (self.alone if j == 0 else self.low if j == 1 else self.high).append((-i, -rest) if j == 1 else (i, rest))

    def none(self, low: Iterable[Bound] = (), high: Iterable[Bound] = (), first: bool = False) -> bool:
        """Is no key left for any query, or for the first, with these bounds too?"""
        lows, highs = ([*own, *more] for own, more in ((self.low, low), (self.high, high)))
        pairs = [*((a, b) for a in lows for b in highs), *((START, bound) for bound in self.alone)]
        return any((first or b[0] <= a[0]) and (a[1] - b[1]).at_least(1) for a, b in pairs)


def empty_rows(mask: Equation, square: bool) -> str:
    """The queries that have no key; nothing where none can be proved. `square`: there are as many queries as keys."""
    if mask.root.op == "number":
        return "" if mask.root.value else "every query"
    keys, said = _Keys(), set()
    for condition in Form(mask).conditions:
        if condition.linear is None:
            said.add((condition.op, condition.place))
            continue
        keys.add(condition.linear, 1)
        if condition.op == "==":
            keys.add(condition.linear, -1)
    contradicted = any(("not", place) in said for op, place in said if op == "as it is")
    if contradicted or keys.none(low=[START]):
        return "every query"
    if keys.none(low=[START], first=True):
        return "the query at position 0"
    if square and keys.none(low=[START], high=[PLACE]):
        return "the query at the last position"
    return ""

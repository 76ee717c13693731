"""The forms of masks: what an equation lets through, whatever way it is written.

`j <= i`, `i >= j`, `not (j > i)`, `i - j >= 0` and `j - i < 1` are one condition: a linear form of the indices that is at least
0. A mask is a
conjunction of such conditions, of equalities, and of others that stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from ..shapes import Dim, Size
from .terms import Equation, Term

ZERO = Dim.of(0)
FLIPPED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


@dataclass(frozen=True)
class Linear:
    """`sum of factor * atom + rest`: atoms are indices by their letters, or other terms by their places."""

    factors: tuple[tuple[str | int, int], ...]
    rest: Dim
    text: Dim

    @staticmethod
    def of(factors: Mapping[str | int, int], rest: Dim, text: Dim) -> Linear:
        kept = sorted(((atom, factor) for atom, factor in factors.items() if factor), key=lambda pair: str(pair[0]))
        return Linear(tuple(kept), rest, text)

    def plus(self, other: Linear, sign: int = 1) -> Linear:
        factors = dict(self.factors)
        for atom, factor in other.factors:
            factors[atom] = factors.get(atom, 0) + sign * factor
        return Linear.of(factors, self.rest + other.rest * sign, self.text + other.text * sign)

    def times(self, by: int) -> Linear:
        return Linear.of({atom: factor * by for atom, factor in self.factors}, self.rest * by, self.text * by)

    def shifted(self, by: int) -> Linear:
        return Linear(self.factors, self.rest + by, self.text + by)

    @property
    def is_number(self) -> bool:
        return not self.factors


@dataclass(frozen=True)
class Condition:
    """`at least 0` or `equal to 0` of a linear form; or, without one, the term at `place` as it is (or its opposite)."""

    op: str  # ">=", "==" or "as it is", "not"
    linear: Linear | None = None
    place: int = -1


@dataclass(frozen=True)
class Near:
    """What bounds the keys that a block of queries can see.

    `ours` and `theirs` are the terms with the number of each query's and of each key's document; `before` and `after` say how many places
    before and behind its own a query sees.
    """

    ours: int | None
    theirs: int | None
    before: Linear | None
    after: Linear | None


class Form:
    """What a mask says: `conditions` hold all together."""

    def __init__(self, equation: Equation) -> None:
        self.equation, self.terms = equation, equation.terms
        self.linears: list[Linear] = []
        for place in range(len(self.terms)):
            self.linears.append(self._linear(place))
        self.conditions = frozenset(self._all())

    def _all(self) -> Iterator[Condition]:
        """The equation as a conjunction; each term is looked at once for each of its two senses."""
        pending, seen = [(len(self.terms) - 1, True)], set()
        while pending:
            place, positive = pending.pop()
            if (place, positive) in seen:
                continue
            seen.add((place, positive))
            term = self.terms[place]
            if term.op == "not":
                pending.append((term.args[0], not positive))
            elif term.op == ("and" if positive else "or"):
                pending += [(arg, positive) for arg in term.args]
            else:
                yield from self._condition(place, positive)

    def _condition(self, place: int, positive: bool) -> list[Condition]:
        term = self.terms[place]
        if term.op in FLIPPED and all(self.terms[arg].dtype == "int" for arg in term.args):
            found = self._compared(term, positive)
            if found is not None:
                return found
        return [Condition("as it is" if positive else "not", place=place)]

    def _compared(self, term: Term, positive: bool) -> list[Condition] | None:
        op = term.op if positive else FLIPPED[term.op]
        left, right = (self.linears[arg] for arg in term.args)
        if op == "!=":
            return None
        if (op in ("<=", "<") and self.terms[term.args[0]].op == "abs") or (
            op in (">=", ">") and self.terms[term.args[1]].op == "abs"
        ):
            return self._around(term, op)
        match op:
            case ">=":
                found = left.plus(right, -1)
            case ">":
                found = left.plus(right, -1).shifted(-1)
            case "<=":
                found = right.plus(left, -1)
            case "<":
                found = right.plus(left, -1).shifted(-1)
            case _:
                found = left.plus(right, -1)
                if found.factors and found.factors[0][1] < 0:
                    found = found.times(-1)
                return [Condition("==", found)]
        return [Condition(">=", found)]

    def _around(self, term: Term, op: str) -> list[Condition]:
        """`abs(i - j) <= w` is two conditions."""
        inner, bound = term.args if op in ("<=", "<") else term.args[::-1]
        middle, end = self.linears[self.terms[inner].args[0]], self.linears[bound]
        end = end.shifted(-1) if op in ("<", ">") else end
        return [Condition(">=", end.plus(middle, sign)) for sign in (1, -1)]

    def _linear(self, place: int) -> Linear:
        """A whole number as a linear form; what is not linear is an atom."""
        term = self.terms[place]
        before = [self.linears[arg] for arg in term.args]
        match term.op:
            case "b" | "h" | "i" | "j":
                return Linear.of({term.op: 1}, ZERO, ZERO)
            case "number" if isinstance(term.value, Size):
                return Linear((), term.value.value, term.value.text)
            case "+" | "-":
                return before[0].plus(before[1], 1 if term.op == "+" else -1)
            case "neg":
                return before[0].times(-1)
            case "*":
                for one, other in (before, before[::-1]):
                    if one.is_number and one.text == one.rest and one.rest.constant is not None:
                        return other.times(one.rest.constant)
        return Linear.of({place: 1}, ZERO, ZERO)

    # Forms ------------------------------------------------------------------------------------------------------------

    def bounds(self) -> tuple[list[Linear], list[Linear], list[Condition]]:
        """Conditions on `i - j` alone: those that bound it from below, those that bound it from above, and all others."""
        below, above, others = [], [], []
        for condition in self.conditions:
            linear = condition.linear
            factors = None if linear is None else linear.factors
            if linear is not None and factors == (("i", 1), ("j", -1)):
                below.append(linear)
                if condition.op == "==":
                    above.append(linear.times(-1))
            elif linear is not None and factors == (("i", -1), ("j", 1)):
                above.append(linear)
            else:
                others.append(condition)
        return below, above, others

    @cached_property
    def is_causal(self) -> bool:
        """Exactly `j <= i`."""
        below, above, others = self.bounds()
        return len(below) == 1 and not above and not others and below[0].rest == 0 and below[0].text == 0

    @cached_property
    def near(self) -> Near | None:
        """What keeps queries from most of a long text: a window around each, or documents in it, whatever else is said; or nothing."""
        below, above, others = self.bounds()
        before, after = _tightest(above), _tightest(below)
        numbers = list(filter(None, (self._numbers(condition) for condition in others)))
        if not numbers and (before is None or after is None):
            return None
        ours, theirs = min(numbers) if numbers else (None, None)
        return Near(ours, theirs, before, after)

    def _numbers(self, condition: Condition) -> tuple[int, int] | None:
        """The terms of queries and of keys that must be equal, `of[b, i] == of[b, j]` or `i // 512 == j // 512`."""
        linear = condition.linear
        if condition.op != "==" or linear is None or linear.rest != 0 or linear.text != 0:
            return None
        if [factor for _, factor in linear.factors] not in ([1, -1], [-1, 1]):
            return None
        axes, places = self.equation.axes(), {}
        for atom, _ in linear.factors:
            if isinstance(atom, int):
                places[axes[atom] - {"b"}] = atom
        ours, theirs = places.get(frozenset("i")), places.get(frozenset("j"))
        return None if ours is None or theirs is None else (ours, theirs)


def _tightest(bounds: list[Linear]) -> Linear | None:
    """That of the bounds by numbers that lets through least."""
    known = [bound for bound in bounds if bound.rest.constant is not None]
    return min(known, key=lambda bound: (bound.rest.constant or 0, str(bound.text)), default=None)

"""Which whole numbers a term of an index function can be: intervals over dims, for proofs that a tensor is read inside its dims."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..shapes import Dim

Decide = Callable[[str, Dim, Dim], bool | None]
ZERO = Dim.of(0)


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`, none where nothing is known. `reached`: both ends are taken, as indices in `moving` run over theirs."""

    low: Dim | None = None
    high: Dim | None = None
    reached: bool = False
    moving: frozenset[str] = frozenset()

    @property
    def number(self) -> int | None:
        return self.low.constant if self.low is not None and self.low == self.high else None


def range_of(op: str, args: tuple[Range, ...], decide: Decide) -> Range:
    """The range of `op` over values of these ranges."""
    moving = frozenset[str]().union(*(arg.moving for arg in args))
    apart = all(arg.reached for arg in args) and len(moving) == sum(len(arg.moving) for arg in args)  # no index stands twice
    match op, args:
        case "neg", (x,):
            return Range(_minus(x.high), _minus(x.low), x.reached, moving)
        case "+", (x, y):
            return Range(_plus(x.low, y.low), _plus(x.high, y.high), apart, moving)
        case "-", (x, y):
            return Range(_plus(x.low, _minus(y.high)), _plus(x.high, _minus(y.low)), apart, moving)
        case "*", (x, y) if x.number is not None or y.number is not None:
            return _scaled(x, y) if y.number is not None else _scaled(y, x)
        case "min", (x, y):
            return Range(_least(x.low, y.low, decide), _either(x.high, y.high, "<=", decide), apart, moving)
        case "max", (x, y):
            return Range(_either(x.low, y.low, ">=", decide), _most(x.high, y.high, decide), apart, moving)
        case "//", (x, y) if y.number is not None and y.number > 0:
            low, high = (None if end is None else end // y.number for end in (x.low, x.high))
            return Range(low, high, x.reached, moving)
        case "%", (x, y) if y.number is not None and y.number > 0:
            return Range(ZERO, Dim.of(y.number - 1), moving=moving)
        case "abs", (x,) if x.low is not None and decide(">=", x.low, ZERO):
            return x
        case "abs", (x,) if x.low is not None and x.high is not None:
            return Range(ZERO, _most(_minus(x.low), x.high, decide), moving=moving)
        case "where", (_, x, y):
            return Range(_least(x.low, y.low, decide), _most(x.high, y.high, decide), moving=moving)
    return Range(moving=moving)


def _plus(x: Dim | None, y: Dim | None) -> Dim | None:
    return None if x is None or y is None else x + y


def _minus(x: Dim | None) -> Dim | None:
    return None if x is None else -x


def _scaled(x: Range, by: Range) -> Range:
    assert by.number is not None
    low, high = (None if end is None else end * by.number for end in (x.low, x.high))
    return Range(low, high, x.reached, x.moving) if by.number >= 0 else Range(high, low, x.reached, x.moving)


def _least(x: Dim | None, y: Dim | None, decide: Decide) -> Dim | None:
    """A number below both, one of them."""
    if x is None or y is None:
        return None
    return x if x == y or decide("<=", x, y) else y if decide("<=", y, x) else None


def _most(x: Dim | None, y: Dim | None, decide: Decide) -> Dim | None:
    """A number above both, one of them."""
    if x is None or y is None:
        return None
    return x if x == y or decide(">=", x, y) else y if decide(">=", y, x) else None


def _either(x: Dim | None, y: Dim | None, op: str, decide: Decide) -> Dim | None:
    """Each of the two is a bound: the tighter one, or the one that is a number."""
    if x is None or y is None:
        return y if x is None else x
    if decide(op, x, y):
        return x
    return y if decide(op, y, x) or y.constant is not None else x

"""Compile-time values that are no whole numbers: reals, truths, lists; each seen twice, as a value and as text.

The value is what the checker decides by; the text is what the emitter writes, over the names of the declaration. A `Formula` is that
text: a small tree over dims, numbers and names. Whole numbers are `shapes.Size`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Union

from .shapes import Dim, Size

Text = Union["Formula", Dim, float, bool]


@dataclass(frozen=True, slots=True)
class Formula:
    """`op` over texts: arithmetic, comparison, `and or not`, a function of one number, or `name` (a real hyperparameter)."""

    op: str
    args: tuple[Text | str, ...]

    def names(self) -> frozenset[str]:
        if self.op == "name":
            return frozenset((str(self.args[0]),))
        return frozenset().union(*(names_of(arg) for arg in self.args if not isinstance(arg, str)))

    def substitute(self, names: Mapping[str, Text]) -> Text:
        if self.op == "name":
            return names.get(str(self.args[0]), self)
        return formula(self.op, *(substitute(arg, names) for arg in self.args if not isinstance(arg, str)))


def names_of(text: Text) -> frozenset[str]:
    """The names a text depends on."""
    if isinstance(text, Dim):
        return text.symbols()
    return text.names() if isinstance(text, Formula) else frozenset()


def substitute(text: Text, names: Mapping[str, Text]) -> Text:
    """`text` with names replaced; folded where it becomes a number."""
    if isinstance(text, Dim):
        dims = {name: value for name, value in names.items() if isinstance(value, Dim)}
        return text.substitute(dims)
    return text.substitute(names) if isinstance(text, Formula) else text


def number_of(text: Text) -> int | float | bool | None:
    """The number where the text is one."""
    if isinstance(text, Dim):
        return text.constant
    return None if isinstance(text, Formula) else text


def formula(op: str, *args: Text) -> Text:
    """The text of `op`, a number where all arguments are numbers, a dim where whole numbers stay whole."""
    if op in _WHOLE and all(isinstance(arg, Dim) for arg in args) and len(args) == 2:
        from .shapes import apply

        left, right = args
        assert isinstance(left, Dim)
        assert isinstance(right, Dim)
        if op != "**" or right.at_least(0):
            return apply(op, left, right)
    numbers = [number_of(arg) for arg in args]
    if all(number is not None for number in numbers):
        result = OPERATIONS[op](*numbers)
        return Dim.of(result) if isinstance(result, int) and not isinstance(result, bool) else result
    if op in ("and", "or") and any(isinstance(arg, bool) for arg in args):
        decisive = op == "or"
        rest = [arg for arg in args if arg is not (not decisive)]
        return decisive if decisive in [arg for arg in args if isinstance(arg, bool)] else rest[0] if rest else not decisive
    if op in OPPOSITE and all(isinstance(arg, Dim) for arg in args):
        left, right = args
        assert isinstance(left, Dim)
        assert isinstance(right, Dim)
        if (gap := (left - right).constant) is not None:
            return bool(OPERATIONS[op](gap, 0))
    if op == "not" and isinstance(args[0], Formula) and args[0].op in OPPOSITE:
        return Formula(OPPOSITE[args[0].op], args[0].args)
    return Formula(op, args)


OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_WHOLE = frozenset({"+", "-", "*", "//", "%", "**", "min", "max"})

OPERATIONS: dict[str, Callable[..., int | float | bool]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a // b if isinstance(a, int) and isinstance(b, int) and a % b == 0 else a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
    "neg": lambda a: -a,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "not": lambda a: not a,
    "sqrt": math.sqrt,
    "log": math.log,
    "exp": math.exp,
    "ceil": math.ceil,
    "floor": math.floor,
    "abs": abs,
    "min": min,
    "max": max,
    "fixed": lambda *values: True,  # the assumption that values stay as they are: nothing to show for numbers
}


@dataclass(frozen=True, slots=True)
class Real:
    """A real number known at compile time."""

    value: float
    text: Text

    @staticmethod
    def of(value: float) -> Real:
        return Real(value, value)

    def __str__(self) -> str:
        return f"{self.value:g}"

    def rename(self, names: Mapping[str, Text]) -> Real:
        return Real(self.value, substitute(self.text, names))


@dataclass(frozen=True, slots=True)
class Truth:
    """A condition on numbers. `value` is none when it depends on dims that stay unknown until the model runs."""

    value: bool | None
    text: Text
    because: Text | None = None  # a part of the text that is enough for the value

    def __str__(self) -> str:
        return "unknown" if self.value is None else str(self.value).lower()


@dataclass(frozen=True, slots=True)
class AxisName:
    """A dim given by its name in `dim=`.

    `symbol` is what the declaration's dim of that name is among the root's, if it is one there; `at` is its place, once it was looked up.
    """

    name: str
    symbol: str | None = None
    at: int | None = None

    def __str__(self) -> str:
        return self.name


def as_real(value: Size | Real) -> Real | None:
    """A whole number read as a real; none when it is symbolic."""
    if isinstance(value, Real):
        return value
    return None if value.number is None else Real(float(value.number), value.text)


def is_proved(condition: Text) -> bool:
    """True whatever whole numbers of at least 1 stand for the names; false means not proved."""
    if isinstance(condition, bool):
        return condition
    if not isinstance(condition, Formula):
        return False
    if condition.op == "and":
        return all(is_proved(arg) for arg in condition.args if not isinstance(arg, str))
    if condition.op == "or":
        return any(is_proved(arg) for arg in condition.args if not isinstance(arg, str))
    if len(condition.args) != 2 or not all(isinstance(arg, Dim) for arg in condition.args):
        return False
    left, right = condition.args
    assert isinstance(left, Dim)
    assert isinstance(right, Dim)
    gap = left - right
    match condition.op:
        case "==":
            return gap == 0
        case "!=":
            return gap.at_least(1) or (-gap).at_least(1)
        case "<":
            return (-gap).at_least(1)
        case "<=":
            return (-gap).at_least(0)
        case ">":
            return gap.at_least(1)
        case ">=":
            return gap.at_least(0)
    return False


def conjuncts(condition: Text | Truth) -> tuple[Text, ...]:
    """What has to hold together for a condition to hold."""
    if isinstance(condition, Truth):
        condition = condition.text
    if isinstance(condition, Formula) and condition.op == "and":
        return tuple(part for arg in condition.args if not isinstance(arg, str) for part in conjuncts(arg))
    return (condition,)

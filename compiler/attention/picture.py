"""A mask as a small picture: what a query, a row, sees of the keys, its columns, at places spread over a text.

Comes in: the equation of a mask. Goes out: rows of SEES, BLIND and DEPENDS. The step between the places is chosen by the numbers in the
equation, so that a window of 128 keys is half as wide as the picture, and the rest of it can be seen.
"""

from __future__ import annotations

from ..shapes import Size
from .terms import Equation, Term

SEES, BLIND, DEPENDS = "#", ".", "?"
CELLS = 8


def picture(mask: Equation | None, cells: int = CELLS) -> tuple[str, ...]:
    """The picture; `DEPENDS` where a tensor, a size or the head has a say. No mask sees everything."""
    if mask is None:
        return (SEES * cells,) * cells
    step = _step(mask, cells)
    return tuple("".join(_said(_value(mask, i * step, j * step)) for j in range(cells)) for i in range(cells))


def _step(mask: Equation, cells: int) -> int:
    """How far apart the places are: twice the largest number fills the picture."""
    numbers = [abs(term.value.number or 0) for term in mask.terms if isinstance(term.value, Size) and term.value.number]
    return max(1, 2 * max(numbers, default=0) // cells)


def _said(value: object) -> str:
    return DEPENDS if value is None else SEES if value else BLIND


def _value(mask: Equation, i: int, j: int) -> bool | int | float | None:
    """The mask at a place; none where it is not known."""
    values: list[bool | int | float | None] = []
    for term in mask.terms:
        values.append(_term(term, [values[arg] for arg in term.args], i, j))
    return values[-1]


def _term(term: Term, args: list[bool | int | float | None], i: int, j: int) -> bool | int | float | None:
    match term.op:
        case "i":
            return i
        case "j":
            return j
        case "number":
            value = term.value
            return value.number if isinstance(value, Size) else getattr(value, "value", value)
        case "and" | "or":
            decisive = term.op == "or"
            if decisive in args:
                return decisive
            return None if None in args else not decisive
        case "where" if args[0] is not None:
            return args[1] if args[0] else args[2]
    if None in args or not args:
        return None
    try:
        return _applied(term.op, args)  # type: ignore[arg-type]
    except (ArithmeticError, ValueError):
        return None


def _applied(op: str, args: list[bool | int | float]) -> bool | int | float | None:
    x, y = args[0], args[-1]
    match op:
        case "not":
            return not x
        case "neg":
            return -x
        case "abs":
            return abs(x)
        case "+":
            return x + y
        case "-":
            return x - y
        case "*":
            return x * y
        case "//":
            return x // y
        case "%":
            return x % y
        case "/":
            return x / y
        case "min" | "max":
            return min(x, y) if op == "min" else max(x, y)
        case "<" | "<=":
            return x < y if op == "<" else x <= y
        case ">" | ">=":
            return x > y if op == ">" else x >= y
        case "==" | "!=":
            return (x == y) == (op == "==")
    return None

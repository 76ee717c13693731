"""A checker without a compiler around it: places are nowhere, relations are decided on the spot."""

from __future__ import annotations

from archc.compiler.shapes import Size
from archc.compiler.values import formula, is_proved
from archc.dsl.span import NOWHERE, Span

_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


class Alone:
    """Implements `layers.base.Checker`."""

    span: Span = NOWHERE

    def place(self, which: int | str) -> Span:
        return NOWHERE

    def origin(self, which: int, axis: int) -> Span:
        return NOWHERE

    def same(self, left: Size, right: Size) -> bool:
        return left.value == right.value

    def holds(self, op: str, left: Size, right: Size) -> bool | None:
        if is_proved(formula(op, left.value, right.value)):
            return True
        return False if is_proved(formula(_OPPOSITE[op], left.value, right.value)) else None

    def divides(self, divisor: Size, size: Size) -> bool | None:
        if divisor.number is not None and size.number is not None:
            return divisor.number != 0 and size.number % divisor.number == 0
        return True if size.value.divided(divisor.value) is not None else None

"""Asserts of the spec in the generated source: a condition, and a message that shows the numbers that broke it."""

from __future__ import annotations

from ....dsl.span import Span
from ...graph import Assertion
from ...shapes import Apply, Dim
from ...values import OPPOSITE, Formula, Text, Truth, names_of, number_of
from ..code import OR, Code, Show, binary, unary
from .lines import Line, interpolated


def check_lines(assertion: Assertion, show: Show) -> list[Line]:
    """`if` it does not hold, `raise`."""
    condition = assertion.condition.text if isinstance(assertion.condition, Truth) else assertion.condition
    broken, pieces = _broken(condition, show)
    message = assertion.message or f"assert {assertion.written}"
    text = interpolated(f"{message}: " if pieces else message, pieces)
    span: Span = assertion.span
    return [Line(f"if {broken}:", span), Line(f"raise ValueError({text})", span, 1)]


def _broken(condition: Text, show: Show) -> tuple[Code, list[str]]:
    """The condition's opposite, and the pieces of an f-string that show it with numbers."""
    if isinstance(condition, Formula) and condition.op in OPPOSITE:
        left, right = (arg for arg in condition.args if not isinstance(arg, str))
        parts = _remainder(left) if condition.op == "==" and number_of(right) == 0 else None
        if parts is not None:
            return show.text(left), _shown(show, parts[0], " % ", parts[1], " != 0")
        op = OPPOSITE[condition.op]
        return binary(op, show.text(left), show.text(right)), _shown(show, left, f" {op} ", right)
    names = sorted(names_of(condition))
    values: list[Text | str] = []
    for name in names:
        values += [f"{', ' if values else ''}{name} = ", Formula("name", (name,))]
    if isinstance(condition, Formula) and condition.op == "and":
        codes = [_broken(arg, show)[0] for arg in condition.args if not isinstance(arg, str)]
        return Code(" or ".join(code.at(OR) for code in codes), OR), _shown(show, *values)
    return unary("not", show.text(condition)), _shown(show, *values)


def _remainder(text: Text) -> tuple[Dim, Dim] | None:
    """`a % b` as its two sides."""
    if not isinstance(text, Dim) or len(text.terms) != 1:
        return None
    monomial, factor = text.terms[0]
    if factor != 1 or len(monomial) != 1 or monomial[0][1] != 1:
        return None
    atom = monomial[0][0]
    return (atom.left, atom.right) if isinstance(atom, Apply) and atom.op == "%" else None


def _shown(show: Show, *parts: Text | str) -> list[str]:
    """Pieces of an f-string; none where a value cannot stand in one."""
    pieces = []
    for part in parts:
        if isinstance(part, str):
            pieces.append(part)
            continue
        code = show.text(part).text
        if '"' in code or "'" in code:
            return []
        pieces.append(code if number_of(part) is not None else f"{{{code}}}")
    return pieces

"""Compile-time arithmetic on sizes, reals, conditions and lists."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...dsl.span import Span
from ..errors.calls import BadArithmetic, NotCompileTime, TooLarge
from ..errors.shapes import DoesNotDivide
from ..layers.base import Refusal
from ..shapes import Dim, Size
from ..values import OPERATIONS, Real, Text, Truth, formula, names_of
from .body import Body
from .values import Items, Mode, Tensor, Value, describe, fixed, names_in, value_key

MAX_ITEMS = 100_000
MAX_DIGITS = 40
MAX_TERMS = 1_000
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def is_number(value: Value) -> bool:
    return isinstance(value, Size | Real)


def arithmetic(body: Body, op: str, left: Value, right: Value, span: Span) -> Value:
    """`left op right` on numbers; lists join with +."""
    if op == "+" and isinstance(left, Items) and isinstance(right, Items):
        if len(left.items) + len(right.items) > MAX_ITEMS:
            raise Refusal(
                TooLarge(span, f"a list of {len(left.items) + len(right.items):,} items is too long; {MAX_ITEMS:,} are the most")
            )
        return Items(left.items + right.items)
    if not (is_number(left) and is_number(right) and op in OPERATIONS):
        raise Refusal(BadArithmetic(span, f"{op} does not work on {describe(left)} and {describe(right)}"))
    if isinstance(left, Size) and isinstance(right, Size):
        return _whole(body, op, left, right, span)
    return _real(op, left, right, span)


def _whole(body: Body, op: str, left: Size, right: Size, span: Span) -> Value:
    if op in ("/", "//", "%") and right.number == 0:
        raise Refusal(BadArithmetic(span, f"{left} {op} 0 has no result"))
    if op == "/":
        return _quotient(body, left, right, span)
    if op == "**" and (right.number is None or right.number < 0):
        return _real(op, left, right, span)
    if op == "**" and left.number is not None and right.number is not None and abs(left.number) > 1:
        digits = right.number * math.log10(abs(left.number))
        if digits > MAX_DIGITS:
            raise Refusal(TooLarge(span, f"{left} ** {right} has {int(digits) + 1} digits"))
    if op in ("*", "**") and _terms(op, left.value, right.value) > MAX_TERMS:
        raise Refusal(TooLarge(span, f"{op} gives more than {MAX_TERMS:,} terms here"))
    from ..shapes import apply

    result = Size(apply(op, left.value, right.value), apply(op, left.text, right.text))
    if result.number is not None and abs(result.number) > 10**MAX_DIGITS:
        raise Refusal(TooLarge(span, f"{left} {op} {right} has more than {MAX_DIGITS} digits"))
    return body.simplest(result)


def _terms(op: str, left: Dim, right: Dim) -> int:
    """No more than so many terms come out."""
    if op == "*":
        return len(left.terms) * len(right.terms)
    return math.comb(len(left.terms) + right.constant - 1, right.constant) if right.constant and left.terms else 1


def is_huge(dim: Dim) -> bool:
    return any(abs(factor) > 10**MAX_DIGITS for _, factor in dim.terms)


def _quotient(body: Body, left: Size, right: Size, span: Span) -> Value:
    """`/` of whole numbers is exact; numbers that do not divide give a real."""
    facts = body.elaborator.facts
    value = left.value.divided(right.value)
    if value is None and right.number != 0 and facts.divides(right.value, left.value):
        value = left.value // right.value  # an assert says that it is exact
    if value is not None:
        text = left.text.divided(right.text)
        if text is None:
            text = left.text // right.text
            body.assume(formula("==", left.text % right.text, Dim.of(0)), "an exact division")
        return Size(value, text)
    if left.number is None or right.number is None:
        raise Refusal(DoesNotDivide(span, f"{left} / {right} must be a whole number", str(left), str(right)))
    return _real("/", left, right, span)


def _real(op: str, left: Size | Real, right: Size | Real, span: Span) -> Value:
    numbers = [value.value if isinstance(value, Real) else value.number for value in (left, right)]
    if any(number is None for number in numbers):
        raise Refusal(NotCompileTime(span, f"{left} {op} {right}", "a dim that stays symbolic"))
    try:
        result = OPERATIONS[op](*numbers)
        text = formula(op, left.text, right.text)
    except (ArithmeticError, ValueError):
        raise Refusal(BadArithmetic(span, f"{left} {op} {right} has no result")) from None
    if isinstance(result, complex):
        raise Refusal(BadArithmetic(span, f"{left} {op} {right} has no real result"))
    return Real(float(result), text)


def negated(value: Value, span: Span) -> Value:
    if isinstance(value, Size):
        return Size(-value.value, -value.text)
    if isinstance(value, Real):
        return Real(-value.value, formula("neg", value.text))
    raise Refusal(BadArithmetic(span, f"- does not work on {describe(value)}"))


def compared(body: Body, op: str, left: Value, right: Value, span: Span) -> Truth | bool:
    """A comparison of compile-time values."""
    if isinstance(left, Size) and isinstance(right, Size):
        value = body.elaborator.facts.decide(op, left.value, right.value)
        return Truth(value, formula(op, left.text, right.text))
    if is_number(left) and is_number(right):
        numbers = [v.value if isinstance(v, Real) else v.number for v in (left, right)]
        if None in numbers:
            raise Refusal(NotCompileTime(span, "a comparison with a real number", "a dim that stays symbolic"))
        return Truth(bool(OPERATIONS[op](*numbers)), formula(op, left.text, right.text))
    if op not in ("==", "!="):
        raise Refusal(BadArithmetic(span, f"{op} does not order {describe(left)} and {describe(right)}"))
    names = names_in(left) | names_in(right)
    if names:
        body.assume(fixed(names), "a comparison")
    return (value_key(left) == value_key(right)) == (op == "==")


def truth(value: Value, span: Span, what: str = "this") -> Truth:
    """A value as a condition; `what` it decides."""
    if isinstance(value, Truth):
        return value
    if isinstance(value, Mode):
        from ..errors.draws import OnlyWhenRun

        raise Refusal(OnlyWhenRun(span, what))
    if isinstance(value, bool):
        return Truth(value, value)
    raise Refusal(BadArithmetic(span, f"a condition is true or false, but this is {describe(value)}"))


def decided(body: Body, condition: Truth, span: Span, what: str) -> bool:
    """The truth of a condition that the compiler needs; remembered for the text."""
    if condition.value is None:
        raise Refusal(NotCompileTime(span, what, "a condition on dims that stay symbolic"))
    text = condition.text if condition.because is None else condition.because
    body.assume(text if condition.value else formula("not", text), what)
    return condition.value


def joined(op: str, left: Truth, right: Truth) -> Truth:
    """`and`, `or` of conditions, each of which may be open."""
    decisive = op == "or"
    text = formula(op, left.text, right.text)
    for one in (left, right):
        if one.value is decisive:
            return Truth(decisive, text, one.text if one.because is None else one.because)
    return Truth(None if left.value is None or right.value is None else not decisive, text)


def known(body: Body, value: Value, span: Span, what: str, *, keep: bool = False) -> int:
    """A whole number that the compiler needs; the text is fixed to it unless `keep`."""
    if not isinstance(value, Size | Tensor):
        raise Refusal(BadArithmetic(span, f"{what} is a whole number, but this is {describe(value)}"))
    if isinstance(value, Tensor) or value.number is None:
        raise Refusal(NotCompileTime(span, what, describe(value)))
    names = names_of(value.text)
    if names and not keep:
        body.assume(fixed(names), what)
    return value.number


def counted(body: Body, start: Value, stop: Value, span: Span) -> Items:
    """`start..stop`, half open."""
    first, last = known(body, start, span, "the start of a range"), known(body, stop, span, "the end of a range")
    if last - first > MAX_ITEMS:
        raise Refusal(TooLarge(span, f"a range of {last - first:,} numbers is too long; {MAX_ITEMS:,} is the most"))
    return Items(tuple(Size.of(number) for number in range(first, last)))


def function(body: Body, name: str, args: Sequence[Value], span: Span) -> Value:
    """A compile-time function on numbers and lists."""
    match name, args:
        case "len", [Items() as items]:
            return Size.of(len(items.items))
        case "reverse", [Items() as items]:
            return Items(items.items[::-1])
        case "enumerate", [Items() as items]:
            return Items(tuple(Items((Size.of(i), item)) for i, item in enumerate(items.items)))
        case "zip", [Items(), *_] if all(isinstance(arg, Items) for arg in args):
            lengths = {len(arg.items) for arg in args}
            if len(lengths) > 1:
                raise Refusal(
                    BadArithmetic(
                        span, f"zip walks lists of one length, but these have {' and '.join(map(str, sorted(lengths)))}"
                    )
                )
            return Items(tuple(Items(row) for row in zip(*(arg.items for arg in args), strict=True)))
        case "range", [stop]:
            return counted(body, Size.of(0), stop, span)
        case "range", [start, stop]:
            return counted(body, start, stop, span)
        case (("sum" | "min" | "max"), [Items() as items]) if items.items:
            return _folded(body, name, items.items, span)
        case "sum", [Items()]:
            return Size.of(0)
        case (("min" | "max"), [_, _, *_]):
            return _folded(body, name, tuple(args), span)
        case (("abs" | "sqrt" | "log" | "exp" | "ceil" | "floor"), [number]) if is_number(number):
            return _of_one(body, name, number, span)
    given = ", ".join(describe(arg) for arg in args) or "nothing"
    raise Refusal(BadArithmetic(span, f"{name} does not work on {given}"))


def _folded(body: Body, name: str, items: tuple[Value, ...], span: Span) -> Value:
    result = items[0]
    for item in items[1:]:
        if not (is_number(result) and is_number(item)):
            raise Refusal(BadArithmetic(span, f"{name} does not work on {describe(item)}"))
        result = arithmetic(body, "+" if name == "sum" else name, result, item, span)
    return result


def _of_one(body: Body, name: str, number: Size | Real, span: Span) -> Value:
    value = number.value if isinstance(number, Real) else number.number
    if value is None:
        raise Refusal(NotCompileTime(span, f"the argument of {name}", describe(number)))
    try:
        result = OPERATIONS[name](value)
        text: Text = formula(name, number.text)
    except (ArithmeticError, ValueError):
        raise Refusal(BadArithmetic(span, f"{name} of {number} has no result")) from None
    if name in ("ceil", "floor", "abs") and isinstance(result, int):
        if not isinstance(text, Dim):
            body.assume(fixed(names_of(text)), f"{name} of a real number")
            text = Dim.of(result)
        return Size(Dim.of(result), text)
    return Real(float(result), text)

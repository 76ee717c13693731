"""Python expressions with their binding strength, so that parentheses stand where they must and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..shapes import Apply, Dim, Monomial, Size
from ..values import Formula, Real, Text


class Code(NamedTuple):
    """A Python expression; `level` is how tightly its outermost operator binds (ATOM: not at all)."""

    text: str
    level: int = 16

    def __str__(self) -> str:
        return self.text

    def at(self, level: int) -> str:
        """The text, in parentheses where something that binds at `level` stands around it."""
        return self.text if self.level >= level else f"({self.text})"


ATOM, POWER, SIGN, PRODUCT, SUM, COMPARISON, NOT, AND, OR, CHOICE = 16, 14, 13, 12, 11, 7, 6, 5, 4, 3


def call(function: str, *args: Code | str, **named: str) -> Code:
    """`function(args, name=…)`."""
    listed = [str(arg) for arg in args] + [f"{name}={text}" for name, text in named.items()]
    return Code(f"{function}({', '.join(listed)})")


def method(receiver: Code, name: str, *args: Code | str, **named: str) -> Code:
    """`receiver.name(args)`."""
    return call(f"{receiver.at(ATOM)}.{name}", *args, **named)


_SIMPLE = re.compile(r"-?[\d.]+(e-?\d+)?|[A-Za-z_][\w.]*")  # formatters write a power of these without blanks
_LEVELS = {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "//": PRODUCT, "%": PRODUCT, "@": PRODUCT, "**": POWER}
_LEVELS |= dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), COMPARISON) | {"and": AND, "or": OR, "&": 10, "|": 8}


def binary(op: str, left: Code, right: Code) -> Code:
    """`left op right`."""
    level = _LEVELS[op]
    if op == "**":
        base, power = left.at(level + 1), right.at(SIGN)
        joint = "**" if _SIMPLE.fullmatch(base) and _SIMPLE.fullmatch(power) else " ** "
        return Code(f"{base}{joint}{power}", level)
    if level == COMPARISON:
        return Code(f"{left.at(level + 1)} {op} {right.at(level + 1)}", level)
    return Code(f"{left.at(level)} {op} {right.at(level + 1)}", level)


def unary(op: str, operand: Code) -> Code:
    """`-x`, `~x`, `not x`."""
    return Code(f"not {operand.at(NOT)}", NOT) if op == "not" else Code(f"{op}{operand.at(POWER + 1)}", SIGN)


@dataclass(frozen=True)
class Show:
    """How compile-time values are written in one place of the source: which expression stands for each name, and for the layer itself."""

    names: Mapping[str, str] | Callable[[str], str]
    me: str = ""
    types: tuple[Any, ...] = ()  # of the operands: tensor types, or numbers that stand among tensors
    outputs: tuple[Any, ...] = ()  # the types that come out

    def name(self, name: str) -> str:
        return self.names(name) if callable(self.names) else self.names[name]

    def code(self, value: Any) -> Code:
        """Any compile-time value as Python."""
        match value:
            case bool() | None | str():
                return Code(f'"{value}"' if isinstance(value, str) else str(value))
            case Size():
                return self.dim(value.text)
            case Real():
                return self.text(value.text)
            case int():
                return Code(str(value)) if value >= 0 else Code(str(value), SIGN)
            case float():
                return self.text(value)
            case tuple():
                items = [str(self.code(item)) for item in value]
                return Code(f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})")
            case list():
                return Code(f"[{', '.join(str(self.code(item)) for item in value)}]")
        raise TypeError(f"no Python text for {value!r}")

    def __call__(self, value: Any) -> str:
        return self.code(value).text

    def options(self, **pairs: tuple[Any, Any]) -> dict[str, str]:
        """Keyword arguments as (value, default): those that equal PyTorch's default are left out."""
        return {name: self(value) for name, (value, default) in pairs.items() if self(value) != self(default)}

    def text(self, text: Text) -> Code:
        """A formula, dim or number as Python."""
        if isinstance(text, bool):
            return Code(str(text))
        if isinstance(text, Dim):
            return self.dim(text)
        if isinstance(text, float):
            return _float(text)
        return self._formula(text)

    def _formula(self, text: Formula) -> Code:
        if text.op == "name":
            return Code(self.name(str(text.args[0])))
        args = [self.text(arg) for arg in text.args if not isinstance(arg, str)]
        if text.op == "neg":
            return unary("-", args[0])
        if text.op == "not":
            return unary("not", args[0])
        if text.op in _LEVELS:
            return binary(text.op, *args)
        return call(text.op if text.op in ("min", "max", "abs") else f"math.{text.op}", *args)

    def dim(self, dim: Dim) -> Code:
        """A polynomial as a person writes it: positive terms first."""
        if dim.constant is not None:
            return self.code(dim.constant)
        terms = sorted(dim.terms, key=lambda term: term[1] < 0)
        result: Code | None = None
        for monomial, factor in terms:
            term = self._monomial(monomial, abs(factor))
            result = (
                (term if factor > 0 else unary("-", term)) if result is None else binary("+" if factor > 0 else "-", result, term)
            )
        assert result is not None
        return result

    def _monomial(self, monomial: Monomial, factor: int) -> Code:
        parts = [Code(str(factor))] if factor != 1 or not monomial else []
        for atom, exponent in monomial:
            base = self._apply(atom) if isinstance(atom, Apply) else Code(self.name(atom.name))
            parts.append(binary("**", base, Code(str(exponent))) if exponent > 1 else base)
        product = parts[0]
        for part in parts[1:]:
            product = binary("*", product, part)
        return product

    def _apply(self, atom: Apply) -> Code:
        left, right = self.dim(atom.left), self.dim(atom.right)
        return call(atom.op, left, right) if atom.op in ("min", "max") else binary(atom.op, left, right)


def _float(number: float) -> Code:
    if number != number or number in (float("inf"), float("-inf")):
        return Code(f'float("{number}")')
    text = repr(number).replace("e-0", "e-").replace("e+0", "e")
    return Code(text, SIGN) if number < 0 else Code(text)

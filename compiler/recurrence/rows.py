"""What layers that read whole rows compute, in sums over rows and in the operations of single units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..layers.base import Layer
from ..shapes import Size
from ..values import Real
from .lanes import Terms

Learned = Callable[[str], int]  # the name of a weight of the layer -> its term


def row(terms: Terms, op: Layer, operand: int, width: int, learned: Learned) -> int | None:
    """The term of a layer's result over the last dim of its operand, of this width; `learned` gives the layer's own weights, by name.
    None where it is made of other operations than those that there are."""
    rule = RULES.get(op.name)
    return rule(_Row(terms, operand, width, learned), op) if rule is not None else None


class _Row:
    def __init__(self, terms: Terms, x: int, width: int, learned: Learned) -> None:
        self.terms, self.x, self.width, self.learned = terms, x, width, learned

    def do(self, op: str, *operands: int | float) -> int:
        """An operation on terms (whole numbers) and numbers (all others)."""
        return self.terms.term(op, *(x if isinstance(x, int) else self.terms.term("number", value=x) for x in operands))

    @property
    def count(self) -> int:
        """How many numbers a row has."""
        return self.terms.term("count", index=self.width)

    def mean(self, x: int) -> int:
        return self.do("/", self.do("sum", x), self.count)

    def most(self, x: int) -> int:
        """The largest number, without a slope."""
        return self.do("largest", x)

    def largest(self, x: int) -> int:
        """With the slope that PyTorch gives it: those that are equal share."""
        most = self.most(x)
        there = self.do("==", self.do("stop", x), most)
        return self.do("/", self.do("sum", self.do("where", there, x, 0.0)), self.do("sum", there))

    def shifted(self, x: int) -> tuple[int, int]:
        """The largest number, and the sum of the exponentials of what is left without it."""
        most = self.most(x)
        return most, self.do("sum", self.do("exp", self.do("-", x, most)))

    def softmax(self, x: int) -> int:
        most, total = self.shifted(x)
        return self.do("/", self.do("exp", self.do("-", x, most)), total)

    def spread(self, correction: float) -> int:
        away = self.do("-", self.x, self.mean(self.x))
        return self.do("/", self.do("sum", self.do("*", away, away)), self.do("-", self.count, correction))

    def root(self, x: int) -> int:
        """Without a slope at 0, as PyTorch's std."""
        none = self.do("==", x, 0.0)
        return self.do("where", none, 0.0, self.do("sqrt", self.do("where", none, 1.0, x)))

    def scaled(self, x: int, op: Any) -> int:
        weighted = self.do("*", x, self.learned("weight")) if op.elementwise_affine else x
        return self.do("+", weighted, self.learned("bias")) if getattr(op, "biased", False) else weighted


def _layer_norm(row: _Row, op: Any) -> int:
    away = row.do("-", row.x, row.mean(row.x))
    variance = row.mean(row.do("*", away, away))
    return row.scaled(row.do("/", away, row.do("sqrt", row.do("+", variance, _number(op.eps)))), op)


def _rms_norm(row: _Row, op: Any) -> int:
    """Without `eps` it is that of the dtype."""
    eps = row.terms.term("epsilon") if op.eps is None else row.terms.term("number", value=_number(op.eps))
    square = row.mean(row.do("*", row.x, row.x))
    return row.scaled(row.do("/", row.x, row.do("sqrt", row.do("+", square, eps))), op)


def _log_softmax(row: _Row, _: Any) -> int:
    most, total = row.shifted(row.x)
    return row.do("-", row.do("-", row.x, most), row.do("log", total))


def _logsumexp(row: _Row, _: Any) -> int:
    most, total = row.shifted(row.x)
    return row.do("+", row.do("log", total), most)


def _number(value: Size | Real) -> float:
    return float((value.number if isinstance(value, Size) else value.value) or 0)


RULES: dict[str, Callable[[_Row, Any], int]] = {
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "softmax": lambda row, _: row.softmax(row.x),
    "softmin": lambda row, _: row.softmax(row.do("neg", row.x)),
    "log_softmax": _log_softmax,
    "logsumexp": _logsumexp,
    "sum": lambda row, _: row.do("sum", row.x),
    "mean": lambda row, _: row.mean(row.x),
    "max": lambda row, _: row.largest(row.x),
    "min": lambda row, _: row.do("neg", row.largest(row.do("neg", row.x))),
    "var": lambda row, op: row.spread(_number(op.correction)),
    "std": lambda row, op: row.root(row.spread(_number(op.correction))),
}

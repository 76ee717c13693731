"""What layers that treat each number by itself compute, in the few operations of which `adjoint` knows values and slopes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from math import log, pi, sqrt
from typing import Any, Protocol

from ..layers.base import Layer
from ..shapes import Size
from ..values import Real


class Terms(Protocol):
    """Where terms are put down; gives the number of a term."""

    def term(self, op: str, *terms: int, index: int = 0, value: float = 0.0) -> int: ...


Rule = Callable[["_Lane", Any], int | None]


def lane(terms: Terms, op: Layer, operands: Sequence[int]) -> int | None:
    """The term of a layer's result; none where it is made of other operations than those that there are."""
    rule = RULES.get(op.name)
    return rule(_Lane(terms, list(operands)), op) if rule is not None else None


class _Lane:
    """The operands of one layer, and a way to compute with them."""

    def __init__(self, terms: Terms, operands: list[int]) -> None:
        self.terms, self.operands = terms, operands

    @property
    def x(self) -> int:
        return self.operands[0]

    def do(self, op: str, *operands: int | float | Size | Real) -> int:
        """An operation on terms (whole numbers) and numbers (all others)."""
        return self.terms.term(op, *(operand if isinstance(operand, int) else self.number(operand) for operand in operands))

    def number(self, value: float | Size | Real) -> int:
        known = value if isinstance(value, float) else value.number if isinstance(value, Size) else value.value
        return self.terms.term("number", value=float(known or 0))

    def below_zero(self) -> int:
        return self.do("minimum", self.x, 0.0)

    def softplus(self, beta: float | Size | Real = 1.0) -> int:
        """log(1 + exp(beta x)) / beta, as what the logistic function leaves."""
        return self.do("/", self.do("neg", self.do("logsigmoid", self.do("*", self.do("neg", self.x), beta))), beta)

    def between(self, x: int, low: float | Size | Real, high: float | Size | Real) -> int:
        """Without a slope at the bounds themselves."""
        return self.do("where", self.do("<=", x, low), low, self.do("where", self.do(">=", x, high), high, x))

    def hard(self) -> int:
        """The logistic function of straight lines: 0 up to -3, 1 from 3."""
        return self.between(self.do("+", self.do("/", self.x, 6.0), 0.5), 0.0, 1.0)


def _same(op: str) -> Rule:
    return lambda lane, _: lane.do(op, *lane.operands)


def _gelu(lane: _Lane, op: Any) -> int:
    x = lane.x
    if op.approximate == "tanh":
        cube = lane.do("*", lane.do("*", lane.do("*", x, x), x), 0.044715)
        inner = lane.do("tanh", lane.do("*", lane.do("+", x, cube), sqrt(2 / pi)))
    else:
        inner = lane.do("erf", lane.do("*", x, sqrt(0.5)))
    return lane.do("*", lane.do("*", x, 0.5), lane.do("+", inner, 1.0))


def _selu(lane: _Lane, _: Layer) -> int:
    low = lane.do("*", lane.do("-", lane.do("exp", lane.below_zero()), 1.0), 1.6732632423543772848170429916717)
    return lane.do("*", lane.do("+", lane.do("relu", lane.x), low), 1.0507009873554804934193349852946)


def _elu(lane: _Lane, op: Any) -> int:
    return lane.do("+", lane.do("relu", lane.x), lane.do("*", lane.do("-", lane.do("exp", lane.below_zero()), 1.0), op.alpha))


def _celu(lane: _Lane, op: Any) -> int:
    low = lane.do("-", lane.do("exp", lane.do("/", lane.below_zero(), op.alpha)), 1.0)
    return lane.do("+", lane.do("relu", lane.x), lane.do("*", low, op.alpha))


def _leaky(lane: _Lane, op: Any) -> int:
    return lane.do("+", lane.do("relu", lane.x), lane.do("*", lane.below_zero(), op.negative_slope))


def _softplus(lane: _Lane, op: Any) -> int:
    """Where it is a straight line for the eye, it is one in PyTorch."""
    straight = lane.do(">", lane.do("*", lane.x, op.beta), op.threshold)
    return lane.do("where", straight, lane.x, lane.softplus(op.beta))


def _softshrink(lane: _Lane, op: Any) -> int:
    return lane.do("-", lane.x, lane.do("minimum", lane.do("maximum", lane.x, -_known(op.lambd)), _known(op.lambd)))


def _hardshrink(lane: _Lane, op: Any) -> int:
    return lane.do("where", lane.do(">", lane.do("abs", lane.x), op.lambd), lane.x, 0.0)


def _threshold(lane: _Lane, op: Any) -> int:
    return lane.do("where", lane.do(">", lane.x, op.threshold), lane.x, op.value)


def _remainder(lane: _Lane, _: Layer) -> int:
    a, b = lane.operands
    return lane.do("-", a, lane.do("*", b, lane.do("floor", lane.do("/", a, b))))


def _several(op: str) -> Rule:
    """Of several tensors place by place; of one it is a reduction, which is no lane's."""
    return lambda lane, _: reduce(lambda a, b: lane.do(op, a, b), lane.operands) if len(lane.operands) > 1 else None


def _known(value: Size | Real) -> float:
    return float((value.number if isinstance(value, Size) else value.value) or 0)


_DIRECT = (
    *(
        "+",
        "-",
        "*",
        "/",
        "neg",
        "sigmoid",
        "tanh",
        "relu",
        "exp",
        "log",
        "sqrt",
        "abs",
        "sin",
        "cos",
        "atan",
        "erf",
        "logsigmoid",
    ),
    *("maximum", "minimum", "<", "<=", ">", ">=", "==", "!=", "where", "floor", "ceil", "round", "sign", "expm1", "log1p"),
)
RULES: dict[str, Rule] = {
    **{name: _same(name) for name in _DIRECT},
    "and": _same("minimum"),  # truths are 0 and 1
    "or": _same("maximum"),
    "not": lambda lane, _: lane.do("-", 1.0, lane.x),
    "bool": lambda lane, _: lane.do("!=", lane.x, 0.0),
    "float": lambda lane, _: lane.x,
    "isnan": lambda lane, _: lane.do("!=", lane.x, lane.x),
    "stop_gradient": _same("stop"),
    "max": _several("maximum"),
    "min": _several("minimum"),
    "sum": _several("+"),
    "**": _same("pow"),
    "%": _remainder,
    "//": lambda lane, _: lane.do("floor", lane.do("/", *lane.operands)),
    "silu": lambda lane, _: lane.do("*", lane.x, lane.do("sigmoid", lane.x)),
    "square": lambda lane, _: lane.do("*", lane.x, lane.x),
    "reciprocal": lambda lane, _: lane.do("/", 1.0, lane.x),
    "rsqrt": lambda lane, _: lane.do("/", 1.0, lane.do("sqrt", lane.x)),
    "log2": lambda lane, _: lane.do("/", lane.do("log", lane.x), log(2)),
    "log10": lambda lane, _: lane.do("/", lane.do("log", lane.x), log(10)),
    "tan": lambda lane, _: lane.do("/", lane.do("sin", lane.x), lane.do("cos", lane.x)),
    "softplus": _softplus,
    "mish": lambda lane, _: lane.do("*", lane.x, lane.do("tanh", lane.softplus())),
    "gelu": _gelu,
    "selu": _selu,
    "elu": _elu,
    "celu": _celu,
    "leaky_relu": _leaky,
    "relu6": lambda lane, _: lane.between(lane.x, 0.0, 6.0),
    "hardtanh": lambda lane, op: lane.between(lane.x, op.min_val, op.max_val),
    "hardsigmoid": lambda lane, _: lane.hard(),
    "hardswish": lambda lane, _: lane.do("*", lane.x, lane.hard()),
    "tanhshrink": lambda lane, _: lane.do("-", lane.x, lane.do("tanh", lane.x)),
    "softsign": lambda lane, _: lane.do("/", lane.x, lane.do("+", lane.do("abs", lane.x), 1.0)),
    "softshrink": _softshrink,
    "hardshrink": _hardshrink,
    "threshold": _threshold,
}

"""The formulae of distributions as Python text, simplified where a parameter is a number such as 0 or 1.

A `Part` is a parameter or what was made of parameters. Sources: torch.distributions, whose values these equal.
"""

from __future__ import annotations

from typing import NamedTuple

from ..emit.code import PRODUCT, Code, Show, binary, call, method, unary
from ..values import Real, number_of


class Part(NamedTuple):
    """Text with its number where it is a plain one; `tensor` is false for what is known when the model is built."""

    code: Code
    value: float | None = None
    tensor: bool = True


Parts = dict[str, Part]
HALF_LOG_TAU = Part(Code("0.5 * math.log(2 * math.pi)", PRODUCT), None, False)


def plain(show: Show, real: Real) -> Part:
    """A number of the spec: a plain one, or a hyperparameter's name."""
    number = number_of(real.text)
    return Part(show.code(real), None if number is None else float(number), False)


def number(value: float) -> Part:
    whole = int(value) if float(value).is_integer() else value
    return Part(Show({}).code(whole), value, False)


def _joined(op: str, a: Part, b: Part) -> Part:
    return Part(binary(op, a.code, b.code), None, a.tensor or b.tensor)


def plus(a: Part, b: Part) -> Part:
    if a.value is not None and b.value is not None:
        return number(a.value + b.value)
    return b if a.value == 0 else a if b.value == 0 else _joined("+", a, b)


def minus(a: Part, b: Part) -> Part:
    if a.value is not None and b.value is not None:
        return number(a.value - b.value)
    if a.value == 0:
        return Part(unary("-", b.code), None, b.tensor)
    return a if b.value == 0 else _joined("-", a, b)


def times(a: Part, b: Part) -> Part:
    if a.value is not None and b.value is not None:
        return number(a.value * b.value)
    return b if a.value == 1 else a if b.value == 1 else _joined("*", a, b)


def over(a: Part, b: Part) -> Part:
    if a.value is not None and b.value:
        return number(a.value / b.value)
    return a if b.value == 1 else _joined("/", a, b)


def square(a: Part) -> Part:
    return number(a.value**2) if a.value is not None else _joined("**", a, number(2.0))


def log(a: Part) -> Part:
    """The logarithm; 0 of a plain 1."""
    if a.value == 1:
        return number(0.0)
    return Part(method(a.code, "log") if a.tensor else call("math.log", a.code), None, a.tensor)


def root(a: Part) -> Part:
    return Part(method(a.code, "sqrt") if a.tensor else call("math.sqrt", a.code), None, a.tensor)


def _function(name: str, a: Part, *further: str) -> Part:
    return Part(call(name, a.code, *further))


def _softmax(a: Part) -> Part:
    return _function("F.softmax", a, "dim=-1")


def _log_softmax(a: Part) -> Part:
    return _function("F.log_softmax", a, "dim=-1")


def _summed(a: Part) -> Part:
    return Part(method(a.code, "sum", "dim=-1"))


def chance(p: Parts) -> Part:
    """The chance of a 1, from either parameter of a bernoulli."""
    if "probs" in p:
        return p["probs"]
    logits = p["logits"]
    return (
        _function("torch.sigmoid", logits)
        if logits.tensor
        else over(number(1.0), plus(number(1.0), _exp(minus(number(0.0), logits))))
    )


def _exp(a: Part) -> Part:
    return Part(call("math.exp", a.code), None, False)


def odds(p: Parts) -> Part:
    """The logits of a bernoulli, from either parameter."""
    if "logits" in p:
        return p["logits"]
    probs = p["probs"]
    return _function("torch.logit", probs) if probs.tensor else log(over(probs, minus(number(1.0), probs)))


def _tensor_exp(a: Part) -> Part:
    return Part(method(a.code, "exp"), None, True)


def _size(a: Part) -> Part:
    """|a|"""
    return Part(method(a.code, "abs"), None, True)


def _within(p: Parts, y: Part) -> Part:
    """How many scales above the middle."""
    return over(minus(y, p["loc"] if "loc" in p else p["mean"]), p["scale"])


def _softplus(a: Part) -> Part:
    """log(1 + exp(a))"""
    return _function("F.softplus", a) if a.tensor else log(plus(number(1.0), _exp(a)))


def _xlogy(a: Part, b: Part) -> Part:
    return Part(call("torch.xlogy", a.code, b.code), None, True)


def _odd(a: Part) -> Part:
    """The log of sigmoid(a) * sigmoid(-a)"""
    return plus(_function("F.logsigmoid", a), _function("F.logsigmoid", minus(number(0.0), a)))


EULER = Part(Code("0.5772156649015329"), None, False)  # the mean of gumbel(0, 1)


# Densities ------------------------------------------------------------------------------------------------------------


def log_prob(kind: str, p: Parts, y: Part) -> Part:
    """The log of the density, or of the chance, at `y`."""
    match kind:
        case "normal":
            halved = times(number(-0.5), square(over(minus(y, p["mean"]), p["std"])))
            return minus(minus(halved, log(p["std"])), HALF_LOG_TAU)
        case "uniform":
            inside = f"({binary('<=', p['low'].code, y.code)}) & ({binary('<', y.code, p['high'].code)})"
            inside_code = Part(Code(f"({inside}).to({y.code.at(16)}.dtype)"))
            return log(over(inside_code, minus(p["high"], p["low"])))
        case "laplace":
            return minus(minus(number(0.0), over(_size(minus(y, p["mean"])), p["scale"])), log(times(number(2.0), p["scale"])))
        case "logistic":
            return minus(_odd(_within(p, y)), log(p["scale"]))
        case "gumbel":
            below = minus(number(0.0), _within(p, y))
            return minus(minus(below, _tensor_exp(below)), log(p["scale"]))
        case "bernoulli" if "logits" in p:
            return minus(times(y, p["logits"]), _softplus(p["logits"]))
        case "bernoulli":
            other = minus(number(1.0), y)
            return plus(_xlogy(y, p["probs"]), _xlogy(other, minus(number(1.0), p["probs"])))
    raise AssertionError(kind)


def entropy(kind: str, p: Parts) -> Part:
    match kind:
        case "normal":
            return plus(plus(number(0.5), HALF_LOG_TAU), log(p["std"]))
        case "uniform":
            return log(minus(p["high"], p["low"]))
        case "laplace":
            return plus(number(1.0), log(times(number(2.0), p["scale"])))
        case "logistic":
            return plus(number(2.0), log(p["scale"]))
        case "gumbel":
            return plus(plus(number(1.0), EULER), log(p["scale"]))
        case "bernoulli" if "logits" in p:
            return minus(_softplus(p["logits"]), times(p["logits"], chance(p)))
        case "bernoulli":
            rest = minus(number(1.0), p["probs"])
            return minus(minus(number(0.0), _xlogy(p["probs"], p["probs"])), _xlogy(rest, rest))
        case "categorical":
            product = times(_softmax(p["logits"]), _log_softmax(p["logits"]))
            return minus(number(0.0), _summed(product))
    raise AssertionError(kind)


def mean(kind: str, p: Parts) -> Part:
    match kind:
        case "normal" | "laplace" | "logistic":
            return p["mean"]
        case "gumbel":
            return plus(p["loc"], times(EULER, p["scale"]))
        case "uniform":
            return over(plus(p["low"], p["high"]), number(2.0))
        case "bernoulli":
            return chance(p)
    raise AssertionError(kind)


def variance(kind: str, p: Parts) -> Part:
    match kind:
        case "normal":
            return square(p["std"])
        case "laplace" | "logistic" | "gumbel":
            return square(std(kind, p))
        case "uniform":
            return over(square(minus(p["high"], p["low"])), number(12.0))
        case "bernoulli":
            return times(chance(p), minus(number(1.0), chance(p)))
    raise AssertionError(kind)


def std(kind: str, p: Parts) -> Part:
    match kind:
        case "normal":
            return p["std"]
        case "uniform":
            return over(minus(p["high"], p["low"]), Part(Code("math.sqrt(12)"), None, False))
        case "laplace":
            return times(Part(Code("math.sqrt(2)"), None, False), p["scale"])
        case "logistic":
            return times(Part(Code("math.pi / math.sqrt(3)", PRODUCT), None, False), p["scale"])
        case "gumbel":
            return times(Part(Code("math.pi / math.sqrt(6)", PRODUCT), None, False), p["scale"])
    return root(variance(kind, p))


MOMENTS = {"mean": mean, "std": std, "variance": variance, "entropy": entropy}


# Divergences ----------------------------------------------------------------------------------------------------------


def kl(kind: str, p: Parts, q: Parts) -> Part:
    """KL(p || q) of two of one kind, for each draw."""
    match kind:
        case "normal":
            return _kl_normal(p, q)
        case "bernoulli":
            a, b = odds(p), odds(q)
            return plus(times(chance(p), minus(a, b)), minus(_softplus(b), _softplus(a)))
        case "laplace":
            gap, ratio = over(_size(minus(p["mean"], q["mean"])), q["scale"]), over(p["scale"], q["scale"])
            far = _tensor_exp(minus(number(0.0), over(_size(minus(p["mean"], q["mean"])), p["scale"])))
            return minus(plus(minus(gap, log(ratio)), times(ratio, far)), number(1.0))
        case "categorical":
            logs = minus(_log_softmax(p["logits"]), _log_softmax(q["logits"]))
            return _summed(times(_softmax(p["logits"]), logs))
        case "uniform":
            covers = f"({binary('<=', q['low'].code, p['low'].code)}) & ({binary('<=', p['high'].code, q['high'].code)})"
            ratio = log(over(minus(q["high"], q["low"]), minus(p["high"], p["low"])))
            return Part(call("torch.where", covers, ratio.code, "math.inf"))
    raise AssertionError(kind)


def _kl_normal(p: Parts, q: Parts) -> Part:
    if q["std"].value is not None:
        ratio, gap = over(p["std"], q["std"]), over(minus(p["mean"], q["mean"]), q["std"])
        squares = minus(plus(square(gap), square(ratio)), number(1.0))
        return minus(times(number(0.5), squares), log(ratio))
    squares = plus(square(p["std"]), square(minus(p["mean"], q["mean"])))
    scaled = over(squares, times(number(2.0), square(q["std"])))
    return minus(plus(log(over(q["std"], p["std"])), scaled), number(0.5))

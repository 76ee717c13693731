"""Distributions as values: made, repeated, drawn from, asked for densities and moments, compared; and choices by the mode.

A distribution whose parameters are numbers stays the recipe that parameters start from, until something is asked of it.
"""

from __future__ import annotations

import math
from dataclasses import replace

from ...dsl import ast
from ...dsl.span import Span
from ..errors.calls import NoAttribute, NotATensor, UnknownArgument, WrongTensorCount
from ..errors.draws import BadParameter, BadRepeat, NoClosedForm, NotADistribution, OnlyWhenRun, StartOfTensors
from ..graph import Input, Operand, Operation, Ref, TensorType
from ..layers.base import Initialiser, Layer, Refusal
from ..layers.distributions import Distribution as Kind
from ..shapes import Size
from ..values import Real, Truth, names_of
from .body import Body, LayerChecker
from .building import argument_places, bound, build
from .expressions import advice_on_tensors, evaluate, is_distribution, one
from .values import POISON, Distribution, LayerRecipe, Method, Mode, Places, Poison, Tensor, Value, describe, fixed

EULER = 0.5772156649015329  # the mean of gumbel(0, 1)
KNOWN = ("normal", "laplace", "uniform", "bernoulli", "categorical")


def made(
    body: Body, callee: LayerRecipe, given: list[tuple[Value, Span]], named: dict[str, tuple[Value, Span]], node: ast.Call
) -> Value:
    """`normal(mu, sigma)`: a recipe where all parameters are numbers, else a distribution of tensors."""
    arguments, places = bound(body, callee.layer, given, named, node)
    tensors = {name: value for name, value in arguments.items() if isinstance(value, Tensor)}
    numbers = {name: value for name, value in arguments.items() if name not in tensors}
    recipe = replace(callee, arguments=numbers, call=node, built=True)
    for name in tensors:
        if name not in callee.layer.parameters:  # type: ignore[attr-defined]
            raise Refusal(BadParameter(places[name], callee.layer.name, f"takes a number as {name}, not a tensor"))
    kind = _kind(body, recipe, tensors, node.span, places)
    if not tensors:
        return recipe
    from ..layers.draws import sizes_of

    tensors = {name: tensors[name] for name in kind.parameters if name in tensors}
    checker = LayerChecker(body, tuple(tensors.values()), {i: places[name] for i, name in enumerate(tensors)}, node.span)
    sizes_of(checker, kind, (), [tensor.type for tensor in tensors.values()])
    return Distribution(kind, tensors, (), node.span)


def _kind(body: Body, recipe: LayerRecipe, tensors: dict[str, Tensor], span: Span, places: Places) -> Kind:
    """The kind with its numbers, of which those are sound that can be looked at."""
    kind = build(body, recipe, places)
    assert isinstance(kind, Kind)
    said = [name for name in kind.parameters if name in tensors or name in recipe.arguments]
    if kind.either and len(said) != 1:
        reason = f"is given {' and '.join(said)}, which say the same" if said else f"needs {' or '.join(kind.parameters)}"
        raise Refusal(BadParameter(span, kind.name, reason, f"say {kind.name}(probs) or {kind.name}(logits=…)"))
    if kind.vector and not tensors:
        reason = "needs the logits of the classes, along the last dim of a tensor"
        raise Refusal(BadParameter(span, kind.name, reason, f"say {kind.name}(logits)"))
    if kind.name == "normal" or (kind.name == "uniform" and not tensors):
        assert isinstance(kind, Initialiser)
        kind.infer(LayerChecker(body, (), dict(places), span), TensorType("float", ()))
    return kind


def as_distribution(body: Body, value: Value, what: str, span: Span) -> Distribution:
    """The value as a distribution."""
    if isinstance(value, Distribution):
        return value
    if not is_distribution(value):
        raise Refusal(NotADistribution(span, what, describe(value)))
    return Distribution(_kind(body, value, {}, span, argument_places(value)), {}, (), span)


def repeated(body: Body, value: Value, node: ast.Index) -> Value:
    """`normal(0, 1)[B, latent]`"""
    found = as_distribution(body, value, "a shape", node.base.span)
    sizes = []
    for item in node.items:
        size = one(evaluate(body, item)) if not isinstance(item, ast.Slice | ast.Rest) else None
        if isinstance(size, Poison):
            return POISON
        if not isinstance(size, Size):
            raise Refusal(BadRepeat(item.span, "a slice" if size is None else describe(size)))
        sizes.append(size)
    return Distribution(found.kind, found.given, (*sizes, *found.shape), node.span)


# What is computed -----------------------------------------------------------------------------------------------------


def step(body: Body, op: Layer, operands: tuple[Tensor | Size | Real | bool, ...], span: Span, places: Places) -> Tensor:
    """A node of one output."""
    types = tuple(operand.type if isinstance(operand, Tensor) else operand for operand in operands)
    inferred = op.infer(LayerChecker(body, operands, dict(places), span), *types)
    assert isinstance(inferred, TensorType)
    return body.tensor(body.add(op, body.operands(operands), (inferred,), span))


def draw(body: Body, node: ast.Draw) -> Value:
    """`z ~ q`"""
    from ..layers.draws import Draw

    value = evaluate(body, node.distribution)
    if isinstance(value, Poison):
        return POISON
    q = as_distribution(body, one(value), "~", node.distribution.span)
    op = Draw(distribution=q.kind, given=tuple(q.given), shape=q.shape)
    operands: tuple[Operand, ...] = body.operands(tuple(q.given.values()))
    tensors = tuple(q.given.values())
    inferred = op.infer(LayerChecker(body, tensors, {}, node.span), *(tensor.type for tensor in tensors))
    if not operands and (like := _nearby(body)) is not None:
        operands = (like,)
    return body.tensor(body.add(op, operands, (inferred,), node.span))


def _nearby(body: Body) -> Ref | None:
    """An input on whose device numbers may be drawn; one of floats if there is one."""
    inputs = [(node.type.dtype != "float", i) for i, node in enumerate(body.nodes) if isinstance(node.op, Input)]
    return Ref(min(inputs)[1]) if inputs else None


def attribute(body: Body, value: Value, node: ast.Attribute) -> Value:
    """`q.log_prob`, `q.mean`."""
    from ..layers.draws import Moment

    q, name = as_distribution(body, value, node.name.text, node.base.span), node.name.text
    known = (*(("log_prob",) if q.kind.density else ()), *q.kind.moments)
    if name not in ("log_prob", "mean", "std", "variance", "entropy"):
        raise Refusal(NoAttribute(node.name.span, describe(q), name, known))
    if name not in known:
        raise Refusal(NoClosedForm(node.name.span, f"the {name} of {q.kind.name}"))
    if name == "log_prob":
        return Method(q, name)
    if not q.given:
        return _number(body, q, name)
    op = Moment(distribution=q.kind, given=tuple(q.given), shape=q.shape, moment=name)  # type: ignore[arg-type]
    return step(body, op, tuple(q.given.values()), node.span, {})


def _number(body: Body, q: Distribution, moment: str) -> Real:
    """A moment of a distribution of numbers: a number, whatever the shape."""
    numbers = {name: getattr(q.kind, name) for name in q.kind.parameters if isinstance(getattr(q.kind, name), Real)}
    if moment in numbers:
        found: Real = numbers[moment]
        return found
    names = frozenset().union(*(names_of(real.text) for real in numbers.values()))
    if names:
        body.assume(fixed(names), f"the {moment} of a distribution")
    return Real.of(_moment(q.kind.name, {name: real.value for name, real in numbers.items()}, moment))


def _moment(kind: str, p: dict[str, float], moment: str) -> float:
    if kind == "normal":
        mean, variance, spread = p["mean"], p["std"] ** 2, p["std"] * math.sqrt(2 * math.pi * math.e)
        entropy = math.log(spread) if spread else -math.inf
    elif kind in ("laplace", "logistic", "gumbel"):
        factor, wide = {"laplace": (2, 1 + math.log(2)), "logistic": (math.pi**2 / 3, 2), "gumbel": (math.pi**2 / 6, 1 + EULER)}[
            kind
        ]
        mean, variance = p["loc"] + EULER * p["scale"] if kind == "gumbel" else p["mean"], factor * p["scale"] ** 2
        entropy = wide + math.log(p["scale"])
    elif kind == "uniform":
        width = p["high"] - p["low"]
        mean, variance = (p["low"] + p["high"]) / 2, width**2 / 12
        entropy = math.log(width) if width else -math.inf
    else:
        mean = p["probs"] if "probs" in p else 1 / (1 + math.exp(-p["logits"]))
        variance = mean * (1 - mean)
        entropy = -sum(chance * math.log(chance) for chance in (mean, 1 - mean) if chance)
    return {"mean": mean, "variance": variance, "std": math.sqrt(variance), "entropy": entropy}[moment]


def log_prob(
    body: Body, method: Method, given: list[tuple[Value, Span]], named: dict[str, tuple[Value, Span]], span: Span
) -> Value:
    """`q.log_prob(y)`"""
    from ..layers.draws import LogProb

    if named:
        raise Refusal(UnknownArgument(next(iter(named.values()))[1], "log_prob", next(iter(named)), ()))
    if len(given) != 1:
        raise Refusal(WrongTensorCount(span, "log_prob", "1 tensor", len(given)))
    y, place = one(given[0][0]), given[0][1]
    if isinstance(y, Poison):
        return POISON
    if not isinstance(y, Tensor):
        raise Refusal(NotATensor(place, describe(y), advice_on_tensors(y)))
    q = method.distribution
    op = LogProb(distribution=q.kind, given=tuple(q.given), shape=q.shape)
    places: dict[int | str, Span] = dict.fromkeys(range(len(q.given)), q.span)
    return step(body, op, (*q.given.values(), y), span, {**places, len(q.given): place})


def divergence(body: Body, given: list[tuple[Value, Span]], named: dict[str, tuple[Value, Span]], node: ast.Call) -> Value:
    """`kl(p, q)`"""
    from ..layers.draws import Divergence

    if named:
        raise Refusal(UnknownArgument(next(iter(named.values()))[1], "kl", next(iter(named)), ()))
    if len(given) != 2:
        raise Refusal(WrongTensorCount(node.span, "kl", "2 distributions", len(given)))
    p, q = (as_distribution(body, one(value), "kl", span) for value, span in given)
    if p.kind.name != q.kind.name or p.kind.name not in KNOWN:
        raise Refusal(
            NoClosedForm(node.span, f"kl({p.kind.name}, {q.kind.name})", f"it is known for two of one kind: {', '.join(KNOWN)}")
        )
    if not p.given and not q.given:
        reason = "is compared with another of numbers: their divergence is a number that nothing can change"
        raise Refusal(BadParameter(node.span, p.kind.name, reason))
    op = Divergence(left=p.kind, right=q.kind, given=tuple(p.given), other=tuple(q.given), shape=p.shape, other_shape=q.shape)
    spans = [given[0][1]] * len(p.given) + [given[1][1]] * len(q.given)
    return step(body, op, (*p.given.values(), *q.given.values()), node.span, dict(enumerate(spans)))


def start(body: Body, what: str, value: Distribution, type_: TensorType, span: Span) -> Operation:
    """The distribution that a parameter starts from."""
    if value.given or not isinstance(value.kind, Initialiser):
        reason = "its parameters are tensors" if value.given else f"{value.kind.name} is drawn from and nothing else"
        raise Refusal(StartOfTensors(span, what, reason))
    same = len(value.shape) == type_.rank and all(body.same(a, b) for a, b in zip(value.shape, type_.shape, strict=True))
    if value.shape and not same:
        repeated_as = ", ".join(map(str, value.shape))
        raise Refusal(StartOfTensors(span, what, f"it is repeated as [{repeated_as}], but {type_} is wanted"))
    value.kind.infer(LayerChecker(body, (), {}, span), type_)
    return value.kind


# The mode -------------------------------------------------------------------------------------------------------------


def choice(body: Body, mode: Mode, node: ast.Ternary) -> Value:
    """`a if training else b`"""
    values = tuple(one(evaluate(body, branch)) for branch in (node.then, node.otherwise))
    return chosen(body, mode, values, node.span, {1: node.then.span, 2: node.otherwise.span})


def chosen(body: Body, mode: Mode, values: tuple[Value, ...], span: Span, places: Places) -> Value:
    """The first of two values in training, the second in evaluation."""
    from ..layers.draws import Choice

    if any(isinstance(value, Poison) for value in values):
        return POISON
    if body.function:
        raise Refusal(OnlyWhenRun(span, "what a loss, a metric or a column computes"))
    if len(values) != 2:
        raise Refusal(WrongTensorCount(span, "where", "3 tensors", len(values) + 1))
    if not any(isinstance(value, Tensor) for value in values):
        raise Refusal(OnlyWhenRun(span, "a choice between things that are no tensors"))
    for at, value in enumerate(values, 1):
        if not isinstance(value, Tensor | Size | Real | bool) or isinstance(value, Truth):
            raise Refusal(NotATensor(places.get(at, span), describe(value), advice_on_tensors(value)))
    shifted = {i: places.get(i + 1, span) for i in range(2)}
    return step(body, Choice(negated=mode.negated), values, span, shifted)  # type: ignore[arg-type]

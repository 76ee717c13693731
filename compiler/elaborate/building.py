"""Layers with their arguments: what was given by place and by name becomes a checked layer of the registry."""

from __future__ import annotations

from typing import Any

from ...dsl import ast
from ...dsl.span import Span
from ..errors.calls import (
    MissingArgument,
    TooManyArguments,
    UnknownArgument,
    WrongArgument,
)
from ..errors.shapes import BadArgument
from ..layers._arguments import Misfit
from ..layers.base import Layer, Refusal, names_dims, positional
from ..shapes import Size
from ..values import Real, Truth
from . import numbers, rows
from .body import Body
from .expressions import axis, evaluate, has_tensor
from .values import (
    Group,
    Items,
    LayerRecipe,
    Places,
    Value,
    describe,
)


def bound(
    body: Body, layer: type[Layer], rest: list[tuple[Value, Span]], named: dict[str, tuple[Value, Span]], node: ast.Call
) -> tuple[dict[str, Value], dict[int | str, Span]]:
    """Arguments by name, and their places."""
    if layer.variadic and rest and not (len(rest) == 1 and isinstance(rest[0][0], Items)):
        gathered = Items(tuple(value for value, _ in rest))
        rest = [(gathered, rest[0][1].to(rest[-1][1]))]
    order = (layer.variadic,) if layer.variadic else positional(layer)
    if len(rest) > len(order):
        raise Refusal(TooManyArguments(rest[len(order)][1], f"{layer.name}", len(order), len(rest)))
    if any(takes_dims(layer, name) for name in order):
        rest = _dims_by_name(body, layer, order, rest, node)
    arguments = {name: value for name, (value, _) in zip(order, rest, strict=False)}
    places: dict[int | str, Span] = {name: span for name, (_, span) in zip(order, rest, strict=False)}
    further: dict[str, Value] = {}
    for name, (value, span) in named.items():
        if name not in layer.model_fields and layer.further:
            further[name] = value
            continue
        if name in arguments:
            raise Refusal(TooManyArguments(span, f"{name} of {layer.name}", 1, 2))
        arguments[name], places[name] = value, span
    if further:
        arguments[layer.further] = further
    return arguments, places


def _dims_by_name(
    body: Body, layer: type[Layer], order: tuple[str, ...], rest: list[tuple[Value, Span]], node: ast.Call
) -> list[tuple[Value, Span]]:
    """Arguments that name dims: a bare name that stands for a dim is that dim, not its size."""
    written = {arg.value.span: arg.value for arg in node.args if arg.name is None}
    if layer.variadic and takes_dims(layer, layer.variadic):
        dims = [axis(body, written[span]) for span in written if not has_tensor(evaluate(body, written[span]))]
        if len(rest) == 1 and isinstance(rest[0][0], Items) and len(dims) == len(rest[0][0].items):
            return [(Items(tuple(dims)), rest[0][1])]
        return [(axis(body, written[span]) if span in written else value, span) for value, span in rest]
    return [
        (axis(body, written[span]) if span in written and takes_dims(layer, name) else value, span)
        for name, (value, span) in zip(order, rest, strict=False)
    ]


def build(body: Body, recipe: LayerRecipe, places: Places, operands: tuple[Value, ...] = ()) -> Layer:
    """The layer with its arguments checked; of columns, as they are meant for one row of the operands."""
    layer = recipe.layer
    span = recipe.call.span if recipe.call is not None else recipe.occurrence.span
    raw = {name: _raw(body, value, places.get(name, span)) for name, value in recipe.arguments.items()}
    if body.rows and operands:
        raw = rows.arguments(layer, raw, operands, span)
    try:
        return layer(**raw)
    except Misfit as error:
        raise _refused(body, recipe, error, places, span) from None


def _raw(body: Body, value: Value, span: Span) -> Any:
    """A compile-time value as the registry's signatures take it."""
    match value:
        case tuple():
            return value
        case Items() | Group():
            return tuple(_raw(body, item, span) for item in value.items)
        case Truth():
            return numbers.decided(body, value, span, "an argument")
        case LayerRecipe():
            return build(body, value, {})
        case dict():
            return {name: _raw(body, item, span) for name, item in value.items()}
    return value


def _refused(body: Body, recipe: LayerRecipe, misfit: Misfit, places: Places, span: Span) -> Refusal:
    """The first of the problems as a fault; all that is missing at once."""
    layer = recipe.layer
    missing = tuple(problem.argument for problem in misfit.problems if problem.kind == "missing")
    if missing:
        return Refusal(MissingArgument(span, layer.name, missing))
    kind, name, text, value = misfit.problems[0]
    place = places.get(name, span)
    if kind == "unknown":
        return Refusal(UnknownArgument(place, layer.name, name, tuple(layer.model_fields)))
    if kind == "rule":
        return Refusal(BadArgument(place, layer.name, name, text, _shown(value), _floored(body, recipe, place, value)))
    return Refusal(WrongArgument(place, layer.name, name, text, _shown(value)))


def _floored(body: Body, recipe: LayerRecipe, place: Span, value: object) -> str | None:
    """`width // 3` for a `width / 3` that leaves a rest where a whole number is wanted."""
    for arg in recipe.call.args if recipe.call is not None and isinstance(value, Real) else ():
        if arg.value.span == place and isinstance(arg.value, ast.Binary) and arg.value.op == "/":
            left, right = (body.unit.source.slice(side.span) for side in (arg.value.left, arg.value.right))
            return f"{left} // {right}"
    return None


def _shown(value: object) -> str:
    if isinstance(value, Size | Real):
        return str(value)
    if isinstance(value, Layer):
        return value.title
    if isinstance(value, tuple):
        return f"[{', '.join(_shown(item) for item in value)}]"
    return describe(value)


def argument_places(recipe: LayerRecipe) -> dict[int | str, Span]:
    """Where the arguments of a built layer stand."""
    if recipe.call is None or not recipe.built:
        return {}
    order = (recipe.layer.variadic,) if recipe.layer.variadic else positional(recipe.layer)
    unnamed = [arg.value.span for arg in recipe.call.args if arg.name is None]
    places: dict[int | str, Span] = dict(zip(order, unnamed, strict=False))
    return places | {arg.name.text: arg.value.span for arg in recipe.call.args if arg.name is not None}


def takes_dims(layer: type[Layer], argument: str) -> bool:
    return argument in layer.model_fields and names_dims(layer, argument)

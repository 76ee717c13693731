"""Calls: what is called, and which of its arguments are tensors to work on."""

from __future__ import annotations

from collections.abc import Mapping

from ...dsl import ast
from ...dsl.diagnostic import Fault
from ...dsl.span import Span
from ..errors.calls import NotCallable, UnknownArgument
from ..layers import registry
from ..layers.base import Layer, Refusal
from ..shapes import Size
from ..values import Real
from . import numbers
from .applying import advice_on_calls, apply, apply_layer
from .body import Body
from .building import bound, build, takes_dims
from .expressions import Applied, axis, evaluate, has_tensor, one
from .values import (
    MISSING,
    POISON,
    FlowRecipe,
    Function,
    LayerRecipe,
    Method,
    OverRecipe,
    PartRecipe,
    Poison,
    RecurRecipe,
    Recurring,
    Shared,
    StackRecipe,
    Value,
    describe,
)


def call(body: Body, node: ast.Call, incoming: tuple[Value, ...] | None = None, places: tuple[Span, ...] = ()) -> Value:
    """The value of a call. In a flow (`incoming`), an op that has tensors of its own takes what comes in before them."""
    if _is_over(body, node.function):
        from .over import built

        return built(body, node)
    callee = evaluate(body, node.function)
    given, named = _arguments(body, node, callee.layer if isinstance(callee, LayerRecipe) else None)
    if isinstance(callee, LayerRecipe):
        _check_keywords(body, callee.layer, node)
    if isinstance(callee, Poison) or any(
        isinstance(v, Poison) for v in (*(v for v, _ in given), *(v for v, _ in named.values()))
    ):
        return POISON
    if isinstance(callee, Function):
        return _function(body, callee, given, named, node, incoming, places)
    if (
        incoming is not None
        and isinstance(callee, LayerRecipe)
        and not callee.layer.owns
        and any(has_tensor(v) for v, _ in given)
    ):
        given = [*zip(incoming, places, strict=True), *given]
        return Applied(_call_layer(body, callee, given, named, node))
    if isinstance(callee, LayerRecipe):
        return _call_layer(body, callee, given, named, node)
    if isinstance(callee, Method):
        from .draws import log_prob

        return log_prob(body, callee, [*zip(incoming or (), places, strict=True), *given], named, node.span)
    if isinstance(callee, PartRecipe):
        from .parts import call_part, takes_tensors

        if incoming is None or not takes_tensors(callee, given, named):
            return call_part(body, callee, given, named, node)
        return Applied(call_part(body, callee, [*zip(incoming, places, strict=True), *given], named, node, len(incoming)))
    if isinstance(callee, Recurring):
        from .recurrence import recur_of

        return recur_of(body, callee, given, named, node)
    if isinstance(callee, Shared | FlowRecipe | StackRecipe | OverRecipe | RecurRecipe):
        given = [*zip(incoming or (), places, strict=False), *given]
        values = tuple(one(value) for value, _ in given)
        spans: dict[int | str, Span] = {i: span for i, (_, span) in enumerate(given)}
        spans |= {name: span for name, (_, span) in named.items()}
        value = apply(body, callee, values, {name: value for name, (value, _) in named.items()}, node.span, spans)
        return Applied(value) if incoming is not None else value
    raise Refusal(NotCallable(node.function.span, describe(callee), advice_on_calls(callee)))


def _is_over(body: Body, function: ast.Expr) -> bool:
    """Is it the form `over`, and no name of the spec's own?"""
    if not isinstance(function, ast.Name) or function.id != "over":
        return False
    return body.scope.get("over") is MISSING and "over" not in body.unit.names


def _arguments(
    body: Body, node: ast.Call, layer: type[Layer] | None
) -> tuple[list[tuple[Value, Span]], dict[str, tuple[Value, Span]]]:
    given, named = [], {}
    for arg in node.args:
        if arg.name is None:
            given.append((one(evaluate(body, arg.value)), arg.value.span))
        else:
            dims = arg.name.text == "dim" or (layer is not None and takes_dims(layer, arg.name.text))
            value = axis(body, arg.value) if dims else one(evaluate(body, arg.value))
            named[arg.name.text] = (value, arg.value.span)
    return given, named


def _function(
    body: Body,
    callee: Function,
    given: list[tuple[Value, Span]],
    named: dict[str, tuple[Value, Span]],
    node: ast.Call,
    incoming: tuple[Value, ...] | None,
    places: tuple[Span, ...],
) -> Value:
    """A name such as `max` is a function of numbers and lists, and an op on tensors."""
    if callee.name == "kl":
        from .draws import divergence

        return divergence(body, given, named, node)
    if callee.name == "ema":
        from .training import average

        return average(body, given, named, node)
    if callee.name == "gradient_penalty":
        from ..game import gradient_penalty

        return gradient_penalty(body, given, named, node)
    on_tensors = incoming is not None or any(has_tensor(value) for value, _ in given)
    if on_tensors and callee.name in registry():
        _plain_bound(body, callee.name, given, named, node, flowing=incoming is not None)
        recipe = LayerRecipe(registry()[callee.name], {}, node.function)
        if incoming is not None:
            return Applied(_call_layer(body, recipe, [*zip(incoming, places, strict=True), *given], named, node))
        return _call_layer(body, recipe, given, named, node)
    if named and callee.name in registry():
        return _call_layer(body, LayerRecipe(registry()[callee.name], {}, node.function), given, named, node)
    if named:
        raise Refusal(UnknownArgument(next(iter(named.values()))[1], f"the function {callee.name}", next(iter(named)), ()))
    return numbers.function(body, callee.name, [value for value, _ in given], node.span)


def _plain_bound(
    body: Body, name: str, given: list[tuple[Value, Span]], named: Mapping[str, object], node: ast.Call, *, flowing: bool
) -> None:
    """`max(x, 0)` might mean two things."""
    numbers_given = given if flowing else given[1:]
    if name not in ("max", "min") or named or len(numbers_given) != 1 or not isinstance(numbers_given[0][0], Size | Real):
        return
    from ..errors.calls import DimOrNumber

    value, place = numbers_given[0]
    written = body.unit.source.slice
    tensor = "" if flowing else written(given[0][1])
    raise Refusal(DimOrNumber(node.span, name, tensor, written(place), place, isinstance(value, Size)))


# Layers ---------------------------------------------------------------------------------------------------------------


def _call_layer(
    body: Body, callee: LayerRecipe, given: list[tuple[Value, Span]], named: dict[str, tuple[Value, Span]], node: ast.Call
) -> Value:
    layer = callee.layer
    if layer.family == "distribution" and not callee.built:
        from .draws import made

        return made(body, callee, given, named, node)
    if callee.built:  # dense(10)(x)
        values = tuple(value for value, _ in given)
        if named:
            raise Refusal(
                UnknownArgument(next(iter(named.values()))[1], f"the layer {layer.name}, once built,", next(iter(named)), ())
            )
        return apply_layer(body, callee, values, node.span, {i: span for i, (_, span) in enumerate(given)})
    count = _operand_count(layer, [value for value, _ in given])
    operands, rest = given[:count], given[count:]
    tensors = {span for value, span in (*given, *named.values()) if has_tensor(value)}
    if layer.owns and tensors and (rest or named):
        raise Refusal(mixed(body, node, f"the layer {layer.name}", tensors))
    arguments, places = bound(body, layer, rest, named, node)
    recipe = LayerRecipe(layer, arguments, callee.occurrence, node, built=True)
    if not operands and layer.family == "energy":
        return apply_layer(body, recipe, (), node.span, places)
    if not operands:
        if layer.name != "attend":  # its index functions speak of tensors that are not here yet
            build(body, recipe, places)  # so that its faults are told here
        return recipe
    places = {**places, **{i: span for i, (_, span) in enumerate(operands)}}
    return apply_layer(body, recipe, tuple(value for value, _ in operands), node.span, places)


def _operand_count(layer: type[Layer], values: list[Value]) -> int:
    """How many of the arguments without a name are tensors to work on."""
    if not any(has_tensor(value) for value in values):
        return 0
    if layer.tensors is not None:
        return min(layer.tensors, len(values))
    count = 0
    while count < len(values) and has_tensor(values[count]):
        count += 1
    return count


def mixed(body: Body, node: ast.Call, what: str, tensors: set[Span], flowing: bool = False) -> Fault:
    """The fault of a call with tensors among what builds, and the two calls that are meant."""
    from ..errors.callables import MixedArguments

    slices = body.unit.source.slice
    parts = [[arg for arg in node.args if (arg.value.span in tensors) is which] for which in (False, True)]
    texts = [
        ", ".join(f"{arg.name.text}={v}" if arg.name else v for arg in part for v in (slices(arg.value.span),)) for part in parts
    ]
    mend = f"{slices(node.function.span)}({texts[0]})({texts[1]})"
    return MixedArguments(node.span, what, mend if texts[1] and not (flowing and not texts[0]) else "")


def _check_keywords(body: Body, layer: type[Layer], node: ast.Call) -> None:
    known = tuple(layer.model_fields)
    names = [arg.name for arg in node.args if arg.name is not None and arg.name.text not in known and not layer.further]
    faults = [UnknownArgument(name.span, layer.name, name.text, known) for name in names]
    for fault in faults[:-1]:
        body.report(fault)
    if faults:
        raise Refusal(faults[-1])


# Application ----------------------------------------------------------------------------------------------------------

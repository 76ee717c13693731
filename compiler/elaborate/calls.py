"""Calls: arguments are told from tensors, layers are built and applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ...dsl import ast
from ...dsl.diagnostic import Fault
from ...dsl.span import Span
from ..errors.calls import (
    MissingArgument,
    NoAttribute,
    NotATensor,
    NotCallable,
    TooManyArguments,
    UnknownArgument,
    WrongArgument,
    WrongTensorCount,
)
from ..errors.columns import OnlyInData
from ..errors.shapes import BadArgument, DimsDisagree
from ..errors.training import OwnsWeights
from ..graph import TensorType
from ..layers import registry
from ..layers._rules import looked_up
from ..layers.base import Layer, Refusal, Weight, names_dims, positional
from ..shapes import Size
from ..values import AxisName, Real, Truth
from . import numbers, rows
from .body import Body, LayerChecker
from .expressions import Applied, advice_on_tensors, axis, evaluate, has_tensor, one
from .values import (
    MISSING,
    POISON,
    FlowRecipe,
    Function,
    Group,
    Items,
    LayerRecipe,
    Method,
    Mode,
    Outputs,
    OverRecipe,
    PartRecipe,
    Poison,
    RecurRecipe,
    Recurring,
    Shared,
    StackRecipe,
    Tensor,
    Value,
    describe,
)

Places = Mapping[int | str, Span]


def call(body: Body, node: ast.Call, incoming: tuple[Value, ...] | None = None, places: tuple[Span, ...] = ()) -> Value:
    """The value of a call. In a flow (`incoming`), an op that has tensors of its own takes what comes in before them."""
    if _is_over(body, node.function):
        from .over import built

        return built(body, node)
    callee = evaluate(body, node.function)
    given, named = _arguments(body, node, callee.layer if isinstance(callee, LayerRecipe) else None)
    if isinstance(callee, LayerRecipe):
        _check_keywords(callee.layer, node)
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
    raise Refusal(NotCallable(node.function.span, describe(callee), _advice_on_calls(callee)))


def _is_over(body: Body, function: ast.Expr) -> bool:
    """Is it the form `over`, and no name of the spec's own?"""
    if not isinstance(function, ast.Name) or function.id != "over":
        return False
    return body.scope.get("over") is MISSING and "over" not in body.unit.names


def _names_dims(layer: type[Layer], argument: str) -> bool:
    return argument in layer.model_fields and names_dims(layer, argument)


def _arguments(
    body: Body, node: ast.Call, layer: type[Layer] | None
) -> tuple[list[tuple[Value, Span]], dict[str, tuple[Value, Span]]]:
    given, named = [], {}
    for arg in node.args:
        if arg.name is None:
            given.append((one(evaluate(body, arg.value)), arg.value.span))
        else:
            dims = arg.name.text == "dim" or (layer is not None and _names_dims(layer, arg.name.text))
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
    on_tensors = incoming is not None or any(has_tensor(value) for value, _ in given)
    if on_tensors and callee.name in registry():
        recipe = LayerRecipe(registry()[callee.name], {}, node.function)
        if incoming is not None:
            return Applied(_call_layer(body, recipe, [*zip(incoming, places, strict=True), *given], named, node))
        return _call_layer(body, recipe, given, named, node)
    if named and callee.name in registry():
        return _call_layer(body, LayerRecipe(registry()[callee.name], {}, node.function), given, named, node)
    if named:
        raise Refusal(UnknownArgument(next(iter(named.values()))[1], f"the function {callee.name}", next(iter(named)), ()))
    return numbers.function(body, callee.name, [value for value, _ in given], node.span)


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
    if any(_names_dims(layer, name) for name in order):
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
    if layer.variadic and _names_dims(layer, layer.variadic):
        dims = [axis(body, written[span]) for span in written if not has_tensor(evaluate(body, written[span]))]
        if len(rest) == 1 and isinstance(rest[0][0], Items) and len(dims) == len(rest[0][0].items):
            return [(Items(tuple(dims)), rest[0][1])]
        return [(axis(body, written[span]) if span in written else value, span) for value, span in rest]
    return [
        (axis(body, written[span]) if span in written and _names_dims(layer, name) else value, span)
        for name, (value, span) in zip(order, rest, strict=False)
    ]


def _check_keywords(layer: type[Layer], node: ast.Call) -> None:
    for arg in node.args:
        if arg.name is not None and arg.name.text not in layer.model_fields and not layer.further:
            raise Refusal(UnknownArgument(arg.name.span, layer.name, arg.name.text, tuple(layer.model_fields)))


def build(body: Body, recipe: LayerRecipe, places: Places, operands: tuple[Value, ...] = ()) -> Layer:
    """The layer with its arguments checked; of columns, as they are meant for one row of the operands."""
    layer = recipe.layer
    span = recipe.call.span if recipe.call is not None else recipe.occurrence.span
    raw = {name: _raw(body, value, places.get(name, span)) for name, value in recipe.arguments.items()}
    if body.rows and operands:
        raw = rows.arguments(layer, raw, operands, span)
    try:
        return layer.model_validate(raw)
    except ValidationError as error:
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


def _refused(body: Body, recipe: LayerRecipe, error: ValidationError, places: Places, span: Span) -> Refusal:
    """A pydantic error as a fault: missing, unknown, wrong kind or out of range."""
    layer = recipe.layer
    problems = error.errors()
    missing = tuple(str(p["loc"][0]) for p in problems if p["type"] == "missing")
    if missing:
        return Refusal(MissingArgument(span, layer.name, missing))
    first = problems[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    place = places.get(name, span)
    if first["type"] == "extra_forbidden":
        return Refusal(UnknownArgument(place, layer.name, name, tuple(layer.model_fields)))
    values = [p for p in problems if p["type"] == "value_error" and p["loc"][:1] == first["loc"][:1]]
    got = _shown(first["input"])
    if values:
        rule = str(values[-1]["msg"]).removeprefix("Value error, ")
        return Refusal(BadArgument(place, layer.name, name, rule, got, _floored(body, recipe, place, first["input"])))
    return Refusal(WrongArgument(place, layer.name, name, _wanted(str(first["msg"])), got))


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
    if isinstance(value, tuple):
        return f"[{', '.join(_shown(item) for item in value)}]"
    return describe(value)


def _wanted(message: str) -> str:
    return message.removeprefix("Input should be ").replace("'", '"')


def apply_layer(
    body: Body,
    recipe: LayerRecipe,
    values: tuple[Value, ...],
    span: Span,
    places: Places,
    key: str | None = None,
    owner: int = 0,
    *,
    named: bool = False,
    shared: bool = False,
) -> Value:
    """A layer at work: a node, and the tensors that come out of it."""
    layer = recipe.layer
    if layer.name == "where" and values and isinstance(one(values[0]), Mode):
        from .draws import chosen

        return chosen(body, one(values[0]), values[1:], span, places)
    values = _flattened(layer, values)
    if layer.name == "attend":
        from .index_functions import written_out

        recipe, values = written_out(body, recipe, values, places, span)
    if layer.name in body.hooks:
        made = body.hooks[layer.name](body, values, span, recipe)
        if made is not None:
            return made
    elif layer.family == "column":
        raise Refusal(OnlyInData(span, layer.name))
    if body.rows:
        values = rows.operands(body, layer, values, span)
    operands = tuple(_operand(layer, value, places.get(i, span)) for i, value in enumerate(values))
    if layer.tensors is not None and len(operands) != layer.tensors:
        takes = f"{layer.tensors} tensor{'s' if layer.tensors != 1 else ''}"
        raise Refusal(WrongTensorCount(span, layer.name, takes, len(operands)))
    if not operands:
        raise Refusal(WrongTensorCount(span, layer.name, "at least 1 tensor", 0))
    if layer.owns and body.function:
        raise Refusal(OwnsWeights(span, f"the layer {layer.name}"))
    instance = build(body, recipe, places, operands)
    checker = LayerChecker(body, operands, {**argument_places(recipe), **places}, span)
    types = tuple(value.type if isinstance(value, Tensor) else value for value in operands)
    inferred = instance.infer(checker, *types)
    results = inferred if isinstance(inferred, tuple) else (inferred,)
    weights = instance.weights(*types) if layer.owns else {}
    for name, init in instance.initialisers.items():
        init.infer(checker, TensorType("float", weights[name].shape))
    if (layer.owns or layer.stateful) and key is None:
        key, owner = body.key(recipe.occurrence, layer.name)
        named = not key.startswith(layer.name) or not key[len(layer.name) :].isdigit()
    elif not (layer.owns or layer.stateful):
        key = None
    if isinstance(types[0], TensorType) and any(isinstance(value, AxisName | Items) for value in recipe.arguments.values()):
        instance = looked_up(instance, types[0])
    number = body.add(instance, body.operands(operands), results, span, key, owner=owner, named=named)
    if key is not None and weights and (shared or body.sharing is not None):
        _agree(body, body.up(owner), key, weights, span)
    outputs = tuple(body.tensor(number, i) for i in range(len(results)))
    return outputs[0] if not isinstance(inferred, tuple) else Outputs(outputs)


def argument_places(recipe: LayerRecipe) -> dict[int | str, Span]:
    """Where the arguments of a built layer stand."""
    if recipe.call is None or not recipe.built:
        return {}
    order = (recipe.layer.variadic,) if recipe.layer.variadic else positional(recipe.layer)
    unnamed = [arg.value.span for arg in recipe.call.args if arg.name is None]
    places: dict[int | str, Span] = dict(zip(order, unnamed, strict=False))
    return places | {arg.name.text: arg.value.span for arg in recipe.call.args if arg.name is not None}


def _flattened(layer: type[Layer], values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Layers of any number of tensors take a list or tuple of them as well."""
    flat: list[Value] = []
    for value in (one(v) for v in values):
        if isinstance(value, Items | Group) and (layer.tensors is None or isinstance(value, Group)):
            flat.extend(one(item) for item in value.items)
        else:
            flat.append(value)
    return tuple(flat)


def _operand(layer: type[Layer], value: Value, span: Span) -> Tensor | Size | Real | bool:
    if isinstance(value, Tensor):
        return value
    if layer.numbers and isinstance(value, Size | Real | bool):
        return value
    raise Refusal(NotATensor(span, describe(value), advice_on_tensors(value)))


# Application ----------------------------------------------------------------------------------------------------------


def apply(body: Body, target: Value, values: tuple[Value, ...], named: dict[str, Value], span: Span, places: Places) -> Value:
    """Anything callable applied to tensors."""
    match target:
        case LayerRecipe():
            return apply_layer(body, target, values, span, places)
        case PartRecipe():
            from .parts import apply_part

            return apply_part(body, target, values, named, span, places)
        case OverRecipe():
            from .over import apply_over

            _no_names(target, named, span)
            return apply_over(body, target, values, span, places)
        case FlowRecipe():
            _no_names(target, named, span)
            from .callables import apply_flow

            return apply_flow(body, target, values, span)
        case StackRecipe():
            from .stacks import run_stack

            _no_names(target, named, span)
            return run_stack(body, target.stack, values, target.occurrence, target)
        case RecurRecipe():
            from .recurrence import apply_recur

            return apply_recur(body, target, values, named, span, places)
        case Shared():
            return _apply_shared(body, target, values, named, span, places)
        case Method():
            from .draws import log_prob

            given = [(value, places.get(i, span)) for i, value in enumerate(values)]
            return log_prob(body, target, given, {name: (value, span) for name, value in named.items()}, span)
        case Function() if target.name in registry():
            return apply_layer(
                body, LayerRecipe(registry()[target.name], {}, ast.Name(target.name, span=span)), values, span, places
            )
    raise Refusal(NotCallable(span, describe(target), _advice_on_calls(target)))


def _no_names(target: Value, named: dict[str, Value], span: Span) -> None:
    if named:
        raise Refusal(UnknownArgument(span, describe(target), next(iter(named)), ()))


def _advice_on_calls(target: Value) -> str:
    return "to name a callable and share its weights, say layer NAME = …" if isinstance(target, Tensor) else ""


def _apply_shared(
    body: Body, shared: Shared, values: tuple[Value, ...], named: dict[str, Value], span: Span, places: Places
) -> Value:
    owner = body.levels_up(shared.body)
    if isinstance(shared.recipe, LayerRecipe):
        return apply_layer(body, shared.recipe, values, span, places, shared.key, owner, named=True, shared=True)
    if isinstance(shared.recipe, PartRecipe):
        from .parts import apply_part

        return apply_part(body, shared.recipe, values, named, span, places, shared.key, owner, shared=True)
    if isinstance(shared.recipe, RecurRecipe):
        from .recurrence import apply_recur

        return apply_recur(body, shared.recipe, values, named, span, places, shared.key, owner, shared=True)
    before, body.sharing = body.sharing, shared.body
    try:
        return apply(body, shared.recipe, values, named, span, places)
    finally:
        body.sharing = before


def _agree(body: Body, home: Body, key: str, weights: dict[str, Weight], span: Span) -> None:
    """All uses of a shared layer must agree on its weights."""
    first = home.owned.setdefault(key, (weights, span))
    assert isinstance(first[0], dict)
    for name, weight in weights.items():
        other: Weight = first[0][name]
        pairs = list(zip(weight.shape, other.shape, strict=False))
        for left, right in pairs:
            if len(weight.shape) != len(other.shape) or not body.same(left, right):
                raise Refusal(
                    DimsDisagree(
                        span,
                        f"all uses of the shared layer {key} must agree on its {name}",
                        f"here it needs {_dims(weight)}",
                        f"its first use needs {_dims(other)}",
                        right_origin=first[1],
                        right_size=str(right),
                    )
                )


def _dims(weight: Weight) -> str:
    return f"[{', '.join(str(size) for size in weight.shape)}]"


def owned_weights(shared: Shared, node: ast.Attribute) -> dict[str, Weight]:
    """The weights of a shared layer, from its first use or, where they do not depend on what flows in, from its arguments."""
    used = shared.body.owned.get(shared.key)
    if used is not None:
        assert isinstance(used[0], dict)
        return used[0]
    if isinstance(shared.recipe, LayerRecipe):
        layer = build(shared.body, shared.recipe, {})
        try:
            return layer.weights()
        except (TypeError, IndexError):
            reason = "whose shape is not known before the first use of the layer"
            raise Refusal(NoAttribute(node.name.span, f"the layer {shared.key}", node.name.text, reason=reason)) from None
    raise Refusal(NoAttribute(node.name.span, describe(shared.recipe), node.name.text))

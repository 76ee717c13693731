"""Anything callable applied to tensors: layers become nodes, shared ones agree on their weights."""

from __future__ import annotations

from ...dsl import ast
from ...dsl.span import Span
from ..errors.calls import (
    NoAttribute,
    NotATensor,
    NotCallable,
    UnknownArgument,
    WrongTensorCount,
)
from ..errors.columns import OnlyInData
from ..errors.energies import NeedsEnergy
from ..errors.shapes import DimsDisagree
from ..errors.training import OwnsWeights
from ..graph import TensorType
from ..layers import registry
from ..layers._rules import looked_up
from ..layers.base import Layer, Refusal, Weight
from ..shapes import Size
from ..values import AxisName, Real
from . import rows
from .body import Body, LayerChecker
from .building import argument_places, build
from .expressions import advice_on_tensors, one
from .values import (
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
    Places,
    RecurRecipe,
    Shared,
    StackRecipe,
    Tensor,
    Value,
    describe,
)


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
    elif layer.family == "energy":
        raise Refusal(NeedsEnergy(span, layer.name, body.root().name, ()))
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
    if body.function and (layer.owns or layer.stateful):
        raise Refusal(OwnsWeights(span, f"the layer {layer.name}", "is learned" if layer.owns else "acts in training alone"))
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
    raise Refusal(NotCallable(span, describe(target), advice_on_calls(target)))


def _no_names(target: Value, named: dict[str, Value], span: Span) -> None:
    if named:
        raise Refusal(UnknownArgument(span, describe(target), next(iter(named)), ()))


def advice_on_calls(target: Value) -> str:
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

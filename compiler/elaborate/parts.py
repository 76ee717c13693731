"""Declared parts: hyperparameters are bound, dims unified, the body elaborated once for each set of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...dsl import ast
from ...dsl.span import NOWHERE, Span
from ..errors.calls import (
    MissingArgument,
    NotATensor,
    TooManyArguments,
    UnknownArgument,
    WrongTensorCount,
)
from ..errors.games import GameApplied
from ..errors.recurrence import NeedsRecur
from ..errors.shapes import DimsDisagree
from ..graph import Axis, Graph, TensorType, Use
from ..keys import snake
from ..layers.base import Refusal
from ..shapes import Dim, Size
from ..values import Real, Text, Truth, as_real, formula, substitute
from .body import Body
from .callables import handed_on
from .calls import mixed
from .expressions import has_tensor, one
from .hypers import typed
from .limits import tensors_of
from .signatures import Site
from .values import (
    CALLABLES,
    POISON,
    Distribution,
    Fields,
    IndexFunction,
    Items,
    Outputs,
    PartRecipe,
    Places,
    RecurRecipe,
    Tensor,
    Value,
    describe,
)


def call_part(
    body: Body,
    callee: PartRecipe,
    given: list[tuple[Value, Span]],
    named: dict[str, tuple[Value, Span]],
    node: ast.Call,
    flowing: int = 0,
) -> Value:
    """`Part(hypers)` builds, `Part(tensors)` applies; a mixture is an error. The first `flowing` come in by a flow."""
    if callee.declared.hollow:
        return POISON
    declared = callee.declared.node
    if callee.built or flowing or takes_tensors(callee, given, named):
        spans = {span for value, span in given if has_tensor(value) or value is None}
        hypers = {param.name.text for param in declared.hypers}
        wrong = [span for _, span in given if span not in spans] + [s for name, (_, s) in named.items() if name in hypers]
        if wrong and not callee.built:
            spans |= {span for name, (_, span) in named.items() if name not in hypers}
            raise Refusal(mixed(body, node, f"the {declared.kind} {declared.name.text}", spans, flowing > 0))
        values = tuple(value for value, _ in given)
        places: dict[int | str, Span] = {i: span for i, (_, span) in enumerate(given)}
        places |= {name: span for name, (_, span) in named.items()}
        return apply_part(body, callee, values, {name: value for name, (value, _) in named.items()}, node.span, places)
    arguments = _hyper_arguments(declared, given, named, node)
    return replace(callee, arguments=arguments, call=node, built=True)


def takes_tensors(callee: PartRecipe, given: list[tuple[Value, Span]], named: dict[str, tuple[Value, Span]]) -> bool:
    """Are there tensors among the arguments of a call?"""
    tensors = {param.name.text for param in callee.declared.node.tensors}
    return callee.built or any(has_tensor(value) for value, _ in given) or not tensors.isdisjoint(named)


def _hyper_arguments(
    declared: ast.Declaration, given: list[tuple[Value, Span]], named: dict[str, tuple[Value, Span]], node: ast.Call
) -> dict[str, Value]:
    order = [param.name.text for param in declared.hypers]
    what = f"the {declared.kind} {declared.name.text}"
    if len(given) > len(order):
        raise Refusal(TooManyArguments(given[len(order)][1], what, len(order), len(given), declared.name.span))
    arguments = {name: value for name, (value, _) in zip(order, given, strict=False)}
    for name, (value, span) in named.items():
        if name not in order:
            place = next(arg.name.span for arg in node.args if arg.name is not None and arg.name.text == name)
            raise Refusal(UnknownArgument(place, what, name, tuple(order), declared.name.span))
        if name in arguments:
            raise Refusal(TooManyArguments(span, f"{name} of {what}", 1, 2))
        arguments[name] = value
    places = {name: span for name, (_, span) in zip(order, given, strict=False)} | {
        name: span for name, (_, span) in named.items()
    }
    for param in declared.hypers:
        if param.name.text in arguments:
            typed(param, arguments[param.name.text], places[param.name.text])
    return arguments


def apply_part(
    body: Body,
    recipe: PartRecipe,
    values: tuple[Value, ...],
    named: dict[str, Value],
    span: Span,
    places: Places,
    key: str | None = None,
    owner: int = 0,
    *,
    shared: bool = False,
) -> Value:
    """A declared part at work: a `Use` node that holds its graph."""
    declared = recipe.declared.node
    if recipe.declared.hollow:
        return POISON
    if declared.kind == "cell" and body.states is not None:
        from .inner_cells import apply_step

        return apply_step(body, recipe, values, named, span, places, key, owner, shared=shared)
    if declared.kind == "cell":
        raise Refusal(NeedsRecur(span, declared.name.text, declared.name.span))
    if declared.kind == "adversarial":
        raise Refusal(GameApplied(span, declared.name.text, declared.name.span))
    given = given_tensors(declared, values, named, span, places)
    made = instantiate(body, recipe, given, span)
    if made is None:
        return POISON
    outputs = _outputs(body, recipe, made, span, key, owner, shared=shared)
    for tensor, output in zip(outputs, made.graph.outputs if made.record else (), strict=False):
        tensor.body.label(tensor.ref.node, tensor.ref.output, output.name)
    if made.record:
        return Fields({output.name: tensor for output, tensor in zip(made.graph.outputs, outputs, strict=True)})
    return outputs[0] if len(outputs) == 1 else Outputs(outputs)


def _outputs(
    body: Body, recipe: PartRecipe, made: Instance, span: Span, key: str | None, owner: int, *, shared: bool
) -> tuple[Tensor, ...]:
    """What the part gives: a node that holds its graph, or its steps where there are no modules."""
    graph = made.graph
    if body.function:
        from .unfolding import unfold

        return unfold(body, graph, [body.local(tensor) for tensor in made.tensors], made.names, span)
    types = tuple(renamed(graph.type_of(output.ref), made.names) for output in graph.outputs)
    key, owner, named_key = placed(body, recipe, span, graph, snake(recipe.declared.node.name.text), key, owner, shared=shared)
    node = Use(graph=graph, arguments=made.arguments, dims=made.dims)
    number = body.add(node, body.operands(made.tensors), types, span, key, owner=owner, named=named_key)
    return tuple(body.tensor(number, i) for i in range(len(types)))


@dataclass(frozen=True, eq=False)
class Instance:
    """A part with what it is given in one place: `names` takes its own names to the caller's texts."""

    graph: Graph
    tensors: tuple[Tensor, ...]
    arguments: dict[str, Value]
    dims: dict[str, Size]
    names: dict[str, Text]
    record: bool = False


def instantiate(body: Body, recipe: PartRecipe, given: Sequence[tuple[Tensor | None, Span]], span: Span) -> Instance | None:
    """The graph of a part for these tensors and their places; none where its fault is told."""
    hypers = _passed(body, recipe, span)
    tensors = tuple(tensor for tensor, _ in given if tensor is not None)
    use = Site(body, span, tuple(place for tensor, place in given if tensor is not None), tensors)
    part = body.elaborator.part(
        recipe.declared, hypers, tuple(None if tensor is None else tensor.type for tensor, _ in given), use
    )
    if part is None:
        body.poisoned = True
        return None
    graph = part.graph
    dims = {name: tensors[axis.input].type.shape[axis.axis] for name, axis in graph.dims.items()}
    hypers, names = _arguments(part, hypers, dims)
    for assumption in graph.assumptions:
        body.assume(substitute(assumption.condition, names), assumption.reason)
    for text, axis in part.signature:
        body.assume(formula("==", substitute(text, names), tensors[axis.input].type.shape[axis.axis].text), "a signature")
    return Instance(graph, tensors, hypers, dims, names, part.record)


def placed(
    body: Body,
    recipe: PartRecipe | RecurRecipe,
    span: Span,
    graph: Graph,
    kind: str,
    key: str | None,
    owner: int,
    *,
    shared: bool,
) -> tuple[str, int, bool]:
    """The key of a part, how many bodies up it stands, and whether the text gave it."""
    named = key is not None
    if key is None:
        key, owner = body.key(recipe.occurrence, kind)
        named = not (key.startswith(kind) and key[len(kind) :].isdigit())
    if shared or body.sharing is not None:
        _agree(body.up(owner), key, graph, span)
    return key, owner, named


def _agree(home: Body, key: str, graph: Graph, span: Span) -> None:
    """All uses of a shared part must agree on its weights, which may depend on the dims that it was given."""
    first, origin = home.shared_parts.setdefault(key, (graph, span))
    if first is graph:
        return
    before = tensors_of(first.nodes)
    for name, shape in tensors_of(graph.nodes).items():
        if before.get(name) != shape:
            shown, other = (f"[{', '.join(map(str, dims or ()))}]" for dims in (shape, before.get(name)))
            rule = f"all uses of the shared part {key} must agree on {name}"
            left, right = f"here it needs {shown}", f"its first use needs {other}"
            raise Refusal(DimsDisagree(span, rule, left, right, right_origin=origin, right_size=other))


@dataclass(frozen=True, eq=False)
class Part:
    """An elaborated declaration: its graph, the equalities that its signature asks of what is given, and its defaults in its own text."""

    graph: Graph
    signature: tuple[tuple[Dim, Axis], ...]
    defaults: dict[str, Value]
    record: bool = False  # it returns one record, whose fields are the outputs


def _arguments(part: Part, given: dict[str, Value], dims: dict[str, Size]) -> tuple[dict[str, Value], dict[str, Text]]:
    """All hyperparameters in the caller's text, and the renaming from the part's names to it."""
    arguments: dict[str, Value] = {}
    names = renaming({}, dims)
    for hyper in part.graph.hypers:
        value = given[hyper.name] if hyper.name in given else _renamed_value(part.defaults[hyper.name], names)
        if isinstance(hyper.value, Real) and isinstance(value, Size):
            value = as_real(value)
        arguments[hyper.name] = value
        names |= renaming({hyper.name: value}, {})
    return arguments, names


def _renamed_value(value: Value, names: Mapping[str, Text]) -> Value:
    if isinstance(value, Real):
        return value.rename(names)
    if isinstance(value, Size):
        return value.rename({name: text for name, text in names.items() if isinstance(text, Dim)})
    return value


def given_tensors(
    declared: ast.Declaration, values: tuple[Value, ...], named: dict[str, Value], span: Span, places: Places
) -> tuple[tuple[Tensor | None, Span], ...]:
    """The tensors in the order of the declaration with their places; none for one that is left out."""
    params = declared.tensors
    what = f"the {declared.kind} {declared.name.text}"
    values = tuple(one(value) for value in values)
    names = f", {' and '.join(param.name.text for param in params)}" if len(params) > 1 else ""
    takes = f"{len(params)} tensor{'s' if len(params) != 1 else ''}{names}"
    if len(values) > len(params):
        raise Refusal(WrongTensorCount(span, what, takes, len(values) + len(named), declared.name.span))
    order = [param.name.text for param in params]
    for name in named:
        if name not in order:
            raise Refusal(UnknownArgument(places.get(name, span), what, name, tuple(order), declared.name.span))
        if order.index(name) < len(values):
            raise Refusal(TooManyArguments(places.get(name, span), f"{name} of {what}", 1, 2))
    result: list[tuple[Tensor | None, Span]] = []
    for i, param in enumerate(params):
        value = values[i] if i < len(values) else named.get(param.name.text, MISSING_TENSOR)
        if value is MISSING_TENSOR or value is None:
            if param.default is None:
                raise Refusal(WrongTensorCount(span, what, takes, len(values) + len(named), declared.name.span))
            result.append((None, span))
        elif isinstance(one(value), Tensor):
            result.append((one(value), places.get(i, places.get(param.name.text, span))))
        else:
            raise Refusal(NotATensor(places.get(i, span), describe(value)))
    return tuple(result)


MISSING_TENSOR = object()


def _passed(body: Body, recipe: PartRecipe, span: Span) -> dict[str, Value]:
    """The hyperparameters as given, in the caller's text; callables and lists of them lose theirs."""
    passed = {}
    for param in recipe.declared.node.hypers:
        name = param.name.text
        if name in recipe.arguments:
            value = recipe.arguments[name]
            passed[name] = _passable(body, value, recipe.call.span if recipe.call is not None else span)
        elif param.default is None:
            place = recipe.call.span if recipe.call is not None else span
            raise Refusal(
                MissingArgument(
                    place, f"the {recipe.declared.node.kind} {recipe.declared.node.name.text}", (name,), param.name.span
                )
            )
    return passed


def _passable(body: Body, value: Value, place: Span) -> Value:
    if isinstance(value, Distribution):
        from ..errors.draws import DistributionPassed

        raise Refusal(DistributionPassed(place))
    if isinstance(value, IndexFunction):
        from ..errors.attention import IndexFunctionElsewhere

        raise Refusal(IndexFunctionElsewhere(place, value.node.name.text))
    if isinstance(value, Truth):
        from .numbers import decided

        return decided(body, value, NOWHERE, "a hyperparameter")
    return handed_on(body, value, place) if isinstance(value, (*CALLABLES, Items)) else value


# The caller's side ----------------------------------------------------------------------------------------------------


def renaming(hypers: Mapping[str, Value], dims: Mapping[str, Size]) -> dict[str, Text]:
    """From the part's names to the caller's texts."""
    names: dict[str, Text] = {name: size.text for name, size in dims.items()}
    for name, value in hypers.items():
        names[name] = value.text if isinstance(value, Size | Real) else True
    return names


def renamed(type_: TensorType, names: Mapping[str, Text]) -> TensorType:
    dims = {name: text for name, text in names.items() if isinstance(text, Dim)}
    return TensorType(type_.dtype, tuple(size.rename(dims) for size in type_.shape))

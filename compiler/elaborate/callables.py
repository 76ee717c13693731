"""Callables as values: composed ones and stacks at work, and what becomes of a callable that is given to a part.

A callable means what its names meant where it was written. Given to a part it takes them along (`closure`): numbers without their texts,
which say nothing there, and so pinned; layers that are shared stay where they are and are lent. Tensors stay behind, which is a fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ...dsl import ast
from ...dsl.span import Span
from ...dsl.walk import descendants
from ..graph import Axis, Graph, Output, TensorType, Use
from ..layers import registry
from ..layers.base import Refusal
from ..shapes import Dim, Size
from ..values import Real, Truth, substitute
from .body import Body
from .expressions import has_tensor, one, thread
from .values import (
    CALLABLES,
    MISSING,
    POISON,
    FlowRecipe,
    Group,
    Items,
    LayerRecipe,
    Outputs,
    OverRecipe,
    PartRecipe,
    Poison,
    RecurRecipe,
    Scope,
    Shared,
    StackRecipe,
    Tensor,
    Value,
    fixed,
    names_in,
    type_key,
    value_key,
    without_text,
)

Composed = FlowRecipe | StackRecipe


def lends(value: Value) -> bool:
    """Does a value hold a layer that another body owns?"""
    match value:
        case Shared():
            return True
        case Items() | Group():
            return any(lends(item) for item in value.items)
        case LayerRecipe() | PartRecipe():
            return any(lends(item) for item in value.arguments.values())
        case OverRecipe():
            return lends(value.recipe)
        case RecurRecipe():
            return value.shared is not None or lends(value.cell)
        case FlowRecipe() | StackRecipe():
            return value.closure is not None and any(lends(item) for item in value.closure.names.values())
    return False


# Given to a part ------------------------------------------------------------------------------------------------------


def handed_on(body: Body, value: Value, place: Span) -> Value:
    """A callable, or a list with some, as a part is given it; raises `Refusal` where it reads a tensor of this body."""
    match value:
        case Shared():
            return replace(value, recipe=handed_on(body, value.recipe, place))
        case FlowRecipe() | StackRecipe():
            return _closed(body, value, place)
        case OverRecipe():
            return replace(value, recipe=handed_on(body, value.recipe, place))
        case RecurRecipe():
            return _recurring(body, value, place)
        case Items():
            return Items(tuple(handed_on(body, item, place) for item in value.items))
        case LayerRecipe() | PartRecipe():
            return replace(value, arguments={name: handed_on(body, item, place) for name, item in value.arguments.items()})
        case Size() | Real() | Truth():
            if names := names_in(value):
                body.assume(fixed(names), "passed to a part")
            return without_text(value)
    return value


def _recurring(body: Body, recipe: RecurRecipe, place: Span) -> RecurRecipe:
    """A cell that is taken over time, with options that are no tensors."""
    for name, (value, span) in recipe.options.items():
        if has_tensor(value):
            from ..errors.callables import CallableReadsTensor

            raise Refusal(CallableReadsTensor(span, name))
    options = {name: (handed_on(body, value, place), span) for name, (value, span) in recipe.options.items()}
    return replace(recipe, cell=handed_on(body, recipe.cell, place), options=options)


def _closed(body: Body, recipe: Composed, place: Span) -> Composed:
    """The callable with what its names stand for here."""
    if recipe.closure is not None:
        return recipe
    node = recipe.flow if isinstance(recipe, FlowRecipe) else recipe.stack
    closure = Scope()
    for name in _free_names(node):
        value = home_of(recipe).get(name)
        if value is MISSING or isinstance(value, Poison):
            continue
        if isinstance(one(value), Tensor):
            from ..errors.callables import CallableReadsTensor

            raise Refusal(CallableReadsTensor(place, name, one(value).type.origin))
        closure.names[name] = handed_on(body, value, place)
    return replace(recipe, closure=closure)


def home_of(recipe: Composed) -> Scope:
    """The scope that it was written in. Callables are those of then: a name may have been given anew, with the callable itself in it."""
    return Scope(recipe.body.scope, recipe.then) if recipe.then else recipe.body.scope


def meant(body: Body, node: ast.Node) -> dict[str, Value]:
    """The callables that the names of an expression stand for here and now."""
    found = {name: body.scope.get(name) for name in _free_names(node)}
    return {name: value for name, value in found.items() if isinstance(value, CALLABLES)}


def _free_names(node: ast.Node) -> dict[str, None]:
    """The names that an expression may look up outside of itself, in the order of the text."""
    bound = {inner.name.text for inner in descendants(node) if isinstance(inner, ast.As)}
    for inner in descendants(node):
        if isinstance(inner, ast.Stack):
            bound |= {ident.text for ident in (*inner.names, *(carry.name for carry in inner.carries))}
            bound |= {target.id for line in inner.body if isinstance(line, ast.Assign) for target in line.targets}
    names = (inner.id for inner in descendants(node) if isinstance(inner, ast.Name))
    return dict.fromkeys(name for name in names if name not in bound)


# At work --------------------------------------------------------------------------------------------------------------


@contextmanager
def meaning(body: Body, recipe: Composed) -> Iterator[None]:
    """In it, names mean what they mean where `recipe` was written; what it names itself ends with it."""
    before = body.scope, body.unit
    body.scope, body.unit = Scope(_scope(body, recipe)), recipe.body.unit
    try:
        yield
    finally:
        body.scope, body.unit = before


def _scope(body: Body, recipe: Composed) -> Scope:
    if recipe.closure is not None:
        return recipe.closure
    node = recipe.flow if isinstance(recipe, FlowRecipe) else recipe.stack
    hidden = body.scope.within(recipe.body.scope) & _free_names(node).keys()
    return handed_scope(body, recipe, hidden) if hidden else home_of(recipe)


def handed_scope(body: Body, recipe: Composed, hidden: set[str]) -> Scope:
    """The scope of where it was written; names that mean something else here are given without their texts."""
    home = home_of(recipe)
    values = {name: home.get(name) for name in hidden if home.get(name) is not MISSING}
    given = {n: v if isinstance(v, Tensor) else handed_on(recipe.body, v, recipe.occurrence.span) for n, v in values.items()}
    return Scope(home, given)


def apply_flow(body: Body, recipe: FlowRecipe, values: tuple[Value, ...], span: Span) -> Value:
    """A composed callable, its steps threaded. Each use builds its layers anew: after the first, they get keys of their own.

    One that was given to a part is a submodule there, if anything in it has weights.
    """
    if recipe.closure is not None and body.sharing is None and _builds(body, recipe):
        return _submodule(body, recipe, values, span)
    before = body.anew
    if body.sharing is None:
        if id(recipe.flow) in body.threaded:
            body.anew = before | {id(node) for node in descendants(recipe.flow)}
        body.threaded.add(id(recipe.flow))
    with meaning(body, recipe):
        value = _threaded(body, recipe, values)
    body.anew = before
    return value


def _threaded(body: Body, recipe: FlowRecipe, values: tuple[Value, ...]) -> Value:
    value: Value = values[0] if len(values) == 1 else Group(values)
    for step in recipe.flow.steps:
        value = thread(body, value, step)
        if isinstance(value, Poison):
            break
    return value


def _builds(body: Body, recipe: Composed) -> bool:
    """Does each use of the callable make submodules?"""
    if isinstance(recipe, StackRecipe):
        return True
    assert recipe.closure is not None
    for node in descendants(recipe.flow):
        if isinstance(node, ast.Stack):
            return True
        if isinstance(node, ast.Name) and _made(body, recipe, node.id):
            return True
    return False


def _made(body: Body, recipe: FlowRecipe, name: str) -> bool:
    assert recipe.closure is not None
    value = recipe.closure.get(name)
    if isinstance(value, Items):
        return any(isinstance(item, CALLABLES) for item in value.items)
    if isinstance(value, FlowRecipe | StackRecipe):
        return _builds(body, value)
    if isinstance(value, PartRecipe):
        return True
    if value is MISSING:
        if name in recipe.body.unit.names:
            return True
        value = LayerRecipe(registry()[name], {}, recipe.flow) if name in registry() else None
    return isinstance(value, LayerRecipe) and (value.layer.owns or value.layer.stateful)


def _submodule(body: Body, recipe: FlowRecipe, values: tuple[Value, ...], span: Span) -> Value:
    """A `Use` node that holds the graph of a composed callable, elaborated once for each set of types."""
    tensors = []
    for value in values:
        if not isinstance(value, Tensor):
            return POISON
        tensors.append(value)
    graph = _graph(body, recipe, tensors)
    if graph is None:
        body.poisoned = True
        return POISON
    dims = {name: tensors[axis.input].type.shape[axis.axis] for name, axis in graph.dims.items()}
    texts = {name: size.text for name, size in dims.items()}
    for assumption in graph.assumptions:
        body.assume(substitute(assumption.condition, texts), assumption.reason)
    types = tuple(_seen(graph.type_of(output.ref), texts) for output in graph.outputs)
    key, owner = body.key(recipe.occurrence, "composed")
    node = Use(graph=graph, arguments={}, dims=dims)
    number = body.add(node, body.operands(tuple(tensors)), types, span, key, owner=owner)
    outputs = tuple(body.tensor(number, i) for i in range(len(types)))
    return outputs[0] if len(outputs) == 1 else Outputs(outputs)


def _seen(type_: TensorType, texts: dict[str, Dim]) -> TensorType:
    return TensorType(type_.dtype, tuple(size.rename(texts) for size in type_.shape))


def _graph(body: Body, recipe: FlowRecipe, tensors: list[Tensor]) -> Graph | None:
    elaborator = body.elaborator
    name = recipe.occurrence.id if isinstance(recipe.occurrence, ast.Name) else "composed"
    title = body.root().name + "".join(part.title() for part in name.split("_"))
    key = (title, value_key(recipe), tuple(type_key(t.type) for t in tensors), body.depth if lends(recipe) else None)
    if key not in elaborator.composed:
        elaborator.composed[key] = _elaborated(body, recipe, tensors, title)
    return elaborator.composed[key]


def _elaborated(body: Body, recipe: FlowRecipe, tensors: list[Tensor], name: str) -> Graph | None:
    home, elaborator = recipe.body.root(), body.elaborator
    assert recipe.closure is not None
    keys = elaborator.keys_of((ast.Value(recipe.flow, span=recipe.flow.span),), home.declared, of=recipe.flow)
    inner = Body(elaborator, home.unit, name, keys, user=body, declared=home.declared, scope=Scope(recipe.closure))
    inputs = tuple(_input(inner, tensor, number, len(tensors)) for number, tensor in enumerate(tensors))
    value = _threaded(inner, recipe, inputs)
    if inner.poisoned or isinstance(value, Poison):
        return None
    results = value.items if isinstance(value, Outputs | Group) else (value,)
    outputs = []
    for result in results:
        if not isinstance(one(result), Tensor):
            continue
        outputs.append(Output(name=one(result).name or "output", ref=inner.local(one(result)).ref))
    return Graph(
        name=name,
        kind="block",
        dims=inner.dims,
        nodes=tuple(inner.nodes),
        outputs=tuple(outputs),
        assertions=tuple(inner.assertions),
        assumptions=inner.assumed(),
        decided=tuple(dict.fromkeys(inner.decided)),
        span=recipe.flow.span,
    )


def _input(inner: Body, tensor: Tensor, number: int, count: int) -> Tensor:
    """An input, its dims by the names they have outside where those are plain."""
    name = "x" if count == 1 else f"x{number + 1}"
    shape = []
    for axis, size in enumerate(tensor.type.shape):
        plain = size.text.symbol or ("batch" if axis == 0 else f"dim{axis}")
        fresh = next(c for c in (plain, *(f"{plain}{i}" for i in range(2, 1000))) if c not in inner.dims)
        inner.dims[fresh] = Axis(number, axis)
        inner.sizes[fresh] = Size(size.value, Dim.of(fresh))
        shape.append(inner.sizes[fresh])
    return inner.input(name, TensorType(tensor.type.dtype, tuple(shape), tensor.type.origin), tensor.type.origin)

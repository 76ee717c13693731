"""One level of a stack: its body elaborated for the types that come in, once for all levels of one kind."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...dsl import ast
from ...dsl.span import Span
from ..errors.calls import NotATensor, Unpacking
from ..errors.stacks import NothingNext, NoValue
from ..graph import Axis, Graph, Input, Level, Output, TensorType
from ..layers.base import Refusal
from ..shapes import Dim, Size
from ..values import Text, substitute
from .applying import apply
from .body import Body
from .elaborator import averages_of, output_name
from .expressions import advice_on_tensors, has_tensor, one
from .parts import renaming
from .statements import run
from .values import (
    CALLABLES,
    Group,
    Items,
    Outputs,
    Poison,
    Scope,
    Tensor,
    Value,
    describe,
    type_key,
    value_key,
)


@dataclass(eq=False)
class _Built:
    """A level: its graph, what it reads from outside, and how many values each level returns for collection."""

    graph: Graph
    captures: list[Tensor]
    collects: int
    listed: bool  # each level returned one value, so that items are tensors, not tuples


@dataclass(eq=False)
class StackInMaking:
    """The state of one stack being unrolled."""

    body: Body
    node: ast.Stack
    name: str
    keys: dict[int, str]
    carried: list[str]
    values: list[Value]  # the carried values as they come in, tensors of the body
    captures: list[Tensor] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    types: list[list[TensorType]] = field(default_factory=list)  # what each run's levels return, in the body's text
    cache: dict[object, _Built] = field(default_factory=dict)
    walked: list[Tensor] = field(default_factory=list)
    listed: bool = True


def add_level(stack: StackInMaking, types: list[TensorType], row: tuple[Value, ...], count: Size) -> list[TensorType] | None:
    """One more level; the types that come out, in the body's text."""
    names = [name.text for name in stack.node.names]
    key = (tuple(type_key(t) for t in types), tuple(_row_key(value) for value in row), len(stack.captures))
    built = stack.cache.get(key)
    if built is None:
        built = _build(stack, types, dict(zip(names, row, strict=True)))
        if built is None:
            return None
        if len(built.captures) == len(stack.captures):
            stack.cache[key] = built
        stack.captures = built.captures
    given = [*types, *(tensor.type for tensor in stack.captures), *(value.type for value in row if isinstance(value, Tensor))]
    dims = {name: given[axis.input].shape[axis.axis] for name, axis in built.graph.dims.items() if axis.input < len(given)}
    arguments = {name: value for name, value in zip(names, row, strict=True) if not has_tensor(value)}
    stack.walked.extend(value for value in row if isinstance(value, Tensor))
    renames: dict[str, Text] = renaming({k: v for k, v in arguments.items() if not isinstance(v, Items)}, dims)
    for assumption in built.graph.assumptions:
        stack.body.assume(substitute(assumption.condition, renames), assumption.reason)
    level = Level(graph=built.graph, count=count, arguments=arguments, dims=dims)
    stack.levels.append(level)
    outputs = [_renamed(built.graph.type_of(output.ref), renames) for output in built.graph.outputs]
    carried = len(stack.carried) if stack.node.kind == "stack" else 0
    stack.types.append(outputs[carried:])
    stack.listed = built.listed
    return outputs[:carried]


def _renamed(type_: TensorType, names: dict[str, Text]) -> TensorType:
    dims = {name: text for name, text in names.items() if isinstance(text, Dim)}
    return TensorType(type_.dtype, tuple(size.rename(dims) for size in type_.shape))


def _row_key(value: Value) -> object:
    return type_key(value.type) if isinstance(value, Tensor) else value_key(value)


def _build(stack: StackInMaking, types: list[TensorType], row: dict[str, Value]) -> _Built | None:
    """Elaborate the body of a level."""
    outer = stack.body
    body = Body(
        outer.elaborator, outer.unit, stack.name, stack.keys, outer, Scope(outer.scope), function=outer.function, rows=outer.rows
    )
    body.carried = frozenset(stack.carried) if stack.node.carries else frozenset()
    inputs = []
    for number, (name, type_) in enumerate(zip(stack.carried, types, strict=True)):
        local = _fresh(body, name, type_, number)
        inputs.append(body.input(name, local, type_.origin))
        if stack.node.carries:
            body.scope.names[name] = inputs[-1]
    for tensor in stack.captures:
        body.local(tensor)
    walked = {name: value for name, value in row.items() if isinstance(value, Tensor)}
    for name, value in row.items():
        if name not in walked:
            body.scope.names[name] = Size(value.value, Dim.of(name)) if isinstance(value, Size) else value
    for name, value in walked.items():
        local = _fresh(body, name, value.type, sum(isinstance(node.op, Input) for node in body.nodes))
        body.scope.names[name] = body.input(name, local, value.type.origin)
    results = _results(stack, body, inputs)
    if results is None or body.poisoned:
        outer.poisoned = True
        return None
    carried, collected, listed = results
    outputs = [Output(name=name, ref=body.local(value).ref) for name, value in zip(stack.carried, carried, strict=False)]
    outputs += [Output(name=name, ref=body.local(value).ref) for name, value in collected]
    return _Built(_graph(stack, body, tuple(outputs)), list(body.captures), len(collected), listed)


def _fresh(body: Body, name: str, type_: TensorType, number: int) -> TensorType:
    """The type of a carried value with names of its own for its dims."""
    shape = []
    for axis, size in enumerate(type_.shape):
        fresh = _dim_name(body, name, axis, type_.rank)
        body.dims[fresh] = Axis(number, axis)
        body.sizes[fresh] = Size(size.value, Dim.of(fresh))
        shape.append(body.sizes[fresh])
    return TensorType(type_.dtype, tuple(shape), type_.origin)


def _dim_name(body: Body, name: str, axis: int, rank: int) -> str:
    plain = (
        "batch"
        if axis == 0
        else "channels"
        if axis == 1 and rank >= 4
        else "features"
        if axis == rank - 1 and rank < 4
        else f"dim{axis}"
    )
    taken = {*body.dims, *body.root().scope.within(None), *body.root().sizes}
    candidates = [plain, f"{name}_{plain}", *(f"{name}_{plain}{i}" for i in range(2, 100))]
    return next(candidate for candidate in candidates if candidate not in taken)


def _results(
    stack: StackInMaking, body: Body, inputs: list[Tensor]
) -> tuple[list[Tensor], list[tuple[str, Tensor]], bool] | None:
    """The next carried values, what is collected with names, and whether a level returned one value."""
    returned = run(body, stack.node.body)
    values = [(one(value), expr) for value, expr in returned or ()]
    if body.poisoned or any(isinstance(value, Poison) for value, _ in values):
        return None
    if not stack.node.carries:
        return _applied(stack, body, inputs, values)
    for carry in stack.node.carries:
        if carry.name.text not in body.primes:
            body.report(NothingNext(carry.name.span, carry.name.text))
            return None
    collected = []
    for value, expr in values:
        if not isinstance(value, Tensor):
            body.report(NotATensor(expr.span, describe(value), advice_on_tensors(value)))
            return None
        collected.append((output_name(expr), value))
    return [body.primes[name] for name in stack.carried], collected, len(collected) == 1


def _applied(
    stack: StackInMaking, body: Body, inputs: list[Tensor], values: list[tuple[Value, ast.Expr]]
) -> tuple[list[Tensor], list[tuple[str, Tensor]], bool] | None:
    """A plain stack: the callable at the end of the body, applied to what flows in."""
    if len(values) != 1 or not isinstance(values[0][0], CALLABLES):
        place = values[0][1].span if values else stack.node.body[-1].span if stack.node.body else stack.node.span
        body.report(NoValue(place, stack.node.kind, describe(values[0][0]) if len(values) == 1 else ""))
        return None
    callee, expr = values[0]
    try:
        places: dict[int | str, Span] = dict.fromkeys(range(len(inputs)), expr.span)
        result = apply(body, callee, tuple(inputs), {}, expr.span, places)
    except Refusal as refusal:
        body.report(refusal.fault)
        return None
    if isinstance(result, Poison):
        return None
    outputs = [one(value) for value in result.items] if isinstance(result, Outputs | Group) else [result]
    wanted = 1 if stack.node.kind == "parallel" else len(inputs)
    if len(outputs) < wanted:
        body.report(Unpacking(expr.span, wanted, len(outputs)))
        return None
    tensors = [value for value in outputs[:wanted] if isinstance(value, Tensor)]
    if len(tensors) < wanted:
        other = next(value for value in outputs if not isinstance(value, Tensor))
        body.report(NotATensor(expr.span, describe(other), advice_on_tensors(other)))
        return None
    return ([], [("output", tensors[0])], True) if stack.node.kind == "parallel" else (tensors, [], True)


def _graph(stack: StackInMaking, body: Body, outputs: tuple[Output, ...]) -> Graph:
    return Graph(
        name=stack.name,
        kind="level",
        dims=body.dims,
        nodes=tuple(body.nodes),
        outputs=outputs,
        assertions=tuple(body.assertions),
        assumptions=tuple(a for a in body.assumed() if all(a.condition != known.condition for known in body.assertions)),
        averages=averages_of(body),
        decided=tuple(dict.fromkeys(body.decided)),
        span=stack.node.span,
    )

"""Statements of a body, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...dsl import ast
from ...dsl.span import Loc, Span
from ..errors.calls import AssertionFailed, NotATensor, NotCallable, NotCompileTime, PrimeMisplaced, Unpacking, WrongArgument
from ..errors.shapes import UnknownSize
from ..graph import Assertion, Operation, Parameter, TensorType
from ..layers.base import Initialiser, Refusal
from ..shapes import Size
from ..values import Real
from . import numbers
from .body import Body, LayerChecker
from .building import build
from .expressions import advice_on_tensors, evaluate, one
from .values import (
    POISON,
    Averaged,
    Distribution,
    Group,
    Items,
    LayerRecipe,
    Outputs,
    Poison,
    Recipe,
    Shared,
    Tensor,
    Value,
    describe,
)

Returned = list[tuple[Value, ast.Expr]]


def run(body: Body, statements: Sequence[ast.Statement]) -> Returned | None:
    """Execute the statements; what is returned, or none without a `return`."""
    for statement in statements:
        try:
            returned = _statement(body, statement)
        except Refusal as refusal:
            body.report(refusal.fault)
            if isinstance(refusal.fault, AssertionFailed):
                return None  # what follows relies on it
            returned = None
            _poison(body, statement)
        if returned is not None:
            return returned
    return None


def _poison(body: Body, statement: ast.Statement) -> None:
    """The names a failed statement should have given."""
    names = [target.id for target in statement.targets] if isinstance(statement, ast.Assign) else []
    named = getattr(statement, "name", None)
    for name in (*names, *([named.text] if isinstance(named, ast.Ident) else [])):
        body.scope.names[name] = POISON


def _statement(body: Body, node: ast.Statement) -> Returned | None:
    match node:
        case ast.Assign():
            _assign(body, node)
        case ast.LayerDef():
            _layer(body, node)
        case ast.ParamDef():
            _param(body, node)
        case ast.StateDef():
            from .recurrence import define_state

            define_state(body, node)
        case ast.LatentDef():
            from ..energy.units import define_latent

            define_latent(body, node)
        case ast.GateDef():
            _gate(body, node)
        case ast.Assert():
            _assert(body, node)
        case ast.IndexFunction():
            from .index_functions import define

            define(body, node)
        case ast.Draw():
            from .draws import draw

            _bind(body, node.name.text, draw(body, node), node.span)
        case ast.PenaltyDef():
            from .training import penalty

            _bind(body, node.name.text, penalty(body, node), node.value.span)
        case ast.If():
            return _if(body, node)
        case ast.Return():
            return [(evaluate(body, value), value) for value in node.values]
        case ast.Value():
            return [(evaluate(body, node.value), node.value)]
        case ast.PlayerDef():
            from ..game import player

            player(body, node)
        case ast.Minimizes():
            from ..game import objective

            objective(body, node)
    return None


def _gate(body: Body, node: ast.GateDef) -> None:
    """A multiplicative control: its range must be bounded, or not negative."""
    from ..errors.callables import NotAGate
    from .ranges import Ranges

    value = one(evaluate(body, node.value))
    _bind(body, node.name.text, value, node.value.span)
    if isinstance(value, Poison):
        return
    if not isinstance(value, Tensor):
        raise Refusal(NotATensor(node.value.span, describe(value), advice_on_tensors(value)))
    found = Ranges(value.body.nodes).of(value.ref)
    if not found.gates:
        place, what = found.why or (node.value.span, "this")
        raise Refusal(NotAGate(place, node.name.text, what, node.name.span))
    if value.body is body:
        body.mark_gate(value.ref.node)


def _assign(body: Body, node: ast.Assign) -> None:
    value = evaluate(body, node.value)
    if len(node.targets) == 1:
        _target(body, node.targets[0], one(value), node.value.span)
        return
    values = _unpacked(value, node)
    for target, item in zip(node.targets, values, strict=True):
        _target(body, target, one(item), node.value.span)


def _unpacked(value: Value, node: ast.Assign) -> tuple[Value, ...]:
    """Outputs in order, the last ones may be left out; a list or tuple exactly."""
    count = len(node.targets)
    if isinstance(value, Poison):
        return (POISON,) * count
    if isinstance(value, Outputs) and len(value.items) >= count:
        return value.items[:count]
    if isinstance(value, Items | Group) and len(value.items) == count:
        return value.items
    given = len(value.items) if isinstance(value, Outputs | Items | Group) else 1
    raise Refusal(Unpacking(node.targets[0].span.to(node.targets[-1].span), count, given, node.value.span))


def _target(body: Body, target: ast.Name | ast.Primed, value: Value, span: Span) -> None:
    if isinstance(target, ast.Name):
        if target.id != "_":
            _bind(body, target.id, value, span)
        return
    if target.id not in body.carried:
        from .training import is_declared, next_of_buffer

        if is_declared(body, target.id):
            next_of_buffer(body, target, value, span)
            return
    if target.id not in body.carried:
        raise Refusal(
            PrimeMisplaced(
                target.span, target.id, "is the next value of something carried, but nothing of that name is carried here"
            )
        )
    if target.id in body.primes:
        raise Refusal(PrimeMisplaced(target.span, target.id, "is given twice"))
    if isinstance(value, Poison):
        body.poisoned = True
    elif not isinstance(value, Tensor):
        raise Refusal(NotATensor(span, describe(value)))
    body.primes[target.id] = value


def _bind(body: Body, name: str, value: Value, span: Span) -> None:
    if isinstance(value, Tensor):
        if value.body is body:
            body.label(value.ref.node, value.ref.output, name)
        value = replace(value, name=name)
    elif isinstance(value, Outputs):
        value = value.items[0]
    body.scope.names[name] = value


def _layer(body: Body, node: ast.LayerDef) -> None:
    key = node.name.text
    value = evaluate(body, node.value)
    if isinstance(value, Poison):
        body.scope.names[key] = POISON
    elif isinstance(value, Recipe):
        body.scope.names[key] = Shared(key, value, body, node.span)
    elif isinstance(value, Shared):
        body.scope.names[key] = value
    elif isinstance(value, Averaged):
        body.averages[key] = (value.source.key, value.decay, value.span)
        body.scope.names[key] = Shared(key, value.source.recipe, body, node.span)
    else:
        raise Refusal(NotCallable(node.value.span, describe(value)))


def written_type(body: Body, node: ast.TensorType) -> TensorType | None:
    """A type of the text; none where its fault is told."""
    from .signatures import dims_of, dtype_of

    sizes = dims_of(body, node.dims)
    shape = tuple(size for size in sizes if size is not None)
    return TensorType(dtype_of(node), shape, node.span) if len(shape) == len(sizes) else None


def _param(body: Body, node: ast.ParamDef) -> None:
    name = node.name.text
    type_ = written_type(body, node.type)
    if type_ is None:
        body.scope.names[name] = POISON
        return
    for size in type_.shape:
        if size.number is None:
            raise Refusal(UnknownSize(node.type.span, f"the {node.kind} {name}", str(size), str(type_)))
    number = body.add(
        Parameter(name=name, learned=node.kind == "param", init=_init(body, node, type_)),
        (),
        (type_,),
        node.span,
        name,
        named=True,
    )
    body.label(number, 0, name)
    body.scope.names[name] = body.tensor(number, 0, name)
    if node.kind == "buffer":
        body.buffers[name] = (body.tensor(number, 0, name), node.span)
    else:
        start = node.span.start
        keyword = Span(node.span.source, start, Loc(start.line, start.column + len(node.kind)))
        body.learned[name] = (node.name.span, keyword)


def _init(body: Body, node: ast.ParamDef, type_: TensorType) -> Operation | None:
    if node.init is None:
        return None
    value = evaluate(body, node.init)
    if isinstance(value, Poison):
        return None
    if isinstance(value, Distribution):
        from .draws import start

        return start(body, f"the {node.kind} {node.name.text}", value, type_, node.init.span)
    if isinstance(value, LayerRecipe):
        layer = build(body, value, {})
        if isinstance(layer, Initialiser):
            layer.infer(LayerChecker(body, (), {}, node.init.span), type_)
            return layer
    what = f"the {node.kind} {node.name.text}"
    raise Refusal(WrongArgument(node.init.span, what, "the start", "an initialiser such as normal(std=0.02)", describe(value)))


def _if(body: Body, node: ast.If) -> Returned | None:
    condition = one(evaluate(body, node.condition))
    if isinstance(condition, Poison):
        for branch in (node.then, node.otherwise or ()):
            for statement in branch:
                _poison(body, statement)
        return None
    truth = numbers.truth(condition, node.condition.span, "an if")
    chosen = numbers.decided(body, truth, node.condition.span, "the condition of if")
    text = body.unit.source.slice(node.condition.span)
    body.decided.append(text if chosen else f"not ({text})")
    return run(body, node.then if chosen else node.otherwise or ())


def _assert(body: Body, node: ast.Assert) -> None:
    condition = one(evaluate(body, node.condition))
    if isinstance(condition, Poison):
        return
    if isinstance(condition, Tensor):
        raise Refusal(NotCompileTime(node.condition.span, "the condition of an assert", describe(condition)))
    truth = numbers.truth(condition, node.condition.span)
    if truth.value is False:
        place = body.elaborator.place_of(body, node.span)
        text = body.unit.source.slice(node.condition.span)
        shown, origins = _values(body, node.condition)
        raise Refusal(AssertionFailed(place, text, node.message or "", shown, node.span, origins))
    body.elaborator.learn(body, truth)
    if truth.text is not True:
        written = " ".join(body.unit.source.slice(node.condition.span).split())
        body.assertions.append(Assertion(condition=truth.text, message=node.message, span=node.span, written=written))


def _values(body: Body, condition: ast.Expr) -> tuple[str, tuple[tuple[Span, str], ...]]:
    """The numbers that the condition was decided by, `D = 100, heads = 7`, and where those of the given tensors come from."""
    shown, origins = [], []
    use = body.elaborator.uses[-1] if body.elaborator.uses else None
    for name in _names(condition):
        value = body.scope.get(name)
        if not isinstance(value, Size | Real):
            continue
        shown.append(f"{name} = {value.value}")
        axis = body.root().dims.get(name)
        if use is not None and axis is not None:
            origins.append((LayerChecker(use.body, use.tensors, {}, use.span).origin(axis.input, axis.axis), shown[-1]))
    return ", ".join(shown), tuple(origins)


def _names(condition: ast.Expr) -> list[str]:
    from ...dsl.walk import descendants

    return list(dict.fromkeys(node.id for node in descendants(condition) if isinstance(node, ast.Name)))

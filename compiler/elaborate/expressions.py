"""Expressions: numbers are computed, tensors become nodes, callables become recipes."""

from __future__ import annotations

import math
from dataclasses import replace

from ...dsl import ast
from ...dsl.span import Span
from ..errors.calls import BadArithmetic, NoAttribute, NotATensor, PrimeMisplaced, TooManyArguments
from ..graph import TensorType, Weight
from ..layers import registry
from ..layers.base import Refusal
from ..scopes import FUNCTIONS
from ..shapes import Size
from ..values import AxisName, Real, Truth, formula
from . import numbers
from .body import Body
from .values import (
    CALLABLES,
    MISSING,
    POISON,
    Distribution,
    Fields,
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
    States,
    Tensor,
    TextColumn,
    Value,
    describe,
    fixed,
    restamped,
)


def evaluate(body: Body, node: ast.Node) -> Value:
    """The value of an expression; a fault is reported where it is found, and its value is poison."""
    try:
        return _evaluate(body, node)
    except Refusal as refusal:
        body.report(refusal.fault)
        return POISON


def _evaluate(body: Body, node: ast.Node) -> Value:
    match node:
        case ast.Name():
            return name(body, node)
        case ast.Number():
            return number(node.text)
        case ast.String():
            return node.value
        case ast.Literal_():
            return node.value
        case ast.List():
            return _collected(Items, [evaluate(body, item) for item in node.items])
        case ast.Tuple():
            return _collected(Group, [evaluate(body, item) for item in node.items])
        case ast.Unary():
            return _unary(body, node)
        case ast.Binary():
            return _binary(body, node)
        case ast.Compare():
            return _compare(body, node)
        case ast.Ternary():
            return _ternary(body, node)
        case ast.Flow():
            return flow(body, node)
        case ast.As():
            return _named(body, node, evaluate(body, node.value))
        case ast.Call():
            from .calls import call

            return call(body, node)
        case ast.Index():
            return _index(body, node)
        case ast.Attribute():
            return _attribute(body, node)
        case ast.Stack():
            from .stacks import run_stack

            return run_stack(body, node, None, node) if node.carries else _stack(body, node)
        case ast.Primed():
            return _next(body, node)
        case ast.Record():
            return _record(body, node)
    raise TypeError(f"{type(node).__name__} is no expression")


def _stack(body: Body, node: ast.Stack) -> StackRecipe:
    from .callables import meant

    return StackRecipe(node, body, node, then=meant(body, node))


def _collected(kind: type[Items] | type[Group], items: list[Value]) -> Value:
    return POISON if any(isinstance(item, Poison) for item in items) else kind(tuple(items))


def _record(body: Body, node: ast.Record) -> Value:
    """`{a: x}`: values with names; the parser has seen that each stands once."""
    values = {ident.text: one(evaluate(body, expr)) for ident, expr in node.fields}
    return POISON if any(isinstance(value, Poison) for value in values.values()) else Fields(values)


def number(text: str) -> Size | Real:
    """A literal: whole exactly when it has neither a point nor an exponent."""
    return Size.of(int(text)) if text.isdigit() else Real.of(float(text))


def name(body: Body, node: ast.Name) -> Value:
    value = body.scope.get(node.id)
    if value is not MISSING:
        root = body.root()
        if node.id in root.constants and root.constants[node.id] is value:
            body.assume(fixed(frozenset((node.id,))), f"{node.id} decides what is built")
        return restamped(value, node)
    declared = body.unit.names.get(node.id)
    if declared is not None:
        return PartRecipe(declared, {}, node)
    if node.id in FUNCTIONS:
        return Function(node.id)
    if node.id in registry():
        return LayerRecipe(registry()[node.id], {}, node)
    if node.id in ("inf", "pi"):
        value = math.inf if node.id == "inf" else math.pi
        return Real(value, value)
    if node.id in ("recur", "bidirectional"):
        return Recurring(node.id, node)  # type: ignore[arg-type]
    if node.id == "over":
        from ..errors.callables import OverTakes

        raise Refusal(OverTakes(node.span, "nothing"))
    if node.id in ("kl", "ema", "gradient_penalty"):
        return Function(node.id)
    if node.id == "training":
        return Mode()
    return POISON


def one(value: Value) -> Value:
    """A call with several outputs is its first where one value is wanted."""
    return value.items[0] if isinstance(value, Outputs) else value


def advice_on_tensors(value: Value) -> str:
    """What to say to a callable that stands where a tensor is wanted."""
    match value:
        case LayerRecipe() if value.layer.family == "distribution":
            return "to draw from a distribution, say z ~ …"
        case LayerRecipe():
            return f"let a tensor flow into it: (x -> {value.layer.name}{'(…)' if value.call is not None else ''})"
        case PartRecipe():
            return f"let a tensor flow into it: (x -> {value.declared.node.name.text}{'(…)' if value.call is not None else ''})"
        case Distribution():
            return "to draw from a distribution, say z ~ …"
        case Fields() if value.items:
            return f"a record's values are read by their names: .{next(iter(value.items))}"
        case FlowRecipe() | StackRecipe() | OverRecipe() | RecurRecipe() | Shared():
            return "let a tensor flow into it: (x -> …)"
    return ""


def is_distribution(value: Value) -> bool:
    """Is it one, or the recipe of one whose parameters are numbers?"""
    return isinstance(value, Distribution) or (isinstance(value, LayerRecipe) and value.layer.family == "distribution")


def has_tensor(value: Value) -> bool:
    if isinstance(value, Items | Group):
        return any(has_tensor(item) for item in value.items)
    if isinstance(value, Fields):
        return any(has_tensor(item) for item in value.items.values())
    return isinstance(value, Tensor | Outputs | TextColumn)


def operator(body: Body, op: str, values: tuple[Value, ...], span: Span, spans: tuple[Span, ...]) -> Value:
    """An operator on tensors: the layer of that name."""
    from .applying import apply_layer

    recipe = LayerRecipe(registry()[op], {}, ast.Name(op, span=span), built=True)
    return apply_layer(body, recipe, values, span, dict(enumerate(spans)))


def _unary(body: Body, node: ast.Unary) -> Value:
    value = one(evaluate(body, node.operand))
    if isinstance(value, Poison):
        return POISON
    if isinstance(value, Tensor):
        return operator(body, "neg" if node.op == "-" else "not", (value,), node.span, (node.operand.span,))
    if node.op == "-":
        return numbers.negated(value, node.span)
    if isinstance(value, Mode):
        return Mode(not value.negated)
    condition = numbers.truth(value, node.operand.span)
    return Truth(None if condition.value is None else not condition.value, formula("not", condition.text))


def _binary(body: Body, node: ast.Binary) -> Value:
    left, right = one(evaluate(body, node.left)), one(evaluate(body, node.right))
    if isinstance(left, Poison) or isinstance(right, Poison):
        return POISON
    if has_tensor(left) or has_tensor(right):
        if node.op == "..":
            raise Refusal(NotATensor(node.span, "a range", "a range is made of numbers"))
        return operator(body, node.op, (left, right), node.span, (node.left.span, node.right.span))
    if node.op == "..":
        return numbers.counted(body, left, right, node.span)
    if node.op in ("and", "or"):
        return numbers.joined(node.op, numbers.truth(left, node.left.span), numbers.truth(right, node.right.span))
    return numbers.arithmetic(body, node.op, left, right, node.span)


def _compare(body: Body, node: ast.Compare) -> Value:
    terms = [(node.first, one(evaluate(body, node.first)))] + [(right, one(evaluate(body, right))) for _, right in node.rest]
    if any(isinstance(value, Poison) for _, value in terms):
        return POISON
    results = []
    for (left_node, left), (op, _), (right_node, right) in zip(terms, node.rest, terms[1:], strict=False):
        span = left_node.span.to(right_node.span)
        none = left is None or right is None  # `t == none` is compile time
        if (has_tensor(left) or has_tensor(right)) and not none:
            results.append(operator(body, op, (left, right), span, (left_node.span, right_node.span)))
        else:
            results.append(numbers.compared(body, op, left, right, span))
    result = results[0]
    for other in results[1:]:
        if has_tensor(result) or has_tensor(other):
            result = operator(body, "and", (result, other), node.span, (node.span, node.span))
        else:
            result = numbers.joined("and", numbers.truth(result, node.span), numbers.truth(other, node.span))
    return result


def _ternary(body: Body, node: ast.Ternary) -> Value:
    condition = one(evaluate(body, node.condition))
    if isinstance(condition, Poison):
        return POISON
    if isinstance(condition, Mode):
        from .draws import choice

        return choice(body, condition, node)
    if not isinstance(condition, Tensor):
        truth = numbers.truth(condition, node.condition.span)
        chosen = numbers.decided(body, truth, node.condition.span, "the condition of if")
        return evaluate(body, node.then if chosen else node.otherwise)
    then, otherwise = one(evaluate(body, node.then)), one(evaluate(body, node.otherwise))
    if isinstance(then, Poison) or isinstance(otherwise, Poison):
        return POISON
    spans = (node.condition.span, node.then.span, node.otherwise.span)
    return operator(body, "where", (condition, then, otherwise), node.span, spans)


def flow(body: Body, node: ast.Flow) -> Value:
    """`a -> b -> c`. A flow that starts with a callable is a composed callable."""
    first, *steps = node.steps
    value = evaluate(body, first)
    if isinstance(value, Poison):
        for step in steps:
            _look(body, step)
        return POISON
    if isinstance(value, (*CALLABLES, Method)):
        from .callables import meant

        return FlowRecipe(node, body, node, then=meant(body, node))
    places = tuple(item.span for item in first.items) if isinstance(first, ast.Tuple) else ()
    if not isinstance(one(value), Tensor | Group):
        places = (first.span,)
    for step in steps:
        value = thread(body, value, step, places)
        places = ()
        if isinstance(value, Poison):
            return POISON
    return value


def _look(body: Body, step: ast.Expr) -> None:
    """Report what is wrong with a step though nothing flows into it."""
    inner = step.value if isinstance(step, ast.As) else step
    if isinstance(inner, ast.Call) and isinstance(inner.function, ast.Name):
        evaluate(body, inner)


def thread(body: Body, value: Value, step: ast.Expr, places: tuple[Span, ...] = ()) -> Value:
    """One step of a flow: `step` applied to what comes in, whose place is the step unless a tuple was written."""
    from .applying import apply
    from .calls import call

    if isinstance(step, ast.As):
        return _named(body, step, thread(body, value, step.value, places))
    incoming = tuple(one(item) for item in value.items) if isinstance(value, Group) else (one(value),)
    if len(places) != len(incoming):
        places = (step.span,) * len(incoming)
    try:
        target = call(body, step, incoming, places) if isinstance(step, ast.Call) else _evaluate(body, step)
        if isinstance(target, Applied):
            return target.value
        if isinstance(target, Poison):
            return POISON
        return apply(body, target, incoming, {}, step.span, dict(enumerate(places)))
    except Refusal as refusal:
        body.report(refusal.fault)
        return POISON


class Applied:
    """A call in a flow that took what came in together with its own tensors."""

    def __init__(self, value: Value) -> None:
        self.value = value


def _named(body: Body, node: ast.As, value: Value) -> Value:
    first = one(value)
    if isinstance(first, Tensor):
        if first.body is body:
            body.label(first.ref.node, first.ref.output, node.name.text)
        first = replace(first, name=node.name.text)
        value = Outputs((first, *value.items[1:])) if isinstance(value, Outputs) else first
        body.scope.names[node.name.text] = value
    return value


def _next(body: Body, node: ast.Primed) -> Value:
    if node.id in body.primes:
        return body.primes[node.id]
    raise Refusal(PrimeMisplaced(node.span, node.id, "is used before it is given"))


def _attribute(body: Body, node: ast.Attribute) -> Value:
    base = evaluate(body, node.base)
    if isinstance(base, Poison):
        return POISON
    if isinstance(base, Shared):
        return _weight(body, base, node)
    if isinstance(base, Fields | States):
        if node.name.text not in base.items:
            raise Refusal(NoAttribute(node.name.span, describe(base), node.name.text, tuple(base.items)))
        return base.items[node.name.text]
    if is_distribution(base):
        from .draws import attribute

        return attribute(body, base, node)
    raise Refusal(NoAttribute(node.name.span, describe(base), node.name.text))


def _weight(body: Body, shared: Shared, node: ast.Attribute) -> Value:
    """`emb.weight`: a tensor of a shared layer, known when its weights do not depend on what flows in, or it was used before."""
    from .applying import owned_weights

    weights = owned_weights(shared, node)
    if node.name.text not in weights:
        raise Refusal(NoAttribute(node.name.span, f"the layer {shared.key}", node.name.text, tuple(weights)))
    weight = weights[node.name.text]
    owner = body.levels_up(shared.body)
    type_ = TensorType(weight.dtype, weight.shape)
    made = body.add(Weight(attribute=node.name.text), (), (type_,), node.span, shared.key, named=True, owner=owner)
    return body.tensor(made)


def _index(body: Body, node: ast.Index) -> Value:
    base = one(evaluate(body, node.base))
    if isinstance(base, Poison):
        return POISON
    if isinstance(base, Tensor):
        from .indexing import indexed

        return indexed(body, base, node)
    if isinstance(base, Items):
        return _item(body, base, node)
    if is_distribution(base):
        from .draws import repeated

        return repeated(body, base, node)
    raise Refusal(NotATensor(node.base.span, describe(base)))


def _item(body: Body, base: Items, node: ast.Index) -> Value:
    if len(node.items) != 1:
        raise Refusal(TooManyArguments(node.span, "a list", 1, len(node.items)))
    item, count = node.items[0], len(base.items)
    if isinstance(item, ast.Slice):
        ends = [
            None if end is None else numbers.known(body, evaluate(body, end), end.span, "the end of a slice")
            for end in (item.start, item.stop)
        ]
        return Items(base.items[ends[0] : ends[1]])
    if isinstance(item, ast.Rest):
        raise Refusal(BadArithmetic(item.span, "a list has no dims for ... to run over"))
    place = numbers.known(body, evaluate(body, item), item.span, "the index of a list")
    if not -count <= place < count:
        raise Refusal(BadArithmetic(item.span, f"a list of {count} has no item {place}"))
    return base.items[place]


def axis(body: Body, node: ast.Expr) -> Value:
    """The value of `dim=`: a bare name is a dim's name, a number an index."""
    if isinstance(node, ast.Name):
        value = body.scope.get(node.id)
        known = body.root().sizes.get(node.id)
        if known is not None or node.id[0].isupper() or value is MISSING:
            return AxisName(node.id, node.id if known is None else known.value.symbol)
    if isinstance(node, ast.Tuple | ast.List):
        return Items(tuple(axis(body, item) for item in node.items))
    return evaluate(body, node)

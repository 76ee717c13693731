"""What a body says about training: the next values of buffers, penalties, and averages of layers."""

from __future__ import annotations

from ...dsl import ast
from ...dsl.span import Span
from ..errors.calls import NotATensor, UnknownArgument, WrongTensorCount
from ..errors.draws import BadAverage, BadPenalty, NextDiffers, NextOfBuffer, PrimeOfParameter
from ..errors.shapes import BadArgument
from ..graph import Average, Next, Penalty
from ..layers import registry
from ..layers.base import Refusal
from ..shapes import Size
from ..values import Real, names_of
from .applying import apply_layer
from .body import Body
from .expressions import advice_on_tensors, evaluate, one, operator
from .limits import tensors_of
from .values import POISON, Averaged, LayerRecipe, PartRecipe, Poison, Shared, Tensor, Value, describe, fixed

DECAY = 0.996


# Buffers --------------------------------------------------------------------------------------------------------------


def is_declared(body: Body, name: str) -> bool:
    """Is it a `param` or `buffer` of this body, or of one around it?"""
    here: Body | None = body
    while here is not None:
        if name in here.buffers or name in here.learned:
            return True
        here = here.outer
    return False


def next_of_buffer(body: Body, target: ast.Primed, value: Value, span: Span) -> None:
    """`q' = value`"""
    name = target.id
    if name not in body.buffers:
        home = body.up(_floors(body, name))
        if name in home.learned:
            raise Refusal(PrimeOfParameter(target.span, name, *home.learned[name]))
        reason = "is set in a stack, once for each level; a buffer has one next value, set where it is declared"
        raise Refusal(NextOfBuffer(target.span, name, reason, home.buffers[name][1]))
    buffer, origin = body.buffers[name]
    if name in body.primes:
        raise Refusal(NextOfBuffer(target.span, name, "is given twice", origin))
    if isinstance(value, Poison):
        return
    if not isinstance(value, Tensor):
        raise Refusal(NotATensor(span, describe(value), advice_on_tensors(value)))
    wanted, got = buffer.type, value.type
    same = wanted.rank == got.rank and all(body.same(a, b) for a, b in zip(wanted.shape, got.shape, strict=True))
    if wanted.dtype != got.dtype or not same:
        raise Refusal(NextDiffers(span, name, str(wanted), str(got), origin))
    body.primes[name] = value
    key = body.nodes[buffer.ref.node].key
    body.add(Next(name=name), body.operands((value,)), (wanted,), target.span.to(span), key, named=True)


def _floors(body: Body, name: str) -> int:
    """How many bodies up the name is declared."""
    floors, here = 0, body
    while name not in here.buffers and name not in here.learned:
        assert here.outer is not None
        floors, here = floors + 1, here.outer
    return floors


# Penalties ------------------------------------------------------------------------------------------------------------


def penalty(body: Body, node: ast.PenaltyDef) -> Value:
    """`penalty name = value`: averaged where it is not one number."""
    name, value = node.name.text, one(evaluate(body, node.value))
    if isinstance(value, Poison):
        return POISON
    if not isinstance(value, Tensor):
        raise Refusal(NotATensor(node.value.span, describe(value), advice_on_tensors(value)))
    if value.type.dtype != "float":
        raise Refusal(BadPenalty(node.value.span, name, f"is {value.type}, and what is added to a loss is a float"))
    if name in body.penalties:
        raise Refusal(BadPenalty(node.name.span, name, "is there twice in this body"))
    body.penalties.add(name)
    if body.states is not None:
        return _charged(body, node, name, value)
    if value.type.rank:
        value = _applied(body, node, "mean", value, node.value.span)
    value = body.local(value)
    body.add(Penalty(name=name), (value.ref,), (value.type,), node.span)
    return value


def _charged(body: Body, node: ast.PenaltyDef, name: str, value: Tensor) -> Tensor:
    """A penalty of one step of a cell: a number an example, `[B, 1]`, which the cell hands out beside its outputs."""
    if not value.type.rank:
        raise Refusal(
            BadPenalty(node.value.span, name, "is one number in a cell, and that of a step is a number for each example")
        )
    if value.type.rank > 1:
        within = tuple(Size.of(axis) for axis in range(1, value.type.rank))
        value = _applied(body, node, "mean", value, node.value.span, dim=within)
    add_charge(body, name, _applied(body, node, "unsqueeze", value, node.value.span, dim=Size.of(1)), node.value.span)
    return value


def add_charge(body: Body, name: str, value: Tensor, span: Span) -> None:
    """A penalty of one step of a cell, `[B, 1]`; those of one name are summed."""
    if name in body.charged:
        total = one(operator(body, "+", (body.charged[name], value), span, (span, span)))
        assert isinstance(total, Tensor)
        value = total
    body.charged[name] = body.local(value)


def charge(body: Body, name: str, steps: Tensor, length: Tensor | None, node: ast.Node) -> None:
    """The penalty of a cell that went over time, `[B, T, N]`: its mean over examples, and over the steps inside their lengths."""
    if length is None:
        value = _applied(body, node, "mean", steps, node.span)
    else:
        counted = _applied(body, node, "sum", length, node.span)
        count = operator(body, "*", (counted, steps.type.shape[2]), node.span, (node.span, node.span))
        total = _applied(body, node, "sum", steps, node.span)
        value = one(operator(body, "/", (total, count), node.span, (node.span, node.span)))
    value = body.local(value)
    body.add(Penalty(name=name), (value.ref,), (value.type,), node.span)


def _applied(body: Body, node: ast.Node, layer: str, value: Tensor, span: Span, **options: Value) -> Tensor:
    found = one(apply_layer(body, LayerRecipe(registry()[layer], options, node, built=True), (value,), span, {}))
    assert isinstance(found, Tensor)
    return found


# Averages -------------------------------------------------------------------------------------------------------------


def average(body: Body, given: list[tuple[Value, Span]], named: dict[str, tuple[Value, Span]], node: ast.Call) -> Value:
    """`ema(f, decay=0.996)`"""
    for name in named:
        if name != "decay":
            raise Refusal(UnknownArgument(named[name][1], "ema", name, ("decay",)))
    positional = [*given, *named.values()]
    if not 1 <= len(positional) <= 2 or not given:
        raise Refusal(WrongTensorCount(node.span, "ema", "a layer and a decay", len(positional)))
    source, place = positional[0]
    decay, decay_place = positional[1] if len(positional) == 2 else (Real.of(DECAY), node.span)
    if not isinstance(source, Shared) or source.body is not body:
        reason = f"an average is of a layer that this body has named, but this is {describe(source)}"
        raise Refusal(BadAverage(place, reason, "name it first: layer f = …, then layer t = ema(f)"))
    if not isinstance(source.recipe, LayerRecipe | PartRecipe):
        reason = f"{source.key} is {describe(source.recipe)}, and an average is of one layer or one part"
        raise Refusal(BadAverage(place, reason, "put its steps into a block", source.span))
    if not isinstance(decay, Real | Size) or decay.value is None:
        raise Refusal(BadArgument(decay_place, "ema", "decay", "it must be a number", describe(decay)))
    number = decay.value if isinstance(decay, Real) else decay.number
    if number is None or not 0 <= number <= 1:
        raise Refusal(BadArgument(decay_place, "ema", "decay", "it must lie between 0 and 1", str(decay)))
    if names := names_of(decay.text):
        body.assume(fixed(names), "the decay of an average")
    return Averaged(source, float(number), node.span)


def averages(body: Body) -> tuple[Average, ...]:
    """The averages of a body that is built; those that nothing uses are not there."""
    nodes = {node.key: node for node in reversed(body.nodes) if node.key is not None and not node.owner}
    found = []
    for key, (source, decay, span) in body.averages.items():
        if key not in nodes:
            continue
        if source not in nodes:
            body.report(BadAverage(span, f"{source} is used nowhere, so it has no weights to be averaged"))
            continue
        shapes = [_shapes(body, name) for name in (key, source)]
        if shapes[0] != shapes[1]:
            reason = f"{key} follows the weights of {source}, but what flows into the two gives them weights of other shapes"
            body.report(BadAverage(span, reason, "", nodes[source].span))
            continue
        found.append(Average(key, source, decay))
    return tuple(found)


def _shapes(body: Body, key: str) -> object:
    """The shapes of all that stands under a key of the body."""
    whole = tensors_of(body.nodes)
    return {name.removeprefix(f"{key}."): shape for name, shape in whole.items() if name.startswith(f"{key}.")}

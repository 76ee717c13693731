"""`over(T, f)`: f at every place of a dim, with one set of weights. The dim is folded into the batch, f runs once, the dim comes back.

That is the same only if f keeps the examples of its batch apart, which is checked step by step (see `apart`).
"""

from __future__ import annotations

from ...dsl import ast
from ...dsl.span import Span
from ..errors.callables import MixesExamples, OverTakes
from ..errors.shapes import NoSuchDim
from ..graph import Ref
from ..layers import registry
from ..layers._rules import axis as place_of
from ..layers.base import Refusal
from ..shapes import Size
from ..values import AxisName
from .apart import mixing
from .applying import apply, apply_layer
from .body import Body, LayerChecker
from .expressions import axis, evaluate, one
from .values import CALLABLES, POISON, LayerRecipe, Outputs, OverRecipe, Places, Poison, Tensor, Value, describe


def built(body: Body, node: ast.Call) -> Value:
    """`over(T, f)` as a callable."""
    values = [arg for arg in node.args if arg.name is None]
    if len(values) != 2 or len(node.args) != 2:
        raise Refusal(OverTakes(node.span, f"{len(node.args)} arguments" if len(node.args) != 1 else "1 argument"))
    dim, callee = axis(body, values[0].value), one(evaluate(body, values[1].value))
    if isinstance(dim, Poison) or isinstance(callee, Poison):
        return POISON
    if not isinstance(dim, AxisName | Size):
        raise Refusal(OverTakes(values[0].value.span, describe(dim)))
    if not isinstance(callee, CALLABLES):
        raise Refusal(OverTakes(values[1].value.span, describe(callee)))
    return OverRecipe(dim, callee, node)


def apply_over(body: Body, recipe: OverRecipe, values: tuple[Value, ...], span: Span, places: Places) -> Value:
    """The tensors with the dim folded into their batch, f, and the dim put back where it was."""
    tensors = tuple(one(value) for value in values)
    for number, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            raise Refusal(OverTakes(places.get(number, span), describe(tensor)))
    at = tuple(_place(body, recipe, tensor, span) for tensor in tensors)
    sizes = tensors[0].type.shape[at[0]]
    before = len(body.nodes)
    folded = tuple(_folded(body, tensor, place, span) for tensor, place in zip(tensors, at, strict=True))
    result = apply(body, recipe.recipe, folded, {}, span, places)
    if isinstance(result, Poison):
        return POISON
    outputs = result.items if isinstance(result, Outputs) else (result,)
    joined = folded[0].type.shape[0]
    for output in outputs:
        if not isinstance(output, Tensor) or not output.type.rank or not body.same(output.type.shape[0], joined):
            raise Refusal(MixesExamples(span, "what it gives", describe(output), f"a batch of {joined}"))
    culprit = mixing(body.nodes, {tensor.ref for tensor in folded}, before)
    if culprit is not None:
        raise Refusal(MixesExamples(span, culprit.op.title, "", "", culprit.span))
    results = tuple(_unfolded(body, output, at[0], sizes, span) for output in outputs)
    return results[0] if len(results) == 1 else Outputs(results)


def _place(body: Body, recipe: OverRecipe, tensor: Tensor, span: Span) -> int:
    see = LayerChecker(body, (tensor,), {"dim": recipe.occurrence.span}, span)
    place = place_of(see, "over", recipe.dim, tensor.type)
    if place == 0:
        raise Refusal(
            NoSuchDim(recipe.occurrence.span, "over", "0", str(tensor.type), "has the batch there, not a dim to go over")
        )
    return place


def _letters(rank: int) -> list[str]:
    return ["b", *(f"d{i}" for i in range(1, rank))]


def _folded(body: Body, tensor: Tensor, place: int, span: Span) -> Tensor:
    names = _letters(tensor.type.rank)
    rest = [name for i, name in enumerate(names) if i not in (0, place)]
    return _rearranged(body, tensor, f"{' '.join(names)} -> {' '.join([f'(b d{place})', *rest])}", {}, span)


def _unfolded(body: Body, tensor: Tensor, place: int, size: Size, span: Span) -> Tensor:
    """The dim back at its place, or last where f has made a tensor of fewer dims."""
    names = _letters(tensor.type.rank)[1:]
    back = min(place, len(names) + 1)
    order = ["b", *names[: back - 1], "t", *names[back - 1 :]]
    return _rearranged(body, tensor, f"{' '.join(['(b t)', *names])} -> {' '.join(order)}", {"t": size}, span)


def _rearranged(body: Body, tensor: Tensor, pattern: str, sizes: dict[str, Size], span: Span) -> Tensor:
    arguments: dict[str, Value] = {"pattern": pattern, **({"sizes": sizes} if sizes else {})}
    recipe = LayerRecipe(registry()["rearrange"], arguments, ast.Name("rearrange", span=span), built=True)
    result = apply_layer(body, recipe, (tensor,), span, {})
    assert isinstance(result, Tensor)
    assert isinstance(result.ref, Ref)
    return result

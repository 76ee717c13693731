"""`x[:, -1]`: the items of an index, checked and handed to the registry's `index`."""

from __future__ import annotations

from ...dsl import ast
from ..errors.calls import NotCompileTime
from ..layers import registry
from ..layers.base import Refusal
from ..layers.indexing import At, Item, Mark, Slice
from ..shapes import Size
from .applying import apply_layer
from .body import Body
from .expressions import evaluate, one
from .values import POISON, LayerRecipe, Poison, Tensor, Value, describe


def indexed(body: Body, base: Tensor, node: ast.Index) -> Value:
    """A tensor with brackets behind it."""
    items: list[Item] = [Slice()] if body.rows else []
    for item in node.items:
        made = _item(body, item)
        if made is None:
            return POISON
        items.append(made)
    recipe = LayerRecipe(registry()["index"], {"items": tuple(items)}, node, built=True)
    return apply_layer(body, recipe, (base,), node.span, {0: node.base.span})


def _item(body: Body, item: ast.Expr | ast.Slice | ast.Rest) -> Item | None:
    if isinstance(item, ast.Rest):
        return Mark(kind="...")
    if isinstance(item, ast.Slice):
        ends = [None if end is None else _place(body, end) for end in (item.start, item.stop)]
        start, stop = ends
        return None if isinstance(start, Poison) or isinstance(stop, Poison) else Slice(start=start, stop=stop)
    value = one(evaluate(body, item))
    if value is None:
        return Mark(kind="none")
    if isinstance(value, Poison):
        return None
    if isinstance(value, Size):
        return At(place=value)
    raise Refusal(NotCompileTime(item.span, "the index of a tensor", describe(value)))


def _place(body: Body, node: ast.Expr) -> Size | Poison:
    value = one(evaluate(body, node))
    if isinstance(value, Size | Poison):
        return value
    raise Refusal(NotCompileTime(node.span, "the end of a slice", describe(value)))

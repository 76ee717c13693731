"""Columns speak of one row, and their graphs work on batches: how an op means the one when it is applied to the other.

Comes in: an op with operands whose first dim is the row. Goes out: the operands and arguments with which it works on each row by itself:
operands of fewer dims get dims of 1 behind the row, dims are counted behind it, and an op that works along all dims leaves it alone.
"""

from __future__ import annotations

from typing import Any

from ...dsl import ast
from ...dsl.span import Span
from ..errors.columns import NoRowDim, OverSequence
from ..graph import TensorType
from ..layers.base import Layer, Refusal
from ..layers.indexing import Item, Mark, Slice
from ..shapes import Size
from .body import Body
from .values import LayerRecipe, Tensor, Value

DIMS = frozenset({"dim", "dims", "dim0", "dim1"})
ALONG = frozenset({"softmax", "log_softmax", "flip", "roll"})
BROADCAST = frozenset({"arithmetic", "comparison"})
SPREAD = {"expand": Size.of(-1), "repeat": Size.of(1)}  # what stands for the row in a list of sizes


def is_row(value: Value) -> bool:
    """Does it have one for each row? What was fitted does not."""
    return isinstance(value, Tensor) and value.type.rank > 0 and str(value.type.shape[0].value) == "B"


def operands(body: Body, layer: type[Layer], values: tuple[Value, ...], span: Span) -> tuple[Value, ...]:
    """The operands as they meet, row by row."""
    rows = [value for value in values if isinstance(value, Tensor) and is_row(value)]
    if layer.name == "concat":
        return tuple(widened(body, value, 2, span) if isinstance(value, Tensor) and is_row(value) else value for value in values)
    together = layer.family in BROADCAST or (layer.family == "reduction" and len(values) > 1)
    if not together or not rows:
        if layer.name in ("@", "matmul") and any(row.type.rank == 2 for row in rows):
            raise Refusal(NoRowDim(span, layer.name, "a vector", "two dims"))
        return values
    rank = max(row.type.rank for row in rows)
    return tuple(widened(body, value, rank, span) if isinstance(value, Tensor) and is_row(value) else value for value in values)


def widened(body: Body, value: Tensor, rank: int, span: Span) -> Tensor:
    """The tensor with dims of 1 behind its row, up to that many dims."""
    missing = rank - value.type.rank
    if missing <= 0:
        return value
    from ..layers import registry
    from .applying import apply_layer

    items: tuple[Item, ...] = (Slice(), *(Mark(kind="none") for _ in range(missing)))
    found = apply_layer(
        body, LayerRecipe(registry()["index"], {"items": items}, ast.Name("index", span=span), built=True), (value,), span, {}
    )
    assert isinstance(found, Tensor)
    return found


def arguments(layer: type[Layer], raw: dict[str, Any], values: tuple[Value, ...], span: Span) -> dict[str, Any]:
    """The arguments with dims counted behind the row."""
    types = [value.type for value in values if isinstance(value, Tensor)]
    if not types or not any(map(is_row, values)) or layer.name == "index":
        return raw
    first = types[0]
    found = dict(raw)
    for name in DIMS & set(layer.model_fields):
        default = layer.model_fields[name].default
        given = raw.get(name, default)
        if given is None and layer.family == "reduction" and len(types) == 1:
            if first.rank == 1:
                raise Refusal(NoRowDim(span, layer.name, "one number", "the numbers"))
            found[name] = tuple(Size.of(at) for at in range(1, first.rank))
        elif given is not None and (name in raw or layer.name in ("pack", "unsqueeze")):
            found[name] = _behind(layer, given, first, span)
        elif isinstance(given, Size):
            _behind(layer, given, first, span)
    if layer.family == "reduction" or layer.name in ALONG:
        over = found.get("dim", found.get("dims", layer.model_fields["dim" if "dim" in layer.model_fields else "dims"].default))
        for dim in over if isinstance(over, tuple) else (over,):
            if (
                isinstance(dim, Size)
                and dim.number is not None
                and dim.number < first.rank
                and first.shape[dim.number].number is None
            ):
                raise Refusal(OverSequence(span, layer.name, str(first)))
    if layer.name == "permute" and "dims" in found:
        found["dims"] = (Size.of(0), *found["dims"])
    if layer.name in SPREAD and "sizes" in found:
        found["sizes"] = (SPREAD[layer.name], *found["sizes"])
    if layer.name == "rearrange" and isinstance(found.get("pattern"), str):
        found["pattern"] = " -> ".join(f"row {side.strip()}" for side in found["pattern"].split("->"))
    return found


def _behind(layer: type[Layer], dim: Any, x: TensorType, span: Span) -> Any:
    if isinstance(dim, tuple):
        return tuple(_behind(layer, item, x, span) for item in dim)
    if not isinstance(dim, Size) or dim.number is None:
        return dim
    rank = x.rank + (1 if layer.name in ("pack", "unsqueeze") else 0)
    if dim.number < 0 and -dim.number >= rank:
        row = "one number" if x.rank == 1 else f"of {x.rank - 1} dims"
        raise Refusal(NoRowDim(span, layer.name, row, f"dim {dim.number}"))
    return dim if dim.number < 0 else Size.of(dim.number + 1)

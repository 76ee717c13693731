"""Does a computation keep the examples of a batch apart? Then a further dim may be folded into the batch.

Each step that reads a tensor whose first dim is the batch must hand that dim on in its place and compute each row from the same row of
what it reads. Statistics of `batch_norm` are the one exception: they are over all rows, as in PyTorch, where time is folded into the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Input, Node, Ref, Repeat, Use
from ..layers.base import Layer, names_dims
from ..layers.indexing import Slice
from ..shapes import Size
from ..values import AxisName

ALL_DIMS = frozenset({"reduction"})  # families that work on all dims where none is said


def mixing(nodes: Sequence[Node], folded: set[Ref], start: int) -> Node | None:
    """The first step from `start` on that mixes the rows of the tensors in `folded`, or moves them; none where all keep them apart."""
    folded = set(folded)
    for number in range(start, len(nodes)):
        node = nodes[number]
        given = [place for place, operand in enumerate(node.inputs) if isinstance(operand, Ref) and operand in folded]
        if not given or Ref(number) in folded:
            continue
        culprit = _mixes(nodes, node, given)
        if culprit is not None:
            return culprit
        folded |= {Ref(number, output) for output in range(len(node.outputs))}
    return None


def _mixes(nodes: Sequence[Node], node: Node, given: list[int]) -> Node | None:
    match node.op:
        case Use(graph=graph):
            return _inside(graph.nodes, given)
        case Repeat(levels=levels):
            return next((found for level in levels if (found := _inside(level.graph.nodes, given)) is not None), None)
        case Layer():
            return None if _row_by_row(nodes, node, node.op, given) else node
    return None


def _inside(nodes: tuple[Node, ...], given: list[int]) -> Node | None:
    inputs = [number for number, node in enumerate(nodes) if isinstance(node.op, Input)]
    return mixing(nodes, {Ref(inputs[place]) for place in given if place < len(inputs)}, 0)


def _row_by_row(nodes: Sequence[Node], node: Node, layer: Layer, given: list[int]) -> bool:
    ranks = {
        place: nodes[ref.node].outputs[ref.output].type.rank for place, ref in enumerate(node.inputs) if isinstance(ref, Ref)
    }
    rank = ranks[given[0]]
    if len({ranks[place] for place in given}) > 1 or rank == 0:
        return False
    match layer.name:
        case "rearrange" | "einsum":
            return _pattern(str(getattr(layer, "pattern", "")), given)
        case "index":
            return bool(layer.items) and layer.items[0] in (Slice(), *_ellipses(layer))  # type: ignore[attr-defined]
        case "matmul" | "@":
            return rank > 2 or given == [0]
        case "unsqueeze":
            return bool(layer.dim.number % (rank + 1))  # type: ignore[attr-defined]
        case "repeat" | "expand":
            sizes = layer.sizes  # type: ignore[attr-defined]
            return len(sizes) == rank and (layer.name == "expand" or sizes[0].number == 1)
        case "transpose":
            return _named_dims(layer, rank) if layer.dim0 is not None else rank > 2  # type: ignore[attr-defined]
        case "permute":
            first = layer.dims[0] if isinstance(layer.dims, tuple) else layer.dims  # type: ignore[attr-defined]
            return _is_first(first, rank)
        case "flatten":
            return not _is_first(layer.start_dim, rank)  # type: ignore[attr-defined]
        case "pad":
            return len(layer.pad) < 2 * rank  # type: ignore[attr-defined]
    if layer.family in ("loss", "metric"):
        return False
    return _named_dims(layer, rank)


def _ellipses(layer: Layer) -> list[object]:
    return [item for item in layer.items[:1] if getattr(item, "kind", "") == "..."]  # type: ignore[attr-defined]


def _pattern(pattern: str, given: list[int]) -> bool:
    """The first name of each operand that has the batch is the first of the result."""
    left, _, right = pattern.partition("->")
    operands = [operand.split() for operand in left.split(",")]
    first = right.split()[:1]
    return bool(first) and not first[0].startswith(("(", ".")) and all(operands[place][:1] == first for place in given)


def _named_dims(layer: Layer, rank: int) -> bool:
    """No dim that the layer is told to work on is the first."""
    for field in type(layer).model_fields:
        if not names_dims(type(layer), field):
            continue
        value = getattr(layer, field)
        if value is None and (layer.family in ALL_DIMS or layer.name == "roll"):
            return False
        for dim in value if isinstance(value, tuple) else (value,):
            if _is_first(dim, rank):
                return False
    return True


def _is_first(dim: object, rank: int) -> bool:
    """Is it the first of `rank` dims, or may it be?"""
    if isinstance(dim, Size):
        return dim.number is None or dim.number % rank == 0
    return isinstance(dim, AxisName) and dim.at in (0, None)

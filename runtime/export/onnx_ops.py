"""Operations that torch writes to ONNX for the traced sizes only, said for all sizes.

Adaptive pooling cuts each dim into cells that begin at floor(i * size / cells) and end at ceil((i + 1) * size / cells), as PyTorch defines
it. A cell is a product of ranges, so the dims are pooled one after another.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch


def table() -> dict[Any, Callable[..., Any]]:
    """The translations, for `torch.onnx.export(custom_translation_table=…)`."""
    aten = torch.ops.aten
    return {
        aten.adaptive_avg_pool1d.default: _average,
        aten.adaptive_avg_pool2d.default: _average,
        aten.adaptive_avg_pool3d.default: _average,
        aten.adaptive_max_pool1d.default: _maximum,
        aten.adaptive_max_pool2d.default: _maximum,
        aten.adaptive_max_pool3d.default: _maximum,
    }


def _average(x: Any, output_size: Sequence[int]) -> Any:
    return _pooled(x, output_size, "ReduceMean")


def _maximum(x: Any, output_size: Sequence[int]) -> Any:
    """The greatest values; where they stood is not told, as nothing that archc writes asks for it."""
    from onnxscript import opset20 as op

    return _pooled(x, output_size, "ReduceMax"), op.Constant(value_ints=[0])


def _pooled(x: Any, cells: Sequence[int], reduce: str) -> Any:
    from onnxscript import opset20 as op

    for axis, count in enumerate(cells, start=2):
        size = op.Shape(x, start=axis, end=axis + 1)
        along = op.Constant(value_ints=[axis])
        parts = [getattr(op, reduce)(_cell(op, x, size, along, i, count), along, keepdims=1) for i in range(count)]
        x = op.Concat(*parts, axis=axis) if count > 1 else parts[0]
    return x


def _cell(op: Any, x: Any, size: Any, along: Any, i: int, count: int) -> Any:
    """Cell `i` of `count` along an axis."""
    whole = op.Constant(value_ints=[count])
    start = op.Div(op.Mul(size, op.Constant(value_ints=[i])), whole)
    end = op.Div(op.Add(op.Mul(size, op.Constant(value_ints=[i + 1])), op.Constant(value_ints=[count - 1])), whole)
    return op.Slice(x, start, end, along)

"""A layer's text on real tensors: what a generated file would do with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from archc.compiler.emit.code import Code, Show
from archc.compiler.graph import TensorType
from archc.compiler.layers.base import Layer
from archc.compiler.shapes import Size
from archc.compiler.values import Real

from .drawing import Draw, Given

DTYPES = {"float": torch.float32, "int": torch.int64, "bool": torch.bool}


@dataclass(frozen=True)
class Result:
    outputs: tuple[Tensor, ...]
    module: nn.Module | None


def real(given: Given, draw: Draw, which: int) -> Any:
    """A tensor of the type, or the number."""
    if isinstance(given, bool):
        return given
    if isinstance(given, Size):
        return given.number
    if isinstance(given, Real):
        return given.value
    sizes = [size.number or 0 for size in given.shape]
    if which in draw.values:
        return torch.tensor(draw.values[which], dtype=DTYPES[given.dtype])
    if given.dtype == "float":
        return torch.rand(sizes) * 0.9 + 0.05
    if given.dtype == "bool":
        return torch.rand(sizes) > (0.5 if draw.high == 2 else -1)
    return torch.randint(1 if draw.high > 2 else 0, draw.high, sizes)


def literal(given: Given, which: int) -> Code:
    """The operand in the text: a name, or the number as written."""
    if isinstance(given, TensorType):
        return Code(f"x{which}")
    return Show({}).code(given)


def run(layer: Layer, draw: Draw, names: Mapping[str, int], outputs: tuple[TensorType, ...] = ()) -> Result:
    """Constructs its module and applies it, as text; sizes stand in the text under `names`."""
    show = Show({name: name for name in names}, "layer", draw.operands, outputs)
    scope: dict[str, Any] = {"torch": torch, "nn": nn, "F": F, "math": math, "Tensor": Tensor} | dict(names)
    scope |= {f"x{which}": real(given, draw, which) for which, given in enumerate(draw.operands)}
    if layer.family == "loss":
        next(given for given in scope.values() if isinstance(given, Tensor) and given.is_floating_point()).requires_grad_()
    if layer.called():
        exec(layer.called(), scope)
    module = None
    if type(layer).owns or type(layer).stateful:
        module = scope["layer"] = eval(layer.module(show, *draw.operands), scope)
    text = layer.forward(show, *(literal(given, which) for which, given in enumerate(draw.operands)))
    found = eval(str(text), scope)
    if layer.family == "loss":
        found.sum().backward()
    return Result(found if isinstance(found, tuple) else tuple(found) if isinstance(found, list) else (found,), module)

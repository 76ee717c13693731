"""What the layers say of themselves, and the passes rely on, is true of what PyTorch computes: for each layer, with drawn arguments."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from archc.compiler.emit.code import Code, Show
from archc.compiler.graph import TensorType
from archc.compiler.layers import registry
from archc.compiler.layers._arguments import Misfit
from archc.compiler.layers.base import Layer, Refusal
from archc.compiler.shapes import Size
from archc.compiler.values import Real

from ..layers import drawn_networks, drawn_ops
from ..layers.checking import Alone
from ..layers.drawing import DRAWERS, Draw
from ..layers.running import real

assert all((drawn_networks, drawn_ops))  # each fills DRAWERS
LAYERS = registry()
NEUTRAL = [name for name in LAYERS if LAYERS[name].neutral != (None, None)]
TWICE = [name for name in LAYERS if LAYERS[name].twice]
STILL = [name for name in LAYERS if LAYERS[name].still]
ORDER = [name for name in LAYERS if LAYERS[name].order is not Layer.order]
DRAWS = 200


def cases(name: str) -> Iterator[tuple[Layer, Draw, tuple[TensorType, ...]]]:
    """Drawn cases of a layer that it takes, with what comes out; at least some."""
    r, found = Random(f"facts of {name}"), 0
    for _ in range(DRAWS):
        draw = DRAWERS[name](r)
        try:
            layer = LAYERS[name](**{key: given(value) for key, value in draw.arguments.items()})
            types = layer.infer(Alone(), *draw.operands)
        except (Refusal, Misfit):
            continue
        found += 1
        yield layer, draw, types if isinstance(types, tuple) else (types,)
    assert found >= 10


def given(value: Any) -> Any:
    """A drawn argument as the compiler would hand it over."""
    if isinstance(value, list):
        return tuple(given(item) for item in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return Size.of(value) if isinstance(value, int) else Real.of(value)


def applied(layer: Layer, types: tuple[Any, ...], *operands: Any) -> Tensor:
    """The layer's text on tensors and numbers."""
    scope: dict[str, Any] = {"torch": torch, "F": F, "nn": nn, "math": math}
    scope |= {f"x{k}": operand for k, operand in enumerate(operands)}
    code = layer.forward(Show({}, "", types), *(Code(f"x{k}") for k in range(len(operands))))
    result = eval(str(code), scope)
    assert isinstance(result, Tensor)
    return result


def drawn(type_: TensorType, draw: Draw, which: int) -> Any:
    """A tensor of both signs."""
    found = real(type_, draw, which)
    return found * 4 - 2 if isinstance(found, Tensor) and found.is_floating_point() else found


def test_each_fact_has_a_layer() -> None:
    assert len(NEUTRAL) == 5
    assert {"neg", "not", "flip", "relu", "clip"} <= set(TWICE)
    assert {"reshape", "flatten", "squeeze", "unsqueeze", "index", "concat", "float"} <= set(STILL)
    assert set(ORDER) == {"transpose", "permute"}
    assert not [name for name in {*NEUTRAL, *TWICE, *STILL, *ORDER} if not LAYERS[name].pure or LAYERS[name].owns]


@pytest.mark.parametrize("name", NEUTRAL)
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("dtype", ["float", "int"])
def test_neutral(name: str, side: int, dtype: Any) -> None:
    number = LAYERS[name].neutral[side]
    if number is None:
        pytest.skip("there is none on this side")
    x = torch.tensor([-2.5, 0.0, 3.0, math.inf, math.nan]) if dtype == "float" else torch.tensor([-2, 0, 3])
    type_ = TensorType(dtype, (Size.of(len(x)),))
    for constant in (Size.of(int(number)), Real.of(float(number))):
        types = (constant, type_) if side == 0 else (type_, constant)
        written = int(number) if isinstance(constant, Size) else float(number)
        inferred = LAYERS[name]().infer(Alone(), *types)
        found = applied(LAYERS[name](), types, *((written, x) if side == 0 else (x, written)))
        if inferred == type_:
            assert found.dtype == x.dtype
            assert torch.equal(found.nan_to_num(7), x.nan_to_num(7))


@pytest.mark.parametrize("name", TWICE)
def test_twice(name: str) -> None:
    for layer, draw, types in cases(name):
        x = drawn(draw.operands[0], draw, 0)  # type: ignore[arg-type]
        if layer.infer(Alone(), types[0]) != types[0]:
            continue
        once = applied(layer, draw.operands, x)
        again = applied(layer, types, once)
        if layer.twice == "once":
            assert torch.equal(again, once)
        elif types[0] == draw.operands[0]:
            assert torch.equal(again, x)


@pytest.mark.parametrize("name", STILL)
def test_still(name: str) -> None:
    seen = 0
    for layer, draw, types in cases(name):
        if len(draw.operands) > 1 or not isinstance(draw.operands[0], TensorType) or draw.operands[0].dtype != types[0].dtype:
            continue
        x = drawn(draw.operands[0], draw, 0)
        y = applied(layer, draw.operands, x)
        if x.numel() == y.numel():
            seen += 1
            assert torch.equal(y.flatten(), x.flatten())
    assert seen


@pytest.mark.parametrize("name", ORDER)
def test_order(name: str) -> None:
    for layer, draw, _ in cases(name):
        x = drawn(draw.operands[0], draw, 0)  # type: ignore[arg-type]
        order = layer.order(*draw.operands)
        assert order is not None
        assert torch.equal(applied(layer, draw.operands, x), x.permute(order))

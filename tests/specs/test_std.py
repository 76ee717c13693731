"""The standard library: each block imported by a spec and held against the same block written by hand in plain PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archc
from archc.dsl import ast
from archc.dsl.diagnostic import Report
from archc.dsl.parser import parse
from archc.runtime.specs import library, read_spec

from .independent import carry_over, shake

Act = Callable[[], nn.Module]


def unit(into: int, out: int, kernel: int = 3, stride: int = 1, groups: int = 1, act: Act | None = nn.ReLU) -> nn.Sequential:
    convolution = nn.Conv2d(into, out, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), *([] if act is None else [act()]))


class Sum(nn.Module):
    """What a residual block computes: its branches added up, and what comes after."""

    def __init__(self, *branches: nn.Module, after: Act = nn.Identity) -> None:
        super().__init__()
        self.branches, self.after = nn.ModuleList(branches), after()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.after(sum(branch(x) for branch in self.branches))
        return result


class Gate(nn.Module):
    """One branch times another."""

    def __init__(self, value: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.value, self.gate = value, gate

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.value(x) * self.gate(x)
        return result


class SwishOfAHalf(nn.Module):
    """F.glu: the first half of the channels times the sigmoid of the second."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(into, out), nn.Linear(into, out)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.glu(torch.cat([self.first(x), self.second(x)], dim=-1), dim=-1)


def basic(into: int, width: int, stride: int = 1) -> nn.Module:
    skip = nn.Identity() if stride == 1 and into == width else unit(into, width, 1, stride, act=None)
    return Sum(nn.Sequential(unit(into, width, 3, stride), unit(width, width, act=None)), skip, after=nn.ReLU)


def bottleneck(into: int, width: int, stride: int = 1, groups: int = 1, expansion: int = 4) -> nn.Module:
    out = expansion * width
    main = nn.Sequential(unit(into, width, 1), unit(width, width, 3, stride, groups), unit(width, out, 1, act=None))
    return Sum(main, nn.Identity() if stride == 1 and into == out else unit(into, out, 1, stride, act=None), after=nn.ReLU)


def inverted(into: int, width: int, stride: int = 1, expansion: int = 6) -> nn.Module:
    wide = expansion * into
    first = [unit(into, wide, 1, act=nn.ReLU6)] if expansion != 1 else []
    main = nn.Sequential(*first, unit(wide, wide, 3, stride, wide, nn.ReLU6), unit(wide, width, 1, act=None))
    return Sum(main, nn.Identity()) if stride == 1 and into == width else main


def squeeze_excite(channels: int, squeeze: int) -> nn.Module:
    opened = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, squeeze, 1), nn.ReLU(), nn.Conv2d(squeeze, channels, 1), nn.Sigmoid()
    )
    return Gate(nn.Identity(), opened)


def mlp(width: int, inner: int, act: Act = nn.GELU) -> nn.Module:
    return nn.Sequential(nn.Linear(width, inner), act(), nn.Linear(inner, width))


IMAGE, ROW, TOKENS = (3, 8, 10, 14), (3, 12), (3, 5, 12)
CASES: list[tuple[str, Callable[[], nn.Module], tuple[int, ...]]] = [
    ("ConvNormRelu(6)", partial(unit, 8, 6), IMAGE),
    ("ConvNormRelu(16, 5, 2, groups=4, act=silu)", partial(unit, 8, 16, 5, 2, 4, nn.SiLU), IMAGE),
    ("ConvNorm(6, 1)", partial(unit, 8, 6, 1, act=None), IMAGE),
    ("Shortcut(8)", nn.Identity, IMAGE),
    ("Shortcut(8, 2)", partial(unit, 8, 8, 1, 2, act=None), IMAGE),
    ("BasicBlock(8)", partial(basic, 8, 8), IMAGE),
    ("BasicBlock(12, stride=2)", partial(basic, 8, 12, 2), IMAGE),
    ("Bottleneck(2)", partial(bottleneck, 8, 2), IMAGE),
    ("Bottleneck(8, stride=2, groups=4)", partial(bottleneck, 8, 8, 2, 4), IMAGE),
    ("Bottleneck(6, expansion=2)", partial(bottleneck, 8, 6, expansion=2), IMAGE),
    ("SqueezeExcite(3)", partial(squeeze_excite, 8, 3), IMAGE),
    ("InvertedResidual(8)", partial(inverted, 8, 8), IMAGE),
    ("InvertedResidual(10, stride=2, expansion=3)", partial(inverted, 8, 10, 2, 3), IMAGE),
    ("InvertedResidual(8, expansion=1)", partial(inverted, 8, 8, expansion=1), IMAGE),
    ("DoubleConv(6)", lambda: nn.Sequential(unit(8, 6), unit(6, 6)), IMAGE),
    ("SeparableConv(6, stride=2)", lambda: nn.Sequential(unit(8, 8, 3, 2, 8), unit(8, 6, 1)), IMAGE),
    ("MLP(7)", partial(mlp, 12, 7), TOKENS),
    ("MLP(7, act=relu)", partial(mlp, 12, 7, nn.ReLU), ROW),
    ("GatedLinear(7)", partial(SwishOfAHalf, 12, 7), TOKENS),
    (
        "GatedLinear(7, act=silu, bias=false)",
        lambda: Gate(nn.Linear(12, 7, bias=False), nn.Sequential(nn.Linear(12, 7, bias=False), nn.SiLU())),
        ROW,
    ),
    ("ResidualMLP(9)", lambda: Sum(nn.Identity(), nn.Sequential(nn.LayerNorm(12), mlp(12, 9, nn.ReLU))), TOKENS),
]


def using(call: str, shape: tuple[int, ...], folder: Path) -> Path:
    """A spec that imports one block and applies it."""
    dims = {4: f"B, {shape[1]}, H, W", 3: f"B, T, {shape[-1]}", 2: f"B, {shape[-1]}"}[len(shape)]
    file = folder / "uses.arch"
    name = call.partition("(")[0]
    file.write_text(f"from std.blocks import {name}\n\nmodel Uses(x: [{dims}]) {{\n    return x -> {call}\n}}\n")
    return file


@pytest.mark.parametrize(("call", "by_hand", "shape"), CASES, ids=[call for call, _, _ in CASES])
def test_a_block_is_what_its_paper_says(
    call: str, by_hand: Callable[[], nn.Module], shape: tuple[int, ...], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    spec = using(call, shape, tmp_path)
    assert not archc.check(spec).diagnostics
    ours, theirs = archc.load(spec).double(), by_hand().double()
    shake(theirs)
    carry_over(theirs, ours)
    for train in (True, False):
        ours.train(train)
        theirs.train(train)
        x, y = (
            torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_() for _ in "xy"
        )
        mine, other = ours(x), theirs(y)
        assert torch.allclose(mine, other, rtol=1e-9, atol=1e-10)
        torch.autograd.backward(mine.square().sum())
        torch.autograd.backward(other.square().sum())
        assert x.grad is not None
        assert y.grad is not None
        assert torch.allclose(x.grad, y.grad, rtol=1e-8, atol=1e-10)
    for mine_b, other_b in zip(ours.buffers(), theirs.buffers(), strict=True):
        assert torch.allclose(mine_b.double(), other_b.double())


def blocks(*modules: str) -> dict[str, Any]:
    """The declarations of these modules, or of all, with their comments."""
    return {
        item.name.text: item
        for path in (library()[module] for module in modules or library())
        for item in parse(read_spec(path), Report()).items
        if isinstance(item, ast.Declaration)
    }


def test_every_block_is_tested_and_says_what_it_is() -> None:
    convolutional = set(blocks("std.blocks"))  # the other modules have tests of their own
    tested = {call.partition("(")[0] for call, _, _ in CASES}
    assert convolutional - tested == set()
    for name, item in blocks().items():
        assert item.doc, name


@pytest.mark.parametrize("module", sorted(library()))
def test_a_module_is_right_by_itself(module: str) -> None:
    assert not archc.check(library()[module]).diagnostics

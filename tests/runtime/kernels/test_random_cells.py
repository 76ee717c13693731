"""Cells drawn at random: their kernels give, in float64, what the steps in PyTorch give, and all gradients; many in one library."""

import pytest
import torch
from torch import Tensor, nn

from archc.compiler.plan import RecurrencePlan
from archc.dsl.source import Source
from archc.runtime.compiling import Wanted, compiled
from archc.runtime.kernels import operator
from archc.runtime.kernels.attach import attach
from archc.runtime.loader import build

from .drawn import Cell


def results(net: nn.Module, x: Tensor, n: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    y = net(x, n)
    weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    leaves = [x, *net.parameters()]
    found = torch.autograd.grad((y * weight).sum(), leaves, allow_unused=True)
    return [y, *(torch.zeros_like(leaf) if gradient is None else gradient for leaf, gradient in zip(leaves, found, strict=True))]


def compare(seeds: range) -> None:
    cells = [compiled(Source(f"cell{seed}.arch", Cell(seed).text), Wanted()) for seed in seeds]
    plans: list[RecurrencePlan] = [cell.plan.model.recurrences[0] for cell in cells]
    operator.register_all([plan.equations for plan in plans if plan.equations is not None], torch.float64)
    before = operator.ran.total()
    for seed, cell in zip(seeds, cells, strict=True):
        torch.manual_seed(seed)
        plain, fused = build(cell).double(), build(cell).double()
        fused.load_state_dict(plain.state_dict())
        attach(fused, cell.plan.model.recurrences)
        x, n = torch.randn(5, 4, 3, dtype=torch.float64), torch.tensor([4, 1, 3, 4, 2])
        for want, got in zip(results(plain, x, n), results(fused, x, n), strict=True):
            assert torch.allclose(got, want, rtol=1e-9, atol=1e-10), f"cell {seed} differs by {float((got - want).abs().max())}"
    assert operator.ran.total() - before >= 0.8 * len(cells)


def test_twenty_cells() -> None:
    compare(range(20))


@pytest.mark.slow
@pytest.mark.parametrize("start", range(100, 400, 20))
def test_three_hundred_cells(start: int) -> None:
    compare(range(start, start + 20))

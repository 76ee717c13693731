"""Cells drawn at random: what their kernels compute, in numbers and in all gradients, is what PyTorch computes step by step."""

from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from torch import Tensor, nn

from archc.dsl.source import Source
from archc.runtime.compiling import Wanted, compiled
from archc.runtime.kernels import build, operator, scan
from archc.runtime.kernels.attach import attach
from archc.runtime.loader import build as built
from archc.runtime.train.determinism import pinned

from .cells import cells

FLAGS = tuple("-O1" if flag == "-O3" else flag for flag in build.FLAGS)  # the same numbers, built sooner
TOGETHER = 20  # cells in one library


def drawn(count: int, *, products: bool = True) -> list[str]:
    """So many different cells, the same ones at each call."""
    found: list[str] = []

    @settings(
        max_examples=count, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(cells(products=products))
    def collect(text: str) -> None:
        found.append(text)

    collect()
    return list(dict.fromkeys(found))


def results(net: nn.Module, given: Tensor, n: Tensor) -> list[Tensor]:
    """The output, then the gradients of the input and of all weights."""
    x = given.clone().requires_grad_()
    y = net(x, n)
    weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    leaves = [x, *net.parameters()]
    total = (y * weight).sum() + 0 * x.sum()  # a cell may read neither its inputs nor weights
    found = torch.autograd.grad(total, leaves, allow_unused=True)
    return [y, *(torch.zeros_like(leaf) if slope is None else slope for leaf, slope in zip(leaves, found, strict=True))]


@pytest.mark.parametrize("count", [20, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.parametrize("products", [True, False])
def test_kernels_of_drawn_cells_compute_what_the_steps_do(
    count: int, products: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those without products in scans."""
    scans = Mock(wraps=scan.over_time)
    monkeypatch.setattr(scan, "over_time", scans)
    monkeypatch.setattr(scan, "FEW", 1)
    monkeypatch.setattr(build, "FLAGS", FLAGS)
    monkeypatch.setattr(operator, "_kernels", {})
    monkeypatch.setenv("ARCHC_KERNELS", str(tmp_path / "kernels"))
    texts = drawn(count, products=products)
    nets = [compiled(Source("net.arch", text), Wanted()) for text in texts]
    found = [net.plan.model.recurrences[0].equations for net in nets]
    fitting = [equations for equations in found if equations is not None]
    for first in range(0, len(fitting), TOGETHER):
        operator.register_all(fitting[first : first + TOGETHER], torch.float64)
    torch.manual_seed(1)
    x, n = torch.randn(5, 4, 3, dtype=torch.float64), torch.tensor([4, 1, 3, 4, 2])
    ran = 0
    for text, net in zip(texts, nets, strict=True):
        plain, fused = built(net).double(), built(net).double()
        plain.load_state_dict(fused.state_dict())
        attach(fused, net.plan.model.recurrences)
        before = operator.ran.total()
        with pinned():  # to one thread, which has the one tile of such a cell
            pairs = list(zip(results(fused, x, n), results(plain, x, n), strict=True))
        ran += operator.ran.total() - before
        roundings = 1e-15 * max(
            float(want.detach().abs().max()) for _, want in pairs
        )  # a norm of next to nothing has slopes of a billion
        for got, want in pairs:
            assert torch.allclose(got, want, rtol=1e-9, atol=1e-10 + roundings), f"{float((got - want).abs().max())}\n{text}"
    assert len(texts) >= 0.9 * count
    assert ran >= 0.8 * len(texts)
    assert products or scans.call_count >= 0.7 * ran

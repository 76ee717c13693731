"""Each shipped spec against the same network written by hand: parameters, outputs and gradients, in train and in eval mode."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archc

from . import independent

Case = tuple[str, dict[str, Any], Callable[[], nn.Module], tuple[int, ...]]

CASES: list[Case] = [
    ("lenet", {}, independent.LeNet, (3, 1, 8, 8)),
    ("lenet", {"classes": 4}, lambda: independent.LeNet(4), (3, 1, 8, 8)),
    ("mlp", {}, independent.MLP, (3, 64)),
    ("mlp", {"widths": [16, 16, 8], "classes": 3}, lambda: independent.MLP((16, 16, 8), 3), (3, 64)),
    ("autoencoder", {}, independent.Autoencoder, (3, 30)),
    ("autoencoder", {"code": 3}, lambda: independent.Autoencoder(3), (3, 30)),
    ("resnet", {}, independent.ResNet, (3, 3, 64, 96)),
    (
        "resnet",
        {"depths": [1, 2, 1, 1], "classes": 7, "channels": 1},
        lambda: independent.ResNet((1, 2, 1, 1), 7, 1),
        (3, 1, 40, 56),
    ),
]


def _label(value: object) -> str:
    return str(value) if isinstance(value, str | dict) else ""


@pytest.mark.parametrize(("spec", "hyperparameters", "by_hand", "shape"), CASES, ids=_label)
def test_equals_the_network_written_by_hand(
    spec: str, hyperparameters: dict[str, Any], by_hand: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    ours, theirs = archc.load(spec, **hyperparameters).double(), by_hand().double()
    independent.shake(theirs)
    independent.carry_over(theirs, ours)
    for train in (True, False):
        ours.train(train)
        theirs.train(train)
        x, y = (
            torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_() for _ in range(2)
        )
        mine, other = _first(ours(x)), _first(theirs(y))
        assert (mine - other).abs().max() <= 1e-6 * max(1.0, other.abs().max().item())
        torch.autograd.backward(mine.square().mean())
        torch.autograd.backward(other.square().mean())
        assert x.grad is not None
        assert y.grad is not None
        assert torch.allclose(x.grad, y.grad, rtol=1e-6, atol=1e-12)
    for mine_p, other_p in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert mine_p.grad is not None
        assert other_p.grad is not None
        assert torch.allclose(mine_p.grad, other_p.grad, rtol=1e-5, atol=1e-10)
    for mine_b, other_b in zip(ours.buffers(), theirs.buffers(), strict=True):
        assert torch.allclose(mine_b.double(), other_b.double())


def _first(outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    return (
        outputs if isinstance(outputs, Tensor) else torch.cat([output.flatten(1) for output in outputs if output.ndim > 1], dim=1)
    )


@pytest.mark.parametrize(
    ("depths", "parameters"), [([3, 4, 6, 3], 25_557_032), ([3, 4, 23, 3], 44_549_160), ([3, 8, 36, 3], 60_192_808)]
)
def test_resnets_have_the_published_number_of_parameters(depths: list[int], parameters: int) -> None:
    with torch.device("meta"):
        model = archc.load("resnet", depths=depths)
    assert sum(p.numel() for p in model.parameters()) == parameters

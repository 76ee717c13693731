"""U-Net, ResNeXt, Highway, TCN, MLP-Mixer, Siamese and ConvNeXt against the same networks written by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archc
from archc.runtime.train.api import dry_run

from . import by_hand_b as by_hand
from .independent import ResNet, carry_over, shake


@dataclass(frozen=True)
class Case:
    spec: str
    by_hand: Callable[[], nn.Module]
    shapes: tuple[tuple[int, ...], ...]
    hyperparameters: dict[str, Any] = field(default_factory=dict)


CASES = [
    Case("unet", partial(by_hand.UNet, (4, 8, 6)), ((3, 3, 16, 24),), {"widths": [4, 8, 6]}),
    Case("unet", partial(by_hand.UNet, (16, 32), 11, 1), ((3, 1, 8, 12),), {"widths": [16, 32], "classes": 11, "channels": 1}),
    Case("resnext", partial(by_hand.ResNeXt, stem=16), ((3, 3, 64, 96),), {"stem": 16}),
    Case(
        "resnext",
        partial(by_hand.ResNeXt, (1, 2), 8, 2, 16, 10, 1),
        ((3, 1, 32, 44),),
        {"depths": [1, 2], "paths": 8, "width": 2, "stem": 16, "classes": 10, "channels": 1},
    ),
    Case("highway", by_hand.Highway, ((3, 784),)),
    Case(
        "highway",
        partial(by_hand.Highway, 30, 20, 4, 64, -3.0),
        ((3, 64),),
        {"depth": 30, "width": 20, "classes": 4, "pixels": 64, "bias": -3.0},
    ),
    Case("tcn", partial(by_hand.TCN, drop=0.0), ((3, 1, 300),), {"drop": 0.0}),
    Case(
        "tcn",
        partial(by_hand.TCN, (4, 4, 6), 3, 0.2, 2, 5),
        ((3, 5, 17),),
        {"widths": [4, 4, 6], "kernel": 3, "drop": 0.2, "classes": 2, "channels": 5},
    ),
    Case(
        "mixer",
        partial(by_hand.Mixer, (16, 24), 4, 20, 12, 28, 3, 5, 2),
        ((3, 2, 16, 24),),
        {
            "height": 16,
            "width": 24,
            "patch": 4,
            "hidden": 20,
            "across_places": 12,
            "across_channels": 28,
            "layers": 3,
            "classes": 5,
            "channels": 2,
        },
    ),
    Case("siamese", by_hand.Siamese, ((3, 1, 8, 12), (3, 1, 8, 12))),
    Case(
        "siamese",
        partial(by_hand.Siamese, (4, 6, 8), 5, 3),
        ((3, 3, 21, 16), (3, 3, 21, 16)),
        {"widths": [4, 6, 8], "code": 5, "channels": 3},
    ),
    Case(
        "convnext",
        partial(by_hand.ConvNeXt, (2, 1, 3, 1), (8, 12, 16, 24), scale=0.5, skipped=0.4),
        ((3, 3, 66, 100),),
        {"depths": [2, 1, 3, 1], "widths": [8, 12, 16, 24], "scale": 0.5, "skipped": 0.4},
    ),
    Case(
        "convnext",
        partial(by_hand.ConvNeXt, (2, 2), (6, 10), 2, 7, 0.0, 1.0, 1),
        ((3, 1, 16, 12),),
        {"depths": [2, 2], "widths": [6, 10], "patch": 2, "classes": 7, "skipped": 0.0, "scale": 1.0, "channels": 1},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.spec} {case.hyperparameters}")
def test_equals_the_network_written_by_hand(case: Case) -> None:
    torch.manual_seed(0)
    ours, theirs = archc.load(case.spec, **case.hyperparameters).double(), case.by_hand().double()
    shake(theirs)
    carry_over(theirs, ours)
    for train in (True, False):
        inputs = [_inputs(case.shapes) for _ in range(2)]
        outputs = []
        for network, given in zip((ours, theirs), inputs, strict=True):
            network.train(train)
            network.zero_grad()
            torch.manual_seed(2)
            outputs.append(_all(network(*given)))
            torch.autograd.backward([output.square().mean() for output in outputs[-1]])
        for mine, other in zip(*outputs, strict=True):
            assert (mine - other).abs().max() <= 1e-6 * max(1.0, other.abs().max().item())
        for mine, other in zip(*inputs, strict=True):
            assert torch.allclose(_grad(mine), _grad(other), rtol=1e-6, atol=1e-12)
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(_grad(mine), _grad(other), rtol=1e-6, atol=1e-10)
    for mine, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        assert torch.allclose(mine.double(), other.double())


def _inputs(shapes: tuple[tuple[int, ...], ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_() for shape in shapes]


def _all(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (outputs,) if isinstance(outputs, Tensor) else outputs


def _grad(tensor: Tensor) -> Tensor:
    assert tensor.grad is not None
    return tensor.grad


FULL: list[tuple[str, dict[str, Any], Callable[[], nn.Module], int]] = [
    ("unet", {}, by_hand.UNet, 31_037_698),
    ("resnext", {}, by_hand.ResNeXt, 25_028_904),
    ("resnext", {"depths": [3, 4, 23, 3], "width": 8}, partial(by_hand.ResNeXt, (3, 4, 23, 3), 32, 8), 88_791_336),
    ("resnext", {"depths": [3, 4, 23, 3], "paths": 64}, partial(by_hand.ResNeXt, (3, 4, 23, 3), 64), 83_455_272),
    ("resnext", {"paths": 1, "width": 64}, ResNet, 25_557_032),
    ("highway", {}, by_hand.Highway, 85_660),
    ("tcn", {}, by_hand.TCN, 66_910),
    ("mixer", {}, by_hand.Mixer, 59_880_472),
    (
        "mixer",
        {"hidden": 512, "across_places": 256, "across_channels": 2048, "layers": 8},
        partial(by_hand.Mixer, width=512, tokens=256, channels=2048, depth=8),
        18_528_264,
    ),
    ("siamese", {}, by_hand.Siamese, 6_864),
    ("convnext", {}, by_hand.ConvNeXt, 28_589_128),
    ("convnext", {"depths": [3, 3, 27, 3]}, partial(by_hand.ConvNeXt, (3, 3, 27, 3)), 50_223_688),
    (
        "convnext",
        {"depths": [3, 3, 27, 3], "widths": [128, 256, 512, 1024]},
        partial(by_hand.ConvNeXt, (3, 3, 27, 3), (128, 256, 512, 1024)),
        88_591_464,
    ),
]


@pytest.mark.parametrize(
    ("spec", "hyperparameters", "theirs", "parameters"),
    FULL,
    ids=lambda value: str(value) if isinstance(value, str | dict) else "",
)
def test_has_as_many_parameters_as_published(
    spec: str, hyperparameters: dict[str, Any], theirs: Callable[[], nn.Module], parameters: int
) -> None:
    with torch.device("meta"):
        networks = archc.load(spec, **hyperparameters), theirs()
    assert [sum(p.numel() for p in network.parameters()) for network in networks] == [parameters] * 2
    assert len({tuple(tensor.shape for tensor in network.state_dict().values()) for network in networks}) == 1


@pytest.mark.parametrize("spec", sorted({case.spec for case in CASES}))
def test_says_nothing_and_trains(spec: str) -> None:
    report = archc.check(spec)
    assert report.diagnostics == []
    assert isfinite(dry_run(spec).loss)


SEGMENTS = """
model Segments(image: [B, 1, H, W], weight: [B, H, W]) -> [B, 3, H, W] {
    logits = (image -> conv(3, 1)) * weight[:, none]
    return logits
}

data digits = sklearn("digits") {
    image   = images -> reshape(1, 8, 8)
    weight  = images -> reshape(8, 8)
    segment = where(images > 7, 1, 0)
}

train Segments on digits {
    loss      cross_entropy(logits, segment)
    optimizer sgd(lr=0.1)
    epochs    1
}
"""


def test_the_columns_tell_how_large_the_free_dims_of_a_model_are(tmp_path: Path) -> None:
    spec = tmp_path / "segments.arch"
    spec.write_text(SEGMENTS)
    assert isfinite(dry_run(spec).loss)
    spec.write_text(SEGMENTS.replace("reshape(8, 8)", "reshape(4, 16)"))
    with pytest.raises(archc.Stopped, match=r"weight is \[4, 16\], but \[8, 8\] is wanted"):
        dry_run(spec)

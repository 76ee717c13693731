"""The convolutional specs from AlexNet to EfficientNet against the same networks written by hand.

Parameters are counted at full size on the meta device; outputs, gradients and running statistics are compared where a step is
cheap. Dropout stays on: both sides draw from one seed.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archc
from archc.runtime.loader import load_module

from . import by_hand_a as by_hand
from .independent import ResNet, carry_over, shake

Case = tuple[str, dict[str, Any], Callable[[], nn.Module], tuple[int, ...]]

THIN: dict[str, Any] = {"widths": [8, 16, 24, 16, 16], "hidden": 32, "classes": 7}
THIN_VGG: dict[str, Any] = {"widths": [4, 8, 12, 16, 16], "hidden": 32, "classes": 7}
SMALL_DENSE: dict[str, Any] = {"depths": [2, 3, 2], "growth": 8, "stem": 12, "classes": 7, "drop": 0.2, "channels": 1}

CASES: list[Case] = [
    ("resnet", {"model": "ResNetBasic"}, by_hand.ShallowResNet, (3, 3, 48, 80)),
    (
        "resnet",
        {"model": "ResNetBasic", "depths": [1, 3, 2], "channels": 1},
        partial(by_hand.ShallowResNet, (1, 3, 2), 1000, 1),
        (3, 1, 40, 56),
    ),
    ("alexnet", THIN, partial(by_hand.AlexNet, **THIN), (3, 3, 96, 128)),
    ("alexnet", {**THIN, "drop": 0.0, "channels": 1}, partial(by_hand.AlexNet, **THIN, drop=0.0, channels=1), (3, 1, 63, 70)),
    ("vgg", THIN_VGG, partial(by_hand.VGG, **THIN_VGG), (3, 3, 32, 64)),
    (
        "vgg",
        {**THIN_VGG, "depths": [1, 1, 2, 2, 2], "normalized": True},
        partial(by_hand.VGG, (1, 1, 2, 2, 2), **THIN_VGG, normalised=True),
        (3, 3, 40, 64),
    ),
    ("mobilenet_v2", {"classes": 7}, partial(by_hand.MobileNetV2, classes=7), (3, 3, 40, 64)),
    ("mobilenet_v2", {"multiplier": 0.35, "channels": 1}, partial(by_hand.MobileNetV2, 0.35, channels=1), (3, 1, 64, 48)),
    ("squeezenet", {"classes": 7}, partial(by_hand.SqueezeNet, 7), (3, 3, 40, 64)),
    ("squeezenet", {"drop": 0.0, "channels": 1}, partial(by_hand.SqueezeNet, drop=0.0, channels=1), (3, 1, 47, 64)),
    ("densenet", SMALL_DENSE, partial(by_hand.DenseNet, **SMALL_DENSE), (3, 1, 40, 64)),
    ("densenet", {"depths": [3, 4], "growth": 12}, partial(by_hand.DenseNet, (3, 4), 12), (3, 3, 32, 48)),
    ("inception", {"thinner": 4, "classes": 7}, partial(by_hand.GoogLeNet, 5, 4, 7), (3, 3, 40, 64)),
    ("inception", {"thinner": 8, "large": 3, "channels": 1}, partial(by_hand.GoogLeNet, 3, 8, channels=1), (3, 1, 64, 48)),
    ("efficientnet", {"classes": 7}, partial(by_hand.EfficientNet, classes=7), (3, 3, 40, 64)),
    (
        "efficientnet",
        {"wider": 0.4, "deeper": 1.4, "skipped": 0.5, "channels": 1},
        partial(by_hand.EfficientNet, 0.4, 1.4, skipped=0.5, channels=1),
        (3, 1, 64, 48),
    ),
]


@pytest.mark.parametrize(
    ("spec", "settings", "build", "shape"), CASES, ids=[f"{case[0]}-{k % 2}" for k, case in enumerate(CASES)]
)
def test_equals_the_network_written_by_hand(
    spec: str, settings: dict[str, Any], build: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    ours, theirs = archc.load(spec, **settings).double(), build().double()
    shake(theirs)
    carry_over(theirs, ours)
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for train in (True, False):
        mine, mine_dx = _step(ours.train(train), x)
        other, other_dx = _step(theirs.train(train), x)
        assert other.std() > 1e-6, "a network that says the same to all shows nothing"
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(mine_dx, other_dx, rtol=1e-6, atol=1e-9 * float(other_dx.abs().max()))
    for mine_p, other_p in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert mine_p.grad is not None
        assert other_p.grad is not None
        torch.testing.assert_close(mine_p.grad, other_p.grad, rtol=1e-5, atol=1e-9 * max(1.0, float(other_p.grad.abs().max())))
    for mine_b, other_b in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(mine_b, other_b)


def _step(module: nn.Module, image: Tensor) -> tuple[Tensor, Tensor]:
    """The output, and the gradient of the image; those of the parameters add up in them."""
    torch.manual_seed(2)
    x = image.clone().requires_grad_()
    output: Tensor = module(x)
    torch.autograd.backward(output.square().mean())
    assert x.grad is not None
    return output.detach(), x.grad


PUBLISHED: list[tuple[str, dict[str, Any], Callable[[], nn.Module], int]] = [
    ("resnet", {"model": "ResNetBasic"}, by_hand.ShallowResNet, 11_689_512),
    ("resnet", {"model": "ResNetBasic", "depths": [3, 4, 6, 3]}, partial(by_hand.ShallowResNet, (3, 4, 6, 3)), 21_797_672),
    ("resnet", {"depths": [3, 8, 36, 3]}, partial(ResNet, (3, 8, 36, 3)), 60_192_808),
    ("alexnet", {}, by_hand.AlexNet, 61_100_840),
    ("vgg", {}, by_hand.VGG, 138_357_544),
    ("vgg", {"depths": [1, 1, 2, 2, 2]}, partial(by_hand.VGG, (1, 1, 2, 2, 2)), 132_863_336),
    ("vgg", {"depths": [2, 2, 2, 2, 2]}, partial(by_hand.VGG, (2, 2, 2, 2, 2)), 133_047_848),
    ("vgg", {"depths": [2, 2, 4, 4, 4]}, partial(by_hand.VGG, (2, 2, 4, 4, 4)), 143_667_240),
    ("mobilenet_v2", {}, by_hand.MobileNetV2, 3_504_872),
    ("squeezenet", {}, by_hand.SqueezeNet, 1_235_496),
    ("densenet", {}, by_hand.DenseNet, 7_978_856),
    ("densenet", {"depths": [6, 12, 32, 32]}, partial(by_hand.DenseNet, (6, 12, 32, 32)), 14_149_480),
    ("inception", {}, by_hand.GoogLeNet, 7_005_832),
    ("inception", {"large": 3}, partial(by_hand.GoogLeNet, 3), 6_624_904),
    ("efficientnet", {}, by_hand.EfficientNet, 5_288_548),
    ("efficientnet", {"wider": 1.0, "deeper": 1.1}, partial(by_hand.EfficientNet, 1.0, 1.1), 7_794_184),
    ("efficientnet", {"wider": 1.1, "deeper": 1.2}, partial(by_hand.EfficientNet, 1.1, 1.2), 9_109_994),
    ("efficientnet", {"wider": 1.4, "deeper": 1.8}, partial(by_hand.EfficientNet, 1.4, 1.8), 19_341_616),
]


@pytest.mark.parametrize(
    ("spec", "settings", "build", "parameters"), PUBLISHED, ids=[f"{case[0]}-{case[3]}" for case in PUBLISHED]
)
def test_has_the_published_number_of_parameters(
    spec: str, settings: dict[str, Any], build: Callable[[], nn.Module], parameters: int
) -> None:
    with torch.device("meta"):
        ours, theirs = archc.load(spec, **settings), build()
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters()) == parameters
    assert [tuple(t.shape) for t in ours.state_dict().values()] == [tuple(t.shape) for t in theirs.state_dict().values()]


@pytest.mark.parametrize("multiplier", [0.1, 0.25, 0.35, 0.5, 0.75, 1.3, 1.4])
def test_widths_are_rounded_by_the_rule_of_the_authors(multiplier: float) -> None:
    with torch.device("meta"):
        ours, theirs = archc.load("mobilenet_v2", multiplier=multiplier), by_hand.MobileNetV2(multiplier)
    assert [tuple(p.shape) for p in ours.parameters()] == [tuple(p.shape) for p in theirs.parameters()]


OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("alexnet", {"hidden": 100, "classes": 3, "channels": 1}),
    ("alexnet", {"widths": [8, 16, 24, 16, 16]}),
    ("vgg", {"hidden": 100, "channels": 1}),
    ("vgg", {"normalized": True}),
    ("mobilenet_v2", {"classes": 3, "channels": 1}),
    ("mobilenet_v2", {"multiplier": 1.4}),
    ("squeezenet", {"stem": 48, "classes": 3}),
    ("squeezenet", {"plan": [[8, 8]]}),
    ("densenet", {"growth": 17, "stem": 31, "classes": 3, "channels": 1}),
    ("densenet", {"depths": [2, 3]}),
    ("inception", {"thinner": 3, "channels": 1}),
    ("inception", {"large": 3}),
    ("efficientnet", {"classes": 3, "channels": 1}),
    ("efficientnet", {"wider": 1.4}),
    ("efficientnet", {"deeper": 1.8}),
]


@pytest.mark.parametrize(("spec", "settings"), OTHERS, ids=[f"{spec}-{'-'.join(settings)}" for spec, settings in OTHERS])
def test_the_constructor_of_the_compiled_file_agrees_or_refuses(spec: str, settings: dict[str, Any]) -> None:
    compiled = archc.compile(spec)
    constructor = getattr(load_module(compiled), compiled.plan.model.class_name)
    free = set(settings) <= set(constructor.__init__.__annotations__)
    with torch.device("meta"):
        if not free:
            with pytest.raises(TypeError):
                constructor(**settings)
            return
        built, loaded = constructor(**settings), archc.load(spec, **settings)
    assert [(key, t.shape) for key, t in built.state_dict().items()] == [(key, t.shape) for key, t in loaded.state_dict().items()]


@pytest.mark.parametrize(
    "spec", ["resnet", "alexnet", "vgg", "mobilenet_v2", "squeezenet", "densenet", "inception", "efficientnet"]
)
def test_its_training_program_takes_a_step(spec: str, tmp_path: Path) -> None:
    run = archc.train(spec, out=tmp_path / "run", steps=1, progress=False, model="ResNetBasic" if spec == "resnet" else None)
    assert all(p.isfinite().all() for p in run.model().parameters())

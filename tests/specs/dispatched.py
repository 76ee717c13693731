"""How many aten calls a network makes: the generated one beside the one written by hand.

A call is what PyTorch's dispatcher hands to a kernel, in a training step (forward, backward, the optimizer's step) and in evaluation.
`benchmarks/generated_step.py` prints the same counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import archc

from . import by_hand_a, by_hand_attention, by_hand_b, independent


@dataclass(frozen=True)
class Twin:
    """A spec and the same network written by hand. `explained` tells why a call is made more often than by hand."""

    spec: str
    by_hand: Callable[[], nn.Module]
    shapes: tuple[tuple[int, ...], ...]
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    explained: Mapping[str, str] = field(default_factory=dict)
    vocabulary: int = 0  # the inputs are tokens

    def generated(self) -> nn.Module:
        return archc.load(self.spec, **self.hyperparameters)

    def inputs(self) -> list[Tensor]:
        generator = torch.Generator().manual_seed(0)
        if self.vocabulary:
            return [torch.randint(1, self.vocabulary, shape, generator=generator, device="cpu") for shape in self.shapes]
        return [torch.randn(shape, generator=generator, device="cpu") for shape in self.shapes]


JOINED_FIRST = (
    "by hand the branches are joined and then rectified at once, which is slower on large images (benchmarks/passes.py)"
)
LERP = "by hand it is torch.lerp, which refuses operands of two dtypes, as autocast makes them"
IN_ONE_BATCH = "by hand both images go through the twins in one batch, which takes images of one size and no batch norm"
GUARDED = "by hand nothing keeps a code of zeros from a division by 0, nor the gradient of a distance of 0 from being nan"

SMALL_DENSE: dict[str, Any] = {"depths": (2, 3, 2), "growth": 8, "stem": 12, "classes": 7, "drop": 0.2, "channels": 1}
SMALL_MIXER: dict[str, Any] = {"height": 16, "width": 24, "patch": 4, "hidden": 20, "across_places": 12, "across_channels": 28}
SMALL_GPT: dict[str, Any] = {"vocab": 19, "width": 24, "depth": 2, "heads": 4, "context": 9}
SMALL_TRANSFORMER: dict[str, Any] = {"vocab": 19, "width": 24, "depth": 2, "heads": 4, "inner": 20}
THIN: dict[str, Any] = {"widths": (8, 16, 24, 16, 16), "hidden": 32, "classes": 7}

SHOWN = (
    Twin("lenet", independent.LeNet, ((64, 1, 8, 8),)),
    Twin("resnet", partial(by_hand_a.ShallowResNet, classes=10), ((8, 3, 32, 32),), {"model": "ResNetBasic", "classes": 10}),
    Twin("unet", partial(by_hand_b.UNet, (16, 32, 64)), ((2, 3, 64, 64),), {"widths": [16, 32, 64]}),
)
"""LeNet, ResNet-18 at 32x32, U-Net: these make the same calls as by hand, one for one."""

OTHERS = (
    Twin("mlp", independent.MLP, ((4, 64),)),
    Twin("autoencoder", independent.Autoencoder, ((4, 30),)),
    Twin("resnet", partial(independent.ResNet, (1, 2, 1, 1)), ((2, 3, 32, 32),), {"depths": [1, 2, 1, 1]}),
    Twin("alexnet", partial(by_hand_a.AlexNet, **THIN), ((2, 3, 64, 64),), {**THIN, "widths": list(THIN["widths"])}),
    Twin("vgg", partial(by_hand_a.VGG, **THIN), ((2, 3, 32, 32),), {**THIN, "widths": list(THIN["widths"])}),
    Twin("mobilenet_v2", partial(by_hand_a.MobileNetV2, 0.35), ((2, 3, 32, 32),), {"multiplier": 0.35}),
    Twin(
        "squeezenet",
        by_hand_a.SqueezeNet,
        ((2, 3, 64, 64),),
        explained={f"aten.{name}.default": JOINED_FIRST for name in ("relu", "threshold_backward", "detach")},
    ),
    Twin(
        "densenet",
        partial(by_hand_a.DenseNet, **SMALL_DENSE),
        ((2, 1, 32, 32),),
        {**SMALL_DENSE, "depths": list(SMALL_DENSE["depths"])},
    ),
    Twin("inception", partial(by_hand_a.GoogLeNet, 5, 4), ((2, 3, 64, 64),), {"thinner": 4}),
    Twin("efficientnet", partial(by_hand_a.EfficientNet, 0.4), ((2, 3, 32, 32),), {"wider": 0.4}),
    Twin(
        "resnext",
        partial(by_hand_b.ResNeXt, (1, 2), 8, 2, 16, 10, 1),
        ((3, 1, 32, 44),),
        {"depths": [1, 2], "paths": 8, "width": 2, "stem": 16, "classes": 10, "channels": 1},
    ),
    Twin(
        "highway",
        by_hand_b.Highway,
        ((2, 784),),
        explained=dict.fromkeys(("aten.add.Tensor", "aten.mul.Tensor", "aten.neg.default", "aten.rsub.Scalar"), LERP),
    ),
    Twin("tcn", by_hand_b.TCN, ((2, 1, 64),)),
    Twin("mixer", partial(by_hand_b.Mixer, (16, 24), 4, 20, 12, 28), ((3, 3, 16, 24),), SMALL_MIXER),
    Twin(
        "siamese",
        by_hand_b.Siamese,
        ((2, 1, 8, 12), (2, 1, 8, 12)),
        explained={
            **{
                f"aten.{name}": IN_ONE_BATCH
                for name in (
                    *("_adaptive_avg_pool2d.default", "_adaptive_avg_pool2d_backward.default", "add.Tensor", "addmm.default"),
                    *("convolution.default", "convolution_backward.default", "detach.default", "div.Tensor", "mm.default"),
                    *("max_pool2d_with_indices.default", "max_pool2d_with_indices_backward.default", "mul.Tensor", "neg.default"),
                    *("relu.default", "t.default", "threshold_backward.default", "unsqueeze.default", "view.default"),
                )
            },
            **{
                f"aten.{name}": GUARDED
                for name in (
                    *("clamp_min.default", "eq.Scalar", "expand.default", "ge.Scalar", "linalg_vector_norm.default"),
                    *("masked_fill_.Scalar", "scalar_tensor.default", "where.self"),
                )
            },
        },
    ),
    Twin(
        "convnext",
        partial(by_hand_b.ConvNeXt, (2, 2), (6, 10), 2, 7, 0.0, 1.0, 1),
        ((3, 1, 16, 12),),
        {"depths": [2, 2], "widths": [6, 10], "patch": 2, "classes": 7, "skipped": 0.0, "scale": 1.0, "channels": 1},
    ),
    Twin("gpt2", partial(by_hand_attention.GPT2, **SMALL_GPT), ((3, 7),), {**SMALL_GPT, "drop": 0.0}, vocabulary=19),
    Twin(
        "transformer",
        partial(by_hand_attention.Transformer, **SMALL_TRANSFORMER),
        ((3, 6), (3, 5)),
        {**SMALL_TRANSFORMER, "drop": 0.0},
        vocabulary=19,
    ),
)
"""The other specs that have a network by hand: no more calls than it makes, or it is said why."""


class Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what is dispatched while it is on."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.found[str(func)] += 1
        return func(*args, **(kwargs or {}))


def calls(network: nn.Module, given: list[Tensor]) -> dict[str, Counter[str]]:
    """The calls of a training step, and of a forward pass in evaluation, on the device of the network."""
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    torch.manual_seed(0)
    with Calls() as training:
        outputs = network.train()(*given)
        losses = [output.square().mean() for output in ((outputs,) if isinstance(outputs, Tensor) else outputs)]
        torch.autograd.backward(losses)
        optimizer.step()
    with torch.no_grad(), Calls() as evaluation:
        network.eval()(*given)
    return {"training step": training.found, "evaluation": evaluation.found}


def extra(ours: Counter[str], theirs: Counter[str]) -> dict[str, int]:
    """The calls that are made more often than by hand, if there are more calls in all."""
    return dict(ours - theirs) if ours.total() > theirs.total() else {}

"""Generated networks against networks written by hand, and constructors against compiling anew."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from archc.compiler.emit.torch import emit_module

from .running import GOLDEN, SPECS, arguments, executed, filled, graph_of, inputs, network, outputs


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 3, padding=1)
        self.dense1 = nn.Linear(64, 120)
        self.dense2 = nn.Linear(120, 84)
        self.dense3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(self.conv1(x).tanh(), 2)
        x = F.avg_pool2d(self.conv2(x).tanh(), 2)
        return self.dense3(self.dense2(self.dense1(x.flatten(1)).tanh()).tanh())  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    def __init__(self, into: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(into, width, 1, bias=False)
        self.batch_norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.batch_norm2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.batch_norm3 = nn.BatchNorm2d(4 * width)
        self.projected = stride != 1 or into != 4 * width
        if self.projected:
            self.conv4 = nn.Conv2d(into, 4 * width, 1, stride=stride, bias=False)
            self.batch_norm4 = nn.BatchNorm2d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.batch_norm1(self.conv1(x)).relu()
        y = self.batch_norm2(self.conv2(y)).relu()
        y = self.batch_norm3(self.conv3(y))
        return (y + (self.batch_norm4(self.conv4(x)) if self.projected else x)).relu()  # type: ignore[no-any-return]


class Stage(nn.Module):
    def __init__(self, into: int, width: int, count: int, stride: int) -> None:
        super().__init__()
        self.bottleneck1 = Bottleneck(into, width, stride)
        self.stack1 = nn.ModuleList(Bottleneck(4 * width, width) for _ in range(count - 1))

    def forward(self, x: Tensor) -> Tensor:
        return nn.Sequential(self.bottleneck1, *self.stack1)(x)  # type: ignore[no-any-return]


class ResNet(nn.Module):
    def __init__(self, depths: list[int], classes: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        self.batch_norm1 = nn.BatchNorm2d(64)
        into = [64, 256, 512, 1024]
        self.stack1 = nn.ModuleList(Stage(into[i], 64 * 2**i, count, 1 if i == 0 else 2) for i, count in enumerate(depths))
        self.dense1 = nn.Linear(2048, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.batch_norm1(self.conv1(x)).relu(), 3, 2, 1)
        for stage in self.stack1:
            x = stage(x)
        return self.dense1(x.mean((2, 3)))  # type: ignore[no-any-return]


def read(name: str) -> str:
    return (SPECS / f"{name}.arch").read_text()


@pytest.mark.parametrize("training", [True, False])
def test_lenet_by_hand(training: bool) -> None:
    hand = filled(LeNet())
    ours = network(graph_of(read("lenet")))
    assert list(ours.state_dict()) == list(hand.state_dict())
    image = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(ours.train(training)(image), hand.train(training)(image), rtol=0, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_resnet_by_hand(training: bool) -> None:
    torch.manual_seed(0)
    hand = ResNet([3, 4, 6, 3], 10, 1)
    for module in hand.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    graph = graph_of(read("resnet"))
    ours = executed(emit_module(graph, "resnet.arch"))(classes=10, channels=1)
    ours.load_state_dict(hand.state_dict(), strict=True)
    assert list(ours.state_dict()) == list(hand.state_dict())
    image = torch.randn(3, 1, 24, 40)
    torch.testing.assert_close(ours.train(training)(image), hand.train(training)(image), rtol=0, atol=1e-6)


def test_resnet_50_has_its_parameters() -> None:
    with torch.device("meta"):
        graph = graph_of(read("resnet"))
        emitted = emit_module(graph, "resnet.arch")
        module = executed(emitted)(**arguments(graph, emitted))
    assert sum(parameter.numel() for parameter in module.parameters()) == 25557032


# What a constructor may be given --------------------------------------------------------------------------------------

DRAWN: dict[Path, dict[str, list[int] | list[float]]] = {
    SPECS / "lenet.arch": {"classes": list(range(1, 30))},
    SPECS / "autoencoder.arch": {"code": list(range(1, 64))},
    SPECS / "mlp.arch": {"classes": list(range(1, 30))},
    GOLDEN / "blocks.arch": {
        "vocab": [3, 7, 50],
        "width": [8, 12, 24],
        "depth": [0, 1, 2, 5],
        "heads": [1, 2, 4, 5],
        "context": [1, 4, 9],
    },
    GOLDEN / "run_time.arch": {"width": [2, 3, 8, 16], "drop": [0.0, 0.5, 0.9], "scale": [0.5, 2.0, 1.0]},
    GOLDEN / "sizes_as_arguments.arch": {"width": [1, 2, 8], "n": [1, 2, 3, 5]},
    GOLDEN / "nested_stacks.arch": {"n": [1, 2, 3], "k": [1, 2, 4], "w": [1, 4, 5]},
    GOLDEN / "several_outputs.arch": {"width": [3, 4, 6, 8], "depth": [1, 2, 5], "eps": [1e-3, 1e-8]},
    GOLDEN / "words_of_python.arch": {"lambda": [1, 5], "type": [2, 3], "F": [1, 4, 5]},
    GOLDEN / "stacks.arch": {"width": [1, 2, 9]},
    GOLDEN / "choices.arch": {"width": [4, 8, 12], "heads": [1, 2, 4], "slope": [0.1, 3.0]},
}


@pytest.mark.parametrize("file", DRAWN, ids=lambda file: file.stem)
def test_a_constructor_gives_what_compiling_anew_gives(file: Path) -> None:
    text = file.read_text()
    default = graph_of(text)
    emitted = emit_module(default, file.name)
    made = executed(emitted)
    chosen = random.Random(0)
    for _ in range(8):
        given = {name: chosen.choice(values) for name, values in DRAWN[file].items() if name in emitted.parameters}
        try:
            anew = graph_of(text, file.name, **given)
        except AssertionError:  # the spec does not allow it
            with pytest.raises(ValueError, match=r"heads|the width|assert |odd|too long|too many"):
                made(**{emitted.keywords[name]: value for name, value in given.items()})
            continue
        ours = filled(made(**{emitted.keywords[name]: value for name, value in given.items()})).eval()
        theirs = network(anew).eval()
        assert list(ours.state_dict()) == list(theirs.state_dict())
        drawn = inputs(anew)
        for left, right in zip(outputs(ours, drawn), outputs(theirs, drawn), strict=True):
            assert torch.equal(left, right)

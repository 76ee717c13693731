"""The networks of the specs, written by hand in plain PyTorch, as a person would who has the paper and never saw archc.

Their parameters have other names than those of the specs; weights are carried over by order, shape by shape.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class LeNet(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2)
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, classes)
        )

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.head(self.convolutions(image))
        return result


class MLP(nn.Module):
    def __init__(self, widths: Sequence[int] = (128, 64), classes: int = 10) -> None:
        super().__init__()
        sizes = [64, *widths]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], classes))

    def forward(self, pixels: Tensor) -> Tensor:
        result: Tensor = self.layers(pixels)
        return result


class Autoencoder(nn.Module):
    def __init__(self, code: int = 8) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, code))
        self.decoder = nn.Sequential(nn.Linear(code, 64), nn.ReLU(), nn.Linear(64, 30))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z = self.encoder(x)
        rebuilt = self.decoder(z)
        return rebuilt, z, (x - rebuilt).square().mean(dim=1)


class Shortcut(nn.Module):
    """He et al. (2015), figure 5 right, with the stride on the 3x3 convolution."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 4 * width, 1, bias=False),
            nn.BatchNorm2d(4 * width),
        )
        self.projection: nn.Module = nn.Identity()
        if stride != 1 or channels != 4 * width:
            self.projection = nn.Sequential(nn.Conv2d(channels, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.branch(x) + self.projection(x))


class ResNet(nn.Module):
    def __init__(self, depths: Sequence[int] = (3, 4, 6, 3), classes: int = 1000, channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        blocks, before = [], 64
        for stage, depth in enumerate(depths):
            width = 64 << stage
            for place in range(depth):
                blocks.append(Shortcut(before, width, 2 if stage and not place else 1))
                before = 4 * width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(before, classes)

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.head(self.blocks(self.stem(image)).mean(dim=(2, 3)))
        return result


def carry_over(source: nn.Module, target: nn.Module) -> None:
    """Copy all parameters and buffers by their order; shapes must agree one by one."""
    theirs, ours = list(source.state_dict().values()), list(target.state_dict().values())
    assert [t.shape for t in theirs] == [t.shape for t in ours]
    with torch.no_grad():
        for a, b in zip(theirs, ours, strict=True):
            b.copy_(a)


def shake(module: nn.Module, seed: int = 0) -> None:
    """Random weights of a size that keeps signals alive, and random statistics in every batch norm."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.normal_(generator=generator).mul_(0.3)
            part.running_var.uniform_(0.5, 2.0, generator=generator)
            part.weight.data.uniform_(0.5, 1.5, generator=generator)
            part.bias.data.normal_(generator=generator).mul_(0.1)

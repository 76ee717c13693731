"""The convolutional networks from AlexNet to EfficientNet, written by hand in plain PyTorch, as a person would who has the papers.

Where the literature shares trained weights, the sizes are theirs. Parameters are declared in the order of the data's flow, a branch
before its shortcut, so that weights can be carried over by order; their names are not those of the specs.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout


def normalized(
    channels: int,
    width: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    act: Callable[[], nn.Module] | None = nn.ReLU,
    eps: float = 1e-5,
) -> nn.Sequential:
    """A convolution that keeps the size, batch normalisation, an activation."""
    layers: list[nn.Module] = [
        nn.Conv2d(channels, width, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(width, eps=eps),
    ]
    return nn.Sequential(*layers, *([] if act is None else [act()]))


# Residual networks of 18 and 34 layers ----------------------------------------------------------------------------------


class TwoConvolutions(nn.Module):
    """He et al. (2015), figure 5 left."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(normalized(channels, width, 3, stride), normalized(width, width, 3, act=None))
        self.projection: nn.Module = nn.Identity()
        if stride != 1 or channels != width:
            self.projection = normalized(channels, width, 1, stride, act=None)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.branch(x) + self.projection(x))


class ShallowResNet(nn.Module):
    def __init__(self, depths: Sequence[int] = (2, 2, 2, 2), classes: int = 1000, channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(normalized(channels, 64, 7, 2), nn.MaxPool2d(3, 2, 1))
        blocks, before = [], 64
        for stage, depth in enumerate(depths):
            for place in range(depth):
                blocks.append(TwoConvolutions(before, 64 << stage, 2 if stage and not place else 1))
                before = 64 << stage
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(before, classes)

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.head(self.blocks(self.stem(image)).mean(dim=(2, 3)))
        return result


# AlexNet, VGG -----------------------------------------------------------------------------------------------------------


class AlexNet(nn.Module):
    """Krizhevsky (2014), the form whose trained weights are shared."""

    def __init__(
        self,
        widths: Sequence[int] = (64, 192, 384, 256, 256),
        hidden: int = 4096,
        classes: int = 1000,
        drop: float = 0.5,
        channels: int = 3,
    ) -> None:
        super().__init__()
        a, b, c, d, e = widths
        self.features = nn.Sequential(
            *(nn.Conv2d(channels, a, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(a, b, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(b, c, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(c, d, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(d, e, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
            nn.AdaptiveAvgPool2d(6),
        )
        self.classifier = nn.Sequential(
            *(nn.Dropout(drop), nn.Linear(36 * e, hidden), nn.ReLU()),
            *(nn.Dropout(drop), nn.Linear(hidden, hidden), nn.ReLU()),
            nn.Linear(hidden, classes),
        )

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.classifier(self.features(image).flatten(1))
        return result


class VGG(nn.Module):
    """Simonyan & Zisserman (2014), table 1; with `normalised`, batch normalisation in place of the convolutions' biases."""

    def __init__(
        self,
        depths: Sequence[int] = (2, 2, 3, 3, 3),
        widths: Sequence[int] = (64, 128, 256, 512, 512),
        hidden: int = 4096,
        classes: int = 1000,
        drop: float = 0.5,
        normalised: bool = False,
        channels: int = 3,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for depth, width in zip(depths, widths, strict=True):
            for _ in range(depth):
                layers.append(nn.Conv2d(channels, width, 3, padding=1, bias=not normalised))
                if normalised:
                    layers.append(nn.BatchNorm2d(width))
                layers.append(nn.ReLU())
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(7))
        self.classifier = nn.Sequential(
            *(nn.Linear(49 * channels, hidden), nn.ReLU(), nn.Dropout(drop)),
            *(nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(drop)),
            nn.Linear(hidden, classes),
        )

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.classifier(self.features(image).flatten(1))
        return result


# MobileNetV2 ------------------------------------------------------------------------------------------------------------


def divisible(value: float) -> int:
    """The rule of the authors' code: to the nearest multiple of 8, but never more than a tenth less."""
    near = max(8, int(value + 4) // 8 * 8)
    return near + 8 if near < 0.9 * value else near


class Inverted(nn.Module):
    def __init__(self, channels: int, width: int, stride: int, expand: int) -> None:
        super().__init__()
        inner = expand * channels
        layers = [] if expand == 1 else [normalized(channels, inner, 1, act=nn.ReLU6)]
        layers += [normalized(inner, inner, 3, stride, inner, nn.ReLU6), normalized(inner, width, 1, act=None)]
        self.branch = nn.Sequential(*layers)
        self.shortcut = stride == 1 and channels == width

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.branch(x)
        return x + result if self.shortcut else result


class MobileNetV2(nn.Module):
    TABLE = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self, multiplier: float = 1.0, classes: int = 1000, drop: float = 0.2, channels: int = 3) -> None:
        super().__init__()
        before, last = divisible(32 * multiplier), divisible(1280 * max(1.0, multiplier))
        layers: list[nn.Module] = [normalized(channels, before, 3, 2, act=nn.ReLU6)]
        for expand, wide, count, stride in self.TABLE:
            width = divisible(wide * multiplier)
            for place in range(count):
                layers.append(Inverted(before, width, stride if place == 0 else 1, expand))
                before = width
        self.features = nn.Sequential(*layers, normalized(before, last, 1, act=nn.ReLU6))
        self.head = nn.Sequential(nn.Dropout(drop), nn.Linear(last, classes))

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.head(self.features(image).mean(dim=(2, 3)))
        return result


# SqueezeNet 1.1 ---------------------------------------------------------------------------------------------------------


class Fire(nn.Module):
    def __init__(self, channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.small = nn.Conv2d(squeeze, expand, 1)
        self.large = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        s = torch.relu(self.squeeze(x))
        return torch.relu(torch.cat([self.small(s), self.large(s)], dim=1))


class SqueezeNet(nn.Module):
    def __init__(self, classes: int = 1000, drop: float = 0.5, channels: int = 3) -> None:
        super().__init__()

        def pool() -> nn.Module:
            return nn.MaxPool2d(3, 2, ceil_mode=True)

        self.features = nn.Sequential(
            *(nn.Conv2d(channels, 64, 3, 2), nn.ReLU(), pool()),
            *(Fire(64, 16, 64), Fire(128, 16, 64), pool()),
            *(Fire(128, 32, 128), Fire(256, 32, 128), pool()),
            *(Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)),
        )
        self.head = nn.Sequential(nn.Dropout(drop), nn.Conv2d(512, classes, 1), nn.ReLU())

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.head(self.features(image)).mean(dim=(2, 3))
        return result


# DenseNet ---------------------------------------------------------------------------------------------------------------


class DenseLayer(nn.Module):
    def __init__(self, channels: int, growth: int, drop: float) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(channels), nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        self.drop = drop

    def forward(self, before: Sequence[Tensor]) -> Tensor:
        thin = self.conv1(torch.relu(self.norm1(torch.cat(list(before), dim=1))))
        new: Tensor = self.conv2(torch.relu(self.norm2(thin)))
        return dropout(new, self.drop, self.training)


class DenseBlock(nn.Module):
    def __init__(self, channels: int, depth: int, growth: int, drop: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DenseLayer(channels + k * growth, growth, drop) for k in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        made = [x]
        for layer in self.layers:
            made.append(layer(made))
        return torch.cat(made, dim=1)


class DenseNet(nn.Module):
    def __init__(
        self,
        depths: Sequence[int] = (6, 12, 24, 16),
        growth: int = 32,
        stem: int = 64,
        classes: int = 1000,
        drop: float = 0.0,
        channels: int = 3,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [normalized(channels, stem, 7, 2), nn.MaxPool2d(3, 2, 1)]
        width = stem
        for place, depth in enumerate(depths):
            if place:
                layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width // 2, 1, bias=False), nn.AvgPool2d(2)]
                width //= 2
            layers.append(DenseBlock(width, depth, growth, drop))
            width += depth * growth
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(width), nn.ReLU())
        self.head = nn.Linear(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.head(self.features(image).mean(dim=(2, 3)))
        return result


# GoogLeNet --------------------------------------------------------------------------------------------------------------


class InceptionModule(nn.Module):
    def __init__(self, channels: int, row: Sequence[int], large: int) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pooled = row
        conv = partial(normalized, eps=0.001)
        self.branches = nn.ModuleList(
            [
                conv(channels, one, 1),
                nn.Sequential(conv(channels, reduce3, 1), conv(reduce3, three, 3)),
                nn.Sequential(conv(channels, reduce5, 1), conv(reduce5, five, large)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(channels, pooled, 1)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class GoogLeNet(nn.Module):
    """Szegedy et al. (2014), table 1, a row a module; `None` is a pool."""

    TABLE: tuple[tuple[int, ...] | None, ...] = (
        None,
        (64, 96, 128, 16, 32, 32),
        (128, 128, 192, 32, 96, 64),
        None,
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
        None,
        (256, 160, 320, 32, 128, 128),
        (384, 192, 384, 48, 128, 128),
    )

    def __init__(self, large: int = 5, thinner: int = 1, classes: int = 1000, drop: float = 0.4, channels: int = 3) -> None:
        super().__init__()
        conv = partial(normalized, eps=0.001)
        a, b, width = 64 // thinner, 64 // thinner, 192 // thinner
        layers: list[nn.Module] = [conv(channels, a, 7, 2), nn.MaxPool2d(3, 2, ceil_mode=True), conv(a, b, 1), conv(b, width, 3)]
        for row in self.TABLE:
            if row is None:
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            else:
                thin = [n // thinner for n in row]
                layers.append(InceptionModule(width, thin, large))
                width = thin[0] + thin[2] + thin[4] + thin[5]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(drop), nn.Linear(width, classes))

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.head(self.features(image).mean(dim=(2, 3)))
        return result


# EfficientNet -----------------------------------------------------------------------------------------------------------


class MobileBlock(nn.Module):
    """Expansion, one filter a channel, squeeze and excitation, projection; whole examples may skip it in training."""

    def __init__(self, channels: int, width: int, expand: int, kernel: int, stride: int, skipped: float) -> None:
        super().__init__()
        inner, squeeze = expand * channels, max(1, channels // 4)
        self.expand = nn.Identity() if expand == 1 else normalized(channels, inner, 1, act=nn.SiLU)
        self.filters = normalized(inner, inner, kernel, stride, inner, nn.SiLU)
        self.excite = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(inner, squeeze, 1), nn.SiLU(), nn.Conv2d(squeeze, inner, 1), nn.Sigmoid()
        )
        self.project = normalized(inner, width, 1, act=None)
        self.shortcut, self.skipped = stride == 1 and channels == width, skipped

    def forward(self, x: Tensor) -> Tensor:
        inner = self.filters(self.expand(x))
        h: Tensor = self.project(inner * self.excite(inner))
        if not self.shortcut:
            return h
        return x + h * dropout(h.new_ones(len(h), 1, 1, 1), self.skipped, self.training)


class EfficientNet(nn.Module):
    TABLE = (
        (1, 3, 16, 1, 1),
        (6, 3, 24, 2, 2),
        (6, 5, 40, 2, 2),
        (6, 3, 80, 3, 2),
        (6, 5, 112, 3, 1),
        (6, 5, 192, 4, 2),
        (6, 3, 320, 1, 1),
    )

    def __init__(
        self,
        wider: float = 1.0,
        deeper: float = 1.0,
        classes: int = 1000,
        drop: float = 0.2,
        skipped: float = 0.2,
        channels: int = 3,
    ) -> None:
        super().__init__()
        before = divisible(32 * wider)
        layers: list[nn.Module] = [normalized(channels, before, 3, 2, act=nn.SiLU)]
        done, total = 0.0, sum(row[3] for row in self.TABLE)
        for expand, kernel, wide, count, stride in self.TABLE:
            width, blocks = divisible(wide * wider), ceil(count * deeper)
            for place in range(blocks):
                reached = (done + count * place / blocks) / total
                layers.append(MobileBlock(before, width, expand, kernel, 1 if place else stride, skipped * reached))
                before = width
            done += count
        self.features = nn.Sequential(*layers, normalized(before, 4 * before, 1, act=nn.SiLU))
        self.head = nn.Sequential(nn.Dropout(drop), nn.Linear(4 * before, classes))

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.head(self.features(image).mean(dim=(2, 3)))
        return result

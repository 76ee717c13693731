"""More networks of the specs, written by hand in plain PyTorch from their papers: see `independent`."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm


class Twice(nn.Sequential):
    def __init__(self, before: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(before, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )


class UNet(nn.Module):
    """Ronneberger et al. (2015), figure 1, padded and with batch norm."""

    def __init__(self, widths: Sequence[int] = (64, 128, 256, 512), classes: int = 2, channels: int = 3) -> None:
        super().__init__()
        sizes = [channels, *widths]
        self.down = nn.ModuleList(Twice(before, width) for before, width in pairwise(sizes))
        self.bottom = Twice(widths[-1], 2 * widths[-1])
        self.up = nn.ModuleList(
            nn.ModuleDict({"enlarge": nn.ConvTranspose2d(before, width, 2, stride=2), "join": Twice(2 * width, width)})
            for before, width in pairwise([2 * widths[-1], *reversed(widths)])
        )
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        kept, x = [], image
        for level in self.down:
            kept.append(level(x))
            x = functional.max_pool2d(kept[-1], 2)
        x = self.bottom(x)
        for level, skip in zip(self.up, reversed(kept), strict=True):
            x = level["join"](torch.cat([skip, level["enlarge"](x)], dim=1))  # type: ignore[index]
        result: Tensor = self.head(x)
        return result


class InPaths(nn.Module):
    """Xie et al. (2016), figure 3 c."""

    def __init__(self, before: int, inside: int, outside: int, paths: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(before, inside, 1, bias=False),
            nn.BatchNorm2d(inside),
            nn.ReLU(),
            nn.Conv2d(inside, inside, 3, stride, 1, groups=paths, bias=False),
            nn.BatchNorm2d(inside),
            nn.ReLU(),
            nn.Conv2d(inside, outside, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or before != outside:
            self.shortcut.extend([nn.Conv2d(before, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)])

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.branch(x) + self.shortcut(x))


class ResNeXt(nn.Module):
    """Xie et al. (2016), table 1 right."""

    def __init__(
        self,
        depths: Sequence[int] = (3, 4, 6, 3),
        paths: int = 32,
        width: int = 4,
        stem: int = 64,
        classes: int = 1000,
        channels: int = 3,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, stem, 7, 2, 3, bias=False), nn.BatchNorm2d(stem), nn.ReLU()]
        layers.append(nn.MaxPool2d(3, 2, 1))
        before, outside, inside = stem, 4 * stem, paths * width
        for stage, depth in enumerate(depths):
            for place in range(depth):
                layers.append(InPaths(before, inside, outside, paths, 2 if stage and not place else 1))
                before = outside
            outside, inside = 2 * outside, 2 * inside
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.layers(image)
        return result


class Gated(nn.Module):
    """Srivastava et al. (2015), equation 3."""

    def __init__(self, width: int, bias: float) -> None:
        super().__init__()
        self.gate, self.plain = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.constant_(self.gate.bias, bias)

    def forward(self, x: Tensor) -> Tensor:
        return torch.lerp(x, functional.relu(self.plain(x)), self.gate(x).sigmoid())


class Highway(nn.Sequential):
    def __init__(self, depth: int = 10, width: int = 50, classes: int = 10, pixels: int = 784, bias: float = -1.0) -> None:
        gated = [Gated(width, bias) for _ in range(1, depth)]
        super().__init__(nn.Linear(pixels, width), nn.ReLU(), *gated, nn.Linear(width, classes))


class Causal(nn.Module):
    """Bai et al. (2018), figure 1 b: padded on both sides, then the end cut off, as in the authors' code."""

    def __init__(self, before: int, width: int, kernel: int, dilation: int, drop: float) -> None:
        super().__init__()
        self.cut = (kernel - 1) * dilation
        self.convolutions = nn.ModuleList(
            weight_norm(nn.Conv1d(channels, width, kernel, padding=self.cut, dilation=dilation)) for channels in (before, width)
        )
        self.drop = nn.Dropout(drop)
        self.shortcut = nn.Conv1d(before, width, 1) if before != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for convolution in self.convolutions:
            y = self.drop(torch.relu(convolution(y)[..., : x.shape[-1]]))
        return torch.relu(y + self.shortcut(x))


class TCN(nn.Module):
    def __init__(
        self, widths: Sequence[int] = (25,) * 8, kernel: int = 7, drop: float = 0.05, classes: int = 10, channels: int = 1
    ) -> None:
        super().__init__()
        sizes = pairwise([channels, *widths])
        self.levels = nn.Sequential(*(Causal(*size, kernel, 2**level, drop) for level, size in enumerate(sizes)))
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, series: Tensor) -> Tensor:
        result: Tensor = self.head(self.levels(series)[..., -1])
        return result


def perceptron(width: int, inside: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, inside), nn.GELU(), nn.Linear(inside, width))


class Mixing(nn.Module):
    """Tolstikhin et al. (2021), equation 1."""

    def __init__(self, places: int, width: int, tokens: int, channels: int) -> None:
        super().__init__()
        self.norm1, self.tokens = nn.LayerNorm(width, eps=1e-6), perceptron(places, tokens)
        self.norm2, self.channels = nn.LayerNorm(width, eps=1e-6), perceptron(width, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(self.norm1(x).mT).mT
        result: Tensor = x + self.channels(self.norm2(x))
        return result


class Mixer(nn.Module):
    def __init__(
        self,
        size: tuple[int, int] = (224, 224),
        patch: int = 16,
        width: int = 768,
        tokens: int = 384,
        channels: int = 3072,
        depth: int = 12,
        classes: int = 1000,
        colours: int = 3,
    ) -> None:
        super().__init__()
        places = size[0] // patch * (size[1] // patch)
        self.patches = nn.Conv2d(colours, width, patch, patch)
        self.layers = nn.Sequential(*(Mixing(places, width, tokens, channels) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        table = self.layers(self.patches(image).flatten(2).mT)
        result: Tensor = self.head(self.norm(table).mean(dim=1))
        return result


class Siamese(nn.Module):
    """Bromley et al. (1993) in outline, with convolutions over images, and signatures of length 1."""

    def __init__(self, widths: Sequence[int] = (16, 32), code: int = 16, channels: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, width in pairwise([channels, *widths]):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.twin = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * widths[-1], code))

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        both = self.twin(torch.cat([left, right]))
        one, other = (both / both.square().sum(dim=1, keepdim=True).sqrt()).chunk(2)
        return (one - other).square().sum(dim=1).sqrt(), one, other


class Across(nn.LayerNorm):
    """Layer norm of the channels of an image, from mean and variance."""

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
        scaled = (x - mean) / (variance + self.eps).sqrt()
        return scaled * self.weight[:, None, None] + self.bias[:, None, None]


class Modern(nn.Module):
    """Liu et al. (2022), figure 4 right, with 1x1 convolutions for the dense layers."""

    def __init__(self, width: int, skipped: float, scale: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), scale))
        self.spatial = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = Across(width, eps=1e-6)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.skipped = skipped

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.spatial(x))
        y = functional.gelu(functional.conv2d(y, self.widen.weight[:, :, None, None], self.widen.bias))
        y = functional.conv2d(y, self.narrow.weight[:, :, None, None], self.narrow.bias) * self.gamma[:, None, None]
        return x + y * functional.dropout(y.new_ones(len(y), 1, 1, 1), self.skipped, self.training)


class ConvNeXt(nn.Module):
    def __init__(
        self,
        depths: Sequence[int] = (3, 3, 9, 3),
        widths: Sequence[int] = (96, 192, 384, 768),
        patch: int = 4,
        classes: int = 1000,
        skipped: float = 0.1,
        scale: float = 1e-6,
        channels: int = 3,
    ) -> None:
        super().__init__()
        rates = iter([skipped * place / (sum(depths) - 1) for place in range(sum(depths))])
        layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], patch, patch), Across(widths[0], eps=1e-6)]
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            if stage:
                layers += [Across(widths[stage - 1], eps=1e-6), nn.Conv2d(widths[stage - 1], width, 2, 2)]
            layers += [Modern(width, next(rates), scale) for _ in range(depth)]
        self.layers = nn.Sequential(*layers)
        self.norm, self.head = nn.LayerNorm(widths[-1], eps=1e-6), nn.Linear(widths[-1], classes)

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.head(self.norm(self.layers(image).mean(dim=(2, 3))))
        return result

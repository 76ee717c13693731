"""Pooling to a fixed size, or to one number for each channel."""

from typing import Annotated, ClassVar

from ..emit.code import ATOM, Code, Show, call, method
from ..graph import TensorType
from ..shapes import Size
from ._arguments import Check
from ._rules import bad, listed, want_at_least, want_dtype, want_image
from .base import Checker, Family, Flag, Layer


def _output_size(value: object) -> object:
    sizes = [_one_size(item) for item in (value if isinstance(value, list | tuple) else [value])]
    return tuple(sizes) if isinstance(value, list | tuple) else sizes[0]


def _one_size(value: object) -> Size | None:
    if value is None:
        return None
    size = Size.of(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(size, Size):
        raise ValueError("a whole number, a list of them, or none (which keeps a size) is wanted")
    if size.number is not None and size.number < 1:
        raise ValueError("it must be at least 1")
    return size


OutputSize = Annotated[Size | tuple[Size | None, ...] | None, Check(_output_size)]


class Adaptive(Layer):
    """Base: windows chosen so that the spatial sizes come out as said; `none` keeps one."""

    family: ClassVar[Family] = "pooling"
    function: ClassVar[str]

    output_size: OutputSize

    def spatial(self, see: Checker, x: TensorType) -> tuple[Size, ...]:
        sizes = want_image(see, self.name, x)
        wanted = self.output_size if isinstance(self.output_size, tuple) else (self.output_size,) * len(sizes)
        if len(wanted) != len(sizes):
            shown = listed(["none" if size is None else size for size in wanted])
            raise bad(
                see, self.name, "output_size", f"it must be one number or a list of {len(sizes)}, one for each spatial dim", shown
            )
        return tuple(size if new is None else new for size, new in zip(sizes, wanted, strict=True))

    def infer(self, see: Checker, x: TensorType) -> TensorType | tuple[TensorType, ...]:
        return TensorType("float", (*x.shape[:2], *self.spatial(see, x)))

    def forward(self, show: Show, x: Code) -> Code:
        rank = show.types[0].rank - 2
        wanted = self.output_size if isinstance(self.output_size, tuple) else (self.output_size,) * rank
        if rank == 1 and len(wanted) == 1:  # takes a number alone, and cannot keep a size by itself
            return call(f"{self.function}1d", x, f"{x.at(ATOM)}.shape[2]" if wanted[0] is None else show(wanted[0]))
        return call(f"{self.function}{rank}d", x, show(wanted if self.output_size is None else self.output_size))


class AdaptiveAvgPool(Adaptive):
    """The mean over windows that are chosen to give the size that is asked for (nn.AdaptiveAvgPool1d to 3d)."""

    name: ClassVar[str] = "adaptive_avg_pool"
    example: ClassVar[str] = "x: [B, 256, H, W] -> adaptive_avg_pool(6)"
    synonyms: ClassVar[tuple[str, ...]] = (
        *("AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveAveragePooling2D"),
        *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
    )
    function: ClassVar[str] = "F.adaptive_avg_pool"


class AdaptiveMaxPool(Adaptive):
    """The largest number of windows that are chosen to give the size that is asked for (nn.AdaptiveMaxPool1d to 3d)."""

    name: ClassVar[str] = "adaptive_max_pool"
    example: ClassVar[str] = "x: [B, 256, H, W] -> adaptive_max_pool([6, none])"
    synonyms: ClassVar[tuple[str, ...]] = (
        *("AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AdaptiveMaxPooling2D"),
        *("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"),
    )
    function: ClassVar[str] = "F.adaptive_max_pool"


class GlobalPool(Layer):
    """Base: one number for each channel, of all places: `[B, C, *spatial]` to `[B, C]`; with `keepdim` the spatial dims stay, of size 1."""

    family: ClassVar[Family] = "pooling"
    reduction: ClassVar[str]

    keepdim: Flag = False

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_at_least(see, self.name, 0, x, 3)
        want_dtype(see, self.name, 0, x, "float")
        return TensorType("float", (*x.shape[:2], *(Size.of(1) for _ in x.shape[2:] if self.keepdim)))

    def forward(self, show: Show, x: Code) -> Code:
        dims = ", ".join(str(at) for at in range(2, show.types[0].rank))
        return method(
            x, self.reduction, dim=f"({dims})" if show.types[0].rank > 3 else dims, **show.options(keepdim=(self.keepdim, False))
        )


class GlobalAvgPool(GlobalPool):
    """The mean of each channel over all places: `[B, C, H, W]` to `[B, C]`, for any image size."""

    name: ClassVar[str] = "global_avg_pool"
    formula: ClassVar[str] = "y[b, c] = mean over h, w of x[b, c, h, w]"
    example: ClassVar[str] = "x: [B, 512, H, W] -> global_avg_pool"
    synonyms: ClassVar[tuple[str, ...]] = (
        *("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D", "GlobalAvgPool2D"),
        *("global_average_pool", "global_mean_pool"),
    )
    reduction: ClassVar[str] = "mean"


class GlobalMaxPool(GlobalPool):
    """The largest number of each channel over all places: `[B, C, H, W]` to `[B, C]`."""

    name: ClassVar[str] = "global_max_pool"
    formula: ClassVar[str] = "y[b, c] = max over h, w of x[b, c, h, w]"
    example: ClassVar[str] = "x: [B, 512, H, W] -> global_max_pool"
    synonyms: ClassVar[tuple[str, ...]] = ("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D", "GlobalMaxPool2D")
    reduction: ClassVar[str] = "amax"

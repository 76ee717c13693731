"""Images made larger or smaller without weights."""

import math
from fractions import Fraction
from typing import Annotated, ClassVar, Literal

from ..emit.code import Code, Show, call
from ..errors.shapes import DoesNotDivide, UnknownSize
from ..graph import TensorType
from ..shapes import Size
from ..values import Real
from ._arguments import Check
from ._rules import bad, each_axis, listed, options, want_at_least, want_image
from .base import ONE, Checker, Family, Flag, Layer, Positive, PositivePerAxis, Refusal

Factor = Size | Real


def _factors(value: object) -> object:
    if isinstance(value, list | tuple):
        return tuple(_factor(item) for item in value)
    return _factor(value)


def _factor(value: object) -> Factor:
    if isinstance(value, int) and not isinstance(value, bool):
        value = Size.of(value)
    elif isinstance(value, float):
        value = Real.of(value)
    if not isinstance(value, Size | Real):
        raise ValueError("a number, or a list of them, is wanted")
    number = value.number if isinstance(value, Size) else value.value
    if number is not None and number <= 0:
        raise ValueError("it must be more than 0")
    return value


Factors = Annotated[Factor | tuple[Factor, ...], Check(_factors)]
_RANKS = {"linear": (3,), "bilinear": (4,), "bicubic": (4,), "trilinear": (5,)}


class Upsample(Layer):
    """Spatial dims to another size: to `size`, or `scale_factor` times as large (nn.Upsample, F.interpolate).

    Modes: nearest, nearest-exact and area for any rank, linear for `[B, C, L]`, bilinear and bicubic for images, trilinear for volumes.
    """

    name: ClassVar[str] = "upsample"
    family: ClassVar[Family] = "shape"
    formula: ClassVar[str] = "H' = floor(H * scale_factor)"
    example: ClassVar[str] = 'x: [B, 16, H, W] -> upsample(scale_factor=2, mode="bilinear")'
    synonyms: ClassVar[tuple[str, ...]] = (
        *(
            "Upsample",
            "interpolate",
            "UpsamplingNearest2d",
            "UpsamplingBilinear2d",
            "UpSampling1D",
            "UpSampling2D",
            "UpSampling3D",
        ),
        *("Resizing", "resize"),
    )

    size: PositivePerAxis | None = None
    scale_factor: Factors | None = None
    mode: Literal["nearest", "linear", "bilinear", "bicubic", "trilinear", "area", "nearest-exact"] = "nearest"
    align_corners: Flag | None = None

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        sizes = want_image(see, self.name, x)
        if x.rank not in _RANKS.get(self.mode, (3, 4, 5)):
            raise bad(see, self.name, "mode", f"it does not work on {x}", f'"{self.mode}"')
        if self.align_corners is not None and self.mode not in _RANKS:
            raise bad(see, self.name, "align_corners", f'"{self.mode}" has no corners to align', str(self.align_corners).lower())
        if (self.size is None) == (self.scale_factor is None):
            raise bad(see, self.name, "size", "give either size or scale_factor", "none" if self.size is None else self.size)
        if self.size is not None:
            return TensorType("float", (*x.shape[:2], *each_axis(see, self.name, "size", self.size, len(sizes))))
        factors = self.scale_factor if isinstance(self.scale_factor, tuple) else (self.scale_factor,) * len(sizes)
        if len(factors) != len(sizes):
            rule = f"it must be one number or a list of {len(sizes)}, one for each spatial dim"
            raise bad(see, self.name, "scale_factor", rule, listed(factors))
        scaled = tuple(self._scaled(see, x, at, factor) for at, factor in enumerate(factors) if factor is not None)
        return TensorType("float", (*x.shape[:2], *scaled))

    def _scaled(self, see: Checker, x: TensorType, at: int, factor: Factor) -> Size:
        size = x.shape[2 + at]
        if isinstance(factor, Size):
            return size * factor
        if size.number is not None and not see.same(size, Size.of(size.number)):
            raise bad(see, self.name, "scale_factor", "it needs a size that is known", factor)
        exact = Fraction(factor.value)
        if size.number is not None:
            scaled = Size.of(math.floor(size.number * factor.value))
        elif exact.denominator <= 64:
            scaled = size * exact.numerator // exact.denominator
        else:
            advice = "give a factor that is a simple fraction, or a size"
            raise Refusal(UnknownSize(see.place("scale_factor"), self.name, str(size), str(x), see.origin(0, 2 + at), advice))
        if see.holds(">=", scaled, ONE) is False:
            raise bad(see, self.name, "scale_factor", f"nothing is left of {size}", factor)
        return scaled

    def forward(self, show: Show, x: Code) -> Code:
        return call("F.interpolate", x, **options(self, show, "size", "scale_factor", "mode", "align_corners"))


class PixelShuffle(Layer):
    """Channels to places: `[B, C * r * r, H, W]` to `[B, C, H * r, W * r]` (nn.PixelShuffle)."""

    name: ClassVar[str] = "pixel_shuffle"
    family: ClassVar[Family] = "shape"
    formula: ClassVar[str] = "[B, C * r * r, H, W] -> [B, C, H * r, W * r]"
    example: ClassVar[str] = "x: [B, 16, H, W] -> pixel_shuffle(2)"
    synonyms: ClassVar[tuple[str, ...]] = ("PixelShuffle", "depth_to_space")

    upscale_factor: Positive

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_at_least(see, self.name, 0, x, 3)
        *lead, channels, height, width = x.shape
        square = self.upscale_factor * self.upscale_factor
        if see.divides(square, channels) is False:
            rule = "pixel_shuffle makes a square of places of its channels"
            raise Refusal(DoesNotDivide(see.place(0), rule, str(channels), str(square), see.origin(0, x.rank - 3)))
        return TensorType(x.dtype, (*lead, channels // square, height * self.upscale_factor, width * self.upscale_factor))

    def forward(self, show: Show, x: Code) -> Code:
        return call("F.pixel_shuffle", x, show(self.upscale_factor))


class PixelUnshuffle(Layer):
    """Places to channels: `[B, C, H * r, W * r]` to `[B, C * r * r, H, W]` (nn.PixelUnshuffle)."""

    name: ClassVar[str] = "pixel_unshuffle"
    family: ClassVar[Family] = "shape"
    formula: ClassVar[str] = "[B, C, H * r, W * r] -> [B, C * r * r, H, W]"
    example: ClassVar[str] = "x: [B, 4, 8, 8] -> pixel_unshuffle(2)"
    synonyms: ClassVar[tuple[str, ...]] = ("PixelUnshuffle", "space_to_depth")

    downscale_factor: Positive

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_at_least(see, self.name, 0, x, 3)
        *lead, channels, height, width = x.shape
        factor = self.downscale_factor
        for at, size in ((x.rank - 2, height), (x.rank - 1, width)):
            if see.divides(factor, size) is False:
                rule = "pixel_unshuffle makes channels of whole squares"
                raise Refusal(DoesNotDivide(see.place(0), rule, str(size), str(factor), see.origin(0, at)))
        return TensorType(x.dtype, (*lead, channels * factor * factor, height // factor, width // factor))

    def forward(self, show: Show, x: Code) -> Code:
        return call("F.pixel_unshuffle", x, show(self.downscale_factor))

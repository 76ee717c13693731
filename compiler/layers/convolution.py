"""Convolutions over one to three spatial dims; the tensor says how many."""

from typing import ClassVar

from ..emit.code import Code, Show, call
from ..errors.shapes import DoesNotDivide, WindowTooLarge
from ..graph import TensorType
from ..shapes import Dim, Size
from ._rules import bad, each_axis, is_one, known, options, product, want_image
from ._windows import Padding, PaddingMode, borders, check_mode, fits, is_per_side, pad_first, reach_of, slid
from .base import (
    ONE,
    ZERO,
    Checker,
    Family,
    Flag,
    NonNegativePerAxis,
    Owner,
    Positive,
    PositivePerAxis,
    Refusal,
    Weight,
    elements,
    per_axis,
)


class Sliding(Owner):
    """Base of the convolutions whose weights slide over a padded tensor."""

    family: ClassVar[Family] = "convolution"

    kernel_size: PositivePerAxis
    stride: PositivePerAxis = ONE
    padding: Padding = ZERO
    dilation: PositivePerAxis = ONE
    bias: Flag = True
    padding_mode: PaddingMode = "zeros"

    def channels(self, x: TensorType) -> tuple[Size, Size]:
        """The channels that come out, and the groups."""
        raise NotImplementedError

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        sizes = want_image(see, self.name, x)
        known(see, self.name, x, 1)
        out, _ = self.channels(x)
        rank = len(sizes)
        kernels = each_axis(see, self.name, "kernel_size", self.kernel_size, rank)
        strides = each_axis(see, self.name, "stride", self.stride, rank)
        reaches = [
            reach_of(*one) for one in zip(kernels, each_axis(see, self.name, "dilation", self.dilation, rank), strict=True)
        ]
        sides = borders(see, self.name, self.padding, rank)
        if self.padding == "same":
            if not all(see.same(stride, ONE) for stride in strides):
                raise bad(see, self.name, "padding", '"same" keeps the size, which a stride does not', '"same"')
            ends = [(reach - 1 - (reach - 1) // 2) for reach in reaches]
            check_mode(see, self.name, self.padding_mode, [(end, end) for end in ends], x)
            return TensorType("float", (x.shape[0], out, *sizes))
        check_mode(see, self.name, self.padding_mode, sides, x)
        padded = [size + before + after for size, (before, after) in zip(sizes, sides, strict=True)]
        fits(see, self.name, reaches, padded, x)
        return TensorType("float", (x.shape[0], out, *(slid(*one) for one in zip(padded, reaches, strides, strict=True))))

    def weights(self, x: TensorType) -> dict[str, Weight]:
        out, groups = self.channels(x)
        owned = {"weight": Weight(out, x.shape[1] // groups, *per_axis(self.kernel_size, x.rank - 2))}
        return owned | {"bias": Weight(out)} if self.bias else owned

    def module(self, show: Show, x: TensorType) -> str:
        out, groups = self.channels(x)
        given = (
            options(self, show, "stride", "padding", "dilation")
            | show.options(groups=(groups, 1))
            | options(self, show, "bias", "padding_mode")
        )
        if is_per_side(self.padding):
            given = {name: text for name, text in given.items() if name not in ("padding", "padding_mode")}
        return call(f"nn.Conv{x.rank - 2}d", show(x.shape[1]), show(out), show(self.kernel_size), **given).text

    def forward(self, show: Show, x: Code) -> Code:
        if isinstance(self.padding, tuple) and is_per_side(self.padding):
            sides = tuple(item if isinstance(item, tuple) else (item, item) for item in self.padding)
            x = pad_first(show, x, sides, self.padding_mode)
        return call(show.me, x)

    def cost(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        _, groups = self.channels(inputs[0])
        window = product(per_axis(self.kernel_size, inputs[0].rank - 2))
        return elements(outputs[0]) * (inputs[0].shape[1] // groups * window).value


class Conv(Sliding):
    """A convolution over the last one to three dims of `[B, C, *spatial]` (nn.Conv1d to nn.Conv3d).

    `padding` is a number, a list with one for each dim, `"same"`, or pairs `[before, after]`: `padding=[[2, 0]]` looks only back.
    """

    name: ClassVar[str] = "conv"
    formula: ClassVar[str] = (
        "y[b, o] = bias[o] + sum_c weight[o, c] * x[b, c];  H' = (H + 2 padding - dilation (kernel - 1) - 1) // stride + 1"
    )
    example: ClassVar[str] = "x: [B, 3, H, W] -> conv(16, 3, padding=1)"
    synonyms: ClassVar[tuple[str, ...]] = (
        *("Conv1d", "Conv2d", "Conv3d", "conv1d", "conv2d", "conv3d", "Conv1D", "Conv2D", "Conv3D"),
        *("Convolution1D", "Convolution2D", "Convolution3D", "LazyConv1d", "LazyConv2d", "LazyConv3d"),
    )

    out_channels: Positive
    kernel_size: PositivePerAxis
    stride: PositivePerAxis = ONE
    padding: Padding = ZERO
    dilation: PositivePerAxis = ONE
    groups: Positive = ONE
    bias: Flag = True
    padding_mode: PaddingMode = "zeros"

    def channels(self, x: TensorType) -> tuple[Size, Size]:
        return self.out_channels, self.groups

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_image(see, self.name, x)
        divides_both(see, self.name, self.groups, known(see, self.name, x, 1), self.out_channels)
        return super().infer(see, x)


class Depthwise(Sliding):
    """A convolution of each channel by itself; `multiplier` channels come out for each that comes in (nn.Conv2d with groups)."""

    name: ClassVar[str] = "depthwise"
    formula: ClassVar[str] = "y[b, c] = bias[c] + weight[c] * x[b, c]"
    example: ClassVar[str] = "x: [B, 16, H, W] -> depthwise(3, padding=1)"
    synonyms: ClassVar[tuple[str, ...]] = ("DepthwiseConv1D", "DepthwiseConv2D", "depthwise_conv")

    kernel_size: PositivePerAxis
    stride: PositivePerAxis = ONE
    padding: Padding = ZERO
    dilation: PositivePerAxis = ONE
    bias: Flag = True
    padding_mode: PaddingMode = "zeros"
    multiplier: Positive = ONE

    def channels(self, x: TensorType) -> tuple[Size, Size]:
        return x.shape[1] * self.multiplier, x.shape[1]


class ConvTranspose(Owner):
    """The convolution that goes the other way, and makes images larger (nn.ConvTranspose1d to nn.ConvTranspose3d)."""

    name: ClassVar[str] = "conv_transpose"
    family: ClassVar[Family] = "convolution"
    formula: ClassVar[str] = "H' = (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1"
    example: ClassVar[str] = "x: [B, 64, H, W] -> conv_transpose(32, 2, stride=2)"
    synonyms: ClassVar[tuple[str, ...]] = (
        *("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"),
        *("Deconvolution2D", "deconv", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
    )

    out_channels: Positive
    kernel_size: PositivePerAxis
    stride: PositivePerAxis = ONE
    padding: NonNegativePerAxis = ZERO
    output_padding: NonNegativePerAxis = ZERO
    groups: Positive = ONE
    bias: Flag = True
    dilation: PositivePerAxis = ONE

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        sizes = want_image(see, self.name, x)
        divides_both(see, self.name, self.groups, known(see, self.name, x, 1), self.out_channels)
        rank = len(sizes)
        names = ("kernel_size", "stride", "padding", "output_padding", "dilation")
        given = (self.kernel_size, self.stride, self.padding, self.output_padding, self.dilation)
        listed = [each_axis(see, self.name, name, value, rank) for name, value in zip(names, given, strict=True)]
        spatial = tuple(self._grown(see, x, at, *one) for at, one in enumerate(zip(sizes, *listed, strict=True)))
        return TensorType("float", (x.shape[0], self.out_channels, *spatial))

    def _grown(
        self,
        see: Checker,
        x: TensorType,
        at: int,
        size: Size,
        kernel: Size,
        stride: Size,
        border: Size,
        more: Size,
        dilation: Size,
    ) -> Size:
        if see.holds("<", more, stride) is False and see.holds("<", more, dilation) is False:
            raise bad(
                see, self.name, "output_padding", f"it must be less than the stride {stride} or the dilation {dilation}", more
            )
        reach = reach_of(kernel, dilation)
        grown = (size - 1) * stride + reach + more - border * 2
        if see.holds(">=", grown, ONE) is False:
            raise Refusal(
                WindowTooLarge(
                    see.place("padding"),
                    self.name,
                    str(reach),
                    f"what a padding of {border} leaves",
                    str(x),
                    see.origin(0, at + 2),
                )
            )
        return grown

    def weights(self, x: TensorType) -> dict[str, Weight]:
        owned = {"weight": Weight(x.shape[1], self.out_channels // self.groups, *per_axis(self.kernel_size, x.rank - 2))}
        return owned | {"bias": Weight(self.out_channels)} if self.bias else owned

    def module(self, show: Show, x: TensorType) -> str:
        given = options(self, show, "stride", "padding", "output_padding", "groups", "bias", "dilation")
        return call(
            f"nn.ConvTranspose{x.rank - 2}d", show(x.shape[1]), show(self.out_channels), show(self.kernel_size), **given
        ).text

    def cost(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        window = per_axis(self.kernel_size, inputs[0].rank - 2)
        return elements(inputs[0]) * (self.out_channels // self.groups * product(window)).value


def divides_both(see: Checker, layer: str, groups: Size, channels: Size, out: Size) -> None:
    """Groups split the channels that come in and those that go out."""
    if groups.number is None or is_one(see, groups):
        return
    if see.divides(groups, channels) is False:
        raise Refusal(
            DoesNotDivide(
                see.place("groups"),
                f"the groups of {layer} split the channels that come in",
                str(channels),
                str(groups),
                see.origin(0, 1),
            )
        )
    if see.divides(groups, out) is False:
        raise Refusal(
            DoesNotDivide(see.place("groups"), f"the groups of {layer} split the channels that go out", str(out), str(groups))
        )

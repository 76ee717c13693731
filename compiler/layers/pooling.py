"""Pooling with sliding windows, and the way back."""

from typing import ClassVar

from ..emit.code import Code, Show, call
from ..errors.shapes import WindowTooLarge
from ..graph import TensorType
from ..shapes import Size
from ._rules import bad, each_axis, listed, options, same_shape, want_dtype, want_image, want_rank
from ._windows import pooled
from .base import ONE, ZERO, Checker, Family, Flag, Layer, NonNegativePerAxis, Positive, PositiveNumber, PositivePerAxis, Refusal

IMAGE = "[B, C, *spatial] with one to three spatial dims"


class Pool(Layer):
    """Base: one window for each spatial dim, by default as far apart as it is wide."""

    family: ClassVar[Family] = "pooling"


class MaxPool(Pool):
    """The largest number under each window (nn.MaxPool1d to nn.MaxPool3d); with `return_indices` also where it stood, for `max_unpool`."""

    name: ClassVar[str] = "max_pool"
    formula: ClassVar[str] = "H' = (H + 2 padding - dilation (kernel - 1) - 1) // stride + 1"
    example: ClassVar[str] = "x: [B, 16, H, W] -> max_pool(3, stride=2, padding=1)"
    synonyms: ClassVar[tuple[str, ...]] = (
        *("MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D"),
        *("max_pool1d", "max_pool2d", "max_pool3d", "MaxPool2D"),
    )

    kernel_size: PositivePerAxis
    stride: PositivePerAxis | None = None
    padding: NonNegativePerAxis = ZERO
    dilation: PositivePerAxis = ONE
    return_indices: Flag = False
    ceil_mode: Flag = False

    def infer(self, see: Checker, x: TensorType) -> TensorType | tuple[TensorType, TensorType]:
        want_rank(see, self.name, 0, x, IMAGE, 3, 4, 5)
        want_dtype(see, self.name, 0, x, *(("float", "int") if x.rank > 3 or self.return_indices else ("float",)))
        spatial = pooled(see, self.name, x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
        shape = (*x.shape[:2], *spatial)
        found = TensorType(x.dtype, shape)
        return (found, TensorType("int", shape)) if self.return_indices else found

    def forward(self, show: Show, x: Code) -> Code:
        given = options(self, show, "stride", "padding", "dilation", "ceil_mode", "return_indices")
        return call(f"F.max_pool{show.types[0].rank - 2}d", x, show(self.kernel_size), **given)


class AvgPool(Pool):
    """The mean under each window (nn.AvgPool1d to nn.AvgPool3d)."""

    name: ClassVar[str] = "avg_pool"
    formula: ClassVar[str] = "H' = (H + 2 padding - kernel) // stride + 1"
    example: ClassVar[str] = "x: [B, 16, H, W] -> avg_pool(2)"
    synonyms: ClassVar[tuple[str, ...]] = (
        *("AvgPool1d", "AvgPool2d", "AvgPool3d", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D"),
        *("avg_pool1d", "avg_pool2d", "avg_pool3d", "mean_pool"),
    )

    kernel_size: PositivePerAxis
    stride: PositivePerAxis | None = None
    padding: NonNegativePerAxis = ZERO
    ceil_mode: Flag = False
    count_include_pad: Flag = True
    divisor_override: Positive | None = None

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_rank(see, self.name, 0, x, IMAGE, 3, 4, 5)
        want_dtype(see, self.name, 0, x, "float", "int")
        if self.divisor_override is not None and x.rank == 3:
            raise bad(see, self.name, "divisor_override", "it needs two or three spatial dims", self.divisor_override)
        spatial = pooled(see, self.name, x, self.kernel_size, self.stride, self.padding, ONE, self.ceil_mode)
        return TensorType(x.dtype, (*x.shape[:2], *spatial))

    def forward(self, show: Show, x: Code) -> Code:
        given = options(self, show, "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
        return call(f"F.avg_pool{show.types[0].rank - 2}d", x, show(self.kernel_size), **given)


class LpPool(Pool):
    """The p-norm of the numbers under each window (nn.LPPool1d to nn.LPPool3d)."""

    name: ClassVar[str] = "lp_pool"
    formula: ClassVar[str] = "y = (sum over the window of x ** p) ** (1 / p)"
    example: ClassVar[str] = "x: [B, 16, H, W] -> lp_pool(2, 3)"
    synonyms: ClassVar[tuple[str, ...]] = ("LPPool1d", "LPPool2d", "LPPool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d")

    norm_type: PositiveNumber
    kernel_size: PositivePerAxis
    stride: PositivePerAxis | None = None
    ceil_mode: Flag = False

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_image(see, self.name, x)
        spatial = pooled(see, self.name, x, self.kernel_size, self.stride, ZERO, ONE, self.ceil_mode)
        return TensorType("float", (*x.shape[:2], *spatial))

    def forward(self, show: Show, x: Code) -> Code:
        given = options(self, show, "stride", "ceil_mode")
        return call(f"F.lp_pool{show.types[0].rank - 2}d", x, show(self.norm_type), show(self.kernel_size), **given)


class MaxUnpool(Pool):
    """Puts numbers back where `max_pool(…, return_indices=true)` found them; zeros elsewhere.

    It takes the numbers and the indices. `output_size` gives the spatial sizes where the window did not divide them.
    """

    name: ClassVar[str] = "max_unpool"
    formula: ClassVar[str] = "H' = (H - 1) stride - 2 padding + kernel"
    example: ClassVar[str] = "x: [B, 16, 4, 4], at: int[B, 16, 4, 4] -> max_unpool(2)"
    synonyms: ClassVar[tuple[str, ...]] = ("MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "unpool", "UpPooling2D")
    tensors: ClassVar[int | None] = 2

    kernel_size: PositivePerAxis
    stride: PositivePerAxis | None = None
    padding: NonNegativePerAxis = ZERO
    output_size: PositivePerAxis | None = None

    def infer(self, see: Checker, x: TensorType, indices: TensorType) -> TensorType:
        want_rank(see, self.name, 0, x, IMAGE, 3, 4, 5)
        want_dtype(see, self.name, 0, x, "float")
        want_dtype(see, self.name, 1, indices, "int")
        same_shape(see, "max_unpool wants an index for each number", x, indices)
        rank = x.rank - 2
        kernels = each_axis(see, self.name, "kernel_size", self.kernel_size, rank)
        strides = kernels if self.stride is None else each_axis(see, self.name, "stride", self.stride, rank)
        sides = each_axis(see, self.name, "padding", self.padding, rank)
        spatial = tuple((n - 1) * s + k - p * 2 for n, s, k, p in zip(x.shape[2:], strides, kernels, sides, strict=True))
        for at, size in enumerate(spatial):
            if see.holds(">=", size, ONE) is False:
                raise Refusal(
                    WindowTooLarge(see.span, self.name, str(kernels[at]), str(x.shape[2 + at]), str(x), see.origin(0, 2 + at))
                )
        if self.output_size is not None:
            spatial = self._chosen(see, spatial, strides)
        return TensorType(x.dtype, (*x.shape[:2], *spatial))

    def _chosen(self, see: Checker, spatial: tuple[Size, ...], strides: tuple[Size, ...]) -> tuple[Size, ...]:
        assert self.output_size is not None
        sizes = each_axis(see, self.name, "output_size", self.output_size, len(spatial))
        for size, usual, stride in zip(sizes, spatial, strides, strict=True):
            if see.holds("<", usual - stride, size) is False or see.holds("<", size, usual + stride) is False:
                raise bad(
                    see, self.name, "output_size", f"it must be less than one stride of {stride} away from {usual}", listed(sizes)
                )
        return sizes

    def forward(self, show: Show, x: Code, indices: Code) -> Code:
        given = options(self, show, "stride", "padding")
        if self.output_size is not None:
            rank = show.types[0].rank - 2
            given["output_size"] = show(self.output_size if isinstance(self.output_size, tuple) else (self.output_size,) * rank)
        return call(f"F.max_unpool{show.types[0].rank - 2}d", x, indices, show(self.kernel_size), **given)

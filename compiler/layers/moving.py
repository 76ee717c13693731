"""The items of a tensor moved about: rolled, flipped, padded, gathered, chosen."""

from typing import ClassVar, Literal

from ..emit.code import Code, Show, call, method
from ..errors.layers import OutOfRange
from ..graph import TensorType
from ..shapes import Size
from ..values import Real
from ._rules import Dim, axes, axes_text, axis, axis_text, bad, described, disagree, listed, options, other_rank, want_dtype
from ._windows import check_mode
from .base import LAST, Axes, Axis, Checker, Family, Flag, Layer, Number, Positive, Refusal, Sizes


class Shape(Layer):
    """Base: the numbers that come out were there before."""

    family: ClassVar[Family] = "shape"


class Roll(Shape):
    """Moves the items along dims round and round; without dims, those of the flattened tensor (torch.roll)."""

    name: ClassVar[str] = "roll"
    formula: ClassVar[str] = "y[i] = x[i - shifts]"
    example: ClassVar[str] = "x: [B, H, W, 8] -> roll([-4, -4], dims=[1, 2])"

    shifts: Sizes
    dims: Axes | None = None

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        if self.dims is not None:
            dims = self.dims if isinstance(self.dims, tuple) else (self.dims,)
            for dim in dims:
                axis(see, self.name, dim, x, argument="dims")
            if len(dims) != len(self.shifts):
                raise bad(see, self.name, "shifts", f"it needs one number for each of {len(dims)} dims", listed(self.shifts))
        elif len(self.shifts) != 1:
            raise bad(see, self.name, "shifts", "without dims it is one number", listed(self.shifts))
        return TensorType(x.dtype, x.shape)

    def forward(self, show: Show, x: Code) -> Code:
        shifts = show(self.shifts[0] if len(self.shifts) == 1 else self.shifts)
        return method(x, "roll", shifts, *([] if self.dims is None else [axes_text(self.dims, show.types[0])]))


class Flip(Shape):
    """The items along dims in the opposite order."""

    name: ClassVar[str] = "flip"
    formula: ClassVar[str] = "y[i] = x[n - 1 - i]"
    example: ClassVar[str] = "x: [B, 3, H, W] -> flip(dims=W)"
    synonyms: ClassVar[tuple[str, ...]] = ("fliplr", "flipud")
    twice: ClassVar[Literal["once", "nothing"] | None] = "nothing"

    dims: Axes

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        axes(see, self.name, self.dims, x, argument="dims")
        return TensorType(x.dtype, x.shape)

    def forward(self, show: Show, x: Code) -> Code:
        return method(x, "flip", axes_text(self.dims, show.types[0]))


class Pad(Shape):
    """Borders: `pad=[left, right, top, bottom, …]` counts pairs from the last dim, as F.pad does; less than 0 cuts off."""

    name: ClassVar[str] = "pad"
    formula: ClassVar[str] = "[B, T] -> [B, left + T + right]"
    example: ClassVar[str] = 'x: [B, 3, H, W] -> pad([1, 1, 1, 1], mode="replicate")'
    synonyms: ClassVar[tuple[str, ...]] = (
        "ZeroPad1d",
        "ZeroPad2d",
        "ZeroPadding2D",
        "ConstantPad2d",
        "ReflectionPad2d",
        "ReplicationPad2d",
        "CircularPad2d",
    )

    pad: Sizes
    mode: Literal["constant", "reflect", "replicate", "circular"] = "constant"
    value: Number = Real.of(0.0)

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        pairs = len(self.pad) // 2
        if len(self.pad) % 2 or pairs > x.rank:
            raise bad(see, self.name, "pad", f"it needs pairs [before, after] for the last dims of {x}", listed(self.pad))
        if self.mode != "constant":
            self._check_mode(see, x, pairs)
        shape = list(x.shape)
        for at in range(pairs):
            before, after = self.pad[2 * at], self.pad[2 * at + 1]
            left = shape[-1 - at]
            for border in (before, after):
                left = left + border if see.holds("<", border, Size.of(0)) else left
            shape[-1 - at] = shape[-1 - at] + before + after
            least = Size.of(0 if self.mode == "constant" else 1)
            if (self.mode == "constant" and see.holds("<", left, Size.of(0))) or see.holds("<", shape[-1 - at], least):
                raise bad(see, self.name, "pad", f"it cuts more off than {x.shape[-1 - at]}", listed(self.pad))
        return TensorType(x.dtype, tuple(shape))

    def _check_mode(self, see: Checker, x: TensorType, pairs: int) -> None:
        if not 1 <= pairs <= 3 or x.rank not in (pairs + 1, pairs + 2):
            raise bad(
                see,
                self.name,
                "pad",
                f'with "{self.mode}" it pads all dims but the first, or all but the first two',
                listed(self.pad),
            )
        want_dtype(see, self.name, 0, x, *(("float", "int", "bool") if self.mode == "circular" else ("float", "int")))
        if self.value.value != 0:
            raise bad(see, self.name, "value", f'with "{self.mode}" there is nothing to fill in', described(self.value))
        sides = [(self.pad[2 * at], self.pad[2 * at + 1]) for at in reversed(range(pairs))]
        check_mode(see, self.name, self.mode, sides, x, "pad")

    def forward(self, show: Show, x: Code) -> Code:
        return call("F.pad", x, show(self.pad), **options(self, show, "mode", "value"))


class Gather(Shape):
    """Reads along a dim at the places that `index` says (torch.gather)."""

    name: ClassVar[str] = "gather"
    formula: ClassVar[str] = "y[i, j] = x[i, index[i, j]]  (dim=1)"
    example: ClassVar[str] = "x: [B, 10], index: int[B, 1] -> gather(dim=1)"
    synonyms: ClassVar[tuple[str, ...]] = ("take_along_dim", "take_along_axis")
    tensors: ClassVar[int | None] = 2

    dim: Axis

    def infer(self, see: Checker, x: TensorType, index: TensorType) -> TensorType:
        want_dtype(see, self.name, 1, index, "int")
        at = axis(see, self.name, self.dim, x)
        rule = "gather reads with an index of as many dims, none of them larger but the one it reads along"
        if index.rank != x.rank:
            raise other_rank(see, rule, 1, x, index)
        for place, (size, wanted) in enumerate(zip(x.shape, index.shape, strict=True)):
            if place != at and see.holds("<=", wanted, size) is False:
                raise disagree(see, rule, Dim(size, 0, place), Dim(wanted, 1, place), (x, index))
        return TensorType(x.dtype, index.shape)

    def forward(self, show: Show, x: Code, index: Code) -> Code:
        return method(x, "gather", axis_text(self.dim, show.types[0]), index)


class TopK(Shape):
    """The `k` largest numbers along a dim, and where they stand: two outputs (torch.topk)."""

    name: ClassVar[str] = "top_k"
    formula: ClassVar[str] = "[B, N] -> [B, k], int[B, k]"
    example: ClassVar[str] = "x: [B, 10] -> top_k(3)"
    synonyms: ClassVar[tuple[str, ...]] = ("topk",)

    k: Positive
    dim: Axis = LAST
    largest: Flag = True
    sorted: Flag = True

    def infer(self, see: Checker, x: TensorType) -> tuple[TensorType, TensorType]:
        want_dtype(see, self.name, 0, x, "float", "int")
        at = axis(see, self.name, self.dim, x)
        if see.holds("<=", self.k, x.shape[at]) is False:
            raise Refusal(OutOfRange(see.place("k"), self.name, str(self.k), str(x.shape[at]), str(x), see.origin(0, at)))
        shape = (*x.shape[:at], self.k, *x.shape[at + 1 :])
        return TensorType(x.dtype, shape), TensorType("int", shape)

    def forward(self, show: Show, x: Code) -> Code:
        where = {} if self.dim == LAST else {"dim": axis_text(self.dim, show.types[0])}
        return method(x, "topk", show(self.k), **where, **options(self, show, "largest", "sorted"))

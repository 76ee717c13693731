"""One tensor with its numbers in another shape: nothing is computed."""

from typing import ClassVar

from ..emit.code import ATOM, Code, Show, method
from ..errors.layers import ElementsDisagree
from ..errors.shapes import DimsDisagree, WrongRank
from ..graph import TensorType
from ..shapes import Size
from ._rules import Dims, axes, axes_text, axis, axis_text, bad, is_one, listed, place, product, want_at_least
from .base import LAST, ONE, Axes, Axis, Checker, Family, Layer, NonNegative, Refusal, Sizes, Whole


class Shape(Layer):
    """Base: the same numbers come out, of the same dtype."""

    family: ClassVar[Family] = "shape"


class Flatten(Shape):
    """Joins the dims from `start_dim` to `end_dim`; by default all but the batch (nn.Flatten)."""

    name: ClassVar[str] = "flatten"
    formula: ClassVar[str] = "[B, C, H, W] -> [B, C * H * W]"
    example: ClassVar[str] = "x: [B, 16, 4, 4] -> flatten"
    synonyms: ClassVar[tuple[str, ...]] = ("Flatten", "ravel")
    still: ClassVar[bool] = True

    start_dim: Axis = ONE
    end_dim: Axis = LAST

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        start = axis(see, self.name, self.start_dim, x, argument="start_dim")
        end = axis(see, self.name, self.end_dim, x, argument="end_dim")
        if start > end:
            raise bad(see, self.name, "end_dim", f"it comes before start_dim, which is dim {start}", end)
        return TensorType(x.dtype, (*x.shape[:start], product(x.shape[start : end + 1]), *x.shape[end + 1 :]))

    def forward(self, show: Show, x: Code) -> Code:
        start, end = (axis_text(dim, show.types[0]) for dim in (self.start_dim, self.end_dim))
        whole = start == "0" and end == "-1"
        return method(x, "flatten", *([] if whole else [start] if end == "-1" else [start, end]))


class Reshape(Shape):
    """Each row in a new shape: the first dim, the batch, stays. One size may be -1."""

    name: ClassVar[str] = "reshape"
    formula: ClassVar[str] = "[B, a * b * c] -> [B, a, b, c]"
    example: ClassVar[str] = "x: [B, 64] -> reshape(1, 8, 8)"
    synonyms: ClassVar[tuple[str, ...]] = ("Reshape", "view", "Unflatten", "unflatten", "View")
    still: ClassVar[bool] = True
    variadic: ClassVar[str] = "sizes"

    sizes: Sizes

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_at_least(see, self.name, 0, x, 1)
        free = [at for at, size in enumerate(self.sizes) if size.number is not None and size.number < 0]
        if len(free) > 1 or any(self.sizes[at].number != -1 for at in free):
            raise bad(see, self.name, "sizes", "sizes are at least 0, and one of them may be -1", listed(self.sizes))
        have, wanted = product(x.shape[1:]), product([size for at, size in enumerate(self.sizes) if at not in free])
        fits = see.same(have, wanted) if not free else wanted.number != 0 and see.divides(wanted, have) is not False
        if not fits:
            raise Refusal(ElementsDisagree(see.span, self.name, listed(self.sizes), str(have), str(x), x.origin))
        return TensorType(x.dtype, (x.shape[0], *(have // wanted if at in free else size for at, size in enumerate(self.sizes))))

    def forward(self, show: Show, x: Code) -> Code:
        sizes = [show(size) for size in self.sizes]
        if show.types[0].rank == 2 and len(sizes) > 1:
            return method(x, "unflatten", "1", f"({', '.join(sizes)})")
        if sizes == ["-1"] and show.types[0].rank > 1:
            return method(x, "flatten", "1")
        return method(x, "reshape", f"{x.at(ATOM)}.shape[0]" if "-1" in sizes else "-1", *sizes)


class Squeeze(Shape):
    """Takes dims of size 1 away: those in `dim`, or all that are known to be 1."""

    name: ClassVar[str] = "squeeze"
    formula: ClassVar[str] = "[B, 1, D] -> [B, D]"
    example: ClassVar[str] = "x: [B, 1] -> squeeze(dim=1)"
    synonyms: ClassVar[tuple[str, ...]] = ("Squeeze",)
    still: ClassVar[bool] = True

    dim: Axes | None = None

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        gone = self._gone(x) if self.dim is None else axes(see, self.name, self.dim, x)
        for at in gone:
            if not is_one(see, x.shape[at]):
                got = f"its size is {x.shape[at]}"
                fault = DimsDisagree(
                    see.place(0), "squeeze takes away dims of size 1", f"dim {at} of {x} is not", got, see.origin(0, at)
                )
                raise Refusal(fault)
        return TensorType(x.dtype, tuple(size for at, size in enumerate(x.shape) if at not in gone))

    def _gone(self, x: TensorType) -> tuple[int, ...]:
        return tuple(at for at, size in enumerate(x.shape) if size.number == 1)

    def forward(self, show: Show, x: Code) -> Code:
        dims: Dims = tuple(Size.of(at) for at in self._gone(show.types[0])) if self.dim is None else self.dim
        return method(x, "squeeze", axes_text(dims, show.types[0])) if dims != () else x


class Unsqueeze(Shape):
    """Puts a dim of size 1 in at `dim`; `x[:, none]` is the short form."""

    name: ClassVar[str] = "unsqueeze"
    formula: ClassVar[str] = "[B, D] -> [B, 1, D]"
    example: ClassVar[str] = "x: [B, 64] -> unsqueeze(1)"
    synonyms: ClassVar[tuple[str, ...]] = ("expand_dims",)
    still: ClassVar[bool] = True

    dim: Whole

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        at = axis(see, self.name, self.dim, x, more=1)
        return TensorType(x.dtype, (*x.shape[:at], ONE, *x.shape[at:]))

    def forward(self, show: Show, x: Code) -> Code:
        return method(x, "unsqueeze", str(self.dim.number))


class Transpose(Shape):
    """Swaps two dims; the last two where none are given."""

    name: ClassVar[str] = "transpose"
    formula: ClassVar[str] = "[..., N, M] -> [..., M, N]"
    example: ClassVar[str] = "x: [B, T, D] -> transpose"
    synonyms: ClassVar[tuple[str, ...]] = ("swapaxes", "swapdims", "mT", "T", "t")

    dim0: Axis | None = None
    dim1: Axis | None = None

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        if (self.dim0 is None) != (self.dim1 is None):
            raise bad(see, self.name, "dim1" if self.dim1 is None else "dim0", "give both dims or none", "none")
        if self.dim0 is None or self.dim1 is None:
            want_at_least(see, self.name, 0, x, 2)
            first, second = x.rank - 2, x.rank - 1
        else:
            first = axis(see, self.name, self.dim0, x, argument="dim0")
            second = axis(see, self.name, self.dim1, x, argument="dim1")
        shape = list(x.shape)
        shape[first], shape[second] = shape[second], shape[first]
        return TensorType(x.dtype, tuple(shape))

    def order(self, x: TensorType) -> tuple[int, ...]:
        dims = list(range(x.rank))
        first, second = (-2, -1) if self.dim0 is None or self.dim1 is None else (place(self.dim0, x), place(self.dim1, x))
        dims[first], dims[second] = dims[second], dims[first]
        return tuple(dims)

    def forward(self, show: Show, x: Code) -> Code:
        if self.dim0 is None or self.dim1 is None:
            return Code(f"{x.at(ATOM)}.mT")
        return method(x, "transpose", axis_text(self.dim0, show.types[0]), axis_text(self.dim1, show.types[0]))


class Permute(Shape):
    """All dims in another order: `permute(0, 2, 3, 1)`, or by their names, `permute(B, H, W, C)`."""

    name: ClassVar[str] = "permute"
    formula: ClassVar[str] = "[B, C, H, W] -> [B, H, W, C]"
    example: ClassVar[str] = "x: [B, 3, H, W] -> permute(0, 2, 3, 1)"
    synonyms: ClassVar[tuple[str, ...]] = ("Permute", "movedim", "moveaxis")
    variadic: ClassVar[str] = "dims"

    dims: Axes

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        order = axes(see, self.name, self.dims, x, argument="dims")
        if len(order) != x.rank:
            raise Refusal(
                WrongRank(see.place(0), self.name, f"a tensor of {len(order)} dims, one for each in its list", str(x), x.origin)
            )
        return TensorType(x.dtype, tuple(x.shape[at] for at in order))

    def order(self, x: TensorType) -> tuple[int, ...]:
        return tuple(place(dim, x) for dim in (self.dims if isinstance(self.dims, tuple) else (self.dims,)))

    def forward(self, show: Show, x: Code) -> Code:
        dims = self.dims if isinstance(self.dims, tuple) else (self.dims,)
        return method(x, "permute", *(axis_text(dim, show.types[0]) for dim in dims))


class Expand(Shape):
    """Repeats dims of size 1 without copying, to the sizes that are given; -1 keeps a size, and new dims may come first."""

    name: ClassVar[str] = "expand"
    formula: ClassVar[str] = "[B, 10, 1, 1] -> [B, 10, 8, 8]"
    example: ClassVar[str] = "x: [B, 10, 1, 1] -> expand(B, 10, 8, 8)"
    synonyms: ClassVar[tuple[str, ...]] = ("broadcast_to", "expand_as")
    still: ClassVar[bool] = True
    variadic: ClassVar[str] = "sizes"

    sizes: Sizes

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        new = len(self.sizes) - x.rank
        if new < 0:
            wanted = f"a tensor of at most {len(self.sizes)} dims, as many as it has sizes"
            raise Refusal(WrongRank(see.place(0), self.name, wanted, str(x), x.origin))
        return TensorType(x.dtype, tuple(self._size(see, x, at - new, size) for at, size in enumerate(self.sizes)))

    def _size(self, see: Checker, x: TensorType, at: int, size: Size) -> Size:
        if size.number is not None and size.number < 0:
            if at < 0 or size.number != -1:
                raise bad(see, self.name, "sizes", "sizes are at least 0, and -1 keeps a size that is there", listed(self.sizes))
            return x.shape[at]
        if at >= 0 and not see.same(x.shape[at], size) and not is_one(see, x.shape[at]):
            rule = "expand repeats dims of size 1 and keeps the others"
            left, right = f"dim {at} of {x} is {x.shape[at]}", f"it is to become {size}"
            raise Refusal(DimsDisagree(see.place("sizes"), rule, left, right, see.origin(0, at), left_size=str(x.shape[at])))
        return size

    def forward(self, show: Show, x: Code) -> Code:
        return method(x, "expand", *(show(size) for size in self.sizes))


class Repeat(Shape):
    """Copies the tensor along each dim as often as is said; new dims may come first (Tensor.repeat)."""

    name: ClassVar[str] = "repeat"
    formula: ClassVar[str] = "[B, T] -> [B * n, T * m]"
    example: ClassVar[str] = "x: [B, 4] -> repeat(1, 3)"
    synonyms: ClassVar[tuple[str, ...]] = ("tile", "RepeatVector")
    still: ClassVar[bool] = True
    variadic: ClassVar[str] = "sizes"

    sizes: Sizes

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        new = len(self.sizes) - x.rank
        if new < 0:
            wanted = f"a tensor of at most {len(self.sizes)} dims, as many as it has numbers"
            raise Refusal(WrongRank(see.place(0), self.name, wanted, str(x), x.origin))
        if any(see.holds("<", times, Size.of(0)) for times in self.sizes):
            raise bad(see, self.name, "sizes", "the numbers must be at least 0", listed(self.sizes))
        old = (ONE,) * new + x.shape
        return TensorType(x.dtype, tuple(size * times for size, times in zip(old, self.sizes, strict=True)))

    def forward(self, show: Show, x: Code) -> Code:
        return method(x, "repeat", *(show(size) for size in self.sizes))


class RepeatInterleave(Shape):
    """Each item along a dim, `repeats` times in a row."""

    name: ClassVar[str] = "repeat_interleave"
    formula: ClassVar[str] = "[a, b] -> [a, a, b, b]"
    example: ClassVar[str] = "x: [B, 2, T, D] -> repeat_interleave(4, dim=1)"

    repeats: NonNegative
    dim: Axis

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        at = axis(see, self.name, self.dim, x)
        return TensorType(x.dtype, (*x.shape[:at], x.shape[at] * self.repeats, *x.shape[at + 1 :]))

    def forward(self, show: Show, x: Code) -> Code:
        return method(x, "repeat_interleave", show(self.repeats), dim=axis_text(self.dim, show.types[0]))

"""Many numbers to one, over all dims or some; and running ones along a dim."""

from collections.abc import Mapping
from functools import reduce
from typing import ClassVar

from ..emit.code import ATOM, Code, Show, binary, call, method
from ..errors.layers import TooSmall
from ..graph import DType, TensorType
from ..shapes import Size
from ..values import Real
from ._elementwise import ANY, FLOAT, TO_BOOL, TO_FLOAT
from ._rules import axes, axes_text, axis, axis_text, broadcast, options, product, promoted, want_dtype
from .base import LAST, ONE, Axes, Axis, Checker, Family, Flag, Layer, NonNegative, Number, Refusal

TO_INT: Mapping[DType, DType] = {"float": "float", "int": "int", "bool": "int"}


class Reduction(Layer):
    """Base: over the dims in `dim`, by number or name, or over all; with `keepdim` they stay, of size 1."""

    family: ClassVar[Family] = "reduction"
    gives: ClassVar[Mapping[DType, DType]] = FLOAT
    way: ClassVar[str]  # the tensor's method

    dim: Axes | None = None
    keepdim: Flag = False

    def infer(self, see: Checker, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        want_dtype(see, self.name, 0, x, *self.gives)
        return TensorType(self.gives[x.dtype], self.reduced(x, axes(see, self.name, self.dim, x)))

    def reduced(self, x: TensorType, gone: tuple[int, ...]) -> tuple[Size, ...]:
        if self.keepdim:
            return tuple(ONE if at in gone else size for at, size in enumerate(x.shape))
        return tuple(size for at, size in enumerate(x.shape) if at not in gone)

    def given(self, show: Show) -> dict[str, str]:
        """`dim` and `keepdim` as keyword arguments."""
        x: TensorType = show.types[0]
        keep = options(self, show, "keepdim")
        if self.dim is not None:
            return {"dim": axes_text(self.dim, x)} | keep
        return {"dim": axes_text(tuple(Size.of(at) for at in range(x.rank)), x)} | keep if keep else {}

    def forward(self, show: Show, *inputs: Code) -> Code:
        return method(inputs[0], self.way, **self.given(show))


class Several(Reduction):
    """Base: of one tensor over its dims; of several, or a list of them, place by place."""

    tensors: ClassVar[int | None] = None

    def infer(self, see: Checker, *inputs: TensorType) -> TensorType:
        if len(inputs) == 1:
            return super().infer(see, *inputs)
        shape = broadcast(see, f"the tensors of {self.name} must have one shape, or broadcast", inputs)
        for which, x in enumerate(inputs):
            want_dtype(see, self.name, which, x, *self.gives)
        return TensorType(self.gives[promoted(*inputs)], shape)

    def together(self, left: Code, right: Code) -> Code:
        """Two of several."""
        return binary("+", left, right)

    def forward(self, show: Show, *inputs: Code) -> Code:
        return super().forward(show, *inputs) if len(inputs) == 1 else reduce(self.together, inputs)


class Sum(Several):
    """The sum."""

    name: ClassVar[str] = "sum"
    formula: ClassVar[str] = "y = x_1 + … + x_n"
    example: ClassVar[str] = "x: [B, T, 8] -> sum(dim=T)"
    synonyms: ClassVar[tuple[str, ...]] = ("reduce_sum", "nansum")
    gives = TO_INT
    way: ClassVar[str] = "sum"

    def infer(self, see: Checker, *inputs: TensorType) -> TensorType:
        if len(inputs) > 1 and promoted(*inputs) == "bool":
            want_dtype(see, self.name, 0, inputs[0], "float", "int")
        return super().infer(see, *inputs)


class Mean(Several):
    """The mean."""

    name: ClassVar[str] = "mean"
    formula: ClassVar[str] = "y = (x_1 + … + x_n) / n"
    example: ClassVar[str] = "x: [B, 16, H, W] -> mean(dim=[H, W])"
    synonyms: ClassVar[tuple[str, ...]] = ("reduce_mean", "nanmean")
    way: ClassVar[str] = "mean"

    def forward(self, show: Show, *inputs: Code) -> Code:
        total = super().forward(show, *inputs)
        return total if len(inputs) == 1 else binary("/", total, Code(str(len(inputs))))


class Max(Several):
    """The largest number; where it stands is `argmax`."""

    name: ClassVar[str] = "max"
    formula: ClassVar[str] = "y = max(x_1, …, x_n)"
    example: ClassVar[str] = "x: [B, T, 8] -> max(dim=T)"
    synonyms: ClassVar[tuple[str, ...]] = ("amax", "reduce_max")
    gives = ANY
    way: ClassVar[str] = "amax"

    def together(self, left: Code, right: Code) -> Code:
        return call("torch.maximum", left, right)


class Min(Several):
    """The smallest number; where it stands is `argmin`."""

    name: ClassVar[str] = "min"
    formula: ClassVar[str] = "y = min(x_1, …, x_n)"
    example: ClassVar[str] = "x: [B, T, 8] -> min(dim=T)"
    synonyms: ClassVar[tuple[str, ...]] = ("amin", "reduce_min")
    gives = ANY
    way: ClassVar[str] = "amin"

    def together(self, left: Code, right: Code) -> Code:
        return call("torch.minimum", left, right)


class Prod(Reduction):
    """The product, over one dim or all."""

    name: ClassVar[str] = "prod"
    formula: ClassVar[str] = "y = x_1 * … * x_n"
    example: ClassVar[str] = "x: [B, 8] -> prod(dim=-1)"
    synonyms: ClassVar[tuple[str, ...]] = ("reduce_prod",)
    gives = TO_INT
    way: ClassVar[str] = "prod"

    dim: Axis | None = None


class Any(Reduction):
    """Is one of them true (not 0)?"""

    name: ClassVar[str] = "any"
    example: ClassVar[str] = "x: bool[B, T] -> any(dim=T)"
    gives = TO_BOOL
    way: ClassVar[str] = "any"


class All(Reduction):
    """Are all of them true (not 0)?"""

    name: ClassVar[str] = "all"
    example: ClassVar[str] = "x: bool[B, T] -> all(dim=T)"
    gives = TO_BOOL
    way: ClassVar[str] = "all"


class LogSumExp(Reduction):
    """The logarithm of the sum of the exponentials, without overflow."""

    name: ClassVar[str] = "logsumexp"
    formula: ClassVar[str] = "y = ln(e ** x_1 + … + e ** x_n)"
    example: ClassVar[str] = "x: [B, 10] -> logsumexp(dim=-1)"
    gives = TO_FLOAT
    way: ClassVar[str] = "logsumexp"

    def given(self, show: Show) -> dict[str, str]:
        rank = show.types[0].rank
        every = {"dim": axes_text(tuple(Size.of(at) for at in range(rank)), show.types[0])}
        return every | super().given(show)


class Spread(Reduction):
    """Base of variance and standard deviation; `correction` is taken from the number of items that divides."""

    dim: Axes | None = None
    correction: NonNegative = ONE
    keepdim: Flag = False

    def infer(self, see: Checker, *inputs: TensorType) -> TensorType:
        found = super().infer(see, *inputs)
        items = product([inputs[0].shape[at] for at in axes(see, self.name, self.dim, inputs[0])])
        if see.holds("<=", items, self.correction):
            raise Refusal(
                TooSmall(see.place(0), self.name, f"more than {self.correction} numbers", str(inputs[0]), inputs[0].origin)
            )
        return found

    def given(self, show: Show) -> dict[str, str]:
        return super().given(show) | options(self, show, "correction")


class Var(Spread):
    """The variance; by default the unbiased one (`correction=1`)."""

    name: ClassVar[str] = "var"
    formula: ClassVar[str] = "y = sum((x - mean) ** 2) / (n - correction)"
    example: ClassVar[str] = "x: [B, 8] -> var(dim=-1)"
    synonyms: ClassVar[tuple[str, ...]] = ("reduce_variance",)
    way: ClassVar[str] = "var"


class Std(Spread):
    """The standard deviation; by default from the unbiased variance (`correction=1`)."""

    name: ClassVar[str] = "std"
    formula: ClassVar[str] = "y = sqrt(sum((x - mean) ** 2) / (n - correction))"
    example: ClassVar[str] = "x: [B, 8] -> std(dim=-1)"
    synonyms: ClassVar[tuple[str, ...]] = ("reduce_std",)
    way: ClassVar[str] = "std"


class Norm(Reduction):
    """The length of vectors: the p-norm, over all dims or some (torch.linalg.vector_norm)."""

    name: ClassVar[str] = "norm"
    formula: ClassVar[str] = "y = (sum |x| ** p) ** (1 / p)"
    example: ClassVar[str] = "x: [B, 8] -> norm(dim=-1)"
    synonyms: ClassVar[tuple[str, ...]] = ("vector_norm", "Norm")

    p: Number = Real.of(2.0)
    dim: Axes | None = None
    keepdim: Flag = False

    def forward(self, show: Show, *inputs: Code) -> Code:
        order = show.options(ord=(self.p, type(self).model_fields["p"].default))
        return call("torch.linalg.vector_norm", inputs[0], **order, **self.given(show))


class Where(Reduction):
    """Base: where the largest or smallest stands, along a dim, or in the flattened tensor."""

    gives: ClassVar[Mapping[DType, DType]] = {"float": "int", "int": "int"}

    dim: Axis | None = None


class ArgMax(Where):
    """Where the largest number stands."""

    name: ClassVar[str] = "argmax"
    formula: ClassVar[str] = "x_y = max(x_1, …, x_n)"
    example: ClassVar[str] = "x: [B, 10] -> argmax(dim=-1)"
    way: ClassVar[str] = "argmax"


class ArgMin(Where):
    """Where the smallest number stands."""

    name: ClassVar[str] = "argmin"
    formula: ClassVar[str] = "x_y = min(x_1, …, x_n)"
    example: ClassVar[str] = "x: [B, 10] -> argmin(dim=-1)"
    way: ClassVar[str] = "argmin"


class Running(Layer):
    """Base: a number for each place along a dim, of all up to it."""

    family: ClassVar[Family] = "reduction"

    dim: Axis

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        axis(see, self.name, self.dim, x)
        return TensorType(TO_INT[x.dtype], x.shape)

    def forward(self, show: Show, x: Code) -> Code:
        return method(x, self.name, dim=axis_text(self.dim, show.types[0]))


class CumSum(Running):
    """The sum of all up to here."""

    name: ClassVar[str] = "cumsum"
    formula: ClassVar[str] = "y_t = x_1 + … + x_t"
    example: ClassVar[str] = "x: [B, T, 8] -> cumsum(dim=T)"


class CumProd(Running):
    """The product of all up to here."""

    name: ClassVar[str] = "cumprod"
    formula: ClassVar[str] = "y_t = x_1 * … * x_t"
    example: ClassVar[str] = "x: [B, T, 8] -> cumprod(dim=T)"


class Ordering(Layer):
    """Base: the numbers along a dim, in order."""

    family: ClassVar[Family] = "reduction"

    dim: Axis = LAST
    descending: Flag = False

    def forward(self, show: Show, x: Code) -> Code:
        where = {} if self.dim == LAST else {"dim": axis_text(self.dim, show.types[0])}
        return method(x, self.name, **where, **options(self, show, "descending"))


class Sort(Ordering):
    """The numbers along a dim in order, and where they stood: two outputs (torch.sort)."""

    name: ClassVar[str] = "sort"
    formula: ClassVar[str] = "y_1 <= … <= y_n"
    example: ClassVar[str] = "x: [B, 10] -> sort(descending=true)"

    def infer(self, see: Checker, x: TensorType) -> tuple[TensorType, TensorType]:
        axis(see, self.name, self.dim, x)
        return TensorType(x.dtype, x.shape), TensorType("int", x.shape)


class ArgSort(Ordering):
    """Where the numbers along a dim stand, in order."""

    name: ClassVar[str] = "argsort"
    formula: ClassVar[str] = "x_(y_1) <= … <= x_(y_n)"
    example: ClassVar[str] = "x: [B, 10] -> argsort"

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        axis(see, self.name, self.dim, x)
        return TensorType("int", x.shape)


class Positions(Layer):
    """Where each item along a dim stands: 0, 1, … (torch.arange). `positions(x, dim=0)` of a batch numbers its rows."""

    name: ClassVar[str] = "positions"
    family: ClassVar[Family] = "reduction"
    formula: ClassVar[str] = "y = (0, 1, …, n - 1), n the size of the dim"
    example: ClassVar[str] = "x: [B, T, 8] -> positions(dim=T)"
    synonyms: ClassVar[tuple[str, ...]] = ("arange",)

    dim: Axis = LAST

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        return TensorType("int", (x.shape[axis(see, self.name, self.dim, x)],))

    def forward(self, show: Show, x: Code) -> Code:
        return call("torch.arange", show(show.outputs[0].shape[0]), device=f"{x.at(ATOM)}.device")

"""Several tensors to one, and one to several."""

from typing import ClassVar

from ..emit.code import ATOM, Code, Show, binary, call, method
from ..errors.shapes import DoesNotDivide
from ..graph import TensorType
from ..shapes import Size
from ._rules import (
    Dim,
    axis,
    axis_text,
    bad,
    disagree,
    joined_codes,
    listed,
    options,
    other_rank,
    parts,
    promoted,
    same_shape,
    want_at_least,
    want_dtype,
)
from .base import LAST, ZERO, Axis, Checker, Family, Layer, PerAxis, Positive, Refusal, Whole


class Shape(Layer):
    """Base: the numbers that come out were there before."""

    family: ClassVar[Family] = "shape"


class Concat(Shape):
    """Tensors one behind the other along a dim, the last by default; all other dims agree (torch.cat)."""

    name: ClassVar[str] = "concat"
    formula: ClassVar[str] = "[B, N], [B, M] -> [B, N + M]"
    example: ClassVar[str] = "a: [B, 4], b: [B, 6] -> concat"
    synonyms: ClassVar[tuple[str, ...]] = ("cat", "concatenate", "Concatenate", "hstack")
    still: ClassVar[bool] = True
    tensors: ClassVar[int | None] = None

    dim: Axis = LAST

    def infer(self, see: Checker, *inputs: TensorType) -> TensorType:
        first = inputs[0]
        at = axis(see, self.name, self.dim, first)
        rule = "tensors that are joined must agree in all other dims"
        total = first.shape[at]
        for which, tensor in enumerate(inputs[1:], 1):
            if tensor.rank != first.rank:
                raise other_rank(see, rule, which, first, tensor)
            for place, (a, b) in enumerate(zip(first.shape, tensor.shape, strict=True)):
                if place != at and not see.same(a, b):
                    raise disagree(see, rule, Dim(a, 0, place), Dim(b, which, place), inputs)
            total = total + tensor.shape[at]
        return TensorType(promoted(*inputs), (*first.shape[:at], total, *first.shape[at + 1 :]))

    def forward(self, show: Show, *inputs: Code) -> Code:
        return call("torch.cat", joined_codes(inputs), dim=axis_text(self.dim, show.types[0]))


class Pack(Shape):
    """Tensors of one shape side by side along a new dim (torch.stack)."""

    name: ClassVar[str] = "pack"
    formula: ClassVar[str] = "[B, D], [B, D] -> [2, B, D]"
    example: ClassVar[str] = "a: [B, 4], b: [B, 4] -> pack(dim=1)"
    synonyms: ClassVar[tuple[str, ...]] = ("vstack", "torch_stack")
    tensors: ClassVar[int | None] = None

    dim: Whole = ZERO

    def infer(self, see: Checker, *inputs: TensorType) -> TensorType:
        shape = same_shape(see, "tensors that are packed must have one shape", *inputs)
        at = axis(see, self.name, self.dim, inputs[0], more=1)
        return TensorType(promoted(*inputs), (*shape[:at], Size.of(len(inputs)), *shape[at:]))

    def forward(self, show: Show, *inputs: Code) -> Code:
        return call("torch.stack", joined_codes(inputs), **options(self, show, "dim"))


class WeightedSum(Shape):
    """Tensors of one shape, each times its weight, summed: the last tensor, `[..., n]`, holds the n weights of each example.

    Its leading dims are the first dims of the tensors: for tensors `[B, T, D]`, weights `[B, n]` weigh whole examples, `[B, T, n]` steps.
    """

    name: ClassVar[str] = "weighted_sum"
    family: ClassVar[Family] = "arithmetic"
    formula: ClassVar[str] = "y = sum_i w[..., i] * x_i"
    example: ClassVar[str] = "a: [B, 4], b: [B, 4], w: [B, 2] => weighted_sum([a, b], w)"
    synonyms: ClassVar[tuple[str, ...]] = ("Average", "weighted_average")
    tensors: ClassVar[int | None] = None

    def infer(self, see: Checker, *inputs: TensorType) -> TensorType:
        *items, weights = inputs
        which = len(items)
        rule = "weighted_sum wants tensors of one shape, then their weights"
        want_at_least(see, self.name, which, weights, 1)
        for at, tensor in enumerate(inputs):
            want_dtype(see, self.name, at, tensor, "float")
        if not items:
            raise bad(see, self.name, "weights", "it wants tensors, then their weights", "the only tensor")
        same_shape(see, rule, *items)
        if not see.same(weights.shape[-1], Size.of(which)):
            raise bad(see, self.name, "weights", f"there are {which} tensors, so its last dim must be {which}", weights)
        if weights.rank - 1 > items[0].rank:
            raise other_rank(see, "weights have at most the dims of the tensors, then one", which, items[0], weights)
        for at, (a, b) in enumerate(zip(weights.shape[:-1], items[0].shape, strict=False)):
            if not see.same(a, b):
                raise disagree(
                    see, "the weights must agree with the first dims of the tensors", Dim(b, 0, at), Dim(a, which, at), inputs
                )
        return TensorType("float", items[0].shape)

    def forward(self, show: Show, *inputs: Code) -> Code:
        *items, weights = inputs
        ones = show.types[0].rank - show.types[-1].rank + 1
        if ones == 0:
            return method(binary("*", call("torch.stack", joined_codes(items), dim="-1"), weights), "sum", "-1")
        lead = ", ".join([":"] * (show.types[-1].rank - 1) + ["None"] * ones + [":"])
        weighed = Code(f"{weights.at(ATOM)}[{lead}]")
        return method(binary("*", call("torch.stack", joined_codes(items), dim="-1"), weighed), "sum", "-1")


class Chunk(Shape):
    """Equal parts along a dim, the last by default, as several outputs (torch.chunk)."""

    name: ClassVar[str] = "chunk"
    formula: ClassVar[str] = "[B, 3 * D] -> [B, D], [B, D], [B, D]"
    example: ClassVar[str] = "x: [B, 12] -> chunk(3)"

    chunks: Positive
    dim: Axis = LAST

    def infer(self, see: Checker, x: TensorType) -> tuple[TensorType, ...]:
        at = axis(see, self.name, self.dim, x)
        number = parts(see, self.name, "chunks", self.chunks)
        if see.divides(self.chunks, x.shape[at]) is False:
            raise Refusal(
                DoesNotDivide(
                    see.place("chunks"), "chunk makes equal parts", str(x.shape[at]), str(self.chunks), see.origin(0, at)
                )
            )
        part = TensorType(x.dtype, (*x.shape[:at], x.shape[at] // self.chunks, *x.shape[at + 1 :]))
        return (part,) * number

    def forward(self, show: Show, x: Code) -> Code:
        return method(x, "chunk", show(self.chunks), dim=axis_text(self.dim, show.types[0]))


class Split(Shape):
    """Parts along a dim, the last by default, as several outputs: of one size each, or of the sizes in a list (torch.split)."""

    name: ClassVar[str] = "split"
    formula: ClassVar[str] = "[B, N + M] -> [B, N], [B, M]"
    example: ClassVar[str] = "x: [B, 12] -> split([8, 4])"
    synonyms: ClassVar[tuple[str, ...]] = ("tensor_split",)

    split_size: PerAxis
    dim: Axis = LAST

    def infer(self, see: Checker, x: TensorType) -> tuple[TensorType, ...]:
        at = axis(see, self.name, self.dim, x)
        size = x.shape[at]
        return tuple(
            TensorType(x.dtype, (*x.shape[:at], part, *x.shape[at + 1 :])) for part in self._parts(see, size, see.origin(0, at))
        )

    def _parts(self, see: Checker, size: Size, origin: object) -> tuple[Size, ...]:
        if isinstance(self.split_size, tuple):
            total = sum(self.split_size[1:], self.split_size[0]) if self.split_size else ZERO
            if any(see.holds("<", part, ZERO) for part in self.split_size) or not see.same(total, size):
                raise bad(see, self.name, "split_size", f"the parts must add up to {size}", listed(self.split_size))
            return self.split_size
        if see.holds("<", self.split_size, Size.of(1)):
            raise bad(see, self.name, "split_size", "it must be at least 1", self.split_size)
        whole = parts(see, self.name, "split_size", size // self.split_size)
        rest = size % self.split_size
        return (self.split_size,) * whole + (() if see.same(rest, ZERO) else (rest,))

    def forward(self, show: Show, x: Code) -> Code:
        return method(x, "split", show(self.split_size), dim=axis_text(self.dim, show.types[0]))

"""Attention: each query's mean of the values, weighted by how well their keys fit it."""

from typing import Any, ClassVar

from ..attention.helpers import HELPERS
from ..attention.lowering import lowering_of
from ..attention.terms import Equation
from ..emit.code import Code, Show
from ..errors.attention import HeadsDisagree, LengthsDiffer, WidthsDiffer
from ..errors.calls import WrongTensorCount
from ..errors.shapes import DoesNotDivide
from ..graph import TensorType
from ..shapes import Dim, Size
from ..values import Real, number_of
from ._rules import Dim as At
from ._rules import disagree, want_float, want_rank
from .base import Checker, Family, Layer, Number, Positive, Probability, Refusal

NAMES = ("q", "k", "v")


class Attend(Layer):
    """The mean of the values v for each query q, by how well the keys k fit it (Vaswani et al., 2017).

    That is `softmax(q·kᵀ·scale + bias)·v` over the keys where the mask holds. It works on `[B, T, D]`, split into `heads`, or on
    `[B, heads, T, d]` already split; `kv_heads` below `heads` lets query heads share keys and values. `mask`, `bias` and `score` are
    index functions: `mask[i, j] = j <= i`. The scale is one over the root of a head's width where none is given. `dropout` drops
    weights in training. A query with nothing to attend to gets zeros.
    """

    name: ClassVar[str] = "attend"
    family: ClassVar[Family] = "attention"
    formula: ClassVar[str] = "y[b, h, i] = sum over j of softmax(q[b, h, i] · k[b, h, j] * scale + bias[b, h, i, j]) * v[b, h, j]"
    example: ClassVar[str] = "q: [B, T, 64], k: [B, S, 64], v: [B, S, 64] -> attend(heads=4)"
    synonyms: ClassVar[tuple[str, ...]] = (
        "MultiheadAttention",
        "scaled_dot_product_attention",
        "MultiHeadAttention",
        "Attention",
    )
    tensors: ClassVar[int | None] = None
    statement: ClassVar[bool] = True

    heads: Positive | None = None
    kv_heads: Positive | None = None
    mask: Equation | None = None
    bias: Equation | None = None
    score: Equation | None = None
    scale: Number | None = None
    dropout: Probability = Real.of(0.0)

    @property
    def pure(self) -> bool:  # type: ignore[override]
        """Dropout draws."""
        return not self.drops

    @property
    def drops(self) -> bool:
        """Does it drop scores, here or with another value of a hyperparameter?"""
        return number_of(self.dropout.text) != 0

    @property
    def equations(self) -> dict[str, Equation]:
        """The index functions that it was given."""
        given = {"mask": self.mask, "bias": self.bias, "score": self.score}
        return {name: equation for name, equation in given.items() if equation is not None}

    def called(self) -> str:
        """The cache of masks that are built once, or the function of blocks."""
        return HELPERS.get(lowering_of(self).kind, "")

    def lowering(self, *inputs: Any) -> str:
        return lowering_of(self).reason

    def counts(self, q: TensorType, k: TensorType) -> tuple[Size, Size]:
        """The heads of the queries, and of the keys and values."""
        if q.rank == 4:
            return q.shape[1], k.shape[1]
        heads = self.heads or Size.of(1)
        return heads, self.kv_heads or heads

    def infer(self, see: Checker, *inputs: TensorType) -> TensorType:
        if len(inputs) < 3:
            raise Refusal(WrongTensorCount(see.span, self.name, "3 tensors q, k and v", len(inputs)))
        q, k, v = inputs[:3]
        want_float(see, self.name, q, k, v)
        for which, tensor in enumerate((q, k, v)):
            wanted = "[B, T, D], or [B, heads, T, d] already split" if which == 0 else f"as many dims as q, {q},"
            want_rank(see, self.name, which, tensor, wanted, *((3, 4) if which == 0 else (q.rank,)))
        for which, tensor in ((1, k), (2, v)):
            if not see.same(q.shape[0], tensor.shape[0]):
                rule = f"q and {NAMES[which]} must have one batch"
                raise disagree(see, rule, At(q.shape[0], 0, 0), At(tensor.shape[0], which, 0), inputs[:3])
        if not see.same(k.shape[-2], v.shape[-2]):
            origins = see.origin(1, k.rank - 2), see.origin(2, v.rank - 2)
            raise Refusal(LengthsDiffer(see.span, str(k), str(v), *origins, str(k.shape[-2]), str(v.shape[-2])))
        return self._whole(see, q, k, v) if q.rank == 3 else self._split(see, q, k, v)

    def _whole(self, see: Checker, q: TensorType, k: TensorType, v: TensorType) -> TensorType:
        """On `[B, T, D]`."""
        heads, shared = self.counts(q, k)
        self._share(see, heads, shared)
        for which, (tensor, parts) in enumerate(zip((q, k, v), (heads, shared, shared), strict=True)):
            if not see.divides(parts, tensor.shape[-1]):
                rule = f"the width of {NAMES[which]} is split into {parts} heads"
                raise Refusal(
                    DoesNotDivide(see.place(which), rule, str(tensor.shape[-1]), str(parts), see.origin(which, tensor.rank - 1))
                )
        if not see.same(q.shape[-1] // heads, k.shape[-1] // shared):
            raise self._widths(see, q, k, heads, shared)
        width = v.shape[-1] if see.same(heads, shared) else v.shape[-1] // shared * heads
        if see.same(width, q.shape[-1]):
            width = q.shape[-1]
        return TensorType("float", (*q.shape[:-1], width))

    def _split(self, see: Checker, q: TensorType, k: TensorType, v: TensorType) -> TensorType:
        """On `[B, heads, T, d]`."""
        for name, given, which, tensor in (("heads", self.heads, 0, q), ("kv_heads", self.kv_heads, 1, k)):
            if given is not None and not see.same(given, tensor.shape[1]):
                rule = f"{name}={given} must be the heads of {NAMES[which]}, which is already split"
                raise Refusal(HeadsDisagree(see.place(name), rule, f"it is {tensor}", see.origin(which, 1)))
        if not see.same(k.shape[1], v.shape[1]):
            raise Refusal(HeadsDisagree(see.place(2), "k and v must have one number of heads", f"k is {k} and v is {v}"))
        self._share(see, q.shape[1], k.shape[1])
        if not see.same(q.shape[-1], k.shape[-1]):
            raise self._widths(see, q, k, q.shape[1], k.shape[1])
        return TensorType("float", (*q.shape[:-1], v.shape[-1]))

    def _share(self, see: Checker, heads: Size, shared: Size) -> None:
        if not see.divides(shared, heads):
            place = see.place("kv_heads")
            raise Refusal(DoesNotDivide(place, "key heads are shared evenly between query heads", str(heads), str(shared)))

    def _widths(self, see: Checker, q: TensorType, k: TensorType, heads: Size, shared: Size) -> Refusal:
        widths = q.shape[-1], k.shape[-1]
        split = ""
        if q.rank == 3 and (heads.value != shared.value or heads.value != 1):
            each = widths[0] // heads, widths[1] // shared
            split = f", so that a head of q is {each[0]} wide and one of k is {each[1]}"
        mend = ""
        ratio = widths[0].value.divided(widths[1].value)
        if self.kv_heads is None and q.rank == 3 and ratio is not None and (ratio.constant or 0) > 1 and heads.value % ratio == 0:
            mend = f"to share key heads between query heads, say attend(…, kv_heads={heads.text.symbol or heads} / {ratio})"
        origins = see.origin(0, q.rank - 1), see.origin(1, k.rank - 1)
        return Refusal(WidthsDiffer(see.place(1), str(q), str(k), str(widths[0]), str(widths[1]), *origins, split, mend))

    def forward(self, show: Show, *inputs: Code) -> Code:
        raise AssertionError("attend is written as statements: see emit.torch.attention")

    def cost(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Scores and their sums: each query by each key."""
        q, k, v = inputs[:3]
        heads, shared = self.counts(q, k)
        pairs: Dim = q.shape[0].value * heads.value * q.shape[-2].value * k.shape[-2].value
        parts = (heads, shared) if q.rank == 3 else (Size.of(1), Size.of(1))
        widths: list[Dim] = [tensor.shape[-1].value // count.value for tensor, count in zip((q, v), parts, strict=True)]
        return pairs * (widths[0] + widths[1])

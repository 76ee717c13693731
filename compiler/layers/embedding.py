"""From whole numbers to vectors, and positions."""

from typing import ClassVar

from ..emit.code import Code, Show, call, method
from ..graph import TensorType
from ..shapes import Size
from ..values import Real
from ._rules import bad, options, want_at_least, want_dtype, want_float
from .base import Checker, Family, Layer, Owner, Positive, PositiveNumber, Weight, Whole


class Embedding(Owner):
    """A learned vector for each of `num_embeddings` numbers (nn.Embedding); `.weight` is the table."""

    name: ClassVar[str] = "embedding"
    family: ClassVar[Family] = "embedding"
    formula: ClassVar[str] = "y[b] = weight[x[b]]"
    example: ClassVar[str] = "x: int[B, T] -> embedding(1000, 64)"
    synonyms: ClassVar[tuple[str, ...]] = ("Embedding", "embed", "EmbeddingBag")

    num_embeddings: Positive
    embedding_dim: Positive
    padding_idx: Whole | None = None

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_dtype(see, self.name, 0, x, "int")
        if self.padding_idx is not None:
            inside = (
                see.holds("<", self.padding_idx, self.num_embeddings),
                see.holds(">=", self.padding_idx + self.num_embeddings, Size.of(0)),
            )
            if False in inside:
                raise bad(see, self.name, "padding_idx", f"it must be one of the {self.num_embeddings} numbers", self.padding_idx)
        return TensorType("float", (*x.shape, self.embedding_dim))

    def weights(self, x: TensorType) -> dict[str, Weight]:
        return {"weight": Weight(self.num_embeddings, self.embedding_dim)}

    def module(self, show: Show, x: TensorType) -> str:
        return call(
            "nn.Embedding", show(self.num_embeddings), show(self.embedding_dim), **options(self, show, "padding_idx")
        ).text


class OneHot(Layer):
    """A 1 among zeros at the place that each number says; floats come out."""

    name: ClassVar[str] = "one_hot"
    family: ClassVar[Family] = "embedding"
    formula: ClassVar[str] = "y[b, k] = 1 if x[b] == k else 0"
    example: ClassVar[str] = "label: int[B] -> one_hot(10)"
    synonyms: ClassVar[tuple[str, ...]] = ("onehot", "to_categorical", "OneHot", "CategoryEncoding")

    num_classes: Positive

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_dtype(see, self.name, 0, x, "int")
        return TensorType("float", (*x.shape, self.num_classes))

    def forward(self, show: Show, x: Code) -> Code:
        return method(call("F.one_hot", x, show(self.num_classes)), "float")


class SinusoidalPositions(Layer):
    """Adds sines and cosines of the position to `[..., T, D]`, in pairs of falling frequency (Vaswani et al., 2017)."""

    name: ClassVar[str] = "sinusoidal_positions"
    family: ClassVar[Family] = "embedding"
    formula: ClassVar[str] = (
        "y[t, 2i] = x[t, 2i] + sin(t / base ** (2i / D));  y[t, 2i + 1] = x[t, 2i + 1] + cos(t / base ** (2i / D))"
    )
    example: ClassVar[str] = "x: [B, T, 64] -> sinusoidal_positions"
    synonyms: ClassVar[tuple[str, ...]] = ("PositionalEncoding", "SinePositionEncoding", "positional_encoding")
    helper: ClassVar[str] = '''\
def sinusoidal_positions(x: Tensor, base: float = 10000.0) -> Tensor:
    """x with sines (even places) and cosines (odd places) of the position added to its last dim."""
    steps, width = x.shape[-2:]
    position = torch.arange(steps, device=x.device, dtype=x.dtype)
    rate = base ** (-torch.arange(0, width, 2, device=x.device, dtype=x.dtype) / width)
    angle = position[:, None] * rate
    return x + torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)[:, :width]
'''

    base: PositiveNumber = Real.of(10000.0)

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_at_least(see, self.name, 0, x, 2)
        want_float(see, self.name, x)
        return TensorType("float", x.shape)

    def forward(self, show: Show, x: Code) -> Code:
        return call("sinusoidal_positions", x, **options(self, show, "base"))

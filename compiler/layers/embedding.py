"""From whole numbers to vectors."""

from typing import ClassVar

from ..emit.code import Code, Show, call, method
from ..graph import TensorType
from ..shapes import Size
from ._rules import bad, options, want_dtype
from .base import Checker, Family, Layer, Owner, Positive, Weight, Whole


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

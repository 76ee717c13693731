"""Dropout: noise in training, the identity in evaluation."""

from typing import ClassVar

from ..emit.code import ATOM, Code, Show, binary, call, method
from ..graph import TensorType
from ..values import Real, number_of
from ._rules import want_at_least, want_float, want_rank
from .base import Checker, Family, Layer, Probability


class Drop(Layer):
    """Base of the dropouts: a submodule that knows whether it is in training; `p` is the chance to be dropped."""

    family: ClassVar[Family] = "dropout"
    stateful: ClassVar[bool] = True
    pure: ClassVar[bool] = False
    constructor: ClassVar[str]

    p: Probability = Real.of(0.5)

    @property
    def idle(self) -> bool:
        return number_of(self.p.text) == 0

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_float(see, self.name, x)
        return TensorType("float", x.shape)

    def module(self, show: Show, x: TensorType) -> str:
        return call(self.constructor, *([] if show(self.p) == "0.5" else [show(self.p)])).text


class Dropout(Drop):
    """Drops each number with chance `p` and divides the others by `1 - p` (nn.Dropout)."""

    name: ClassVar[str] = "dropout"
    formula: ClassVar[str] = "y = x * m / (1 - p), m = 1 with chance 1 - p"
    example: ClassVar[str] = "x: [B, 64] -> dropout(0.1)"
    synonyms: ClassVar[tuple[str, ...]] = ("Dropout", "drop")
    constructor: ClassVar[str] = "nn.Dropout"


class ChannelDropout(Drop):
    """Drops whole channels (dim 1) with chance `p` (nn.Dropout1d to nn.Dropout3d)."""

    name: ClassVar[str] = "channel_dropout"
    formula: ClassVar[str] = "y[b, c] = x[b, c] * m[b, c] / (1 - p)"
    example: ClassVar[str] = "x: [B, 16, H, W] -> channel_dropout(0.1)"
    synonyms: ClassVar[tuple[str, ...]] = (
        "Dropout1d",
        "Dropout2d",
        "Dropout3d",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "FeatureDropout",
    )

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_rank(see, self.name, 0, x, "[B, C, *spatial] with one to three spatial dims", 3, 4, 5)
        return super().infer(see, x)

    def module(self, show: Show, x: TensorType) -> str:
        return call(f"nn.Dropout{x.rank - 2}d", *([] if show(self.p) == "0.5" else [show(self.p)])).text


class PathDropout(Drop):
    """Drops whole examples with chance `p`: put on the branch of a residual block, it skips the block (stochastic depth)."""

    name: ClassVar[str] = "path_dropout"
    formula: ClassVar[str] = "y[b] = x[b] * m[b] / (1 - p)"
    example: ClassVar[str] = "x: [B, 16, H, W] => x + (x -> conv(16, 3, padding=1) -> path_dropout(0.1))"
    synonyms: ClassVar[tuple[str, ...]] = ("DropPath", "StochasticDepth", "drop_path", "stochastic_depth")
    constructor: ClassVar[str] = "nn.Dropout"

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_at_least(see, self.name, 0, x, 1)
        return super().infer(see, x)

    def forward(self, show: Show, x: Code) -> Code:
        ones = ["1"] * (show.types[0].rank - 1)
        return binary("*", x, call(show.me, method(x, "new_ones", f"{x.at(ATOM)}.shape[0]", *ones)))


class AlphaDropout(Drop):
    """Dropout that keeps mean and variance behind `selu` (nn.AlphaDropout)."""

    name: ClassVar[str] = "alpha_dropout"
    example: ClassVar[str] = "x: [B, 64] -> selu -> alpha_dropout(0.1)"
    synonyms: ClassVar[tuple[str, ...]] = ("AlphaDropout", "FeatureAlphaDropout")
    constructor: ClassVar[str] = "nn.AlphaDropout"

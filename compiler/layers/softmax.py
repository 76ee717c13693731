"""Softmax and its kin, and the gated linear unit: functions of all numbers along a dim."""

from typing import ClassVar

from ..emit.code import Code, Show, call
from ..errors.shapes import DoesNotDivide
from ..graph import TensorType
from ..shapes import Size
from ._rules import axis, axis_text, want_float
from .base import LAST, Axis, Checker, Family, Layer, Refusal


class Along(Layer):
    """Base: a function of all numbers along one dim."""

    family: ClassVar[Family] = "activation"
    function: ClassVar[str]

    dim: Axis = LAST

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_float(see, self.name, x)
        axis(see, self.name, self.dim, x)
        return TensorType("float", x.shape)

    def forward(self, show: Show, x: Code) -> Code:
        return call(self.function, x, dim=axis_text(self.dim, show.types[0]))


class Softmax(Along):
    """Positive numbers along a dim that sum to 1."""

    name: ClassVar[str] = "softmax"
    formula: ClassVar[str] = "y_i = exp(x_i) / sum_j exp(x_j)"
    example: ClassVar[str] = "x: [B, 10] -> softmax"
    synonyms: ClassVar[tuple[str, ...]] = ("Softmax", "Softmax2d")
    function: ClassVar[str] = "F.softmax"


class LogSoftmax(Along):
    """The logarithm of softmax, without loss of digits."""

    name: ClassVar[str] = "log_softmax"
    formula: ClassVar[str] = "y_i = x_i - log(sum_j exp(x_j))"
    example: ClassVar[str] = "x: [B, 10] -> log_softmax"
    synonyms: ClassVar[tuple[str, ...]] = ("LogSoftmax",)
    function: ClassVar[str] = "F.log_softmax"


class Softmin(Along):
    """Softmax of the negated numbers."""

    name: ClassVar[str] = "softmin"
    formula: ClassVar[str] = "y_i = exp(-x_i) / sum_j exp(-x_j)"
    example: ClassVar[str] = "x: [B, 10] -> softmin"
    synonyms: ClassVar[tuple[str, ...]] = ("Softmin",)
    function: ClassVar[str] = "F.softmin"


class Glu(Along):
    """The gated linear unit: the first half of a dim, times the sigmoid of the second."""

    name: ClassVar[str] = "glu"
    formula: ClassVar[str] = "y = a * sigmoid(b), x = [a, b]"
    example: ClassVar[str] = "x: [B, 16] -> glu"
    synonyms: ClassVar[tuple[str, ...]] = ("GLU",)
    function: ClassVar[str] = "F.glu"

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        super().infer(see, x)
        at = axis(see, self.name, self.dim, x)
        size = x.shape[at]
        if see.divides(Size.of(2), size) is False:
            raise Refusal(DoesNotDivide(see.place(0), "glu halves its dim", str(size), "2", see.origin(0, at)))
        return TensorType("float", (*x.shape[:at], size // 2, *x.shape[at + 1 :]))

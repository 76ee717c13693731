"""Activations that are met less often: pieces of lines, shrinkage, slopes that are learned or drawn.

A file of its own, since nearly every spec starts without them.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from ..emit.code import Code, Show, call
from ..graph import DType, TensorType
from ..values import Real
from ._elementwise import NUMERIC
from ._rules import bad, is_one, known, options, want_at_least, want_float
from .activations import Activation
from .base import ONE, Checker, Family, Number, Owner, Positive, Weight


class Relu6(Activation):
    """A rectifier that stops at 6."""

    name: ClassVar[str] = "relu6"
    formula: ClassVar[str] = "y = min(max(x, 0), 6)"
    example: ClassVar[str] = "x: [B, 8] -> relu6"
    synonyms: ClassVar[tuple[str, ...]] = ("ReLU6",)
    twice: ClassVar[Literal["once", "nothing"] | None] = "once"
    function: ClassVar[str] = "F.relu6"
    gives = NUMERIC


class Celu(Activation):
    """An exponential linear unit that is smooth for every alpha."""

    name: ClassVar[str] = "celu"
    formula: ClassVar[str] = "y = max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))"
    example: ClassVar[str] = "x: [B, 8] -> celu(1.5)"
    synonyms: ClassVar[tuple[str, ...]] = ("CELU",)
    function: ClassVar[str] = "F.celu"

    alpha: Number = Real.of(1.0)

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        if self.alpha.value == 0:
            raise bad(see, self.name, "alpha", "it must not be 0", self.alpha)
        return super().infer(see, x)


class Selu(Activation):
    """The self-normalising unit: with weights of variance 1/n its outputs keep mean 0 and variance 1."""

    name: ClassVar[str] = "selu"
    formula: ClassVar[str] = "y = 1.0507 * (x if x > 0 else 1.67326 * (exp(x) - 1))"
    example: ClassVar[str] = "x: [B, 8] -> selu"
    synonyms: ClassVar[tuple[str, ...]] = ("SELU",)
    function: ClassVar[str] = "F.selu"


class Mish(Activation):
    """A smooth unit that dips a little below 0."""

    name: ClassVar[str] = "mish"
    formula: ClassVar[str] = "y = x * tanh(softplus(x))"
    example: ClassVar[str] = "x: [B, 8] -> mish"
    synonyms: ClassVar[tuple[str, ...]] = ("Mish",)
    function: ClassVar[str] = "F.mish"


class Hardswish(Activation):
    """Silu from straight pieces."""

    name: ClassVar[str] = "hardswish"
    formula: ClassVar[str] = "y = x * min(max(x + 3, 0), 6) / 6"
    example: ClassVar[str] = "x: [B, 8] -> hardswish"
    synonyms: ClassVar[tuple[str, ...]] = ("Hardswish", "hard_silu", "hard_swish")
    function: ClassVar[str] = "F.hardswish"


class Hardsigmoid(Activation):
    """A sigmoid from straight pieces."""

    name: ClassVar[str] = "hardsigmoid"
    formula: ClassVar[str] = "y = min(max(x + 3, 0), 6) / 6"
    example: ClassVar[str] = "x: [B, 8] -> hardsigmoid"
    synonyms: ClassVar[tuple[str, ...]] = ("Hardsigmoid", "hard_sigmoid")
    function: ClassVar[str] = "F.hardsigmoid"


class Hardtanh(Activation):
    """The identity between two bounds, constant outside."""

    name: ClassVar[str] = "hardtanh"
    formula: ClassVar[str] = "y = min(max(x, min_val), max_val)"
    example: ClassVar[str] = "x: [B, 8] -> hardtanh(-2, 2)"
    synonyms: ClassVar[tuple[str, ...]] = ("Hardtanh", "hard_tanh")
    function: ClassVar[str] = "F.hardtanh"
    gives = NUMERIC

    min_val: Number = Real.of(-1.0)
    max_val: Number = Real.of(1.0)

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        if self.min_val.value > self.max_val.value:
            raise bad(see, self.name, "max_val", f"it must not be below min_val, {self.min_val}", self.max_val)
        return super().infer(see, x)


class Softsign(Activation):
    """A slower tanh."""

    name: ClassVar[str] = "softsign"
    formula: ClassVar[str] = "y = x / (1 + |x|)"
    example: ClassVar[str] = "x: [B, 8] -> softsign"
    synonyms: ClassVar[tuple[str, ...]] = ("Softsign", "soft_sign")
    function: ClassVar[str] = "F.softsign"
    gives: ClassVar[Mapping[DType, DType]] = {"float": "float", "int": "float"}


class Softshrink(Activation):
    """Pulls every number towards 0 by `lambd`."""

    name: ClassVar[str] = "softshrink"
    formula: ClassVar[str] = "y = sign(x) * max(|x| - lambd, 0)"
    example: ClassVar[str] = "x: [B, 8] -> softshrink(0.1)"
    synonyms: ClassVar[tuple[str, ...]] = ("Softshrink", "soft_shrink")
    function: ClassVar[str] = "F.softshrink"

    lambd: Number = Real.of(0.5)

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        if self.lambd.value < 0:
            raise bad(see, self.name, "lambd", "it must not be negative", self.lambd)
        return super().infer(see, x)


class Hardshrink(Activation):
    """Numbers nearer to 0 than `lambd` become 0."""

    name: ClassVar[str] = "hardshrink"
    formula: ClassVar[str] = "y = x if |x| > lambd else 0"
    example: ClassVar[str] = "x: [B, 8] -> hardshrink(0.1)"
    synonyms: ClassVar[tuple[str, ...]] = ("Hardshrink", "hard_shrink")
    function: ClassVar[str] = "F.hardshrink"

    lambd: Number = Real.of(0.5)


class Tanhshrink(Activation):
    """What tanh takes away."""

    name: ClassVar[str] = "tanhshrink"
    formula: ClassVar[str] = "y = x - tanh(x)"
    example: ClassVar[str] = "x: [B, 8] -> tanhshrink"
    synonyms: ClassVar[tuple[str, ...]] = ("Tanhshrink", "tanh_shrink")
    function: ClassVar[str] = "F.tanhshrink"
    gives: ClassVar[Mapping[DType, DType]] = {"float": "float", "int": "float"}


class LogSigmoid(Activation):
    """The logarithm of the sigmoid, without loss of digits."""

    name: ClassVar[str] = "logsigmoid"
    formula: ClassVar[str] = "y = log(sigmoid(x))"
    example: ClassVar[str] = "x: [B, 8] -> logsigmoid"
    synonyms: ClassVar[tuple[str, ...]] = ("LogSigmoid", "log_sigmoid")
    function: ClassVar[str] = "F.logsigmoid"


class Threshold(Activation):
    """Numbers at or below a threshold become `value`."""

    name: ClassVar[str] = "threshold"
    formula: ClassVar[str] = "y = x if x > threshold else value"
    example: ClassVar[str] = "x: [B, 8] -> threshold(0.1, 0)"
    synonyms: ClassVar[tuple[str, ...]] = ("Threshold",)
    gives = NUMERIC

    threshold: Number
    value: Number

    def forward(self, show: Show, x: Code) -> Code:
        return call("F.threshold", x, show(self.threshold), show(self.value))


class Rrelu(Activation):
    """A leaky rectifier with a random slope in training, the middle one otherwise."""

    name: ClassVar[str] = "rrelu"
    formula: ClassVar[str] = "y = max(x, 0) + a * min(x, 0), a from lower to upper"
    example: ClassVar[str] = "x: [B, 8] -> rrelu"
    synonyms: ClassVar[tuple[str, ...]] = ("RReLU",)
    stateful: ClassVar[bool] = True
    pure: ClassVar[bool] = False

    lower: Number = Real.of(1 / 8)
    upper: Number = Real.of(1 / 3)

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        if self.lower.value > self.upper.value:
            raise bad(see, self.name, "upper", f"it must not be below lower, {self.lower}", self.upper)
        return super().infer(see, x)

    def module(self, show: Show, x: TensorType) -> str:
        return call("nn.RReLU", **options(self, show, "lower", "upper")).text

    def forward(self, show: Show, x: Code) -> Code:
        return call(show.me, x)


class Prelu(Owner):
    """A leaky rectifier that learns its slope: one for all numbers, or one for each channel (dim 1). The slopes start from 0.25."""

    name: ClassVar[str] = "prelu"
    family: ClassVar[Family] = "activation"
    formula: ClassVar[str] = "y = max(x, 0) + weight * min(x, 0)"
    example: ClassVar[str] = "x: [B, 16, H, W] -> prelu(16)"
    synonyms: ClassVar[tuple[str, ...]] = ("PReLU",)

    num_parameters: Positive = ONE

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_float(see, self.name, x)
        if not is_one(see, self.num_parameters):
            want_at_least(see, self.name, 0, x, 2)
            channels = known(see, self.name, x, 1)
            if not see.same(channels, self.num_parameters):
                raise bad(see, self.name, "num_parameters", f"it must be 1 or the size of dim 1, {channels}", self.num_parameters)
        return TensorType("float", x.shape)

    def weights(self, x: TensorType) -> dict[str, Weight]:
        return {"weight": Weight(self.num_parameters)}

    def module(self, show: Show, x: TensorType) -> str:
        return call("nn.PReLU", *([] if show(self.num_parameters) == "1" else [show(self.num_parameters)])).text

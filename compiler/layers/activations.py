"""Activations: functions of each number, softmax along a dim, and the gated linear unit."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from ..emit.code import ATOM, Code, Show, call, method
from ..errors.shapes import DoesNotDivide
from ..graph import DType, TensorType
from ..shapes import Size
from ..values import Real
from ._elementwise import NUMERIC, TO_FLOAT, Elementwise
from ._rules import axis, axis_text, bad, is_one, known, options, want_at_least, want_float
from .base import LAST, ONE, Axis, Checker, Family, Layer, Number, Owner, Positive, Refusal, Weight


class Activation(Elementwise):
    """Base: a function of each number."""

    family: ClassVar[Family] = "activation"


class Relu(Activation):
    """The rectifier: negative numbers become 0."""

    name: ClassVar[str] = "relu"
    formula: ClassVar[str] = "y = max(x, 0)"
    example: ClassVar[str] = "x: [B, 8] -> relu"
    synonyms: ClassVar[tuple[str, ...]] = ("ReLU",)
    twice: ClassVar[Literal["once", "nothing"] | None] = "once"
    function: ClassVar[str] = "F.relu"
    gives = NUMERIC


class Relu6(Activation):
    """A rectifier that stops at 6."""

    name: ClassVar[str] = "relu6"
    formula: ClassVar[str] = "y = min(max(x, 0), 6)"
    example: ClassVar[str] = "x: [B, 8] -> relu6"
    synonyms: ClassVar[tuple[str, ...]] = ("ReLU6",)
    twice: ClassVar[Literal["once", "nothing"] | None] = "once"
    function: ClassVar[str] = "F.relu6"
    gives = NUMERIC


class LeakyRelu(Activation):
    """A rectifier that lets a little of the negative through."""

    name: ClassVar[str] = "leaky_relu"
    formula: ClassVar[str] = "y = max(x, 0) + negative_slope * min(x, 0)"
    example: ClassVar[str] = "x: [B, 8] -> leaky_relu(0.2)"
    synonyms: ClassVar[tuple[str, ...]] = ("LeakyReLU",)
    function: ClassVar[str] = "F.leaky_relu"

    negative_slope: Number = Real.of(0.01)


class Elu(Activation):
    """The exponential linear unit: below 0 it bends towards -alpha."""

    name: ClassVar[str] = "elu"
    formula: ClassVar[str] = "y = x if x > 0 else alpha * (exp(x) - 1)"
    example: ClassVar[str] = "x: [B, 8] -> elu"
    synonyms: ClassVar[tuple[str, ...]] = ("ELU",)
    function: ClassVar[str] = "F.elu"

    alpha: Number = Real.of(1.0)


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


class Gelu(Activation):
    """The Gaussian error linear unit: x times the chance that a normal draw is below it."""

    name: ClassVar[str] = "gelu"
    formula: ClassVar[str] = "y = x * (1 + erf(x / sqrt(2))) / 2"
    example: ClassVar[str] = 'x: [B, 8] -> gelu(approximate="tanh")'
    synonyms: ClassVar[tuple[str, ...]] = ("GELU",)
    function: ClassVar[str] = "F.gelu"

    approximate: Literal["none", "tanh"] = "none"


class Silu(Activation):
    """The sigmoid linear unit, also called swish."""

    name: ClassVar[str] = "silu"
    formula: ClassVar[str] = "y = x * sigmoid(x)"
    example: ClassVar[str] = "x: [B, 8] -> silu"
    synonyms: ClassVar[tuple[str, ...]] = ("SiLU", "swish", "Swish")
    function: ClassVar[str] = "F.silu"


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


class Sigmoid(Activation):
    """The logistic function: any number to one between 0 and 1."""

    name: ClassVar[str] = "sigmoid"
    formula: ClassVar[str] = "y = 1 / (1 + exp(-x))"
    example: ClassVar[str] = "x: [B, 8] -> sigmoid"
    synonyms: ClassVar[tuple[str, ...]] = ("Sigmoid",)
    function: ClassVar[str] = "torch.sigmoid"
    gives = TO_FLOAT

    def forward(self, show: Show, x: Code) -> Code:
        """In the memory of a matrix product that nobody else reads, as it stands right here: the units of an energy."""
        if x.level == ATOM and x.text.startswith("torch.addmm("):
            return method(x, "sigmoid_")
        return super().forward(show, x)


class Tanh(Activation):
    """The hyperbolic tangent: any number to one between -1 and 1."""

    name: ClassVar[str] = "tanh"
    formula: ClassVar[str] = "y = (exp(x) - exp(-x)) / (exp(x) + exp(-x))"
    example: ClassVar[str] = "x: [B, 8] -> tanh"
    synonyms: ClassVar[tuple[str, ...]] = ("Tanh",)
    function: ClassVar[str] = "torch.tanh"
    gives = TO_FLOAT


class Softplus(Activation):
    """A smooth rectifier; from `threshold / beta` on it is the identity."""

    name: ClassVar[str] = "softplus"
    formula: ClassVar[str] = "y = log(1 + exp(beta * x)) / beta"
    example: ClassVar[str] = "x: [B, 8] -> softplus"
    synonyms: ClassVar[tuple[str, ...]] = ("Softplus",)
    function: ClassVar[str] = "F.softplus"

    beta: Number = Real.of(1.0)
    threshold: Number = Real.of(20.0)


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

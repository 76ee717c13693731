"""Activations that networks are made with: functions of each number."""

from typing import ClassVar, Literal

from ..emit.code import ATOM, Code, Show, method
from ..values import Real
from ._elementwise import NUMERIC, TO_FLOAT, Elementwise
from .base import Family, Number


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

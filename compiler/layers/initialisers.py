"""What parameters start from."""

from typing import ClassVar, Literal

from ..emit.code import Show, call
from ..graph import TensorType
from ..values import Real
from ._rules import bad, options, want_at_least, want_rank
from .base import ONE, Checker, Initialiser, Number, Positive, Probability


class Zeros(Initialiser):
    """All 0."""

    name: ClassVar[str] = "zeros"
    formula: ClassVar[str] = "w = 0"
    example: ClassVar[str] = "x: [B, 8] -> dense(4, init=zeros)"
    synonyms: ClassVar[tuple[str, ...]] = ("zeros_", "Zeros", "zeros_like")

    def initialise(self, show: Show, tensor: str) -> str:
        return call("nn.init.zeros_", tensor).text


class Ones(Initialiser):
    """All 1."""

    name: ClassVar[str] = "ones"
    formula: ClassVar[str] = "w = 1"
    example: ClassVar[str] = "x: [B, 8] -> dense(4, bias_init=ones)"
    synonyms: ClassVar[tuple[str, ...]] = ("ones_", "Ones", "ones_like")

    def initialise(self, show: Show, tensor: str) -> str:
        return call("nn.init.ones_", tensor).text


class Constant(Initialiser):
    """All one number."""

    name: ClassVar[str] = "constant"
    formula: ClassVar[str] = "w = value"
    example: ClassVar[str] = "x: [B, 8] -> dense(4, bias_init=constant(0.1))"
    synonyms: ClassVar[tuple[str, ...]] = ("constant_", "Constant", "full")

    value: Number

    def initialise(self, show: Show, tensor: str) -> str:
        return call("nn.init.constant_", tensor, show(self.value)).text


class TruncatedNormal(Initialiser):
    """Independent normal draws, none outside `low` to `high`."""

    name: ClassVar[str] = "truncated_normal"
    formula: ClassVar[str] = "w ~ N(mean, std ** 2) given low <= w <= high"
    example: ClassVar[str] = "x: [B, 8] -> dense(4, init=truncated_normal(std=0.02))"
    synonyms: ClassVar[tuple[str, ...]] = ("trunc_normal_", "trunc_normal", "TruncatedNormal")

    mean: Number = Real.of(0.0)
    std: Number = Real.of(1.0)
    low: Number = Real.of(-2.0)
    high: Number = Real.of(2.0)

    def infer(self, see: Checker, tensor: TensorType) -> TensorType:
        if self.std.value < 0:
            raise bad(see, self.name, "std", "it must not be negative", self.std)
        if self.low.value >= self.high.value:
            raise bad(see, self.name, "high", f"it must be more than low, {self.low}", self.high)
        return tensor

    def initialise(self, show: Show, tensor: str) -> str:
        bounds = show.options(a=(self.low, Real.of(-2.0)), b=(self.high, Real.of(2.0)))
        return call("nn.init.trunc_normal_", tensor, **options(self, show, "mean", "std"), **bounds).text


class Fan(Initialiser):
    """Base of those that look at how many inputs and outputs a weight has: it needs two dims."""

    def infer(self, see: Checker, tensor: TensorType) -> TensorType:
        want_at_least(see, self.name, 0, tensor, 2)
        return tensor


class Xavier(Fan):
    """Base: a variance that suits both directions."""

    gain: Number = Real.of(1.0)

    def initialise(self, show: Show, tensor: str) -> str:
        return call(f"nn.init.{self.name}_", tensor, **options(self, show, "gain")).text


class XavierUniform(Xavier):
    """Uniform draws whose variance suits the signal forward and the gradient backward (Glorot & Bengio, 2010)."""

    name: ClassVar[str] = "xavier_uniform"
    formula: ClassVar[str] = "w ~ U(-a, a), a = gain * sqrt(6 / (fan_in + fan_out))"
    example: ClassVar[str] = "x: [B, 8] -> dense(4, init=xavier_uniform)"
    synonyms: ClassVar[tuple[str, ...]] = ("xavier_uniform_", "glorot_uniform", "GlorotUniform")


class XavierNormal(Xavier):
    """Normal draws whose variance suits the signal forward and the gradient backward (Glorot & Bengio, 2010)."""

    name: ClassVar[str] = "xavier_normal"
    formula: ClassVar[str] = "w ~ N(0, gain ** 2 * 2 / (fan_in + fan_out))"
    example: ClassVar[str] = "x: [B, 8] -> dense(4, init=xavier_normal)"
    synonyms: ClassVar[tuple[str, ...]] = ("xavier_normal_", "glorot_normal", "GlorotNormal")


class Kaiming(Fan):
    """Base: a variance that suits rectifiers. `a` is the slope of the negative side for `leaky_relu`."""

    a: Number = Real.of(0.0)
    mode: Literal["fan_in", "fan_out"] = "fan_in"
    nonlinearity: Literal["leaky_relu", "relu", "linear", "sigmoid", "tanh", "selu"] = "leaky_relu"

    def initialise(self, show: Show, tensor: str) -> str:
        return call(f"nn.init.{self.name}_", tensor, **options(self, show, "a", "mode", "nonlinearity")).text


class KaimingUniform(Kaiming):
    """Uniform draws whose variance suits rectifiers (He et al., 2015)."""

    name: ClassVar[str] = "kaiming_uniform"
    formula: ClassVar[str] = "w ~ U(-b, b), b = gain * sqrt(3 / fan)"
    example: ClassVar[str] = 'x: [B, 8] -> dense(4, init=kaiming_uniform(nonlinearity="relu"))'
    synonyms: ClassVar[tuple[str, ...]] = ("kaiming_uniform_", "he_uniform", "HeUniform")


class KaimingNormal(Kaiming):
    """Normal draws whose variance suits rectifiers (He et al., 2015)."""

    name: ClassVar[str] = "kaiming_normal"
    formula: ClassVar[str] = "w ~ N(0, gain ** 2 / fan)"
    example: ClassVar[str] = 'x: [B, 3, H, W] -> conv(16, 3, init=kaiming_normal(mode="fan_out", nonlinearity="relu"))'
    synonyms: ClassVar[tuple[str, ...]] = ("kaiming_normal_", "he_normal", "HeNormal")


class Orthogonal(Fan):
    """A random orthogonal matrix; of more dims, those after the first are taken together."""

    name: ClassVar[str] = "orthogonal"
    formula: ClassVar[str] = "W W^T = gain ** 2 * I"
    example: ClassVar[str] = "x: [B, 8] -> dense(4, init=orthogonal)"
    synonyms: ClassVar[tuple[str, ...]] = ("orthogonal_", "Orthogonal")

    gain: Number = Real.of(1.0)

    def initialise(self, show: Show, tensor: str) -> str:
        return call("nn.init.orthogonal_", tensor, **options(self, show, "gain")).text


class Matrix(Initialiser):
    """Base of those that fill matrices only."""

    def infer(self, see: Checker, tensor: TensorType) -> TensorType:
        want_rank(see, self.name, 0, tensor, "a matrix", 2)
        return tensor


class Identity(Matrix):
    """The identity matrix: 1 on the diagonal, 0 elsewhere."""

    name: ClassVar[str] = "identity"
    formula: ClassVar[str] = "W = I"
    example: ClassVar[str] = "x: [B, 8] -> dense(8, init=identity)"
    synonyms: ClassVar[tuple[str, ...]] = ("eye_", "eye", "IdentityInitializer")

    def initialise(self, show: Show, tensor: str) -> str:
        return call("nn.init.eye_", tensor).text


class Sparse(Matrix):
    """Normal draws, but a part of each column is 0."""

    name: ClassVar[str] = "sparse"
    formula: ClassVar[str] = "w ~ N(0, std ** 2), a fraction `sparsity` of each column 0"
    example: ClassVar[str] = "x: [B, 8] -> dense(4, init=sparse(0.5))"
    synonyms: ClassVar[tuple[str, ...]] = ("sparse_",)

    sparsity: Probability
    std: Number = Real.of(0.01)

    def initialise(self, show: Show, tensor: str) -> str:
        return call("nn.init.sparse_", tensor, show(self.sparsity), **options(self, show, "std")).text


class Dirac(Initialiser):
    """A convolution that starts as the identity."""

    name: ClassVar[str] = "dirac"
    formula: ClassVar[str] = "w[c, c, middle] = 1"
    example: ClassVar[str] = "x: [B, 8, H, W] -> conv(8, 3, padding=1, init=dirac)"
    synonyms: ClassVar[tuple[str, ...]] = ("dirac_",)

    groups: Positive = ONE

    def infer(self, see: Checker, tensor: TensorType) -> TensorType:
        want_rank(see, self.name, 0, tensor, "the weight of a convolution", 3, 4, 5)
        if see.divides(self.groups, tensor.shape[0]) is False:
            raise bad(see, self.name, "groups", f"it must divide {tensor.shape[0]}", self.groups)
        return tensor

    def initialise(self, show: Show, tensor: str) -> str:
        return call("nn.init.dirac_", tensor, **options(self, show, "groups")).text

"""Distributions: what `~` draws from, what `log_prob`, `kl` and the moments are of, and what parameters start from.

One notion serves all of these. Those whose parameters are numbers are initialisers too; a parameter that may be a tensor as well is listed
in `parameters`. What is computed with them stands in `draws`.
"""

from typing import ClassVar

from ..emit.code import Show, call
from ..graph import TensorType
from ..values import Real
from ._rules import bad, options
from .base import Checker, Family, Flag, Initialiser, Layer, Number, PositiveNumber, Probability


class Distribution(Layer):
    """Base: `parameters` are the arguments that may be tensors; `vector` ones have the numbers of one draw along their last dim."""

    family: ClassVar[Family] = "distribution"
    tensors: ClassVar[int | None] = 0
    parameters: ClassVar[tuple[str, ...]]
    either: ClassVar[bool] = False  # its parameters are two ways to say the same: exactly one of them is given
    vector: ClassVar[bool] = False
    moments: ClassVar[tuple[str, ...]] = ("mean", "std", "variance", "entropy")
    density: ClassVar[bool] = True  # it has a `log_prob`


class Normal(Distribution, Initialiser):
    """The normal distribution; as a start, independent draws of it. `z ~ normal(mu, sigma)` is differentiable in both."""

    name: ClassVar[str] = "normal"
    family: ClassVar[Family] = "distribution"
    formula: ClassVar[str] = "w ~ N(mean, std ** 2)"
    example: ClassVar[str] = "x: [B, 8] -> dense(4, init=normal(std=0.02))"
    synonyms: ClassVar[tuple[str, ...]] = ("normal_", "RandomNormal", "randn", "Normal", "gaussian")
    parameters: ClassVar[tuple[str, ...]] = ("mean", "std")

    mean: Number = Real.of(0.0)
    std: Number = Real.of(1.0)

    def infer(self, see: Checker, tensor: TensorType) -> TensorType:
        if self.std.value < 0:
            raise bad(see, self.name, "std", "it must not be negative", self.std)
        return tensor

    def initialise(self, show: Show, tensor: str) -> str:
        return call("nn.init.normal_", tensor, **options(self, show, "mean", "std")).text


class Uniform(Distribution, Initialiser):
    """All numbers from `low` to `high` alike; as a start, independent draws. A draw is differentiable in both."""

    name: ClassVar[str] = "uniform"
    family: ClassVar[Family] = "distribution"
    formula: ClassVar[str] = "w ~ U(low, high)"
    example: ClassVar[str] = "x: [B, 8] -> dense(4, init=uniform(-0.1, 0.1))"
    synonyms: ClassVar[tuple[str, ...]] = ("uniform_", "RandomUniform", "rand")
    parameters: ClassVar[tuple[str, ...]] = ("low", "high")

    low: Number = Real.of(0.0)
    high: Number = Real.of(1.0)

    def infer(self, see: Checker, tensor: TensorType) -> TensorType:
        if self.low.value > self.high.value:
            raise bad(see, self.name, "high", f"it must not be less than low, {self.low}", self.high)
        return tensor

    def initialise(self, show: Show, tensor: str) -> str:
        return call("nn.init.uniform_", tensor, **show.options(a=(self.low, Real.of(0.0)), b=(self.high, Real.of(1.0)))).text


def begun(show: Show, tensor: str, shape: str, mean: Real, scale: Real) -> str:
    """The statement that fills a tensor in three steps: draws around 0, as wide as `scale`, around `mean`."""
    wide = "" if scale.value == 1 else f".mul_({show(scale)})"
    moved = "" if mean.value == 0 else f".add_({show(mean)})"
    return f"{tensor}.data{shape}{wide}{moved}"


class Laplace(Distribution, Initialiser):
    """Two exponential distributions back to back, as far apart as `scale`. A draw is differentiable in both parameters."""

    name: ClassVar[str] = "laplace"
    family: ClassVar[Family] = "distribution"
    formula: ClassVar[str] = "p(w) = exp(-|w - mean| / scale) / (2 scale)"
    example: ClassVar[str] = "x: [B, 8], y: [B, 8] => -laplace(x, 0.5).log_prob(y)"
    synonyms: ClassVar[tuple[str, ...]] = ("Laplace", "double_exponential")
    parameters: ClassVar[tuple[str, ...]] = ("mean", "scale")

    mean: Number = Real.of(0.0)
    scale: PositiveNumber = Real.of(1.0)

    def initialise(self, show: Show, tensor: str) -> str:
        other = f"{tensor}.data.clone().exponential_()"
        return begun(show, tensor, f".exponential_().sub_({other})", self.mean, self.scale)


class Logistic(Distribution, Initialiser):
    """The distribution whose chance of at most `y` is `sigmoid((y - mean) / scale)`. A draw is differentiable in both parameters."""

    name: ClassVar[str] = "logistic"
    family: ClassVar[Family] = "distribution"
    formula: ClassVar[str] = "P(w <= y) = sigmoid((y - mean) / scale)"
    example: ClassVar[str] = "x: [B, 8], y: [B, 8] => -logistic(x, 0.5).log_prob(y)"
    parameters: ClassVar[tuple[str, ...]] = ("mean", "scale")

    mean: Number = Real.of(0.0)
    scale: PositiveNumber = Real.of(1.0)

    def initialise(self, show: Show, tensor: str) -> str:
        other = f"{tensor}.data.clone().exponential_().log_()"
        return begun(show, tensor, f".exponential_().log_().sub_({other})", self.mean, self.scale)


class Gumbel(Distribution, Initialiser):
    """The distribution of the largest of many numbers. A draw is differentiable in both parameters.

    Of `z ~ gumbel(logits, 1)` the place of the largest is a draw of `categorical(logits)`.
    """

    name: ClassVar[str] = "gumbel"
    family: ClassVar[Family] = "distribution"
    formula: ClassVar[str] = "P(w <= y) = exp(-exp(-(y - loc) / scale))"
    example: ClassVar[str] = "x: [B, 8], y: [B, 8] => -gumbel(x, 0.5).log_prob(y)"
    synonyms: ClassVar[tuple[str, ...]] = ("Gumbel",)
    parameters: ClassVar[tuple[str, ...]] = ("loc", "scale")

    loc: Number = Real.of(0.0)
    scale: PositiveNumber = Real.of(1.0)

    def initialise(self, show: Show, tensor: str) -> str:
        return begun(show, tensor, ".exponential_().log_().neg_()", self.loc, self.scale)


class Bernoulli(Distribution, Initialiser):
    """1 with chance `probs`, else 0, as floats; `logits=` gives the chance before a sigmoid. No gradient goes through a draw."""

    name: ClassVar[str] = "bernoulli"
    family: ClassVar[Family] = "distribution"
    formula: ClassVar[str] = "w = 1 with chance probs = sigmoid(logits), else 0"
    example: ClassVar[str] = "logits: [B, 8], y: [B, 8] => -bernoulli(logits=logits).log_prob(y)"
    synonyms: ClassVar[tuple[str, ...]] = ("bernoulli_", "Bernoulli")
    parameters: ClassVar[tuple[str, ...]] = ("probs", "logits")
    either: ClassVar[bool] = True

    probs: Probability | None = None
    logits: Number | None = None

    def infer(self, see: Checker, tensor: TensorType) -> TensorType:
        if self.probs is None:
            raise bad(see, self.name, "probs", "a start needs the chance of a 1, such as bernoulli(0.5)", "not given")
        return tensor

    def initialise(self, show: Show, tensor: str) -> str:
        return call(f"{tensor}.data.bernoulli_", show(self.probs)).text


class Categorical(Distribution):
    """One of the classes 0, 1, …, as an int: class k with chance `softmax(logits)[k]`. No gradient goes through a draw."""

    name: ClassVar[str] = "categorical"
    formula: ClassVar[str] = "k with chance softmax(logits)[k]"
    example: ClassVar[str] = "logits: [B, 5], y: int[B] => -categorical(logits).log_prob(y)"
    synonyms: ClassVar[tuple[str, ...]] = ("Categorical", "multinomial")
    parameters: ClassVar[tuple[str, ...]] = ("logits",)
    vector: ClassVar[bool] = True
    moments: ClassVar[tuple[str, ...]] = ("entropy",)

    logits: Number | None = None


class GumbelSoftmax(Distribution):
    """A differentiable stand-in for one-hot draws of classes (Jang et al., 2017): the softmax of logits with noise, over `temperature`.

    With `hard`, draws are one-hot and gradients those of the soft ones (straight-through).
    """

    name: ClassVar[str] = "gumbel_softmax"
    formula: ClassVar[str] = "z = softmax((logits + g) / temperature), g = -log(-log(u)), u ~ U(0, 1)"
    example: ClassVar[str] = "a: [B, 5], b: [B, 5] => kl(categorical(a), categorical(b))"
    synonyms: ClassVar[tuple[str, ...]] = ("RelaxedOneHotCategorical",)
    parameters: ClassVar[tuple[str, ...]] = ("logits",)
    vector: ClassVar[bool] = True
    moments: ClassVar[tuple[str, ...]] = ()
    density: ClassVar[bool] = False

    logits: Number | None = None
    temperature: PositiveNumber = Real.of(1.0)
    hard: Flag = False


class RelaxedBernoulli(Distribution):
    """A differentiable stand-in for draws of 0 and 1: the sigmoid of logits with noise, over `temperature` (Maddison et al., 2017).

    With `hard`, draws are 0 or 1 and gradients those of the soft ones (straight-through).
    """

    name: ClassVar[str] = "relaxed_bernoulli"
    formula: ClassVar[str] = "z = sigmoid((logits + l) / temperature), l ~ logistic(0, 1)"
    example: ClassVar[str] = "a: [B, 5], b: [B, 5] => kl(bernoulli(logits=a), bernoulli(logits=b))"
    synonyms: ClassVar[tuple[str, ...]] = ("RelaxedBernoulli", "binary_concrete")
    parameters: ClassVar[tuple[str, ...]] = ("logits",)
    moments: ClassVar[tuple[str, ...]] = ()
    density: ClassVar[bool] = False

    logits: Number = Real.of(0.0)
    temperature: PositiveNumber = Real.of(1.0)
    hard: Flag = False

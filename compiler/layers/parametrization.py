"""Layers whose weight is computed from others: `spectral_norm(conv(64, 4))`, `weight_norm(dense(10))`."""

from typing import Any, ClassVar

from ..emit.code import Code, Show, call
from ..errors.shapes import WrongRank
from ..graph import TensorType
from ..shapes import Dim
from ..values import Real
from ._rules import axis, bad, options, product
from .base import ONE, ZERO, Checker, Family, Initialiser, Layer, Number, Owner, Positive, Refusal, Weight, Whole

_STORED = "parametrizations.weight"


class Parametrized(Layer):
    """Base: applies a layer with a weight that is computed from what is stored. Initialisers of the layer fill what is stored."""

    family: ClassVar[Family] = "normalisation"
    owns: ClassVar[bool] = True
    tensors: ClassVar[int | None] = None

    layer: Owner

    def infer(self, see: Checker, *inputs: Any) -> TensorType | tuple[TensorType, ...]:
        found = self.layer.infer(see, *inputs)
        if "weight" not in self.layer.weights(*inputs):
            raise bad(see, self.name, "layer", "it has no weight", self.layer.name)
        return found

    def others(self, *inputs: Any) -> dict[str, Weight]:
        return {name: weight for name, weight in self.layer.weights(*inputs).items() if name != "weight"}

    def forward(self, show: Show, *inputs: Code) -> Code:
        return self.layer.forward(show, *inputs)

    def cost(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return self.layer.cost(inputs, outputs)


class SpectralNorm(Parametrized):
    """A layer whose weight is divided by its largest singular value, so that it stretches nothing by more than 1 (Miyato et al., 2018)."""

    name: ClassVar[str] = "spectral_norm"
    formula: ClassVar[str] = "W = V / sigma(V)"
    example: ClassVar[str] = "x: [B, 3, H, W] -> spectral_norm(conv(64, 4))"
    synonyms: ClassVar[tuple[str, ...]] = ("SpectralNormalization", "SpectralNorm")

    layer: Owner
    n_power_iterations: Positive = ONE
    eps: Number = Real.of(1e-12)

    def _dim(self) -> int:
        return 1 if self.layer.name == "conv_transpose" else 0

    @property
    def initialisers(self) -> dict[str, Initialiser]:
        return {f"{_STORED}.original" if name == "weight" else name: init for name, init in self.layer.initialisers.items()}

    def weights(self, *inputs: Any) -> dict[str, Weight]:
        weight = self.layer.weights(*inputs)["weight"]
        owned = self.others(*inputs) | {f"{_STORED}.original": weight}
        if len(weight.shape) == 1:
            return owned
        rows = weight.shape[self._dim()]
        columns = product([size for at, size in enumerate(weight.shape) if at != self._dim()])
        return owned | {f"{_STORED}.0._u": Weight(rows, learned=False), f"{_STORED}.0._v": Weight(columns, learned=False)}

    def module(self, show: Show, *inputs: Any) -> str:
        inner = self.layer.module(show, *inputs)
        return call("nn.utils.parametrizations.spectral_norm", inner, **options(self, show, "n_power_iterations", "eps")).text


class WeightNorm(Parametrized):
    """A layer whose weight is stored as a direction and a length, one for each item along `dim` (Salimans & Kingma, 2016)."""

    name: ClassVar[str] = "weight_norm"
    formula: ClassVar[str] = "W = g * V / norm(V)"
    example: ClassVar[str] = "x: [B, 8] -> weight_norm(dense(10))"
    synonyms: ClassVar[tuple[str, ...]] = ("WeightNormalization", "WeightNorm")

    layer: Owner
    dim: Whole = ZERO

    def infer(self, see: Checker, *inputs: Any) -> TensorType | tuple[TensorType, ...]:
        found = super().infer(see, *inputs)
        weight = self.layer.weights(*inputs)["weight"]
        if not weight.shape:
            raise Refusal(WrongRank(see.place("layer"), self.name, "a layer whose weight has dims", self.layer.name))
        axis(see, self.name, self.dim, TensorType("float", weight.shape))
        return found

    @property
    def initialisers(self) -> dict[str, Initialiser]:
        return {f"{_STORED}.original1" if name == "weight" else name: init for name, init in self.layer.initialisers.items()}

    def weights(self, *inputs: Any) -> dict[str, Weight]:
        weight = self.layer.weights(*inputs)["weight"]
        number = self.dim.number or 0
        lengths = [size if at == number % len(weight.shape) else ONE for at, size in enumerate(weight.shape)]
        stored = {f"{_STORED}.original0": Weight(*lengths), f"{_STORED}.original1": weight}
        return self.others(*inputs) | stored

    def filled(self, me: str) -> list[str]:
        """The lengths of what was filled, so that the weight itself starts as the initialiser says."""
        return [f"{me}.weight = {me}.{_STORED}.original1.detach()"] if "weight" in self.layer.initialisers else []

    def module(self, show: Show, *inputs: Any) -> str:
        return call("nn.utils.parametrizations.weight_norm", self.layer.module(show, *inputs), **options(self, show, "dim")).text

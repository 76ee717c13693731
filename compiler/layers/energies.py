"""Objectives and measures of energies. They stand in train programs only, and speak of the energy that is trained.

Comes in: what the energy is given, in the order of its signature. Goes out: one number. Their text calls helper functions that take the
model, an energy's class (see `emit.torch.machines`).
"""

from typing import ClassVar, Literal

from ..emit.code import Show
from ..graph import TensorType
from ..values import Real
from ._divergence import APART, divergence
from .base import ONE, Checker, Family, Flag, Layer, Positive, PositiveNumber

FLIPS = '''
def flips(model, inputs, visible):
    """For each visible unit: log p(inputs) - log p(inputs with that unit flipped), [B]."""
    free = model.free_energy(*inputs)
    for at in visible:
        x = inputs[at]
        for i in range(x[0].numel()):
            flipped = x.flatten(1).clone()
            flipped[:, i] = 1 - flipped[:, i]
            yield model.free_energy(*inputs[:at], flipped.view_as(x), *inputs[at + 1 :]) - free
'''
PSEUDO = (
    FLIPS
    + APART
    + '''

def pseudo_likelihood(model, *inputs, visible):
    """The mean over examples of the sum over visible units of log p(unit | all others) (Besag, 1975)."""
    return sum(F.logsigmoid(gap) for gap in flips(model, inputs, visible)).mean()
'''
)
RATIOS = (
    FLIPS
    + APART
    + '''

def ratio_matching(model, *inputs, visible):
    """The squared probability that each visible unit is flipped given all others, summed (Hyvarinen, 2007)."""
    return sum(torch.sigmoid(-gap).square() for gap in flips(model, inputs, visible)).mean()
'''
)
REBUILT = '''
def reconstruction_error(model, *inputs, visible):
    """The mean squared difference of the visible units to their means given the means of the hidden ones."""
    found = model.reconstruct(*inputs)
    found = found if isinstance(found, tuple) else (found,)
    return sum((inputs[at] - x).square().flatten(1).mean(dim=1) for at, x in zip(visible, found)).mean()
'''
SCORES = '''
def score_matching(model, *inputs, sigma, visible):
    """Denoising score matching (Vincent, 2011): the slope of log p at noisy data points back to the data.

    That slope is what the visible units are rebuilt as, less what they are. Times sigma squared, so that 1 is the size of no model at all.
    """
    noisy = [x + sigma * torch.randn_like(x) if at in visible else x for at, x in enumerate(inputs)]
    found = model.reconstruct(*noisy)
    found = found if isinstance(found, tuple) else (found,)
    loss = 0
    for at, x in zip(visible, found):
        slope, wanted = x - noisy[at], (inputs[at] - noisy[at]) / sigma**2
        loss = loss + sigma**2 * (slope - wanted).square().flatten(1).sum(dim=1)
    return loss.mean()
'''


class OfEnergy(Layer):
    """Base: what is computed from an energy and what it is given. `visible` tells which of that are its visible units."""

    family: ClassVar[Family] = "energy"
    tensors: ClassVar[int | None] = None
    pure: ClassVar[bool] = False
    units: ClassVar[tuple[str, ...]] = ("binary", "real", "onehot")  # of the visible ones
    function: ClassVar[str] = ""
    summed: ClassVar[bool] = True  # it reads the free energy, so hidden units must not meet
    better: ClassVar[Literal["higher", "lower"] | None] = None

    def infer(self, see: Checker, *inputs: TensorType) -> TensorType:
        return TensorType("float", ())

    def text(self, *, derived: bool, crossed: bool, two: bool) -> str:
        """The functions that its own text calls. `derived`: the energy's class has `statistics`; `crossed`: its hidden units meet; `two`:
        it is derived, and there is but one block of visible units and one of hidden ones."""
        return self.helper

    def way(self, *, two: bool) -> str:
        """The function of its text."""
        return self.function

    def given(self, show: Show) -> dict[str, str]:
        """Further arguments."""
        return {}


class ContrastiveDivergence(OfEnergy):
    """The loss of CD-k: data against where k Gibbs steps from them lead; with `persistent`, chains that go on from update to update.

    Its value is no likelihood and need not fall; `pseudo_likelihood` shows how training goes.
    """

    name: ClassVar[str] = "contrastive_divergence"
    formula: ClassVar[str] = "dW = <v h>_data - <v h>_after k steps"
    example: ClassVar[str] = "loss contrastive_divergence(k=1)"
    synonyms: ClassVar[tuple[str, ...]] = ("cd", "pcd")
    summed: ClassVar[bool] = False

    k: Positive = ONE
    persistent: Flag = False

    def text(self, *, derived: bool, crossed: bool, two: bool) -> str:
        return divergence(persistent=self.persistent, derived=derived, crossed=crossed, two=two)

    def given(self, show: Show) -> dict[str, str]:
        return {"steps": show(self.k)}

    def way(self, *, two: bool) -> str:
        return ("persistent" if self.persistent else "contrastive") + ("_divergence" if two else "_divergence_of_blocks")


class RatioMatching(OfEnergy):
    """Ratio matching, for binary visible units: no chain and no sampling, one free energy for each unit."""

    name: ClassVar[str] = "ratio_matching"
    formula: ClassVar[str] = "sum_i p(v_i flipped | the others)^2"
    example: ClassVar[str] = "loss ratio_matching()"
    helper: ClassVar[str] = RATIOS
    function: ClassVar[str] = "ratio_matching"
    units: ClassVar[tuple[str, ...]] = ("binary",)
    better: ClassVar[Literal["higher", "lower"] | None] = "lower"


class ScoreMatching(OfEnergy):
    """Denoising score matching, for real visible units: no chain; the slope of log p at data with noise of `sigma` points back to them."""

    name: ClassVar[str] = "score_matching"
    formula: ClassVar[str] = "sigma^2 |d log p(v~)/dv~ - (v - v~) / sigma^2|^2"
    example: ClassVar[str] = "loss score_matching(sigma=0.5)"
    helper: ClassVar[str] = SCORES
    function: ClassVar[str] = "score_matching"
    units: ClassVar[tuple[str, ...]] = ("real",)
    better: ClassVar[Literal["higher", "lower"] | None] = "lower"

    sigma: PositiveNumber = Real.of(0.5)

    def given(self, show: Show) -> dict[str, str]:
        return {"sigma": show(self.sigma)}


class PseudoLikelihood(OfEnergy):
    """The log pseudo-likelihood, for binary visible units: how likely each is given all others, summed; 0 is best."""

    name: ClassVar[str] = "pseudo_likelihood"
    formula: ClassVar[str] = "sum_i log p(v_i | the others)"
    example: ClassVar[str] = "loss contrastive_divergence()\n    metric pseudo_likelihood()"
    helper: ClassVar[str] = PSEUDO
    function: ClassVar[str] = "pseudo_likelihood"
    units: ClassVar[tuple[str, ...]] = ("binary",)
    better: ClassVar[Literal["higher", "lower"] | None] = "higher"


class ReconstructionError(OfEnergy):
    """The mean squared difference of the visible units to what the hidden ones tell of them. It can fall while the fit gets worse."""

    name: ClassVar[str] = "reconstruction_error"
    formula: ClassVar[str] = "mean (v - E[v | E[h | v]])^2"
    example: ClassVar[str] = "loss contrastive_divergence()\n    metric reconstruction_error()"
    helper: ClassVar[str] = REBUILT
    summed: ClassVar[bool] = False
    function: ClassVar[str] = "reconstruction_error"
    better: ClassVar[Literal["higher", "lower"] | None] = "lower"

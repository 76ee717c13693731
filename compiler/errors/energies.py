"""Faults of energies: what no conditional can be derived from, and objectives that stand where there is no energy."""

from ...dsl.diagnostic import Diagnostic, Edit, Fault, Help, Label
from ...dsl.span import NOWHERE, Span

BENDS = {
    "binary": "Binary units need an energy that is affine in them",
    "onehot": "One-hot units need an energy that is affine in them",
    "real": "Real units need an energy that is half of their squares, and affine else",
}


class LatentOutside(Fault):
    """Hidden units are what an energy is summed over. Only the body of an `energy` has them; anything else computes its tensors."""

    code = "E0910"
    title = "a latent stands outside of an energy"

    name: str

    def diagnostic(self) -> Diagnostic:
        helps = (Help("declare the part as an energy, or draw the tensor: z ~ normal(0, 1)[B, 16]"),)
        return self.say(f"{self.name} is latent, and only an energy has hidden units", "not in an energy", helps=helps)


class UnitsOfWhat(Fault):
    """The units of an energy are `binary` (0 or 1), `real` (normal, of variance 1) or `onehot` (one of the last dim is 1), one row an
    example, so their first dim is that of the batch."""

    code = "E0911"
    title = "units of no kind"

    name: str
    got: str
    wanted: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.name} is {self.got}, and units of an energy are {self.wanted}", "not such units")


class NoUnits(Fault):
    """An energy joins visible units, which it is given, to hidden ones, which it infers: it needs some of both."""

    code = "E0912"
    title = "an energy without visible or hidden units"

    energy: str
    missing: str
    example: str
    at: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        edits = (Edit(Span(self.at.source, self.at.start, self.at.start), "real"),) if self.at != NOWHERE else ()
        helps = (Help(f"say {self.example}", edits),)
        return self.say(f"{self.energy} has no {self.missing} units", f"no {self.missing} units", helps=helps)


class NotAnEnergy(Fault):
    """The body of an energy returns the energy of each example: one tensor, `[B]`. A sum over the batch would mix examples."""

    code = "E0913"
    title = "what is returned is no energy"

    energy: str
    got: str
    wanted: str
    mixed: bool

    def diagnostic(self) -> Diagnostic:
        advice = "sum over the units only: sum(…, dim=-1)" if self.mixed else f"return one number an example: {self.wanted}"
        return self.say(
            f"{self.energy} must return the energy of each example, {self.wanted}, and this is {self.got}",
            "no energy of each example",
            helps=(Help(advice),),
        )


class TermBends(Fault):
    """Units can be drawn in one step where each is independent of the others of its block, given the rest. Binary and one-hot units need
    an energy that is affine in the block, real ones half of their squares and affine else. This term is neither."""

    code = "E0914"
    title = "a term stands in the way of a conditional"

    units: str
    kind: str
    term: str
    place: Span

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.term}, so p({self.units} | the rest) has no closed form",
            "in this term",
            Label(self.place, f"{self.units} is {self.kind}"),
            notes=(f"{BENDS[self.kind]}: sums, differences, products and @ with what does not depend on {self.units}.",),
        )


class WrongVariance(Fault):
    """Real units are normal with variance 1 given the rest, so the energy holds each of their squares by a half: `sum(v ** 2) / 2`. For
    another variance, scale the data."""

    code = "E0915"
    title = "real units of another variance"

    units: str
    got: str
    place: Span

    def diagnostic(self) -> Diagnostic:
        helps = (Help(f"add sum({self.units} ** 2, dim=-1) / 2 to the energy, and scale the data to variance 1"),)
        return self.say(
            f"the energy holds the squares of {self.units} {self.got}, and real units need them by 1/2",
            "of this energy",
            Label(self.place, f"{self.units} is real"),
            helps=helps,
        )


class NoFreeEnergy(Fault):
    """Where two blocks of hidden units meet in a term, they cannot be summed out in closed form: there is no free energy, and what is made
    of it (pseudo-likelihood, ratio and score matching) is not there. Contrastive divergence takes mean field instead."""

    code = "E0916"
    title = "an objective of the free energy, and hidden units that meet"

    objective: str
    energy: str
    one: str
    other: str
    term: Span

    def diagnostic(self) -> Diagnostic:
        helps = (Help("take contrastive_divergence(persistent=true), or reconstruction_error() to watch it"),)
        return self.say(
            f"{self.objective} needs the free energy, and {self.energy} has none: {self.one} and {self.other} are both hidden",
            "no free energy",
            Label(self.term, f"{self.one} and {self.other} meet in this term"),
            helps=helps,
        )


class UnitsUnused(Fault):
    """Units that the energy does not speak of could be anything."""

    code = "E0917"
    title = "units that the energy does not hold"

    units: str
    energy: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"the energy that {self.energy} returns does not depend on {self.units}", "in no term")


class PartInEnergy(Fault):
    """The body of an energy is made of parameters, arithmetic, and `conv` and `dense`, which are affine, so that its conditionals can be
    derived. What else a network computes comes in as a further tensor."""

    code = "E0918"
    title = "a part inside of an energy"

    what: str
    energy: str

    def diagnostic(self) -> Diagnostic:
        helps = (Help(f"compute it outside, and give it to {self.energy} as a tensor of its own"),)
        return self.say(f"{self.what} cannot stand in the body of the energy {self.energy}", "not in an energy", helps=helps)


class LayerAway(Fault):
    """A layer with weights stands where data flows up to the hidden units: on the visible units, or on a hidden block that meets another.
    What flows down again goes through it backwards."""

    code = "E0923"
    title = "a layer of an energy that data does not flow through"

    layer: str
    energy: str

    def diagnostic(self) -> Diagnostic:
        helps = (Help("apply it to the visible units: sum(conv(v) * h, dim=[1, 2, 3]), not sum(v * conv(h), …)"),)
        return self.say(
            f"{self.layer} has no part in what the hidden units of {self.energy} become", "not on the way up", helps=helps
        )


class ConvOfEnergy(Fault):
    """What goes up through a convolution goes down through its transpose, which knows zeros around an image, as many on either side. So
    a `conv` in an energy has `padding_mode="zeros"` and its padding as numbers, or `"same"` with an odd kernel; its weights are its own."""

    code = "E0924"
    title = "a convolution that cannot be gone back through"

    energy: str

    def diagnostic(self) -> Diagnostic:
        helps = (Help("pad with zeros, as many on either side: conv(16, 3, padding=1)"),)
        return self.say(f"the units of {self.energy} cannot be drawn back through this convolution", "no way back", helps=helps)


class NameOfMethod(Fault):
    """The class of an energy has methods that are derived; no parameter can have the name of one."""

    code = "E0919"
    title = "a name that the energy's own methods have"

    name: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"no parameter of an energy can be called {self.name}: a method has that name", "choose another name")


class NeedsEnergy(Fault):
    """Contrastive divergence, pseudo-likelihood and their like are of an energy: they are said where one is trained."""

    code = "E0920"
    title = "an objective of energies, and no energy"

    objective: str
    model: str
    energies: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        named = f": {', '.join(self.energies)}" if self.energies else ""
        helps = (Help(f"train the energy itself{named}"),)
        return self.say(f"{self.objective} is of an energy, and {self.model} is none", "no energy here", helps=helps)


class ObjectiveOfUnits(Fault):
    """Pseudo-likelihood and ratio matching flip one unit at a time, so they are for binary visible units; score matching takes the slope of
    the density, so it is for real ones."""

    code = "E0921"
    title = "an objective for other units"

    objective: str
    wanted: str
    units: str
    kind: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.objective} is for {self.wanted} visible units, and {self.units} is {self.kind}", "for other units"
        )


class ChainsOfOthers(Fault):
    """Persistent chains go on from step to step, whatever the batch is. Where an energy takes further tensors, each example has a
    distribution of its own, so a chain of one example is none of another's."""

    code = "E0922"
    title = "persistent chains of an energy that takes further tensors"

    energy: str
    further: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"the chains of {self.energy} depend on {self.further}, which differs from batch to batch, so they cannot persist",
            "no chains to keep",
            helps=(Help("let each batch start its own: contrastive_divergence(k=5)"),),
        )

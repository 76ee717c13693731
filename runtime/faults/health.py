"""Warnings of a run that learns badly (W08xx). Each is said once a run; nothing stops."""

from ...dsl.diagnostic import Diagnostic, Fault, Help


class LossStands(Fault):
    """The training loss is epoch after epoch where it was, or wobbles around it: nothing is learned. The rate may be far too low or too
    high, the inputs may not be scaled, the labels may not belong to their rows, or what the loss depends on may be frozen."""

    code = "W0805"
    title = "the loss does not go down"
    first: float
    least: float
    later: int

    def diagnostic(self) -> Diagnostic:
        helps = (Help("try a learning rate ten times lower, and one ten times higher; look whether the inputs are scaled"),)
        since = f"{self.least:.4g} at its least in the {self.later} after it"
        message = f"the training loss does not go down: {self.first:.4g} in the first epoch, {since}"
        return self.say(message, "trained here", helps=helps)


class DeadUnits(Fault):
    """A unit that is off for every row gets no gradient, so it stays off. Many of them: the rate was too high, or a bias is far below 0."""

    code = "W0806"
    title = "units are dead"
    units: int
    of: int

    def diagnostic(self) -> Diagnostic:
        helps = (Help("a lower learning rate, a norm in front, or leaky_relu or gelu in place of relu"),)
        return self.say(f"{self.units} of {self.of} units are off for every row that was looked at", "off here", helps=helps)


class GradientsExplode(Fault):
    """The gradient of some weights is a thousand times as large as the weights: a step throws them far away."""

    code = "W0807"
    title = "gradients explode"
    parameter: str
    ratio: float

    def diagnostic(self) -> Diagnostic:
        helps = (Help("clip 1 bounds the norm of all gradients; a lower rate or a warmup helps too"),)
        return self.say(f"the gradient of {self.parameter} is {self.ratio:.0f} times its weights", "trained here", helps=helps)


class GradientsVanish(Fault):
    """The gradient of some weights is next to nothing beside the weights: they learn nothing. Deep stacks of tanh or sigmoid do that."""

    code = "W0808"
    title = "gradients vanish"
    parameter: str
    ratio: float

    def diagnostic(self) -> Diagnostic:
        helps = (Help("a way around the layers (x + …), a norm, relu in place of sigmoid, or an initialiser that fits"),)
        return self.say(f"the gradient of {self.parameter} is {self.ratio:.0e} of its weights", "trained here", helps=helps)

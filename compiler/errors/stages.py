"""Faults of phases that train a model's parts one after another: `each X minimizes …`, `each X solves LAYER by …`."""

from ...dsl.diagnostic import Diagnostic, Fault, Help, Label
from ...dsl.nearest import did_you_mean
from ...dsl.span import NOWHERE, Span


class NoInstance(Fault):
    """`each X` goes through the places where the model uses the declaration X, in the order of the data's flow. There must be one."""

    code = "E0970"
    title = "no such part to train"

    part: str
    model: str
    candidates: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        helps = did_you_mean(self.part, self.span, self.candidates)
        if not helps and self.candidates:
            helps = (Help(f"{self.model} has {', '.join(self.candidates)}"),)
        return self.say(f"{self.model} has no part {self.part} to train", "used nowhere in it", helps=helps)


class WholeModel(Fault):
    """`each` trains the parts of a model by themselves. What the whole model minimizes is a `loss`."""

    code = "E0971"
    title = "each speaks of the whole model"

    model: str

    def diagnostic(self) -> Diagnostic:
        helps = (Help("say loss …, which trains the model as a whole"),)
        return self.say(f"{self.model} is the model itself, not a part of it", "the whole model", helps=helps)


class NotApart(Fault):
    """A part is trained by itself where it stands once in the flow of the data, with weights of its own."""

    code = "E0972"
    title = "a part that cannot be trained by itself"

    part: str
    reason: str
    used: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        labels = (Label(self.used, "used here"),) if self.used != NOWHERE else ()
        return self.say(f"{self.part} cannot be trained by itself: {self.reason}", "trained by itself", *labels)


class NothingToMove(Fault):
    """An objective of a part is computed from what its weights give; one that reads none of it has nothing to minimize."""

    code = "E0973"
    title = "an objective without weights"

    part: str

    def diagnostic(self) -> Diagnostic:
        message = f"no weight of {self.part} has a part in this objective, so there is nothing to minimize"
        return self.say(message, "depends on no weight")


class NoSolvable(Fault):
    """What is solved for is a `dense` layer of the part's own body, applied once: its output is affine in its weights."""

    code = "E0974"
    title = "a layer without a closed form"

    part: str
    layer: str
    reason: str
    candidates: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        helps = did_you_mean(self.layer, self.span, self.candidates)
        if not helps and self.candidates:
            helps = (Help(f"{self.part} has {', '.join(self.candidates)}"),)
        return self.say(f"{self.layer} of {self.part} has no closed form: {self.reason}", "cannot be solved for", helps=helps)


class BadMethod(Fault):
    """A layer is solved by `ridge(TARGET, l2=…)`, `least_squares(TARGET)` or `logistic(LABELS, l2=…)`."""

    code = "E0975"
    title = "no way to solve"

    reason: str
    name: str = ""
    candidates: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        helps = did_you_mean(self.name, self.span, self.candidates) if self.name else ()
        return self.say(self.reason, "how it is solved", helps=helps or (Help("say ridge(one_hot(label, 10), l2=1e-3)"),))


class WrongTarget(Fault):
    """The target of a closed form has the shape of what the layer gives; that of `logistic` is a class number a row."""

    code = "E0976"
    title = "the target does not fit the layer"

    layer: str
    wanted: str
    got: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.layer} gives {self.wanted}, but the target is {self.got}", f"this is {self.got}")


class BesideEach(Fault):
    """A phase trains the whole model by `loss`, or its parts by `each`; in a phase with `each` some clauses have no meaning."""

    code = "E0977"
    title = "a clause that does not go with each"

    name: str
    reason: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.name} does not go with each: {self.reason}", "beside each")

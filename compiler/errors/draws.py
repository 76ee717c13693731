"""Faults of distributions and draws, of what buffers, averages and penalties are given, and of the mode."""

from ...dsl.diagnostic import Diagnostic, Edit, Fault, Help, Label
from ...dsl.span import NOWHERE, Span

DISTRIBUTIONS = "normal, laplace, logistic, gumbel, uniform, bernoulli, relaxed_bernoulli, categorical, gumbel_softmax"


class NotADistribution(Fault):
    """Only a distribution can be drawn from, compared with `kl`, or asked for `log_prob` and moments.

    Distributions are `normal(mu, sigma)`, `laplace(mean, scale)`, `logistic(mean, scale)`, `gumbel(loc, scale)`, `uniform(low, high)`,
    `bernoulli(probs)`, `relaxed_bernoulli(logits)`, `categorical(logits)` and `gumbel_softmax(logits)`; a shape in brackets behind one
    repeats it.
    """

    code = "E0430"
    title = "not a distribution"

    what: str
    got: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.what} wants a distribution, but this is {self.got}",
            "not a distribution",
            helps=(Help(f"distributions are {DISTRIBUTIONS}"),),
        )


class BadParameter(Fault):
    """A distribution is given parameters that do not say what it is.

    Each parameter is a float tensor or a number; `bernoulli` takes the chance of a 1 or its `logits`, one of the two; `categorical` and
    `gumbel_softmax` take the logits of the classes along the last dim of a tensor.
    """

    code = "E0431"
    title = "a parameter of a distribution"

    kind: str
    reason: str
    mend: str = ""

    def diagnostic(self) -> Diagnostic:
        helps = (Help(self.mend),) if self.mend else ()
        return self.say(f"{self.kind} {self.reason}", "", helps=helps)


class NoClosedForm(Fault):
    """What is asked of a distribution has no closed form, or is not known here.

    `kl(p, q)` is known for two of one kind: normal, laplace, uniform, bernoulli, categorical. A `gumbel_softmax` or `relaxed_bernoulli` is
    drawn from only, and classes have no mean.
    """

    code = "E0432"
    title = "no closed form"

    what: str
    mend: str = ""

    def diagnostic(self) -> Diagnostic:
        helps = (Help(self.mend),) if self.mend else ()
        return self.say(f"there is no closed form of {self.what}", "not known", helps=helps)


class StartOfTensors(Fault):
    """A parameter or buffer starts before any tensor is there, so the distribution that it starts from has numbers for its parameters.

    A shape behind the distribution must be that of the parameter; none is needed.
    """

    code = "E0433"
    title = "a start that needs tensors"

    what: str
    reason: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.what} cannot start from this distribution: {self.reason}", "no start")


class BadRepeat(Fault):
    """Behind a distribution, brackets hold the shape in which it is repeated: whole numbers and dims, such as `normal(0, 1)[B, 64]`."""

    code = "E0434"
    title = "a distribution is repeated by a shape"

    got: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"the shape of a draw is made of whole numbers and dims, but this is {self.got}", "not a size")


class OnlyWhenRun(Fault):
    """`training` is true or false when the model runs, not when it is compiled.

    It chooses between two values, `a if training else b`; it cannot decide which layers there are, nor be a number.
    """

    code = "E0435"
    title = "training is known only when the model runs"

    what: str

    def diagnostic(self) -> Diagnostic:
        helps = (Help("choose between two values: a if training else b"),)
        return self.say(f"{self.what} is settled when the model is compiled, but training only when it runs", "", helps=helps)


class NextOfBuffer(Fault):
    """`q' = …` gives a buffer its value after a training step. It stands once, in the body that declares the buffer, outside of stacks."""

    code = "E0436"
    title = "the next value of a buffer"

    name: str
    reason: str
    origin: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        labels = () if self.origin == NOWHERE else (Label(self.origin, f"{self.name} is declared here"),)
        return self.say(f"{self.name}' {self.reason}", "", *labels)


class NextDiffers(Fault):
    """The next value of a buffer takes its place, so it must have its dtype and its shape."""

    code = "E0437"
    title = "the next value of a buffer is of another type"

    name: str
    wanted: str
    got: str
    origin: Span

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.name} is {self.wanted}, but its next value is {self.got}",
            f"this is {self.got}",
            Label(self.origin, f"{self.wanted} is declared here"),
        )


class BadPenalty(Fault):
    """A penalty is a float tensor, which is averaged and added to the loss; its name is that of no other penalty of the body."""

    code = "E0438"
    title = "a penalty cannot be added to a loss"

    name: str
    reason: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"the penalty {self.name} {self.reason}", "")


class BadAverage(Fault):
    """`layer t = ema(f, decay=0.996)` makes a copy of the layer `f` of the same body that follows its weights.

    `f` is one layer or one declared part that was named with `layer` before and is used; a composed flow has to become a block first.
    """

    code = "E0439"
    title = "an average of what is no layer"

    reason: str
    mend: str = ""
    origin: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        labels = () if self.origin == NOWHERE else (Label(self.origin, "this one"),)
        helps = (Help(self.mend),) if self.mend else ()
        return self.say(self.reason, "", *labels, helps=helps)


class DistributionPassed(Fault):
    """A distribution of tensors belongs to the body whose tensors they are: parts are given the tensors, and make it themselves."""

    code = "E0440"
    title = "a distribution of tensors is given to a part"

    def diagnostic(self) -> Diagnostic:
        return self.say(
            "a distribution of tensors cannot be a hyperparameter",
            "",
            helps=(Help("give the part the tensors that it is made of"),),
        )


class PrimeOfParameter(Fault):
    """A prime is the next value of a buffer. What is learned is moved by the optimizer, and nothing else."""

    code = "E0441"
    title = "a prime on what is learned"

    name: str
    origin: Span
    keyword: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        edits = () if self.keyword == NOWHERE else (Edit(self.keyword, "buffer"),)
        return self.say(
            f"{self.name} is a param, which the optimizer moves; only a buffer is given a next value",
            "",
            Label(self.origin, f"{self.name} is learned"),
            helps=(Help(f"if it is not learned, declare it with buffer {self.name}: …", edits),),
        )

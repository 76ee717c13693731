"""Advice: what is legal and surely not meant. Warnings, counted as faults by `archc check --strict` alone."""

from ...dsl.diagnostic import Diagnostic, Edit, Fault, Help, Label
from ...dsl.span import NOWHERE, Span


def _help(text: str, edits: tuple[Edit, ...]) -> tuple[Help, ...]:
    return (Help(text, edits),) if text else ()


# What is not used -----------------------------------------------------------------------------------------------------


class UnusedValue(Fault):
    """A value is named and never read again, so its layers do nothing.

    Most often a name was forgotten at the place where it belongs, or an old line was left behind. A value that only one branch of an
    `if` reads is used. The name `_` takes what is not wanted: `_, last = …`.
    """

    code = "W0201"
    title = "a value that nothing reads"

    name: str
    elsewhere: bool  # the name is read, but not after this line, or not before it is given anew
    mend: tuple[Edit, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{'this' if self.elsewhere else 'the'} value {'of ' if self.elsewhere else ''}{self.name} is never read",
            "computed for nothing",
            helps=_help("use it, or leave the line out", self.mend),
        )


class UnusedTensor(Fault):
    """A declaration takes a tensor that its body does not read.

    A tensor whose dims alone are used counts as used, and so does an input of a model that a loss or metric of the file reads.
    """

    code = "W0202"
    title = "a tensor that its declaration does not read"

    name: str
    where: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.where} takes the tensor {self.name} and never reads it", "never read")


class UnusedHyperparameter(Fault):
    """A hyperparameter that nothing in its declaration depends on: to set it changes nothing."""

    code = "W0203"
    title = "a hyperparameter that decides nothing"

    name: str
    where: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"nothing in {self.where} depends on the hyperparameter {self.name}", "never read")


class UnusedImport(Fault):
    """A file with a model imports a name that it does not use.

    A file without one may import what it hands on to others, and is left alone.
    """

    code = "W0204"
    title = "an import that is not used"

    name: str
    mend: tuple[Edit, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.name} is imported and never used", "never used", helps=_help("leave it out", self.mend))


class HidesLayer(Fault):
    """A declaration or an import bears the name of a layer or op, which can then not be used in this file.

    That is allowed, and a reader who knows the layer will take the one for the other. Parts begin with a capital letter by custom, layers
    never do.
    """

    code = "W0207"
    title = "a name hides a layer"

    name: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.name} hides the layer of that name", "hides it")


class UnusedParam(Fault):
    """A `param` or `buffer` of a body that nothing reads: no gradient will ever reach it, and the state dict carries it all the same."""

    code = "W0205"
    title = "a parameter that nothing reads"

    kind: str
    name: str
    mend: tuple[Edit, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"the {self.kind} {self.name} is never read", "never read", helps=_help("use it, or leave the line out", self.mend)
        )


class UnusedLayer(Fault):
    """A `layer` is named and never applied, so it is not built either."""

    code = "W0206"
    title = "a layer that is never applied"

    name: str
    mend: tuple[Edit, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"the layer {self.name} is never applied", "never applied", helps=_help("use it, or leave the line out", self.mend)
        )


# Layers ---------------------------------------------------------------------------------------------------------------


class BiasBeforeNorm(Fault):
    """A bias is added and taken away again at once.

    `batch_norm` (and `instance_norm`) subtracts the mean of each channel, and a bias is a part of that mean: whatever it is, the output is
    the same, its gradient is zero, and the shift of the norm does its work. `bias=false` saves its memory and time.
    """

    code = "W0301"
    title = "a bias before a normalisation that removes it"

    layer: str
    norm: str
    normed: Span
    mend: tuple[Edit, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"the bias of this {self.layer} has no effect: {self.norm} subtracts it again with the mean",
            "adds a bias",
            Label(self.normed, "takes it away"),
            helps=_help("say bias=false", self.mend),
        )


class DenseOnImage(Fault):
    """`dense` maps the last dim alone. On an image `[B, C, H, W]` that is the width, one row at a time, with the same weights for each.

    Before the classifier of a network stand `flatten` (each pixel has its weights) or `global_avg_pool` (each channel). For a map of the
    channels at each pixel say `conv(n, 1)`.
    """

    code = "W0302"
    title = "dense on an image that was not flattened"

    got: str
    made: Span
    mend: tuple[Edit, ...] = ()

    def diagnostic(self) -> Diagnostic:
        labels = () if self.made in (NOWHERE, self.span) else (Label(self.made, "the image comes from here"),)
        return self.say(
            f"dense maps the last dim alone, which is the width of the image {self.got}",
            "maps the width only",
            *labels,
            helps=_help("put flatten before it, or global_avg_pool", self.mend),
        )


class TimeAsChannels(Fault):
    """Convolutions, poolings and channel norms read `[B, C, time]`: dim 1 is the channels, and they slide over the last dim.

    In a sequence `[B, T, D]` dim 1 is the time, so they would slide over the features. `transpose(1, 2)` before, and again after. Told
    where dim 1 of a tensor with three dims is called T or S; a convolution with a window of 1 does not slide and is left alone.
    """

    code = "W0303"
    title = "a layer takes time for channels"

    layer: str
    dim: str
    got: str
    mend: tuple[Edit, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.layer} takes dim 1 for the channels, and in {self.got} that is {self.dim}, the time",
            f"takes {self.dim} for channels",
            helps=_help("put transpose(1, 2) before it and after it", self.mend),
        )


class SameTwice(Fault):
    """One activation directly after the same one.

    The second `relu` or `log_softmax` changes nothing, a second `sigmoid` or `softmax` squeezes what is squeezed already: a slip of
    copying in any case.
    """

    code = "W0304"
    title = "an activation twice in a row"

    layer: str
    first: Span
    mend: tuple[Edit, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.layer} is applied to what {self.layer} has just given",
            "the second one",
            Label(self.first, "the first one"),
            helps=_help("leave the second one out", self.mend),
        )


class NothingBetween(Fault):
    """Two `dense` layers with nothing between them are one affine map, and compute no more than the second alone could.

    Told only where the first is not narrower than both its sides and the second has a bias: a narrow middle (a low rank) is a choice.
    """

    code = "W0305"
    title = "two dense layers with nothing between them"

    first: Span
    mend: tuple[Edit, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.say(
            "two dense layers with nothing between them are one affine map: the second alone can do the same",
            "directly after a dense",
            Label(self.first, "the first one"),
            helps=_help("put an activation between them", self.mend),
        )


class OneAlone(Fault):
    """A softmax over a dim of size 1 is 1 whatever comes in, its logarithm is 0, and the cross-entropy of one class is always 0.

    For one score per example say `sigmoid`, and `binary_cross_entropy_with_logits` for the loss. Told for a dim that is 1 in the text of
    the declaration, not for one that a hyperparameter made so.
    """

    code = "W0306"
    title = "a softmax or a loss over a dim that is always 1"

    layer: str
    dim: str
    got: str
    always: str
    instead: str
    mend: tuple[Edit, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.layer} works on {self.dim} of {self.got}, which is always 1, so it gives {self.always} whatever comes in",
            f"always gives {self.always}",
            helps=_help(f"for one score per example, say {self.instead}", self.mend),
        )


# Losses ---------------------------------------------------------------------------------------------------------------


class ScoresSquashed(Fault):
    """A loss that applies softmax or sigmoid itself is given numbers that went through one before.

    `cross_entropy` takes raw scores (logits); after a softmax the largest difference it can see is 1, so the loss cannot come near 0 and
    learning is slow. The same holds for `sigmoid` before it and before `binary_cross_entropy_with_logits`. A `log_softmax` before
    `cross_entropy` changes nothing and costs time. Where probabilities are wanted too, return both: the scores for the loss, and
    `softmax(logits)`.
    """

    code = "W0801"
    title = "softmax or sigmoid before a loss that has its own"

    loss: str
    squash: str
    made: Span
    mend: tuple[Edit, ...] = ()

    def diagnostic(self) -> Diagnostic:
        own = "sigmoid" if "binary" in self.loss or "multilabel" in self.loss else "softmax"
        if self.squash == "relu":
            why = f"{self.loss} takes raw scores, and behind relu none of them says no: the probability is never below one half"
        elif self.squash == "log_softmax":
            why = f"{self.loss} has its own log_softmax, so the one before it changes nothing"
        else:
            why = f"{self.loss} takes raw scores and applies its own {own}, but was given what {self.squash} gives"
        labels = () if self.made in (NOWHERE, self.span) else (Label(self.made, f"the {self.squash}"),)
        return self.say(why, "wants raw scores", *labels, helps=_help(f"leave {self.squash} out", self.mend))


class ScoresRaw(Fault):
    """A loss of probabilities or of their logarithms is given something else.

    `binary_cross_entropy` wants numbers in 0 to 1, `nll` and `kl_div` want logarithms of probabilities (`log_softmax`). The loss would
    be nonsense, infinite, or an error of PyTorch when the model runs.
    """

    code = "W0802"
    title = "a loss of probabilities is given something else"

    loss: str
    wants: str
    maker: str
    made: Span
    advice: str
    mend: tuple[Edit, ...] = ()

    def diagnostic(self) -> Diagnostic:
        labels = () if self.made in (NOWHERE, self.span) else (Label(self.made, "made here"),)
        return self.say(
            f"{self.loss} wants {self.wants}, but was given what {self.maker} gives",
            f"wants {self.wants}",
            *labels,
            helps=_help(self.advice, self.mend),
        )


class DropoutLast(Fault):
    """A loss reads what comes straight out of a dropout: in each step some of the predictions themselves are replaced by zeros.

    Dropout belongs between layers, where the next one can make up for what is missing.
    """

    code = "W0803"
    title = "dropout after the last layer"

    loss: str
    dropout: str
    made: Span
    mend: tuple[Edit, ...] = ()

    def diagnostic(self) -> Diagnostic:
        labels = () if self.made in (NOWHERE, self.span) else (Label(self.made, "the last thing before the loss"),)
        return self.say(
            f"{self.dropout} replaces some of the predictions that {self.loss} reads by zeros",
            "reads behind a dropout",
            *labels,
            helps=_help(f"leave {self.dropout} out, or put it before the last layer", self.mend),
        )


class NothingToLearn(Fault):
    """A loss that counts or ranks has no gradient: `accuracy` changes in steps, and between them it is flat.

    Such numbers are metrics. What is trained is a smooth stand-in: `cross_entropy` for accuracy.
    """

    code = "W0804"
    title = "a metric is used as a loss"

    metric: str
    advice: str
    mend: tuple[Edit, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.metric} counts, so no gradient comes through it and nothing can be learned from it",
            "has no gradient",
            helps=_help(self.advice, self.mend),
        )


class NoGradientThroughDraw(Fault):
    """Weights decide by which chances something is drawn, and nothing else reads what they give: no gradient ever comes to them.

    A draw of 0 or 1, or of a class, does not change a little when its chances do, so it has no slope. A relaxation has one:
    `relaxed_bernoulli` and `gumbel_softmax`, with `hard=true` for draws that look the same. Or the score function (Williams, 1992) has its
    expectation: `penalty reinforce = stop_gradient(cost - mean(cost)) * q.log_prob(z)`, where `cost` is what each example costs.
    """

    code = "W0940"
    title = "no gradient goes through a draw"

    name: str
    kind: str
    instead: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"no gradient goes through a draw of {self.kind}, and nothing else tells the weights behind {self.name} what to learn",
            "they stay as they begin",
            helps=_help(f"draw from {self.instead}; or add a penalty with stop_gradient(cost) * q.log_prob({self.name})", ()),
        )

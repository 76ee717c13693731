"""Faults of calls and of compile-time values: arguments, hyperparameters, results, contracts."""

from ...dsl.diagnostic import Diagnostic, Edit, Fault, Help, Label
from ...dsl.nearest import did_you_mean
from ...dsl.span import NOWHERE, Span

ARGUMENTS = {
    "units": "out_features",
    "filters": "out_channels",
    "kernel": "kernel_size",
    "pool_size": "kernel_size",
    "strides": "stride",
    "dilation_rate": "dilation",
    "rate": "p",
    "prob": "p",
    "epsilon": "eps",
    "use_bias": "bias",
    "axis": "dim",
    "keepdims": "keepdim",
    "input_dim": "num_embeddings",
    "output_dim": "embedding_dim",
    "kernel_initializer": "init",
    "bias_initializer": "bias_init",
    "num_heads": "heads",
    "alpha": "negative_slope",
    "label_smooth": "label_smoothing",
}
"""What others call the arguments of layers."""

_KNOWN_HERE = "what comes in says it; leave it out"
ARGUMENT_ADVICE = {
    "in_features": _KNOWN_HERE,
    "in_channels": _KNOWN_HERE,
    "num_features": _KNOWN_HERE,
    "input_shape": _KNOWN_HERE,
    "input_size": _KNOWN_HERE,
    "activation": "let it flow on into the activation: dense(64) -> relu",
    "inplace": "what may be done in place is found out; leave it out",
    "device": "a spec knows no device; archc train --device says it",
    "dtype": "a spec knows no precision; the clause `precision` of a train program says it",
    "batch_first": "the batch is always the first dim; leave it out",
    "training": "the mode is that of the model; leave it out",
}
"""What to say of arguments that layers have elsewhere and need not have here."""


class UnknownArgument(Fault):
    """A call names an argument that what it calls does not have; the reference or the declaration says which it has."""

    code = "E0401"
    title = "unknown argument"

    what: str
    argument: str
    candidates: tuple[str, ...]
    declared: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        has = f"it has {', '.join(self.candidates)}" if self.candidates else "it has none"
        labels = () if self.declared == NOWHERE else (Label(self.declared, "declared here"),)
        known = {other: ours for other, ours in ARGUMENTS.items() if ours in self.candidates}
        advice = ARGUMENT_ADVICE.get(self.argument)
        helps = did_you_mean(self.argument, self.span, self.candidates, known) if advice is None else (Help(advice),)
        return self.say(f"{self.what} has no argument {self.argument}", "" if helps else has, *labels, helps=helps)


class MissingArgument(Fault):
    """A call leaves out an argument that has no default."""

    code = "E0402"
    title = "an argument is missing"

    what: str
    arguments: tuple[str, ...]
    declared: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        labels = () if self.declared == NOWHERE else (Label(self.declared, "declared here"),)
        return self.say(f"{self.what} needs {' and '.join(self.arguments)}", f"{' and '.join(self.arguments)} missing", *labels)


class TooManyArguments(Fault):
    """A call gives more arguments than what it calls takes."""

    code = "E0403"
    title = "too many arguments"

    what: str
    takes: int
    given: int
    declared: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        labels = () if self.declared == NOWHERE else (Label(self.declared, "declared here"),)
        takes = f"{self.takes or 'no'} argument{'s' if self.takes != 1 else ''}"
        return self.say(f"{self.what} takes {takes} here, but was given {self.given}", "one too many", *labels)


class WrongArgument(Fault):
    """An argument is of another kind than wanted: a number where a callable is needed, a text where a whole number is, and so on."""

    code = "E0404"
    title = "an argument is of the wrong kind"

    what: str
    argument: str
    wanted: str
    got: str
    declared: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        labels = () if self.declared == NOWHERE else (Label(self.declared, "declared here"),)
        return self.say(
            f"{self.argument} of {self.what} wants {self.wanted}, but was given {self.got}", f"wants {self.wanted}", *labels
        )


class WrongTensorCount(Fault):
    """A layer or part was given more or fewer tensors than it takes."""

    code = "E0405"
    title = "the wrong number of tensors"

    what: str
    takes: str
    given: int
    declared: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        labels = () if self.declared == NOWHERE else (Label(self.declared, "declared here"),)
        return self.say(f"{self.what} takes {self.takes}, but was given {self.given}", "", *labels)


class NotCallable(Fault):
    """A flow leads into something that cannot take a tensor, or a call is made of something that is no callable."""

    code = "E0406"
    title = "not callable"

    what: str
    advice: str = ""

    def diagnostic(self) -> Diagnostic:
        helps = (Help(self.advice),) if self.advice else ()
        return self.say(f"{self.what} cannot be called", "not a layer, op or part", helps=helps)


class NoAttribute(Fault):
    """After a dot stands a value of a record, or a tensor that a layer owns, such as `emb.weight`.

    A record is `{a: x, b: y}`, or what a part gives that returns one. A layer has tensors to speak of if it has a name, by `layer emb = …`.
    """

    code = "E0420"
    title = "nothing of that name after the dot"

    what: str
    name: str
    candidates: tuple[str, ...] = ()
    reason: str = ""

    def diagnostic(self) -> Diagnostic:
        helps = did_you_mean(self.name, self.span, self.candidates)
        if not self.candidates and not self.reason:
            helps = (Help("only a layer that was named has tensors to speak of: layer NAME = …, then NAME.weight"),)
        return self.say(f"{self.what} has no {self.name}{f', {self.reason}' if self.reason else ''}", "not there", helps=helps)


class NotATensor(Fault):
    """A tensor is wanted and something else stands there."""

    code = "E0407"
    title = "a tensor is wanted"

    what: str
    helps_text: str = ""

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"a tensor is wanted here, but this is {self.what}",
            "not a tensor",
            helps=(Help(self.helps_text),) if self.helps_text else (),
        )


class NotCompileTime(Fault):
    """Something that the compiler must know (a count, a size, a condition of `if`) depends on what is known only when the model runs."""

    code = "E0408"
    title = "not known at compile time"

    what: str
    got: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.what} must be known at compile time, but this is {self.got}", "known only when the model runs")


class BadArithmetic(Fault):
    """Compile-time arithmetic that has no result.

    Division by zero, an operator on values it does not know, a number out of all bounds.
    """

    code = "E0409"
    title = "arithmetic that has no result"

    reason: str

    def diagnostic(self) -> Diagnostic:
        return self.say(self.reason, "")


class AssertionFailed(Fault):
    """An `assert` of a part does not hold with the values it was given. The place is the use that broke it."""

    code = "E0410"
    title = "an assertion does not hold"

    condition: str
    message: str
    values: str
    asserted: Span
    origins: tuple[tuple[Span, str], ...] = ()  # where the dims of the condition got their sizes

    def diagnostic(self) -> Diagnostic:
        said = self.message or f"{self.condition} does not hold"
        here = self.span == self.asserted
        labels = () if here else (Label(self.asserted, "asserted here"),)
        origins = tuple(Label(span, f"{text} comes from here") for span, text in self.origins)
        label = "does not hold" if here else "breaks it"
        return self.say(f"{said}: {self.values}" if self.values else said, label, *labels, *origins)


class WrongResult(Fault):
    """A declaration promises a result type that its `return` does not keep, or another number of results."""

    code = "E0411"
    title = "the result is not what was promised"

    name: str
    promised: str
    got: str
    declared: Span

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.name} promises {self.promised}, but returns {self.got}",
            f"returns {self.got}",
            Label(self.declared, "promised here"),
        )


class NoReturn(Fault):
    """A declaration ends without `return`, so it has no output."""

    code = "E0412"
    title = "nothing is returned"

    name: str
    last: str = ""  # the name that the last line gives

    def diagnostic(self) -> Diagnostic:
        helps = (Help(f"end with return {self.last}"),) if self.last else ()
        return self.say(f"{self.name} returns nothing", "its body has no return", helps=helps)


class UnknownHyperparameter(Fault):
    """`--set` or a `train` line names a hyperparameter that the model does not have."""

    code = "E0413"
    title = "unknown hyperparameter"

    name: str
    model: str
    candidates: tuple[str, ...]
    written: bool = False  # in the text, so that it can be mended there

    def diagnostic(self) -> Diagnostic:
        helps = did_you_mean(self.name, self.span, self.candidates)
        if not self.written:
            helps = tuple(Help(help.text) for help in helps)
        has = f"it has {', '.join(self.candidates)}" if self.candidates else "it has none"
        return self.say(f"{self.model} has no hyperparameter {self.name}; {has}", "", helps=helps)


class BadHyperparameter(Fault):
    """A hyperparameter was given a value of another type than its default or its annotation says."""

    code = "E0414"
    title = "a hyperparameter has the wrong type"

    name: str
    wanted: str
    got: str
    declared: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        labels = () if self.declared in (NOWHERE, self.span) else (Label(self.declared, "declared here"),)
        return self.say(f"{self.name} wants {self.wanted}, but was given {self.got}", f"wants {self.wanted}", *labels)


class TooLarge(Fault):
    """The network is larger than archc builds: 2^40 weights, 100,000 levels that differ, 1,000,000 steps in a graph."""

    code = "E0415"
    title = "too large"

    what: str

    def diagnostic(self) -> Diagnostic:
        return self.say(self.what, "too large")


class Unpacking(Fault):
    """Several names take the outputs of a call, or the items of a list, and their numbers do not fit."""

    code = "E0416"
    title = "names and values do not match up"

    names: int
    values: int
    given: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        values = f"{self.values} value{'s' if self.values != 1 else ''}"
        names = f"{self.names} name{'s' if self.names != 1 else ''}"
        labels = () if self.given == NOWHERE else (Label(self.given, values),)
        return self.say(f"{names} cannot take {values}", names, *labels)


class PrimeMisplaced(Fault):
    """A prime is the next value of a state or of a carried value: it stands in a `cell`, or in a `stack … from`
    that carries that name, once.
    """

    code = "E0417"
    title = "a prime where nothing is carried"

    name: str
    reason: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.name}' {self.reason}", "")


class OutputNames(Fault):
    """Two outputs of a root would have one name; losses and columns speak of outputs by name."""

    code = "E0418"
    title = "outputs without names of their own"

    name: str
    first: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        labels = () if self.first == NOWHERE else (Label(self.first, "the first one"),)
        helps = (Help("name the values first: a = …, b = …, return a, b"),)
        return self.say(f"two outputs would be called {self.name}", "the second one", *labels, helps=helps)


class DimOrNumber(Fault):
    """`max(x, 0)` is the largest along dim 0 in PyTorch, and the larger of x and 0 in mathematics: say which.

    `min` likewise. Of two tensors they are the larger and the smaller, element by element.
    """

    code = "E0426"
    title = "a dim or a number"

    name: str
    tensor: str  # as it is written; empty in a flow
    number: str
    place: Span  # of the number
    whole: bool

    def diagnostic(self) -> Diagnostic:
        bound = f"clip({self.tensor + ', ' if self.tensor else ''}{'min' if self.name == 'max' else 'max'}={self.number})"
        helps = [Help(f"for the {'larger' if self.name == 'max' else 'smaller'} of the two: {bound}", (Edit(self.span, bound),))]
        if self.whole:
            along = f"for the {'largest' if self.name == 'max' else 'smallest'} along a dim: dim={self.number}"
            helps.append(Help(along, (Edit(self.place, f"dim={self.number}"),)))
        meant = f"{self.number} may be a dim or a number" if self.whole else f"{self.number} is no dim"
        return self.say(f"{meant}: {self.name} of a tensor and a number is not said plainly", "a number", helps=helps)

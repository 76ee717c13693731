"""Faults of calls and of compile-time values: arguments, hyperparameters, results, contracts."""

from dataclasses import dataclass

from ...dsl.diagnostic import Diagnostic, Fault, Help, Label, did_you_mean
from ...dsl.span import NOWHERE, Span


@dataclass(frozen=True)
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
        helps = did_you_mean(self.argument, self.span, self.candidates)
        return self.say(f"{self.what} has no argument {self.argument}", "" if helps else has, *labels, helps=helps)


@dataclass(frozen=True)
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


@dataclass(frozen=True)
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
        return self.say(f"{self.what} takes {self.takes} here, but was given {self.given}", "", *labels)


@dataclass(frozen=True)
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


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class NotCallable(Fault):
    """A flow leads into something that cannot take a tensor, or a call is made of something that is no callable."""

    code = "E0406"
    title = "not callable"

    what: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.what} cannot be called", "not a layer, op or part")


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class NotCompileTime(Fault):
    """Something that the compiler must know (a count, a size, a condition of `if`) depends on what is known only when the model runs."""

    code = "E0408"
    title = "not known at compile time"

    what: str
    got: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.what} must be known at compile time, but this is {self.got}", "known only when the model runs")


@dataclass(frozen=True)
class BadArithmetic(Fault):
    """Compile-time arithmetic that has no result.

    Division by zero, an operator on values it does not know, a number out of all bounds.
    """

    code = "E0409"
    title = "arithmetic that has no result"

    reason: str

    def diagnostic(self) -> Diagnostic:
        return self.say(self.reason, "")


@dataclass(frozen=True)
class AssertionFailed(Fault):
    """An `assert` of a part does not hold with the values it was given. The place is the use that broke it."""

    code = "E0410"
    title = "an assertion does not hold"

    condition: str
    message: str
    values: str
    asserted: Span

    def diagnostic(self) -> Diagnostic:
        said = self.message or f"{self.condition} does not hold"
        return self.say(f"{said}: {self.values}" if self.values else said, "breaks it", Label(self.asserted, "asserted here"))


@dataclass(frozen=True)
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
            f"this is {self.got}",
            Label(self.declared, "promised here"),
        )


@dataclass(frozen=True)
class NoReturn(Fault):
    """A declaration ends without `return`, so it has no output."""

    code = "E0412"
    title = "nothing is returned"

    name: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.name} returns nothing", "ends without return")


@dataclass(frozen=True)
class UnknownHyperparameter(Fault):
    """`--set` or a `train` line names a hyperparameter that the model does not have."""

    code = "E0413"
    title = "unknown hyperparameter"

    name: str
    model: str
    candidates: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        from ...dsl.diagnostic import nearest

        near = nearest(self.name, self.candidates)
        has = f"it has {', '.join(self.candidates)}" if self.candidates else "it has none"
        return self.say(
            f"{self.model} has no hyperparameter {self.name}; {has}", "", helps=(Help(f"did you mean {near}?"),) if near else ()
        )


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class TooLarge(Fault):
    """The network is larger than archc builds: 2^40 weights, 100,000 levels that differ, 1,000,000 steps in a graph."""

    code = "E0415"
    title = "too large"

    what: str

    def diagnostic(self) -> Diagnostic:
        return self.say(self.what, "too large")


@dataclass(frozen=True)
class Unpacking(Fault):
    """Several names take the outputs of a call, or the items of a list, and their numbers do not fit."""

    code = "E0416"
    title = "names and values do not match up"

    names: int
    values: int

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.names} names cannot take {self.values} value{'s' if self.values != 1 else ''}", "")


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class OutputNames(Fault):
    """Two outputs of a root would have one name; losses and columns speak of outputs by name."""

    code = "E0418"
    title = "outputs without names of their own"

    name: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"two outputs would be called {self.name}", "", helps=(Help("name the values first, or use as"),))

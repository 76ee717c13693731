"""Faults of `data` and `train`: clauses, columns, names that losses speak of."""

from ...dsl.diagnostic import Diagnostic, Fault, Help, Label
from ...dsl.nearest import did_you_mean
from ...dsl.span import Span


class UnknownClause(Fault):
    """A `train` program has clauses of its own (loss, metric, optimizer, schedule, epochs, …); this is none of them."""

    code = "E0801"
    title = "unknown clause"

    name: str
    candidates: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"train has no clause {self.name}", "no such clause", helps=did_you_mean(self.name, self.span, self.candidates)
        )


class ClauseTwice(Fault):
    """A clause that can be said once is said twice; of the two only one could count."""

    code = "E0802"
    title = "a clause is said twice"

    name: str
    first: Span

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.name} is said twice", "the second one", Label(self.first, "the first one"))


class MissingClause(Fault):
    """A `train` program says what is minimized (`loss`), by what (`optimizer`), and for how long (`epochs` or `steps`)."""

    code = "E0803"
    title = "a train program lacks a clause"

    names: tuple[str, ...]
    examples: tuple[str, ...]
    where: str = "train program"

    def diagnostic(self) -> Diagnostic:
        what = f"no {' and no '.join(self.names)}"
        examples = "\n                   ".join(self.examples)
        return self.say(f"this {self.where} has {what}", what, helps=(Help(f"say, for example: {examples}"),))


class BadClause(Fault):
    """A clause has an argument it cannot work with."""

    code = "E0804"
    title = "a clause does not fit"

    reason: str
    candidates: tuple[str, ...] = ()
    name: str = ""

    def diagnostic(self) -> Diagnostic:
        helps = did_you_mean(self.name, self.span, self.candidates) if self.name else ()
        return self.say(self.reason, "", helps=helps)


class UnknownData(Fault):
    """`on NAME` names a `data` that the file does not declare."""

    code = "E0805"
    title = "unknown data"

    name: str
    candidates: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        if not self.name:
            example = self.candidates[0] if self.candidates else "DATA"
            return self.say(
                "this train program names no data", "on what?", helps=(Help(f"say on which: train … on {example} {{ … }}"),)
            )
        helps = did_you_mean(self.name, self.span, self.candidates)
        return self.say(f"no data is called {self.name}", "not declared", helps=helps)


class MissingColumn(Fault):
    """Inputs of the model bind to columns of the same name, and the data has none of that name."""

    code = "E0806"
    title = "an input has no column"

    input: str
    data: str
    columns: tuple[str, ...]
    declared: Span

    def diagnostic(self) -> Diagnostic:
        has = ", ".join(self.columns) or "none"
        return self.say(
            f"the input {self.input} of the model has no column in {self.data}, which has {has}",
            f"no column {self.input}",
            Label(self.declared, f"{self.input} is wanted here"),
        )


class ColumnType(Fault):
    """A column does not have the type of the input that it feeds, or the type it was declared with.

    The first dim of an input is the batch.
    """

    code = "E0807"
    title = "a column has the wrong type"

    column: str
    wanted: str
    got: str
    declared: Span

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"a row of the column {self.column} is {self.got}, but {self.wanted} is wanted",
            f"a row is {self.got}",
            Label(self.declared, "wanted here"),
        )


class OwnsWeights(Fault):
    """Columns, losses and metrics are functions of tensors.

    What is learned, draws, or is one thing in training and another in evaluation, belongs to the model.
    """

    code = "E0814"
    title = "weights, a mode or a draw outside of the model"

    what: str
    why: str = "is learned"

    def diagnostic(self) -> Diagnostic:
        have = "no weights of their own" if self.why == "is learned" else "no draws" if self.why == "draws" else "no mode"
        helps = (Help("put it into the model"),)
        return self.say(f"{self.what} {self.why}, and columns, losses and metrics have {have}", self.why.split()[-1], helps=helps)


class UnknownColumn(Fault):
    """A column expression speaks of a column that the source does not have."""

    code = "E0808"
    title = "the source has no such column"

    name: str
    columns: tuple[str, ...]
    where: str = "the source"

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.where} has no column {self.name}; it has {', '.join(self.columns) or 'none'}",
            "",
            helps=did_you_mean(self.name, self.span, self.columns),
        )


class NameClash(Fault):
    """`loss` and `metric` see the outputs of the model, then its inputs, then the columns: one name for two of them would be unclear."""

    code = "E0809"
    title = "an output and a column have one name"

    name: str
    output: Span

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.name} is an output of the model and a column of the data, so a loss could mean either",
            "the column",
            Label(self.output, "the output"),
            helps=(Help("give the column a name of its own"),),
        )


class UnknownInProgram(Fault):
    """A loss or metric speaks of something that is neither an output or input of the model nor a column of the data."""

    code = "E0810"
    title = "unknown name in a train program"

    name: str
    scope: tuple[str, ...]
    synonyms: tuple[tuple[str, str], ...] = ()

    def diagnostic(self) -> Diagnostic:
        helps = did_you_mean(self.name, self.span, self.scope, dict(self.synonyms))
        return self.say(
            f"nothing here is called {self.name}; a train program sees outputs, inputs and columns", "not known", helps=helps
        )


class BadSource(Fault):
    """The right side of `data NAME =` is a call of a source with constant arguments, such as `sklearn("digits")` or `csv("iris.csv")`."""

    code = "E0811"
    title = "no source of data"

    reason: str
    name: str = ""
    candidates: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        helps = did_you_mean(self.name, self.span, self.candidates) if self.name else ()
        return self.say(self.reason, "", helps=helps)


class BadSplit(Fault):
    """`split` is a list of two or three fractions that add up to 1: train, validation and test."""

    code = "E0812"
    title = "a split that does not add up"

    reason: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"split is the fractions of train, validation and test: {self.reason}", self.reason)


class NoProgram(Fault):
    """`archc train` runs a `train` program, and the file has none, or none of the name asked for."""

    code = "E0813"
    title = "there is no train program"

    wanted: str
    candidates: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        if self.wanted:
            there = f"; there are {', '.join(self.candidates)}" if self.candidates else ""
            return self.say(
                f"no train program is called {self.wanted}{there}",
                "",
                helps=did_you_mean(self.wanted, self.span, self.candidates),
            )
        return self.say(
            "this file has no train program, so there is nothing to train",
            "",
            helps=(Help("add one: train NAME on DATA { loss … optimizer … epochs … }"),),
        )


class UnknownTarget(Fault):
    """The target of a clause is a part of the model or a declaration's name.

    A part is named by its path in the state dict without the numbers of levels: `blocks.norm` is the norm of every level.
    """

    code = "E0815"
    title = "a target names no part of the model"

    target: str
    model: str
    candidates: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.target} is no part of {self.model}",
            "no such part",
            helps=did_you_mean(self.target, self.span, self.candidates),
        )

"""Faults of well-bracketed text that means nothing: targets, arguments, parameters, values that are lost."""

from ..diagnostic import Diagnostic, Edit, Fault, Help, Label
from ..nearest import did_you_mean
from ..span import Span
from .words import quoted

HYPER_TYPES = ("int", "float", "bool", "str", "list", "callable")
OTHER_TYPES = {
    "integer": "int",
    "string": "str",
    "boolean": "bool",
    "double": "float",
    "number": "float",
    "function": "callable",
    "tuple": "list",
}


class ReservedName(Fault):
    """`if else and or not in as from stack parallel tied return assert true false none` are words of the language everywhere and
    name nothing else. All other words (`gate`, `model`, `state`, …) are ordinary names where they do not begin a statement."""

    code = "E0130"
    title = "a reserved word as a name"

    word: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"`{self.word}` is a word of the language and cannot be a name",
            helps=[Help(f"write `{self.word}_`, say", (Edit(self.span, f"{self.word}_"),))],
        )


class BadTarget(Fault):
    """Left of `=` stands a name, several names with commas, a primed name (`h' = …`) or an index function (`mask[i, j] = …` with plain
    names as its indices). Left of `~` stands one name, left of `minimizes` the names of players."""

    code = "E0131"
    title = "something that cannot be given a value"

    text: str
    sign: str
    advice: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{quoted(self.text)} cannot stand left of `{self.sign}`", helps=[Help(self.advice)])


class LostValue(Fault):
    """An expression alone on a line has a value only as the last line of a `stack` or `parallel` body; anywhere else what it computes
    would be thrown away, and layers in it would never be trained."""

    code = "E0132"
    title = "a value that would be lost"

    helps: tuple[Help, ...] = ()

    def diagnostic(self) -> Diagnostic:
        helps = self.helps or (Help("give it a name with `=`, or `return` it"),)
        return self.say("the value of this expression would be lost", helps=helps)


class PositionalAfterKeyword(Fault):
    """Arguments without a name come first, then those with one: `conv(64, 3, stride=2)`."""

    code = "E0133"
    title = "an argument without a name after a named one"

    named: Span

    def diagnostic(self) -> Diagnostic:
        return self.say("arguments without a name stand before the named ones", "", Label(self.named, "the first named one"))


class DuplicateArgument(Fault):
    """An argument that is given by its name is given once: `conv(64, stride=2)`. The second value would silently win in other languages."""

    code = "E0134"
    title = "an argument given twice"

    name: str
    first: Span

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{quoted(self.name)} is given twice", "", Label(self.first, "first given here"))


class DuplicateField(Fault):
    """A record `{main: x, skip: y}` has each of its fields once, since `r.main` could otherwise be either."""

    code = "E0135"
    title = "a field given twice"

    name: str
    first: Span

    def diagnostic(self) -> Diagnostic:
        return self.say(f"the record has {quoted(self.name)} twice", "", Label(self.first, "first here"))


class TwoRests(Fault):
    """`...` stands for any run of dims; with two of them in one type nobody could say where the first ends."""

    code = "E0136"
    title = "two rests in one type"

    first: Span

    def diagnostic(self) -> Diagnostic:
        return self.say("only one `...` can stand in one pair of brackets", "", Label(self.first, "the first"))


class UnknownHyperType(Fault):
    """A hyperparameter is an `int`, `float`, `bool`, `str`, `list` or `callable`; a tensor's type has brackets: `x: [B, D]`."""

    code = "E0137"
    title = "an unknown type of hyperparameter"

    name: str

    def diagnostic(self) -> Diagnostic:
        helps = did_you_mean(self.name, self.span, HYPER_TYPES, OTHER_TYPES)
        note = "a hyperparameter is an int, float, bool, str, list or callable; a tensor is written [B, D]"
        return self.say(f"there is no type {quoted(self.name)}", notes=[note], helps=helps)


class MixedParameters(Fault):
    """The first parentheses hold hyperparameters, the second tensors: `block Gate(width)(x: [B, D])`. A single pair holds tensors only if
    every parameter in it has a `[…]` type."""

    code = "E0138"
    title = "a tensor among hyperparameters"

    name: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"the tensor {quoted(self.name)} stands among hyperparameters",
            helps=[Help("tensors have parentheses of their own, after those of the hyperparameters: (width)(x: [B, D])")],
        )


class UntypedTensor(Fault):
    """The second parentheses of a declaration hold tensors, each with a type in brackets: `(x: [B, T, D], length: int[B])`."""

    code = "E0139"
    title = "a tensor without a tensor's type"

    name: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"the tensor {quoted(self.name)} needs a type in brackets, like [B, D] or int[B, T]")


class GameResult(Fault):
    """An `adversarial` declaration is a game between its players and has no result; its objectives are what comes out of it."""

    code = "E0140"
    title = "a game with a result"

    def diagnostic(self) -> Diagnostic:
        return self.say("a game has no result type", helps=[Help("leave it out")])


class WrongClauseTarget(Fault):
    """Before the `:` of a clause stand names: a player, the dotted path of a part, a declaration, or the name of a term:
    `optimizer wte, blocks.norm: adamw(lr=6e-5)`."""

    code = "E0141"
    title = "a clause's target that is not a name"

    text: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"before the `:` of a clause stand names, not {quoted(self.text)}")


class ChainedAssignment(Fault):
    """One line names one value. `a = b = c` is two lines; a comparison inside a value is `==`."""

    code = "E0142"
    title = "two = in one statement"

    first: Span

    def diagnostic(self) -> Diagnostic:
        return self.say(
            "a statement has one `=`",
            "",
            Label(self.first, "the first"),
            helps=[Help("to compare, write `==`", (Edit(self.span, "=="),)), Help("to name a value twice, write two lines")],
        )


class ClauseSign(Fault):
    """A clause of `train` is its name and its arguments with a space between: `epochs 20`, `optimizer adam(lr=1e-3)`. A `:` comes after
    a target only: `optimizer D: adam(2e-4)`."""

    code = "E0143"
    title = "a sign after the name of a clause"

    name: str
    sign: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"a clause has no `{self.sign}` after its name", helps=[Help(f"write `{self.name} …`", (Edit(self.span, ""),))]
        )

"""Faults of structure: brackets, braces, depth, and tokens where none or others belong."""

from ..diagnostic import Diagnostic, Edit, Fault, Help, Label
from ..span import Span
from .words import listed, quoted


class TooManyFaults(Fault):
    """After a hundred faults of syntax in one file the rest is not listed: most often the file is not a spec at all."""

    code = "E0100"
    title = "too many faults of syntax"

    limit: int

    def diagnostic(self) -> Diagnostic:
        return self.say(f"this file has more than {self.limit} faults of syntax; the others are not listed")


class TooDeep(Fault):
    """Brackets nest at most 200 deep, and so do the operators of one expression; this bounds what every later stage has to walk.

    A long sum or a long chain of `if … else` is nested too, each operator one level in the next.
    """

    code = "E0112"
    title = "nested too deeply"

    limit: int
    what: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.what} nest more than {self.limit} deep here", helps=[Help("name the inner part on a line of its own")]
        )


class UnclosedBracket(Fault):
    """Every `(`, `[` and `{` has its closing bracket. Inside `( )` and `[ ]` a newline ends nothing, so what is missing on one line is
    often noticed lines later only; the fault is placed at the bracket that was opened."""

    code = "E0113"
    title = "a bracket that is never closed"

    opener: str
    closer: str
    end: Span
    indent: int

    def diagnostic(self) -> Diagnostic:
        mend = "\n" + " " * self.indent + "}" if self.closer == "}" else self.closer
        return self.say(
            f"this `{self.opener}` is never closed",
            "opened here",
            Label(self.end, f"`{self.closer}` is missing here"),
            helps=[Help(f"close it with `{self.closer}`", (Edit(self.end, mend),))],
        )


class WrongCloser(Fault):
    """A bracket is closed by another kind than it was opened with."""

    code = "E0114"
    title = "closed by the wrong bracket"

    found: str
    expected: str
    opener: Span

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"a `{self.expected}` is needed here, not `{self.found}`",
            "",
            Label(self.opener, "opened here"),
            helps=[Help(f"write `{self.expected}`", (Edit(self.span, self.expected),))],
        )


class StrayCloser(Fault):
    """A closing bracket with nothing open that it could close."""

    code = "E0115"
    title = "a closing bracket too many"

    text: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"nothing is open that this `{self.text}` could close", helps=[Help("leave it out", (Edit(self.span, ""),))]
        )


class MissingBrace(Fault):
    """The body of a declaration, of an `if`, a `stack` or a `train` stands in braces, and the `{` on the line of its head."""

    code = "E0116"
    title = "a body without its brace"

    what: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"the body of {self.what} stands in braces: a `{{` is missing here",
            helps=[Help("write ` {`", (Edit(self.span, " {"),))],
        )


class MissingExpression(Fault):
    """An operator, a comma, `=` or `->` was written and what should stand after it was not."""

    code = "E0117"
    title = "something is missing at the end"

    after: str
    what: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"after {quoted(self.after)} {self.what} is missing")


class MissingNewline(Fault):
    """A statement, clause, column or declaration was complete, and something follows it on its line.

    Either two of them stand on one line, or an operator, a comma or a bracket is missing between two parts of one.
    """

    code = "E0118"
    title = "two things on one line"

    found: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{quoted(self.found)} cannot follow here: what stands before it is complete",
            helps=[Help("begin a new line here, or write the operator or comma that is missing")],
        )


class NotADeclaration(Fault):
    """At the top of a file stand imports and declarations only: `from`, `model`, `block`, `cell`, `attention`, `energy`,
    `adversarial`, `data`, `train`. Statements belong into the body of one of them; a file is data and has nothing to run."""

    code = "E0119"
    title = "not a declaration"

    found: str
    helps: tuple[Help, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{quoted(self.found)} does not begin a declaration",
            notes=["at the top stand: from, model, block, cell, attention, energy, adversarial, data, train"],
            helps=self.helps,
        )


class Unexpected(Fault):
    """Something stands where the grammar has no place for it. The message lists what could stand there, as far as that is a short list."""

    code = "E0120"
    title = "something unexpected"

    found: str
    expected: tuple[str, ...]

    def diagnostic(self) -> Diagnostic:
        if 0 < len(self.expected) < 6:
            return self.say(f"{self.found} cannot stand here; {listed(list(self.expected))} is expected")
        return self.say(f"{self.found} cannot stand here")

"""Faults that are right in another language: each names what this one says instead."""

from ..diagnostic import Diagnostic, Edit, Fault, Help
from .words import quoted


class AssignForCompare(Fault):
    """`=` names a value, `==` compares two: `if depth == 4 { … }`."""

    code = "E0121"
    title = "= where == is meant"

    def diagnostic(self) -> Diagnostic:
        return self.say(
            "`=` gives a name to a value and cannot stand inside an expression",
            helps=[Help("to compare, write `==`", (Edit(self.span, "=="),))],
        )


class ColonBody(Fault):
    """Bodies stand in braces, not after a colon: `if depth > 4 { … }`."""

    code = "E0122"
    title = "a colon where a body begins"

    what: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"the body of {self.what} stands in braces, not after a `:`",
            helps=[Help("write ` {` here and `}` after the body", (Edit(self.span, " {"),))],
        )


class ElseIf(Fault):
    """A further condition is `else if`, two words: `if n == 1 { … } else if n == 2 { … } else { … }`."""

    code = "E0123"
    title = "elif"

    text: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{quoted(self.text)} is written `else if`", helps=[Help("write `else if`", (Edit(self.span, "else if"),))]
        )


class ForeignLiteral(Fault):
    """The three constants are written small: `true`, `false`, `none`."""

    code = "E0124"
    title = "True, False or None"

    text: str
    mend: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{quoted(self.text)} is written `{self.mend}`", helps=[Help(f"write `{self.mend}`", (Edit(self.span, self.mend),))]
        )


class ForeignWord(Fault):
    """A statement of another language: `for`, `while`, `def`, `class`, `import`, `lambda`, `let`.

    A spec declares and does not run. Repetition is `stack` (one after the other, over a count or a list) or `parallel` (side by
    side), or a `cell` over time; a part is a `block`; a function of an op's inputs is a flow that starts with a callable.
    """

    code = "E0125"
    title = "a word of another language"

    word: str
    advice: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"there is no `{self.word}` in the language", helps=[Help(self.advice)])


class ValuesWithoutParentheses(Fault):
    """Right of `=` stands one expression. Several values are a tuple, and a tuple has parentheses: `(q, k) -> f` passes two tensors.

    To name two values, write two lines.
    """

    code = "E0126"
    title = "several values without parentheses"

    def diagnostic(self) -> Diagnostic:
        return self.say(
            "right of `=` stands one expression", helps=[Help("put a tuple into parentheses, or write a line for each value")]
        )

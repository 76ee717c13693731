"""Faults of single characters, numbers, strings and operators: what the lexer finds. It mends each and reads on."""

from ..diagnostic import Diagnostic, Edit, Fault, Help
from .words import quoted


class UnknownCharacter(Fault):
    """Outside comments and strings a spec is written in letters, digits, `_` and the signs of the language.

    Anything else is skipped after it has been reported, and the rest of the file is read as if it were not there. Control
    characters and half of a surrogate pair usually mean that the file is not text, or not UTF-8.
    """

    code = "E0101"
    title = "a character that the language does not know"

    text: str

    def diagnostic(self) -> Diagnostic:
        points = " ".join(f"U+{ord(c):04X}" for c in self.text[:4]) + (" …" if len(self.text) > 4 else "")
        shown = quoted(self.text) if self.text.isprintable() else points
        what = "character" if len(self.text) == 1 else "characters"
        return self.say(f"the language has no {what} {shown}", notes=[] if shown == points else [points])


class UnterminatedString(Fault):
    """A string begins and ends with `"` on one line. There are no escapes in it: a backslash is a backslash."""

    code = "E0102"
    title = "a string without an end"

    def diagnostic(self) -> Diagnostic:
        end = type(self.span)(self.span.source, self.span.end, self.span.end)
        return self.say(
            'this string has no closing `"` on its line', "begins here", helps=[Help('close it with `"`', (Edit(end, '"'),))]
        )


class SingleQuotes(Fault):
    """Strings stand in double quotes; a single quote after a name is a prime, the next value: `h'`."""

    code = "E0103"
    title = "a string in single quotes"

    inner: str

    def diagnostic(self) -> Diagnostic:
        mend = f'"{self.inner}"'
        return self.say("strings stand in double quotes", helps=[Help(f"write {quoted(mend)}", (Edit(self.span, mend),))])


class BadNumber(Fault):
    """Numbers are `1`, `0.5`, `2e-4`: digits, a point with digits on both sides of it, an exponent.

    There are no digit groups (`1_000`), no hexadecimal, no suffixes, and a point needs a digit before and after it.
    """

    code = "E0104"
    title = "a number that is not one"

    text: str
    mend: str | None

    def diagnostic(self) -> Diagnostic:
        helps = [Help(f"write `{self.mend}`", (Edit(self.span, self.mend),))] if self.mend else []
        return self.say(f"{quoted(self.text)} is not a number of the language", helps=helps)


class LongNumber(Fault):
    """A number has no more digits than anything could be counted with: sizes, weights and rates all have far fewer."""

    code = "E0144"
    title = "a number with too many digits"

    digits: int
    most: int

    def diagnostic(self) -> Diagnostic:
        return self.say(f"this number has {self.digits:,} digits; {self.most} are the most", "too long")


class TooManyPrimes(Fault):
    """`h'` is the next value of `h`, one time step or one level on. There is no way to name the value after that one."""

    code = "E0105"
    title = "more than one prime"

    name: str

    def diagnostic(self) -> Diagnostic:
        mend = f"{self.name}'"
        return self.say(
            f"{mend} is the next value of {self.name}; there is no value after the next",
            helps=[Help(f"write {mend}, or carry the earlier value in a state of its own", (Edit(self.span, mend),))],
        )


class ForeignOperator(Fault):
    """An operator of another language: `&`, `|`, `!`, `~m`, `^`, `+=`, `? :`.

    Boolean tensors and numbers take `and`, `or` and `not`; a power is `**`; a choice is `a if c else b`; a name is given anew with
    `x = x + 1`. `~` stands in draws alone: `z ~ normal(0, 1)`.
    """

    code = "E0106"
    title = "an operator of another language"

    text: str
    mend: str | None
    advice: str

    def diagnostic(self) -> Diagnostic:
        edits = (Edit(self.span, self.mend),) if self.mend is not None else ()
        return self.say(f"there is no operator {quoted(self.text)}", helps=[Help(self.advice, edits)])


class Semicolon(Fault):
    """A statement ends with its line; two statements stand on two lines."""

    code = "E0107"
    title = "a semicolon"

    at_end: bool

    def diagnostic(self) -> Diagnostic:
        if self.at_end:
            return self.say("a line ends a statement, without a `;`", helps=[Help("leave it out", (Edit(self.span, ""),))])
        return self.say(
            "a line ends a statement, not a `;`",
            helps=[Help("put the next statement on a line of its own", (Edit(self.span, "\n"),))],
        )


class UnaryPlus(Fault):
    """A number or a tensor has no sign but `-`. A `+` at the start of a line continues the line before it."""

    code = "E0108"
    title = "a plus sign without a left side"

    def diagnostic(self) -> Diagnostic:
        return self.say("nothing stands left of this `+`", helps=[Help("leave it out", (Edit(self.span, ""),))])


class LookalikeCharacter(Fault):
    """A character that looks like one of the language, as word processors and papers set it: `→`, `×`, `≤`, `“`, `−`."""

    code = "E0109"
    title = "a character that looks like another"

    text: str
    mend: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{quoted(self.text)} is not written so in a spec",
            helps=[Help(f"write {quoted(self.mend)}", (Edit(self.span, self.mend),))],
        )


class ForeignSpace(Fault):
    """A space that is not the plain one: no-break, wide, zero-width. Editors and web pages put them in unseen."""

    code = "E0110"
    title = "a space that is not a plain space"

    text: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"this is not a plain space but U+{ord(self.text[0]):04X}",
            helps=[Help("write a plain space", (Edit(self.span, " "),))],
        )


class NonAsciiName(Fault):
    """Names become names in Python source, keys of the state dict and labels in diagrams; they are ASCII letters, digits and `_`.

    A Greek letter is written out: `sigma` for σ.
    """

    code = "E0111"
    title = "a name with other letters than a to z"

    name: str
    mend: str | None

    def diagnostic(self) -> Diagnostic:
        helps = [Help(f"write `{self.mend}`", (Edit(self.span, self.mend),))] if self.mend else []
        return self.say(f"{quoted(self.name)} has letters other than a to z; names are ASCII", helps=helps)

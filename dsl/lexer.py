"""Text -> tokens and comments, line by line.

Every character of the text ends in a token, a comment, or a fault; faults of single characters are mended, so that what reads the
tokens sees what was probably meant and reports nothing a second time. Newlines are `layout`'s affair: a token only knows whether
it is the first on its line.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from . import faults as f
from .ast import Comment
from .diagnostic import Fault
from .source import Source
from .span import Loc, Span

RESERVED = frozenset("if else and or not in as from stack parallel tied return assert true false none".split())

# Blanks, then one group; the groups that are common stand first and are known by their numbers
_TOKEN = re.compile(
    r"""[ \t\r\f\v]*+(?:
        (?P<name>[^\W\d]\w*(?:['’′]+)?)
      | (?P<op>[()\[\]{},]|(?!&&|\|\||\+\+|[-+*/@%&|^]=|//=|\*\*=|:=|=>|<-[ ]|<>|===|!==)
              (?:->|\.\.\.|\.\.|\*\*|//|[=!<>]=|[-+*/%@<>=~:]|\.(?![0-9])))
      | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?![\w]|\.(?![.A-Za-z_])))
      | (?P<comment>\#.*)
      | (?P<string>"[^"]*")
      | (?P<foreign>&&|\|\||\+\+|[-+*/@%&|^]=|//=|\*\*=|:=|=>|<-(?=[ ])|<>|===|!==|[&|^!?$`\\](?!=))
      | (?P<badnumber>[0-9][\w]*(?:\.\w*)?(?:(?<=[eE])[-+][0-9]+)?|\.[0-9]\w*)
      | (?P<semicolon>;)
      | (?P<quote>'[^']*'?)
      | (?P<openstring>".*)
      | (?P<curly>[“”„«][^“”"»]*[“”"»])
      | (?P<junk>[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd-\uffff]+)
      | (?P<other>[^ \t\r\f\v])
    )""",
    re.VERBOSE | re.DOTALL,
)
_NAME, _OP, _NUMBER = (_TOKEN.groupindex[kind] for kind in ("name", "op", "number"))

LOOKALIKES = {
    "→": "->", "⟶": "->", "−": "-", "–": "-", "—": "-", "×": "*", "·": "*", "∗": "*", "÷": "/", "≤": "<=", "≥": ">=", "≠": "!=", "…": "...",
    "，": ",", "：": ":", "（": "(", "）": ")", "［": "[", "］": "]", "｛": "{", "｝": "}", "＝": "=", "∼": "~", "～": "~",
    "∧": "and", "∨": "or", "¬": "not",
}  # fmt: skip

# What is read in the place of an operator of another language, and what is said about it. None: the token `?`, which has a place
# nowhere and of which nothing more is said
FOREIGN = {
    "&": ("and", "write `and`; on tensors it is elementwise"),
    "&&": ("and", "write `and`"),
    "|": ("or", "write `or`; on tensors it is elementwise"),
    "||": ("or", "write `or`"),
    "!": ("not", "write `not`"),
    "^": ("**", "a power is written `**`"),
    "^=": ("=", "a name is given anew with `x = x ** …`"),
    ":=": ("=", "write `=`"),
    "=>": ("->", "a flow is written `->`"),
    "<-": ("=", "write `=`"),
    "<>": ("!=", "write `!=`"),
    "===": ("==", "write `==`"),
    "!==": ("!=", "write `!=`"),
    "?": (None, "a choice is written `a if c else b`"),
    "$": (None, "leave it out"),
    "`": (None, "leave it out"),
    "\\": ("", "leave it out; a line goes on in the next one if that begins with an operator, or inside brackets"),
    "++": (None, "a name is given anew with `x = x + 1`"),
}
for _op in ("+", "-", "*", "/", "//", "%", "@", "**", "&", "|"):
    FOREIGN[_op + "="] = ("=", f"a name is given anew with `x = x {_op} …`")

LITERALS = {"True": "true", "False": "false", "None": "none"}
ODD_NAMES = frozenset({*LITERALS, "elif"})

# A token after which a value is complete, so that + and ~ after it have a left side
ENDS = frozenset({"NAME", "PRIMED", "NUMBER", "STRING", ")", "]", "}", "true", "false", "none"})

MOST_DIGITS = 40

SPACES = frozenset({"Zs", "Cf"})


@dataclass(slots=True)
class Token:
    """`type` is NAME, PRIMED, NUMBER, STRING, or the spelling itself for reserved words and signs; `text` is what is written."""

    type: str
    text: str
    line: int
    column: int
    first: bool = False
    width: int = -1

    @property
    def start(self) -> Loc:
        return Loc(self.line, self.column)

    @property
    def end(self) -> Loc:
        return Loc(self.line, self.column + (len(self.text) if self.width < 0 else self.width))

    def span(self, source: str) -> Span:
        return Span(source, self.start, self.end)


@dataclass(slots=True)
class Lexed:
    tokens: list[Token]
    comments: list[Comment]


class Lexer:
    """One reading of one source. `report` takes the faults."""

    def __init__(self, source: Source, report: Callable[[Fault], None]) -> None:
        self.source, self.report = source, report
        self.tokens: list[Token] = []
        self.comments: list[Comment] = []
        self.line, self.first = 1, True
        self.odd: dict[str, Callable[[str, int], None]] = {
            "badnumber": self._bad_number,
            "quote": self._quote,
            "openstring": self._open_string,
            "curly": self._curly,
            "foreign": self._foreign,
            "junk": self._junk,
            "other": self._other,
        }

    def run(self) -> Lexed:
        for number, line in enumerate(self.source.lines, 1):
            self.line, self.first = number, True
            skipped = 1 if number == 1 and line.startswith("\ufeff") else 0
            self._read_line(line, skipped)
        return Lexed(self.tokens, self.comments)

    def _read_line(self, line: str, begin: int) -> None:
        tokens, number = self.tokens, self.line
        for match in _TOKEN.finditer(line, begin):
            group = match.lastindex or 0
            text, column = match[group], match.start(group) + 1
            if group == _NAME:
                if text in RESERVED:
                    tokens.append(Token(text, text, number, column, self.first))
                elif text.isascii() and text[-1] != "'" and text not in ODD_NAMES:
                    tokens.append(Token("NAME", text, number, column, self.first))
                else:
                    self._odd_name(text, column)
            elif group == _OP:
                if text in "+~" and self._lacks_left():
                    self._prefix(text, column)
                else:
                    tokens.append(Token(text, text, number, column, self.first))
            elif group == _NUMBER:
                digits = text if len(text) <= MOST_DIGITS else self._long(text, column)
                tokens.append(Token("NUMBER", digits, number, column, self.first, len(text)))
            else:
                self._read_odd(match.lastgroup or "other", text, column)
                continue
            self.first = False

    def _read_odd(self, kind: str, text: str, column: int) -> None:
        """What is rare, or wrong."""
        if kind == "comment":
            self.comments.append(Comment(text.rstrip(), self.first, span=self._span(column, len(text.rstrip()))))
        elif kind == "semicolon":
            self._semicolon(column)
        else:
            if kind == "string":
                self.tokens.append(Token("STRING", text, self.line, column, self.first))
            else:
                self.odd[kind](text, column)
            self.first = False

    # What is mended ---------------------------------------------------------------------------------------------------

    def _span(self, column: int, length: int) -> Span:
        return Span(self.source.name, Loc(self.line, column), Loc(self.line, column + length))

    def _put(self, type: str, text: str, column: int, width: int) -> None:
        """A token that stands for `width` characters of other text."""
        self.tokens.append(Token(type, text, self.line, column, self.first, width))
        self.first = False

    def _lacks_left(self) -> bool:
        return not self.tokens or self.tokens[-1].type not in ENDS

    def _prefix(self, text: str, column: int) -> None:
        if text == "+":
            self.report(f.UnaryPlus(self._span(column, 1)))
        else:
            self.report(
                f.ForeignOperator(
                    self._span(column, 1), "~", "not ", "`~` draws: `z ~ normal(0, 1)`; for the opposite write `not`"
                )
            )
            self._put("not", "not", column, 1)

    def _odd_name(self, text: str, column: int) -> None:
        span, name = self._span(column, len(text)), text.rstrip("'’′")
        primes = len(text) - len(name)
        if not name.isascii():
            self.report(f.NonAsciiName(span, name, _ascii(name)))
        elif primes > 1:
            self.report(f.TooManyPrimes(span, name))
        elif primes and text[-1] != "'":
            self.report(f.LookalikeCharacter(self._span(column + len(name), 1), text[-1], "'"))
        elif name in LITERALS and not (self.tokens and self.tokens[-1].type == "."):
            self.report(f.ForeignLiteral(span, name, LITERALS[name]))
            self._put(LITERALS[name], LITERALS[name], column, len(text))
            return
        elif name == "elif" and self.tokens and self.tokens[-1].type == "}":
            self.report(f.ElseIf(span, name))
            self._put("else", "else", column, 4)
            self._put("if", "if", column, 4)
            return
        self._put("PRIMED" if primes else "NAME", name + "'" if primes else name, column, len(text))

    def _long(self, text: str, column: int) -> str:
        """A number of many digits is a fault, and read as 0."""
        digits = sum(c.isdigit() for c in text)
        if digits <= MOST_DIGITS:
            return text
        self.report(f.LongNumber(self._span(column, len(text)), digits, MOST_DIGITS))
        return "0"

    def _bad_number(self, text: str, column: int) -> None:
        mend = _number(text) if len(text) <= MOST_DIGITS else None
        self.report(f.BadNumber(self._span(column, len(text)), text, mend))
        self._put("NUMBER", mend or "0", column, len(text))

    def _semicolon(self, column: int) -> None:
        rest = self.source.line(self.line)[column:].lstrip(" \t\r;")
        self.report(f.Semicolon(self._span(column, 1), not rest or rest.startswith("#")))
        self.first = True  # what follows begins a statement

    def _quote(self, text: str, column: int) -> None:
        inner = text.strip("'").replace('"', "")
        self.report(f.SingleQuotes(self._span(column, len(text)), inner))
        self._put("STRING", f'"{inner}"', column, len(text))

    def _open_string(self, text: str, column: int) -> None:
        text = text.rstrip()
        self.report(f.UnterminatedString(self._span(column, len(text))))
        self._put("STRING", text + '"', column, len(text))

    def _curly(self, text: str, column: int) -> None:
        mend = f'"{text[1:-1]}"'
        self.report(f.LookalikeCharacter(self._span(column, len(text)), text, mend))
        self._put("STRING", mend, column, len(text))

    def _foreign(self, text: str, column: int) -> None:
        mend, advice = FOREIGN[text]
        word = "not " if text == "!" else mend
        self.report(f.ForeignOperator(self._span(column, len(text)), text, word, advice))
        if mend != "":
            self._put(mend or "?", mend or text, column, len(text))

    def _junk(self, text: str, column: int) -> None:
        self.report(f.UnknownCharacter(self._span(column, len(text)), text))

    def _other(self, text: str, column: int) -> None:
        if text in LOOKALIKES:
            mend = LOOKALIKES[text]
            self.report(f.LookalikeCharacter(self._span(column, 1), text, mend))
            self._put(mend, mend, column, 1)
        elif unicodedata.category(text) in SPACES:
            self.report(f.ForeignSpace(self._span(column, 1), text))
        else:
            self._junk(text, column)


def _number(text: str) -> str | None:
    """What a number written in another way is here."""
    plain = text.replace("_", "").rstrip("fFlLjJ")
    if re.fullmatch(r"0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+", text.replace("_", "")):
        return str(int(text.replace("_", ""), 0)) if len(text) < 100 else None
    if plain.startswith("."):
        plain = "0" + plain
    if plain.endswith("."):
        plain += "0"
    plain = re.sub(r"\.(?=[eE])", ".0", plain)
    return plain if re.fullmatch(r"[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", plain) else None


def _ascii(name: str) -> str | None:
    """`name` in letters from a to z, when that is plain: Greek letters by their names, others without their accents."""
    out = ""
    for c in name:
        words = unicodedata.name(c, "").split()
        if c.isascii():
            out += c
        elif words[:1] == ["GREEK"] and "LETTER" in words:
            letter = words[words.index("LETTER") + 1]
            out += letter.capitalize() if words[1] == "CAPITAL" else letter.lower()
        else:
            out += "".join(d for d in unicodedata.normalize("NFKD", c) if d.isascii() and (d.isalnum() or d == "_"))
    return out if out.isidentifier() else None


def lex(source: Source, report: Callable[[Fault], None]) -> Lexed:
    """The tokens and comments of `source`; faults go to `report`."""
    return Lexer(source, report).run()

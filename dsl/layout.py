"""Tokens -> tokens with the newlines that end something, every bracket with its partner.

After this pass `( )` and `[ ]` match, a `{` that is never closed has its `}`, nothing nests deeper than LIMIT, and `_NL` stands
between statements and nowhere else. A `}` too many is left for the parser, which knows whether a `{` before it is missing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from . import faults as f
from .diagnostic import Fault
from .lexer import Token
from .span import Loc, Span

LIMIT = 200
CLOSER = {"(": ")", "[": "]", "{": "}"}

# A line that begins with one of these continues the line before it
CONTINUES = frozenset(
    "-> + - * / // % @ ** .. == != < <= > >= and or else".split(),
)
DECLARES = frozenset({"model", "block", "cell", "attention", "energy", "adversarial", "data", "train"})
STATEMENT_WORDS = frozenset({"return", "assert", "if"})
DEFINES = frozenset({"layer", "param", "buffer", "state", "latent", "gate", "penalty", "player"})


@dataclass(slots=True)
class _Open:
    """An open bracket; `candidate` is the first token that most probably stands after where it should have been closed."""

    token: Token
    indent: int
    candidate: int | None = None


class _Matcher:
    """Walks the tokens once, with a stack of open brackets; collects what to insert, what to replace, and the faults.

    With `by_indent` a `}` that begins its line closes the `{` whose line is indented as it is, and those opened since are unclosed.
    """

    def __init__(self, tokens: list[Token], name: str, by_indent: bool = False) -> None:
        self.tokens, self.name, self.by_indent = tokens, name, by_indent
        self.stack: list[_Open] = []
        self.faults: list[Fault] = []
        self.inserts: dict[int, list[str]] = {}
        self.replaced: dict[int, str] = {}
        self.too_deep = self.unclosed_brace = False

    def run(self) -> "_Matcher":
        indent = 1
        for i, token in enumerate(self.tokens):
            if token.first:
                indent = token.column
                if self.stack:
                    self._note_candidate(i, token)
            type = token.type
            if type in CLOSER:
                if len(self.stack) == LIMIT:
                    self.faults.append(f.TooDeep(token.span(self.name), LIMIT, "brackets"))
                    self.too_deep = True
                    return self
                self.stack.append(_Open(token, indent))
            elif type in (")", "]", "}"):
                self._close(i, token)
        while self.stack:
            self._unclosed(len(self.tokens))
        return self

    def _note_candidate(self, i: int, token: Token) -> None:
        """Only of use if the innermost bracket turns out to be unclosed; correct text never looks at it."""
        top = self.stack[-1]
        if top.candidate is not None:
            return
        following = self.tokens[i + 1].type if i + 1 < len(self.tokens) else ""
        if token.type == "NAME" and token.text in DECLARES and token.column == 1 and following == "NAME":
            for opened in self.stack:
                opened.candidate = i if opened.candidate is None else opened.candidate
        elif token.column <= top.indent:
            past = self.by_indent and token.type != "}" if top.token.type == "{" else self._begins(token, following)
            top.candidate = i if past else None

    @staticmethod
    def _begins(token: Token, following: str) -> bool:
        """A statement probably begins with `token`."""
        if token.type in STATEMENT_WORDS or token.type == "}":
            return True
        if token.type in ("NAME", "PRIMED"):
            return following in ("=", "~") or (token.text in DEFINES and following == "NAME")
        return False

    def _close(self, i: int, token: Token) -> None:
        stack = self.stack
        if stack and CLOSER[stack[-1].token.type] == token.type and not (self.by_indent and token.first):
            stack.pop()
            return
        below = [n for n, opened in enumerate(stack) if CLOSER[opened.token.type] == token.type]
        if self.by_indent and token.type == "}" and token.first:
            below = [n for n in below if stack[n].indent == token.column] or below
        if below:
            while len(stack) - 1 > below[-1]:
                self._unclosed(i)
            stack.pop()
        elif stack and stack[-1].token.type != "{" and token.type != "}":
            top = stack.pop().token
            closer = CLOSER[top.type]
            self.faults.append(f.WrongCloser(token.span(self.name), token.text, closer, top.span(self.name)))
            self.replaced[i] = closer

    def _unclosed(self, i: int) -> None:
        """The innermost bracket should have been closed before token `i`, or before its candidate."""
        opened = self.stack.pop()
        at = i if opened.candidate is None else min(i, opened.candidate)
        closer = CLOSER[opened.token.type]
        end = self.tokens[at - 1].end
        place = Span(self.name, end, end)
        self.unclosed_brace |= closer == "}"
        self.faults.append(f.UnclosedBracket(opened.token.span(self.name), opened.token.text, closer, place, opened.indent - 1))
        self.inserts.setdefault(at, []).append(closer)


def lay_out(tokens: list[Token], name: str, report: Callable[[Fault], None]) -> list[Token] | None:
    """The tokens that the parser reads, or none when they nest too deeply to be read."""
    matcher = _Matcher(tokens, name).run()
    if matcher.unclosed_brace:
        matcher = _Matcher(tokens, name, by_indent=True).run()
    for fault in matcher.faults:
        report(fault)
    if matcher.too_deep:
        return None
    for i, closer in matcher.replaced.items():
        tokens[i].type, tokens[i].width = closer, len(tokens[i].text)
    return _newlines(_with_inserts(tokens, matcher.inserts) if matcher.inserts else tokens)


def _with_inserts(tokens: list[Token], inserts: dict[int, list[str]]) -> list[Token]:
    out: list[Token] = []
    for i in range(len(tokens) + 1):
        for closer in inserts.get(i, ()):
            end = tokens[i - 1].end
            out.append(Token(closer, "", end.line, end.column, width=0))
        if i < len(tokens):
            out.append(tokens[i])
    return out


def _newlines(tokens: list[Token]) -> list[Token]:
    """`_NL` where a newline ends something: not in ( ) or [ ], not after `{` or before `}`, not before a line that continues."""
    out: list[Token] = []
    stack: list[str] = []
    for token in tokens:
        type = token.type
        if (
            token.first
            and out
            and type not in CONTINUES
            and type != "}"
            and out[-1].type != "{"
            and (not stack or stack[-1] == "{")
        ):
            end = out[-1].end
            out.append(Token("_NL", "", end.line, end.column))
        if type in CLOSER:
            stack.append(type)
        elif type in (")", "]", "}") and stack:
            stack.pop()
        out.append(token)
    end = out[-1].end if out else Loc(1, 1)
    out.append(Token("$END", "", end.line, end.column))
    return out

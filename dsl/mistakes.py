"""A token that has no place -> the fault that says why, and a mend of the tokens where one is plain.

The mistakes that people make are named one by one, most telling first; what none of them explains is `Unexpected`.
"""

from collections.abc import Callable

from . import faults as f
from .diagnostic import Fault, Help
from .faults.words import quoted
from .layout import DECLARES, DEFINES
from .lexer import RESERVED, Token
from .lr import DROP, KEEP, RETRY, Automaton
from .nearest import did_you_mean
from .span import Span
from .table import END

_STACK = "levels repeat with `stack n { … }` or `stack w in widths { … }`, copies side by side with `parallel`, time steps with `recur`"
_BLOCK = "a part is written `block Name(hypers)(tensors) { … }`"
FOREIGN_WORDS = {
    "for": _STACK,
    "while": _STACK,
    "loop": _STACK,
    "repeat": _STACK,
    "def": _BLOCK,
    "fn": _BLOCK,
    "func": _BLOCK,
    "function": _BLOCK,
    "class": _BLOCK + ", a root `model Name(hypers)(tensors) { … }`",
    "lambda": "a flow that starts with a callable is a composed callable: `dense(64) -> relu`; an index function is `f[i, j] = …`",
    "import": "imports are written `from std.recurrent import LSTM` or `from \"./blocks.arch\" import Residual`",
    "let": "a name is given with `=` alone",
    "var": "a name is given with `=` alone; a learned tensor is `param w: [D]`",
    "const": "a name is given with `=` alone",
    "with": "there is no context in a spec; leave it out",
    "try": "a spec does not run, so nothing can fail in it; a contract is `assert`",
    "raise": "a contract is written `assert condition, \"why\"`",
    "elif": "write `else if`, after the `}` of the body before it",
    "switch": "write `if … { … } else if … { … }`",
    "match": "write `if … { … } else if … { … }`",
    "del": "a name needs no end; leave it out",
    "global": "a part sees its own names only; give it what it needs as a hyperparameter or a tensor",
    "yield": "`return` in a `stack … from` body collects a value of each level",
    "is": "to compare, write `==` or `!=`",
}  # fmt: skip
DECLARATION_SYNONYMS = {
    "module": "block",
    "layer": "block",
    "network": "model",
    "net": "model",
    "nn": "model",
    "dataset": "data",
    "gan": "adversarial",
    "game": "adversarial",
    "rnn": "cell",
    "fit": "train",
    "trainer": "train",
}
_VALUE = frozenset("NAME PRIMED NUMBER STRING ( [ { - not true false none stack parallel".split())
_OPERATORS = frozenset("+ - * / // % @ ** .. == != < <= > >= and or -> if as ( [ .".split())
_ENDINGS = frozenset(["_NL", END, ")", "]", "}", ","])
_NOT_OPERAND = frozenset("in as from tied".split())
_AFTER_FOREIGN = frozenset("NAME STRING NUMBER { ( : true false none not".split())
_KEPT = DECLARES | {"from", "return", "assert"}
_BODIES = {"if": "`if`", "stack": "`stack`", "parallel": "`parallel`", "else": "`else`"}


class Mistakes:
    """Called by the automaton at a token without a place; what it returns is explained there."""

    def __init__(self, source: str, report: Callable[[Fault], None], enough: Callable[[], bool]) -> None:
        self.source, self.report, self.enough = source, report, enough
        self.surplus: int | None = None

    def __call__(self, automaton: Automaton, i: int) -> str:
        if self.enough() or automaton.tokens[i].type == "?":  # nothing more will be listed; or the lexer has said what is wrong
            return DROP
        here = _Here(automaton, i, self.source)
        for look in (
            self._reserved,
            self._equals,
            self._clause,
            self._brace,
            self._missing,
            self._foreign,
            self._top,
            self._closer,
        ):
            done = look(here)
            if done is not None:
                return done
        return self._unexpected(here)

    def _reserved(self, here: "_Here") -> str | None:
        token, following = here.token, here.following
        if token.type not in RESERVED:
            return None
        if here.accepts("NAME"):
            name_only = not here.accepts("NUMBER")
            if name_only or following in ("=", "~") or (token.type in _NOT_OPERAND and following in ("_NL", ",", ")", "]", "->")):
                self.report(f.ReservedName(here.span, token.text))
                token.type = "NAME"
                return RETRY
        previous = here.previous
        if previous is here.first and previous is not None and previous.text in DEFINES and following in ("=", ":"):
            self.report(f.ReservedName(here.span, token.text))
            return DROP
        return None

    def _equals(self, here: "_Here") -> str | None:
        if here.token.type != "=":
            return None
        previous = here.previous
        if previous is not None and previous.type in RESERVED and previous is here.first:
            self.report(f.ReservedName(previous.span(self.source), previous.text))
            return DROP
        if not here.accepts("=="):
            return None
        earlier, condition = here.earlier("="), here.earlier("if")
        if earlier is not None and condition is None and not here.inside_brackets():
            self.report(f.ChainedAssignment(here.span, earlier.span(self.source)))
        else:
            self.report(f.AssignForCompare(here.span))
        here.token.type = "=="
        return RETRY

    def _clause(self, here: "_Here") -> str | None:
        """`epochs = 3`, `epochs: 3` in a train."""
        if here.token.type not in ("=", ":") or here.previous is not here.first or here.previous.type != "NAME":
            return None
        if not (here.accepts("NUMBER") and here.accepts("_NL")):
            return None
        self.report(f.ClauseSign(here.span, here.first.text, here.token.type))
        del here.tokens[here.i]
        return RETRY

    def _brace(self, here: "_Here") -> str | None:
        """A body should begin here."""
        if not here.accepts("{") or here.accepts("NUMBER"):
            return None
        token = here.token
        if token.type == ":" and here.following in ("_NL", "{", END):
            self.report(f.ColonBody(here.span, here.head()))
            if here.following == "{":
                del here.tokens[here.i]
                return RETRY
            return self._open(here.tokens, here.i, 2) if here.following == "_NL" else DROP
        if token.type in ("_NL", END, "}"):
            self.report(f.MissingBrace(here.span, here.head()))
            return self._open(here.tokens, here.i, 1) if token.type == "_NL" else DROP
        return None

    def _open(self, tokens: list[Token], i: int, taken: int) -> str:
        """Put a `{` in the place of `taken` tokens if there is a `}` for it."""
        if self.surplus is None:
            self.surplus = sum((t.type == "}") - (t.type == "{") for t in tokens)
        if self.surplus <= 0:
            return DROP
        self.surplus -= 1
        tokens[i].type = "{"
        del tokens[i + 1 : i + taken]
        return RETRY

    def _missing(self, here: "_Here") -> str | None:
        if here.token.type not in _ENDINGS or here.previous is None or not here.accepts("NAME"):
            return None
        previous = here.previous
        if previous.type in ("_NL", "{"):
            return None
        what = "an expression" if here.accepts("NUMBER") else "a name"
        place = Span(self.source, previous.end, previous.end) if here.token.first else here.span
        self.report(f.MissingExpression(place, previous.text or previous.type, what))
        return DROP

    def _foreign(self, here: "_Here") -> str | None:
        for token in (here.token, here.previous):
            known = token is not None and token.type == "NAME" and token.text in FOREIGN_WORDS
            if known and token is not None and (token is here.token or here.token.type in _AFTER_FOREIGN):
                self.report(f.ForeignWord(token.span(self.source), token.text, FOREIGN_WORDS[token.text]))
                return DROP
        first = here.first
        if first.type == "NAME" and first.text in ("for", "while", "def", "class", "let", "var") and first is not here.token:
            self.report(f.ForeignWord(first.span(self.source), first.text, FOREIGN_WORDS[first.text]))
            return DROP
        if here.token.type == "in" and here.accepts("_NL"):
            advice = "`in` stands in `stack w in widths { … }` alone; to compare, write `==`"
            self.report(f.ForeignWord(here.span, "in", advice))
            return DROP
        return None

    def _top(self, here: "_Here") -> str | None:
        """At the top of a file."""
        if not here.accepts("model"):
            return None
        token = here.token
        if token.type in (")", "]", "}"):
            return self._stray(here)
        helps: tuple[Help, ...] = ()
        if token.type == "NAME" and here.following == "NAME":
            helps = did_you_mean(token.text, here.span, DECLARES, DECLARATION_SYNONYMS)
        elif token.type in RESERVED or here.following in ("=", "~"):
            helps = (Help("put it into the body of a declaration"),)
        self.report(f.NotADeclaration(here.span, token.text, helps))
        return DROP

    def _stray(self, here: "_Here") -> str:
        self.report(f.StrayCloser(here.span, here.token.text))
        following = here.tokens[here.i + 1]
        del here.tokens[here.i]
        if following.type == "_NL" and (here.previous is None or here.previous.type in ("_NL", "{")):
            del here.tokens[here.i]
        return RETRY

    def _closer(self, here: "_Here") -> str | None:
        opener = {")": "(", "]": "[", "}": "{"}.get(here.token.type)
        if opener is None or here.automaton.is_open(opener):
            return None
        return self._stray(here)

    def _unexpected(self, here: "_Here") -> str:
        token, complete = here.token, here.accepts("_NL")
        if token.type == "," and here.earlier("=") is not None and complete:
            self.report(f.ValuesWithoutParentheses(here.span))
        elif complete and token.text:
            self.report(f.MissingNewline(here.span, token.text))
        else:
            self.report(f.Unexpected(here.span, _in_speech(token), _in_words(here.automaton.expected())))
        named = here.earlier("=") is not None or here.first.text in _KEPT
        return KEEP if complete and named else DROP


class _Here:
    """What there is to see around one token."""

    def __init__(self, automaton: Automaton, i: int, source: str) -> None:
        self.automaton, self.i, self.tokens = automaton, i, automaton.tokens
        self.token = self.tokens[i]
        self.previous = self.tokens[i - 1] if i else None
        self.following = self.tokens[min(i + 1, len(self.tokens) - 1)].type
        self.span: Span = self.token.span(source)
        self.accepts = automaton.accepts
        start = i
        while start > 0 and self.tokens[start - 1].type not in ("_NL", "{"):
            start -= 1
        self.start = start
        self.first = self.tokens[start]

    def earlier(self, type: str) -> Token | None:
        """A token of this type before this one in its statement, outside of brackets."""
        depth = 0
        for token in self.tokens[self.start : self.i]:
            depth += token.type in ("(", "[", "{")
            depth -= token.type in (")", "]", "}")
            if depth == 0 and token.type == type:
                return token
        return None

    def inside_brackets(self) -> bool:
        inside = [t.type for t in self.tokens[self.start : self.i]]
        return sum((t in ("(", "[")) - (t in (")", "]")) for t in inside) > 0

    def head(self) -> str:
        """What the body belongs to whose brace should stand here."""
        for token in reversed(self.tokens[self.start : self.i]):
            if token.type in _BODIES:
                return _BODIES[token.type]
        words = self.tokens[self.start : self.start + 2]
        return " ".join(t.text for t in words) if words[0].type == "NAME" else "a declaration"


def _in_speech(token: Token) -> str:
    if token.type == "_NL":
        return "the end of the line"
    if token.type == END:
        return "the end of the file"
    return quoted(token.text or token.type)


def _in_words(types: set[str]) -> tuple[str, ...]:
    """The kinds of thing that these tokens begin, most general first."""
    out: list[str] = []
    if "NUMBER" in types:
        out.append("an expression")
        types = types - _VALUE
    elif "NAME" in types:
        out.append("a name")
    if "+" in types:
        out.append("an operator")
        types = types - _OPERATORS
    if "STRING" in types:
        out.append("a string")
    out += [f"`{t}`" for t in sorted(types - {"NAME", "PRIMED", "NUMBER", "STRING", "_NL", END})]
    if "_NL" in types:
        out.append("a new line")
    elif END in types:
        out.append("the end of the file")
    return tuple(out)

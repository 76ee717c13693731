"""The LALR(1) automaton: tokens -> values, with words that are names elsewhere, and recovery.

It knows the table and no node of the language: values are made by the functions that it is given. It never recurses and always
ends: every turn takes a token, reduces, or gives one up.
"""

from collections.abc import Callable
from typing import Any

from .layout import CLOSER, DECLARES, DEFINES
from .lexer import Token
from .span import Loc
from .table import END, Table

Make = Callable[[list[Any], Loc, Loc], Any]

RETRY, KEEP, DROP = "retry", "keep", "drop"

# Reserved words with which an operand or a statement begins: after one of these a word before them was no operand
_OPENS = frozenset("true false none not stack parallel return assert".split())
_NOT_AFTER_WHERE = frozenset("= : , ~ . -> _NL }".split())


class Automaton:
    """One run over one list of tokens.

    `make` gives the function for each rule, with its depth (0 or 1 levels of nesting); `mistake(automaton, i)` reports the token `i`
    that has no place. It returns RETRY if it has mended the tokens from `i` on, KEEP if what stands before `i` is a whole statement,
    else DROP.
    """

    def __init__(
        self,
        table: Table,
        make: list[tuple[Make | None, int]],
        mistake: Callable[["Automaton", int], str],
        too_deep: Callable[[Any, Loc, Loc], Any],
        limit: int,
    ) -> None:
        self.table, self.make, self.mistake, self.too_deep, self.limit = table, make, mistake, too_deep, limit
        self.tokens: list[Token] = []
        self.states = [0]
        self.values: list[Any] = [None]
        self.starts: list[Loc] = [Loc(1, 1)]
        self.depths = [0]
        self.resumed = -1
        self.words = {t for t in table.terminals if t.isalpha() or "_" in t}
        self.chains: dict[tuple[int, int, str], int] = {}

    def run(self, tokens: list[Token]) -> Any:
        """The value of the whole text."""
        self.tokens = tokens
        states, values, starts, depths = self.states, self.values, self.starts, self.depths
        table, words = self.table.states, self.words
        i, looked, end = 0, -1, Loc(1, 1)
        while True:
            token = tokens[i]
            type = token.type
            row = table[states[-1]]
            if type == "NAME" and token.text in words and self._is_word(token.text, row, i):
                type = token.text
            target = row.get(type)
            if target is not None and target < 0 and i != looked:  # LALR tables reduce before they notice that a token is wrong
                looked = i
                target = target if self.accepts(type) else None
            if target is None:
                i, looked = self._recover(i), -1
            elif target < 0:
                self._reduce(~target, type, end)
            else:
                states.append(target)
                values.append(token)
                starts.append(token.start)
                depths.append(0)
                if type == END:
                    return values[-2]
                end = token.end
                i += 1

    def _is_word(self, text: str, row: dict[str, int], i: int) -> bool:
        """The name at `i` is a word of the grammar here."""
        if text not in row:
            return False
        if "NAME" not in row:
            return True
        following = self.tokens[i + 1]
        if text == "train_where":
            return following.type not in _NOT_AFTER_WHERE
        if following.text == "minimizes" and text in DEFINES:  # `gate minimizes = …` declares, `gate minimizes …` is a player
            return self.tokens[i + 2].type in ("=", ":")
        return following.type in ("NAME", "PRIMED") or following.type in _OPENS

    def _reduce(self, number: int, type: str, end: Loc) -> None:
        rule = self.table.rules[number]
        states, n = self.states, rule.length
        if n == 1 and rule.passes:
            self._pass(number, type)
            return
        values, starts, depths = self.values, self.starts, self.depths
        if n:
            start, depth = starts[-n], max(depths[-n:])
            children = values[-n:]
            del states[-n:], values[-n:], starts[-n:], depths[-n:]
        else:
            start, depth, children = end, 0, []
        make, deeper = self.make[number]
        if make is None:
            value = _listed(rule.parts, children) if rule.lists else children[rule.parts[0] >> 1]
        else:
            value = make(_taken(rule.parts, children), start, end)
        depth += deeper
        if depth > self.limit:
            value, depth = self.too_deep(value, start, end), 0
        states.append(self.table.states[states[-1]][rule.origin])
        values.append(value)
        starts.append(start)
        depths.append(depth)

    def _pass(self, number: int, type: str) -> None:
        """A chain of rules that hand on their only child, from atom up to expr say, in one step; what it comes to is remembered."""
        states = self.states
        key = (states[-2], states[-1], type)
        found = self.chains.get(key)
        if found is None:
            table, rules, state = self.table.states, self.table.rules, states[-1]
            while True:
                state = table[key[0]][rules[number].origin]
                target = table[state].get(type, 0)
                number = ~target
                if target >= 0 or not (rules[number].passes and rules[number].length == 1):
                    break
            found = self.chains[key] = state
        states[-1] = found

    # Recovery ---------------------------------------------------------------------------------------------------------

    def accepts(self, type: str, more: tuple[int, ...] = ()) -> bool:
        """A token of this type would be taken here (after the states `more`), after whatever reductions it brings with it."""
        table, rules = self.table.states, self.table.rules
        below, top = self.states, list(more)
        depth = len(below)
        while True:
            target = table[top[-1] if top else below[depth - 1]].get(type)
            if target is None:
                return False
            if target >= 0:
                return True
            rule = rules[~target]
            if rule.length < len(top):
                del top[len(top) - rule.length :]
            else:
                depth -= rule.length - len(top)
                top.clear()
            top.append(table[top[-1] if top else below[depth - 1]][rule.origin])

    def expected(self) -> set[str]:
        """All token types that could stand here."""
        return {t for t in self.table.states[self.states[-1]] if self._is_token(t) and self.accepts(t)}

    def _is_token(self, symbol: str) -> bool:
        return symbol in self.table.terminals or symbol in ("NAME", "PRIMED", "NUMBER", "STRING", "_NL", END)

    def _recover(self, i: int) -> int:
        """Token `i` has no place: report it, then give up the smallest statement around it. The index to go on at."""
        again = i == self.resumed  # the token that reading should have gone on at: what is around it is broken as well
        outcome = DROP if again else self.mistake(self, i)
        if outcome == RETRY:
            return i
        if outcome == KEEP:
            self.resumed = self._skip(i, 0)
            return self.resumed
        braces = self._unwind()
        broken, top = self._place()
        if again and not top:
            self._pop()
            braces += self._unwind()
            broken, top = self._place()
        elif again and self.tokens[i].type != END:
            i += 1
        self.resumed = i = self._skip_item(i, braces) if top else self._skip(i, braces)
        self.states.append(broken)
        self.values.append(None)
        self.starts.append(self.tokens[i].start)
        self.depths.append(0)
        return i

    def _place(self) -> tuple[int, bool]:
        """The state after a broken thing here, and whether that thing is an item of the file."""
        broken = self.table.states[self.states[-1]]["ERROR"]
        return broken, self.accepts(END, (broken,))

    def _unwind(self) -> int:
        """Pop to where a statement, clause, column or item can begin; the number of `{` that were popped on the way."""
        braces = 0
        while "ERROR" not in self.table.states[self.states[-1]]:
            popped = self._pop()
            braces += isinstance(popped, Token) and popped.type == "{"
        return braces

    def _pop(self) -> Any:
        self.states.pop()
        self.starts.pop()
        self.depths.pop()
        return self.values.pop()

    def _skip(self, i: int, braces: int) -> int:
        """The first token from `i` on that ends a statement outside of the braces met on the way."""
        inside = self.is_open("{")
        while True:
            type = self.tokens[i].type
            if type == END or (braces <= 0 and (type == "_NL" or (type == "}" and inside))):
                return i
            braces += (type == "{") - (type == "}" and braces > 0)
            i += 1

    def is_open(self, bracket: str) -> bool:
        """A bracket of this kind has been read and its partner not."""
        read = [v.type for v in self.values if isinstance(v, Token)]
        return read.count(bracket) > read.count(CLOSER[bracket])

    def _skip_item(self, i: int, braces: int) -> int:
        """The newline before the next declaration, or the end."""
        tokens = self.tokens
        while tokens[i].type != END:
            type = tokens[i].type
            braces += (type == "{") - (type == "}")
            if type == "_NL" and (braces <= 0 or tokens[i + 1].column == 1):
                word, following = tokens[i + 1], tokens[i + 2].type
                if word.type == "from" or (following == "NAME" and (word.text in DECLARES or word.column == 1)):
                    return i
            i += 1
        return i


def _taken(parts: tuple[int, ...], children: list[Any]) -> list[Any]:
    out: list[Any] = []
    for part in parts:
        if part < 0:
            out.append(None)
        elif part & 1:
            out.extend(children[part >> 1])
        else:
            out.append(children[part >> 1])
    return out


def _listed(parts: tuple[int, ...], children: list[Any]) -> list[Any]:
    """The value of a list rule: the list that it begins with is grown in place."""
    if parts[0] & 1 and parts[0] >= 0:
        out: list[Any] = children[parts[0] >> 1]
        out.extend(_taken(parts[1:], children))
        return out
    return _taken(parts, children)

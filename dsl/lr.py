"""The LALR(1) automaton: tokens -> values, with words that are names elsewhere, and recovery.

It knows the table and no node of the language: values are made by the functions that it is given. It never recurses and always
ends: every turn takes a token, reduces, or gives one up.
"""

from collections.abc import Callable
from typing import Any

from .layout import CLOSER, DECLARES, DEFINES
from .lexer import Token
from .span import Loc
from .table import END, NOWHERE, Plan, Table

Make = Callable[[list[Any], Loc, Loc], Any]

RETRY, KEEP, DROP = "retry", "keep", "drop"

REMEMBERED = 12  # states that a plan may hang on and be remembered, so that no text fills the memory

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

    def run(self, tokens: list[Token]) -> Any:
        """The value of the whole text."""
        self.tokens = tokens
        states, values, starts, depths = self.states, self.values, self.starts, self.depths
        table, words = self.table.states, self.table.words
        i, last = 0, Token("", "", 1, 1)
        while True:
            token = tokens[i]
            type = token.type
            row = table[states[-1]]
            if type == "NAME" and token.text in words and self._is_word(token.text, row, i):
                type = token.text
            target = row.get(type, NOWHERE)
            if target < 0:
                target = self._reduced(type, last) if target != NOWHERE else NOWHERE
            if target == NOWHERE:
                i = self._recover(i)
                continue
            states.append(target)
            values.append(token)
            starts.append(token.start)
            depths.append(0)
            if type == END:
                return values[-2]
            last = token
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

    def _reduced(self, type: str, last: Token) -> int:
        """Make what is complete with the `last` token, before one of this type; the state after that, or NOWHERE and nothing is made.

        (LALR tables reduce before they notice that a token is wrong.)
        """
        plan, end = self._plan(type), last.end
        states, values, starts, depths = self.states, self.values, self.starts, self.depths
        rules = self.table.rules
        for number, state in plan.steps:
            if number < 0:
                states[-1] = state
                continue
            rule = rules[number]
            n = rule.length
            if n:
                start, depth = starts[-n], max(depths[-n:])
                children = values[-n:]
                del states[-n:], values[-n:], starts[-n:], depths[-n:]
            else:
                start, depth, children = end, 0, []
            make, deeper = self.make[number]
            if make is not None:
                value = make(children if rule.plain else _taken(rule.parts, children), start, end)
            else:
                value = _listed(rule.parts, children) if rule.lists else children[rule.parts[0] >> 1]
            depth += deeper
            if depth > self.limit:
                value, depth = self.too_deep(value, start, end), 0
            states.append(state)
            values.append(value)
            starts.append(start)
            depths.append(depth)
        return plan.target

    def _plan(self, type: str) -> Plan:
        """What a token of this type brings with it here; remembered with the table by the states that it hangs on."""
        known = self.table.plans.get(type)
        depth = len(self.states)
        while isinstance(known, dict):
            depth -= 1
            known = known.get(self.states[depth])
        return known or self._new_plan(type)

    def _new_plan(self, type: str) -> Plan:
        table, rules = self.table.states, self.table.rules
        below, top = self.states, list[int]()
        depth = lowest = len(below)  # those of `below` that are left, and the least that there were
        steps: list[tuple[int, int]] = []
        while True:
            target = table[top[-1] if top else below[depth - 1]].get(type, NOWHERE)
            lowest = min(lowest, depth - (not top))
            if target >= 0 or target == NOWHERE:
                break
            rule, number = rules[~target], ~target
            popped = min(rule.length, len(top))
            depth -= rule.length - popped
            del top[len(top) - popped :]
            lowest = min(lowest, depth - (not top))
            state = table[top[-1] if top else below[depth - 1]][rule.origin]
            top.append(state)
            if not (rule.passes and rule.length == 1):
                steps.append((number, state))
            elif steps:  # a chain of rules that hand on their only child, from atom up to expr say, is one step
                steps[-1] = (steps[-1][0], state)
            else:
                steps.append((-1, state))
        plan = Plan(tuple(steps) if target >= 0 else (), target)
        if len(below) - lowest <= REMEMBERED:
            node: dict[Any, Any] = self.table.plans
            for key in [type, *below[:lowest:-1]]:
                node = node.setdefault(key, {})
            node[below[lowest]] = plan
        return plan

    # Recovery ---------------------------------------------------------------------------------------------------------

    def accepts(self, type: str) -> bool:
        """A token of this type would be taken here, after whatever reductions it brings with it."""
        target = self.table.states[self.states[-1]].get(type, NOWHERE)
        return target >= 0 or (target != NOWHERE and self._plan(type).target >= 0)

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
        self.states.append(broken)
        top = self.accepts(END)
        self.states.pop()
        return broken, top

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

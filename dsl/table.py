"""The LALR(1) parse table of the language, as data.

It is read from `grammar.table`, which ships with the package and loads in milliseconds. A table that is missing or was made from
another grammar is rebuilt in memory, which needs lark and half a second; nothing else ever imports lark.
"""

import json
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

GRAMMAR = Path(__file__).with_name("grammar.lark")
TABLE = Path(__file__).with_name("grammar.table")

END = "$END"
NOWHERE = -(1 << 30)  # the target of a token that has no place


@dataclass(frozen=True, slots=True)
class Rule:
    """A production; what it makes, `origin`, stands in angle brackets, in the states too.

    `function` names what builds its value. `parts` say which children it gets: -1 is an absent optional, 2i is symbol i, 2i+1 splices
    the list that symbol i is. A rule that `passes` has the value of its only child; the value of one that `lists` is a list that is
    spliced where it is used. The parts of a `plain` rule are all its symbols.
    """

    origin: str
    function: str
    length: int
    parts: tuple[int, ...]
    passes: bool
    lists: bool
    plain: bool


class Plan(NamedTuple):
    """What happens before a token is taken: for each step the rule to reduce by (-1: the value stays) and the state then on top.

    `target` is the state after the token, or NOWHERE: it has no place and nothing happens.
    """

    steps: tuple[tuple[int, int], ...]
    target: int


@dataclass(frozen=True)
class Table:
    """`states[s][symbol]` is the state to go to, or `~r` to reduce by rule r. A text is complete when END has been taken.

    `plans` are what readings have found out so far: under the type of a token, then under each state from the top of the stack down
    that the plan hangs on.
    """

    states: list[dict[str, int]]
    rules: list[Rule]
    terminals: frozenset[str]
    plans: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def words(self) -> frozenset[str]:
        """Terminals that are spelled as names are."""
        return frozenset(t for t in self.terminals if t.isalpha() or "_" in t)


def fingerprint(grammar: str) -> str:
    return sha256(grammar.replace("\r\n", "\n").encode()).hexdigest()


@cache
def load() -> Table:
    """The table of the grammar beside this file."""
    data = _shipped()
    if data is None:
        from .build_table import build

        data = build()
    return Table(data["states"], [_rule(*rule) for rule in data["rules"]], frozenset(data["terminals"]))


def _rule(origin: str, function: str, length: int, parts: list[int], passes: bool) -> Rule:
    return Rule(origin, function, length, tuple(parts), passes, origin.startswith("<_"), parts == list(range(0, 2 * length, 2)))


def _shipped() -> dict[str, Any] | None:
    try:
        data: dict[str, Any] = json.loads(TABLE.read_bytes())
        stale = data["grammar"] != fingerprint(GRAMMAR.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError):
        return None
    return None if stale else data

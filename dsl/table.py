"""The LALR(1) parse table of the language, as data.

It is read from `grammar.table`, which ships with the package and loads in milliseconds. A table that is missing or was made from
another grammar is rebuilt in memory, which needs lark and half a second; nothing else ever imports lark.
"""

import json
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

GRAMMAR = Path(__file__).with_name("grammar.lark")
TABLE = Path(__file__).with_name("grammar.table")

END = "$END"


@dataclass(frozen=True, slots=True)
class Rule:
    """A production; what it makes, `origin`, stands in angle brackets, in the states too.

    `function` names what builds its value. `parts` say which children it gets: -1 is an absent optional, 2i is symbol i, 2i+1 splices
    the list that symbol i is. A rule that `passes` has the value of its only child.
    """

    origin: str
    function: str
    length: int
    parts: tuple[int, ...]
    passes: bool

    @property
    def lists(self) -> bool:
        """The value is a list that is spliced where it is used."""
        return self.origin.startswith("<_")


@dataclass(frozen=True)
class Table:
    """`states[s][symbol]` is the state to go to, or `~r` to reduce by rule r. A text is complete when END has been taken."""

    states: list[dict[str, int]]
    rules: list[Rule]
    terminals: frozenset[str]


def fingerprint(grammar: str) -> str:
    return sha256(grammar.replace("\r\n", "\n").encode()).hexdigest()


@cache
def load() -> Table:
    """The table of the grammar beside this file."""
    data = _shipped()
    if data is None:
        from .build_table import build

        data = build()
    rules = [Rule(origin, function, length, tuple(parts), passes) for origin, function, length, parts, passes in data["rules"]]
    return Table(data["states"], rules, frozenset(data["terminals"]))


def _shipped() -> dict[str, Any] | None:
    try:
        data: dict[str, Any] = json.loads(TABLE.read_bytes())
        stale = data["grammar"] != fingerprint(GRAMMAR.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError):
        return None
    return None if stale else data

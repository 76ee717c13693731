"""grammar.lark -> grammar.table: the one place that knows lark.

    python -m archc.dsl.build_table            write the table
    python -m archc.dsl.build_table --check    exit 1 if the one that is there is not the grammar's

The table is JSON and the same bytes for the same grammar, so a change of grammar is a change one can see in a review.
"""

import json
import logging
import sys
from typing import Any

from .table import END, GRAMMAR, TABLE, fingerprint

# How a child of a rule is taken: see table.Rule.parts
NOTHING = -1


class GrammarConflict(Exception):
    """The grammar is not LALR(1); says where."""


class _Conflicts(logging.Handler):
    """lark resolves shift/reduce conflicts silently and tells its logger alone."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if "conflict" in message.lower():
            self.found.append(message)


def build() -> dict[str, Any]:
    """The parse table of the grammar as plain data; raises GrammarConflict when it is ambiguous."""
    from lark import Lark
    from lark.lexer import Lexer, PatternStr
    from lark.utils import logger

    class NoLexer(Lexer):
        """Tokens come from lexer.py."""

        def __init__(self, conf: Any) -> None: ...

        def lex(self, lexer_state: Any, parser_state: Any) -> Any:
            raise NotImplementedError

    conflicts, level = _Conflicts(), logger.level
    logger.addHandler(conflicts)
    logger.setLevel(logging.DEBUG)
    try:
        text = GRAMMAR.read_text(encoding="utf-8")
        lark = Lark(text, parser="lalr", lexer=NoLexer, maybe_placeholders=True, debug=True)
    finally:
        logger.removeHandler(conflicts)
        logger.setLevel(level)
    if conflicts.found:
        raise GrammarConflict("\n".join(conflicts.found))
    spelling = {t.name: t.pattern.value for t in lark.terminals if isinstance(t.pattern, PatternStr)}
    return _plain(lark.parser.parser._parse_table, spelling, fingerprint(text))


def _plain(table: Any, spelling: dict[str, str], mark: str) -> dict[str, Any]:
    """Lark's table with states counted in the order in which they are met from the start, so that it does not depend on hashing."""
    from lark.parsers.lalr_analysis import Shift

    start = table.start_states["start"]
    numbers: dict[Any, int] = {start: 0}
    order = [start]
    rules: dict[Any, int] = {}
    rows: list[dict[str, int]] = []
    for state in order:  # grows while it is walked
        row: dict[str, int] = {}
        for symbol, (action, target) in sorted(table.states[state].items()):
            name = spelling.get(symbol, symbol) if symbol.isupper() or symbol == END else f"<{symbol}>"
            if action is Shift:
                if target not in numbers:
                    numbers[target] = len(order)
                    order.append(target)
                row[name] = numbers[target]
            else:
                row[name] = ~rules.setdefault(target, len(rules))
        rows.append(row)
    rows[numbers[table.end_states["start"]]][END] = numbers[table.end_states["start"]]  # the end is read, not only looked at
    return {
        "grammar": mark,
        "rules": [_rule(rule) for rule in rules],
        "states": rows,
        "terminals": sorted(spelling.values()),
    }


def _rule(rule: Any) -> list[Any]:
    """[origin, function, length, parts, passes]; see table.Rule."""
    kept = rule.options.keep_all_tokens
    blanks = "".join(str(int(b)) for b in rule.options.empty_indices or [False] * len(rule.expansion))
    before = [len(ones) for ones in blanks.split("0")]
    parts: list[int] = []
    for i, symbol in enumerate(rule.expansion):
        parts += [NOTHING] * before[i]
        if kept or not (symbol.is_term and symbol.filter_out):
            spliced = not symbol.is_term and symbol.name.startswith("_")
            parts.append(2 * i + spliced)
    parts += [NOTHING] * before[-1]
    single = len(parts) == 1 and parts[0] >= 0 and parts[0] % 2 == 0
    passes = bool(rule.options.expand1 and not rule.alias and single)
    origin = str(rule.origin.name)
    return [f"<{origin}>", str(rule.alias or origin), len(rule.expansion), parts, passes]


def render(table: dict[str, Any]) -> str:
    """One state, one rule to a line."""
    lines = ["{", f'"grammar": {json.dumps(table["grammar"])},']
    lines.append(f'"terminals": {json.dumps(table["terminals"])},')
    for key in ("rules", "states"):
        rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in table[key])
        lines.append(f'"{key}": [\n{rows}\n]' + ("," if key == "rules" else ""))
    return "\n".join([*lines, "}", ""])


def main(arguments: list[str]) -> int:
    text = render(build())
    if "--check" in arguments:
        return 0 if TABLE.is_file() and TABLE.read_text(encoding="utf-8") == text else 1
    TABLE.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The grammar and its table: no conflict, and the table that ships is the grammar's."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from archc.dsl import build_table, lexer, table
from archc.dsl.builder import DEEPER, Builder
from archc.dsl.diagnostic import Report
from archc.dsl.parser import parse
from archc.dsl.source import Source


def test_the_table_is_the_grammars() -> None:
    assert table.TABLE.read_text(encoding="utf-8") == build_table.render(build_table.build()), (
        "run python -m archc.dsl.build_table"
    )


def test_conflicts_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grammar = tmp_path / "grammar.lark"
    text = table.GRAMMAR.read_text(encoding="utf-8")
    grammar.write_text(text, encoding="utf-8")
    monkeypatch.setattr(build_table, "GRAMMAR", grammar)
    assert build_table.build()
    grammar.write_text(text.replace("| or_ OR and_", "| or_ OR or_"), encoding="utf-8")
    with pytest.raises(build_table.GrammarConflict):
        build_table.build()


def test_a_stale_table_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = tmp_path / "grammar.table"
    stale.write_text('{"grammar": "another"}', encoding="utf-8")
    for path in (stale, tmp_path / "missing"):
        monkeypatch.setattr(table, "TABLE", path)
        table.load.cache_clear()
        assert table.load().states
        assert parse(Source("t", "block A() { }"), Report()).items
    table.load.cache_clear()


def test_what_is_reserved_is_what_the_page_says() -> None:
    words = {t for t in table.load().terminals if re.fullmatch(r"[a-z_]+", t)}
    comment = table.GRAMMAR.read_text(encoding="utf-8")
    listed = re.search(r"Words: `([^`]*)` are reserved", comment)
    assert listed is not None
    assert set(listed[1].split()) == set(lexer.RESERVED)
    assert set(lexer.RESERVED) <= words


def test_every_rule_has_its_function() -> None:
    rules = table.load().rules
    functions = {rule.function for rule in rules if not (rule.passes or rule.lists)}
    assert functions <= set(dir(Builder))
    assert functions >= DEEPER


def test_reading_a_spec_imports_neither_lark_nor_rich() -> None:
    code = """
import sys
from archc.dsl.diagnostic import Report
from archc.dsl.parser import parse
from archc.dsl.printer import format_source
from archc.dsl.render import render_report
from archc.dsl.source import Source
report = Report()
parse(Source("t", "model M(x: [B]) { y = 'a' }"), report)
format_source(Source("t", "model M(x: [B]) { y = 1 }"))
assert "E0103" in render_report(report, colour=True)
print(*({"lark", "rich", "networkx", "torch"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert importlib.import_module("archc.dsl.build_table").main(["--check"]) == 0

"""The reference of the language: every example on it is read, and is in canonical form."""

import re
from pathlib import Path

import pytest

from archc.dsl.diagnostic import Fault, Report
from archc.dsl.lexer import RESERVED
from archc.dsl.parser import parse
from archc.dsl.printer import format_source
from archc.dsl.render import render_report
from archc.dsl.source import Source

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "language.md").read_text(encoding="utf-8")


def examples(page: str) -> list[tuple[int, str | None, str]]:
    """The lines that the examples of a page stand on, what they are, and their texts."""
    found = re.finditer(r"^```arch( body)?\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [(page[: m.start()].count("\n") + 1, m[1], m[2]) for m in found]


EXAMPLES = examples(PAGE)
TRAINING = examples((DOCS / "training.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("line", "body", "text"), [*EXAMPLES, *TRAINING], ids=lambda v: f"line {v}" if isinstance(v, int) else ""
)
def test_every_example_is_read(line: int, body: str | None, text: str) -> None:
    if body:
        text = (
            "block Example(heads)(x: [B, T, D]) {\n"
            + "".join(f"    {one}\n" if one else "\n" for one in text.split("\n")[:-1])
            + "}\n"
        )
    source, report = Source(f"docs/language.md after line {line}", text), Report()
    parse(source, report)
    assert not report.diagnostics, render_report(report)
    if "goes on in the next" not in text:
        assert format_source(source) == text


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == PAGE.count("```arch") > 10


def test_words_and_codes_on_the_page_exist() -> None:
    listed = re.search(r"\*\*Reserved words\*\* are `([^`]*)`", PAGE)
    assert listed is not None
    assert set(listed[1].split()) == set(RESERVED)
    assert set(re.findall(r"E01\d\d", PAGE)) <= set(Fault.registry)

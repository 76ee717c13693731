"""docs/mistakes.md: what it says of archc is what archc says today. The other columns are made by hand, with Keras and ONNX installed."""

import re
import runpy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "benchmarks" / "mistakes.py"))
CASES = [case for _, chapter in SCRIPT["chapters"]() for case in chapter]
AGAIN = "`python benchmarks/mistakes.py --archc` brings archc's answers in docs/mistakes.md up to date"


@cache
def page() -> str:
    return (ROOT / "docs" / "mistakes.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", range(1, len(CASES) + 1))
def test_what_archc_says(number: int) -> None:
    case = CASES[number - 1]
    said = SCRIPT["archc_says"](case)
    section = page().split(f'<a id="m{number}"></a>\n')[1].split("<a id=")[0]
    assert section.startswith(f"### {number}. {case.mistake}\n"), AGAIN
    assert f"```arch\n{case.arch.rstrip()}\n```\n\narchc says\n```\n{said.long}\n```\n" in section, AGAIN
    assert f"| [{number}](#m{number}) | {case.mistake} | {said.short} |" in page(), AGAIN


def test_there_are_forty_and_each_is_tried_with_the_others() -> None:
    assert len(CASES) == 40
    assert len({case.mistake for case in CASES}) == 40
    assert all(case.torch and case.keras for case in CASES)
    rows = re.findall(r"^\| \[\d+\].*$", page(), re.MULTILINE)
    assert [row.count(" | ") for row in rows] == [5] * 40


def test_the_counts_are_those_of_the_table() -> None:
    rows = [row.strip("| ").split(" | ") for row in re.findall(r"^\| \[\d+\].*$", page(), re.MULTILINE)]
    for column, title in enumerate(("archc", "PyTorch", "Keras", "ONNX"), start=2):
        counted = {mark: sum(row[column].startswith(mark) for row in rows) for mark in ("error", "warning", "nothing", "—")}
        line = next(line for line in page().splitlines() if line.startswith(f"- {title}: an error for"))
        for mark, words in (("error", "an error for"), ("warning", "a warning for"), ("nothing", "silence for")):
            assert f"{words} {counted[mark]}" in line, AGAIN


def test_bringing_it_up_to_date_changes_nothing() -> None:
    assert SCRIPT["renewed"](page()) == page(), AGAIN

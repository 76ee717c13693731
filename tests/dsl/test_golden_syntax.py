"""Faults of syntax as pairs of files: the input, and the exact text that a terminal shows. The file's name is the sentence of the case."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from archc.dsl import faults
from archc.dsl.diagnostic import Diagnostic, Fault, Report
from archc.dsl.parser import parse
from archc.dsl.render import one_line, render_report, to_json
from archc.dsl.source import Source

CASES = sorted((Path(__file__).parent.parent / "golden" / "syntax").glob("*.arch"))
CODES = {code: fault for code, fault in Fault.registry.items() if code.startswith("E01")}


def diagnose(case: Path) -> Report:
    report = Report()
    parse(Source(case.name, case.read_bytes().decode()), report)
    return report


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
def test_what_the_terminal_shows(case: Path, golden: Callable[[str, str], None]) -> None:
    golden(f"syntax/{case.stem}.txt", render_report(diagnose(case)) + "\n")


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
def test_every_form_of_a_diagnostic_can_be_made(case: Path) -> None:
    for diagnostic in diagnose(case).diagnostics:
        place = diagnostic.span.start
        assert one_line(diagnostic).startswith(f"{case.name}:{place.line}:{place.column}: error[{diagnostic.code}]: ")
        assert "\n" not in one_line(diagnostic)
        data = json.loads(json.dumps(to_json(diagnostic)))
        assert (data["code"], data["line"], data["column"]) == (diagnostic.code, place.line, place.column)


def test_every_fault_has_a_case() -> None:
    shown = {diagnostic.code for case in CASES for diagnostic in diagnose(case).diagnostics}
    assert shown >= set(CODES), sorted(set(CODES) - shown)


def test_every_fault_is_explained() -> None:
    assert {fault.__name__ for fault in CODES.values()} <= set(faults.__all__)
    for code, fault in CODES.items():
        assert fault.title, code
        assert fault.__doc__, code
        assert len(fault.__doc__.split()) > 8, code
        assert "(span: " not in fault.__doc__, f"{code} has the docstring that dataclass made"


def test_mends_that_are_single_edits_mend() -> None:
    """Carrying out the first edit of a help makes its fault go away."""
    mended = 0
    for case in CASES:
        for diagnostic in diagnose(case).diagnostics:
            for help in diagnostic.helps[:1]:
                if len(help.edits) == 1:
                    text = _edited(case.read_bytes().decode(), diagnostic)
                    report = Report()
                    parse(Source(case.name, text), report)
                    again = [d for d in report.diagnostics if (d.code, d.span.start) == (diagnostic.code, diagnostic.span.start)]
                    assert not again, f"{case.stem}: {diagnostic}\n{text}"
                    mended += 1
    assert mended > 50


def _edited(text: str, diagnostic: Diagnostic) -> str:
    edit = diagnostic.helps[0].edits[0]
    lines = text.split("\n")
    start, end = edit.span.start, edit.span.end
    assert start.line == end.line
    line = lines[start.line - 1]
    lines[start.line - 1] = line[: start.column - 1] + edit.text + line[end.column - 1 :]
    return "\n".join(lines)

"""What the runtime says of each fault, as golden text; a fault that is not shown there is refused."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from archc.dsl.diagnostic import Fault, Report
from archc.dsl.render import one_line, render_report
from archc.dsl.span import NOWHERE

from .said import FACTS, SPEC

FAULTS = Path(__file__).parents[2] / "runtime" / "faults"


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact.code}-{type(fact).__name__}")
def test_what_the_terminal_shows(fact: Fault, golden: Callable[[str, str], None]) -> None:
    report = Report({SPEC.name: SPEC})
    report.add(fact)
    (diagnostic,) = report.diagnostics
    assert "\n" not in one_line(diagnostic)
    assert (diagnostic.span == NOWHERE) == (fact.span == NOWHERE)
    golden(f"said/{fact.code}_{type(fact).__name__}.txt", render_report(report) + "\n")


def test_every_fault_of_the_runtime_is_shown() -> None:
    for file in FAULTS.glob("*.py"):
        import_module(f"archc.runtime.faults.{file.stem}")
    known = {code for code, fault in Fault.registry.items() if fault.__module__.startswith("archc.runtime.faults.")}
    assert known == {fact.code for fact in FACTS}
    for code in known:
        assert len((Fault.registry[code].__doc__ or "").split()) > 8, code

"""Faults as pairs of files: a spec, and the exact text that a terminal shows. The file's name is the sentence of the case."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from archc.compiler.pipeline import check_source
from archc.dsl.diagnostic import Diagnostic, Edit, Fault, Report
from archc.dsl.render import one_line, render_report
from archc.dsl.source import Source

from .spec import body, check, columns_of, compiled, reader, refused

FOLDER = Path(__file__).parent.parent / "golden" / "faults"
CASES = sorted(FOLDER.glob("*.arch"))
ERRORS = Path(__file__).parent.parent.parent / "compiler" / "errors"
FILES = {
    "parts.arch": "block Residual(x: [B, D]) -> [B, D] {\n    return x + (x -> dense(D))\n}\n",
    "circle.arch": 'from "two_files_import_each_other.arch" import Net\n\nblock Ring(x: [B, D]) -> [B, D] {\n    return x -> relu\n}\n',
    "std.recurrent": "cell RNN(width)(x: [B, D]) {\n    state h: [B, width]\n    h' = dense(width)(x, h) -> tanh\n    return h'\n}\n",
    "std.blocks": "block MLP(inner)(x: [B, D]) {\n    return x -> dense(inner)\n}\n",
}
SHELF = {"RNN": "std.recurrent", "GRU": "std.recurrent", "MLP": "std.blocks"}
ELSEWHERE = {
    "E0419": "values from outside are no part of a file",
    "E0813": "check does not ask for a program",
}


def diagnose(name: str, text: str) -> Report:
    return check_source(Source(name, text), read=reader({**FILES, name: text}), shelf=lambda: SHELF, schema=columns_of)


@cache
def found(case: Path) -> Report:
    return diagnose(case.name, case.read_text(encoding="utf-8"))


def codes() -> set[str]:
    for file in ERRORS.glob("*.py"):
        import_module(f"archc.compiler.errors.{file.stem}")
    return {code for code, fault in Fault.registry.items() if fault.__module__.startswith("archc.compiler.errors.")}


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
def test_what_the_terminal_shows(case: Path, golden: Callable[[str, str], None]) -> None:
    golden(f"faults/{case.stem}.txt", render_report(found(case)) + "\n")


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
def test_each_case_is_a_fault(case: Path) -> None:
    assert not found(case).ok
    for diagnostic in found(case).diagnostics:
        assert "\n" not in one_line(diagnostic)
        assert diagnostic.span.source in found(case).sources, "the place of a fault is a place of the text"
        assert diagnostic.span.start < diagnostic.span.end
        assert not re.search(r"\bpoison\b|<|object at|\bNone\b(?!`)", diagnostic.message), diagnostic.message


def test_every_error_has_a_case() -> None:
    shown = {diagnostic.code for case in CASES for diagnostic in found(case).diagnostics}
    errors = {code for code in codes() if code.startswith("E")}
    assert errors - shown - ELSEWHERE.keys() == set()


def test_every_fault_is_explained() -> None:
    for code in codes():
        fault = Fault.registry[code]
        assert fault.title, code
        assert fault.__doc__, code
        assert len(fault.__doc__.split()) > 8, code


# Mends ----------------------------------------------------------------------------------------------------------------


def edited(text: str, edits: tuple[Edit, ...]) -> str:
    lines = text.split("\n")
    for edit in sorted(edits, key=lambda edit: edit.span, reverse=True):
        start, end = edit.span.start, edit.span.end
        first, last = lines[start.line - 1], lines[end.line - 1]
        lines[start.line - 1 : end.line] = [first[: start.column - 1] + edit.text + last[end.column - 1 :]]
    return "\n".join(lines)


def mends() -> list[tuple[Path, Diagnostic, tuple[Edit, ...]]]:
    return [
        (case, diagnostic, help.edits)
        for case in CASES
        for diagnostic in found(case).diagnostics
        for help in diagnostic.helps
        if help.edits and diagnostic.severity == "error"
    ]


def test_every_mend_mends() -> None:
    assert len(mends()) > 15
    for case, diagnostic, edits in mends():
        text = edited(case.read_text(encoding="utf-8"), edits)
        left = diagnose(case.name, text).diagnostics
        again = [d for d in left if (d.code, d.span.start) == (diagnostic.code, diagnostic.span.start)]
        assert not again, f"{case.stem}: {one_line(diagnostic)}\n{text}"


# What check cannot be asked -------------------------------------------------------------------------------------------

WIDE = body("y = x -> dense(width) -> dropout(rate)", hypers="width = 64, rate = 0.1, names = [1, 2], wide = true")


@pytest.mark.parametrize(
    ("hypers", "said"),
    [
        ({"widht": "32"}, "error[E0413]: Net has no hyperparameter widht; it has width, rate, names, wide"),
        ({"width": "32 +"}, "error[E0419]: 32 + is no value for width"),
        ({"width": "relu -> x"}, "error[E0414]: width wants a whole number, but was given a composed callable"),
        ({"width": object}, "error[E0419]: <class 'object'> is no value for width"),
        ({"width": "half"}, "error[E0419]: half is no value for width"),
        ({"width": "0.5"}, "error[E0414]: width wants a whole number, but was given the number 0.5"),
        ({"names": "3"}, "error[E0414]: names wants a list, but was given the number 3"),
        ({"wide": "1"}, "error[E0414]: wide wants true or false, but was given the number 1"),
        ({"rate": "2"}, "error[E0306]: p of dropout is 2: it must lie between 0 and 1"),
        ({"width": "2 ** 200"}, "error[E0419]: 2 ** 200 is no value for width"),
        ({"width": "0"}, "error[E0306]: out_features of dense is 0: it must be at least 1"),
    ],
)
def test_values_from_outside(hypers: dict[str, object], said: str) -> None:
    (diagnostic,) = refused(WIDE, hypers=hypers).errors
    assert f"error[{diagnostic.code}]: {diagnostic.message}" == said


def test_a_value_from_outside_cannot_be_mended_in_the_file() -> None:
    (diagnostic,) = refused(WIDE, hypers={"widht": "32"}).errors
    assert [(help.text, help.edits) for help in diagnostic.helps] == [("did you mean width?", ())]


def test_a_model_that_needs_a_value() -> None:
    text = body("y = x -> dense(width)", hypers="width")
    assert not check(text).errors, "it may be given from outside"
    assert compiled(text, hypers={"width": "32"}).graph.outputs
    (diagnostic,) = refused(text).errors
    assert (diagnostic.code, diagnostic.message) == ("E0402", "the model Net needs width")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"root": "Nat"}, "E0207: no model is called Nat; there is Net"),
        ({"training": True}, "E0813: this file has no train program, so there is nothing to train"),
        ({"train": "long"}, "E0813: no train program is called long"),
    ],
)
def test_what_is_asked_for_is_not_there(options: dict[str, Any], said: str) -> None:
    (diagnostic,) = refused(body("y = x -> dense(3)"), **options).errors
    assert f"{diagnostic.code}: {diagnostic.message}" == said


def test_a_file_without_a_model() -> None:
    (diagnostic,) = refused("block Part(x: [B, D]) {\n    return x\n}\n").errors
    assert (diagnostic.code, diagnostic.message) == ("E0207", "this file declares no model")

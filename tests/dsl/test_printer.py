"""The formatter: what is printed reads as the same program, printing again changes nothing, comments stay."""

import re
from collections import Counter

import pytest
from archc.dsl import ast
from archc.dsl.diagnostic import Report
from archc.dsl.parser import parse
from archc.dsl.printer import format_source, print_file
from archc.dsl.source import Source
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from . import programs

GENERATED = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def read(text: str) -> ast.File:
    report = Report()
    file = parse(Source("printed", text), report)
    assert not report.diagnostics, f"{report.diagnostics[0]}\n{text}"
    return file


@GENERATED
@given(programs.files)
def test_what_is_printed_reads_as_the_same_program(file: ast.File) -> None:
    text = print_file(file)
    assert read(text) == file, text


@GENERATED
@given(programs.files)
def test_printing_again_changes_nothing(file: ast.File) -> None:
    once = format_source(Source("once", print_file(file)))
    assert read(once) == file, once
    assert format_source(Source("twice", once)) == once


@GENERATED
@given(programs.files, st.randoms(use_true_random=False))
def test_comments_and_line_breaks_of_any_kind(file: ast.File, random: object) -> None:
    """Comments at the ends of lines, between lines, in brackets; flows broken anywhere; blank lines, odd spaces."""
    text = _ruffled(print_file(file), random)
    before, original = comments(text), read(text)
    once = format_source(Source("once", text))
    assert read(once) == original, f"{text}\n=====\n{once}"
    assert comments(once) == before, f"{text}\n=====\n{once}"
    assert format_source(Source("twice", once)) == once, f"{text}\n=====\n{once}"


def _ruffled(text: str, random: object) -> str:
    chance = random.random  # type: ignore[attr-defined]
    count = 0

    def comment() -> str:
        nonlocal count
        count += 1
        return f"# note {count}"

    out = []
    for line in text.split("\n"):
        if line.startswith("##") or '"' in line:
            out.append(line)
            continue
        if chance() < 0.3:
            line = re.sub(r" -> (?=\S)", lambda m: "\n  -> " if chance() < 0.5 else m.group(), line)
        if chance() < 0.2:
            line = re.sub(r"(?<=[(\[,])(?=[^()]*[)\]])", lambda m: f" {comment()}\n " if chance() < 0.3 else m.group(), line)
        if chance() < 0.2:
            line = line.replace(" = ", "   = ")
        if chance() < 0.2:
            line = line.replace("\n", f" {comment()}\n{comment()}\n")
        out.append(line + (f"   {comment()}" if chance() < 0.2 else ""))
        out += [""] * int(chance() * 1.5) + [f"  {comment()}"] * (chance() < 0.2)
    return "\n".join(out)


def comments(text: str) -> Counter[str]:
    file = read(text)
    return Counter(c.text for c in file.comments)

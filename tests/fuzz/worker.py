"""A process that feeds inputs to `check` and `fmt`, as the commands do but without the last resort of the command line.

    python -m tests.fuzz.worker SEED FIRST COUNT [all]

What a bug would raise ends it with a traceback and the number of the input; with `all`, each kind of bug is told once and the rest go on.
Each input is checked twice and formatted twice; a summary is printed as one line of JSON. Memory is bounded for the process, time for
each input.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from hashlib import sha256
from pathlib import Path

from archc.dsl import ast
from archc.dsl.depth import room
from archc.dsl.diagnostic import Diagnostic, Report
from archc.dsl.parser import parse
from archc.dsl.printer import format_source
from archc.dsl.render import one_line, render, to_json
from archc.dsl.source import Source
from archc.runtime.compiling import check
from archc.runtime.specs import read_spec
from archc.runtime.stops import Stopped

from .inputs import made

SECONDS = 2.0
MEGABYTES = 500
PATIENCE = 20  # seconds of the processor after which an input is given up, wherever it is
BESIDE = {
    "parts.arch": "block Residual(x: [B, D]) -> [B, D] {\n    return x + (x -> dense(D))\n}\n",
    "blocks.arch": 'from "parts.arch" import Residual\nblock Twice(x: [B, D]) {\n    return x -> Residual -> Residual\n}\n',
}


class Wrong(AssertionError):
    """An invariant does not hold."""


def fed(file: Path) -> tuple[str, list[Diagnostic]]:
    """How far an input gets, and what is said of it."""
    try:
        source = read_spec(file)
    except Stopped as stopped:
        shown(stopped.report)
        return "not text", stopped.report.ordered()
    start = time.process_time()
    report = check(source)
    shown(report)
    between = time.process_time()
    formatted(source)
    limited(between - start, "check")
    limited(time.process_time() - between, "fmt")
    if check(source).ordered() != report.ordered():
        raise Wrong("a second check says something else")
    if any(d.code.startswith("E01") for d in report.diagnostics):
        return "syntax", report.ordered()
    return "right" if report.ok else "names" if all(
        d.code.startswith("E02") for d in report.errors
    ) else "checked", report.ordered()


def limited(seconds: float, what: str) -> None:
    if seconds > SECONDS:
        raise Wrong(f"{what} took {seconds:.1f} s")


def shown(report: Report) -> None:
    """Everything that is said can be shown, and points into the texts."""
    for diagnostic in report.ordered():
        render(diagnostic, report.sources)
        json.dumps(to_json(diagnostic), ensure_ascii=False).encode("utf-8", "surrogatepass")
        if "\n" in one_line(diagnostic):
            raise Wrong(f"more than one line: {one_line(diagnostic)}")
        if re.search(r"<[\w.]+ object|\bat 0x[0-9a-f]{6}", diagnostic.message):
            raise Wrong(f"the inside of the compiler shows: {diagnostic.message}")
        spans = [label.span for label in diagnostic.labels] + [edit.span for help in diagnostic.helps for edit in help.edits]
        for span in spans:
            source = report.sources.get(span.source)
            if source is None:
                if report.sources:
                    raise Wrong(f"{diagnostic.code} points into {span.source!r}, which is no source")
                continue
            for place in (span.start, span.end):
                if not (1 <= place.line <= len(source.lines) and 1 <= place.column <= len(source.line(place.line)) + 1):
                    raise Wrong(f"{diagnostic.code} points to {place}, outside of {span.source}")
            if span.end < span.start:
                raise Wrong(f"{diagnostic.code} has a span that ends before it begins")


def formatted(source: Source) -> None:
    """Formatting keeps the meaning and the comments, and does nothing the second time."""
    report = Report()
    once = format_source(source, report)
    if not report.ok:
        if once != source.text:
            raise Wrong("a text with faults of syntax was changed")
        return
    again = Report()
    before, after = parse(source, Report()), parse(Source(source.name, once), again)
    if not again.ok:
        raise Wrong(f"what was formatted has faults: {one_line(again.ordered()[0])}\n{once}")
    with room():
        if before.items != after.items:
            raise Wrong(f"formatting changed the meaning\n{once}")
    if Counter(map(said, before.comments)) != Counter(map(said, after.comments)):
        raise Wrong(f"formatting changed the comments\n{once}")
    if format_source(Source(source.name, once)) != once:
        raise Wrong(f"formatting again changes something\n{once}")


def said(comment: ast.Comment) -> str:
    return comment.text.rstrip()


def peak() -> float:
    """The most memory that the process has held so far, in megabytes. (What `getrusage` says begins with the parent's.)"""
    status = Path("/proc/self/status")
    if status.is_file():
        held = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(held.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def gave_up(number: int, frame: object) -> None:
    raise Wrong(f"no end after {PATIENCE} s")


def main(seed: int, first: int, count: int, go_on: bool = False) -> None:
    failures: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    digest, slowest = sha256(), (0.0, 0)
    signal.signal(signal.SIGVTALRM, gave_up)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in BESIDE.items():
            (Path(folder) / name).write_text(text)
        file = Path(folder) / "input.arch"
        fed_once(file, b"")  # what is loaded once is no input's memory
        resource.setrlimit(resource.RLIMIT_AS, ((MEGABYTES << 20) * 3, resource.RLIM_INFINITY))
        for number in range(first, first + count):
            way, data = made(seed, number)
            start = time.process_time()
            try:
                end, said = fed_once(file, data)
                if peak() > MEGABYTES:
                    raise Wrong(f"{peak():.0f} MB")
            except Exception as error:
                print(f"input {number} of seed {seed}, made by {way}", file=sys.stderr)
                if not go_on:
                    raise
                told(error, failures)
                continue
            slowest = max(slowest, (time.process_time() - start, number))
            ends[end] += 1
            codes.update({d.code for d in said})
            digest.update("".join(map(one_line, said)).replace(folder, "").encode("utf-8", "surrogatepass"))
    summary = {
        "count": count,
        "failures": failures,
        "ends": ends,
        "codes": codes,
        "slowest": slowest,
        "megabytes": peak(),
        "digest": digest.hexdigest(),
    }
    print(json.dumps(summary))


def told(error: Exception, failures: Counter[str]) -> None:
    """The traceback of the first bug of a kind: its type and the place that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/fuzz/" not in frame.filename] or frames
    what = str(error).splitlines()[0][:60] if str(error) else ""
    kind = f"{type(error).__name__}: {what} at {Path(own[-1].filename).name}:{own[-1].lineno}"
    failures[kind] += 1
    if failures[kind] == 1:
        traceback.print_exception(error, limit=-6)


def fed_once(file: Path, data: bytes) -> tuple[str, list[Diagnostic]]:
    file.write_bytes(data)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
    try:
        return fed(file)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), go_on="all" in sys.argv[4:])

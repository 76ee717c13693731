"""Diagnostic -> terminal text, one line, JSON. Nothing else knows about gutters and colour.

    error[E0304]: q and k must have one width to be compared, but q is [B, T, 768] and k is [B, T, 384]
      --> gpt.arch:12:16
       |
    11 |     k = x -> dense(D / 2)
       |              ------------ k gets its 384 here
    12 |     y = attend(q, k, v, heads=heads)
       |                ^  ^
       = help: to share key heads between query heads, say attend(…, kv_heads=heads / 2)

The place of the fault, and labels without a text beside it, are marked `^`, the places that explain it `-`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .columns import Shown, clean
from .diagnostic import Diagnostic, Label, Report
from .source import Source
from .span import Loc, Span

RESET = "\x1b[0m"
STYLES = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "frame": "\x1b[1;34m", "strong": "\x1b[1m", "help": "\x1b[1;32m"}


def render(diagnostic: Diagnostic, sources: Mapping[str, Source], colour: bool = False) -> str:
    """The diagnostic with the lines of source that it is about; no newline at its end."""
    return _Page(diagnostic, sources, colour).text()


def render_report(report: Report, colour: bool = False) -> str:
    """All diagnostics of a report in the order of the source, an empty line between two."""
    return "\n\n".join(render(d, report.sources, colour) for d in report.ordered())


def one_line(diagnostic: Diagnostic) -> str:
    """`file:line:col: error[E0304]: message`."""
    place, head = diagnostic.span, f"{diagnostic.severity}[{diagnostic.code}]"
    message = clean(diagnostic.message).replace("\n", " ")
    return f"{clean(place.source)}:{place.start.line}:{place.start.column}: {head}: {message}"


def to_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """The diagnostic as JSON data; `file`, `line`, `column` and `end` are the place of its first label."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": _encodable(diagnostic.message),
        **_place(diagnostic.span),
        "labels": [{**_place(label.span), "text": _encodable(label.text)} for label in diagnostic.labels],
        "notes": [_encodable(note) for note in diagnostic.notes],
        "helps": [
            {"text": _encodable(h.text), "edits": [{**_place(e.span), "text": _encodable(e.text)} for e in h.edits]}
            for h in diagnostic.helps
        ],
    }


def _place(span: Span) -> dict[str, Any]:
    start, end = span.start, span.end
    return {
        "file": _encodable(span.source),
        "line": start.line,
        "column": start.column,
        "end": {"line": end.line, "column": end.column},
    }


def _encodable(text: str) -> str:
    """Half of a surrogate pair has no bytes in UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class _Mark:
    """An underline on one line, in characters from 0, and what is said at it."""

    start: int
    end: int
    sign: str
    text: str


class _Page:
    def __init__(self, diagnostic: Diagnostic, sources: Mapping[str, Source], colour: bool) -> None:
        self.diagnostic, self.sources, self.colour = diagnostic, sources, colour
        self.rows: list[str] = []
        known = [label for label in diagnostic.labels if label.span.source in sources]
        self.gutter = max((len(str(label.span.end.line)) for label in known), default=1)

    def paint(self, text: str, style: str) -> str:
        return f"{STYLES[style]}{text}{RESET}" if self.colour and text else text

    def text(self) -> str:
        d = self.diagnostic
        self.rows.append(self.paint(f"{d.severity}[{d.code}]", d.severity) + self.paint(f": {clean(d.message)}", "strong"))
        files: dict[str, list[Label]] = {}
        for label in d.labels:
            files.setdefault(label.span.source, []).append(label)
        for name, labels in files.items():
            self._file(name, labels, first=name == d.span.source)
        for note in d.notes:
            self._footnote("note", note)
        for help in d.helps:
            self._footnote("help", help.text)
        return "\n".join(row.rstrip() for row in self.rows)

    def _file(self, name: str, labels: list[Label], first: bool) -> None:
        place = labels[0].span.start
        arrow = self.paint("-->" if first else ":::", "frame")
        if name:
            self.rows.append(f"{' ' * self.gutter}{arrow} {clean(name)}:{place.line}:{place.column}")
        source = self.sources.get(name)
        if source is None:
            return
        self._framed("")
        marks: dict[int, list[_Mark]] = {}
        for label in labels:
            quiet = label is self.diagnostic.labels[0] or (first and not label.text)
            for line, mark in _marks(source, label, "^" if quiet else "-"):
                marks.setdefault(line, []).append(mark)
        last = 0
        for line in sorted(marks):
            if last and line == last + 2:
                self._source_line(source, last + 1, [])
            elif last and line > last + 2:
                self.rows.append(self.paint("...", "frame"))
            self._source_line(source, line, marks[line])
            last = line

    def _framed(self, text: str, number: str = "") -> None:
        self.rows.append(self.paint(f"{number:>{self.gutter}} |", "frame") + (f" {text}" if text else ""))

    def _source_line(self, source: Source, number: int, marks: list[_Mark]) -> None:
        loud = [m for m in marks if m.sign == "^"] or marks
        near = min((m.start for m in loud), default=0)
        line = Shown(source.line(number), near)
        text, low, high, shift = line.cut(line.column(near))
        self._framed(text, str(number))
        placed: list[_Mark] = []
        for m in marks:
            start = min(max(line.column(m.start), low), high)
            end = min(max(line.column(m.end), start + 1), max(high, start + 1))
            placed.append(_Mark(start + shift, end + shift, m.sign, m.text))
        if placed:
            self._under(placed)

    def _under(self, marks: list[_Mark]) -> None:
        """The row of underlines, and the rows of what is said at them: the last at once, the others below, right to left."""
        signs = [" "] * max(m.end for m in marks)
        for m in sorted(marks, key=lambda m: m.sign == "^"):
            signs[m.start : m.end] = m.sign * (m.end - m.start)
        said = sorted((m for m in marks if m.text), key=lambda m: (m.start, m.sign == "^"))
        inline = said[-1] if said and said[-1].end == len(signs) else None
        row = self._signs(signs)
        if inline is not None:
            said.pop()
            row += " " + self._said(inline)
        self._framed(row)
        if said:
            self._framed(self._bars(said))
        while said:
            mark = said.pop()
            bars = self._bars([m for m in said if m.start < mark.start], mark.start)
            self._framed(bars + self._said(mark))

    def _signs(self, signs: list[str]) -> str:
        if not self.colour:
            return "".join(signs)
        style = {"^": self.diagnostic.severity, "-": "frame", " ": "frame"}
        return "".join(s if s == " " else self.paint(s, style[s]) for s in signs)

    def _said(self, mark: _Mark) -> str:
        return self.paint(clean(mark.text), self.diagnostic.severity if mark.sign == "^" else "frame")

    def _bars(self, marks: list[_Mark], length: int = 0) -> str:
        cells = [" "] * max([length, *(m.start + 1 for m in marks)])
        for m in marks:
            cells[m.start] = "|"
        return self.paint("".join(cells), "frame") if marks else "".join(cells)

    def _footnote(self, kind: str, text: str) -> None:
        head = f"{' ' * self.gutter} = {kind}: "
        first, *more = clean(text).split("\n")
        style = "help" if kind == "help" else "strong"
        self.rows.append(f"{' ' * self.gutter} {self.paint('=', 'frame')} {self.paint(kind, style)}: {first}")
        self.rows += [" " * len(head) + line for line in more]


def _marks(source: Source, label: Label, sign: str) -> list[tuple[int, _Mark]]:
    """The underlines of a label: one, or for several lines that of the first and that of the last, where its text stands."""
    start, end = label.span.start, label.span.end
    if start.line >= end.line:
        return [(start.line, _Mark(start.column - 1, max(end.column - 1, start.column), sign, label.text))]
    first = source.line(start.line).rstrip()
    last = source.line(end.line)
    indent = len(last) - len(last.lstrip())
    if end.column - 1 <= indent:  # ends before anything on its last line
        return _marks(source, Label(Span(label.span.source, start, Loc(start.line, len(first) + 1)), label.text), sign)
    head = _Mark(start.column - 1, max(len(first), start.column), sign, "")
    return [(start.line, head), (end.line, _Mark(indent, end.column - 1, sign, label.text))]

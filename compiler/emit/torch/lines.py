"""Lines of the generated source: their layout as ruff formats them, and strangers' words as harmless strings.

Comes in: statements as single lines. Goes out: text of at most 120 columns wherever there is a bracket to break at, and for each line the
place in the spec that it came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ....dsl.span import Span

WIDTH = 120


@dataclass(frozen=True, slots=True)
class Line:
    """A statement on one line; `comment` is left out where it does not fit."""

    text: str
    span: Span
    indent: int = 0
    comment: str = ""

    def moved(self, indent: int) -> Line:
        return Line(self.text, self.span, self.indent + indent, self.comment)

    def layout(self) -> list[str]:
        """The lines of text it becomes."""
        margin = " " * (4 * self.indent) if self.text else ""
        if self.comment and len(margin + self.text) + len(self.comment) + 4 <= WIDTH:
            return [f"{margin}{self.text}  # {self.comment}"]
        return [margin + line for line in wrapped(self.text, WIDTH - len(margin))]


@dataclass
class Page:
    """Text under construction, with the place in the spec of each of its lines, counted from 1."""

    lines: list[str] = field(default_factory=list)
    spans: dict[int, Span] = field(default_factory=dict)

    def add(self, *lines: Line) -> None:
        for line in lines:
            for text in line.layout():
                self.lines.append(text)
                self.spans[len(self.lines)] = line.span

    def raw(self, text: str) -> None:
        """Text that comes from no place in the spec."""
        self.lines.extend(text.split("\n"))

    def blank(self, count: int = 1) -> None:
        self.lines.extend([""] * count)

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


# Breaking -------------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"""f?"(?:[^"\\]|\\.)*"|f?'(?:[^'\\]|\\.)*'|.""", re.DOTALL)


def _depths(text: str) -> Iterator[tuple[int, str, int]]:
    """Each token that is no string with its place and how many brackets are open before it."""
    depth = 0
    for token in _TOKEN.finditer(text):
        what = token.group()
        if len(what) > 1:
            continue
        if what in ")]}":
            depth -= 1
        yield token.start(), what, depth
        if what in "([{":
            depth += 1


def wrapped(text: str, width: int) -> list[str]:
    """`text` broken at its last bracket, as formatters do; as it is where there is none."""
    if len(text) <= width:
        return [text]
    opening = closing = -1
    signature = text.startswith("def ")
    for place, what, depth in _depths(text):
        if depth == 0 and what in "([{":
            opening = place
        elif depth == 0 and what in ")]}":
            closing = place
            if signature:
                break  # what a function gives is broken last
    if opening < 0 or closing <= opening + 1:
        return [text]
    head, body, tail = text[: opening + 1], text[opening + 1 : closing], text[closing:]
    return [head, *_body(body, width - 4, signature=signature), tail]


def _body(body: str, width: int, *, signature: bool) -> list[str]:
    """What stands in a bracket: on one line, or an item a line."""
    if len(body) <= width:
        return [f"    {body}"]
    clauses = _split(body, " for ")
    if len(clauses) > 1:
        parts = [clauses[0], *(f"for {clause}" for clause in clauses[1:])]
        return [f"    {line}" for part in parts for line in wrapped(part, width)]
    items = _split(body, ", ")
    if len(items) == 1:
        return [f"    {line}" for line in wrapped(items[0], width)]
    lines = []
    for item in items:
        *before, last = wrapped(item.removesuffix(","), width - 1)
        lines += [*(f"    {line}" for line in before), f"    {last},"]
    return lines


def _split(text: str, separator: str) -> list[str]:
    """Parts between separators that stand outside all brackets and strings."""
    parts, start = [], 0
    for place, _, depth in _depths(text):
        if depth == 0 and place >= start and text.startswith(separator, place):
            parts.append(text[start:place])
            start = place + len(separator)
    return [*parts, text[start:]]


def fits(text: str, indent: int) -> bool:
    return 4 * indent + len(text) <= WIDTH


# Words of strangers ---------------------------------------------------------------------------------------------------


def _escaped(text: str, keep: str = "") -> str:
    """Backslashes and what cannot be seen as escapes."""
    shown = []
    for char in text:
        if char == "\\":
            shown.append("\\\\")
        elif char in keep or char.isprintable():
            shown.append(char)
        else:
            shown.append(char.encode("unicode_escape").decode("ascii"))
    return "".join(shown)


def docstring(paragraphs: Sequence[str]) -> list[str]:
    """A docstring of these paragraphs, as lines; empty where there are none."""
    body = "\n\n".join(filled(paragraph) for paragraph in paragraphs if paragraph.strip())
    if not body:
        return []
    body = re.sub(r'\A"|"(?="|\Z)', r'\\"', _escaped(body, keep="\n"))
    if "\n" not in body:
        return [f'"""{body}"""']
    return [*f'"""{body}'.split("\n"), '"""']


def filled(text: str, width: int = 108) -> str:
    """Lines as they are written; a paragraph with a line that is too long is filled anew."""
    import textwrap

    paragraphs = []
    for paragraph in re.split(r"\n[ \t]*\n", text.strip()):
        lines = [" ".join(line.split()) for line in paragraph.splitlines()]
        if any(len(line) > width for line in lines):
            lines = textwrap.wrap(" ".join(lines), width, break_long_words=False, break_on_hyphens=False)
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs)


def quoted(text: str) -> str:
    """A string literal."""
    quote = "'" if '"' in text and "'" not in text else '"'
    return quote + _escaped(text).replace(quote, "\\" + quote) + quote


def interpolated(text: str, pieces: Sequence[str]) -> str:
    """A string literal that ends in pieces of an f-string: `"the text: "` and `{a}`, ` > `, `{b}`."""
    if not any(piece.startswith("{") for piece in pieces):
        return quoted(text + "".join(pieces))
    start = quoted(text.replace("{", "{{").replace("}", "}}"))
    return f"f{start[:-1]}{''.join(pieces)}{start[-1]}"

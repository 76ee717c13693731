"""The drawing instructions of Graphviz (`-Tjson`) as a PDF of one page: lines and letters, no pixels.

For machines without the `dot` program, which writes its own PDF. Letters are set in the fonts that every reader of PDF has, Helvetica and
Symbol; what neither holds becomes a question mark.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

_FONTS = {"F1": "Helvetica", "F2": "Helvetica-Bold", "F3": "Symbol"}
_SYMBOLS = {
    "→": 0xAE,
    "−": 0x2D,
    "≤": 0xA3,
    "≥": 0xB3,
    "σ": 0x73,
    "′": 0xA2,
    "√": 0xD6,
    "Σ": 0x53,
    "∞": 0xA5,
    "π": 0x70,
    "≠": 0xB9,
}
_PARTS = ("_draw_", "_ldraw_", "_tdraw_", "_hdraw_", "_tldraw_", "_hldraw_")

Operation = dict[str, Any]


def pdf_of(drawing: bytes) -> bytes:
    """The PDF of what `-Tjson` wrote."""
    graph = json.loads(drawing)
    left, bottom, right, top = (float(number) for number in graph["bb"].split(","))
    pad = 72 * float(graph.get("pad", 0))
    body = [line for part in _in_order(graph) for line in _Page().drawn(part)]
    return _file("\n".join(body).encode("latin-1"), (left - pad, bottom - pad, right + pad, top + pad))


def _in_order(graph: Operation) -> Iterator[list[Operation]]:
    """Grounds first, lines last."""
    things: list[Operation] = graph.get("objects", [])
    groups = [
        thing for thing in things if "nodes" in thing or "subgraphs" in thing or str(thing.get("name", "")).startswith("cluster")
    ]
    nodes = [thing for thing in things if thing not in groups]
    for thing in (graph, *groups, *nodes, *graph.get("edges", [])):
        for part in _PARTS:
            if part in thing:
                yield thing[part]


class _Page:
    """The state of the pen while one list of instructions is carried out."""

    def __init__(self) -> None:
        self.bold = False
        self.size = 10.0
        self.line: str | None = "0 0 0"  # none draws nothing
        self.fill: str | None = "0 0 0"

    def drawn(self, operations: Iterable[Operation]) -> Iterator[str]:
        yield "q 1 w [] 0 d 0 0 0 RG 0 0 0 rg"
        for operation in operations:
            yield from self._one(operation)
        yield "Q"

    def _one(self, operation: Operation) -> Iterator[str]:
        match operation["op"]:
            case "c":
                self.line = _colour(operation)
                yield f"{self.line} RG" if self.line else ""
            case "C":
                self.fill = _colour(operation)
            case "S":
                yield from _style(str(operation["style"]))
            case "F":
                self.size = float(operation["size"])
            case "t":
                self.bold = bool(int(operation["fontchar"]) & 1)
            case "T":
                yield from self._text(operation)
            case "E" | "e" as op:
                yield from self._path(_ellipse(*operation["rect"]), closed=True, fill=op == "E")
            case "P" | "p" | "L" as op:
                points = operation["points"]
                path = [_point(points[0], "m"), *(_point(point, "l") for point in points[1:])]
                yield from self._path(path, closed=op != "L", fill=op == "P")
            case "B" | "b" as op:
                # here, as for ellipses and polygons, the capital is the filled one: unlike in xdot
                yield from self._path(_bezier(operation["points"]), closed=False, fill=op == "B")

    def _path(self, path: Iterable[str], *, closed: bool, fill: bool) -> Iterator[str]:
        fill = fill and self.fill is not None
        if fill:
            yield f"{self.fill} rg"
        yield from path
        if self.line is None:
            yield "f" if fill else "n"
        elif fill:
            yield "b" if closed else "B"
        else:
            yield "s" if closed else "S"

    def _text(self, operation: Operation) -> Iterator[str]:
        x, y = operation["pt"]
        shift = {"l": 0.0, "c": 0.5, "r": 1.0}[operation["align"]] * float(operation["width"])
        letters = "F2" if self.bold else "F1"
        yield f"BT {self.line or '0 0 0'} rg {x - shift:.2f} {y:.2f} Td"
        for font, text in _runs(str(operation["text"])):
            yield f"/{font or letters} {self.size:g} Tf <{text.hex()}> Tj"
        yield "ET"


def _runs(text: str) -> Iterator[tuple[str, bytes]]:
    """Stretches of one font; an empty name is the font of letters."""
    run, symbol = bytearray(), False
    for char in text:
        is_symbol = char in _SYMBOLS
        if is_symbol != symbol and run:
            yield ("F3" if symbol else "", bytes(run))
            run = bytearray()
        symbol = is_symbol
        run += bytes([_SYMBOLS[char]]) if is_symbol else char.encode("cp1252", errors="replace")
    if run:
        yield ("F3" if symbol else "", bytes(run))


def _colour(operation: Operation) -> str | None:
    """`#rrggbb` in PDF's words; none for what is transparent."""
    text = str(operation.get("color", ""))
    if not text.startswith("#") or (len(text) == 9 and text.endswith("00")):
        return None
    return " ".join(f"{int(text[at : at + 2], 16) / 255:.3f}" for at in (1, 3, 5))


def _style(style: str) -> Iterator[str]:
    if style.startswith("setlinewidth("):
        yield f"{float(style[13:-1]):g} w"
    elif style in ("dashed", "dotted"):
        yield "[5 2] 0 d" if style == "dashed" else "[1 3] 0 d"
    elif style == "solid":
        yield "[] 0 d"


def _point(point: Sequence[float], operator: str) -> str:
    return f"{point[0]:.2f} {point[1]:.2f} {operator}"


def _bezier(points: Sequence[Sequence[float]]) -> Iterator[str]:
    yield _point(points[0], "m")
    for at in range(1, len(points) - 2, 3):
        yield " ".join(f"{x:.2f} {y:.2f}" for x, y in points[at : at + 3]) + " c"


def _ellipse(x: float, y: float, width: float, height: float) -> Iterator[str]:
    """Four arcs; the middle, and half of each side."""
    a, b = 0.5523 * width, 0.5523 * height
    around = [(x + width, y + b), (x + a, y + height), (x, y + height), (x - a, y + height), (x - width, y + b), (x - width, y)]
    around += [(x - width, y - b), (x - a, y - height), (x, y - height), (x + a, y - height), (x + width, y - b), (x + width, y)]
    return _bezier([(x + width, y), *around])


def _file(content: bytes, box: tuple[float, float, float, float]) -> bytes:
    packed = zlib.compress(content, 9)
    fonts = " ".join(f"/{name} {number} 0 R" for number, name in enumerate(_FONTS, 5))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [{' '.join(f'{side:.2f}' for side in box)}] /Contents 4 0 R "
        f"/Resources << /Font << {fonts} >> >> >>".encode(),
        f"<< /Length {len(packed)} /Filter /FlateDecode >>\nstream\n".encode() + packed + b"\nendstream",
    ]
    for font in _FONTS.values():
        encoding = "" if font == "Symbol" else " /Encoding /WinAnsiEncoding"
        objects.append(f"<< /Type /Font /Subtype /Type1 /BaseFont /{font}{encoding} >>".encode())
    out, places = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n".encode()
    return bytes(out)

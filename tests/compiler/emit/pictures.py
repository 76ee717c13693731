"""An SVG of Graphviz read back: where the boxes are, and what stands in them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"
TITLE = "{http://www.w3.org/1999/xlink}title"
# Helvetica, thousandths of its size, from the space on; what is missing is as wide as a digit
_WIDTHS = """
278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556
1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556
333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584
"""
WIDTHS = dict(zip(map(chr, range(32, 127)), map(int, _WIDTHS.split()), strict=True))


@dataclass
class Text:
    words: str
    left: float
    right: float
    base: float


@dataclass
class Box:
    """A node, a group or a line, with all it shows."""

    kind: str
    name: str
    left: float = float("inf")
    top: float = float("inf")
    right: float = float("-inf")
    bottom: float = float("-inf")
    texts: list[Text] = field(default_factory=list)
    tip: str = ""

    @property
    def words(self) -> str:
        return " ".join(" ".join(text.words for text in self.texts).replace("\xa0", " ").split())

    def meets(self, other: Box, slack: float = 0.5) -> bool:
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > slack and down > slack

    def holds(self, other: Box, slack: float = 0.5) -> bool:
        inside = self.left - slack <= other.left and other.right <= self.right + slack
        return inside and self.top - slack <= other.top and other.bottom <= self.bottom + slack


def boxes(svg: bytes) -> list[Box]:
    """Everything that has a place in the picture."""
    found = []
    for thing in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        kind = thing.get("class", "")
        if kind in ("node", "cluster", "edge"):
            found.append(_read(thing, kind))
    return found


def _read(thing: ElementTree.Element, kind: str) -> Box:
    title = thing.find(f"{SVG}title")
    box = Box(kind, (title.text or "") if title is not None else "")
    for part in thing.iter():
        tag = part.tag.removeprefix(SVG)
        box.tip = box.tip or part.get(TITLE, "")
        if tag == "polygon":
            _grow(box, _pairs(part.get("points", "")))
        elif tag == "path" and kind != "edge":
            _grow(box, _pairs(part.get("d", "")))
        elif tag == "ellipse":
            x, y, a, b = (float(part.get(name, "0")) for name in ("cx", "cy", "rx", "ry"))
            _grow(box, [(x - a, y - b), (x + a, y + b)])
        elif tag == "text":
            box.texts.append(_text(part))
    return box


def _pairs(text: str) -> list[tuple[float, float]]:
    numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", text)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _grow(box: Box, points: list[tuple[float, float]]) -> None:
    for x, y in points:
        box.left, box.right = min(box.left, x), max(box.right, x)
        box.top, box.bottom = min(box.top, y), max(box.bottom, y)


def _text(part: ElementTree.Element) -> Text:
    words, size, x, y = part.text or "", float(part.get("font-size", "14")), float(part.get("x", "0")), float(part.get("y", "0"))
    wide = sum(WIDTHS.get(char.replace("\xa0", " "), 556) for char in words.rstrip(" \xa0")) * size / 1000
    left = {"start": x, "middle": x - wide / 2, "end": x - wide}[part.get("text-anchor", "start")]
    return Text(words, left, left + wide, y)

"""How a line of source takes up columns on a terminal: tabs, wide and combining characters, characters that are not shown."""

from unicodedata import category, combining, east_asian_width

TAB = 4
WIDEST = 120
BEFORE = 30
MARK = "…"
LONGEST = 4000  # characters of one message: names and texts of the source stand in it


def shown(char: str) -> str:
    """What stands for `char` on a terminal: nothing that it would obey, nothing that turns the direction of writing."""
    return char if char.isprintable() or category(char) == "Mn" else "\ufffd"


def width(char: str) -> int:
    if combining(char) or category(char) in ("Mn", "Me"):
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


def clean(text: str) -> str:
    """A message with everything unprintable made visible; newlines stay. The middle of a very long one is left out."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]}{MARK}{text[-LONGEST // 4 :]}"
    return text if text.isprintable() else "".join(c if c == "\n" else shown(c) for c in text)


class Shown:
    """A line as it is shown; `column(k)` is the display column, from 0, at which its character k (from 0) begins.

    Of a very long line only the part around character `near` is laid out at all.
    """

    def __init__(self, line: str, near: int = 0) -> None:
        self.base = max(0, near - WIDEST) if len(line) > 4 * WIDEST else 0
        self.clipped = len(line) > self.base + 4 * WIDEST
        line = line[self.base : self.base + 4 * WIDEST]
        self.text = line
        self.columns: range | list[int] = range(len(line) + 1)
        if not (line.isascii() and line.isprintable()):
            self._lay_out(line)

    def _lay_out(self, line: str) -> None:
        out: list[str] = []
        columns, at = [0], 0
        for char in line.rstrip("\r"):
            if char == "\t":
                step = TAB - at % TAB
                out.append(" " * step)
            else:
                out.append(shown(char))
                step = width(out[-1])
            at += step
            columns.append(at)
        self.text, self.columns = "".join(out), columns

    def column(self, k: int) -> int:
        return self.columns[max(0, min(k - self.base, len(self.columns) - 1))]

    @property
    def width(self) -> int:
        return self.columns[-1]

    def cut(self, focus: int) -> tuple[str, int, int, int]:
        """What is shown of the line around display column `focus`: the text, the columns it begins and ends at, and how far it is
        moved to the right of where `column` says."""
        low = max(0, min(focus - BEFORE, self.width - WIDEST)) if self.width > WIDEST else 0
        high = min(self.width, low + WIDEST)
        text = self._between(low, high) if self.width > WIDEST else self.text
        head = MARK if low or self.base else ""
        tail = MARK if high < self.width or self.clipped else ""
        return head + text + tail, low, high, len(head) - low

    def _between(self, low: int, high: int) -> str:
        """The characters of display columns `low` to `high`; half of a wide one at an edge is a space."""
        out, at = [], 0
        for char in self.text:
            step = width(char)
            if low <= at and at + step <= high:
                out.append(char)
            elif step == 2 and low < at + step and at < high:
                out.append(" ")
            at += step
            if at >= high + 1:
                break
        return "".join(out)

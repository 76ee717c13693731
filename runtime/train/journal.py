"""metrics.jsonl: an object a step, one an epoch, one at the end; appended, and cut back on a resume, so each step stands in it once.

No line holds a time, so two runs of the same bits have the same file.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def finite(value: Any) -> Any:
    """The value as JSON knows it: what is not a finite number becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return value


class Journal:
    """The file, open for appending behind its first `offset` bytes; what stood after them is gone."""

    def __init__(self, path: Path, offset: int) -> None:
        self._file = path.open("ab")
        self._file.truncate(min(offset, path.stat().st_size))
        self._file.seek(0, os.SEEK_END)
        self._waiting: list[str] | None = None

    def lines(self, lines: Iterable[str]) -> None:
        if self._waiting is not None:
            self._waiting += lines
        else:
            self._file.write("".join(lines).encode())

    def wait(self) -> None:
        """Lines wait from now on, for the row that stands before them."""
        self._waiting = []

    def go_on(self, row: Mapping[str, Any]) -> None:
        """The row that was waited for, and what waited for it."""
        waited, self._waiting = self._waiting or [], None
        self.row(row)
        self.lines(waited)

    def row(self, row: Mapping[str, Any]) -> None:
        self._file.write((json.dumps(finite(row)) + "\n").encode())

    def show(self) -> None:
        """Hands what was written to the system, so that others can read it."""
        self._file.flush()

    def keep(self) -> int:
        """Makes all rows last; returns how many bytes they are."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


def rows(path: Path) -> list[dict[str, Any]]:
    """All whole rows of a journal; the last line of a run that was killed may be cut."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            found.append(row)
    return found

"""How much memory and disk data may take, and columns that grow block by block: in memory while they are small, else in a file.

The file has no name, so nothing is left behind however the process ends; its pages are the system's to drop and to read again.
"""

import os
import shutil
import tempfile
from typing import IO, Any

import numpy as np

from ...dsl.span import Span
from ..faults.data import TooLarge
from ..stops import InputFaults
from .table import Array

HELD = 256 * 2**20  # bytes of one column that are kept in memory while it is read


def usable() -> int:
    """Bytes that a table may have in memory: half of the machine's, or 8 GiB where that is not known."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return 8 * 2**30


def room() -> int:
    """Bytes that columns may take together: in memory, or on the disk of temporary files."""
    try:
        return max(usable(), shutil.disk_usage(tempfile.gettempdir()).free * 9 // 10)
    except OSError:
        return usable()


def refuse_too_large(span: Span, name: str, size: int) -> None:
    """A fault where so many bytes fit neither into memory nor on the disk."""
    if size > (limit := room()):
        raise InputFaults(TooLarge(span, name, size, limit))


class Growing:
    """A column that is given block by block; `whole()` is all of it."""

    def __init__(self) -> None:
        self.blocks: list[Array] = []
        self.held = 0
        self.spilled: list[tuple[np.dtype[Any], int]] = []  # what lies in the file, block by block
        self.file: IO[bytes] | None = None
        self.row: tuple[int, ...] = ()
        self.rows = 0

    def __len__(self) -> int:
        """How many rows were given."""
        return self.rows

    def add(self, block: Array) -> None:
        self.rows += len(block)
        self.blocks.append(block)
        self.held += block.nbytes
        self.row = block.shape[1:]
        if self.held > HELD and block.dtype.kind != "U":
            self._spill()

    def _spill(self) -> None:
        if self.file is None:
            self.file = tempfile.TemporaryFile()  # noqa: SIM115 — it lives as long as the column is mapped
        for block in self.blocks:
            self.file.write(np.ascontiguousarray(block).data)
            self.spilled.append((block.dtype, block.size))
        self.blocks, self.held = [], 0

    def whole(self) -> Array:
        """All blocks one after another, of the kind that holds them all."""
        if self.file is None:
            return np.concatenate(self.blocks) if self.blocks else np.zeros(0)
        self._spill()
        self.file.flush()
        kind = np.result_type(*{dtype for dtype, _ in self.spilled})
        if len({dtype for dtype, _ in self.spilled}) > 1:
            self._convert(kind)
        return np.memmap(self.file, kind, "r", shape=(sum(n for _, n in self.spilled),)).reshape(-1, *self.row)

    def _convert(self, kind: np.dtype[Any]) -> None:
        """The file anew, all blocks of one kind: some were whole numbers and some were not."""
        assert self.file is not None
        before, self.file = self.file, tempfile.TemporaryFile()  # noqa: SIM115
        before.seek(0)
        for dtype, size in self.spilled:
            self.file.write(np.frombuffer(before.read(size * dtype.itemsize), dtype).astype(kind).data)
        self.file.flush()
        before.close()

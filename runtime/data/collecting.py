"""Blocks of rows to whole columns: missing values are told, dropped, filled or kept, as the call and the data program say.

Memory stays bounded by a block and what `Growing` keeps; every fault names the row as a person finds it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...dsl.span import Span
from ..faults.data import EmptyData, MissingValue, RowsDisagree
from ..faults.files import WrongValue
from ..stops import InputFaults
from .calls import Wanted
from .memory import Growing
from .table import Array, Column, Ragged, Rows, Table, storage

BLOCK = 65_536  # rows that are looked at together
Block = Array | Ragged
Gone = Mapping[str, Array]


class Sequences:
    """A column of sequences as it grows."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.values, self.lengths = Growing(), Growing()

    def add(self, block: Ragged) -> None:
        self.values.add(storage(block.values))
        self.lengths.add(block.lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def whole(self) -> Ragged:
        lengths = self.lengths.whole()
        return Ragged(self.values.whole(), np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]), self.symbol)


class Collector:
    """Takes blocks of the wanted columns, gives the table."""

    def __init__(self, span: Span, name: str, wanted: Wanted, missing: str | int | float) -> None:
        self.span, self.name, self.wanted, self.missing = span, name, wanted, missing
        self.columns: dict[str, Growing | Sequences] = {}
        self.lines = Growing()
        self.seen = self.kept = 0

    def add(self, block: Mapping[str, Block], gone: Gone, lines: Array | None = None) -> None:
        """A block with, for columns where values are missing, where they are; and the line of each row in a text file."""
        rows = len(next(iter(block.values()))) if block else 0
        for name, column in block.items():
            self.refuse_too_great(name, column, lines)
        keep = np.ones(rows, dtype=bool)
        filled = {name: self.filled(name, column, gone.get(name), keep, lines) for name, column in block.items()}
        index = np.flatnonzero(keep)
        for name, column in filled.items():
            kept = column if keep.all() else selected(column, index)
            if isinstance(kept, Ragged):
                sequences = self.columns.setdefault(name, Sequences(kept.symbol))
                assert isinstance(sequences, Sequences)
                sequences.add(kept)
            else:
                growing = self.columns.setdefault(name, Growing())
                assert isinstance(growing, Growing)
                growing.add(storage(kept))
        if lines is not None:
            self.lines.add(lines[keep])
        self.seen += rows
        self.kept += len(index)

    def refuse_too_great(self, name: str, column: Block, lines: Array | None) -> None:
        """A fault at the first number that float32 cannot hold; what is missing is not looked at."""
        found = too_great(column.values if isinstance(column, Ragged) else column)
        if found is not None:
            at, value = found
            row = int(np.searchsorted(column.offsets, at, side="right")) - 1 if isinstance(column, Ragged) else at
            wanted = "a finite number" if np.isinf(value) else "a number that 32 bits can hold"
            raise InputFaults(WrongValue(self.span, self.name, self.place(row, lines), name, f"{value:g}", wanted))

    def place(self, row: int, lines: Array | None) -> str:
        """Where a row of a block stands."""
        return f"row {self.seen + row}" if lines is None else f"line {lines[row]}"

    def filled(self, name: str, column: Block, gone: Array | None, keep: Array, lines: Array | None) -> Block:
        """The column with what stands for its missing values; rows that are to be dropped leave `keep`."""
        if gone is None or not gone.any():
            return column
        if name in self.wanted.gaps and not isinstance(column, Ragged):
            return np.where(gone, "", column) if column.dtype.kind == "U" else np.where(gone, np.float32("nan"), column)
        if self.missing == "drop":
            keep &= ~gone
            return column
        if isinstance(self.missing, str) or isinstance(column, Ragged):
            raise InputFaults(MissingValue(self.span, self.name, self.place(int(np.argmax(gone)), lines), name))
        if column.dtype.kind == "U":
            return np.where(gone, str(self.missing), column)
        marked = gone.reshape(len(gone), *[1] * (column.ndim - 1))
        if column.dtype.kind == "f":
            return np.where(marked, np.float32(self.missing), column)
        return np.where(marked, self.missing, column)

    def flushed(self) -> Table:
        """What was given since the last time, which is then forgotten."""
        table = self.table()
        first = self.kept - table.rows
        self.columns, self.lines = {}, Growing()
        return replace(table, first=first)

    def table(self, **further: Any) -> Table:
        """All that was given; a fault where it is nothing."""
        columns: dict[str, Column] = {name: self.columns[name].whole() for name in self.wanted.names if name in self.columns}
        if not columns or not len(next(iter(columns.values()))):
            raise InputFaults(EmptyData(self.span, self.name))
        lines = self.lines.whole() if self.lines.held or self.lines.file is not None else None
        return Table(self.name, columns, lines, **further)


def too_great(values: Array) -> tuple[int, float] | None:
    """The first number of floats that is no NaN and that float32 cannot hold, with its index in the first dim; none where there is none."""
    if values.dtype.kind != "f":
        return None
    for start in range(0, len(values), BLOCK):
        some = values[start : start + BLOCK]
        great = np.abs(some) > np.finfo(np.float32).max
        if great.any():
            at = np.unravel_index(int(np.argmax(great)), great.shape)
            return start + int(at[0]), float(some[at])
    return None


def in_blocks(collectors: Iterable[Collector]) -> Iterator[Table]:
    """A table for each block of rows, as they are read; a fault where there is none. A collector comes again after each block."""
    collector = None
    for collector in collectors:
        if any(len(column) for column in collector.columns.values()):
            yield collector.flushed()
    if collector is not None and not collector.kept:
        collector.table()  # which says that there is nothing


def selected(column: Block, index: Rows) -> Block:
    """Some rows of a block."""
    if not isinstance(column, Ragged):
        return column[index]
    lengths = column.lengths[index]
    rows = [column.values[column.offsets[i] : column.offsets[i + 1]] for i in index.tolist()]
    values = np.concatenate(rows) if rows else column.values[:0]
    return Ragged(values, np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]), column.symbol)


def one_length(span: Span, name: str, lengths: Iterable[tuple[str, int]]) -> int:
    """The number of rows that all columns have."""
    found = tuple(lengths)
    if len({rows for _, rows in found}) > 1:
        raise InputFaults(RowsDisagree(span, name, found))
    return found[0][1] if found else 0

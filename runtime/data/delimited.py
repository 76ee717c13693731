"""`csv(file)`: a text file of rows and cells.

Read in blocks, so a cell never lives longer than its block; every fault names the line and the column. Numbers are finite; words are read
only where `categories` takes them. A column is whole numbers if all its cells are, truth values if its cells are `true` and `false`.
"""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np

from ...compiler.plan import SourceCall
from ..faults.data import (
    BadCell,
    DuplicateColumn,
    EmptyData,
    MissingValue,
    RaggedRow,
    TextColumn,
    TooLarge,
    UnreadableFile,
    WrongEncoding,
)
from ..stops import InputFaults, span_of
from .calls import Parameter, Signature, located, told
from .memory import usable
from .table import Array, Dtype, Field, Schema, Table, storage

SIGNATURE = Signature(
    "csv",
    (
        Parameter("file", (str,), required=True),
        Parameter("header", (bool,), True),
        Parameter("columns", (list,), None),
        Parameter("delimiter", (str,), ","),
        Parameter("encoding", (str,), "utf-8"),
        Parameter("missing", (str, int, float), "error"),
    ),
    'csv("file.csv", header=true, columns=["a", "b"], delimiter=",", encoding="utf-8", missing="error" or "drop" or a number)',
)
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
TRUTH = {"true": True, "false": False}
BLOCK = 20_000  # rows
LARGEST = float(np.finfo(np.float32).max)
HEAD = 2_000  # rows that a schema is taken from


class Cells:
    """One csv file with its arguments: gives its column names, then blocks of rows with their line numbers."""

    def __init__(self, call: SourceCall, base: Path) -> None:
        arguments = SIGNATURE.bind(call)
        self.span = span_of(call.place, len(call.kind))
        self.name = told(str(arguments["file"]))
        self.header = bool(arguments["header"])
        self.given: list[object] | None = arguments["columns"]
        self.delimiter = str(arguments["delimiter"])
        self.encoding = str(arguments["encoding"])
        self.missing: str | int | float = arguments["missing"]
        if isinstance(self.missing, str) and self.missing not in ("error", "drop"):
            SIGNATURE.refuse(call, 'missing is "error", "drop" or a number')
        if len(self.delimiter) != 1 or self.delimiter in '\n\r"':
            SIGNATURE.refuse(call, "delimiter is one character")
        try:
            "".encode(self.encoding)
        except (LookupError, ValueError):
            SIGNATURE.refuse(call, f'there is no encoding "{self.encoding}"')
        self.path = located(call, str(arguments["file"]), base)

    @contextmanager
    def opened(self) -> Iterator[tuple[tuple[str, ...], Iterator[tuple[int, list[str]]]]]:
        """The names, and the rows with their line numbers; blank lines are passed over."""
        encoding = "utf-8-sig" if self.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else self.encoding
        try:
            with self.path.open(encoding=encoding, newline="") as file:
                reader = csv.reader(file, delimiter=self.delimiter, skipinitialspace=True)
                rows = ((reader.line_num, row) for row in reader if row)
                first = next(rows, None)
                if first is None:
                    raise InputFaults(EmptyData(self.span, self.name))
                yield self.names(first[1]), rows if self.header else _chained(first, rows)
        except UnicodeDecodeError:
            raise InputFaults(WrongEncoding(self.span, self.name, self.encoding, self.undecodable(encoding))) from None
        except (OSError, csv.Error) as error:
            problem = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise InputFaults(UnreadableFile(self.span, self.name, problem)) from None

    def names(self, first: list[str]) -> tuple[str, ...]:
        if self.given is not None:
            names = [str(n) for n in self.given]
            if len(names) != len(first):
                raise InputFaults(RaggedRow(self.span, self.name, 1, len(first), len(names)))
        elif self.header:
            names = [cell.strip() for cell in first]
        else:
            names = [f"c{i}" for i in range(1, len(first) + 1)]
        for i, name in enumerate(names):
            if name in names[:i]:
                raise InputFaults(DuplicateColumn(self.span, self.name, name))
        return tuple(names)

    def undecodable(self, encoding: str) -> int:
        """The first line that is not in the encoding."""
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    line.decode(encoding)
                except UnicodeDecodeError:
                    return number
        return 1

    def blocks(
        self, width: int, rows: Iterator[tuple[int, list[str]]], size: int
    ) -> Iterator[tuple[list[int], list[tuple[str, ...]]]]:
        """Line numbers and columns of cells, `size` rows at a time."""
        while block := list(islice(rows, size)):
            for line, row in block:
                if len(row) != width:
                    raise InputFaults(RaggedRow(self.span, self.name, line, len(row), width))
            yield [line for line, _ in block], list(zip(*(row for _, row in block), strict=True))


def _chained(first: tuple[int, list[str]], rest: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from rest


def schema(call: SourceCall, base: Path) -> Schema:
    """The columns with their kinds, from the first rows."""
    cells = Cells(call, base)
    with cells.opened() as (names, rows):
        for _, columns in cells.blocks(len(names), rows, HEAD):
            return {name: Field(_guess(column), ()) for name, column in zip(names, columns, strict=True)}
    raise InputFaults(EmptyData(cells.span, cells.name))


def _guess(cells: tuple[str, ...]) -> Dtype:
    """The kind that these cells have in common; missing ones do not count."""
    known = [c for c in cells if c.strip().lower() not in MISSING]
    if known and all(c.strip().lower() in TRUTH for c in known):
        return "bool"
    try:
        np.array(known or ["0.5"]).astype(np.int64)
        return "int"
    except (ValueError, OverflowError):
        pass
    numbers = sum(map(_finite, known))
    return "float" if 2 * numbers > len(known) or not known else "text"  # among numbers, a word is a fault for `read` to tell


class Column:
    """One wanted column as it grows block by block."""

    def __init__(self, cells: Cells, name: str, words: bool) -> None:
        self.cells, self.name, self.words = cells, name, words
        self.blocks: list[Array] = []
        self.truth: bool | None = None

    def add(self, lines: list[int], column: tuple[str, ...], keep: Array) -> None:
        """Takes a block; rows with a missing value are marked in `keep` where they are to be dropped."""
        texts = [cell.strip() for cell in column]
        if not MISSING.isdisjoint({t.lower() for t in texts}):
            self.fill(lines, texts, keep)
        self.blocks.append(np.array(texts) if self.words else self.numbers(lines, texts))

    def fill(self, lines: list[int], texts: list[str], keep: Array) -> None:
        stand_in = next((t for t in texts if t.lower() not in MISSING), "0")
        for i, text in enumerate(texts):
            if text.lower() in MISSING:
                if self.cells.missing == "error":
                    raise InputFaults(MissingValue(self.cells.span, self.cells.name, f"line {lines[i]}", self.name))
                if self.cells.missing == "drop":
                    keep[i], texts[i] = False, stand_in
                else:
                    texts[i] = str(self.cells.missing)

    def numbers(self, lines: list[int], texts: list[str]) -> Array:
        if self.truth is None:
            self.truth = texts[0].lower() in TRUTH
        if self.truth and all(t.lower() in TRUTH for t in texts):
            return np.array([TRUTH[t.lower()] for t in texts])
        array = np.array(texts)
        try:
            return array.astype(np.int64)
        except (ValueError, OverflowError):
            pass
        try:
            numbers: Array = array.astype(np.float64)
            if np.isfinite(numbers.astype(np.float32)).all():
                return numbers
        except ValueError:
            pass
        raise self.bad(lines, texts)

    def bad(self, lines: list[int], texts: list[str]) -> InputFaults:
        """The fault of the first cell that is no number; a column of nothing but words is told as such."""
        numeric = [_finite(t) for t in texts]
        at = numeric.index(False) if False in numeric else 0
        if not any(numeric) and not self.blocks:
            return InputFaults(TextColumn(self.cells.span, self.cells.name, self.name, texts[at]))
        return InputFaults(BadCell(self.cells.span, self.cells.name, lines[at], self.name, texts[at]))

    def whole(self) -> Array:
        return storage(np.concatenate(self.blocks))


def _finite(text: str) -> bool:
    try:
        return abs(float(text)) <= LARGEST
    except ValueError:
        return False


def read(call: SourceCall, base: Path, wanted: list[str], categories: list[str]) -> Table:
    """The wanted columns."""
    cells = Cells(call, base)
    size, limit = cells.path.stat().st_size, usable()
    if size > limit:
        raise InputFaults(TooLarge(cells.span, cells.name, size, limit))
    lines: list[Array] = []
    with cells.opened() as (names, rows), np.errstate(over="ignore"):
        columns = {name: Column(cells, name, name in categories) for name in wanted}
        keeps: list[Array] = []
        for numbers, block in cells.blocks(len(names), rows, BLOCK):
            keep = np.ones(len(numbers), dtype=bool)
            for name, column in columns.items():
                column.add(numbers, block[names.index(name)], keep)
            keeps.append(keep)
            lines.append(np.array(numbers))
    if not lines or not np.concatenate(keeps).any():
        raise InputFaults(EmptyData(cells.span, cells.name))
    kept = np.concatenate(keeps)
    return Table(cells.name, {name: column.whole()[kept] for name, column in columns.items()}, np.concatenate(lines)[kept])

"""`csv(file)`: a text file of rows and cells.

Read in blocks, so a cell never lives longer than its block; every fault names the line and the column. Numbers are finite; words are read
only where `categories` or a comparison takes them. A column is whole numbers if all its cells are, truth values if its cells are
`true` and `false`.
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
    RaggedRow,
    TextColumn,
    UnreadableFile,
)
from ..stops import InputFaults, span_of
from .calls import MISSING, Parameter, Signature, Wanted, located, missing_policy, told, undecodable
from .collecting import Collector, in_blocks
from .memory import refuse_too_large
from .table import Array, Dtype, Field, Schema, Table

SIGNATURE = Signature(
    "csv",
    (
        Parameter("file", (str,), required=True),
        Parameter("header", (bool,), True),
        Parameter("columns", (list,), None),
        Parameter("delimiter", (str,), ","),
        Parameter("encoding", (str,), "utf-8"),
        MISSING,
    ),
    'csv("file.csv", header=true, columns=["a", "b"], delimiter=",", encoding="utf-8", missing="error" or "drop" or a number)',
)
MISSING_WORDS = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
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
        self.missing = missing_policy(SIGNATURE, call, arguments["missing"])
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
        except UnicodeError:
            raise InputFaults(undecodable(self.span, "csv", self.path, self.name, self.encoding)) from None
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
    known = [c for c in cells if c.strip().lower() not in MISSING_WORDS]
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
    """One wanted column, block by block: its cells as numbers or words, and where they are missing."""

    def __init__(self, cells: Cells, name: str, words: bool) -> None:
        self.cells, self.name, self.words = cells, name, words
        self.truth: bool | None = None
        self.begun = False

    def block(self, lines: list[int], column: tuple[str, ...]) -> tuple[Array, Array | None]:
        texts = [cell.strip() for cell in column]
        gone = None
        if not MISSING_WORDS.isdisjoint({t.lower() for t in texts}):
            gone = np.array([t.lower() in MISSING_WORDS for t in texts])
            stand_in = next((t for t in texts if t.lower() not in MISSING_WORDS), "0")
            texts = [stand_in if away else t for t, away in zip(texts, gone.tolist(), strict=True)]
        values = np.array(texts) if self.words else self.numbers(lines, texts)
        self.begun = True
        return values, gone

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
        if not any(numeric) and not self.begun:
            return InputFaults(TextColumn(self.cells.span, self.cells.name, self.name, texts[at]))
        return InputFaults(BadCell(self.cells.span, self.cells.name, lines[at], self.name, texts[at]))


def _finite(text: str) -> bool:
    try:
        return abs(float(text)) <= LARGEST
    except ValueError:
        return False


def read(call: SourceCall, base: Path, wanted: Wanted) -> Table:
    """The wanted columns."""
    cells = Cells(call, base)
    refuse_too_large(cells.span, cells.name, cells.path.stat().st_size)
    *_, collector = collected(cells, wanted)
    return collector.table()


def stream(call: SourceCall, base: Path, wanted: Wanted) -> Iterator[Table]:
    """The wanted columns, a block of rows after the other."""
    return in_blocks(collected(Cells(call, base), wanted))


def collected(cells: Cells, wanted: Wanted) -> Iterator[Collector]:
    """One collector, again after each block that it was given, and before the first."""
    collector = Collector(cells.span, cells.name, wanted, cells.missing)
    yield collector
    with cells.opened() as (names, rows), np.errstate(over="ignore"):
        columns = {name: Column(cells, name, name in wanted.words) for name in wanted.names}
        for lines, block in cells.blocks(len(names), rows, BLOCK):
            found = {name: column.block(lines, block[names.index(name)]) for name, column in columns.items()}
            gone = {name: away for name, (_, away) in found.items() if away is not None}
            collector.add({name: values for name, (values, _) in found.items()}, gone, np.array(lines))
            yield collector

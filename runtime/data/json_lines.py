"""`json(file)`: a text file with an object a line, `{"x": [1.5, 2], "label": "cat"}`.

Values are numbers, truth values, words, and lists of them; `null`, or a key that is not there, is a missing value. Lists of one length are
rows of that shape, lists of different length are sequences.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ...compiler.plan import SourceCall
from ..faults.data import DuplicateColumn, EmptyData, TextColumn, UnreadableFile
from ..faults.files import BadLine, UnsupportedColumn
from ..stops import InputFaults, span_of
from .calls import MISSING, POLICY, Parameter, Signature, Wanted, located, missing_policy, told, undecodable
from .collecting import Collector, in_blocks
from .lists import Place, converted, guess, named_sizes
from .memory import refuse_too_large
from .table import Field, Schema, Table

SIGNATURE = Signature("json", (Parameter("file", (str,), required=True), MISSING), f'json("file.jsonl", {POLICY})')
HEAD = 2_000  # rows that a schema is taken from
BLOCK = 8_192  # rows
LONGEST = 2**26  # characters of a line
Row = tuple[int, dict[str, Any]]


class Lines:
    """One opened file: gives its objects with their line numbers."""

    def __init__(self, call: SourceCall, base: Path) -> None:
        arguments = SIGNATURE.bind(call)
        self.span = span_of(call.place, len(call.kind))
        self.name = told(str(arguments["file"]))
        self.missing = missing_policy(SIGNATURE, call, arguments["missing"])
        self.path = located(call, str(arguments["file"]), base)

    def rows(self) -> Iterator[Row]:
        number = 0
        try:
            with self.path.open(encoding="utf-8-sig", newline="\n") as file:
                while line := file.readline(LONGEST):
                    number += 1
                    if len(line) == LONGEST:
                        raise self.bad(number, f"it is longer than {LONGEST:,} characters")
                    if line.strip():
                        yield number, self.parsed(number, line)
        except UnicodeError:
            raise InputFaults(undecodable(self.span, "json", self.path, self.name, "utf-8")) from None
        except OSError as error:
            raise InputFaults(UnreadableFile(self.span, self.name, error.strerror or str(error))) from None

    def parsed(self, number: int, line: str) -> dict[str, Any]:
        def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
            made = dict(found)
            if len(made) < len(found):
                names = [name for name, _ in found]
                raise InputFaults(
                    DuplicateColumn(self.span, f"line {number} of {self.name}", next(n for n in names if names.count(n) > 1))
                )
            return made

        try:
            value = json.loads(line, object_pairs_hook=pairs)
        except json.JSONDecodeError as error:
            where = "the line ends too early" if error.pos >= len(line.rstrip()) else f"column {error.colno} is not understood"
            raise self.bad(number, f"this is no JSON: {where} ({error.msg})") from None
        except (RecursionError, ValueError) as error:
            problem = "it is nested too deep" if isinstance(error, RecursionError) else "a number in it has too many digits"
            raise self.bad(number, problem) from None
        if not isinstance(value, dict):
            what = "a list" if isinstance(value, list) else "a single value"
            raise self.bad(number, f'it is {what}, and each line is to be an object such as {{"x": 1}}')
        return value

    def bad(self, number: int, problem: str) -> InputFaults:
        return InputFaults(BadLine(self.span, self.name, number, problem))


def schema(call: SourceCall, base: Path) -> Schema:
    """The columns with their kinds, from the first rows; what is of no kind that is read is left out."""
    lines = Lines(call, base)
    head = _first(lines)
    fields = {name: field for name, field in _head(head).items() if field is not None}
    return named_sizes(fields, lambda name: tuple(len(row.get(name) or ()) for row in head))


def _first(lines: Lines) -> list[dict[str, Any]]:
    head = [row for _, row in islice(lines.rows(), HEAD)]
    if not head:
        raise InputFaults(EmptyData(lines.span, lines.name))
    return head


def _head(head: list[dict[str, Any]]) -> dict[str, Field | None]:
    names = list(dict.fromkeys(name for row in head for name in row))
    return {name: guess([row.get(name) for row in head]) for name in names}


def refuse_unsupported(call: SourceCall, base: Path, names: list[str]) -> None:
    """Raises a fault for each of these columns that is there but of a kind that cannot be a column."""
    lines = Lines(call, base)
    found = _head(_first(lines))
    faults = [UnsupportedColumn(lines.span, lines.name, n, "mixed kinds, or of objects") for n in names if n in found]
    if faults:
        raise InputFaults(*faults)


def read(call: SourceCall, base: Path, wanted: Wanted) -> Table:
    """The wanted columns."""
    lines = Lines(call, base)
    refuse_too_large(lines.span, lines.name, lines.path.stat().st_size)
    *_, collector = collected(lines, schema(call, base), wanted)
    return collector.table()


def stream(call: SourceCall, base: Path, wanted: Wanted) -> Iterator[Table]:
    """The wanted columns, a block of rows after the other."""
    return in_blocks(collected(Lines(call, base), schema(call, base), wanted))


def collected(lines: Lines, fields: Schema, wanted: Wanted) -> Iterator[Collector]:
    """One collector, again after each block that it was given, and before the first."""
    collector = Collector(lines.span, lines.name, wanted, lines.missing)
    yield collector
    rows = lines.rows()
    while block := list(islice(rows, BLOCK)):
        numbers = [number for number, _ in block]
        called = [f"line {number}" for number in numbers]
        columns, gone = {}, {}
        for name in wanted.names:
            place = Place(lines.span, lines.name, name, called)
            columns[name], away = converted([row.get(name) for _, row in block], fields[name], place)
            if fields[name].dtype == "text" and name not in wanted.words:
                raise InputFaults(TextColumn(lines.span, lines.name, name, str(next(iter(block))[1].get(name))))
            if away is not None:
                gone[name] = away
        collector.add(columns, gone, np.array(numbers))
        yield collector

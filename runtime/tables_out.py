"""Predictions as files, written row by row: what is held in memory does not grow with the rows.

Comes in: chunks of named columns, one row an example. Goes out: csv (a line a row), json (an array of objects), jsonl (an object a line),
parquet (a row group a chunk), npz (an array an output). Rows of different length, a list of arrays, are lists in json, jsonl and parquet;
in npz one array with `NAME_offsets`, as archc reads sequences. A file appears whole or not at all; `-` is standard output.
"""

import csv
import io
import json
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from ..dsl.span import NOWHERE
from .data.table import Array
from .faults.exports import PackageMissing, SequencesInCells
from .faults.runs import UnknownFormat
from .files import drafted
from .stops import Misused

FORMATS = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".npz")
Cells = Array | list[Array]
"""A column of a chunk: an array, or the rows one by one where their sizes differ."""
Chunk = Mapping[str, Cells]


class Writer(Protocol):
    """Takes the chunks of a table in their order; all have the same names."""

    def rows(self, chunk: Chunk) -> None: ...
    def end(self) -> None: ...


def flat(chunk: Chunk) -> dict[str, Array]:
    """A column for each number of a row: `logits_0`, `logits_1`, … of an output with ten, `image_0_3` of one with two dims."""
    columns: dict[str, Array] = {}
    for name, array in chunk.items():
        assert not isinstance(array, list), "check_sequences refuses them"
        if array.ndim == 1:
            columns[name] = array
            continue
        for place in np.ndindex(*array.shape[1:]):
            columns["_".join([name, *map(str, place)])] = array[(slice(None), *place)]
    return columns


def plain(array: Array) -> list[Any]:
    """Values as text formats write them: float32 in the fewest digits that mean it."""
    if array.dtype == np.float32:
        return [float(str(value)) for value in array]
    return list(array.tolist())


class Lines:
    """csv, or tsv."""

    def __init__(self, file: BinaryIO, delimiter: str = ",") -> None:
        self.text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self.writer = csv.writer(self.text, delimiter=delimiter, lineterminator="\n")
        self.begun = False

    def rows(self, chunk: Chunk) -> None:
        columns = flat(chunk)
        if not self.begun:
            self.writer.writerow(columns)
            self.begun = True
        self.writer.writerows(zip(*map(plain, columns.values()), strict=True))

    def end(self) -> None:
        self.text.detach()


class Objects:
    """json, or jsonl: an object a row, with nested lists for outputs of more than one number."""

    def __init__(self, file: BinaryIO, lines: bool) -> None:
        self.file, self.lines, self.begun = file, lines, False

    def rows(self, chunk: Chunk) -> None:
        columns = [
            [_nested(a[None])[0] for a in cells] if isinstance(cells, list) else _nested(cells) for cells in chunk.values()
        ]
        for values in zip(*columns, strict=True):
            said = json.dumps(dict(zip(chunk, values, strict=True)), ensure_ascii=False)
            between = "" if self.lines else ",\n" if self.begun else "[\n"
            self.file.write(f"{between}{said}{chr(10) if self.lines else ''}".encode())
            self.begun = True

    def end(self) -> None:
        if not self.lines:
            self.file.write(b"\n]\n" if self.begun else b"[]\n")


def _nested(array: Array) -> list[Any]:
    """As lists; what is no number or infinite, which JSON has no word for, as null."""
    if array.dtype.kind != "f":
        return list(array.tolist())
    values = [value if np.isfinite(value) else None for value in plain(array.reshape(-1))]
    for size in reversed(array.shape[1:]):
        values = [values[i : i + size] for i in range(0, len(values), size)] if size else []
    return values


class Parquet:
    """parquet, by pyarrow."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.writer: Any = None

    def rows(self, chunk: Chunk) -> None:
        import pyarrow
        from pyarrow import parquet

        single = flat({name: cells for name, cells in chunk.items() if not isinstance(cells, list)})
        table = pyarrow.table(
            {name: pyarrow.array(np.ascontiguousarray(values)) for name, values in single.items()}
            | {name: _lists(cells) for name, cells in chunk.items() if isinstance(cells, list)}
        )
        if self.writer is None:
            self.writer = parquet.ParquetWriter(self.file, table.schema)
        self.writer.write_table(table)

    def end(self) -> None:
        if self.writer is not None:
            self.writer.close()


def _lists(rows: list[Array]) -> Any:
    """Rows as nested lists of Arrow."""
    import pyarrow

    kind = pyarrow.from_numpy_dtype(rows[0].dtype)
    for _ in range(rows[0].ndim):
        kind = pyarrow.list_(kind)
    return pyarrow.array([row.tolist() for row in rows], kind)


class Arrays:
    """npz: the values of each output are gathered in a file of their own first, as an array says its length at its beginning."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.parts: dict[str, BinaryIO] = {}
        self.first: dict[str, Array] = {}
        self.count: dict[str, int] = {}

    def rows(self, chunk: Chunk) -> None:
        for name, cells in chunk.items():
            if isinstance(cells, list):
                start = self.count.get(name, 0)
                ends = start + np.cumsum([len(row) for row in cells], dtype=np.int64)
                self.add(f"{name}_offsets", ends if start else np.concatenate([np.zeros(1, np.int64), ends]))
                self.add(name, np.concatenate(cells))
            else:
                self.add(name, cells)

    def add(self, name: str, array: Array) -> None:
        """Further values of an array."""
        if name not in self.parts:
            self.parts[name] = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end
            self.first[name] = array[:0]
            self.count[name] = 0
        self.parts[name].write(np.ascontiguousarray(array, dtype=self.first[name].dtype).tobytes())
        self.count[name] += len(array)

    def end(self) -> None:
        with zipfile.ZipFile(self.file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, part in self.parts.items():
                array = self.first[name]
                header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False}
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array_header_2_0(entry, header | {"shape": (self.count[name], *array.shape[1:])})
                    part.seek(0)
                    while block := part.read(1 << 20):
                        entry.write(block)
                part.close()


def check(path: str) -> None:
    """A stop where the ending of a file to be written says no format, or needs a package that is not there."""
    ending = ending_of(path)
    if ending not in FORMATS:
        raise Misused(UnknownFormat(NOWHERE, path, FORMATS))
    if ending == ".parquet":
        from importlib.util import find_spec

        if find_spec("pyarrow") is None:
            raise Misused(PackageMissing(NOWHERE, "pyarrow", "writing parquet", "pyarrow"))


def check_sequences(path: str, sequences: Mapping[str, bool]) -> None:
    """A stop where outputs of different length do not fit the format; of each is said whether its first dim alone varies."""
    ending = ending_of(path)
    bad = {
        ".csv": list(sequences),
        ".tsv": list(sequences),
        ".npz": [name for name, leads in sequences.items() if not leads],
    }.get(ending)
    if bad:
        better = "out.jsonl" if path == "-" else Path(path).with_suffix(".jsonl").name
        raise Misused(SequencesInCells(NOWHERE, "csv on standard output" if path == "-" else path, tuple(bad), better))


def ending_of(path: str) -> str:
    return ".csv" if path == "-" else Path(path).suffix.lower()


@contextmanager
def written(path: str) -> Iterator[Writer]:
    """A writer for the file; it appears when the block ends well. Folders on the way are made."""
    with ExitStack() as stack:
        if path == "-":
            sys.stdout.flush()
            file: BinaryIO = sys.stdout.buffer
        else:
            target = Path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(drafted(target.parent, target.name, lambda: target.name))
        writer = _writer(ending_of(path), file)
        yield writer
        writer.end()
        file.flush()


def _writer(ending: str, file: BinaryIO) -> Writer:
    match ending:
        case ".csv" | ".tsv":
            return Lines(file, "\t" if ending == ".tsv" else ",")
        case ".json" | ".jsonl":
            return Objects(file, lines=ending == ".jsonl")
        case ".parquet":
            return Parquet(file)
    return Arrays(file)

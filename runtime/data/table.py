"""What a source gives: named columns with one row an example.

A `Table` that exists is whole: its columns have one length of at least one row, and no value is missing but where the data
program fills it.
A column is an array (in memory, or mapped from a file), sequences of different length, or files that are decoded when they are asked for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Dtype = Literal["float", "int", "bool", "text"]
Array = NDArray[Any]
Rows = NDArray[np.int64]
PARTS = ("train", "validation", "test")
SAMPLED = 2**30  # bytes above which a fingerprint looks at blocks of a column
BLOCK = 2**20


class Field(NamedTuple):
    """The kind of a column and the shape of one row of it; kinds are those of the language, and `text`. A name is a size that varies."""

    dtype: Dtype
    shape: tuple[int | str, ...]


Schema = dict[str, Field]


class Files(Protocol):
    """Rows that are read from their files when they are asked for."""

    @property
    def field(self) -> Field: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: Rows) -> Array:
        """The rows, stacked."""

    def identity(self) -> bytes:
        """What is equal where the rows are."""


@dataclass(frozen=True)
class Ragged:
    """Sequences: row `i` is `values[offsets[i]:offsets[i + 1]]`; `symbol` names the size that varies."""

    values: Array
    offsets: Rows
    symbol: str = "T"

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Rows:
        return np.diff(self.offsets)

    @property
    def field(self) -> Field:
        return Field(kind_of(self.values.dtype) or "text", (self.symbol, *self.values.shape[1:]))

    def __getitem__(self, rows: Rows) -> Array:
        """The rows padded with zeros at their ends, as long as the longest of them (at least 1)."""
        starts, lengths = self.offsets[rows], self.lengths[rows]
        steps = np.arange(max(1, int(lengths.max(initial=0))))
        inside = steps < lengths[:, None]
        found = np.zeros((*inside.shape, *self.values.shape[1:]), self.values.dtype)
        found[inside] = self.values[(starts[:, None] + steps)[inside]]
        return found


Column = Array | Ragged | Files


def kind_of(dtype: np.dtype[Any]) -> Dtype | None:
    """The kind of an array, none where it is none of the four."""
    if dtype.kind == "b":
        return "bool"
    if dtype.kind in "iu":
        return "int"
    if dtype.kind == "f":
        return "float"
    return "text" if dtype.kind in "US" else None


def field_of(column: Column) -> Field:
    """The kind of a column and the shape of one row of it."""
    if isinstance(column, np.ndarray):
        return Field(kind_of(column.dtype) or "text", tuple(column.shape[1:]))
    return column.field


def storage(array: Array) -> Array:
    """The array as it is kept: float32, whole numbers of any width, bool, or words. What lies in a file stays as it lies there."""
    if isinstance(array, np.memmap):
        return array
    match kind_of(array.dtype):
        case "float":
            with np.errstate(over="ignore"):
                return np.ascontiguousarray(array, dtype=np.float32)
        case "int":
            return np.ascontiguousarray(
                array, dtype=np.int64 if array.dtype.kind == "u" and array.itemsize == 8 else array.dtype.newbyteorder("=")
            )
        case "text" if array.dtype.kind == "S":
            return array.astype(np.str_)
        case _:
            return np.ascontiguousarray(array)


def computed(array: Array) -> Array:
    """The array as columns are computed from it: numbers are float32 or int64."""
    kind = {"float": np.float32, "int": np.int64}.get(kind_of(array.dtype) or "")
    return array if kind is None else array.astype(kind, copy=False)


@dataclass(frozen=True)
class Table:
    """`name` is how messages call the source; `lines` maps a row to its line in a text file, where there is one.

    `alphabets` are the values of columns that the source itself numbers, in order (characters of a text, folders of images).
    `parts` are the parts that the source itself has: 0 train, 1 validation, 2 test for each row. `first` is which row of the source
    the first one is, where the table is a block of it.
    """

    name: str
    columns: Mapping[str, Any]  # each a `Column`
    lines: Array | None = None
    alphabets: Mapping[str, list[Any]] = field(default_factory=dict)
    parts: Array | None = None
    first: int = 0

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def place(self, row: int) -> str:
        """Where a row stands, as a person finds it."""
        return f"line {self.lines[row]}" if self.lines is not None else f"row {self.first + row}"

    def schema(self) -> Schema:
        return {name: field_of(column) for name, column in self.columns.items()}

    def fingerprint(self, names: Iterable[str]) -> str:
        """A hash of the values of the named columns: equal tables give equal runs.

        Of files, and in large columns, a sample is looked at.
        """
        from hashlib import blake2b

        digest = blake2b(digest_size=16)
        for name in sorted(n for n in names if n in self.columns):
            column = self.columns[name]
            if isinstance(column, np.ndarray):
                _digest(digest, name, column)
            elif isinstance(column, Ragged):
                _digest(digest, name, column.values)
                _digest(digest, f"{name}.offsets", column.offsets)
            else:
                digest.update(f"{name};".encode() + column.identity())
        return digest.hexdigest()


def _digest(digest: Any, name: str, array: Array) -> None:
    digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
    if not array.size:
        return
    flat = np.ascontiguousarray(array).reshape(-1) if array.nbytes <= SAMPLED else array.reshape(-1)
    if array.nbytes <= SAMPLED:
        digest.update(flat.view(np.uint8).data)
        return
    step = max(1, BLOCK // flat.itemsize)
    for start in np.linspace(0, len(flat) - step, 64, dtype=np.int64).tolist():
        digest.update(np.ascontiguousarray(flat[start : start + step]).view(np.uint8).data)

"""What a source gives: named columns with one row an example, as numpy arrays of four kinds.

A `Table` that exists is whole: its columns have one length of at least one row, no value is missing, every number is finite.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Dtype = Literal["float", "int", "bool", "text"]
Array = NDArray[Any]


class Field(NamedTuple):
    """The kind of a column and the shape of one row of it; kinds are those of the language, and `text`."""

    dtype: Dtype
    shape: tuple[int, ...]


Schema = dict[str, Field]


def kind_of(dtype: np.dtype[Any]) -> Dtype | None:
    """The kind of an array, none where it is none of the four."""
    if dtype.kind == "b":
        return "bool"
    if dtype.kind in "iu":
        return "int"
    if dtype.kind == "f":
        return "float"
    return "text" if dtype.kind in "US" else None


def storage(array: Array) -> Array:
    """The array as it is kept: float32, int64, bool, or words."""
    match kind_of(array.dtype):
        case "float":
            with np.errstate(over="ignore"):
                return np.ascontiguousarray(array, dtype=np.float32)
        case "int":
            return np.ascontiguousarray(array, dtype=np.int64)
        case "text" if array.dtype.kind == "S":
            return array.astype(np.str_)
        case _:
            return np.ascontiguousarray(array)


@dataclass(frozen=True)
class Table:
    """`name` is how messages call the source; `lines` maps a row to its line in a text file, where there is one."""

    name: str
    columns: dict[str, Array]
    lines: Array | None = None

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def place(self, row: int) -> str:
        """Where a row stands, as a person finds it."""
        return f"line {self.lines[row]}" if self.lines is not None else f"row {row}"

    def schema(self) -> Schema:
        return {name: Field(kind_of(a.dtype) or "text", tuple(a.shape[1:])) for name, a in self.columns.items()}

    def fingerprint(self, names: Iterable[str]) -> str:
        """A hash of the values of the named columns: equal tables give equal runs."""
        from hashlib import blake2b

        digest = blake2b(digest_size=16)
        for name in sorted(names):
            array = self.columns[name]
            digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
            digest.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
        return digest.hexdigest()

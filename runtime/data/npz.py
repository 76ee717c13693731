"""`npz(file)`: the arrays of a numpy archive, a column each.

Headers are read first, so a file that unpacks to more than memory is refused before it does; objects are never unpickled.
"""

import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from ...compiler.plan import SourceCall
from ..faults.data import EmptyData, MissingValue, RowsDisagree, TooLarge, UnreadableFile, UnsupportedArray
from ..stops import InputFaults, span_of
from .calls import Parameter, Signature, located, told
from .memory import usable
from .table import Array, Field, Schema, Table, kind_of, storage

SIGNATURE = Signature(
    "npz",
    (Parameter("file", (str,), required=True), Parameter("missing", (str, int, float), "error")),
    'npz("file.npz", missing="error" or "drop" or a number)',
)
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError, SyntaxError)


class Header(NamedTuple):
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        size = self.dtype.itemsize
        for n in self.shape:
            size *= n
        return size


class Archive:
    """One opened file; every failure of it is a fault at the source's call."""

    def __init__(self, call: SourceCall, base: Path) -> None:
        arguments = SIGNATURE.bind(call)
        self.span = span_of(call.place, len(call.kind))
        self.name = told(str(arguments["file"]))
        self.missing = arguments["missing"]
        if isinstance(self.missing, str) and self.missing not in ("error", "drop"):
            SIGNATURE.refuse(call, 'missing is "error", "drop" or a number')
        self.path = located(call, str(arguments["file"]), base)

    def headers(self) -> dict[str, Header]:
        """All arrays by name, and what their headers say."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                names = [n for n in archive.namelist() if n.endswith(".npy")]
                found: dict[str, Header] = {}
                for name in names:
                    with archive.open(name) as member:
                        found[name.removesuffix(".npy")] = _header(member)
        except BROKEN as error:
            raise self.unreadable(error) from None
        if not found:
            raise InputFaults(UnreadableFile(self.span, self.name, "it holds no arrays"))
        return found

    def array(self, name: str) -> Array:
        """One array, read whole."""
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as member:
                header = _header(member)
                data = member.read(header.size)
                if len(data) < header.size or member.read(1):
                    raise EOFError(f"array {name} is not as long as its header says")
        except BROKEN as error:
            raise self.unreadable(error) from None
        return np.frombuffer(data, header.dtype).reshape(header.shape, order="F" if header.fortran else "C")

    def unreadable(self, error: Exception) -> InputFaults:
        if isinstance(error, zipfile.BadZipFile):
            return InputFaults(UnreadableFile(self.span, self.name, f"it is no npz archive, or it was cut short ({error})"))
        return InputFaults(UnreadableFile(self.span, self.name, str(error) or type(error).__name__))


def _header(member: IO[bytes]) -> Header:
    version = npy.read_magic(member)
    shape, fortran, dtype = npy.read_array_header_1_0(member) if version == (1, 0) else npy.read_array_header_2_0(member)
    return Header(tuple(int(n) for n in shape), bool(fortran), dtype)


def schema(call: SourceCall, base: Path) -> Schema:
    """The columns of the file from its headers; arrays that cannot be columns are left out."""
    fields: Schema = {}
    for name, header in Archive(call, base).headers().items():
        kind = kind_of(header.dtype)
        if kind is not None and header.shape:
            fields[name] = Field(kind, header.shape[1:])
    return fields


def read(call: SourceCall, base: Path, wanted: list[str], categories: list[str]) -> Table:
    """The wanted columns, checked: sizes before reading, then missing values."""
    archive = Archive(call, base)
    headers = archive.headers()
    size, limit = sum(headers[n].size for n in wanted), usable()
    if size > limit:
        raise InputFaults(TooLarge(archive.span, archive.name, size, limit))
    lengths = tuple((n, headers[n].shape[0]) for n in wanted)
    if len({rows for _, rows in lengths}) > 1:
        raise InputFaults(RowsDisagree(archive.span, archive.name, lengths))
    if any(rows == 0 for _, rows in lengths):
        raise InputFaults(EmptyData(archive.span, archive.name))
    return _complete(archive, {n: storage(archive.array(n)) for n in wanted})


def refuse_unsupported(call: SourceCall, base: Path, names: list[str]) -> None:
    """Raises a fault for each of these arrays that is there but of a kind that cannot be a column."""
    archive = Archive(call, base)
    headers = archive.headers()
    faults = [UnsupportedArray(archive.span, archive.name, n, _described(headers[n])) for n in names if n in headers]
    if faults:
        raise InputFaults(*faults)


def _described(header: Header) -> str:
    return "objects" if header.dtype.hasobject else "a single value" if not header.shape else str(header.dtype)


def _complete(archive: Archive, columns: dict[str, Array]) -> Table:
    """The table without missing values, by the policy of the call."""
    rows = len(next(iter(columns.values()))) if columns else 0
    kept = np.ones(rows, dtype=bool)
    for name, array in columns.items():
        if array.dtype.kind != "f" or np.isfinite(array).all():
            continue
        bad = ~np.isfinite(array)
        if archive.missing == "error":
            row = int(np.argmax(bad.reshape(rows, -1).any(axis=1)))
            raise InputFaults(MissingValue(archive.span, archive.name, f"row {row}", name))
        if archive.missing == "drop":
            kept &= ~bad.reshape(rows, -1).any(axis=1)
        else:
            columns[name] = np.where(bad, np.float32(archive.missing), array)
    if kept.all():
        return Table(archive.name, columns)
    if not kept.any():
        raise InputFaults(EmptyData(archive.span, archive.name))
    return Table(archive.name, {n: a[kept] for n, a in columns.items()})

"""`npz(file)`: the arrays of a numpy archive, a column each. `x` with `x_offsets` is a column of sequences: row i is
x[offsets[i]:offsets[i+1]].

Headers are read first, so a file that unpacks to more than there is room for is refused before it does; objects are never unpickled.
"""

import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from ...compiler.plan import SourceCall
from ..faults.data import UnreadableFile, UnsupportedArray
from ..stops import InputFaults, span_of
from .calls import MISSING, Parameter, Signature, Wanted, is_utf8, located, missing_policy, not_utf8, told
from .collecting import BLOCK, Collector, one_length, selected
from .lists import named_sizes
from .memory import HELD, Growing, refuse_too_large
from .table import Array, Field, Ragged, Schema, Table, kind_of, storage

SIGNATURE = Signature(
    "npz",
    (Parameter("file", (str,), required=True), MISSING),
    'npz("file.npz", missing="error" or "drop" or a number)',
)
OFFSETS = "_offsets"
UNPACKED = 2**24  # bytes
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
        self.missing = missing_policy(SIGNATURE, call, arguments["missing"])
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
        """One array: mapped where it is large and stored as it is, else read, into a file where it is large."""
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as member:
                header = _header(member)
                flat = self.mapped(archive.getinfo(f"{name}.npy"), header) if header.size > HELD else None
                if flat is None:
                    flat = self.unpacked(name, member, header)
        except BROKEN as error:
            raise self.unreadable(error) from None
        whole = flat.reshape(header.shape, order="F" if header.fortran else "C")
        return self.decoded(name, whole) if whole.dtype.kind == "S" else whole

    def decoded(self, name: str, values: Array) -> Array:
        """Words that are kept as bytes."""
        try:
            return np.char.decode(values, "utf-8")
        except UnicodeDecodeError:
            bad = next(i for i, value in enumerate(values.reshape(-1).tolist()) if not is_utf8(value))
            row = bad * len(values) // values.size
            raise InputFaults(not_utf8(self.span, self.name, f"row {row}", name, values.reshape(-1)[bad])) from None

    def mapped(self, info: zipfile.ZipInfo, header: Header) -> Array | None:
        """The array where it lies in the file, if it is not compressed."""
        if info.compress_type != zipfile.ZIP_STORED or header.dtype.byteorder == ">":
            return None
        with self.path.open("rb") as file:
            file.seek(info.header_offset)
            local = file.read(30)
            start = info.header_offset + 30 + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
        count = header.size // header.dtype.itemsize
        return np.memmap(self.path, header.dtype, "r", offset=start + info.file_size - header.size, shape=(count,))

    def unpacked(self, name: str, member: IO[bytes], header: Header) -> Array:
        growing, left, size = Growing(), header.size, header.dtype.itemsize
        growing.add(np.zeros(0, header.dtype))
        while left:
            piece = member.read(min(left, UNPACKED // size * size or size))
            if not piece or len(piece) % size:
                raise EOFError(f"array {name} is not as long as its header says")
            growing.add(np.frombuffer(piece, header.dtype))
            left -= len(piece)
        if member.read(1):
            raise EOFError(f"array {name} is not as long as its header says")
        return growing.whole()

    def sequences(self, name: str, values: Array, symbol: str) -> Ragged:
        """The rows of an array whose beginnings and end another array gives."""
        offsets = self.array(f"{name}{OFFSETS}").astype(np.int64)
        fits = (
            offsets.ndim == 1
            and len(offsets)
            and offsets[0] == 0
            and offsets[-1] == len(values)
            and (np.diff(offsets) >= 0).all()
        )
        if not fits:
            problem = f"{name}{OFFSETS} should rise from 0 to {len(values)}, the length of {name}"
            raise InputFaults(UnreadableFile(self.span, self.name, problem))
        return Ragged(storage(values), offsets, symbol)

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
    headers = Archive(call, base).headers()
    for name, header in headers.items():
        kind = kind_of(header.dtype)
        if kind is None or not header.shape or (name.endswith(OFFSETS) and name.removesuffix(OFFSETS) in headers):
            continue
        shape: tuple[int | str, ...] = header.shape[1:]
        fields[name] = Field(kind, ("T", *shape) if f"{name}{OFFSETS}" in headers else shape)
    return named_sizes(fields, lambda name: headers[name].shape[0])


def read(call: SourceCall, base: Path, wanted: Wanted) -> Table:
    """The wanted columns, checked: sizes before reading, then missing values."""
    archive = Archive(call, base)
    headers = archive.headers()
    refuse_too_large(archive.span, archive.name, sum(headers[n].size for n in wanted.names))
    columns: dict[str, Array | Ragged] = {}
    fields = schema(call, base)
    for name in wanted.names:
        values = archive.array(name)
        columns[name] = archive.sequences(name, values, str(fields[name].shape[0])) if f"{name}{OFFSETS}" in headers else values
    rows = one_length(archive.span, archive.name, ((n, len(c)) for n, c in columns.items()))
    if rows and all(isinstance(c, np.ndarray) and not unfinished(c) for c in columns.values()):
        return Table(archive.name, {n: storage(c) if not isinstance(c, Ragged) else c for n, c in columns.items()})
    collector = Collector(archive.span, archive.name, wanted, archive.missing)
    for start in range(0, rows, BLOCK):
        index = np.arange(start, min(rows, start + BLOCK))
        block = {n: selected(c, index) for n, c in columns.items()}
        collector.add(block, {n: gone for n, c in block.items() if (gone := missing(c)) is not None})
    return collector.table()


def unfinished(array: Array) -> bool:
    """Is a number in it not there, or too great? Looked at block by block."""
    if array.dtype.kind != "f":
        return False
    most = np.finfo(np.float32).max
    return any(not (np.abs(array[start : start + BLOCK]) <= most).all() for start in range(0, len(array), BLOCK))


def missing(column: Array | Ragged) -> Array | None:
    """Which rows have a number that is NaN."""
    values = column.values if isinstance(column, Ragged) else column
    if values.dtype.kind != "f":
        return None
    bad = np.asarray(np.isnan(values).reshape(len(values), -1).any(axis=1))
    if not isinstance(column, Ragged) or not bad.any():
        return bad if bad.any() else None
    gone = np.zeros(len(column), dtype=bool)
    gone[np.searchsorted(column.offsets, np.flatnonzero(bad), side="right") - 1] = True
    return gone


def refuse_unsupported(call: SourceCall, base: Path, names: list[str]) -> None:
    """Raises a fault for each of these arrays that is there but of a kind that cannot be a column."""
    archive = Archive(call, base)
    headers = archive.headers()
    faults = [UnsupportedArray(archive.span, archive.name, n, _described(headers[n])) for n in names if n in headers]
    if faults:
        raise InputFaults(*faults)


def _described(header: Header) -> str:
    return "objects" if header.dtype.hasobject else "a single value" if not header.shape else str(header.dtype)

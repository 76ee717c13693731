"""`idx(path)`: arrays of numbers in the format of the MNIST files (LeCun, Cortes & Burges), packed with gzip or not.

A folder with the four files of MNIST gives the columns `images` and `labels`, and the part of each row; so does one pair of files.
Two zero bytes, the kind of the numbers, how many dims there are, the dims as 32-bit numbers, then the numbers, all with the high
byte first.
"""

import gzip
import zlib
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ...compiler.plan import SourceCall
from ...dsl.span import Span
from ..faults.data import EmptyData, MissingValue, UnreadableFile
from ..faults.files import NotIdx, WrongLength, WrongValue
from ..stops import InputFaults, span_of
from .calls import Parameter, Signature, Wanted, located, told
from .collecting import BLOCK, one_length, too_great
from .memory import HELD, Growing, refuse_too_large
from .table import Array, Field, Schema, Table, kind_of, storage

SIGNATURE = Signature(
    "idx",
    (Parameter("path", (str,), required=True), Parameter("labels", (str,), None)),
    'idx("folder") or idx("images", labels="labels")',
)
KINDS = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
PREFIXES = (("train", 0), ("t10k", 2), ("test", 2))
PIECE = 2**22  # bytes


class Header(NamedTuple):
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int

    @property
    def size(self) -> int:
        size = self.dtype.itemsize
        for n in self.shape:
            size *= n
        return size


class Pair(NamedTuple):
    """The files of one part; labels may be missing."""

    images: Path
    labels: Path | None
    part: int


def schema(call: SourceCall, base: Path) -> Schema:
    """`images`, `labels` where there are files of them, and `part` where there are several."""
    span, pairs = _pairs(call, base)
    fields: Schema = {"images": _field(span, pairs[0].images)}
    if all(pair.labels for pair in pairs):
        fields["labels"] = _field(span, pairs[0].labels or Path())
    if len(pairs) > 1:
        fields["part"] = Field("int", ())
    return fields


def read(call: SourceCall, base: Path, wanted: Wanted) -> Table:
    """The wanted columns of all parts, one after another."""
    span, pairs = _pairs(call, base)
    name = told(str(SIGNATURE.bind(call)["path"]))
    pieces: dict[str, list[Array]] = {"images": [], "labels": [], "part": []}
    for pair in pairs:
        rows = []
        for column, path in (("images", pair.images), ("labels", pair.labels)):
            if path is not None:
                header = _header(span, path)
                rows.append((told(str(path)), header.shape[0]))
                if column in wanted.names:
                    pieces[column].append(_array(span, path))
        count = one_length(span, name, rows)
        if count == 0:
            raise InputFaults(EmptyData(span, told(str(pair.images))))
        pieces["part"].append(np.full(count, pair.part, np.int8))
    shapes = {a.shape[1:] for a in pieces["images"]}
    if len(shapes) > 1:
        raise InputFaults(
            NotIdx(span, name, f"its images are of different size: {' and '.join(str(list(s)) for s in sorted(shapes))}")
        )
    arrays = {n: _joined(pieces[n]) for n in wanted.names}
    for column, array in arrays.items():
        refuse_unfinished(span, name, column, array)
    parts = np.concatenate(pieces["part"]) if len(pairs) > 1 else None
    return Table(name, {n: storage(array) for n, array in arrays.items()}, parts=parts)


def refuse_unfinished(span: Span, name: str, column: str, array: Array) -> None:
    """A fault at the first number that is not there, or too great."""
    if array.dtype.kind != "f":
        return
    if (found := too_great(array)) is not None:
        raise InputFaults(WrongValue(span, name, f"row {found[0]}", column, f"{found[1]:g}", "a finite number"))
    missing = np.isnan(array).reshape(len(array), -1).any(axis=1)
    if missing.any():
        raise InputFaults(MissingValue(span, name, f"row {int(np.argmax(missing))}", column))


def _joined(pieces: list[Array]) -> Array:
    """The arrays of several files one after another; in a file where they are large."""
    if len(pieces) == 1:
        return pieces[0]
    growing = Growing()
    for piece in pieces:
        for start in range(0, len(piece), BLOCK):
            growing.add(np.array(piece[start : start + BLOCK]))
    return growing.whole()


def _pairs(call: SourceCall, base: Path) -> tuple[Span, list[Pair]]:
    """The files that a call names."""
    arguments = SIGNATURE.bind(call)
    span = span_of(call.place, len(call.kind))
    path = located(call, str(arguments["path"]), base, folder=True)
    labels = located(call, str(arguments["labels"]), base) if arguments["labels"] is not None else None
    if path.is_file():
        return span, [Pair(path, labels or _labels(path), 0)]
    found = []
    for prefix, part in PREFIXES:
        images = sorted(p for p in path.iterdir() if p.name.startswith(f"{prefix}-images") and p.is_file())
        if images:
            found.append(Pair(images[0], _labels(images[0]), part))
    if not found:
        raise InputFaults(UnreadableFile(span, told(str(path)), "the folder holds no train-images-idx3-ubyte"))
    return span, found


def _labels(images: Path) -> Path | None:
    """The file of labels that belongs to a file of images, by its name; packed or not."""
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    stem = name.removesuffix(".gz")
    candidates = [images.with_name(n) for n in (name, stem, f"{stem}.gz") if n != images.name]
    return next((c for c in candidates if c.is_file()), None)


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _header(span: Span, path: Path) -> Header:
    try:
        with _opened(path) as file:
            head = file.read(4)
            if len(head) < 4 or head[0] or head[1]:
                raise InputFaults(
                    NotIdx(
                        span, told(str(path)), f"it begins with {head[:4].hex(' ') or 'nothing'}, and two zero bytes are wanted"
                    )
                )
            if head[2] not in KINDS or not 1 <= head[3] <= 8:
                raise InputFaults(NotIdx(span, told(str(path)), f"kind {head[2]:#04x} with {head[3]} dims is not known"))
            dims = file.read(4 * head[3])
            if len(dims) < 4 * head[3]:
                raise InputFaults(WrongLength(span, told(str(path)), 4 + 4 * head[3], str(4 + len(dims))))
            shape = tuple(int(n) for n in np.frombuffer(dims, ">u4"))
            return Header(np.dtype(KINDS[head[2]]), shape, 4 + 4 * head[3])
    except (OSError, EOFError, zlib.error) as error:
        problem = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputFaults(UnreadableFile(span, told(str(path)), problem)) from None


def _field(span: Span, path: Path) -> Field:
    header = _header(span, path)
    return Field(kind_of(header.dtype) or "int", header.shape[1:])


def _array(span: Span, path: Path) -> Array:
    """The numbers of one file: mapped where it is large and not packed, else read, never more than the header says."""
    header = _header(span, path)
    refuse_too_large(span, told(str(path)), header.size)
    if path.suffix != ".gz":
        size = path.stat().st_size - header.begin
        if size != header.size:
            raise InputFaults(WrongLength(span, told(str(path)), header.size, f"{size:,}"))
        if header.size > HELD:
            return np.memmap(path, header.dtype, "r", offset=header.begin, shape=header.shape)
    growing, left = Growing(), header.size
    growing.add(np.zeros(0, header.dtype))
    try:
        with _opened(path) as file:
            file.read(header.begin)
            while left:
                piece = file.read(min(left, PIECE))
                if not piece or len(piece) % header.dtype.itemsize:
                    raise InputFaults(WrongLength(span, told(str(path)), header.size, f"{header.size - left + len(piece):,}"))
                growing.add(np.frombuffer(piece, header.dtype))
                left -= len(piece)
            if file.read(1):
                raise InputFaults(WrongLength(span, told(str(path)), header.size, "more"))
    except (OSError, EOFError, zlib.error) as error:
        raise InputFaults(UnreadableFile(span, told(str(path)), f"it was cut short, or is broken ({error})")) from None
    return growing.whole().reshape(header.shape)

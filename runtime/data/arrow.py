"""Arrow tables, as parquet files and Hugging Face data sets hold them: record batches to blocks of columns, by kind.

Comes in: record batches, one after another, never all at once. Goes out: a schema from the first rows, or a table.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...dsl.span import Span
from ..faults.data import EmptyData, TextColumn
from ..faults.files import UnsupportedColumn, VaryingLength, WrongValue
from ..stops import InputFaults
from .calls import Wanted, is_utf8, not_utf8
from .collecting import Collector, in_blocks
from .images import Encoded, image_field
from .lists import WANTED, named_sizes
from .table import Array, Dtype, Field, Ragged, Schema, Table

if TYPE_CHECKING:
    import pyarrow as pa

HEAD = 2_000  # rows that a schema is taken from
BATCH = 8_192  # rows
Batches = Callable[[list[str] | None], Iterator["pa.RecordBatch"]]


class Arrow:
    """What is common to the sources of Arrow tables. `batches(names)` gives the rows of the named columns, all where none are named."""

    def __init__(self, span: Span, name: str, batches: Batches, alphabets: dict[str, list[Any]] | None = None) -> None:
        self.span, self.name, self.batches, self.alphabets = span, name, batches, alphabets or {}

    def head(self) -> "pa.RecordBatch":
        for batch in self.batches(None):
            if batch.num_rows:
                return batch.slice(0, HEAD)
        raise InputFaults(EmptyData(self.span, self.name))

    def schema(self) -> Schema:
        """Columns of kinds that are read."""
        head = self.head()
        found = {name: self.field(head.column(name), head.schema.field(name).type) for name in head.schema.names}
        known = {name: field for name, field in found.items() if field is not None}
        return named_sizes(known, lambda name: tuple(lengths_of(head.column(name), nulls=True).tolist()))

    def field(self, column: Any, kind: Any) -> Field | None:
        if is_image(kind):
            return image_field([v["bytes"] for v in column.slice(0, 1).to_pylist() if v and v.get("bytes")], self.span, self.name)
        inner, lists = kind, 0
        while is_list(inner):
            inner, lists = inner.value_type, lists + 1
        dtype = dtype_of(inner)
        if dtype is None or (dtype == "text" and lists):
            return None
        shape: list[int | str] = []
        for depth in range(lists):
            lengths = lengths_of(column)
            if depth and len(np.unique(lengths)) > 1:
                return None  # sequences of sequences
            shape.append("T" if len(np.unique(lengths)) > 1 else int(lengths[0]) if len(lengths) else 0)
            column = column.drop_null().flatten()
        return Field(dtype, tuple(shape))

    def refuse_unsupported(self, names: list[str]) -> None:
        """Raises a fault for each of these columns that is there but of a kind that cannot be a column."""
        head = self.head()
        kinds = {name: str(head.schema.field(name).type) for name in names if name in head.schema.names}
        if kinds:
            raise InputFaults(*(UnsupportedColumn(self.span, self.name, name, kind) for name, kind in kinds.items()))

    def table(self, wanted: Wanted, missing: str | int | float, parts: Array | None = None) -> Table:
        """The wanted columns; `parts` are those that the source itself has."""
        fields = self.schema()
        *_, collector = self.collected(fields, wanted, missing)
        return self.decoded(collector.table(alphabets=self.alphabets, parts=parts), fields)

    def stream(self, wanted: Wanted, missing: str | int | float) -> Iterator[Table]:
        """The wanted columns, a block of rows after the other."""
        fields = self.schema()
        return (self.decoded(table, fields) for table in in_blocks(self.collected(fields, wanted, missing)))

    def collected(self, fields: Schema, wanted: Wanted, missing: str | int | float) -> Iterator[Collector]:
        """One collector, again after each block that it was given, and before the first."""
        collector = Collector(self.span, self.name, wanted, missing)
        yield collector
        start = 0
        for batch in self.batches(wanted.names):
            block: dict[str, Array | Ragged] = {}
            gone: dict[str, Array] = {}
            for name in wanted.names:
                column, kind = batch.column(name), batch.schema.field(name).type
                if is_image(kind):
                    block[name] = bytes_of(column)
                    away = block[name].lengths == 0  # type: ignore[union-attr]
                else:
                    if fields[name].dtype == "text" and name not in wanted.words:
                        raise InputFaults(TextColumn(self.span, self.name, name, str(self.words(name, column[:1], start)[0])))
                    self.of_one_kind(name, kind, fields[name], start)
                    block[name], away = self.converted(name, column, fields[name], start)
                if away.any():
                    gone[name] = away
            collector.add(block, gone)
            start += batch.num_rows
            yield collector

    def decoded(self, table: Table, fields: Schema) -> Table:
        """The table, its columns of encoded images as images."""
        images: dict[str, Encoded] = {}
        for name, field in fields.items():
            column = table.columns.get(name)
            if isinstance(column, Ragged) and column.symbol == IMAGE:
                images[name] = Encoded(column, field, self.span, f"{self.name}, column {name}")
        return replace(table, columns={**table.columns, **images}, lines=None, alphabets=self.alphabets)

    def converted(self, name: str, column: Any, field: Field, start: int) -> tuple[Array | Ragged, Array]:
        """A column of a batch, and which of its rows are missing."""
        gone = np.asarray(column.is_null().to_numpy(zero_copy_only=False))
        if not field.shape:
            values = self.words(name, column, start) if field.dtype == "text" else flat(column, field.dtype)
            return values, gone | np.isnan(values) if values.dtype.kind == "f" else gone
        lengths = np.where(gone, 0, lengths_of(column, nulls=True))
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        values, inner = column.drop_null().flatten(), field.shape[1:]
        for size in inner:
            self.one_length(
                name, lengths_of(values), int(size), np.searchsorted(offsets, np.arange(len(values)), side="right") - 1 + start
            )
            values = values.flatten()
        numbers = flat(values, field.dtype)
        holes = np.asarray(values.is_null().to_numpy(zero_copy_only=False))
        holes = holes | np.isnan(numbers) if numbers.dtype.kind == "f" else holes
        made = Ragged(numbers.reshape(-1, *map(int, inner)), offsets, str(field.shape[0]))
        if holes.any():
            bad = np.flatnonzero(holes.reshape(len(made.values), -1).any(axis=1))
            gone = gone.copy()
            gone[np.searchsorted(offsets, bad, side="right") - 1] = True
        if isinstance(field.shape[0], str):
            return made, gone
        size = int(field.shape[0])
        full = ~np.asarray(column.is_null().to_numpy(zero_copy_only=False))
        self.one_length(name, lengths[full], size, np.flatnonzero(full) + start)
        whole = np.zeros((len(column), size, *map(int, inner)), numbers.dtype)
        whole[full] = made.values.reshape(-1, size, *map(int, inner))
        return whole, gone

    def words(self, name: str, column: Any, start: int) -> Array:
        """A column of words; "" where one is missing."""
        import pyarrow as pa

        words = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        try:
            return np.array(["" if v is None else v for v in words.to_pylist()], dtype=np.str_)
        except UnicodeDecodeError:
            raw = words.cast(pa.large_binary()).to_pylist()
            row = next(i for i, value in enumerate(raw) if value is not None and not is_utf8(value))
            raise InputFaults(not_utf8(self.span, self.name, f"row {start + row}", name, raw[row])) from None

    def of_one_kind(self, name: str, kind: Any, field: Field, start: int) -> None:
        """A fault where a later file has other kinds of values than the first rows."""
        inner = kind
        while is_list(inner):
            inner = inner.value_type
        dtype = dtype_of(inner)
        if dtype is None or (dtype == "text") != (field.dtype == "text") or is_list(kind) != bool(field.shape):
            raise InputFaults(WrongValue(self.span, self.name, f"row {start}", name, f"a value of {kind}", WANTED[field.dtype]))

    def one_length(self, name: str, lengths: Array, size: int, rows: Array) -> None:
        wrong = np.flatnonzero(lengths != size)
        if len(wrong):
            at = int(wrong[0])
            raise InputFaults(VaryingLength(self.span, self.name, f"row {rows[at]}", name, str(lengths[at]), str(size)))


IMAGE = "bytes"  # the symbol of a column of encoded images, on its way to be one


def is_list(kind: Any) -> bool:
    import pyarrow.types as t

    return bool(t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind))


def is_image(kind: Any) -> bool:
    """The struct of bytes and path that Hugging Face keeps images in."""
    import pyarrow.types as t

    if not t.is_struct(kind):
        return False
    names = {kind.field(i).name for i in range(kind.num_fields)}
    return "bytes" in names and names <= {"bytes", "path"}


def dtype_of(kind: Any) -> Dtype | None:
    import pyarrow.types as t

    if t.is_boolean(kind):
        return "bool"
    if t.is_integer(kind):
        return "int"
    if t.is_floating(kind) or t.is_decimal(kind):
        return "float"
    if t.is_string(kind) or t.is_large_string(kind) or (t.is_dictionary(kind) and dtype_of(kind.value_type) == "text"):
        return "text"
    return None


def lengths_of(column: Any, *, nulls: bool = False) -> Array:
    """The lengths of the lists of a column; those that are missing left out, or 0."""
    import pyarrow.compute as pc

    lengths = pc.list_value_length(column)
    lengths = lengths.fill_null(0) if nulls else lengths.drop_null()
    return np.asarray(lengths.to_numpy(zero_copy_only=False), dtype=np.int64)


def flat(column: Any, dtype: Dtype) -> Array:
    """A column of single numbers or truth values; 0 where one is missing."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        column = column.cast(pa.float32() if pa.types.is_float16(kind) else pa.float64())
    if dtype == "float":
        return np.asarray(column.fill_null(float("nan")).to_numpy(zero_copy_only=False))
    return np.asarray(column.fill_null(0 if dtype == "int" else False).to_numpy(zero_copy_only=False))


def bytes_of(column: Any) -> Ragged:
    """The encoded images of a column, one after another."""
    pieces = [(v or {}).get("bytes") or b"" for v in column.to_pylist()]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(p) for p in pieces], dtype=np.int64)])
    return Ragged(np.frombuffer(b"".join(pieces), np.uint8), offsets, IMAGE)

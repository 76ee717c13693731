"""The sources by name: what columns one has, and their values. Torch is not imported here.

A source is a module with `schema(call, base)`, which reads headers or first rows only, and `read(call, base, wanted)`. It is imported when
it is named.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ...compiler.plan import DataPlan, Place, SourceCall
from ...dsl.span import Span
from ..faults.data import MissingColumn, UnknownSource
from ..faults.files import VaryingLength
from ..stops import InputFaults, span_of
from .calls import SHIPPED, Wanted, told
from .table import Field, Ragged, Schema, Table

__all__ = ["Field", "Schema", "Table", "absolute", "read", "read_data", "schema"]

SOURCES = {
    "sklearn": "embedded",
    "csv": "delimited",
    "npz": "npz",
    "json": "json_lines",
    "parquet": "parquet",
    "idx": "idx",
    "images": "images",
    "text": "text",
    "hf": "hugging_face",
    "numerals": "numerals",
}
PATHS = ("file", "folder", "path", "labels", "tokens")  # arguments that name files


def module_of(call: SourceCall) -> Any:
    """The module of a source: its two functions, its signature, and sometimes `refuse_unsupported`."""
    if call.kind not in SOURCES:
        raise InputFaults(UnknownSource(span_of(call.place, len(call.kind)), call.kind, tuple(SOURCES)))
    return import_module(f"{__package__}.{SOURCES[call.kind]}")


def schema(call: SourceCall, base: Path) -> Schema:
    """The columns of a source: kind and shape of a row of each, from headers alone. `base` is the folder that paths are relative to."""
    found: Schema = module_of(call).schema(call, base)
    return found


def read(
    call: SourceCall,
    base: Path,
    wanted: list[str],
    words: Iterable[str] = (),
    *,
    gaps: Iterable[str] = (),
    sequences: Mapping[str, str] | None = None,
    place: Place | None = None,
    reason: str = "",
) -> Table:
    """The wanted columns of a source; a column it does not have is a fault (at `place`, with the reason why it is wanted)."""
    has(call, base, wanted, place, reason)
    table: Table = module_of(call).read(call, base, Wanted(wanted, frozenset(words), frozenset(gaps)))
    return as_sequences(table, sequences or {}, span_of(call.place, len(call.kind)))


def stream(
    call: SourceCall,
    base: Path,
    wanted: list[str],
    words: Iterable[str] = (),
    *,
    gaps: Iterable[str] = (),
    sequences: Mapping[str, str] | None = None,
    reason: str = "",
) -> Iterator[Table]:
    """What `read` gives, in tables of some thousand rows one after the other where the source is read from one end to the other; what
    lies in a file as it is used is mapped from there, and is one table."""
    has(call, base, wanted, None, reason)
    source = module_of(call)
    asked = Wanted(wanted, frozenset(words), frozenset(gaps))
    tables = source.stream(call, base, asked) if hasattr(source, "stream") else [source.read(call, base, asked)]
    span = span_of(call.place, len(call.kind))
    return (as_sequences(table, sequences or {}, span) for table in tables)


def has(call: SourceCall, base: Path, wanted: list[str], place: Place | None, reason: str) -> None:
    """A fault for each of the wanted columns that the source does not have."""
    source = module_of(call)
    known: Schema = source.schema(call, base)
    missing = [name for name in wanted if name not in known]
    if missing:
        if hasattr(source, "refuse_unsupported"):
            source.refuse_unsupported(call, base, missing)
        span = span_of(place or call.place, 1 if place else len(call.kind))
        path = told(str(next(iter((*call.args, *call.kwargs.values())), call.kind)))
        raise InputFaults(*(MissingColumn(span, name, path, tuple(known), reason) for name in missing))


def as_sequences(table: Table, symbols: Mapping[str, str], span: Span) -> Table:
    """The table with these columns as sequences, each with the name of its size: all rows of other data may happen to be equally long.

    Columns with one name are equally long in each row.
    """
    columns = dict(table.columns)
    lengths: dict[str, tuple[str, Any]] = {}
    for name, column in table.columns.items():
        if name in symbols and isinstance(column, np.ndarray) and column.ndim > 1:
            values = column.reshape(-1, *column.shape[2:])
            columns[name] = Ragged(values, np.arange(len(column) + 1) * column.shape[1], symbols[name])
        elif name in symbols and isinstance(column, Ragged):
            columns[name] = replace(column, symbol=symbols[name])
        if isinstance(columns[name], Ragged):
            first, known = lengths.setdefault(columns[name].symbol, (name, columns[name].lengths))
            differ = np.flatnonzero(known != columns[name].lengths)
            if len(differ):
                row = int(differ[0])
                found, wanted = str(columns[name].lengths[row]), f"as many steps as {first}, which has {known[row]} here"
                raise InputFaults(VaryingLength(span, table.name, table.place(row), name, found, wanted))
    return replace(table, columns=columns)


def read_data(data: DataPlan, base: Path) -> Table:
    """All columns that a data program reads."""
    return read(data.source, base, list(data.reads), data.words, gaps=data.gaps, sequences=data.sequences)


def absolute(call: SourceCall, base: Path) -> SourceCall:
    """The call with its files named from the root, so that it means the same from everywhere."""
    source = module_of(call)
    names = [p.name for p in source.SIGNATURE.parameters]
    paths = [n for n in names if n in PATHS]

    def rooted(value: Any) -> Any:
        return str((base / value).absolute()) if isinstance(value, str) and not value.startswith(SHIPPED) else value

    def kept(name: str, value: Any) -> Any:
        return rooted(value) if name in paths and value not in getattr(source, "WORDS", ()) else value

    args = [kept(name, value) for name, value in zip(names, call.args, strict=False)] + list(call.args[len(names) :])
    kwargs = {name: kept(name, value) for name, value in call.kwargs.items()}
    return call.model_copy(update={"args": args, "kwargs": kwargs})

"""The sources by name: what columns one has, and their values. Torch is not imported here.

A source is a module with `schema(call, base)`, which reads headers only, and `read(call, base, wanted, categories)`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...compiler.plan import DataPlan, Place, SourceCall
from ..faults.data import MissingColumn, UnknownSource
from ..stops import InputFaults, span_of
from . import delimited, embedded, npz
from .calls import told
from .table import Field, Schema, Table

__all__ = ["Field", "Schema", "Table", "absolute", "read", "read_data", "schema"]


@dataclass(frozen=True)
class Kind:
    """A source: its two functions, and whether its first argument is a file."""

    schema: Callable[[SourceCall, Path], Schema]
    read: Callable[[SourceCall, Path, list[str], list[str]], Table]
    has_file: bool
    explain: Callable[[SourceCall, Path, list[str]], None] | None = None  # raises a better fault than that columns are missing


SOURCES = {
    "sklearn": Kind(embedded.schema, embedded.read, has_file=False),
    "csv": Kind(delimited.schema, delimited.read, has_file=True),
    "npz": Kind(npz.schema, npz.read, has_file=True, explain=npz.refuse_unsupported),
}


def kind_of(call: SourceCall) -> Kind:
    if call.kind not in SOURCES:
        raise InputFaults(UnknownSource(span_of(call.place, len(call.kind)), call.kind, tuple(SOURCES)))
    return SOURCES[call.kind]


def schema(call: SourceCall, base: Path) -> Schema:
    """The columns of a source: kind and shape of a row of each, from headers alone. `base` is the folder that paths are relative to."""
    return kind_of(call).schema(call, base)


def read(
    call: SourceCall, base: Path, wanted: list[str], categories: list[str], *, place: Place | None = None, reason: str = ""
) -> Table:
    """The wanted columns of a source; a column it does not have is a fault (at `place`, with the reason why it is wanted)."""
    kind = kind_of(call)
    known = kind.schema(call, base)
    missing = [name for name in wanted if name not in known]
    if missing:
        if kind.explain is not None:
            kind.explain(call, base, missing)
        span = span_of(place or call.place, 1 if place else len(call.kind))
        path = told(str(call.args[0] if call.args else call.kwargs.get("file", call.kind)))
        raise InputFaults(*(MissingColumn(span, name, path, tuple(known), reason) for name in missing))
    return kind.read(call, base, wanted, categories)


def read_data(data: DataPlan, base: Path) -> Table:
    """All columns that a data program reads."""
    return read(data.source, base, list(data.reads), list(data.categories))


def absolute(call: SourceCall, base: Path) -> SourceCall:
    """The call with its file named from the root, so that it means the same from everywhere."""
    if not kind_of(call).has_file:
        return call
    if call.args:
        return call.model_copy(update={"args": [str((base / str(call.args[0])).absolute()), *call.args[1:]]})
    if "file" in call.kwargs:
        return call.model_copy(update={"kwargs": {**call.kwargs, "file": str((base / str(call.kwargs["file"])).absolute())}})
    return call

"""`hf(path)`: a data set on disk as the package `datasets` saves it (`save_to_disk`), or its .arrow and .parquet files. No network.

The files are Arrow tables; they are read as such, so `datasets` itself need not be installed. Splits become the parts of the rows, class
labels keep their names, images are decoded when they are asked for.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...compiler.plan import SourceCall
from ...dsl.span import Span
from ..faults.data import UnreadableFile
from ..stops import InputFaults, span_of
from . import parquet
from .arrow import BATCH, Arrow
from .calls import MISSING, POLICY, Parameter, Signature, Wanted, located, missing_policy, told
from .table import Array, Field, Schema, Table

SIGNATURE = Signature("hf", (Parameter("path", (str,), required=True), MISSING), f'hf("folder", {POLICY})')
SPLITS = {"train": 0, "validation": 1, "valid": 1, "val": 1, "dev": 1, "test": 2}


@dataclass(frozen=True)
class Saved:
    """The files of a data set with the part that each belongs to; none where it has no splits."""

    arrow: Arrow
    files: list[tuple[Path, int | None]]
    missing: str | int | float

    def parts(self) -> Array | None:
        """The part of each row."""
        if any(part is None for _, part in self.files):
            return None
        counts = [
            sum(b.num_rows for b in _batches(self.arrow.span, self.arrow.name, [(p, part)], None)) for p, part in self.files
        ]
        return np.repeat(np.array([part for _, part in self.files], np.int8), counts)


def schema(call: SourceCall, base: Path) -> Schema:
    """The columns, from the first rows; `part` where the data set has splits."""
    saved = opened(call, base)
    fields = saved.arrow.schema()
    return {**fields, "part": Field("int", ())} if all(part is not None for _, part in saved.files) else fields


def read(call: SourceCall, base: Path, wanted: Wanted) -> Table:
    """The wanted columns."""
    saved = opened(call, base)
    parts = saved.parts()
    asked = Wanted([n for n in wanted.names if n != "part" or parts is None], wanted.words, wanted.gaps)
    if parts is not None and not asked.names:
        return Table(saved.arrow.name, {"part": parts}, parts=parts)
    if saved.missing == "drop" and parts is not None:
        SIGNATURE.refuse(call, "rows of a data set with splits cannot be dropped; fill them, or drop them before saving")
    table = saved.arrow.table(asked, saved.missing, parts)
    if parts is None or "part" not in wanted.names:
        return table
    return Table(table.name, {**table.columns, "part": parts}, table.lines, table.alphabets, parts)


def stream(call: SourceCall, base: Path, wanted: Wanted) -> Iterator[Table]:
    """The wanted columns, a block of rows after the other; all at once where there are splits."""
    saved = opened(call, base)
    if saved.parts() is not None:
        return iter([read(call, base, wanted)])
    return saved.arrow.stream(wanted, saved.missing)


def refuse_unsupported(call: SourceCall, base: Path, names: list[str]) -> None:
    opened(call, base).arrow.refuse_unsupported(names)


def opened(call: SourceCall, base: Path) -> Saved:
    arguments = SIGNATURE.bind(call)
    span, name = span_of(call.place, len(call.kind)), told(str(arguments["path"]))
    path = located(call, str(arguments["path"]), base, folder=True)
    parquet.wants_pyarrow(span, "hf")
    files = _files(span, name, path)
    arrow = Arrow(span, name, lambda names: _batches(span, name, files, names))
    return Saved(arrow, files, missing_policy(SIGNATURE, call, arguments["missing"]))


def _files(span: Span, name: str, path: Path) -> list[tuple[Path, int | None]]:
    """The data files in their order."""
    if path.is_file():
        return [(path, None)]
    splits = _json(span, path / "dataset_dict.json").get("splits", []) if (path / "dataset_dict.json").is_file() else None
    if splits:
        known = [s for s in splits if s in SPLITS]
        if not known:
            raise InputFaults(
                UnreadableFile(span, name, f"its splits are {', '.join(splits)}, and none is train, validation or test")
            )
        return [(file, SPLITS[s]) for s in known for file in _saved(span, path / s)]
    if (path / "state.json").is_file():
        return [(file, None) for file in _saved(span, path)]
    found = sorted([*path.rglob("*.arrow"), *path.rglob("*.parquet")])
    if not found:
        raise InputFaults(UnreadableFile(span, name, "the folder holds no data set: no state.json, no .arrow, no .parquet files"))
    return [(file, None) for file in found]


def _saved(span: Span, folder: Path) -> list[Path]:
    """The files that the state of a saved data set lists."""
    return [folder / str(entry["filename"]) for entry in _json(span, folder / "state.json").get("_data_files", [])]


def _json(span: Span, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it is no object")
        return found
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputFaults(UnreadableFile(span, told(str(path)), problem)) from None


def _batches(span: Span, name: str, files: list[tuple[Path, int | None]], names: list[str] | None) -> Iterator[Any]:
    import pyarrow as pa

    for path, _ in files:
        if path.suffix == ".parquet":
            yield from parquet.batches(span, name, [path], names)
            continue
        try:
            with pa.memory_map(str(path)) as source:
                try:
                    reader: Any = pa.ipc.open_stream(source)
                    found: Iterator[Any] = iter(reader)
                except pa.ArrowInvalid:
                    reader = pa.ipc.open_file(source)
                    found = (reader.get_batch(i) for i in range(reader.num_record_batches))
                for batch in found:
                    chosen = batch.select(names) if names is not None else batch
                    for start in range(0, chosen.num_rows, BATCH):
                        yield chosen.slice(start, BATCH)
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise InputFaults(UnreadableFile(span, told(str(path)), str(error).splitlines()[0])) from None

"""`parquet(file)`: a table file, or a folder of them with the same columns, read with pyarrow a batch of rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...compiler.plan import SourceCall
from ...dsl.span import Span
from ..faults.data import MissingColumn, NoPackage, UnreadableFile
from ..stops import InputFaults, span_of
from .arrow import BATCH, Arrow
from .calls import MISSING, POLICY, Parameter, Signature, Wanted, located, missing_policy, told
from .memory import refuse_too_large
from .table import Schema, Table

SIGNATURE = Signature("parquet", (Parameter("file", (str,), required=True), MISSING), f'parquet("file.parquet", {POLICY})')


def schema(call: SourceCall, base: Path) -> Schema:
    """The columns, from the first rows."""
    return opened(call, base)[0].schema()


def read(call: SourceCall, base: Path, wanted: Wanted) -> Table:
    """The wanted columns."""
    arrow, missing = opened(call, base)
    return arrow.table(wanted, missing)


def stream(call: SourceCall, base: Path, wanted: Wanted) -> Iterator[Table]:
    """The wanted columns, a block of rows after the other."""
    arrow, missing = opened(call, base)
    return arrow.stream(wanted, missing)


def refuse_unsupported(call: SourceCall, base: Path, names: list[str]) -> None:
    opened(call, base)[0].refuse_unsupported(names)


def opened(call: SourceCall, base: Path) -> tuple[Arrow, str | int | float]:
    arguments = SIGNATURE.bind(call)
    span, name = span_of(call.place, len(call.kind)), told(str(arguments["file"]))
    path = located(call, str(arguments["file"]), base, folder=True)
    wants_pyarrow(span, "parquet")
    paths = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not paths:
        raise InputFaults(UnreadableFile(span, name, "the folder holds no .parquet files"))
    return Arrow(span, name, lambda names: batches(span, name, paths, names)), missing_policy(
        SIGNATURE, call, arguments["missing"]
    )


def wants_pyarrow(span: Span, what: str) -> None:
    """A fault where pyarrow is not installed."""
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise InputFaults(NoPackage(span, "pyarrow", what, "pip install 'archc[parquet]'"))


def batches(span: Span, name: str, paths: list[Path], names: list[str] | None) -> Iterator[Any]:
    """The rows of the files, one batch after another; what they promise to unpack to is looked at first."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in paths:
        try:
            with pq.ParquetFile(path) as file:
                groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
                refuse_too_large(span, name, sum(max(g.total_byte_size, 0) for g in groups))
                known = file.schema_arrow.names
                if lacking := [n for n in names or () if n not in known]:
                    raise InputFaults(*(MissingColumn(span, n, told(str(path)), tuple(known)) for n in lacking))
                yield from file.iter_batches(batch_size=BATCH, columns=names)
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise InputFaults(UnreadableFile(span, told(str(path)), str(error).splitlines()[0])) from None

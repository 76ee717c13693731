"""`evaluate`: the losses and metrics of a run's best weights on a part of its data, or on all rows of other data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..dsl.span import NOWHERE
from .data.calls import COMMAND_LINE, from_command_line
from .data.sources import absolute, read, read_data
from .data.splits import split as split_rows
from .data.table import Array, Table, storage
from .faults.data import EmptyData, MissingColumn, RowsDisagree
from .faults.runs import NoSuchPart
from .run_folder import SavedRun
from .run_folder import read as read_run
from .stops import InputFaults, Misused, Stopped
from .train.determinism import prepare_environment

Data = str | Mapping[str, Any]


def evaluate(run_folder: str | Path, split: str = "test", data: Data | None = None, device: str = "auto") -> dict[str, Any]:
    """`loss` and every metric by name. With `data`, all its rows count, whatever the split; it must have the labels too."""
    prepare_environment()
    saved = read_run(Path(run_folder))
    try:
        table = given(saved, data, list(saved.plan.data.reads), "the losses and metrics need it") if data is not None else None
        return _evaluate(saved, split, table, device)
    except Stopped as stopped:
        stopped.knows({**saved.exe.sources, **({COMMAND_LINE: data} if isinstance(data, str) else {})})
        raise


def _evaluate(saved: SavedRun, part: str, table: Table | None, device: str) -> dict[str, Any]:
    plan = saved.plan
    if table is None:
        table = read_data(plan.data, saved.folder)
        rows = None
    else:
        rows = np.arange(table.rows)
    from .data.parts import ColumnProgram
    from .loader import load_program
    from .run import trained, unpacked_fitted
    from .train import measure
    from .train.determinism import evaluating, pinned
    from .train.setup import device_of, faults_of, wired

    where = device_of(device)
    with pinned(int(saved.record["threads"]), where), faults_of(saved.exe):
        fitted = unpacked_fitted(saved.record)
        program = ColumnProgram(saved.exe, load_program(saved.exe), plan.data)
        if rows is None:
            said = program.part_of_each(table) if plan.data.split is not None and plan.data.split.kind == "column" else None
            parts = split_rows(plan.data, table.rows, plan.split_seed, table, said)
            if part not in parts:
                raise Misused(NoSuchPart(NOWHERE, part, tuple(parts)))
            rows = parts[part]
        held = program.part(table, rows, fitted)
        wiring = wired(saved.exe, plan, table, fitted, where)
        model = trained(saved).to(where)
        with evaluating(where):
            return measure.evaluate(model, wiring, held.held(wiring.columns), plan.batch, where, lambda: None)


def as_array(values: Any) -> Array:
    """Values of any kind as an array; words as numpy's words, also those of a DataFrame."""
    found = np.asarray(values)
    return found.astype(np.str_) if found.dtype.kind in "OT" and all(isinstance(v, str) for v in found.flat) else found


def given(saved: SavedRun, data: Data, wanted: list[str], reason: str) -> Table:
    """Other data as a table of the wanted columns: what `--data` says, or arrays by name."""
    if isinstance(data, str):
        source = absolute(from_command_line(data), Path.cwd())
        words = [c for c in saved.plan.data.words if c in wanted]
        return read(
            source, Path.cwd(), wanted, words, gaps=saved.plan.data.gaps, sequences=saved.plan.data.sequences, reason=reason
        )
    columns = {name: storage(as_array(values)) for name, values in data.items() if name in wanted}
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise InputFaults(*(MissingColumn(NOWHERE, name, "data", tuple(data), reason) for name in missing))
    lengths = tuple((name, len(a) if a.ndim else 0) for name, a in columns.items())
    if len({n for _, n in lengths}) > 1:
        raise InputFaults(RowsDisagree(NOWHERE, "data", lengths))
    if not lengths or lengths[0][1] == 0:
        raise InputFaults(EmptyData(NOWHERE, "data"))
    return Table("data", columns)

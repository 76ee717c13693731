"""`predict`: the outputs of a run's best weights for other data, a row an example.

Only what the model's inputs are made of must be in the data: which of the source's columns that are is found out by following the column
expressions, with stand-ins for those that are missing. Rows keep their order. Into a file they are written batch by batch.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..dsl.span import NOWHERE
from . import tables_out
from .data.calls import COMMAND_LINE, from_command_line
from .data.sources import absolute, schema
from .data.table import Array, Column, Ragged, Table
from .evaluate import Data, given
from .faults.runs import OutputUnwritable
from .run_folder import SavedRun
from .run_folder import read as read_run
from .scores import scored
from .stops import RunFailed, Stopped
from .train.determinism import prepare_environment

TOLD_EVERY = 50_000  # rows
Outputs = dict[str, Array]


def predict(run_folder: str | Path, data: Data, device: str = "auto") -> Outputs:
    """The outputs by name, all rows of each."""
    prepare_environment()
    saved = read_run(Path(run_folder))
    with _knowing(saved, data):
        parts = list(batches(saved, ready(saved, data), device))
    return {name: joined([part[name] for part in parts]) for name in parts[0]}


def joined(parts: list[Array]) -> Array:
    """The batches of an output one after another; sequences are padded to the longest of all."""
    if parts[0].dtype.kind not in "bif" or len({p.shape[1:] for p in parts}) == 1:
        return np.concatenate(parts)
    import torch

    from .data.held import together

    return np.asarray(together([torch.from_numpy(p) for p in parts]).numpy())


def predict_to(
    out: str | Path, run_folder: str | Path, data: Data, device: str = "auto", progress: bool = False
) -> tuple[int, list[str]]:
    """Writes the outputs to a file, by its ending (see `tables_out`; `-` is csv on standard output); the number of rows, and the names.

    Beside the scores of a classifier stands the class that they are highest for, under the name of the label.
    """
    prepare_environment()
    tables_out.check(str(out))
    saved = read_run(Path(run_folder))
    rows, names = 0, list(saved.exe.plan.model.outputs)
    with _knowing(saved, data):
        table = ready(saved, data)
        label = scored(saved)
        whole = Path(out).suffix.lower() == ".npz"
        try:
            with tables_out.written(str(out)) as writer:
                for part in batches(saved, table, device):
                    count = _rows(part, names)
                    chunk = {name: array for name, array in part.items() if whole or len(array) == count}
                    if label is not None and label.column not in chunk:
                        chunk[label.column] = label.best(part[label.output])
                    writer.rows(chunk)
                    names, rows = list(chunk), rows + count
                    if progress and rows // TOLD_EVERY > (rows - count) // TOLD_EVERY:
                        print(f"{rows:,} of {table.rows:,} rows", file=sys.stderr, flush=True)
        except OSError as error:
            raise RunFailed(OutputUnwritable(NOWHERE, str(out), error.strerror or str(error))) from None
    return rows, names


def _rows(part: Outputs, names: list[str]) -> int:
    return max((len(part[name]) for name in names if name in part), default=0)


@contextmanager
def _knowing(saved: SavedRun, data: Data) -> Iterator[None]:
    """Within: stops know the texts that they point into."""
    try:
        yield
    except Stopped as stopped:
        stopped.knows({**saved.exe.sources, **({COMMAND_LINE: data} if isinstance(data, str) else {})})
        raise


def ready(saved: SavedRun, data: Data) -> Table:
    """The data as a table that the column expressions can be computed on."""
    plan = saved.plan
    there = set(schema(absolute(from_command_line(data), Path.cwd()), Path.cwd()) if isinstance(data, str) else data)
    missing = [name for name in plan.data.reads if name not in there]
    if missing:
        from .dependence import read_by

        needed = read_by(saved, [i.name for i in saved.exe.plan.model.inputs])
    else:
        needed = set(plan.data.reads)
    wanted = [n for n in plan.data.reads if n in needed]
    table = given(saved, data, wanted, "the model's inputs are made from it")
    return completed(saved, table)


def completed(saved: SavedRun, table: Table) -> Table:
    """The table with stand-ins for the columns that no input is made from: zeros, or a known category."""
    columns: dict[str, Column] = dict(table.columns)
    fitted = saved.record["data"]["fitted"]["categories"]
    for name, (dtype, shape) in saved.record["data"]["schema"].items():
        if name in columns:
            continue
        columns[name] = stand_in(table.rows, dtype, shape, fitted.get(name))
    return replace(table, columns=columns)


def stand_in(rows: int, dtype: str, shape: list[int | str], known: list[Any] | None) -> Column:
    """A column of zeros, or of a known category; sequences of one step."""
    kind = {"float": np.float32, "int": np.int64, "bool": np.bool_, "text": np.str_}[dtype]
    inner = tuple(int(n) for n in shape if not isinstance(n, str))
    values = np.full((rows, *inner), known[0]) if known else np.zeros((rows, *inner), kind)
    return Ragged(values, np.arange(rows + 1), str(shape[0])) if len(inner) < len(shape) else values


def batches(saved: SavedRun, table: Table, device: str) -> Iterator[Outputs]:
    """The outputs of one batch after the other. An output without rows is one row of its own."""
    import torch

    from .data.batches import in_order
    from .data.parts import ColumnProgram
    from .loader import load_program
    from .run import trained, unpacked_fitted
    from .train.determinism import evaluating, pinned
    from .train.measure import batch_size
    from .train.setup import device_of, faults_of, wired

    where = device_of(device)
    model_plan = saved.exe.plan.model
    with pinned(int(saved.record["threads"])), faults_of(saved.exe), torch.no_grad(), evaluating(where):
        fitted = unpacked_fitted(saved.record)
        part = ColumnProgram(saved.exe, load_program(saved.exe), saved.plan.data).part(table, np.arange(table.rows), fitted)
        wiring = wired(saved.exe, saved.plan, table, fitted, where)
        model = trained(saved).to(where)
        held = part.held(wiring.columns)
        for batch in in_order(held, batch_size(held, saved.plan.batch), where):
            values = wiring.forward(model, batch)
            arrays = [value.cpu().numpy() for value in values[: len(model_plan.outputs)]]
            yield {name: array if array.ndim else array[None] for name, array in zip(model_plan.outputs, arrays, strict=True)}

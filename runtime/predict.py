"""`predict`: the outputs of a run's best weights for other data, a row an example.

Only what the model's inputs are made of must be in the data: which of the source's columns that are is found out by following the column
expressions, with stand-ins for those that are missing.
"""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..dsl.span import NOWHERE
from .data.calls import COMMAND_LINE, from_command_line
from .data.sources import absolute, schema
from .data.table import Array, Column, Ragged, Table
from .evaluate import Data, given
from .faults.runs import OutputUnwritable, UnknownFormat
from .files import write_whole
from .run_folder import SavedRun
from .run_folder import read as read_run
from .stops import Misused, RunFailed, Stopped
from .train.determinism import prepare_environment

FORMATS = (".csv", ".npz")


def predict(run_folder: str | Path, data: Data, out: str | Path | None = None, device: str = "auto") -> dict[str, Array]:
    """The outputs by name; also written to `out` (.csv or .npz by its ending) where it is given."""
    prepare_environment()
    if out is not None and Path(out).suffix.lower() not in FORMATS:
        raise Misused(UnknownFormat(NOWHERE, str(out), FORMATS))
    saved = read_run(Path(run_folder))
    try:
        outputs = _predict(saved, data, device)
    except Stopped as stopped:
        stopped.knows({**saved.exe.sources, **({COMMAND_LINE: data} if isinstance(data, str) else {})})
        raise
    if out is not None:
        write(Path(out), outputs)
    return outputs


def _predict(saved: SavedRun, data: Data, device: str) -> dict[str, Array]:
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
    return _outputs(saved, completed(saved, table), device)


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


def _outputs(saved: SavedRun, table: Table, device: str) -> dict[str, Array]:
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
        found: list[list[Array]] = [[] for _ in model_plan.outputs]
        for batch in in_order(held, batch_size(held, saved.plan.batch), where):
            values = wiring.forward(model, batch)
            for i in range(len(found)):
                found[i].append(values[i].cpu().numpy())
    return {name: joined(parts) for name, parts in zip(model_plan.outputs, found, strict=True)}


def joined(parts: list[Array]) -> Array:
    """The batches of an output one after another; an output without rows is given once for each batch."""
    return np.concatenate(parts) if parts[0].ndim else np.stack(parts)


def write(path: Path, outputs: Mapping[str, Array]) -> None:
    """The outputs as a file: npz an array an output, csv a row an example with flattened columns (`logits_0`, `logits_1`, …)."""
    rows = max((len(a) for a in outputs.values()), default=0)
    writers: dict[str, Callable[[Mapping[str, Array], int], bytes]] = {".csv": _csv, ".npz": _npz}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, writers[path.suffix.lower()](outputs, rows))
    except OSError as error:
        raise RunFailed(OutputUnwritable(NOWHERE, str(path), error.strerror or str(error))) from None


def _npz(outputs: Mapping[str, Array], rows: int) -> bytes:
    buffer = io.BytesIO()
    arrays: dict[str, Any] = dict(outputs)
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _csv(outputs: Mapping[str, Array], rows: int) -> bytes:
    names: list[str] = []
    columns: list[list[Any]] = []
    for name, array in outputs.items():
        if len(array) != rows:
            continue
        flat = array.reshape(rows, -1)
        names += [name] if array.ndim == 1 else [f"{name}_{i}" for i in range(flat.shape[1])]
        columns += [
            flat[:, i].astype(object).tolist() if flat.dtype != np.float32 else _short(flat[:, i]) for i in range(flat.shape[1])
        ]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*columns, strict=True))
    return buffer.getvalue().encode()


def _short(values: Array) -> list[Any]:
    """Float32 in the fewest digits that mean it."""
    return [str(v) for v in values]

"""`predict`: the outputs of a run's best weights for other data, a row an example.

Only what the model's inputs are made of must be in the data: which of the source's columns that are is found out by following the column
expressions, with stand-ins for those that are missing. Rows keep their order. Into a file they are written batch by batch while the data
is read: neither is ever in memory as a whole, where the source is one that is read from one end to the other.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dsl.span import NOWHERE
from . import tables_out
from .data.calls import COMMAND_LINE, from_command_line
from .data.sources import absolute, schema, stream
from .data.table import Array, Column, Ragged, Table
from .evaluate import Data, given
from .faults.runs import OutputUnwritable
from .run_folder import SavedRun
from .run_folder import read as read_run
from .scores import Scored, scored
from .stops import RunFailed, Stopped
from .train.determinism import prepare_environment
from .varying import Varying, lengths_of, varying

if TYPE_CHECKING:
    from torch import nn

TOLD_EVERY = 50_000  # rows
REASON = "the model's inputs are made from it"
Outputs = dict[str, Array]


def predict(run_folder: str | Path, data: Data, device: str = "auto") -> Outputs:
    """The outputs by name, all rows of each; sequences are padded with zeros to the longest."""
    prepare_environment()
    saved = read_run(Path(run_folder))
    with _knowing(saved, data):
        network = Network(saved, device)
        parts = [outputs for table in tables(saved, data) for outputs in network.outputs(table)]
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
    sequences = varying(saved)
    tables_out.check_sequences(str(out), {name: one.leads for name, one in sequences.items()})
    rows, names = 0, list(saved.exe.plan.model.outputs)
    with _knowing(saved, data):
        given_tables = iter(tables(saved, data))
        first = next(given_tables)  # what is wrong with the data is told before anything is written
        network, label = Network(saved, device), scored(saved)
        try:
            with tables_out.written(str(out)) as writer:
                for table in chain([first], given_tables):
                    start = 0
                    for part in network.outputs(table):
                        count = max((len(part[name]) for name in names if name in part), default=0)
                        writer.rows(chunk := chunk_of(part, count, table, start, sequences, label, Path(out).suffix.lower()))
                        names, rows, start = list(chunk), rows + count, start + count
                        if progress and rows // TOLD_EVERY > (rows - count) // TOLD_EVERY:
                            print(f"{rows:,} rows", file=sys.stderr, flush=True)
        except OSError as error:
            raise RunFailed(OutputUnwritable(NOWHERE, str(out), error.strerror or str(error))) from None
    return rows, names


def chunk_of(
    part: Outputs, count: int, table: Table, start: int, sequences: Mapping[str, Varying], label: Scored | None, ending: str
) -> dict[str, tables_out.Cells]:
    """What is written of the outputs of a batch: those that have a row for each example, in npz the others too."""
    chunk: dict[str, tables_out.Cells] = {}
    lengths = lengths_of(table, slice(start, start + count))
    for name, array in part.items():
        if ending == ".npz" or len(array) == count:
            chunk[name] = sequences[name].rows(array, lengths) if name in sequences else array
    if label is not None and label.column not in chunk and label.output in chunk:
        scores = chunk[label.output]
        chunk[label.column] = [label.best(s[None])[0] for s in scores] if isinstance(scores, list) else label.best(scores)
    return chunk


@contextmanager
def _knowing(saved: SavedRun, data: Data) -> Iterator[None]:
    """Within: stops know the texts that they point into."""
    try:
        yield
    except Stopped as stopped:
        stopped.knows({**saved.exe.sources, **({COMMAND_LINE: data} if isinstance(data, str) else {})})
        raise


def tables(saved: SavedRun, data: Data) -> Iterator[Table]:
    """The data as tables that the column expressions can be computed on, one after another. A model with inputs that are given whole sees
    all rows at once."""
    plan = saved.plan
    source = absolute(from_command_line(data), Path.cwd()) if isinstance(data, str) else None
    there = set(schema(source, Path.cwd())) if source is not None else set(data)
    if set(plan.data.reads) <= there:
        wanted = list(plan.data.reads)
    else:
        from .dependence import read_by

        needed = read_by(saved, [i.name for i in saved.exe.plan.model.inputs])
        wanted = [n for n in plan.data.reads if n in needed]
    if source is None or not all(i.batched for i in saved.exe.plan.model.inputs):
        return iter([completed(saved, given(saved, data, wanted, REASON))])
    words = [c for c in plan.data.words if c in wanted]
    found = stream(source, Path.cwd(), wanted, words, gaps=plan.data.gaps, sequences=plan.data.sequences, reason=REASON)
    return (completed(saved, table) for table in found)


def completed(saved: SavedRun, table: Table) -> Table:
    """The table with stand-ins for the columns that no input is made from: zeros, or a known category."""
    columns: dict[str, Column] = dict(table.columns)
    fitted = saved.record["data"]["fitted"]["categories"]
    for name, (dtype, shape) in saved.record["data"]["schema"].items():
        if name in columns:
            continue
        columns[name] = stand_in(table, dtype, shape, fitted.get(name))
    return replace(table, columns=columns)


def stand_in(table: Table, dtype: str, shape: list[int | str], known: list[Any] | None) -> Column:
    """A column of zeros, or of a known category; sequences are as long as those that are there, or of one step."""
    kind = {"float": np.float32, "int": np.int64, "bool": np.bool_, "text": np.str_}[dtype]
    inner = tuple(int(n) for n in shape if not isinstance(n, str))
    offsets = None
    if len(inner) < len(shape):
        like = [c.offsets for c in table.columns.values() if isinstance(c, Ragged) and c.symbol == shape[0]]
        offsets = like[0] - like[0][0] if like else np.arange(table.rows + 1)
    rows = table.rows if offsets is None else int(offsets[-1])
    values = np.full((rows, *inner), known[0]) if known else np.zeros((rows, *inner), kind)
    return values if offsets is None else Ragged(values, offsets, str(shape[0]))


class Network:
    """The network of a run with its best weights, for one table after another."""

    def __init__(self, saved: SavedRun, device: str) -> None:
        self.saved, self.device = saved, device

    @cached_property
    def model(self) -> "nn.Module":
        from .run import trained
        from .train.setup import device_of

        return trained(self.saved).to(device_of(self.device))

    def outputs(self, table: Table) -> Iterator[Outputs]:
        """The outputs of one batch after the other. An output without rows is one row of its own."""
        import torch

        from .data.batches import in_order
        from .data.parts import ColumnProgram
        from .loader import load_program
        from .run import unpacked_fitted
        from .train.determinism import evaluating, pinned
        from .train.measure import batch_size
        from .train.setup import device_of, faults_of, wired

        saved, where = self.saved, device_of(self.device)
        names = saved.exe.plan.model.outputs
        with pinned(int(saved.record["threads"]), where), faults_of(saved.exe), torch.no_grad(), evaluating(where):
            fitted = unpacked_fitted(saved.record)
            part = ColumnProgram(saved.exe, load_program(saved.exe), saved.plan.data).part(table, np.arange(table.rows), fitted)
            wiring = replace(wired(saved.exe, saved.plan, table, fitted, where), unread=0)
            held = part.held(wiring.columns)
            for batch in in_order(held, batch_size(held, saved.plan.batch), where):
                values = wiring.forward(self.model, batch)
                arrays = [value.cpu().numpy() for value in values[: len(names)]]
                yield {name: array if array.ndim else array[None] for name, array in zip(names, arrays, strict=True)}

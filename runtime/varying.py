"""Outputs that are as long as the sequence of their row: which they are, and the rows of a batch cut to their own length.

Batches pad sequences to the longest of them; what a person gets is without the padding.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .data.table import Array, Ragged, Rows, Table
from .run_folder import SavedRun


@dataclass(frozen=True)
class Varying:
    """An output whose sizes differ from row to row: dims of it (0 is the batch), each with the symbol of the data's columns that says how
    long a row is there. A dim that is a formula of such a size is not cut: it is as long as in the batch."""

    dims: Mapping[int, str]

    @property
    def leads(self) -> bool:
        """Whether no other dim than the first of a row varies: rows one after another are one array."""
        return set(self.dims) == {1}

    def rows(self, batch: Array, lengths: Mapping[str, Rows]) -> list[Array]:
        """Each row of a batch, cut to its length."""
        cut = []
        for row in range(len(batch)):
            ends = {dim - 1: int(lengths[symbol][row]) for dim, symbol in self.dims.items() if symbol in lengths}
            cut.append(batch[row][tuple(slice(ends.get(dim)) for dim in range(batch.ndim - 1))])
        return cut


def varying(saved: SavedRun) -> dict[str, Varying]:
    """The outputs of a run's model whose sizes differ from row to row."""
    model = saved.exe.plan.model
    columns = {column.name: column for column in saved.plan.data.columns}
    known: dict[str, str] = {}  # free dims of the model, and the sizes of columns that they are
    for given in model.inputs:
        column = columns.get(given.name)
        if given.batched and column is not None:
            known |= {
                d: c for d, c in zip(given.shape[1:], column.shape, strict=False) if isinstance(d, str) and isinstance(c, str)
            }
    found = {}
    for name, shape in zip(model.outputs, model.output_shapes, strict=False):
        dims = {i: known.get(size, "") for i, size in enumerate(shape) if isinstance(size, str) and set(known) & words(size)}
        if dims and shape[0] == "B":
            found[name] = Varying(dims)
    return found


def words(formula: str) -> set[str]:
    """The names in a formula of dims."""
    return set("".join(c if c.isalnum() or c == "_" else " " for c in formula).split())


def lengths_of(table: Table, rows: slice) -> dict[str, Rows]:
    """How long the sequences of these rows are, by the symbols of their sizes."""
    return {c.symbol: c.lengths[rows] for c in table.columns.values() if isinstance(c, Ragged)}

"""From a table of the source to the named columns of each part, as tensors.

The order is sound: first the split, then class numbers of categories, from the training part; then `train_where`; then `fit`, on the rows
that are left of the training part; then the columns of all parts. Nothing is ever fitted on rows outside of the training part.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...compiler.plan import ColumnPlan, DataPlan
from ..blame import blamed, first_line, out_of_memory
from ..executable import Executable
from ..faults.data import ColumnFailed, ColumnMismatch, EmptyPart, TextColumn, UnseenCategory
from ..stops import InputFaults, span_of
from .held import Batch, Held, Made, Ready
from .splits import Rows, split
from .table import Array, Table

CHUNK = 8192  # rows that column expressions are computed for at once
KINDS = {torch.float32: "float", torch.int64: "int", torch.bool: "bool"}
Columns = dict[str, Tensor]


@dataclass(frozen=True)
class Fitted:
    """What was learned from the training part: the values of each category column, and what `fit` of program.py gave."""

    categories: dict[str, list[Any]] = field(default_factory=dict)
    values: Columns = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """One part: the row of the source that each of its rows is, and its columns: all ready, or the way to make them."""

    rows: Rows
    columns: Columns
    make: Callable[[Rows, int | None], Columns] | None = None
    lengths: Rows | None = None  # of the sequences, where rows are sequences

    def __len__(self) -> int:
        return len(self.rows)

    def held(self, names: Sequence[str]) -> Held:
        """These columns, as batches are taken from them."""
        make = self.make
        if make is None:
            return Ready([self.columns[name] for name in names])

        def batch(rows: Rows, epoch: int | None) -> Batch:
            columns = make(rows, epoch)
            return tuple(columns[name] for name in names)

        return Made(self.rows, batch, self.lengths)


class ColumnProgram:
    """The data functions of program.py over numpy tables; what goes wrong in them is a fault at their place in the spec."""

    def __init__(self, exe: Executable, program: ModuleType, data: DataPlan) -> None:
        self.exe, self.program, self.data = exe, program, data

    def prepare(self, table: Table, seed: int) -> tuple[dict[str, Part], Fitted]:
        """All parts of the split, and what was fitted on the training part."""
        rows = split(self.data, table.rows, seed)
        categories = {c: np.unique(table.columns[c][rows["train"]]).tolist() for c in self.data.categories}
        if self.data.train_where:
            rows["train"] = self.kept(table, rows["train"], categories)
        fitted = Fitted(categories, self.fit(table, rows["train"], categories))
        return {name: self.part(table, part, fitted) for name, part in rows.items()}, fitted

    def part(self, table: Table, rows: Rows, fitted: Fitted) -> Part:
        """These rows as a part."""
        return Part(rows, self.columns(table, rows, fitted))

    def kept(self, table: Table, rows: Rows, categories: dict[str, list[Any]]) -> Rows:
        """The rows of the training part that `train_where` keeps. What the condition reads fitted is fitted on the whole training part."""
        columns = self.columns(table, rows, Fitted(categories, self.fit(table, rows, categories)))
        keep = self.guarded("keep", columns).reshape(-1).bool().numpy()
        if not keep.any():
            raise InputFaults(EmptyPart(span_of(self.data.place), "train", len(rows), "train_where keeps none"))
        left: Rows = rows[keep]
        return left

    def fit(self, table: Table, rows: Rows, categories: dict[str, list[Any]]) -> Columns:
        if not self.data.fitted:
            return {}
        return dict(self.guarded("fit", self.tensors(table, rows, categories)))

    def columns(self, table: Table, rows: Rows, fitted: Fitted) -> Columns:
        """The columns of these rows, checked against the plan."""
        chunks = []
        for start in range(0, len(rows), CHUNK):
            source = self.tensors(table, rows[start : start + CHUNK], fitted.categories)
            chunks.append(self.guarded("columns", source, fitted.values))
            self.check(chunks[-1], min(CHUNK, len(rows) - start))
        names = [c.name for c in self.data.columns]
        return {
            n: torch.cat([c[n] for c in chunks]).contiguous() if len(chunks) > 1 else chunks[0][n].contiguous() for n in names
        }

    def tensors(self, table: Table, rows: Rows, categories: Mapping[str, list[Any]]) -> Columns:
        """The source's columns of these rows as program.py reads them; category columns as class numbers."""
        found = {}
        for name in self.data.reads:
            if name in table.columns:
                array = table.columns[name][rows]
                found[name] = torch.from_numpy(self.numbered(table, name, array, rows, categories))
        return found

    def numbered(self, table: Table, name: str, array: Array, rows: Rows, categories: Mapping[str, list[Any]]) -> Array:
        if name not in categories:
            if array.dtype.kind == "U":
                span = span_of(self.data.source.place, len(self.data.source.kind))
                raise InputFaults(TextColumn(span, table.name, name, str(array.reshape(-1)[0])))
            return array
        known = np.array(categories[name])
        values = array.astype(np.str_) if known.dtype.kind == "U" else array
        numbers = np.searchsorted(known, values).clip(0, len(known) - 1)
        wrong = known[numbers] != values
        if wrong.any():
            at = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
            value = str(values[at][wrong[at]][0] if values.ndim > 1 else values[at])
            shown = tuple(str(k) for k in categories[name])
            span = span_of(self.data.source.place, len(self.data.source.kind))
            raise InputFaults(UnseenCategory(span, table.name, name, value, table.place(int(rows[at])), shown))
        return numbers.astype(np.int64)

    def guarded(self, function: str, *arguments: Any) -> Any:
        try:
            with torch.no_grad():
                return getattr(self.program, function)(*arguments)
        except (RuntimeError, ValueError, IndexError, TypeError, KeyError, ZeroDivisionError) as error:
            span = blamed(error, self.exe)
            if span is None or out_of_memory(error):
                raise
            raise InputFaults(ColumnFailed(span, first_line(error))) from error

    def check(self, columns: Columns, rows: int) -> None:
        """Each column has the kind and the shape that the plan says; a symbol stands for any size."""
        for plan in self.data.columns:
            tensor = columns[plan.name]
            kind = KINDS.get(tensor.dtype, str(tensor.dtype).removeprefix("torch."))
            shape = list(tensor.shape)
            fits = len(shape) == 1 + len(plan.shape) and shape[0] == rows
            fits = fits and all(isinstance(p, str) or p == s for p, s in zip(plan.shape, shape[1:], strict=True))
            if kind != plan.dtype or not fits:
                found = f"{kind} {_brackets(shape[1:])}" + (f", in {shape[0]} rows for {rows}" if shape[0] != rows else "")
                self.mismatch(plan, found)

    def mismatch(self, plan: ColumnPlan, found: str) -> None:
        expected = f"{plan.dtype} {_brackets(plan.shape)}"
        raise InputFaults(ColumnMismatch(span_of(plan.place), plan.name, expected, found))


def _brackets(shape: list[int] | list[int | str]) -> str:
    return "[" + ", ".join(str(s) for s in shape) + "]"

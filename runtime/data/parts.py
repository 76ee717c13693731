"""From a table of the source to the named columns of each part, as tensors.

The order is sound: first the split, then class numbers of categories, from the training part; then `train_where`; then what is
fitted, on the
rows that are left of the training part; then the columns of all parts. Nothing is ever fitted on rows outside of the training part.

Columns of rows of one shape that fit into memory are made once. Those of sequences, of what is larger, and of rows that are altered in
training are made for each batch. The choice follows from the plan and sizes alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from .drawing import draws
from .fitting import fitted_values
from .held import Batch, Held, Made, Ready
from .splits import split
from .table import Array, Ragged, Rows, Table, computed

CHUNK = 8192  # rows that column expressions are computed for at once
LARGE = 2**27  # bytes that such a chunk has at most
ONCE = 2**30  # bytes of columns of one part that are made once
KINDS = {torch.float32: "float", torch.int64: "int", torch.bool: "bool"}
BYTES = {"float": 4, "int": 8, "bool": 1}
Columns = dict[str, Tensor]
Categories = Mapping[str, list[Any]]


@dataclass(frozen=True)
class Fitted:
    """What was learned from the training part: the values of each category column, and what was fitted on what `fit` of program.py gave."""

    categories: dict[str, list[Any]] = field(default_factory=dict)
    values: Columns = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """One part: the row of the source that each of its rows is, and its columns: all ready, or the way to make them."""

    rows: Rows
    columns: Columns
    make: Callable[[Rows, int | None], Columns] | None = None
    lengths: Rows | None = None  # by which rows are put into buckets
    workers: int = 0  # threads that make them ahead

    def __len__(self) -> int:
        return len(self.rows)

    def held(self, names: Sequence[str]) -> Held:
        """These columns, as batches are taken from them."""
        make = self.make
        if make is None:
            return Ready([self.columns[name] for name in names], self.lengths)

        def batch(rows: Rows, epoch: int | None) -> Batch:
            columns = make(rows, epoch)
            return tuple(columns[name] for name in names)

        return Made(self.rows, batch, self.lengths, self.workers)


class ColumnProgram:
    """The data functions of program.py over tables; what goes wrong in them is a fault at their place in the spec."""

    def __init__(self, exe: Executable, program: ModuleType, data: DataPlan, seed: int = 0, workers: int = 0) -> None:
        self.exe, self.program, self.data, self.seed, self.workers = exe, program, data, seed, workers
        self.text = {d.name: d for d in data.derived if d.kind == "equals"}

    def prepare(self, table: Table, seed: int) -> tuple[dict[str, Part], Fitted]:
        """All parts of the split, and what was fitted on the training part."""
        said = self.part_of_each(table) if self.data.split is not None and self.data.split.kind == "column" else None
        rows = split(self.data, table.rows, seed, table, said)
        categories = {c: self.known(table, c, rows["train"]) for c in self.numbered_columns(table)}
        if self.data.train_where:
            rows["train"] = self.kept(table, rows["train"], categories)
        fitted = Fitted(categories, self.fit(table, rows["train"], categories))
        parts = {name: self.part(table, part, fitted, training=name == "train") for name, part in rows.items()}
        return parts, fitted

    def numbered_columns(self, table: Table) -> list[str]:
        return list(dict.fromkeys([*self.data.categories, *(n for n in table.alphabets if n in self.data.reads)]))

    def known(self, table: Table, name: str, rows: Rows) -> list[Any]:
        """The values that a category column has in the training part; all, where the source numbers them itself."""
        if name in table.alphabets:
            return list(table.alphabets[name])
        values = table.columns[name][rows]
        values = self.filled(name, values)
        found: list[Any] = np.unique(values).tolist()
        return found

    def part_of_each(self, table: Table) -> Array | None:
        """What `part` of program.py says of each row; none where a column of the source says it."""
        assert self.data.split is not None
        if self.data.split.by is not None:
            return None
        known = {name: list(values) for name, values in table.alphabets.items()}
        rows = self.chunks(table, np.arange(table.rows))
        found = [self.guarded("part", self.tensors(table, some, known, split=True))["part"] for some in rows]
        said: Array = torch.cat(found).numpy()
        return said

    def part(self, table: Table, rows: Rows, fitted: Fitted, *, training: bool = False) -> Part:
        """These rows as a part. In the training part they are altered anew in each epoch, where the data program says so."""
        altered = training and bool(self.data.draws)
        lengths = None
        if training and self.data.bucket is not None:
            bucket = self.data.bucket
            lengths = torch.cat([self.columns_of(table, r, fitted)[bucket] for r in self.chunks(table, rows)]).reshape(-1).numpy()
        if not altered and self.fits_at_once(len(rows)):
            return Part(rows, self.columns(table, rows, fitted), None, lengths)
        return Part(
            rows, {}, lambda some, epoch: self.columns_of(table, some, fitted, epoch if altered else None), lengths, self.workers
        )

    def fits_at_once(self, rows: int) -> bool:
        """Are all columns of one shape, and small enough to be made once?"""
        if any(isinstance(size, str) for plan in self.data.columns for size in plan.shape):
            return False
        row = sum(BYTES[plan.dtype] * int(np.prod([int(n) for n in plan.shape])) for plan in self.data.columns)
        return row * rows <= ONCE

    def chunks(self, table: Table, rows: Rows) -> Iterator[Rows]:
        """Rows in pieces that are computed at once."""
        row = 1
        for name, (dtype, shape) in table.schema().items():
            column = table.columns[name]
            longest = int(column.lengths.max(initial=1)) if isinstance(column, Ragged) else 1
            row += 8 * int(np.prod([longest if isinstance(n, str) else n for n in shape])) if dtype != "text" else 0
        size = max(1, min(CHUNK, LARGE // row))
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    def kept(self, table: Table, rows: Rows, categories: Categories) -> Rows:
        """The rows of the training part that `train_where` keeps. What the condition reads fitted is fitted on the whole training part."""
        fitted = Fitted(dict(categories), self.fit(table, rows, categories))
        found = [
            self.guarded("keep", self.columns_of(table, some, fitted)).reshape(-1).bool() for some in self.chunks(table, rows)
        ]
        keep = torch.cat(found).numpy()
        if not keep.any():
            raise InputFaults(EmptyPart(span_of(self.data.place), "train", len(rows), "train_where keeps none"))
        left: Rows = rows[keep]
        return left

    def fit(self, table: Table, rows: Rows, categories: Categories) -> Columns:
        if not self.data.fits:
            return {}

        def lengths(symbol: str, some: Rows) -> Rows:
            of = next(c for c in table.columns.values() if isinstance(c, Ragged) and c.symbol == symbol)
            return of.lengths[some]

        return fitted_values(
            self.data.fits,
            lambda: self.chunks(table, rows),
            lambda some, values: dict(self.guarded("fit", self.tensors(table, some, categories), values)),
            lengths,
        )

    def columns(self, table: Table, rows: Rows, fitted: Fitted) -> Columns:
        """The columns of all these rows."""
        chunks = [self.columns_of(table, some, fitted) for some in self.chunks(table, rows)]
        names = [c.name for c in self.data.columns]
        return {
            n: torch.cat([c[n] for c in chunks]).contiguous() if len(chunks) > 1 else chunks[0][n].contiguous() for n in names
        }

    def columns_of(self, table: Table, rows: Rows, fitted: Fitted, epoch: int | None = None) -> Columns:
        """The columns of these rows, checked against the plan; altered as in this epoch of training, if one is named."""
        source = self.tensors(table, rows, fitted.categories)
        if epoch is None:
            found: Columns = self.guarded("columns", source, fitted.values)
        else:
            found = self.guarded("altered", source, fitted.values, draws(self.data.draws, rows, self.seed, epoch))
        self.check(found, len(rows))
        return self.padded(table, rows, found)

    def padded(self, table: Table, rows: Rows, columns: Columns) -> Columns:
        """The columns with what stands past the end of each sequence: what an expression makes of padding is no part of a row."""
        for plan in self.data.columns:
            if plan.shape and isinstance(plan.shape[0], str):
                of = [c for c in table.columns.values() if isinstance(c, Ragged) and c.symbol == plan.shape[0]]
                tensor = columns[plan.name]
                if of:
                    past = torch.from_numpy(np.arange(tensor.shape[1]) >= of[0].lengths[rows][:, None])
                    columns[plan.name] = tensor.masked_fill(past.reshape(*past.shape, *[1] * (tensor.dim() - 2)), plan.pad)
        return columns

    def tensors(self, table: Table, rows: Rows, categories: Categories, *, split: bool = False) -> Columns:
        """The source's columns of these rows as program.py reads them; category columns as class numbers.

        Words that are only compared, or only say the part, are no tensors; and for the `split` no words are.
        """
        found = {}
        apart = {d.column for d in self.text.values()} | ({self.data.split.by} if self.data.split is not None else set())
        for name in self.data.reads:
            if name not in table.columns or (name in self.data.words and name not in categories and (split or name in apart)):
                continue
            found[name] = torch.from_numpy(computed(self.numbered(table, name, table.columns[name][rows], rows, categories)))
        for derived in self.data.derived:
            column = table.columns.get(derived.column)
            if column is None:
                continue
            if derived.kind == "equals":
                found[derived.name] = torch.from_numpy(self.filled(derived.column, column[rows]) == derived.word)
            else:
                assert isinstance(column, Ragged)
                found[derived.name] = torch.from_numpy(column.lengths[rows])
        return found

    def filled(self, name: str, array: Array) -> Array:
        """Words, with what stands for those that are missing."""
        word = self.data.gaps.get(name, "")
        return np.where(array == "", word, array) if word and array.dtype.kind == "U" else array

    def numbered(self, table: Table, name: str, array: Array, rows: Rows, categories: Categories) -> Array:
        if name not in categories:
            if array.dtype.kind == "U":
                span = span_of(self.data.source.place, len(self.data.source.kind))
                raise InputFaults(TextColumn(span, table.name, name, str(array.reshape(-1)[0])))
            return array
        known = np.array(categories[name])
        values = self.filled(name, array)
        if known.dtype.kind == "U" and array.dtype == np.uint32:  # characters, as code points
            known = np.array([ord(c) for c in categories[name]], np.uint32)
        elif known.dtype.kind == "U":
            values = values.astype(np.str_)
        numbers = np.searchsorted(known, values).clip(0, len(known) - 1)
        wrong = known[numbers] != values
        if wrong.any():
            at = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
            value = values[at][wrong[at]][0] if values.ndim > 1 else values[at]
            said = chr(int(value)) if array.dtype == np.uint32 else str(value)
            shown = tuple(str(k) for k in categories[name])
            span = span_of(self.data.source.place, len(self.data.source.kind))
            raise InputFaults(UnseenCategory(span, table.name, name, said, table.place(int(rows[at])), shown))
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

"""The training part cut into batches: each epoch in an order that only the seed and the epoch decide, resumable at any batch.

The last batch of an epoch holds what is left. Columns that lie in memory are copied in the epoch's order where a copy fits, so that batches
are views of it; else each batch is gathered, or made, by itself. The choice depends on sizes alone, so a resumed run makes the same one.
"""

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from .ahead import ahead
from .held import Batch, Held, Made, Ready
from .onto import onto, page_locked
from .splits import bucketed, epoch_order
from .table import Rows

__all__ = ["Batch", "Batches", "in_order", "size"]

COPIED = 256 * 2**20  # bytes up to which an epoch is copied in its order
RESIDENT = 2 * 2**30  # bytes up to which the data lies on the device


def size(tensors: Sequence[Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)


class Batches:
    """Batches of columns, on `device`; where rows have lengths, those of similar length share a batch."""

    def __init__(self, held: Held | Sequence[Tensor], batch: int, seed: int, device: torch.device) -> None:
        self.held: Held = Ready(held) if isinstance(held, Sequence) else held
        self.rows = len(self.held)
        self.batch, self.seed, self.device = batch, seed, device
        self.lengths = self.held.lengths
        columns = self.held.columns if isinstance(self.held, Ready) else []
        self.copied = bool(columns) and size(columns) <= COPIED
        self.resident = bool(columns) and size(columns) <= RESIDENT
        self.columns = [c.to(device) for c in columns] if self.resident else columns

    def __len__(self) -> int:
        return (self.rows + self.batch - 1) // self.batch

    def order(self, epoch: int) -> list[Rows]:
        """The rows of each batch of an epoch."""
        if self.lengths is not None:
            return bucketed(self.lengths, self.batch, self.seed, epoch)
        drawn = epoch_order(self.rows, self.seed, epoch)
        return [drawn[start : start + self.batch] for start in range(0, self.rows, self.batch)]

    def rows_of(self, position: int) -> int:
        """How many rows the batch at a position has; with buckets the last batch is the short one too."""
        return min(self.batch, self.rows - position * self.batch)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from position `start` on."""
        if not self.resident or self.lengths is not None:
            take = page_locked(lambda rows: self.held.take(rows, epoch), self.device)
            yield from onto(ahead(take, self.order(epoch)[start:], workers_for(self.held, self.device)), self.device)
            return
        drawn = torch.from_numpy(epoch_order(self.rows, self.seed, epoch)).to(self.device)
        if self.copied:
            cut = [_cut(c.index_select(0, drawn), self.batch) for c in self.columns]
            yield from list(zip(*cut, strict=True))[start:]
            return
        for index in _cut(drawn, self.batch)[start:]:
            yield tuple(c.index_select(0, index) for c in self.columns)


def _cut(tensor: Tensor, rows: int) -> Batch:
    return cast("Batch", tensor.split(rows))  # type: ignore[no-untyped-call]


def in_order(held: Held, batch: int, device: torch.device) -> Iterator[Batch]:
    """All rows in their order, for evaluation."""
    if isinstance(held, Ready) and device.type == "cpu":
        for start in range(0, len(held), batch):
            yield tuple(c[start : start + batch] for c in held.columns)
        return
    index = np.arange(len(held), dtype=np.int64)
    cut = [index[start : start + batch] for start in range(0, len(held), batch)]
    yield from onto(ahead(page_locked(held.take, device), cut, workers_for(held, device)), device)


def workers_for(held: Held, device: torch.device) -> int:
    """How many threads make batches ahead: as many as the data says, and for a GPU at least one, so that none waits to be pinned."""
    workers = held.workers if isinstance(held, Made) else 0
    return workers if device.type == "cpu" else max(1, workers)

"""The training part cut into batches: each epoch in an order that only the seed and the epoch decide, resumable at any batch.

The last batch of an epoch holds what is left. Where a copy in the epoch's order fits, batches are views of it; else each is gathered.
The choice depends on sizes alone, so a resumed run makes the same one.
"""

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor

from .splits import epoch_order

COPIED = 256 * 2**20  # bytes up to which an epoch is copied in its order
RESIDENT = 2 * 2**30  # bytes up to which the data lies on the device
Batch = tuple[Tensor, ...]


def size(tensors: Sequence[Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)


class Batches:
    """Batches of columns, on `device`."""

    def __init__(self, columns: Sequence[Tensor], batch: int, seed: int, device: torch.device) -> None:
        self.rows = len(columns[0]) if columns else 0
        self.batch, self.seed, self.device = batch, seed, device
        self.copied = size(columns) <= COPIED
        self.columns = [c.to(device) for c in columns] if size(columns) <= RESIDENT else list(columns)
        self.resident = size(columns) <= RESIDENT

    def __len__(self) -> int:
        return (self.rows + self.batch - 1) // self.batch

    def rows_of(self, position: int) -> int:
        """How many rows the batch at a position has."""
        return min(self.batch, self.rows - position * self.batch)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from position `start` on."""
        drawn = torch.from_numpy(epoch_order(self.rows, self.seed, epoch))
        if self.resident:
            drawn = drawn.to(self.device)
        if self.copied:
            cut = [_cut(c.index_select(0, drawn), self.batch) for c in self.columns]
            yield from list(zip(*cut, strict=True))[start:]
            return
        for index in _cut(drawn, self.batch)[start:]:
            yield tuple(c.index_select(0, index).to(self.device) for c in self.columns)


def _cut(tensor: Tensor, rows: int) -> Batch:
    return cast("Batch", tensor.split(rows))  # type: ignore[no-untyped-call]


def in_order(columns: Sequence[Tensor], batch: int, device: torch.device) -> Iterator[Batch]:
    """All rows in their order, for evaluation."""
    for start in range(0, len(columns[0]) if columns else 0, batch):
        yield tuple(c[start : start + batch].to(device) for c in columns)

"""What a part holds, as batches are taken from it: tensors that lie ready, or rows whose columns are made when they are asked for.

`take(index, epoch)` is a pure function of the rows and the epoch: it does not depend on who asks, in which order, or from which thread.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .table import Rows

Batch = tuple[Tensor, ...]


class Held(Protocol):
    """The columns of a batch, in their order, for all rows of a part."""

    def __len__(self) -> int:
        """How many rows there are."""

    def take(self, index: Rows, epoch: int | None = None) -> Batch:
        """The columns of these rows, counted within the part; `epoch` is that of training, and none in evaluation."""

    @property
    def lengths(self) -> Rows | None:
        """How long the sequence of each row is, where rows are sequences: what batches of similar length are made by."""


class Ready:
    """Columns that lie in memory, computed once."""

    def __init__(self, columns: Sequence[Tensor], lengths: Rows | None = None) -> None:
        self.columns, self.lengths = list(columns), lengths

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def take(self, index: Rows, epoch: int | None = None) -> Batch:
        drawn = torch.from_numpy(index)
        return tuple(c.index_select(0, drawn) for c in self.columns)


class Made:
    """Columns that are made anew for each batch: of sequences, of what is larger than memory, and of rows that are altered in training."""

    def __init__(
        self, rows: Rows, make: Callable[[Rows, int | None], Batch], lengths: Rows | None = None, workers: int = 0
    ) -> None:
        self.rows, self.make, self.lengths, self.workers = rows, make, lengths, workers

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: Rows, epoch: int | None = None) -> Batch:
        return self.make(self.rows[index], epoch)


def first(held: Held, rows: int, device: torch.device, epoch: int | None = None) -> Batch:
    """The first rows, or all where there are fewer, on `device`."""
    return tuple(c.to(device) for c in held.take(np.arange(min(rows, len(held)), dtype=np.int64), epoch))


def together(batches: Sequence[Tensor]) -> Tensor:
    """Batches one after another; where sequences of one are longer than those of another, the shorter are padded with zeros."""
    shape = [max(sizes) for sizes in zip(*(b.shape[1:] for b in batches), strict=True)]
    if any(list(b.shape[1:]) != shape for b in batches):
        padded = []
        for b in batches:
            whole = b.new_zeros((len(b), *shape))
            whole[tuple(slice(n) for n in b.shape)] = b
            padded.append(whole)
        batches = padded
    return torch.cat(list(batches))

"""Batches on their way to the device.

A GPU copies by itself, while it computes, where the memory that it copies from is pinned: batches are pinned by the threads that make them,
and each is copied on a stream of its own while the step before it runs. On a CPU nothing has to move.
"""

from collections.abc import Callable, Iterator

import torch

from .held import Batch
from .table import Rows

Take = Callable[[Rows], Batch]


def page_locked(take: Take, device: torch.device) -> Take:
    """`take`, its batches in pinned memory where the device copies from there."""
    if device.type != "cuda":
        return take
    return lambda rows: tuple(column.pin_memory() for column in take(rows))


def onto(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches in their order, on the device; on a GPU one is on its way while the one before it is used."""
    if device.type != "cuda":
        yield from (tuple(column.to(device) for column in batch) for batch in batches)
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    coming = _sent(batches, device, stream)
    while coming is not None:
        torch.cuda.current_stream(device).wait_stream(stream)
        for column in coming:
            column.record_stream(torch.cuda.current_stream(device))  # its memory is not given to another while the step reads it
        ready, coming = coming, _sent(batches, device, stream)
        yield ready


def _sent(batches: Iterator[Batch], device: torch.device, stream: torch.cuda.Stream) -> Batch | None:
    """The next batch as copies that the stream makes; none where there is none."""
    batch = next(batches, None)
    if batch is None:
        return None
    with torch.cuda.stream(stream):
        return tuple(column.to(device, non_blocking=True) for column in batch)

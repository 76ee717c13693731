"""Batches made ahead of their use, by threads that work one each on the batches to come; what they give comes in its order.

Threads and not processes: decoding, gathering and tensor ops let go of the interpreter, nothing is copied between processes, and nothing is
left behind by Ctrl-C or kill -9. Each thread computes by itself (one torch thread), even where nothing is made ahead, so that the bits
never depend on how many there are.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch

from .held import Batch
from .table import Rows

AHEAD = 2  # batches that each worker may be ahead


def ahead(take: Callable[[Rows], Batch], cut: Sequence[Rows], workers: int) -> Iterator[Batch]:
    """The batches of these rows, in their order. With 0 workers each is made when it is asked for."""
    if not cut:
        return
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(max(1, workers), "batches", initializer=_alone)
    waiting: deque[Future[Batch]] = deque()
    rest = iter(cut)
    try:
        pool.submit(_alone).result()
        torch.set_num_threads(threads)  # what a thread sets is also what threads that begin later get
        while True:
            while len(waiting) < max(1, AHEAD * workers) and (rows := next(rest, None)) is not None:
                waiting.append(pool.submit(take, rows))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(threads)


def _alone() -> None:
    torch.set_num_threads(1)

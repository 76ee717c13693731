"""Two ways of doing one thing, timed in turn in one process: the figure is the median of the ratios of neighbours.

Time is the processor's, on one thread, so that a machine which does other things as well leaves the ratio alone.
"""

import gc
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

Work = Callable[[], object]


class Ratio(NamedTuple):
    """Of the first way to the second: below 1 the first is faster. `low` and `high` are quartiles."""

    median: float
    low: float
    high: float
    seconds: float  # of the second way, one time

    def __str__(self) -> str:
        return f"{self.median:6.3f}  [{self.low:5.3f} to {self.high:5.3f}]  {1e3 * self.seconds:8.2f} ms"


def spent(work: Work, times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times


def blocks_of(first: Work, second: Work, blocks: int, shortest: float = 0.02) -> list[tuple[float, float]]:
    """The seconds of both in `blocks` pairs of blocks, each at least `shortest` seconds; which goes first alternates."""
    spent(first, 2)
    times = max(1, round(shortest / max(spent(second, 2), 1e-6)))
    pairs = []
    gc.disable()
    try:
        for block in range(blocks):
            order = (first, second) if block % 2 else (second, first)
            took = {work: spent(work, times) for work in order}
            pairs.append((took[first], took[second]))
            gc.collect(0)
    finally:
        gc.enable()
    return pairs


def ratio_of(pairs: list[tuple[float, float]]) -> Ratio:
    low, median, high = statistics.quantiles([a / b for a, b in pairs], n=4)
    return Ratio(median, low, high, statistics.median(b for _, b in pairs))


def paired(first: Work, second: Work, blocks: int) -> Ratio:
    return ratio_of(blocks_of(first, second, blocks))

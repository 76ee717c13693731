"""Two ways of doing one thing, timed in turn in one process: the figure is the median of the ratios of neighbours.

Time is the processor's, on one thread, so that a machine which does other things as well leaves the ratio alone; what runs on several
threads is timed by the clock instead.
"""

import gc
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

Work = Callable[[], object]
Clock = Callable[[], float]


class Ratio(NamedTuple):
    """Of the first way to the second: below 1 the first is faster. `low` and `high` are quartiles."""

    median: float
    low: float
    high: float
    seconds: float  # of the second way, one time

    def __str__(self) -> str:
        return f"{self.median:6.3f}  [{self.low:5.3f} to {self.high:5.3f}]  {1e3 * self.seconds:8.2f} ms"


def spent(work: Work, times: int, clock: Clock = time.process_time) -> float:
    start = clock()
    for _ in range(times):
        work()
    return (clock() - start) / times


def blocks_of(
    first: Work, second: Work, blocks: int, shortest: float = 0.02, clock: Clock = time.process_time
) -> list[tuple[float, float]]:
    """The seconds of both in `blocks` pairs of blocks, each at least `shortest` seconds; which goes first alternates."""
    spent(first, 2, clock)
    times = max(1, round(shortest / max(spent(second, 2, clock), 1e-6)))
    pairs = []
    gc.disable()
    try:
        for block in range(blocks):
            order = (first, second) if block % 2 else (second, first)
            took = {work: spent(work, times, clock) for work in order}
            pairs.append((took[first], took[second]))
            gc.collect(0)
    finally:
        gc.enable()
    return pairs


def ratio_of(pairs: list[tuple[float, float]]) -> Ratio:
    low, median, high = statistics.quantiles([a / b for a, b in pairs], n=4)
    return Ratio(median, low, high, statistics.median(b for _, b in pairs))


def paired(first: Work, second: Work, blocks: int, clock: Clock = time.process_time) -> Ratio:
    return ratio_of(blocks_of(first, second, blocks, clock=clock))

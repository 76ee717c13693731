"""Which rows are in which part, and in which order rows are drawn: pure functions of seeds, the same on every machine and version.

Orders come from the raw 64-bit stream of numpy's PCG64, which numpy guarantees never to change (its `permutation` is not guaranteed):
rows sorted by one raw number each, ties by row.
"""

import numpy as np
from numpy.typing import NDArray

from ...compiler.plan import DataPlan
from ..faults.data import EmptyPart
from ..stops import InputFaults, span_of

Rows = NDArray[np.int64]
PARTS = ("train", "validation", "test")
SPLIT, EPOCH, BUCKET = 1, 2, 3  # what a seed is used for, so that equal seeds do not mean equal orders


def order(rows: int, *key: int) -> Rows:
    """A permutation of `rows` rows that only the key decides."""
    stream = np.random.PCG64(np.random.SeedSequence([abs(k) * 2 + (k < 0) for k in key]))
    raw = np.asarray(stream.random_raw(rows), dtype=np.uint64).reshape(rows)
    return np.argsort(raw, kind="stable").astype(np.int64)


def split(plan: DataPlan, rows: int, seed: int) -> dict[str, Rows]:
    """The rows of each part, in the order of the source. Parts end at the rounded sums of the fractions; none is empty."""
    if plan.split is None:
        return {"train": np.arange(rows, dtype=np.int64)}
    drawn = order(rows, SPLIT, seed)
    parts: dict[str, Rows] = {}
    start, total = 0, 0.0
    for name, fraction in zip(PARTS, plan.split, strict=False):
        total += fraction
        end = min(rows, int(total * rows + 0.5))
        if fraction > 0 and end <= start:
            raise InputFaults(EmptyPart(span_of(plan.place), name, rows, f"{fraction:g}"))
        if end > start:
            parts[name] = np.sort(drawn[start:end])
        start = end
    return parts


def epoch_order(rows: int, seed: int, epoch: int) -> Rows:
    """The order in which an epoch (from 0) draws the training rows."""
    return order(rows, EPOCH, seed, epoch)


POOL = 50  # batches' worth of rows that are sorted by length together


def bucketed(lengths: Rows, batch: int, seed: int, epoch: int) -> list[Rows]:
    """The batches of an epoch with rows of similar length together: drawn in pools, sorted within each, batches drawn anew.

    The short batch, if there is one, comes last.
    """
    drawn = epoch_order(len(lengths), seed, epoch)
    pools = [drawn[start : start + POOL * batch] for start in range(0, len(drawn), POOL * batch)]
    ordered = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    batches = [ordered[start : start + batch] for start in range(0, len(ordered), batch)]
    full = [b for b in batches if len(b) == batch]
    rest = [b for b in batches if len(b) < batch]
    return [full[i] for i in order(len(full), BUCKET, seed, epoch).tolist()] + rest

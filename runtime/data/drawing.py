"""The numbers that alterations in training draw: pure functions of seed, epoch, row and place, so nothing depends on batches or workers.

Each number is a 64-bit mix of its coordinates (the finalizer of SplitMix64; Steele, Lea & Flood, 2014), which is the same on every machine.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from ...compiler.plan import DrawPlan
from .table import Array, Rows

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mixed(x: Array) -> Array:
    """64 bits from 64 bits, each of which depends on all."""
    x = x + GOLDEN
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Array = x ^ (x >> np.uint64(31))
    return mixed


def uniform(rows: Rows, count: int, *key: int) -> Array:
    """Numbers between 0 and 1 (never 0, never 1), float64 [rows, count]."""
    with np.errstate(over="ignore"):
        state = np.zeros((), np.uint64)
        for k in key:
            state = mixed(state ^ np.uint64(k % 2**64))
        each = mixed(mixed(state ^ rows.astype(np.uint64))[:, None] ^ np.arange(count, dtype=np.uint64))
    return ((each >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def draws(plans: Iterable[DrawPlan], rows: Rows, seed: int, epoch: int) -> dict[str, Tensor]:
    """What is drawn for these rows of the source in this epoch, by name: float32 [rows, count]."""
    found = {}
    for place, plan in enumerate(plans):
        values = uniform(rows, plan.count, seed, epoch, place)
        if plan.kind == "beta":
            from scipy.special import betaincinv

            values = betaincinv(plan.alpha, plan.alpha, values)
        found[plan.name] = torch.from_numpy(values.astype(np.float32))
    return found

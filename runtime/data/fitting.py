"""What is fitted on the training part: means and standard deviations of what `fit` of program.py gives, in one pass over its rows.

Moments are summed in double precision, chunk after chunk in the rows' order, so that they need no memory and never depend on
chance. What is missing (NaN), or past the end of a sequence, does not count.
"""

from collections.abc import Callable, Iterable
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from ...compiler.plan import FitPlan
from .table import Rows

Tensors = dict[str, Tensor]


class Moments:
    """Count, sum and sum of squares about the first mean, for each number of a row."""

    def __init__(self) -> None:
        self.count: Tensor | None = None

    def add(self, values: Tensor, inside: Tensor | None) -> None:
        """Takes rows; `inside` [rows, steps] tells the steps that are there, where rows are sequences."""
        values = values.double()
        known = ~values.isnan()
        if inside is not None:
            known &= inside.reshape(*inside.shape, *[1] * (values.dim() - 2))
        dims = [0] if inside is None else [0, 1]
        values = torch.where(known, values, 0.0)
        count, total = known.sum(dims).double(), values.sum(dims)
        if self.count is None:
            self.about = total / count.clamp_min(1)
            self.count, self.total, self.squares = torch.zeros_like(count), torch.zeros_like(total), torch.zeros_like(total)
        apart = torch.where(known, values - self.about, 0.0)
        self.count = self.count + count
        self.total += apart.sum(dims)
        self.squares += (apart * apart).sum(dims)

    def mean(self) -> Tensor:
        assert self.count is not None
        return (self.about + self.total / self.count.clamp_min(1)).float()

    def std(self) -> Tensor:
        """The standard deviation; 1 where all are equal, so that dividing by it changes nothing."""
        assert self.count is not None
        n = self.count.clamp_min(1)
        std = (self.squares / n - (self.total / n) ** 2).clamp_min(0).sqrt()
        equal = std <= 1e-12 * self.about.abs().clamp_min(1e-30)
        return torch.where(equal, 1.0, std).float()


def fitted_values(
    plans: Iterable[FitPlan],
    chunks: Callable[[], Iterable[Rows]],
    fit: Callable[[Rows, Tensors], Tensors],
    lengths: Callable[[str, Rows], Rows],
) -> Tensors:
    """All fitted values by name. `fit(rows, values)` gives the tensors; those that need values not fitted yet are not looked at."""
    values: Tensors = {}
    for _, same in groupby(sorted(plans, key=lambda p: p.level), key=lambda p: p.level):
        level = list(same)
        moments = {plan.name: Moments() for plan in level}
        for rows in chunks():
            found = fit(rows, Later(values))
            for plan in level:
                inside = _inside(found[plan.name], lengths(plan.length, rows)) if plan.length is not None else None
                moments[plan.name].add(found[plan.name], inside)
        for plan in level:
            values[f"{plan.name}_mean"] = moments[plan.name].mean()
            if plan.kind == "standardize":
                values[f"{plan.name}_std"] = moments[plan.name].std()
    return values


def _inside(values: Tensor, lengths: Rows) -> Tensor:
    return torch.from_numpy(np.arange(values.shape[1]) < lengths[:, None])


class Later(dict[str, Tensor]):
    """The fitted values while some are still to be fitted: those are 0 for a mean and 1 for a standard deviation."""

    def __missing__(self, name: str) -> Tensor:
        return torch.tensor(0.0 if name.endswith("_mean") else 1.0)

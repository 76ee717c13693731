"""Affine layers in closed form, from moments that are summed over blocks of rows: `ridge`, `least_squares`, `logistic` by Newton's method.

All sums are float64 and of a size that the rows do not change. With a bias, rows and targets are moved by the mean of the first block
before they are summed, so that large means cost no digits. Under torch.distributed every process gives its blocks, and all get the same
weights: the moments are all-reduced.

A system is solved by Cholesky; where that breaks, or its factor says that too few digits are left, by the eigenvectors of the moments,
which gives the solution of the smallest norm.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

Block = tuple[Tensor, Tensor]
"""Rows `[N, D]` and what they should become: `[N, K]`, or class numbers `[N]` for `logistic`."""

EPSILON = torch.finfo(torch.float64).eps
NEWTON_STEPS, HALVINGS = 50, 30
CLOSE = 1e-10  # of the loss: what a Newton step may still gain at the end


@dataclass(frozen=True)
class Solution:
    """`weight` [K, D] and `bias` [K] in float64; `loss` is the mean squared error (of `logistic` the cross-entropy) that they leave."""

    weight: Tensor
    bias: Tensor | None
    loss: float


def linear(blocks: Iterable[Block], l2: float, bias: bool) -> Solution:
    """The weights with the least sum of squared errors plus `l2` times their own squares; a bias is not held back. One pass."""
    moments: _Moments | None = None
    with threadpool_limits(torch.get_num_threads(), "blas"):  # of NumPy as of PyTorch: bits follow from it
        for block in blocks:
            x, y = block[0].double(), block[1].double()
            if moments is None:
                moments = _Moments.begun(x, y, bias)
            moments.add(x, y)
    assert moments is not None
    moments.reduce()
    return moments.solved(l2)


@dataclass
class _Moments:
    shifts: Block | None  # what rows and targets are moved by; none without a bias
    xx: Tensor
    xy: Tensor
    yy: Tensor
    x: Tensor
    y: Tensor
    rows: Tensor

    @classmethod
    def begun(cls, x: Tensor, y: Tensor, bias: bool) -> "_Moments":
        d, k = x.shape[1], y.shape[1]
        shifts = None
        if bias:
            shifts = x.mean(0), y.mean(0)
            for shift in shifts:
                _from_first(shift)
        new = x.new_zeros
        return cls(shifts, new(d, d), new(d, k), new(()), new(d), new(k), new(()))

    def add(self, x: Tensor, y: Tensor) -> None:
        if self.shifts is not None:
            x, y = x - self.shifts[0], y - self.shifts[1]
            self.x += x.sum(0)
            self.y += y.sum(0)
        _add_gram(self.xx, x)
        self.xy.addmm_(x.T, y)
        self.yy += y.square().sum()
        self.rows += len(x)

    def reduce(self) -> None:
        for sums in (self.xx, self.xy, self.yy, self.x, self.y, self.rows):
            _summed(sums)

    def solved(self, l2: float) -> Solution:
        xx, xy, yy = self.xx, self.xy, self.yy
        if self.shifts is not None:  # about the means
            xx = xx - torch.outer(self.x, self.x) / self.rows
            xy = xy - torch.outer(self.x, self.y) / self.rows
            yy = yy - self.y.square().sum() / self.rows
        weight = symmetric_solve(xx + l2 * torch.eye(len(xx), dtype=xx.dtype, device=xx.device), xy)
        left = yy - 2 * (weight * xy).sum() + (weight * (xx @ weight)).sum()
        loss = float(left.clamp(min=0) / (self.rows * xy.shape[1]))
        if self.shifts is None:
            return Solution(weight.T, None, loss)
        x_mean, y_mean = self.shifts[0] + self.x / self.rows, self.shifts[1] + self.y / self.rows
        return Solution(weight.T, y_mean - x_mean @ weight, loss)


def _add_gram(sums: Tensor, x: Tensor) -> None:
    """In place: plus `xᵀ x`. NumPy has half of it computed, for the rest is the same again; PyTorch knows no such product."""
    if x.device.type != "cpu":
        sums.addmm_(x.T, x)
        return
    rows = x.numpy()
    sums += torch.from_numpy(rows.T @ rows)


def symmetric_solve(a: Tensor, b: Tensor) -> Tensor:
    """`a x = b` for symmetric `a` without negative eigenvalues; of several solutions the smallest."""
    factor, failed = torch.linalg.cholesky_ex(a)
    diagonal = factor.diagonal()
    if not int(failed) and float(diagonal.min() / diagonal.max()) ** 2 > len(a) * EPSILON:
        return torch.cholesky_solve(b, factor)
    values, vectors = torch.linalg.eigh(a)
    kept = values > values.max().clamp(min=0) * len(a) * EPSILON
    inverse = torch.where(kept, 1 / torch.where(kept, values, 1.0), 0.0)
    solution: Tensor = vectors @ (inverse[:, None] * (vectors.T @ b))
    return solution


def logistic(blocks: Callable[[], Iterator[Block]], classes: int, l2: float, bias: bool) -> Solution:
    """The weights with the least summed cross-entropy plus half of `l2` times their squares, by Newton's method with halved steps.

    Each step is a pass over the blocks; labels are class numbers. A step that gains nothing is halved, so the loss never rises.
    """
    point: Tensor | None = None
    step: Tensor | None = None
    loss = float("inf")
    slope = hessian = torch.empty(0)
    halvings, rows = 0, 1.0
    for _ in range(NEWTON_STEPS + HALVINGS):
        trial = point if step is None or point is None else point + step
        found = _derivatives(blocks(), trial, classes, l2, bias)
        if found.loss <= loss or step is None:
            gained = loss - found.loss
            point, loss, slope, hessian, rows, halvings = found.point, found.loss, found.slope, found.hessian, found.rows, 0
            if gained <= CLOSE * (1 + abs(loss)):
                break
            step = -symmetric_solve(hessian, slope.reshape(-1, 1)).reshape(point.shape)
        else:
            halvings += 1
            if halvings > HALVINGS:
                break
            step = step / 2
    assert point is not None
    held = l2 / 2 * float((point[:, :-1] if bias else point).square().sum())
    mean = (loss - held) / rows
    return Solution(point[:, :-1].clone(), point[:, -1].clone(), mean) if bias else Solution(point, None, mean)


@dataclass(frozen=True)
class _Derivatives:
    point: Tensor
    loss: float
    slope: Tensor
    hessian: Tensor
    rows: float


def _derivatives(blocks: Iterable[Block], point: Tensor | None, classes: int, l2: float, bias: bool) -> _Derivatives:
    """The loss, its slope `[K, D]` and its second derivatives `[K D, K D]` at a point, zeros where there is none yet."""
    loss = slope = hessian = rows = None
    for rows_of, label in blocks:
        doubled = rows_of.double()
        x = torch.cat((doubled, doubled.new_ones(len(doubled), 1)), 1) if bias else doubled
        width = x.shape[1]
        if point is None:
            point = x.new_zeros(classes, width)
        if loss is None or slope is None or hessian is None or rows is None:
            loss, rows = x.new_zeros(()), x.new_zeros(())
            slope, hessian = torch.zeros_like(point), x.new_zeros(classes, width, classes, width)
        scores = x @ point.T
        p = scores.softmax(1)
        loss += torch.nn.functional.cross_entropy(scores, label, reduction="sum")
        slope += (p - torch.eye(classes, dtype=p.dtype, device=p.device)[label]).T @ x
        for a in range(classes):
            for b in range(a + 1):
                weight = p[:, a] * (float(a == b) - p[:, b])
                block = (x * weight[:, None]).T @ x
                hessian[a, :, b] += block
                if a != b:
                    hessian[b, :, a] += block
        rows += len(x)
    assert point is not None
    assert loss is not None
    assert slope is not None
    assert hessian is not None
    assert rows is not None
    for sums in (loss, slope, hessian, rows):
        _summed(sums)
    held = torch.full_like(point, l2)
    if bias:
        held[:, -1] = 0
    slope = slope + held * point
    square = hessian.reshape(point.numel(), point.numel())
    square.diagonal().add_(held.reshape(-1))
    return _Derivatives(point, float(loss + (held * point.square()).sum() / 2), slope, square, float(rows))


def _summed(tensor: Tensor) -> None:
    """In place: the sum over all processes."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(tensor)


def _from_first(tensor: Tensor) -> None:
    """In place: what the first process has."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.broadcast(tensor, 0)

"""Evaluation: all losses and metrics over a part, in evaluation mode, without gradients."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..data.batches import in_order, size
from ..data.held import Held, first, together
from .wiring import Bound, Wiring, number

Values = dict[str, Any]
"""Numbers by name; a confusion table is a list of lists."""

SMALL = 2**20  # bytes that an evaluation batch may grow to


def batch_size(columns: Held, batch: int) -> int:
    """The rows of an evaluation batch: as in training, or more where rows are small. It follows from sizes alone."""
    row = max(1, size(first(columns, 1, torch.device("cpu"))))
    return max(batch, min(8 * batch, SMALL // row))


def evaluate(
    model: nn.Module, wiring: Wiring, columns: Held, batch: int, device: torch.device, pause: Callable[[], None]
) -> Values:
    """The total loss and each term by name. `pause` is called before each batch and may raise. Draws are those of the random states as they
    are: see `determinism.evaluating`."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return _evaluate(model, wiring, columns, batch_size(columns, batch), device, pause)
    finally:
        model.train(training)


def _evaluate(
    model: nn.Module, wiring: Wiring, columns: Held, batch: int, device: torch.device, pause: Callable[[], None]
) -> Values:
    terms = wiring.losses + wiring.metrics
    collected: list[list[tuple[Tensor, ...]]] = [[] for _ in terms]
    sums = [torch.zeros((), dtype=torch.float64, device=device) for _ in terms]
    total = 0
    for tensors in in_order(columns, batch, device):
        pause()
        values = wiring.forward(model, tensors)
        rows = len(tensors[0])
        total += rows
        for i, term in enumerate(terms):
            if term.term.reduce == "collect":
                collected[i].append(tuple(values[p] for p in term.positions))
            else:
                sums[i] = sums[i] + number(term(values)).to(device) * rows
    for i, term in enumerate(terms):
        if term.term.reduce == "collect":
            sums[i] = number(term.function(*_joined(collected[i]))).to(device) * total
    tables = {i: value for i, value in enumerate(sums) if value.dim()}
    for i in tables:
        sums[i] = sums[i].new_zeros(())
    means = (torch.stack(sums) / max(1, total)).tolist() if sums else []
    finished: list[Any] = [_finished(mean, term) for mean, term in zip(means, terms, strict=True)]
    for i, table in tables.items():
        finished[i] = (table / max(1, total)).tolist()
    return _named(finished, wiring.losses, wiring.metrics)


def _finished(mean: float, term: Bound) -> float:
    """What is done to the mean over all rows; what overflows is infinite."""
    if term.term.finish != "exp":
        return mean
    try:
        return math.exp(mean)
    except OverflowError:
        return math.inf


def _joined(batches: list[tuple[Tensor, ...]]) -> list[Tensor]:
    return [together(parts) if parts[0].dim() else parts[0] for parts in zip(*batches, strict=True)]


def _named(values: list[Any], losses: Sequence[Bound], metrics: Sequence[Bound]) -> Values:
    """`loss`, the sum of the losses, then each loss by its name where there are several, then the metrics."""
    named = {"loss": sum(values[: len(losses)])} if losses else {}
    if len(losses) > 1:
        named |= {t.term.name: v for t, v in zip(losses, values, strict=False)}
    return named | {t.term.name: v for t, v in zip(metrics, values[len(losses) :], strict=True)}

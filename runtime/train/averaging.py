"""Weight averages: an exponential one over the steps, or the plain mean of the ends of epochs (SWA; Izmailov et al., 2018).

The averages are what is evaluated and kept. Buffers are the model's own; but the statistics of batch norms belong to weights that a plain
mean has never run with, so they are measured anew on the training part before such weights are used.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ...compiler.plan import AveragePlan

Refresh = Callable[[], None]
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Average:
    """The averages of `parameters`, in their order."""

    def __init__(self, plan: AveragePlan, parameters: Sequence[Tensor]) -> None:
        self.plan, self.parameters = plan, list(parameters)
        self.values = [p.detach().clone() for p in self.parameters]
        self.count = 0  # what went into a plain mean

    @torch.no_grad()
    def after_step(self) -> None:
        if self.plan.decay is not None:
            torch._foreach_lerp_(self.values, self.parameters, 1 - self.plan.decay)

    @torch.no_grad()
    def after_epoch(self, epoch: int) -> None:
        """The end of an epoch of the phase, from 1."""
        if self.plan.start is None or epoch < self.plan.start:
            return
        self.count += 1
        torch._foreach_lerp_(self.values, self.parameters, 1 / self.count)

    @property
    def ready(self) -> bool:
        """Whether there is an average yet; before, the weights themselves are the best that there is."""
        return self.plan.decay is not None or self.count > 0

    @contextmanager
    def in_place(self, model: nn.Module, refresh: Refresh) -> Iterator[None]:
        """Within: the model has the averaged weights, and statistics that fit them."""
        if not self.ready:
            yield
            return
        own = [p.detach().clone() for p in self.parameters]
        buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
        _put(self.parameters, self.values)
        try:
            if self.plan.start is not None and any(isinstance(m, NORMS) for m in model.modules()):
                refresh()
            yield
        finally:
            _put(self.parameters, own)
            _put([b for _, b in model.named_buffers()], list(buffers.values()))

    def packed(self) -> dict[str, Any]:
        return {"values": self.values, "count": self.count}

    def restore(self, saved: dict[str, Any]) -> None:
        _put(self.values, saved["values"])
        self.count = saved["count"]


@torch.no_grad()
def _put(targets: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for target, value in zip(targets, values, strict=True):
        target.copy_(value)


@torch.no_grad()
def measure_norms(model: nn.Module, forward: Callable[[Any], object], batches: Iterable[Any]) -> None:
    """Sets the running statistics of all batch norms to their mean over these batches."""
    norms = [m for m in model.modules() if isinstance(m, NORMS) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    training = model.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    model.train()
    try:
        for batch in batches:
            forward(batch)
    finally:
        model.train(training)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

"""Weight averages: an exponential one over the steps, or the plain mean of the ends of epochs (SWA; Izmailov et al., 2018).

The averages are what is evaluated and kept. Buffers are the model's own; but the statistics of batch norms belong to weights that a plain
mean has never run with, so they are measured anew on the training part before such weights are used.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ...compiler.plan import AveragePlan
from .targets import shared_by

Refresh = Callable[[], None]
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Average:
    """The averages that the plans ask for of named parameters; of what no plan is about there is none."""

    def __init__(self, plans: Sequence[AveragePlan], parameters: Mapping[str, Tensor]) -> None:
        self.start = next((plan.start for plan in plans if plan.start is not None), None)
        self.parameters: list[Tensor] = []
        self.decays: list[tuple[float, slice]] = []
        for plan, own in zip(plans, shared_by(parameters, [plan.targets for plan in plans]), strict=True):
            first = len(self.parameters)
            self.parameters += own
            if plan.decay is not None:
                self.decays.append((plan.decay, slice(first, len(self.parameters))))
        self.values = [p.detach().clone() for p in self.parameters]
        self.count = 0  # what went into a plain mean

    @torch.no_grad()
    def after_step(self) -> None:
        for decay, part in self.decays:
            torch._foreach_lerp_(self.values[part], self.parameters[part], 1 - decay)

    @torch.no_grad()
    def after_epoch(self, epoch: int) -> None:
        """The end of an epoch of the phase, from 1."""
        if self.start is None or epoch < self.start:
            return
        self.count += 1
        torch._foreach_lerp_(self.values, self.parameters, 1 / self.count)

    @property
    def ready(self) -> bool:
        """Whether there is an average yet; before, the weights themselves are the best that there is."""
        return bool(self.decays) or self.count > 0

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
            if self.start is not None and any(isinstance(m, NORMS) for m in model.modules()):
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

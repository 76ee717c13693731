"""One update of a step: forward, losses, backward, clip, optimizers. The only place where weights are changed.

Its losses are averaged over the rows of all batches of a step, so accumulation over several batches is one step on all their rows.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...compiler.plan import Precision, UpdatePlan
from ..data.batches import Batch
from .clipping import Clip, cut
from .nexts import Nexts
from .untraced import step_of
from .wiring import Bound, Wiring

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
PLAIN = nullcontext()
Casting = Callable[[], AbstractContextManager[object]]


def casting(precision: Precision, device: torch.device) -> Casting | None:
    """The context of a forward pass in that precision; none where nothing is cast."""
    kind = AUTOCAST.get(precision)
    if kind is None:
        return None
    return lambda: torch.autocast(device.type, dtype=kind)


def scaler(precision: Precision, device: torch.device) -> "torch.amp.GradScaler | None":
    """Half precision loses small gradients, so they are scaled up; a step whose gradients then overflow is left out (PyTorch's rule)."""
    return torch.amp.GradScaler(device.type) if precision == "fp16" else None


@dataclass
class Update:
    """`weights` are all that its optimizers move."""

    plan: UpdatePlan
    model: nn.Module
    wiring: Wiring
    losses: tuple[Bound, ...]
    optimizers: tuple[torch.optim.Optimizer, ...]
    weights: list[Tensor]
    clips: list[Clip]
    cast: Casting | None = None
    scaler: "torch.amp.GradScaler | None" = None

    def __post_init__(self) -> None:
        self.follow: Callable[[], None] | None = getattr(self.model, "update_averages", None)
        self.steps = [step_of(optimizer) for optimizer in self.optimizers]
        alone = len(self.losses) == 1 and self.cast is None and self.scaler is None
        self.known = self.losses[0] if alone and self.losses[0].slopes is not None else None
        self.parameters = list(self.model.parameters())
        self.nexts = Nexts(self.model, self.wiring.nexts)
        self.lbfgs = any(isinstance(o, torch.optim.LBFGS) for o in self.optimizers)

    def __call__(self, batches: Sequence[Batch]) -> Tensor:
        """Moves the weights once; gives the loss, and behind it each term where there are several."""
        values = self.with_closure(batches) if self.lbfgs else self.step(batches)
        if self.follow is not None:
            self.follow()
        return values

    def step(self, batches: Sequence[Batch]) -> Tensor:
        if self.known is None:
            return self.moved(batches)
        with torch.inference_mode():  # a tenth faster than without gradients, where tensors are small
            return self.moved(batches)

    def moved(self, batches: Sequence[Batch]) -> Tensor:
        self.forget()
        values = self.gradients(batches)
        if self.clips:
            self.cut()
        if self.scaler is None:
            with torch.no_grad() if torch.is_grad_enabled() else PLAIN:
                for step in self.steps:
                    step()
        else:
            for optimizer in self.optimizers:
                self.scaler.step(optimizer)
            self.scaler.update()
        return values

    def forget(self) -> None:
        """No gradients: what `zero_grad` of all optimizers does, without what else it does in each step."""
        for weight in self.weights:
            weight.grad = None

    def gradients(self, batches: Sequence[Batch]) -> Tensor:
        """Adds the gradients of the loss over the rows of all batches."""
        if len(batches) == 1:
            return self.backward(batches[0], None)
        rows = [len(batch[0]) for batch in batches]
        total = sum(rows)
        before = self.nexts.values()
        values = self.backward(batches[0], rows[0] / total)
        for batch, count in zip(batches[1:], rows[1:], strict=True):
            self.nexts.put(before)
            values = values + self.backward(batch, count / total)
        return values

    def backward(self, batch: Batch, share: float | None) -> Tensor:
        if self.known is not None:
            with torch.no_grad() if torch.is_grad_enabled() else PLAIN:
                return self.by_slopes(self.known, batch, share)
        with self.cast() if self.cast is not None else PLAIN:
            values = self.wiring.forward(self.model, batch)
            loss, terms = self.wiring.losses_of(self.losses, values)
        if share is not None:
            loss = loss * share
        (self.scaler.scale(loss) if self.scaler is not None else loss).backward()  # type: ignore[no-untyped-call]
        if not terms:
            return loss.detach()
        return torch.stack([loss.detach(), *(t.detach() if share is None else t.detach() * share for t in terms)])

    def by_slopes(self, loss: Bound, batch: Batch, share: float | None) -> Tensor:
        """A loss that knows its slopes: no graph is recorded, and no pass goes back."""
        assert loss.slopes is not None
        given = self.wiring.forward(self.model, batch)
        value, slopes = loss.slopes(*[given[i] for i in loss.positions])
        for parameter, slope in zip(self.parameters, slopes, strict=True):
            if parameter.requires_grad:
                added = slope if share is None else slope * share
                parameter.grad = added if parameter.grad is None else parameter.grad + added
        return value if share is None else value * share

    def cut(self) -> None:
        """Clips the gradients as they are without scale."""
        if self.scaler is not None:
            for optimizer in self.optimizers:
                self.scaler.unscale_(optimizer)
        cut(self.clips)

    def with_closure(self, batches: Sequence[Batch]) -> Tensor:
        """An optimizer that looks at the loss several times a step (L-BFGS); what is told is the loss before the step."""
        first: list[Tensor] = []
        before, after = self.nexts.values(), []

        def closure() -> Tensor:
            self.forget()
            self.nexts.put(before)
            values = self.gradients(batches)
            if self.clips:
                self.cut()
            if not first:
                after.extend(self.nexts.values())
            first.append(values)
            return values if values.dim() == 0 else values[0]

        for optimizer in self.optimizers:
            optimizer.step(closure)  # type: ignore[arg-type]
        self.nexts.put(after)
        return first[0]

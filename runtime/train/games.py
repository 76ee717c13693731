"""A round of a game: the updates of its players, in the order of the text.

All updates of a round share its first batch and draws, and each sees the weights that the one before it left; a player's further updates
take fresh batches and draws. While one player moves, the others stand still: their weights get no gradient, so no work is done for any,
and their norms keep their statistics, their buffers their values.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...compiler.plan import ClipPlan, PhasePlan, UpdatePlan
from ..data.batches import Batch
from .averaging import NORMS
from .nexts import Nexts
from .targets import depth
from .untraced import step_of
from .updates import PLAIN, Casting
from .wiring import Wiring


@dataclass
class Move:
    """One objective with what it moves: `weights` are those of its players that are trained, `still` all others that are."""

    plan: UpdatePlan
    objective: Any
    weights: list[nn.Parameter]
    still: list[nn.Parameter]
    norms: Sequence[nn.Module]  # of those who stand still
    nexts: Nexts  # likewise
    steps: list[Any]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within: only its weights have gradients, and only the norms and buffers of its players follow."""
        for weight in self.weights:
            weight.requires_grad_(True)
            weight.grad = None
        for weight in self.still:
            weight.requires_grad_(False)
            weight.grad = None
        followed: list[Any] = [norm for norm in self.norms if getattr(norm, "track_running_stats", False)]
        for norm in followed:
            norm.track_running_stats = False
        before = self.nexts.values()
        try:
            yield
        finally:
            for norm in followed:
                norm.track_running_stats = True
            self.nexts.put(before)
            for weight in self.still:
                weight.requires_grad_(True)


class Round:
    """All updates of a step. Gives the sum of the objectives as they were before their first updates, and each behind it."""

    def __init__(
        self,
        plan: PhasePlan,
        model: nn.Module,
        wiring: Wiring,
        shares: Sequence[tuple[torch.optim.Optimizer, Sequence[str]]],
        cast: Casting | None,
    ) -> None:
        self.wiring, self.cast, self.clip = wiring, cast, plan.clip
        self.draw: Any = getattr(model, "draw_round", None)
        self.see: Callable[[tuple[str, ...], list[nn.Parameter]], None] | None = None  # hears of the gradients of each update
        self.moves = [self._move(update, model, shares) for update in plan.updates]

    def _move(self, update: UpdatePlan, model: nn.Module, shares: Sequence[tuple[torch.optim.Optimizer, Sequence[str]]]) -> Move:
        names = dict(model.named_parameters())
        trained = [name for _, share in shares for name in share]
        own = [name for name in trained if depth(name, update.targets) >= 0]
        others = [name for name in trained if depth(name, update.targets) < 0]
        norms = [m for name, m in model.named_modules() if isinstance(m, NORMS) and depth(name, update.targets) < 0]
        steps = [step_of(optimizer) for optimizer, share in shares if not set(share).isdisjoint(own)]
        objective = getattr(model, update.method)
        still = Nexts(model, self.wiring.nexts, update.targets)
        return Move(update, objective, [names[n] for n in own], [names[n] for n in others], norms, still, steps)

    def given(self, batch: Batch) -> tuple[Any, ...]:
        """What every objective is computed from: the inputs, then the draws."""
        values: tuple[Any, ...] = batch + self.wiring.whole
        if self.wiring.kind is not None:
            values = tuple(t.to(self.wiring.kind) if t.is_floating_point() else t for t in values)
        inputs = tuple(values[i] for i in self.wiring.inputs)
        with torch.no_grad():
            return inputs + (tuple(self.draw(*inputs)) if self.draw is not None else ())

    def __call__(self, batches: Sequence[Batch]) -> Tensor:
        given = self.given(batches[0])
        told: list[Tensor] = []
        for move in self.moves:
            told.append(self.update(move, given))
            for batch in batches[1 : move.plan.rounds]:
                self.update(move, self.given(batch))
        return together(told)

    def gradients(self, batches: Sequence[Batch]) -> Tensor:
        """All objectives and their gradients, with nothing moved."""
        given = self.given(batches[0])
        told = []
        for move in self.moves:
            with move.alone():
                told.append(self.backward(move, given))
        return together(told)

    def update(self, move: Move, given: tuple[Any, ...]) -> Tensor:
        with move.alone():
            value = self.backward(move, given)
            if self.see is not None:
                self.see(tuple(move.plan.targets), move.weights)
            cut(move.weights, self.clip)
            with torch.no_grad():
                for step in move.steps:
                    step()
        return value

    def backward(self, move: Move, given: tuple[Any, ...]) -> Tensor:
        with self.cast() if self.cast is not None else PLAIN:
            value: Tensor = move.objective(*given)
        value.backward()  # type: ignore[no-untyped-call]
        return value.detach()


def together(told: list[Tensor]) -> Tensor:
    """Their sum, and behind it each where there are several."""
    if len(told) == 1:
        return told[0]
    return torch.stack([torch.stack(told).sum(), *told])


def cut(weights: list[nn.Parameter], clip: ClipPlan) -> None:
    """Clips the gradients of one update."""
    if clip.value is not None:
        nn.utils.clip_grad_value_(weights, clip.value)
    if clip.norm is not None:
        nn.utils.clip_grad_norm_(weights, clip.norm)

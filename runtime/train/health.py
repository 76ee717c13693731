"""What a person should be told of a run that learns badly: a loss that does not go down, dead units, gradients that explode or vanish.

A step is looked into twice a second at most, and so that a hundredth of the time is spent at most. Which steps are looked into follows
the clock; what they compute does not. Each thing is said once.
"""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from statistics import mean, variance
from typing import Any

import torch
from torch import Tensor, nn

from ...compiler.plan import PhasePlan
from ...dsl.diagnostic import Fault
from ...dsl.span import Span
from ..executable import Executable
from ..faults.games import PlayerStarves
from ..faults.health import DeadUnits, GradientsExplode, GradientsVanish, LossStands
from .inspection import Looking, here, is_built
from .weights import tied

EVERY = 0.4  # seconds between looks, at least
SHARE = 0.01  # of the time
RECTIFIERS = ("relu", "relu_", "relu6")  # what gives exact zeros to units that are off
LOOKS = 5  # looks in a row in which a unit is off before it is called dead
DEAD = 0.5  # of the units of a layer
STEEP, FLAT = 1e3, 1e-7  # norm of a gradient over that of its weights
EPOCHS, STANDS = 4, 1e-3  # epochs in which a loss moves by less than this share


class Health:
    """Looks into the steps of a run; `tell` is called with what is wrong."""

    def __init__(self, model: nn.Module, exe: Executable, place: Span, tell: Callable[[Fault], None]) -> None:
        self.model, self.exe, self.place, self.tell = model, exe, place, tell
        self.due = time.monotonic() + EVERY
        self.off: dict[Span, tuple[int, Tensor]] = {}  # looks, and which units were off in all of them
        self.steep: dict[str, int] = {}
        self.flat: dict[str, int] = {}
        self.losses: list[float] | None = None  # of the epochs of a phase, if they are all known and are to fall
        self.said: set[str] = set()
        self.names = [n for n, _ in model.named_parameters() if n not in tied(model)]

    def ready(self) -> bool:
        return time.monotonic() >= self.due

    def watch(self, step: Callable[[], Tensor]) -> Tensor:
        """Runs a step and looks into it; of a model that torch.compile built, at its gradients alone."""
        begun = time.monotonic()
        with nullcontext() if is_built(self.model) else Looking(self.see):
            values = step()
        self.see_gradients()
        self.due = time.monotonic() + max(EVERY, (time.monotonic() - begun) / SHARE)
        return values

    def see(self, name: str, result: Tensor) -> None:
        """Units that are off for every row."""
        if name not in RECTIFIERS or result.dim() < 2 or len(result) < 8:
            return
        place = here(self.exe)
        if place is None:
            return
        units = 2 if result.dim() == 3 else 1  # [B, N], [B, T, D], [B, C, H, W]
        off = (result <= 0).movedim(units, 0).flatten(1).all(1)
        looks, before = self.off.get(place, (0, torch.ones_like(off)))
        if before.shape != off.shape:
            return
        self.off[place] = (looks + 1, before & off)
        share = float((before & off).float().mean())
        if looks + 1 >= LOOKS and share > DEAD:
            self.once(f"dead {place}", DeadUnits(place, int((before & off).sum()), off.numel()))

    def see_gradients(self) -> None:
        parameters = dict(self.model.named_parameters())
        moved = [(n, parameters[n]) for n in self.names if parameters[n].grad is not None and parameters[n].dim() > 1]
        if not moved:
            return
        gradients = torch.stack([torch.linalg.vector_norm(p.grad) for _, p in moved if p.grad is not None])
        sizes = torch.stack([torch.linalg.vector_norm(p.detach()) for _, p in moved])
        for (name, _), ratio in zip(moved, (gradients / sizes.clamp(min=1e-12)).tolist(), strict=True):
            self.steep[name] = self.steep.get(name, 0) + 1 if ratio > STEEP else 0
            self.flat[name] = self.flat.get(name, 0) + 1 if ratio < FLAT else 0
            if self.steep[name] >= 2:
                self.once("steep", GradientsExplode(self.place, name, ratio))
            if self.flat[name] >= LOOKS:
                self.once("flat", GradientsVanish(self.place, name, ratio))

    def see_player(self, players: tuple[str, ...], weights: list[nn.Parameter]) -> None:
        """The gradients of one update of a game, all together."""
        moved = [(weight, weight.grad) for weight in weights if weight.grad is not None]
        if not moved:
            return
        norms = [torch.stack([torch.linalg.vector_norm(t.detach()) for t in part]).norm() for part in zip(*moved, strict=True)]
        ratio, name = float(norms[1] / norms[0].clamp(min=1e-12)), " and ".join(players)
        self.flat[name] = self.flat.get(name, 0) + 1 if ratio < FLAT else 0
        if self.flat[name] >= LOOKS:
            self.once(f"starves {name}", PlayerStarves(self.place, name, ratio))

    def begin_phase(self, plan: PhasePlan) -> None:
        """From here on epochs are those of this phase. What a game or contrastive divergence goes to is no measure of what was learned."""
        learns = not plan.is_game and all(term.better is not None for term in plan.losses)
        self.losses = [] if learns else None

    def epoch(self, loss: float) -> None:
        """The mean training loss of an epoch."""
        if self.losses is None or len(self.losses) == 2 * EPOCHS:
            return
        self.losses.append(loss)
        if all(map(math.isfinite, self.losses)) and (_stands(self.losses) or _wobbles(self.losses)):
            first, *later = self.losses
            self.once("stands", LossStands(self.place, first, min(later), len(later)))

    def once(self, key: str, fault: Any) -> None:
        if key not in self.said:
            self.said.add(key)
            self.tell(fault)


def _stands(losses: list[float]) -> bool:
    """Is a loss after some epochs where it began?"""
    return len(losses) >= EPOCHS and max(abs(loss - losses[0]) for loss in losses) <= STANDS * abs(losses[0])


def _wobbles(losses: list[float]) -> bool:
    """Is it after twice as many no lower than it was, by two standard errors of the difference between its two halves (Welch, 1947), and
    was it at first no higher than one more of those after it might be? What falls fast at first is spread widely in the first half."""
    if len(losses) < 2 * EPOCHS:
        return False
    before, after = losses[:EPOCHS], losses[EPOCHS:]
    error = math.sqrt((variance(before) + variance(after)) / EPOCHS)
    first, *later = losses
    usual = mean(later) + 2 * math.sqrt(variance(later) * (1 + 1 / len(later)))
    return mean(before) - mean(after) < 2 * error and first <= usual

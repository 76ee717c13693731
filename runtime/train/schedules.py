"""Schedules: the learning rate of each step of a phase, as a pure function of the step.

Nothing is kept between steps, so a resumed run needs no state of its schedules; `plateau` alone follows the validation, and its few numbers
are part of the run's state. The formulas are those of `torch.optim.lr_scheduler`; a test holds them equal.
"""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...compiler.plan import SchedulePlan, StagePlan
from ..faults.runs import ClauseRefused
from ..stops import InputFaults, span_of

Rate = Callable[[int], float]


@dataclass(frozen=True)
class Span:
    """What a stage is made for: the rate of the optimizer, how many steps the stage has, and the steps of an epoch."""

    rate: float
    steps: int
    epoch: int = 1

    def unit(self, per: str) -> int:
        """The steps that a schedule counts as one."""
        return self.epoch if per == "epoch" else 1


def constant(span: Span) -> Rate:
    """The rate as it is."""
    return lambda step: span.rate


def warmup(span: Span, start: float = 0.0) -> Rate:
    """A linear rise to the rate over the steps of the stage, from `start` times the rate; with 0 the first step already has its share."""
    if start:
        return lambda step: span.rate * (start + (1 - start) * step / span.steps)
    return lambda step: span.rate * (step + 1) / span.steps


def cosine(span: Span, to: float = 0.0) -> Rate:
    """Half a cosine down to the rate `to` at the end of the stage (CosineAnnealingLR; Loshchilov and Hutter, 2017)."""
    length = max(1, span.steps)
    return lambda step: to + (span.rate - to) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / length)))


def linear(span: Span, to: float = 0.0) -> Rate:
    """Straight to the rate `to` (LinearLR)."""
    length = max(1, span.steps)
    return lambda step: span.rate + (to - span.rate) * min(1.0, step / length)


def polynomial(span: Span, power: float = 1.0, to: float = 0.0) -> Rate:
    """`(1 - step / steps) ** power` of the way down to the rate `to` (PolynomialLR)."""
    length = max(1, span.steps)
    return lambda step: to + (span.rate - to) * (1.0 - min(1.0, step / length)) ** power


def exponential(span: Span, gamma: float, per: str = "epoch") -> Rate:
    """Times `gamma` after every epoch or step (ExponentialLR)."""
    unit = span.unit(per)
    return lambda step: span.rate * gamma ** (step // unit)


def step(span: Span, size: int, gamma: float = 0.1, per: str = "epoch") -> Rate:
    """Times `gamma` after every `size` epochs or steps (StepLR)."""
    unit = size * span.unit(per)
    return lambda step: span.rate * gamma ** (step // unit)


def multistep(span: Span, milestones: list[int], gamma: float = 0.1, per: str = "epoch") -> Rate:
    """Times `gamma` at each milestone, counted in epochs or steps (MultiStepLR)."""
    marks = [mark * span.unit(per) for mark in milestones]
    return lambda step: span.rate * gamma ** bisect_right(marks, step)


def _between(start: float, end: float, share: float, strategy: str) -> float:
    if strategy == "linear":
        return start + (end - start) * share
    return end + (start - end) / 2.0 * (1.0 + math.cos(math.pi * share))


def _cycle(steps: int, pct_start: float, values: tuple[float, float, float], strategy: str) -> Rate:
    """From the first value to the second over `pct_start` of the steps, then to the third."""
    top = float(pct_start * steps) - 1

    def at(step: int) -> float:
        if step <= top:
            return _between(values[0], values[1], step / top if top else 0.0, strategy)
        return _between(values[1], values[2], min(1.0, (step - top) / max(1e-12, steps - 1 - top)), strategy)

    return at


def one_cycle(
    span: Span,
    max_lr: float | None = None,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    **momentum: object,
) -> Rate:
    """Up to `max_lr` (the optimizer's own rate), then far down (OneCycleLR; Smith and Topin, 2018)."""
    top = span.rate if max_lr is None else max_lr
    low = top / div_factor
    return _cycle(span.steps, pct_start, (low, top, low / final_div_factor), anneal_strategy)


def one_cycle_momentum(stage: StagePlan, steps: int) -> Rate | None:
    """The momentum that goes with the rate of `one_cycle`, high where the rate is low; none where it is to stay."""
    given: dict[str, Any] = dict(stage.arguments)
    if not given.get("cycle_momentum", True):
        return None
    low, high = given.get("base_momentum", 0.85), given.get("max_momentum", 0.95)
    return _cycle(steps, given.get("pct_start", 0.3), (high, low, high), given.get("anneal_strategy", "cos"))


SCHEDULES: dict[str, Callable[..., Rate]] = {
    "constant": constant,
    "warmup": warmup,
    "cosine": cosine,
    "linear": linear,
    "polynomial": polynomial,
    "exponential": exponential,
    "step": step,
    "multistep": multistep,
    "one_cycle": one_cycle,
    "plateau": constant,
}
PLATEAU = ("factor", "patience", "threshold", "cooldown", "min_lr")


def schedule(plan: SchedulePlan | None, rate: float, total: int, epoch: int = 1) -> Rate | None:
    """The rate of each step (from 0) of a phase of `total` steps, `epoch` of them an epoch; none where it never changes."""
    if plan is None or (len(plan.stages) == 1 and plan.stages[0].name == "constant" and not plan.stages[0].arguments):
        return None
    rates: list[Rate] = []
    starts = [0]
    for stage in plan.stages:
        length = stage.steps if stage.steps is not None else max(1, total - starts[-1])
        rates.append(_stage(plan, stage, Span(rate, length, epoch)))
        starts.append(starts[-1] + length)
    if len(rates) == 1:
        return rates[0]
    inner = starts[1:-1]

    def composed(step: int) -> float:
        which = bisect_right(inner, step)
        return rates[which](step - starts[which])

    return composed


def _stage(plan: SchedulePlan, stage: StagePlan, span: Span) -> Rate:
    place = span_of(plan.place)
    if stage.name not in SCHEDULES:
        raise InputFaults(ClauseRefused(place, stage.name, f"there is no such schedule; there are {', '.join(SCHEDULES)}"))
    given: dict[str, Any] = {k: v for k, v in stage.arguments.items() if stage.name != "plateau" or k not in PLATEAU}
    rise = int(given.pop("warmup", 0))
    try:
        main = SCHEDULES[stage.name](Span(span.rate, max(1, span.steps - rise), span.epoch), **given)
    except TypeError as error:
        raise InputFaults(ClauseRefused(place, stage.name, str(error))) from None
    if not rise:
        return main
    return lambda step: span.rate * (step + 1) / rise if step < rise else main(step - rise)


@dataclass
class Plateau:
    """ReduceLROnPlateau: the rate times `factor` when `patience` evaluations were no better. Its state is `kept`."""

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    min_lr: float = 0.0
    kept: dict[str, float] = field(default_factory=lambda: {"best": -math.inf, "bad": 0, "cooling": 0, "scale": 1.0})

    def see(self, score: float) -> None:
        """An evaluation; `score` is larger for better. The threshold is relative, as PyTorch's is."""
        kept = self.kept
        margin = self.threshold * abs(kept["best"]) if math.isfinite(kept["best"]) else 0.0
        if score > kept["best"] + margin:
            kept["best"], kept["bad"] = score, 0
        else:
            kept["bad"] += 1
        if kept["cooling"] > 0:
            kept["cooling"] -= 1
            kept["bad"] = 0
        if kept["bad"] > self.patience:
            kept["scale"] *= self.factor
            kept["cooling"], kept["bad"] = self.cooldown, 0

    def rate(self, rate: float) -> float:
        return max(rate * self.kept["scale"], min(rate, self.min_lr))


def plateau(plan: SchedulePlan | None) -> Plateau | None:
    """The state of a `plateau` schedule; none for any other."""
    if plan is None or plan.stages[0].name != "plateau":
        return None
    given: dict[str, Any] = {k: v for k, v in plan.stages[0].arguments.items() if k in PLATEAU}
    return Plateau(**given)

"""Schedules: the factor by which the learning rate is multiplied, as a pure function of the step.

Nothing is kept between steps, so a resumed run needs no state of its schedule.
"""

import math
from collections.abc import Callable

from ...compiler.plan import SchedulePlan
from ..faults.runs import ClauseRefused
from ..stops import InputFaults, span_of

Rate = Callable[[int], float]


def constant(rate: float, total: int, warmup: int = 0) -> Rate:
    """The rate as it is, after a linear rise over `warmup` steps."""
    return lambda step: rate * (step + 1) / warmup if step < warmup else rate


def cosine(rate: float, total: int, warmup: int = 0, to: float = 0.0) -> Rate:
    """A linear rise over `warmup` steps, then half a cosine down to the rate `to` at the end of the run."""
    length = max(1, total - warmup)

    def at(step: int) -> float:
        if step < warmup:
            return rate * (step + 1) / warmup
        progress = min(1.0, (step - warmup) / length)
        return to + (rate - to) * 0.5 * (1.0 + math.cos(math.pi * progress))

    return at


SCHEDULES: dict[str, Callable[..., Rate]] = {"constant": constant, "cosine": cosine}


def schedule(plan: SchedulePlan | None, rate: float, total: int) -> Rate | None:
    """The rate of each step (from 0) of a run of `total` steps; none where it never changes."""
    if plan is None or (plan.name == "constant" and not plan.arguments):
        return None
    span = span_of(plan.place)
    if plan.name not in SCHEDULES:
        raise InputFaults(ClauseRefused(span, plan.name, f"there is no such schedule; there are {', '.join(SCHEDULES)}"))
    try:
        return SCHEDULES[plan.name](rate, total, **plan.arguments)
    except TypeError as error:
        raise InputFaults(ClauseRefused(span, plan.name, str(error))) from None

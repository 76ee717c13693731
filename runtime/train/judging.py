"""What evaluations are for: which weights are the best of a phase, and what a phase and a run come to."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...compiler.plan import PhasePlan
from . import measure, weights
from .phases import Phase
from .state import Best, State
from .wiring import Wiring

if TYPE_CHECKING:
    from .engine import Setting

Values = dict[str, Any]


class Judging:
    """Judges the model of a setting. `twins` are its tied weights; `pause` is called between batches, and may raise."""

    def __init__(self, setting: "Setting", twins: dict[str, str], pause: Callable[[], None]) -> None:
        self.setting, self.model, self.twins, self.pause = setting, setting.model, twins, pause

    def values(self, phase: Phase, part: str, *, whole: bool = False) -> Values | None:
        """All losses and metrics on a part; none where there is no such part.

        `whole`: those of the whole model, also where the phase is about a part of it.
        """
        whole = whole and phase.judge is not None
        validates = part == "validation" and not whole
        columns = phase.validation if validates else self.setting.columns(part, phase)
        if columns is None:
            return None
        model, wiring = (self.model, phase.judge) if whole else (phase.model, phase.wiring)
        assert wiring is not None
        values = measure.evaluate(model, wiring, columns, phase.plan.batch, self.setting.device, self.pause)
        phase.train()
        return values

    def note(self, state: State, plan: PhasePlan, values: Values) -> bool:
        """Keeps the weights if no values before were better.

        Of equals the later is kept: it has seen more, and on a small validation part many epochs tie. For early stopping a tie is no gain.
        """
        score = scored(plan, values)
        before = state.best.score if state.best is not None else -math.inf
        state.stale = 0 if score > before else state.stale + 1
        if not math.isfinite(score) or score < before:
            return False
        state.best = Best(score, state.epoch + 1, state.step, values, weights.snapshot(self.model, self.twins))
        return True

    def keep_best(self, state: State, phase: Phase) -> None:
        """The model has the weights that the phase is known by."""
        if state.best is not None:
            weights.put(self.model, state.best.weights)
            return
        with phase.averaged():
            content = weights.snapshot(self.model, self.twins)
        weights.put(self.model, content)

    def final(self, state: State, phase: Phase) -> Values:
        """The last words: what the best weights do on the test part, looked at once. The model has the weights that it had."""
        found: Values = {"epochs": state.epoch, "steps": state.step, "stopped_early": state.stopped_early}
        if state.best is not None:
            found |= {"best_epoch": state.best.epoch, "validation": state.best.values}
        last = weights.snapshot(self.model, self.twins)
        try:
            if phase.judge is not None:
                found = self.of_whole(state, phase, phase.judge, found)
            elif "test" in self.setting.parts:
                self.keep_best(state, phase)
                found["test"] = self.values(phase, "test")
        finally:
            weights.put(self.model, last)
        return found | ({"phases": [*state.done, told(state, phase.plan)]} if phase.plan.title else {})

    def of_whole(self, state: State, phase: Phase, judge: Wiring, found: Values) -> Values:
        """The last words after a phase about a part: what the whole model does by its metrics, where it has any."""
        self.keep_best(state, phase)
        found = {k: v for k, v in found.items() if k != "validation"}
        for part in ("validation", "test") if judge.metrics else ():
            values = self.values(phase, part, whole=True)
            found |= {part: values} if values is not None else {}
        return found


def scored(plan: PhasePlan, values: Values) -> float:
    """What early_stop names, else the first metric, so turned that larger is better; the loss where none knows which way is good."""
    if plan.is_game and not plan.metrics:
        return 0.0  # no player's objective says how well all of them do: of equals the later is kept
    wanted = plan.early_stop.metric if plan.early_stop is not None else None
    terms = [*plan.metrics, *plan.losses]
    chosen = next((t for t in terms if t.name == wanted), None) if wanted else next((m for m in plan.metrics if m.better), None)
    if chosen is None and not any(loss.better for loss in plan.losses):
        return 0.0  # the value of contrastive divergence tells nothing: the later is kept
    if chosen is None or chosen.better is None or chosen.name not in values:
        return -float(values["loss"])
    return float(values[chosen.name]) * (1 if chosen.better == "higher" else -1)


def named(plan: PhasePlan) -> dict[str, str]:
    """What rows of the journal say of the phase that they are of."""
    found = {"phase": plan.name} if plan.name else {}
    return found | ({"part": plan.instance.path} if plan.instance is not None else {})


def told(state: State, plan: PhasePlan) -> Values:
    """What the phase came to."""
    found: Values = {
        **named(plan),
        "epochs": state.epoch - state.first_epoch,
        "steps": state.step - state.first_step,
        "stopped_early": state.stopped_early,
    }
    best = state.best
    return found | ({"best_epoch": best.epoch, "validation": best.values} if best is not None else {})

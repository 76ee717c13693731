"""What evaluations are for: which weights are the best of a phase, and what a phase and a run come to."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from ...compiler.plan import PhasePlan
from . import determinism, measure, weights
from .beside import Beside, Evaluate
from .measure import Values
from .phases import Phase
from .state import Best, State
from .wiring import Wiring

if TYPE_CHECKING:
    from .engine import Setting


@dataclass(frozen=True)
class Waiting:
    """A row of the journal for its values, and the epoch and the step that it stands after."""

    row: Values
    epoch: int
    step: int


class Judging:
    """Judges the model of a setting. `twins` are its tied weights; `pause` is called between batches, and may raise."""

    def __init__(self, setting: "Setting", twins: dict[str, str], pause: Callable[[], None]) -> None:
        self.setting, self.model, self.twins, self.pause = setting, setting.model, twins, pause
        self.seconds = 0.0  # that the last evaluation took
        self.drew = False  # whether it drew
        self.beside = Beside(self.model, setting.device, kernels=bool(setting.kernels))
        self.waiting: Waiting | None = None

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
        begun = time.monotonic()
        with determinism.evaluating(self.setting.device):
            values = measure.evaluate(model, wiring, columns, phase.plan.batch, self.setting.device, self.pause)
            self.drew = determinism.drew(self.setting.device)
        self.seconds = time.monotonic() - begun
        phase.train()
        return values

    def judge(self, state: State, phase: Phase, row: Values, *, more: bool) -> Values | None:
        """The values of the validation part after an epoch go into its row; none where there is no such part, or where they come later,
        since steps go on beside the evaluation. `more`: there are steps to take."""
        if more and self.beside.can(phase, self.seconds, drew=self.drew):
            self.waiting = Waiting(row, state.epoch + 1, state.step)
            self.beside.begin(self.of_copy(phase))
            return None
        values = self.values(phase, "validation")
        if values is not None:
            row["validation"] = values
            row["best"] = self.note(state, phase.plan, Waiting(row, state.epoch + 1, state.step), self.model)
        return values

    def of_copy(self, phase: Phase) -> Evaluate:
        """Evaluates a copy of the model as `values` does, on the validation part, where that draws nothing."""
        columns, wiring, device = phase.validation, phase.wiring, self.setting.device
        assert columns is not None

        def evaluate(copied: nn.Module, pause: Callable[[], None]) -> Values:
            return measure.evaluate(copied, wiring, columns, phase.plan.batch, device, pause)

        return evaluate

    def take(self, state: State, plan: PhasePlan) -> Waiting | None:
        """The row that waits for the evaluation beside the steps, whole, once it is; none where no row waits."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            waiting.row["validation"], copied = self.beside.taken()
            waiting.row["best"] = self.note(state, plan, waiting, copied)
        return waiting

    def note(self, state: State, plan: PhasePlan, of: Waiting, model: nn.Module) -> bool:
        """Keeps the weights of the model that the row is of, if no values before were better.

        Of equals the later is kept: it has seen more, and on a small validation part many epochs tie. For early stopping a tie is no gain.
        """
        values = of.row["validation"]
        score = scored(plan, values)
        before = state.best.score if state.best is not None else -math.inf
        state.stale = 0 if score > before else state.stale + 1
        if not math.isfinite(score) or score < before:
            return False
        state.best = Best(score, of.epoch, of.step, values, weights.snapshot(model, self.twins))
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

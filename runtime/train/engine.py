"""The engine: steps, evaluations and checkpoints of a program, phase after phase, from wherever its state says.

What it computes depends on the plan, the seed and the data only: never on when a checkpoint was made, on the clock, or on how often the run
was stopped and resumed. A supervised program is one update in one phase.

A phase ends with its best weights where it has a validation part, else with its last: they are what the next phase goes on from, and what
a run leaves. Averages stand for the weights they are averages of, wherever weights are judged or kept.
"""

import math
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...compiler.plan import PhasePlan, TrainPlan
from ...dsl.diagnostic import Fault
from ..data.batches import Batch
from ..data.held import Held, first
from ..data.parts import Part
from ..executable import Executable
from ..faults.runs import NotFinite
from ..stops import Interrupted, RunFailed, span_of
from . import checkpoints, curves, determinism, initial, replay, weights
from .gallery import ROWS, Gallery, keep
from .games import Round
from .gates import GateWatch
from .health import Health
from .journal import Journal, rows
from .judging import Judging, named, scored, told
from .phases import Phase
from .progress import Progress
from .signals import Wish
from .staged import Staged
from .state import State
from .updates import Update

FLUSH = 0.5  # seconds between looks at the losses within an epoch
PICTURE = 10.0  # seconds between pictures, at least
PENDING = 4096  # losses that are kept on the device at most


@dataclass(frozen=True)
class Setting:
    """Everything that is settled before step 1."""

    exe: Executable
    plan: TrainPlan
    device: torch.device
    model: nn.Module
    phases: list[Phase]
    parts: dict[str, Part]
    kernels: dict[str, str] | None  # by the paths of the recurrences that run in one; none where none were wanted

    def columns(self, part: str, phase: Phase) -> Held | None:
        """The columns of a part that a batch of the phase holds; none where there is no such part."""
        wiring = phase.judge if phase.judge is not None else phase.wiring
        return self.parts[part].held(wiring.columns) if part in self.parts else None

    @property
    def steps(self) -> int:
        """Of the whole run, if no phase stops early."""
        return sum(phase.steps for phase in self.phases)


class _Halt(Exception):
    """The wish to stop, on its way out of whatever was being done; the state it leaves is one to go on from."""


class Engine:
    """Runs a setting to its end in a run folder."""

    def __init__(self, setting: Setting, folder: Path, journal: Journal, progress: Progress, wish: Wish) -> None:
        self.setting, self.folder, self.journal, self.progress, self.wish = setting, folder, journal, progress, wish
        self.model = setting.model
        self.twins = weights.tied(self.model)
        self.state = State()
        self.pending: list[Tensor] = []
        self.saved: int | None = None  # the step of the last checkpoint
        self.written_best: tuple[int, int] | None = None  # phase and step of the weights in model.safetensors
        self.throttle = checkpoints.Throttle()
        self.next_look = 0.0
        self.phase = setting.phases[0]
        self.warnings: list[str] = []
        self.health = Health(self.model, setting.exe, span_of(setting.plan.place), self.warn)
        self.next_picture = 0.0
        self.gallery: Gallery | None = None
        self.gates: GateWatch | None = None
        self.looks = False  # whether the next step is looked into
        self.judging = Judging(setting, self.twins, self.pause)

    @property
    def plan(self) -> PhasePlan:
        return self.phase.plan

    # -- from a checkpoint and back --

    def begin(self, saved: dict[str, Any] | None) -> None:
        """Takes the whole state of a checkpoint, or begins with the first phase."""
        if saved is None:
            self.begin_phase()
            return
        self.state = State.unpacked(saved["state"])
        self.phase = self.setting.phases[self.state.phase]
        self.model.load_state_dict(saved["model"])  # before the phase begins: what a part is given comes from the weights
        self.phase.begin()
        self.phase.restore(saved["phase"])
        self.gallery, self.gates = self.opened(), self.gates_watched()
        determinism.restore(saved["random"])
        if self.state.best is not None:
            self.state.best.weights = {k: t.to(self.setting.device) for k, t in self.state.best.weights.items()}
        self.saved = self.state.step

    def opened(self) -> Gallery | None:
        """What a game makes is looked at."""
        plan, phase = self.setting.exe.plan.model, self.phase
        columns = self.setting.columns("train", phase)
        if not phase.plan.is_game or not plan.made or columns is None:
            return None
        batch = first(columns, ROWS, self.setting.device, None)
        return Gallery(plan, self.model, phase.wiring, batch, span_of(phase.plan.place), self.warn)

    def gates_watched(self) -> GateWatch | None:
        """Gates are looked at where the phase watches them."""
        columns = self.setting.columns("train", self.phase)
        if not self.plan.gates or columns is None:
            return None
        wiring = self.phase.judge or self.phase.wiring
        return GateWatch(self.setting.exe, self.model, wiring, first(columns, self.plan.batch, self.setting.device, None))

    def begin_phase(self) -> None:
        """The phase of the state, from its beginning."""
        self.phase = self.setting.phases[self.state.phase]
        self.health.begin_phase(self.plan)
        self.judging.seconds = 0.0
        for line in initial.apply(self.plan, self.model):
            self.progress.note(line)
        self.phase.begin()
        self.gallery, self.gates = self.opened(), self.gates_watched()
        if self.plan.title:
            solved = self.plan.instance is not None and self.plan.instance.solve is not None
            self.progress.note(f"phase {self.plan.title}: {'solved' if solved else f'{self.phase.steps} steps'}")

    def save(self) -> None:
        """Makes everything up to here last: the journal, then the checkpoint, then the best weights."""
        start = time.monotonic()
        self.take_values()
        self.look()
        self.check_weights()
        content = {
            "model": self.model.state_dict(),
            "phase": self.phase.packed(),
            "random": determinism.random_states(),
            "state": self.state.packed(),
            "journal": self.journal.keep(),
            "graph_hash": self.setting.exe.graph_hash,
        }
        checkpoints.save(self.folder / "checkpoints", self.state.step, content)
        self.saved = self.state.step
        self.write_best()
        self.draw()
        self.throttle.took(time.monotonic() - start)

    def draw(self) -> None:
        """curves.svg, at the end and now and then before; a run does not fail for its picture."""
        if self.state.finished or time.monotonic() > self.next_picture:
            begun = time.monotonic()
            with suppress(OSError):
                curves.write(self.folder, rows(self.folder / "metrics.jsonl"))
            self.next_picture = time.monotonic() + max(PICTURE, 100 * (time.monotonic() - begun))

    def check_weights(self) -> None:
        """Weights that are not finite are never saved: a checkpoint is one to go on from."""
        finite = [p.detach().isfinite().all() for p in self.model.parameters()]
        if not bool(torch.stack(finite).all()):
            raise self.not_finite("a weight", "not finite", self.state.step)

    def write_best(self) -> None:
        """model.safetensors: the best weights of the phase, or its last where nothing has been best yet."""
        best = self.state.best
        which = (self.state.phase, best.step if best else self.state.step)
        if which != self.written_best:
            if best is not None:
                content = best.weights
            else:
                with self.phase.averaged():
                    content = weights.snapshot(self.model, self.twins)
            weights.write(self.folder / "model.safetensors", content, self.twins)
            self.written_best = which

    # -- the run --

    def run(self) -> State:
        """Goes on to the end. Raises `Interrupted` after saving, `RunFailed` where it cannot go on."""
        self.phase.train()
        try:
            while not self.state.finished:
                self.pause()
                if self.state.ended:
                    self.end_phase()
                elif isinstance(self.phase, Staged) and self.phase.instance.solve is not None:
                    self.solve(self.phase)
                elif self.left > 0 and self.state.position < len(self.phase.batches):
                    self.train_epoch()
                else:
                    self.end_epoch()
            self.save()
        except _Halt:
            if self.judging.waiting is not None:
                self.progress.note(
                    "interrupted; what is being evaluated is waited for (a second Ctrl-C does not wait, and saves nothing)"
                )
            self.save()
            raise Interrupted(self.folder, self.state.step) from None
        finally:
            self.judging.beside.close()
        return self.state

    @property
    def left(self) -> int:
        """The steps that the phase has left."""
        return self.phase.steps - (self.state.step - self.state.first_step)

    def pause(self) -> None:
        """Grants the wish to stop. Called only where the state, as it is, is one to go on from."""
        if self.wish.asked:
            raise _Halt

    def train_epoch(self) -> None:
        """The steps of the epoch from the state's position on, as far as the phase has steps."""
        state, phase, pending = self.state, self.phase, self.pending
        players = [player for player in phase.players if player.moving]
        average = phase.average
        self.next_look = time.monotonic() + FLUSH
        for batches in islice(self.steps_of_epoch(), self.left):
            for player in players:
                player.set(state.step - state.first_step)
            for update in phase.updates:
                pending.append(self.do(update, batches))
            if average is not None:
                average.after_step()
            state.step += 1
            state.position += len(batches)
            if self.wish.asked or time.monotonic() > self.next_look or len(pending) > PENDING:
                self.between()

    def do(self, update: Update | Round, batches: tuple[Batch, ...]) -> Tensor:
        """One update, now and then looked into."""
        if not self.looks:
            return update(batches)
        self.looks = False
        if not isinstance(update, Round):
            return self.health.watch(lambda: update(batches))
        update.see = self.health.see_player
        try:
            return self.health.watch(lambda: update(batches))
        finally:
            update.see = None

    def warn(self, fault: Fault) -> None:
        """Something about how the run learns, said once."""
        diagnostic = fault.diagnostic()
        self.warnings.append(f"{diagnostic.code}: {diagnostic.message}")
        self.progress.warn(diagnostic, self.setting.exe.sources)

    def steps_of_epoch(self) -> Iterator[tuple[Batch, ...]]:
        """The batches of each step; `plan.batches` of them, fewer in the last."""
        batches = self.phase.batches.epoch(self.state.epoch, self.state.position)
        if self.plan.batches == 1:
            return ((batch,) for batch in batches)
        iterator = iter(batches)
        return iter(lambda: tuple(islice(iterator, self.plan.batches)), ())

    def between(self) -> None:
        """What is due between two steps: a look at the losses, a checkpoint, the wish to stop."""
        self.pause()
        self.look()
        if self.judging.beside.ready:
            self.take_values()
        self.journal.show()
        self.save_when_due()
        self.looks = self.health.ready()
        self.next_look = time.monotonic() + FLUSH

    def end_epoch(self) -> None:
        """Evaluates, or has it done beside what follows, notes the best, and moves on to the next epoch, or to the end of the phase."""
        self.take_values()
        self.look()
        state = self.state
        row: dict[str, Any] = {"epoch": state.epoch + 1, **named(self.plan)}
        row["train"] = {"loss": state.loss_sum / max(1, state.loss_rows)}
        if self.phase.average is not None:
            average = (self.phase.average.count, [v.clone() for v in self.phase.average.values])
            self.phase.average.after_epoch(state.epoch + 1 - state.first_epoch)
        if self.gates is not None:
            row["gates"] = self.gates.look()
        try:
            with self.phase.averaged():
                values = self.judging.judge(state, self.phase, row, more=self.left > 0)
        except _Halt:
            if self.phase.average is not None:
                self.phase.average.count, self.phase.average.values = average
            raise
        if self.judging.waiting is None:
            self.journal.row(row)
            self.progress.epoch(state.step, row)
        else:
            self.journal.wait()
        self.journal.show()
        self.health.epoch(row["train"]["loss"])
        self.looks = self.looks or self.health.ready()
        self.see_plateaus(values, row["train"]["loss"])
        state.epoch, state.position, state.loss_sum, state.loss_rows = state.epoch + 1, 0, 0.0, 0
        self.show_made()
        stop = self.plan.early_stop
        state.stopped_early = stop is not None and state.stale >= stop.patience
        state.ended = state.stopped_early or self.left <= 0
        self.save_when_due()

    def take_values(self) -> None:
        """What the evaluation beside the steps has found, once it has, if one is under way: its row, and the lines that waited for it."""
        taken = self.judging.take(self.state, self.plan)
        if taken is not None:
            self.journal.go_on(taken.row)
            self.progress.epoch(taken.step, taken.row)

    def save_when_due(self) -> None:
        """A checkpoint now and then; while an evaluation is under way it can wait."""
        if self.throttle.ready() and self.judging.waiting is None:
            self.save()

    def show_made(self) -> None:
        """After some epochs of a game: grids of what it makes; a run does not fail for them."""
        state = self.state
        epoch, epochs = state.epoch - state.first_epoch, -(-self.phase.steps // self.phase.per_epoch)
        if self.gallery is None or not self.gallery.due(epoch, epochs):
            return
        with self.phase.averaged():
            for picture in self.gallery.look(epoch, epochs):
                self.progress.picture(state.step, picture)
                with suppress(OSError):
                    keep(self.folder, picture, state.epoch)

    def solve(self, phase: Staged) -> None:
        """A part in closed form; interrupted, it begins anew."""
        assert phase.instance.solve is not None
        loss = phase.solve(self.pause)
        if not math.isfinite(loss):
            raise self.not_finite(f"what solves {phase.instance.path}.{phase.instance.solve.layer}", str(loss), self.state.step)
        self.state.step += 1
        self.journal.row({"step": self.state.step, **named(self.plan), "loss": loss, "solved": phase.instance.solve.layer})
        self.progress.note(f"{phase.instance.path}.{phase.instance.solve.layer}: loss {loss:.4g} on the training part")
        self.state.ended = True

    def see_plateaus(self, values: dict[str, Any] | None, loss: float) -> None:
        """Schedules that follow the validation, or the training loss where there is none, hear of it."""
        score = scored(self.plan, values) if values is not None else -loss
        for player in self.phase.players:
            for stuck in player.plateaus:
                if stuck is not None:
                    stuck.see(score)

    def look(self) -> None:
        """Reads the losses of the steps since the last look from the device into the journal; each must be finite."""
        if not self.pending:
            return
        read: list[Any] = torch.stack(self.pending).tolist()
        self.pending.clear()
        names = [term.name for term in self.plan.losses]
        losses: list[list[float]] = [loss if isinstance(loss, list) else [loss] for loss in read]
        state, batches, accumulate, moves = self.state, self.phase.batches, self.plan.batches, self.phase.lr(0) is not None
        first, count = state.step - len(losses), len(batches)
        position = state.position - self.batches_of(len(losses))
        lines: list[str] = []
        where = "".join(f', "{key}": "{value}"' for key, value in named(self.plan).items())
        for i, (loss, *terms) in enumerate(losses):
            if not math.isfinite(loss):
                self.take_values()
                self.journal.lines(lines)
                self.journal.show()
                bad = next((name for name, term in zip(names, terms, strict=False) if not math.isfinite(term)), None)
                term = names[0] if len(names) == 1 else bad or "the loss"
                raise self.not_finite(term, str(loss), first + i + 1)
            taken = range(position, min(position + accumulate, count))
            rows = sum(map(batches.rows_of, taken))
            position = taken.stop
            state.loss_sum += loss * rows
            state.loss_rows += rows
            more = "".join(f', "{name}": {term!r}' for name, term in zip(names, terms, strict=False))
            rate = f', "lr": {self.phase.lr(first + i - state.first_step)!r}' if moves else ""
            lines.append(f'{{"step": {first + i + 1}{where}, "loss": {loss!r}{more}{rate}}}\n')
        self.journal.lines(lines)
        self.progress.step(state.step, losses[-1][0])

    def batches_of(self, steps: int) -> int:
        """How many batches the last steps of the epoch, up to the position, took."""
        accumulate, position = self.plan.batches, self.state.position
        last = position % accumulate or accumulate
        return last + (steps - 1) * accumulate

    def not_finite(self, what: str, value: str, step: int) -> RunFailed:
        place = span_of(next((t.place for t in (*self.plan.losses, *self.plan.metrics) if t.name == what), self.plan.place))
        found = replay.culprit(self, step)
        said = (found.what, found.span) if found is not None else ("", None)
        return RunFailed(NotFinite(place, what, value, step, self.saved, str(self.folder), *said))

    def end_phase(self) -> None:
        """The weights that the phase ends with; then the next phase, or the last words."""
        if self.state.phase + 1 < len(self.setting.phases):
            self.state.done.append(told(self.state, self.plan))
            self.judging.keep_best(self.state, self.phase)
            self.state.next_phase()
            self.state.ended = False
            self.begin_phase()
            self.save()
        else:
            gates = {"gates": self.gates.look()} if self.gates is not None else {}
            self.state.final, self.state.finished = self.judging.final(self.state, self.phase) | gates, True
            self.journal.row({"final": self.state.final})

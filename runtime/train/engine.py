"""The engine: steps, evaluations and checkpoints of one program, from wherever its state says.

What it computes depends on the plan, the seed and the data only: never on when a checkpoint was made, on the clock, or on how often the run
was stopped and resumed. A supervised program is one player in one phase.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...compiler.plan import TrainPlan
from ..data.batches import Batches
from ..data.held import Held
from ..data.parts import Part
from ..executable import Executable
from ..faults.runs import NotFinite
from ..stops import Interrupted, RunFailed, span_of
from . import checkpoints, determinism, weights
from .journal import Journal
from .measure import evaluate
from .progress import Progress
from .schedules import Rate
from .signals import Wish
from .state import Best, State
from .wiring import Wiring

FLUSH = 0.5  # seconds between looks at the losses within an epoch
PENDING = 4096  # losses that are kept on the device at most


@dataclass
class Player:
    """What one optimizer trains, with its learning rate over the steps; none where the rate never changes."""

    optimizer: torch.optim.Optimizer
    rate: Rate | None


@dataclass(frozen=True)
class Setting:
    """Everything that is settled before step 1."""

    exe: Executable
    plan: TrainPlan
    device: torch.device
    model: nn.Module
    wiring: Wiring
    players: dict[str, Player]
    parts: dict[str, Part]
    steps: int  # of the whole run

    def columns(self, part: str) -> Held:
        """The columns of a part that a batch holds."""
        return self.parts[part].held(self.wiring.columns)


class _Halt(Exception):
    """The wish to stop, on its way out of whatever was being done; the state it leaves is one to go on from."""


class Engine:
    """Runs a setting to its end in a run folder."""

    def __init__(self, setting: Setting, folder: Path, journal: Journal, progress: Progress, wish: Wish) -> None:
        self.setting, self.folder, self.journal, self.progress, self.wish = setting, folder, journal, progress, wish
        self.plan, self.model, self.wiring = setting.plan, setting.model, setting.wiring
        self.batches = Batches(setting.columns("train"), self.plan.batch, self.plan.seed, setting.device)
        self.validation = setting.columns("validation") if "validation" in setting.parts else None
        self.twins = weights.tied(self.model)
        self.state = State()
        self.pending: list[Tensor] = []
        self.saved: int | None = None  # the step of the last checkpoint
        self.written_best: int | None = None  # the step of the weights in model.safetensors
        self.throttle = checkpoints.Throttle()
        self.next_look = 0.0

    # -- from a checkpoint and back --

    def restore(self, saved: dict[str, Any]) -> None:
        """Takes the whole state of a checkpoint."""
        self.model.load_state_dict(saved["model"])
        for name, player in self.setting.players.items():
            player.optimizer.load_state_dict(saved["players"][name])
        determinism.restore(saved["random"])
        self.state = State.unpacked(saved["state"])
        if self.state.best is not None:
            self.state.best.weights = {k: t.to(self.setting.device) for k, t in self.state.best.weights.items()}
        self.saved = self.state.step

    def save(self) -> None:
        """Makes everything up to here last: the journal, then the checkpoint, then the best weights."""
        start = time.monotonic()
        self.look()
        self.check_weights()
        content = {
            "model": self.model.state_dict(),
            "players": {name: player.optimizer.state_dict() for name, player in self.setting.players.items()},
            "random": determinism.random_states(),
            "state": self.state.packed(),
            "journal": self.journal.keep(),
        }
        checkpoints.save(self.folder / "checkpoints", self.state.step, content)
        self.saved = self.state.step
        self.write_best()
        self.throttle.took(time.monotonic() - start)

    def check_weights(self) -> None:
        """Weights that are not finite are never saved: a checkpoint is one to go on from."""
        finite = [p.detach().isfinite().all() for p in self.model.parameters() if p.requires_grad]
        if not bool(torch.stack(finite).all()):
            raise self.not_finite("a weight", "not finite", self.state.step)

    def write_best(self) -> None:
        """model.safetensors: the best weights, or the last where nothing has been best yet."""
        best = self.state.best
        step = best.step if best else self.state.step
        if step != self.written_best:
            content = best.weights if best else weights.snapshot(self.model, self.twins)
            weights.write(self.folder / "model.safetensors", content, self.twins)
            self.written_best = step

    # -- the run --

    def run(self) -> State:
        """Goes on to the end. Raises `Interrupted` after saving, `RunFailed` where it cannot go on."""
        self.model.train()
        try:
            while not self.state.finished:
                self.pause()
                if self.state.ended:
                    self.finish()
                elif self.state.step < self.setting.steps and self.state.position < len(self.batches):
                    self.train_epoch()
                else:
                    self.end_epoch()
        except _Halt:
            self.save()
            raise Interrupted(self.folder, self.state.step) from None
        self.save()
        return self.state

    def pause(self) -> None:
        """Grants the wish to stop. Called only where the state, as it is, is one to go on from."""
        if self.wish.asked:
            raise _Halt

    def train_epoch(self) -> None:
        """The steps of the epoch from the state's position on, as far as the run has steps."""
        state, model, wiring = self.state, self.model, self.wiring
        (player,) = self.setting.players.values()
        optimizer, rate, groups = player.optimizer, player.rate, player.optimizer.param_groups
        limit = self.setting.steps - state.step
        self.next_look = time.monotonic() + FLUSH
        for batch in self.batches.epoch(state.epoch, state.position):
            if limit == 0:
                break
            limit -= 1
            if rate is not None:
                for group in groups:
                    group["lr"] = rate(state.step)
            optimizer.zero_grad()
            loss = wiring.loss(wiring.forward(model, batch))
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            self.pending.append(loss.detach())
            state.step += 1
            state.position += 1
            if self.wish.asked or time.monotonic() > self.next_look or len(self.pending) > PENDING:
                self.between()

    def between(self) -> None:
        """What is due between two steps: a look at the losses, a checkpoint, the wish to stop."""
        self.pause()
        self.look()
        self.journal.show()
        if self.throttle.ready():
            self.save()
        self.next_look = time.monotonic() + FLUSH

    def end_epoch(self) -> None:
        """Evaluates, notes the best, and moves on to the next epoch, or to the end."""
        self.look()
        state = self.state
        values = self.evaluated("validation")
        row: dict[str, Any] = {"epoch": state.epoch + 1, "train": {"loss": state.loss_sum / max(1, state.loss_rows)}}
        if values is not None:
            row["validation"] = values
            row["best"] = self.note_best(values)
        self.journal.row(row)
        self.journal.show()
        state.epoch, state.position, state.loss_sum, state.loss_rows = state.epoch + 1, 0, 0.0, 0
        self.progress.epoch(state.step, row)
        state.stopped_early = self.plan.early_stop is not None and state.stale >= self.plan.early_stop
        state.ended = state.stopped_early or state.step >= self.setting.steps
        if self.throttle.ready():
            self.save()

    def look(self) -> None:
        """Reads the losses of the steps since the last look from the device into the journal; each must be finite."""
        if not self.pending:
            return
        losses: list[float] = torch.stack(self.pending).tolist()
        self.pending.clear()
        state = self.state
        first = state.step - len(losses)
        position = state.position - len(losses)
        lines: list[str] = []
        for i, loss in enumerate(losses):
            if not math.isfinite(loss):
                self.journal.lines(lines)
                self.journal.show()
                term = self.plan.losses[0].name if len(self.plan.losses) == 1 else "the loss"
                raise self.not_finite(term, str(loss), first + i + 1)
            rows = self.batches.rows_of(position + i)
            state.loss_sum += loss * rows
            state.loss_rows += rows
            lines.append(f'{{"step": {first + i + 1}, "loss": {loss!r}{self.rate_of(first + i)}}}\n')
        self.journal.lines(lines)
        self.progress.step(state.step, losses[-1])

    def rate_of(self, step: int) -> str:
        (player,) = self.setting.players.values()
        return "" if player.rate is None else f', "lr": {player.rate(step)!r}'

    def not_finite(self, what: str, value: str, step: int) -> RunFailed:
        place = span_of(self.plan.losses[0].place)
        return RunFailed(NotFinite(place, what, value, step, self.saved, str(self.folder)))

    def evaluated(self, part: str) -> dict[str, float] | None:
        """All losses and metrics on a part; none where there is no such part. The wish to stop is granted between batches."""
        if part not in self.setting.parts:
            return None
        columns = self.setting.columns(part)
        return evaluate(self.model, self.wiring, columns, self.plan.batch, self.setting.device, self.pause)

    def note_best(self, values: dict[str, float]) -> bool:
        """Keeps the weights if no values before were better.

        Of equals the later is kept: it has seen more, and on a small validation part many epochs tie. For early stopping a tie is no gain.
        """
        score, state = self.score(values), self.state
        before = state.best.score if state.best is not None else -math.inf
        state.stale = 0 if score > before else state.stale + 1
        if not math.isfinite(score) or score < before:
            return False
        state.best = Best(score, state.epoch + 1, state.step, values, weights.snapshot(self.model, self.twins))
        return True

    def score(self, values: dict[str, float]) -> float:
        """The first metric, so turned that larger is better; the loss where there is none, or none knows which way is good."""
        first = next(iter(self.plan.metrics), None)
        if first is None or first.better is None:
            return -values["loss"]
        return values[first.name] if first.better == "higher" else -values[first.name]

    def finish(self) -> None:
        """The last words: what the best weights do on the test part, looked at once."""
        state, best = self.state, self.state.best
        final: dict[str, Any] = {"epochs": state.epoch, "steps": state.step, "stopped_early": state.stopped_early}
        if best is not None:
            final |= {"best_epoch": best.epoch, "validation": best.values}
        if "test" in self.setting.parts:
            last = weights.snapshot(self.model, self.twins)
            try:
                if best is not None:
                    weights.put(self.model, best.weights)
                final["test"] = self.evaluated("test")
            finally:
                weights.put(self.model, last)
        self.journal.row({"final": final})
        state.final, state.finished = final, True

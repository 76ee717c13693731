"""Finding the layer that a run broke at: the steps since the last checkpoint are run again, and the last of them are looked into.

A step always computes the same, so nothing has to be watched while all is well.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..data.batches import Batch
from . import checkpoints, determinism
from .games import Round
from .inspection import Culprit, Finiteness, as_written
from .progress import Silent
from .signals import Wish
from .updates import Update

if TYPE_CHECKING:
    from .engine import Engine

LOOKED_INTO = 3  # steps up to the one that was told: weights break a step before the loss does
LONGEST = 20_000  # steps that are worth running again


class _Nowhere:
    """A journal that keeps nothing."""

    def lines(self, lines: object) -> None: ...
    def row(self, row: object) -> None: ...
    def show(self) -> None: ...


class _Done(Exception):
    """The step in question is over."""


def culprit(engine: "Engine", step: int) -> Culprit | None:
    """What was first not finite up to a step of the run; none where it cannot be found. The engine's weights are spent afterwards."""
    from .engine import Engine

    class Replay(Engine):
        found: Culprit | None = None

        def save(self) -> None: ...

        def look(self) -> None:
            self.pending.clear()
            if self.state.step >= step:
                raise _Done

        def do(self, update: Update | Round, batches: tuple[Batch, ...]) -> Tensor:
            if self.state.step < step - LOOKED_INTO:
                return update(batches)
            with as_written(self.model), Finiteness(self.model, self.setting.exe) as seen:
                values = update(batches)
            if seen.first is not None:
                self.found = seen.first
                raise _Done
            if self.state.step + 1 >= step:
                raise _Done
            return values

    state, _ = checkpoints.latest(engine.folder / "checkpoints", lambda text: None)
    begun = int(state["state"]["step"]) if state is not None else 0
    if step - begun > LONGEST:
        return None
    again = Replay(engine.setting, engine.folder, _Nowhere(), Silent(), Wish())  # type: ignore[arg-type]
    try:
        if state is None:
            _as_drawn(again)
        again.begin(state)
        again.run()
    except _Done:
        return again.found
    except (RuntimeError, ValueError, MemoryError, torch.OutOfMemoryError):
        return None
    return None


def _as_drawn(engine: Any) -> None:
    """The model as the seed starts it, with the random state that the first step finds."""
    from .setup import built

    setting = engine.setting
    fresh = built(setting.exe, setting.plan.seed, setting.device)
    with determinism.evaluating(setting.device):
        engine.model.load_state_dict(fresh.state_dict())

"""Where a run stands, as values that a checkpoint can hold."""

from dataclasses import dataclass, field
from typing import Any

from .weights import Snapshot


@dataclass
class Best:
    """The best evaluation so far, with the weights it was made with. `score` is larger for better."""

    score: float
    epoch: int
    step: int
    values: dict[str, Any]
    weights: Snapshot


@dataclass
class State:
    """`position` is the number of batches done in epoch `epoch` (from 0); a full one waits for its evaluation.

    Steps and epochs are counted over the whole run; `first_step` and `first_epoch` are those that the phase began with.
    """

    phase: int = 0
    first_step: int = 0
    first_epoch: int = 0
    epoch: int = 0
    position: int = 0
    step: int = 0
    loss_sum: float = 0.0  # of the epoch so far, by rows
    loss_rows: int = 0
    stale: int = 0  # evaluations since the best one
    best: Best | None = None
    stopped_early: bool = False
    ended: bool = False  # no more steps; what is left is the last look at the test part
    done: list[dict[str, Any]] = field(default_factory=list)  # what became of the phases before
    finished: bool = False
    final: dict[str, Any] = field(default_factory=dict)

    def next_phase(self) -> None:
        """The next phase begins where this one ends, and knows nothing of its evaluations."""
        self.phase += 1
        self.first_step, self.first_epoch = self.step, self.epoch
        self.position, self.loss_sum, self.loss_rows, self.stale = 0, 0.0, 0, 0
        self.best, self.stopped_early = None, False

    def packed(self) -> dict[str, Any]:
        values = {k: v for k, v in self.__dict__.items() if k != "best"}
        return {**values, "best": dict(self.best.__dict__) if self.best else None}

    @classmethod
    def unpacked(cls, values: dict[str, Any]) -> "State":
        best = values["best"]
        return cls(**{**values, "best": Best(**best) if best else None})

    def told(self) -> dict[str, Any]:
        """What run.json says of it."""
        best = self.best
        return {
            "epoch": self.epoch,
            "step": self.step,
            **({"phase": self.phase + 1} if self.phase else {}),
            "best": None if best is None else {k: v for k, v in best.__dict__.items() if k not in ("weights", "score")},
        }

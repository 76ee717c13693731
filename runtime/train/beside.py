"""An evaluation beside the training: of a copy of the model, in a thread of its own, while the steps of the next epoch are taken.

It gives the numbers that one between the epochs gives, so the clock may decide which of the two it is: what is soon done is not worth a
thread. Between the epochs stand those that the next step waits for anyway (early_stop, a schedule that follows the validation), those that
draw, since training draws from the same generator, and those of one part of a model, of a model built by torch.compile, and of kernels on a
GPU, whose tensors belong to the model itself.
"""

import copy
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from . import determinism
from .measure import Values
from .phases import Phase

WORTH = 0.1  # seconds that an evaluation takes at least to be made beside the training

Evaluate = Callable[[nn.Module, Callable[[], None]], Values]
"""Evaluates a model; calls what it is given now and then, which raises when nobody waits for the values any more."""


class _Unwanted(Exception):
    """Nobody waits for the values any more."""


class Beside:
    """Evaluates copies of a model, one at a time. `kernels`: some run under the model."""

    def __init__(self, model: nn.Module, device: torch.device, *, kernels: bool) -> None:
        self.model, self.device = model, device
        self.possible = model._compiled_call_impl is None and not (kernels and device.type == "cuda")
        self.copy: nn.Module | None = None
        self.going: Future[Values] | None = None
        self.unwanted = threading.Event()
        self.worker: ThreadPoolExecutor | None = None
        self.stream: Any = None

    def can(self, phase: Phase, seconds: float, *, drew: bool) -> bool:
        """Whether the evaluations of a phase are made beside it; `seconds` is what one took, and `drew` whether it drew."""
        waited_for = phase.plan.early_stop is not None or any(stuck for player in phase.players for stuck in player.plateaus)
        return self.possible and phase.judge is None and not waited_for and not drew and seconds > WORTH

    def begin(self, evaluate: Evaluate) -> None:
        """Evaluates the model as it is now."""
        assert self.going is None
        if self.worker is None:
            self.worker = ThreadPoolExecutor(1, "evaluation")
            self.stream = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None  # type: ignore[no-untyped-call]
        evaluated = self.copied()
        threads = torch.get_num_threads()
        if self.stream is not None:
            self.stream.wait_stream(torch.cuda.current_stream(self.device))

        def run() -> Values:
            determinism.use_threads(threads)
            with torch.cuda.stream(self.stream) if self.stream is not None else nullcontext():
                return evaluate(evaluated, self.pause)

        self.going = self.worker.submit(run)

    def taken(self) -> tuple[Values, nn.Module]:
        """The values, once they are there, and the copy that they are of."""
        assert self.going is not None
        assert self.copy is not None
        going, self.going = self.going, None
        return going.result(), self.copy

    @torch.no_grad()
    def copied(self) -> nn.Module:
        """The copy, with all weights and buffers as they are now."""
        if self.copy is None:
            self.copy = copy.deepcopy(self.model)
        for own, now in zip(_tensors(self.copy), _tensors(self.model), strict=True):
            own.copy_(now)
        return self.copy

    def pause(self) -> None:
        if self.unwanted.is_set():
            raise _Unwanted

    @property
    def ready(self) -> bool:
        """There are values to take."""
        return self.going is not None and self.going.done()

    def close(self) -> None:
        """Whatever is under way ends."""
        self.unwanted.set()
        if self.worker is not None:
            self.worker.shutdown(wait=True, cancel_futures=True)


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]

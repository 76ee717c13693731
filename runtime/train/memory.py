"""What took how much memory, for the message of a run that has none left."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..data.batches import size

if TYPE_CHECKING:
    from .engine import Engine


def worded(count: float) -> str:
    """Bytes for people: `1.5 GiB`."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def told(engine: "Engine") -> tuple[str, ...]:
    """A line for each thing that takes memory for as long as the run runs, and for what is left to the batch."""
    weights = [*engine.model.parameters(), *engine.model.buffers()]
    gradients = [p.grad for p in engine.model.parameters() if p.grad is not None]
    states = [player.optimizer.state.values() for player in engine.phase.players]
    kept: list[Tensor] = [t for state in states for entry in state for t in entry.values() if isinstance(t, Tensor)]
    average = engine.phase.average.values if engine.phase.average is not None else []
    best = list(engine.state.best.weights.values()) if engine.state.best is not None else []
    evaluated = engine.judging.beside.copy
    parts = {
        "weights": size(weights),
        "gradients": size(gradients),
        "the optimizer's state": size(kept),
        "averaged weights": size(average),
        "the best weights so far": size(best),
        "the weights that are evaluated beside the steps": size(list(evaluated.state_dict().values()))
        if evaluated is not None
        else 0,
        "the training part": size(engine.phase.batches.columns),
    }
    lines = [
        f"{name} {'take' if 'weights' in name or name == 'gradients' else 'takes'} {worded(count)}"
        for name, count in parts.items()
        if count
    ]
    if engine.setting.device.type == "cuda":
        most = torch.cuda.max_memory_allocated(engine.setting.device)
        total = torch.cuda.get_device_properties(engine.setting.device).total_memory
        lines.append(f"a batch took the rest of {worded(most)} at most, and the device has {worded(total)}")
    return tuple(lines)

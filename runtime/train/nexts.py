"""Buffers that have a next value, as it is taken once a step, however often the model is looked at in it.

The model's forward pass in training sets them. All forward passes of a step see what they were before it; of the batches of a step the last
gives the new value, and of the looks of L-BFGS the first, which sees the weights that the step began with. In a game those of a player
are set by that player's updates alone.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .targets import depth


class Nexts:
    """The buffers of a model at these paths; `players` leaves out those that lie under one of these."""

    def __init__(self, model: nn.Module, paths: Sequence[str], players: Sequence[str] = ()) -> None:
        named = model.named_buffers() if paths else ()
        self.buffers = [b for name, b in named if depth(name, paths) >= 0 and not (players and depth(name, players) >= 0)]

    def __bool__(self) -> bool:
        return bool(self.buffers)

    def values(self) -> list[Tensor]:
        """Copies of what they are."""
        self.versions = [buffer._version for buffer in self.buffers]
        return [buffer.clone() for buffer in self.buffers]

    def put(self, values: Sequence[Tensor]) -> None:
        with torch.no_grad():
            for buffer, value in zip(self.buffers, values, strict=True):
                buffer.copy_(value)

    def undo(self, values: Sequence[Tensor]) -> None:
        """Puts back those that were set since `values`; the others may be part of a graph that is still to be gone through."""
        with torch.no_grad():
            for buffer, value, version in zip(self.buffers, values, self.versions, strict=True):
                if buffer._version != version:
                    buffer.copy_(value)

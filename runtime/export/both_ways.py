"""`bidirectional` under names that torch.export can look up.

In the state dict the cell that goes ahead is called `forward`; as an attribute, a submodule of that name is hidden by the method.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class BothWays(nn.Module):
    """What the generated class `Bidirectional` computes, its two cells under other names."""

    def __init__(self, cells: nn.Module) -> None:
        super().__init__()
        self.ahead, self.back = cells._modules["forward"], cells._modules["backward"]

    def forward(self, *inputs: Tensor, state: tuple[Tensor, ...] = (), length: Tensor | None = None) -> tuple[Tensor, ...]:
        assert self.ahead is not None
        assert self.back is not None
        halves = [x.chunk(2, dim=-1) for x in state]
        ahead = self.ahead(*inputs, *(half[0] for half in halves), length=length)
        back = self.back(*inputs, *(half[1] for half in halves), length=length, reverse=True)
        return tuple(torch.cat(pair, dim=-1) for pair in zip(ahead, back, strict=True))


@contextmanager
def named_apart(model: nn.Module) -> Iterator[None]:
    """Within it, both cells of each `bidirectional` are found by their names."""
    found = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if "forward" in child._modules
    ]
    for parent, name, child in found:
        parent._modules[name] = BothWays(child)
    try:
        yield
    finally:
        for parent, name, child in found:
            parent._modules[name] = child

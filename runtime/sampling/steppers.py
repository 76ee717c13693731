"""Models that read tokens as they come, see `generating.Stepper`."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

PART = 512  # tokens of a prompt that are read at once
Forward = Callable[[Tensor, Tensor | None], Tensor]
"""Tokens [B, T] and what an encoder reads, to logits [B, T, V]."""


class Recomputed:
    """All tokens go through the model at every step. `source` is what an encoder reads, if there is one."""

    def __init__(self, forward: Forward, source: Tensor | None, limit: int | None) -> None:
        self.forward, self.source = forward, source
        self.limit = limit
        self.tokens: Tensor | None = None

    @property
    def seen(self) -> int:
        return 0 if self.tokens is None else self.tokens.shape[1]

    def feed(self, tokens: Tensor) -> Tensor:
        self.tokens = tokens if self.tokens is None else torch.cat((self.tokens, tokens), dim=1)
        return self.forward(self.tokens, self.source)[:, -tokens.shape[1] :]

    def keep(self, rows: Tensor) -> None:
        self.tokens = None if self.tokens is None else self.tokens[rows]
        self.source = None if self.source is None else self.source[rows]

    def restart(self) -> None:
        self.tokens = None


class Cached:
    """Each token goes through the model once: `step` takes what is `given`, the new tokens and a cache, which `fresh` makes."""

    def __init__(
        self, step: Callable[..., Any], given: tuple[Tensor, ...], fresh: Callable[[], Any], limit: int | None, part: int = PART
    ) -> None:
        self.step, self.given, self.fresh, self.limit, self.part = step, given, fresh, limit, part
        self.cache = fresh()

    @property
    def seen(self) -> int:
        return int(self.cache.past)

    def feed(self, tokens: Tensor) -> Tensor:
        found = []
        for part in torch.split(tokens, self.part, dim=1):
            logits = self.step(*self.given, part, self.cache)
            found.append(logits[0] if isinstance(logits, tuple) else logits)
            self.cache.advance(part.shape[1])
        return torch.cat(found, dim=1) if len(found) > 1 else found[0]

    def keep(self, rows: Tensor) -> None:
        self.cache.keep(rows)
        self.given = tuple(t[rows] for t in self.given)

    def restart(self) -> None:
        self.cache = self.fresh()


def context_of(model: nn.Module, inputs: Callable[[int], tuple[Tensor, ...]], wanted: int) -> int | None:
    """How many tokens the model can see at once, where that is fewer than `wanted`; found by trying shapes, without computing anything."""
    weights = {name: tensor.to("meta") for name, tensor in (*model.named_parameters(), *model.named_buffers())}

    def fits(length: int) -> bool:
        try:
            torch.func.functional_call(model, weights, tuple(t.to("meta") for t in inputs(length)))
        except (ValueError, RuntimeError, IndexError):
            return False
        return True

    if fits(wanted) or not fits(1):
        return None
    low, high = 1, wanted
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low

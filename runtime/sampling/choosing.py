"""Which token comes next: a choice from the logits of the last place."""

from collections.abc import Callable

import torch
from torch import Tensor

Choose = Callable[[Tensor], Tensor]
"""Logits [B, V] to tokens [B]."""


def greedy(logits: Tensor) -> Tensor:
    """The likeliest token of each row."""
    return logits.argmax(dim=-1)


def drawing(temperature: float, top_k: int | None, top_p: float | None, seed: int, device: torch.device) -> Choose:
    """Draws by the probabilities of logits over a temperature; at 0 it is `greedy`.

    Of the tokens only the `top_k` likeliest count (Fan et al., 2018), then only the fewest whose probabilities sum to `top_p` or more
    (nucleus sampling, Holtzman et al., 2020). One seed gives one sequence of draws, on one device.
    """
    if temperature == 0:
        return greedy
    generator = torch.Generator(device).manual_seed(seed)

    def choose(logits: Tensor) -> Tensor:
        scores = logits.float() / temperature
        if top_k is not None and top_k < scores.shape[-1]:
            worst = scores.topk(top_k).values[:, -1:]
            scores = scores.masked_fill(scores < worst, -torch.inf)
        if top_p is not None:
            scores = nucleus(scores, top_p)
        return torch.multinomial(scores.softmax(dim=-1), 1, generator=generator)[:, 0]

    return choose


def nucleus(scores: Tensor, top_p: float) -> Tensor:
    """The logits with all but the likeliest tokens, whose probabilities sum to `top_p` or more, at minus infinity."""
    ordered, order = scores.sort(dim=-1, descending=True)
    probabilities = ordered.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    ordered = ordered.masked_fill(before >= top_p, -torch.inf)
    return scores.scatter(-1, order, ordered)

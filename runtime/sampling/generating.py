"""Tokens one after another: from what a model says of the next one, by choices or by a search of beams.

Prompts of different lengths go as one batch: all are read up to where the shortest ends, and from there each takes its own next token as
long as its prompt lasts, and a chosen one after it. So all stand at one position, nothing is padded, and no mask is needed for it.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from .choosing import Choose


class Stepper(Protocol):
    """A model that reads tokens as they come. `seen` counts those since it began; `limit` is how many it can have seen."""

    @property
    def seen(self) -> int: ...
    @property
    def limit(self) -> int | None: ...

    def feed(self, tokens: Tensor) -> Tensor:
        """The logits [B, n, V] behind the next tokens [B, n]."""

    def keep(self, rows: Tensor) -> None:
        """Goes on with these of the examples, in this order; one may stand several times."""

    def restart(self) -> None:
        """Forgets all tokens."""


def generate(
    stepper: Stepper,
    prompts: Sequence[Sequence[int]],
    count: int,
    choose: Choose,
    device: torch.device,
    stop: int | None = None,
    finished: Callable[[list[int]], bool] | None = None,
) -> list[list[int]]:
    """The `count` tokens after each prompt (at least one token long), or those up to `stop`, without it.

    A text of which `finished` holds goes on with the others, but no further than they do.

    Where the context is full, the newer half of it is read anew, as a text that begins there.
    """
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    shortest, total = int(lengths.min()), int(lengths.max()) + count
    tokens = torch.zeros(len(prompts), total, dtype=torch.long, device=device)
    for row, prompt in enumerate(prompts):
        tokens[row, : len(prompt)] = torch.tensor(list(prompt), device=device)
    ended = torch.zeros(len(prompts), dtype=torch.bool, device=device)
    at, logits = shortest, begun(stepper, tokens[:, :shortest])
    while True:
        chosen, given = choose(logits), lengths > at
        tokens[:, at] = torch.where(given, tokens[:, at], chosen)
        ended |= ~given & (at + 1 >= lengths + count)
        if stop is not None:
            ended |= ~given & (chosen == stop)
        at += 1
        if finished is not None:
            for row in (~ended & ~given).nonzero().flatten().tolist():
                ended[row] = finished(tokens[row, len(prompts[row]) : at].tolist())
        if at == total or bool(ended.all()):
            break
        logits = advanced(stepper, tokens[:, :at])
    rows = [row[n : n + count].tolist() for row, n in zip(tokens.cpu(), lengths.tolist(), strict=True)]
    return [cut(row, stop) for row in rows]


def begun(stepper: Stepper, tokens: Tensor) -> Tensor:
    """The logits after a prompt; of one that is longer than the context, after its end."""
    limit = stepper.limit
    if limit is not None and tokens.shape[1] > limit:
        tokens = tokens[:, -limit:]
    return stepper.feed(tokens)[:, -1]


def advanced(stepper: Stepper, tokens: Tensor) -> Tensor:
    """The logits after all these tokens, of which the stepper has seen all but the last."""
    if stepper.limit is None or stepper.seen < stepper.limit:
        return stepper.feed(tokens[:, -1:])[:, -1]
    stepper.restart()
    return stepper.feed(tokens[:, -max(1, stepper.limit // 2) :])[:, -1]


def cut(tokens: list[int], stop: int | None) -> list[int]:
    """The tokens before the first `stop`."""
    return tokens[: tokens.index(stop)] if stop is not None and stop in tokens else tokens


def beams(
    stepper: Stepper, prompt: Sequence[int], count: int, width: int, device: torch.device, stop: int | None = None
) -> list[tuple[list[int], float]]:
    """The `width` likeliest continuations that a beam search finds, best first, each with its log-probability.

    A continuation that ends in `stop` keeps its place and its score; the search ends when no open one could still come before the worst
    of those kept.
    """
    tokens = torch.tensor([list(prompt)], device=device)
    logits = begun(stepper, tokens)
    scores = torch.zeros(1, device=device, dtype=torch.float64)
    done: list[tuple[list[int], float]] = []
    for _ in range(count):
        steps = scores[:, None] + logits.double().log_softmax(dim=-1)
        best = steps.flatten().topk(min(width + len(steps), steps.numel()))
        rows, chosen = best.indices // steps.shape[1], best.indices % steps.shape[1]
        ends = torch.zeros_like(rows, dtype=torch.bool) if stop is None else chosen == stop
        closed = ends.nonzero().flatten().tolist()
        done += [(tokens[rows[place], len(prompt) :].tolist(), float(best.values[place])) for place in closed]
        done = sorted(done, key=lambda one: -one[1])[:width]
        going = (~ends).nonzero().flatten()[:width]
        if not len(going):
            return done
        rows, scores = rows[going], best.values[going]
        tokens = torch.cat((tokens[rows], chosen[going, None]), dim=1)
        if (len(done) == width and float(scores[0]) <= done[-1][1]) or tokens.shape[1] == len(prompt) + count:
            break
        stepper.keep(rows)
        logits = advanced(stepper, tokens)
    done += [(row[len(prompt) :].tolist(), float(score)) for row, score in zip(tokens, scores, strict=True)]
    return sorted(done, key=lambda one: -one[1])[:width]

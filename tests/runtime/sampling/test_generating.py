"""Choices, batches of prompts and beams, over a small model of which everything can be worked out by hand."""

import itertools

import pytest
import torch
from torch import Tensor

from archc.runtime.sampling.choosing import drawing, greedy, nucleus
from archc.runtime.sampling.generating import beams, generate
from archc.runtime.sampling.steppers import Recomputed

CPU = torch.device("cpu")
WORDS = 5


class Chain(torch.nn.Module):
    """Logits of the next token from the two before it and from the position, so that all three matter."""

    def __init__(self, context: int = 100) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.context = context
        self.table = torch.nn.Parameter(torch.randn(WORDS, WORDS, WORDS) * 2)
        self.place = torch.nn.Parameter(torch.randn(context, WORDS))

    def forward(self, tokens: Tensor, source: Tensor | None = None) -> Tensor:
        if tokens.shape[1] > self.context:
            raise ValueError("too long")
        before = torch.cat((torch.zeros_like(tokens[:, :1]), tokens[:, :-1]), dim=1)
        found: Tensor = self.table[before, tokens] + self.place[: tokens.shape[1]]
        return found


@torch.no_grad()
def by_hand(model: Chain, prompt: list[int], count: int, limit: int | None = None) -> list[int]:
    """Greedy, one prompt, all anew at each step; where the context is full, on with its newer half."""
    seen, made = list(prompt), []
    for _ in range(count):
        if limit is not None and len(seen) > limit:
            seen = seen[-(limit // 2) :]
        seen.append(int(model(torch.tensor([seen]))[0, -1].argmax()))
        made.append(seen[-1])
    return made


@torch.no_grad()
def test_prompts_of_different_lengths_go_as_each_alone() -> None:
    model, prompts = Chain(), [[1], [2, 3, 4, 1], [0, 0]]
    together = generate(Recomputed(model, None, None), prompts, 12, greedy, CPU)
    assert together == [by_hand(model, prompt, 12) for prompt in prompts]
    assert len({tuple(row) for row in together}) > 1


@torch.no_grad()
def test_a_full_context_goes_on_with_its_newer_half() -> None:
    model = Chain(context=6)
    assert generate(Recomputed(model, None, 6), [[1, 2]], 30, greedy, CPU) == [by_hand(model, [1, 2], 30, limit=6)]


@torch.no_grad()
def test_a_text_ends_before_its_stop() -> None:
    model = Chain()
    whole = by_hand(model, [1], 20)
    stop = whole[4]
    assert generate(Recomputed(model, None, None), [[1]], 20, greedy, CPU, stop) == [whole[: whole.index(stop)]]


@torch.no_grad()
@pytest.mark.parametrize("stop", [None, 2])
def test_beams_as_wide_as_all_texts_find_the_likeliest(stop: int | None) -> None:
    model, prompt, count = Chain(), [1, 3], 3

    def score(text: tuple[int, ...]) -> float:
        logits = model(torch.tensor([[*prompt, *text]])).double().log_softmax(-1)[0]
        return float(sum(logits[len(prompt) - 1 + k, token] for k, token in enumerate(text)))

    texts = list(itertools.product(range(WORDS), repeat=count))
    if stop is not None:
        cut = {text[: text.index(stop) + 1] if stop in text else text for text in texts}
        texts = sorted(cut)
    wanted = sorted(((score(text), text) for text in texts), reverse=True)[:4]
    found = beams(Recomputed(model, None, None), prompt, count, 200, CPU, stop)[:4]
    assert [tokens for tokens, _ in found] == [[t for t in text if t != stop] for _, text in wanted]
    assert [s for _, s in found] == pytest.approx([s for s, _ in wanted], rel=1e-5)


def test_draws_follow_temperature_top_k_and_top_p() -> None:
    logits = torch.log(torch.tensor([[0.4, 0.3, 0.2, 0.1]])).repeat(20000, 1)

    def shares(temperature: float, top_k: int | None = None, top_p: float | None = None) -> list[float]:
        drawn = drawing(temperature, top_k, top_p, 0, CPU)(logits)
        return (torch.bincount(drawn, minlength=4) / len(drawn)).tolist()

    assert shares(1.0) == pytest.approx([0.4, 0.3, 0.2, 0.1], abs=0.015)
    squares = [p * p / 0.3 for p in (0.4, 0.3, 0.2, 0.1)]
    assert shares(0.5) == pytest.approx(squares, abs=0.015)
    assert shares(1.0, top_k=2) == pytest.approx([4 / 7, 3 / 7, 0, 0], abs=0.015)
    assert shares(1.0, top_p=0.65) == pytest.approx([4 / 7, 3 / 7, 0, 0], abs=0.015)
    assert shares(0) == [1, 0, 0, 0]


def test_the_nucleus_holds_the_fewest_tokens_that_reach_it() -> None:
    scores = torch.log(torch.tensor([[0.1, 0.5, 0.4], [0.9, 0.05, 0.05]]))
    assert torch.isfinite(nucleus(scores, 0.49)).tolist() == [[False, True, False], [True, False, False]]
    assert torch.isfinite(nucleus(scores, 0.51)).tolist() == [[False, True, True], [True, False, False]]


def test_one_seed_gives_one_sequence_of_draws() -> None:
    logits = torch.randn(64, 9, generator=torch.Generator().manual_seed(0))
    one, same, other = (drawing(1.0, None, None, seed, CPU)(logits).tolist() for seed in (5, 5, 6))
    assert one == same != other


@torch.no_grad()
def test_no_token_is_made_when_all_texts_are_finished() -> None:
    model, calls = Chain(), 0

    def counted(*_: object) -> None:
        nonlocal calls
        calls += 1

    model.register_forward_hook(counted)
    made = generate(Recomputed(model, None, None), [[1], [2]], 20, greedy, CPU, finished=lambda row: len(row) == 4)
    assert calls == 4
    assert made[0][:4] == by_hand(model, [1], 4)

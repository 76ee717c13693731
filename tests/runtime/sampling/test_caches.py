"""Texts written with a cache are those written without one, token for token, from runs that were trained and saved."""

from pathlib import Path

import pytest
import torch

from archc.runtime.run import Run
from archc.runtime.sampling.steppers import Cached
from archc.runtime.sampling.texts import Writer
from archc.runtime.stops import Stopped
from archc.runtime.train.api import train

DATA = """
data help = text("std:help_topics", length=24) {
    split = ordered(0.9, 0.1)
}

train Writer on help {
    loss      cross_entropy(transpose(output), next)
    optimizer adam(lr=3e-3)
    steps     3
    batch     4
}
"""
HEAD = "from std.attention import MultiHead, SlidingWindow\nfrom std.recurrent import GRU\n"
BODIES = {
    "learned positions": "    assert T <= 32\n    param place: [32, 16] = normal(std=1)\n"
    "    return (tokens -> embedding(128, 16)) + place[:T] -> stack 2 { MultiHead(2, causal=true) } -> dense(128)",
    "window": "    return tokens -> embedding(128, 16) -> stack 2 { SlidingWindow(2, window=6) } -> dense(128)",
    "gru": "    return tokens -> embedding(128, 16) -> recur(GRU(16)) -> dense(128)",
}
PROMPTS = ("The ", "An expression is", "x")


@pytest.mark.parametrize("name", BODIES)
def test_with_a_cache_as_without(name: str, tmp_path: Path) -> None:
    spec = tmp_path / "writer.arch"
    spec.write_text(f"{HEAD}\nmodel Writer(tokens: int[B, T]) -> [B, T, 128] {{\n{BODIES[name]}\n}}\n{DATA}")
    run = train(spec, out=tmp_path / "run", progress=False)
    for options in ({"greedy": True}, {"temperature": 0.8, "top_k": 20, "seed": 3}, {"beam": 3}):
        made = [run.sample(*PROMPTS, tokens=40, cache=cache, **options) for cache in (True, False)]
        assert [r["tokens"] for r in made[0].records()] == [r["tokens"] for r in made[1].records()]
        assert made[0].notes == ()
    writer = Writer(run.saved, run.model(), torch.device("cpu"))
    assert isinstance(writer.stepper(["x"], 40, cache=True), Cached)


SPELLER = """
from std.transformer import PreNorm
model Answer(vocab = 18)(source: int[B, S], target: int[B, T]) -> [B, T, vocab] {
    layer words = embedding(vocab, 16)
    memory = words(source) -> Around
    return (words(target) -> Around(causal=true), memory) -> Across -> dense(vocab)
}

attention Around(causal = false)(x: [B, T, D]) -> [B, T, D] {
    q, k, v = x -> dense(3 * D) -> chunk(3)
    mask[i, j] = j <= i or not causal
    bias[i, j] = -0.3 * abs(i - j)
    return x + attend(q, k, v, heads=2, mask=mask, bias=bias)
}

attention Across(x: [B, T, D], memory: [B, S, D]) -> [B, T, D] {
    k, v = memory -> dense(2 * D) -> chunk(2)
    return x + attend(x -> dense(D), k, v, heads=2)
}

data digits = sklearn("digits") {
    source = images[3] -> int
    target = images[3] -> pad([1, 0], value=17) -> int
    next   = images[3] -> pad([0, 1]) -> int
}

train Answer on digits {
    loss      cross_entropy(transpose(output), next)
    optimizer adam(lr=3e-3)
    steps     3
    batch     16
}
"""


def test_an_encoder_decoder_answers(tmp_path: Path) -> None:
    spec = tmp_path / "answer.arch"
    spec.write_text(SPELLER.replace("from std.transformer import PreNorm\n", ""))
    run: Run = train(spec, out=tmp_path / "run", progress=False)
    assert run.record["begins"]["target"] == 17
    prompts = ("0 3 12 15 1 0 4 4", "1 2 3 4 5 6 7 8")
    made = [run.sample(*prompts, tokens=9, cache=cache, temperature=1.3, seed=1) for cache in (True, False)]
    assert made[0].records() == made[1].records()
    assert made[0].notes == ()
    alone = [run.sample(prompt, tokens=9, greedy=True).records()[0] for prompt in prompts]
    assert alone == run.sample(*prompts, tokens=9, greedy=True).records()
    with pytest.raises(Stopped):
        run.sample()

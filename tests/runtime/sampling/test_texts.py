"""`archc sample` on runs that write texts."""

import json
from pathlib import Path
from typing import Any

import pytest

from archc.runtime.faults.sampling import BadSamplingOption, LooksAhead, NoSuchToken, NothingToSample
from archc.runtime.run import Run
from archc.runtime.sampling.wanted import Wanted
from archc.runtime.stops import Stopped
from archc.runtime.train.api import train

from .. import hand

NUMBERS = """
model Copier(vocab = 18)(tokens: int[B, T]) -> [B, T, vocab] {
    return tokens -> embedding(vocab, 8) CAUSAL -> dense(vocab)
}

data digits = sklearn("digits") {
    tokens = (images -> reshape(64))[:63] -> int
    next   = (images -> reshape(64))[1:] -> int
}

train Copier on digits {
    loss      cross_entropy(transpose(output), next)
    optimizer adam(lr=1e-2)
    steps     2
    batch     16
}
"""


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A model of characters after a few steps."""
    out = tmp_path_factory.mktemp("runs") / "writer"
    return train(hand.FIXTURES / "writer.arch", out=out, steps=5, progress=False)


def numbers(tmp_path: Path, causal: str) -> Run:
    spec = tmp_path / "copier.arch"
    spec.write_text(NUMBERS.replace("CAUSAL", causal))
    return train(spec, out=tmp_path / "run", progress=False)


def test_texts_of_several_prompts_are_those_of_each(writer: Run) -> None:
    prompts = ("The ", "An expression", "x")
    together = writer.sample(*prompts, tokens=40, greedy=True).records()
    alone = [writer.sample(prompt, tokens=40, greedy=True).records()[0] for prompt in prompts]
    assert together == alone
    assert [len(record["tokens"]) for record in together] == [40, 40, 40]


def test_what_is_said_goes_on_from_the_prompt(writer: Run) -> None:
    made = writer.sample("The ", count=2, tokens=30, seed=1)
    first, second = made.records()
    assert first["text"] != second["text"]
    assert made.said().startswith("The " + first["text"])
    assert made.records() == writer.sample("The ", count=2, tokens=30, seed=1).records()
    assert [json.loads(line) for line in made.file(".jsonl").splitlines()] == made.records()


def test_the_likeliest_of_few_beams_is_no_worse_than_greedy(writer: Run) -> None:
    greedy = writer.sample("The ", tokens=12, beam=1).records()[0]
    assert greedy["tokens"] == writer.sample("The ", tokens=12, greedy=True).records()[0]["tokens"]
    best = writer.sample("The ", tokens=12, beam=4).records()[0]
    assert best["score"] >= greedy["score"] - 1e-3


def test_data_that_are_no_text_are_written_in_numbers(tmp_path: Path) -> None:
    run = numbers(tmp_path, "")
    made = run.sample("3 14 1", tokens=4).said()
    assert made.startswith("3 14 1 ")
    assert len(made.split()) == 7
    assert run.record["begins"] == {"tokens": 0}
    assert run.sample(tokens=4).records()[0]["tokens"]


def said(run: Run, *prompts: str, **options: object) -> object:
    with pytest.raises(Stopped) as stopped:
        run.sample(*prompts, **options)  # type: ignore[arg-type]
    return stopped.value.report.diagnostics[0].code


def test_what_does_not_fit_is_said(writer: Run, lenet_run: Run, tmp_path: Path) -> None:
    assert said(writer, "€") == NoSuchToken.code
    for options in ({"temperature": -1.0}, {"top_p": 0.0}, {"top_k": 0}, {"beam": 2, "greedy": True}, {"given": (("x", "3"),)}):
        assert said(writer, "x", **options) == BadSamplingOption.code
    assert said(writer, "x", beam=2, count=3) == BadSamplingOption.code
    assert said(lenet_run) == NothingToSample.code
    ahead = numbers(tmp_path, "-> flip(dims=1)")
    assert said(ahead, "1 2") == LooksAhead.code


def test_options_are_checked_before_a_run_is_read() -> None:
    with pytest.raises(Stopped):
        Wanted(tokens=0).check()


def test_a_text_ends_before_its_last_word(writer: Run) -> None:
    """Each text as if it had gone on, up to there; its tokens end with those that complete the word."""
    prompts = ("The ", "An expression", "x")
    whole = writer.sample(*prompts, tokens=40, seed=4).records()
    last = whole[0]["text"][3:5]
    ended = writer.sample(*prompts, tokens=40, seed=4, stop=last).records()
    assert ended[0]["text"] == whole[0]["text"].partition(last)[0]
    assert len(ended[0]["tokens"]) == whole[0]["text"].index(last) + 2
    assert [one["text"] for one in ended] == [one["text"].partition(last)[0] for one in whole]


@pytest.mark.parametrize("options", [{"stop": ""}, {"stop": "x", "beam": 2}])
def test_a_last_word_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(Stopped) as caught:
        Wanted(**options).check()
    assert caught.value.report.diagnostics[0].code == BadSamplingOption.code

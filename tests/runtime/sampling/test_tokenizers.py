"""A run on the tokens of a `tokenizers` file keeps the file, and writes with it wherever the run has gone."""

import shutil
from pathlib import Path

import pytest

from archc.runtime.run import Run
from archc.runtime.train.api import train

SPEC = """
from std.attention import MultiHead

model Writer(vocab = 60)(tokens: int[B, T]) -> [B, T, vocab] {
    return tokens -> embedding(vocab, 8) -> MultiHead(2, causal=true) -> dense(vocab)
}

data lines = text("lines.txt", tokens="words.json", length=12) {
    split = ordered(0.8, 0.2)
}

train Writer on lines {
    loss      cross_entropy(transpose(output), next)
    optimizer adam(lr=1e-2)
    steps     60
    batch     8
}
"""
LINE = "the small red fox sees the old grey dog near the river\n"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A trained run whose spec, text and tokenizer are gone."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.train_from_iterator([LINE], tokenizers.trainers.BpeTrainer(vocab_size=60, show_progress=False))
    here = tmp_path / "work"
    here.mkdir()
    made.save(str(here / "words.json"))
    (here / "lines.txt").write_text(60 * LINE)
    (here / "writer.arch").write_text(SPEC)
    train(here / "writer.arch", out=tmp_path / "run", progress=False)
    shutil.rmtree(here)
    return Run(tmp_path / "run")


def test_the_tokenizer_of_a_run_is_kept_and_used(run: Run) -> None:
    from tokenizers import Tokenizer

    kept = Tokenizer.from_file(str(run.saved.folder / "tokenizer.json"))
    prompt = "the small red"
    record = run.sample(prompt, tokens=10, greedy=True).records()[0]
    assert record["text"] == kept.decode(record["tokens"])
    wanted = kept.encode(LINE, add_special_tokens=False).ids[len(kept.encode(prompt).ids) :][:3]
    assert len(kept.encode(prompt).ids) < len(prompt)  # letters were merged
    assert record["tokens"][:3] == wanted  # it has learned the line

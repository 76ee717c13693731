"""`watch gates`: what is written of gates is what they are, computed here from the weights; and the training never notices."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from archc.dsl.source import Source
from archc.runtime.compiling import Compiled, Wanted, compiled
from archc.runtime.kernels import operator
from archc.runtime.run import Run
from archc.runtime.train.api import train

from .test_resume import interrupting

SPEC = """from std.recurrent import GRU
from std.blocks import MLP

block Open(x: [B, D]) -> [B, D] {
    gate much = x -> dense(D) -> softplus
    gate sign = 100 * x -> dense(D) -> tanh
    return x * much * sign
}

model Net(width = 8)(frames: [B, T, 12], length: int[B]) -> [B, 9] {
    h, last = frames -> bidirectional(GRU(width), length=length)
    logits = last.h -> Open -> dense(9)
    return logits
}

data utterances = npz("std:japanese_vowels") {
    frames = standardize(frames)
    length = length(frames)
    label  = label
    split  = split
}

train Net on utterances {
    loss      cross_entropy(logits, label)
    WATCH
    optimizer adam(lr=1e-2)
    epochs    2
    batch     90
}
"""


def net(watch: str = "watch gates") -> Compiled:
    return compiled(Source("net.arch", SPEC.replace("WATCH", watch)), Wanted(training=True))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    ran = operator.ran.total()
    made = train(net(), out=tmp_path_factory.mktemp("gates") / "run", progress=False)
    assert operator.ran.total() > ran, "the cells ran in a kernel, which shows no gates"
    return made


def by_hand(state: dict[str, Tensor], way: str, frames: Tensor, length: Tensor) -> dict[str, Tensor]:
    """The gates of a GRU over utterances, one frame of one utterance after another."""
    found: dict[str, list[Tensor]] = {"r": [], "z": []}
    weights = [state[f"bidirectional1.{way}.dense{k}.{kind}"] for k in (1, 2, 3, 4) for kind in ("weight", "bias")]
    for row, steps in zip(frames, length.tolist(), strict=True):
        h = torch.zeros(8)
        for x in row[:steps] if way == "forward" else row[:steps].flip(0):
            xh = torch.cat((x, h))
            r, z = torch.sigmoid(weights[0] @ xh + weights[1]), torch.sigmoid(weights[2] @ xh + weights[3])
            n = torch.tanh(weights[4] @ x + weights[5] + r * (weights[6] @ h + weights[7]))
            h = (1 - z) * n + z * h
            found["r"].append(r)
            found["z"].append(z)
    return {name: torch.cat(values) for name, values in found.items()}


def test_what_is_told_of_gates_is_what_they_are(run: Run) -> None:
    state = run.model().state_dict()
    frames, length, *_ = first_batch(run)
    told = run.metrics["gates"]
    for way in ("forward", "backward"):
        for name, gate in by_hand(state, way, frames, length).items():
            wanted = {
                "mean": gate.mean(),
                "spread": gate.std(correction=0),
                "closed": (gate < 0.1).float().mean(),
                "open": (gate > 0.9).float().mean(),
            }
            found = told[f"bidirectional1.{way}.{name}"]
            assert found == pytest.approx({key: float(value) for key, value in wanted.items()}, abs=1e-5)
    assert told["open1.much"]["open"] == 0, "it has no largest value"
    assert told["open1.sign"]["closed"] + told["open1.sign"]["open"] > 0, "its ends are -1 and 1"


def first_batch(run: Run) -> Any:
    """The rows that are looked at, as the network is given them."""
    from archc.runtime.data.held import first
    from archc.runtime.train.api import _again, plan_of
    from archc.runtime.train.setup import settle

    exe = run.saved.exe
    setting, _, _ = settle(exe, plan_of(exe), _again(run.saved), torch.device("cpu"))
    columns = setting.columns("train", setting.phases[0])
    assert columns is not None
    return tuple(column[:32] for column in first(columns, 90, torch.device("cpu"), None))


def test_every_epoch_and_the_end_tell_of_them(run: Run) -> None:
    names = [f"bidirectional1.{way}.{gate}" for way in ("forward", "backward") for gate in ("r", "z")]
    assert [list(row["gates"]) for row in run.history] == [[*names, "open1.much", "open1.sign"]] * 2
    assert run.history[-1]["gates"] == run.metrics["gates"]


def test_no_bit_of_a_training_depends_on_the_look(run: Run, tmp_path: Path) -> None:
    plain = train(net(watch="clip 1000000"), out=tmp_path / "plain", progress=False)
    assert "gates" not in plain.metrics
    for row, other in zip(run.history, plain.history, strict=True):
        assert row["train"] == other["train"]
    assert (run.folder / "model.safetensors").read_bytes() == (plain.folder / "model.safetensors").read_bytes()


def test_a_resumed_run_tells_the_same(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        interrupting(patched, 1)
        with pytest.raises(Exception, match="interrupted"):
            train(net(), out=tmp_path / "run", progress=False)
    resumed = train(resume=tmp_path / "run", progress=False)
    assert (resumed.folder / "metrics.jsonl").read_bytes() == (run.folder / "metrics.jsonl").read_bytes()


def test_a_tensor_called_gates_is_watched_itself(tmp_path: Path) -> None:
    text = SPEC.replace("logits = last.h", "gates = mean(last.h, dim=1)\n    logits = last.h").replace(
        "return logits\n}\n\ndata", "return logits, gates\n}\n\ndata"
    )
    text = text.replace("-> [B, 9] {", "-> ([B, 9], [B]) {").replace("WATCH", "watch gates")
    found = compiled(Source("net.arch", text), Wanted(training=True)).plan.train
    assert found is not None
    assert not found.last.gates
    assert [term.name for term in found.last.watch] == ["gates"]

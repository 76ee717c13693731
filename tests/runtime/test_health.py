"""What a person is told of a run that goes wrong or learns badly: the layer, once, and without a change to any number."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch

from archc.runtime.run import Run
from archc.runtime.stops import Interrupted, Misused, RunFailed
from archc.runtime.train import checkpoints, curves, health
from archc.runtime.train.api import train
from archc.runtime.train.journal import rows

from .compared import assert_same
from .test_resume import Often, interrupting
from .texts import spec

NET = """\
model Net(x: [B, 64]) {
    hidden = x -> dense(16) -> relu
    scale  = hidden -> dense(1) -> exp
    logits = hidden -> dense(10)
    return logits, scale
}

data digits = sklearn("digits") {
    x     = data / 16
    label = target
"""


def stop_of(tmp_path: Path, *clauses: str) -> RunFailed:
    with pytest.raises(RunFailed) as caught:
        train(spec(*clauses, net=NET), out=tmp_path / "run", progress=False)
    return caught.value


@pytest.mark.parametrize("often", [True, False])
def test_a_value_that_overflows_is_found_in_the_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, often: bool) -> None:
    if often:
        monkeypatch.setattr(checkpoints, "Throttle", Often)
    stop = stop_of(tmp_path, "loss cross_entropy(logits, label) - 40 * mean(scale)", "optimizer sgd(lr=1)")
    (diagnostic,) = stop.report.diagnostics
    assert diagnostic.code == "E0701"
    assert diagnostic.notes[0] == "the first value that was not finite is the result of exp, which has inf"
    place = diagnostic.labels[1].span
    assert (place.source, place.start.line, place.start.column) == ("net.arch", 3, 36)
    assert Run(tmp_path / "run").status == "failed"


def test_a_gradient_that_overflows_is_named(tmp_path: Path) -> None:
    stop = stop_of(tmp_path, "loss cross_entropy(logits, label) + mean(sqrt(logits - logits))", "optimizer sgd(lr=0.1)")
    assert "the first value that was not finite is the gradient of dense3" in str(stop)


class Eager(health.Health):
    def ready(self) -> bool:
        return True


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is looked into."""
    from archc.runtime.train import engine

    monkeypatch.setattr(engine, "Health", Eager)
    monkeypatch.setattr(engine, "FLUSH", 0.0)


@pytest.mark.parametrize(
    ("clauses", "said"),
    [
        (
            ("loss cross_entropy(logits, label)", "optimizer sgd(lr=1e-9)", "epochs 5"),
            "W0805: the training loss does not go down: ",
        ),
        (("loss 10000 * cross_entropy(logits * 1000, label)", "optimizer sgd(lr=1e-12)"), "W0807: the gradient of dense"),
        (("loss 1e-9 * cross_entropy(logits, label)", "optimizer sgd(lr=1)"), "W0808: the gradient of dense1.weight is "),
        (("loss mean(hidden)", "optimizer sgd(lr=20)"), "W0806: "),
    ],
)
def test_bad_learning_is_told_once_with_the_layer(
    tmp_path: Path, eager: None, capsys: pytest.CaptureFixture[str], clauses: tuple[str, ...], said: str
) -> None:
    net = NET.replace("return logits, scale", "return logits, hidden")
    run = train(spec(*clauses, net=net), out=tmp_path / "run")
    shown = capsys.readouterr().err
    found = [line for line in run.record["warnings"] if line.startswith(said)]
    assert len(found) == 1, run.record["warnings"]
    assert shown.count(f"warning[{said[:5]}]") == 1
    assert "net.arch:" in shown


def test_looking_changes_no_number(tmp_path: Path, eager: None, monkeypatch: pytest.MonkeyPatch) -> None:
    clauses = ("epochs 3", "accumulate 2", "clip 1")
    looked = train(spec(*clauses), out=tmp_path / "looked", progress=False)
    monkeypatch.undo()
    plain = train(spec(*clauses), out=tmp_path / "plain", progress=False)
    assert_same(looked.folder, plain.folder)


def test_out_of_memory_says_what_took_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from archc.runtime.train.updates import Update

    original, calls = Update.backward, [0]

    def backward(self: Any, *args: Any) -> Any:
        calls[0] += 1
        if calls[0] == 5:
            raise torch.OutOfMemoryError("tried to allocate 2 GiB")
        return original(self, *args)

    monkeypatch.setattr(Update, "backward", backward)
    stop = stop_of(tmp_path, "optimizer adam(lr=1e-3)")
    (diagnostic,) = stop.report.diagnostics
    assert diagnostic.code == "E0702"
    assert diagnostic.notes[0] == "weights take 4.8 KiB"
    assert any(note.startswith("the optimizer's state takes") for note in diagnostic.notes)
    assert "batch 32 with accumulate 2 makes the same steps" in diagnostic.helps[0].text
    assert "precision bf16" in diagnostic.helps[1].text


def test_curves_are_drawn_from_the_journal(lenet_run: Run) -> None:
    found = rows(lenet_run.folder / "metrics.jsonl")
    text = (lenet_run.folder / "curves.svg").read_text()
    assert text == curves.drawn(found)
    root = ElementTree.fromstring(text)
    names = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"learning rate (log)", "accuracy", "train", "validation"} <= set(names)
    by_name = curves.series(found)
    assert [value for _, value in by_name["loss"]["step"]] == lenet_run.losses
    assert by_name["accuracy"]["validation"][-1] == (92.0, lenet_run.history[-1]["validation"]["accuracy"])
    assert curves.drawn([])
    assert curves.drawn([{"step": 1, "loss": None}, {"step": 2, "loss": 1.0}]).count("<circle") == 1
    assert len(curves.thinned([(float(i), 1.0) for i in range(10_000)])) == 400


def test_tensorboard_gets_every_epoch_once_also_over_a_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    run = train(spec("epochs 3", "metric accuracy(logits, label)"), out=tmp_path / "run", progress=False, tensorboard=True)
    board = EventAccumulator(str(run.folder / "tensorboard"))
    board.Reload()
    told = board.Scalars("validation/accuracy")
    assert [event.step for event in told] == [23, 46, 69]
    assert [event.value for event in told] == pytest.approx([row["validation"]["accuracy"] for row in run.history])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Misused, match="E0725"):
        train(spec(), out=tmp_path / "other", progress=False, tensorboard=True)


@pytest.mark.parametrize(("rate", "found"), [(1e-9, 1), (1e-4, 0)])
def test_a_loss_that_wobbles_does_not_go_down(tmp_path: Path, rate: float, found: int) -> None:
    """Dropout moves it by a few thousandths from epoch to epoch; the second rate, by a hundredth of its start in eight."""
    net = NET.replace("x -> dense(16)", "x -> dropout(0.8) -> dense(16)").replace("return logits, scale", "return logits, hidden")
    run = train(
        spec("loss cross_entropy(logits, label)", f"optimizer adam(lr={rate})", "epochs 9", net=net), out=tmp_path / "run"
    )
    assert sum(line.startswith("W0805: ") for line in run.record["warnings"]) == found


@pytest.mark.parametrize(
    ("losses", "found"),
    [
        ((1.8346, 0.7279, 0.4548, 0.3697, 0.2527, 0.1971, 0.1593, 0.1224), False),  # an LSTM that learns at once
        ((1.9, 0.12, 0.13, 0.12, 0.13, 0.11, 0.12, 0.13), False),  # all is learned in the first epoch
        ((2.31, 2.30, 2.32, 2.29, 2.31, 2.30, 2.32, 2.30), True),
        ((2.30, 2.31, 2.33, 2.34, 2.36, 2.35, 2.37, 2.38), True),
    ],
)
def test_what_falls_fast_does_not_wobble(losses: tuple[float, ...], found: bool) -> None:
    assert health._wobbles(list(losses)) is found


def test_of_a_resumed_phase_no_first_epoch_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its loss may have come down before: that it stands at the end of a run is no fault."""
    text = spec("loss cross_entropy(logits, label)", "optimizer sgd(lr=1e-9)", "epochs 8", net=NET)
    with monkeypatch.context() as patched:
        interrupting(patched, 2)
        with pytest.raises(Interrupted):
            train(text, out=tmp_path / "run", progress=False)
    run = train(resume=tmp_path / "run", progress=False)
    assert run.record["warnings"] == []
    assert "W0805" not in capsys.readouterr().err

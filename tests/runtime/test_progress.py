"""What a person sees of a run."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from archc.runtime.train.progress import Lines, Live, duration, table

FINAL = {
    "epochs": 4,
    "steps": 92,
    "stopped_early": False,
    "best_epoch": 3,
    "validation": {"loss": 0.123456, "accuracy": 0.95},
    "test": {"loss": 1.5, "accuracy": 0.9},
}
ROW = {"epoch": 1, "train": {"loss": 2.0}, "validation": {"loss": 1.5, "accuracy": 0.25}, "best": True}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_final_table() -> None:
    assert table(FINAL) == [
        "4 epochs, 92 steps; best after epoch 3",
        "              loss  accuracy",
        "validation  0.1235      0.95",
        "test           1.5       0.9",
    ]
    assert table({"epochs": 2, "steps": 3, "stopped_early": True}) == ["2 epochs, 3 steps, stopped early"]


def test_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("archc.runtime.train.progress.time.monotonic", lambda: clock[0])
    stream = io.StringIO()
    lines = Lines(stream)
    lines.begin("LeNet", 100, 0, 4)
    lines.epoch(25, ROW)  # too soon to say anything
    clock[0] = 5.0
    lines.epoch(50, {**ROW, "epoch": 2})
    lines.step(51, 1.0)
    lines.end(FINAL, "runs/LeNet-1")
    said = stream.getvalue().splitlines()
    assert said[:2] == [
        "LeNet",
        "step 50/100  epoch 2/4  train loss 2  validation loss 1.5  accuracy 0.25  10 steps/s  5 s left",
    ]
    assert said[-1] == "run folder: runs/LeNet-1"
    assert len(said) == 7


def test_a_live_line_leaves_only_what_stays() -> None:
    stream = Terminal()
    live = Live(stream)
    live.begin("LeNet [x]", 100, 0, 4)
    live.step(10, 0.5)
    live.epoch(100, ROW)
    live.note("a note")
    live.end(FINAL, "runs/LeNet-1")
    live.close()
    said = stream.getvalue()
    assert "LeNet [x]" in said
    assert "validation loss 1.5  accuracy 0.25" in said
    assert said.rstrip().endswith("run folder: runs/LeNet-1")


def test_durations() -> None:
    assert [duration(s) for s in (0.4, 59.4, 60, 3599, 7384)] == ["0 s", "59 s", "1:00", "59:59", "2:03:04"]


def test_faults_of_data_are_told_before_torch_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from tests.runtime import hand; from archc.runtime.train.api import train; from archc.runtime.stops import Stopped\n"
        "try: train(hand.lenet(), out=sys.argv[1], data='no.csv')\n"
        "except Stopped as stop: print(stop)\n"
        "print([m for m in ('torch', 'rich', 'sklearn') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout.splitlines()
    assert said[0].startswith("--data:1:1: error[E0604]: there is no file ")
    assert said[-1] == "[]"

"""The commands that train and what follows from it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from .tool import Archc


@pytest.fixture
def run(archc: Archc, tmp_path: Path) -> Path:
    """A short run of lenet."""
    said = archc("train", "lenet", "--epochs", "1", "--out", "run")
    assert said.status == 0, said.err
    assert said.out == "run\n"
    assert "validation" in said.err
    return tmp_path / "run"


def test_a_run_is_evaluated_and_predicts(archc: Archc, run: Path, tmp_path: Path) -> None:
    kept = {"spec.arch", "model.py", "program.py", "run.json", "metrics.jsonl", "model.safetensors", "diagram.svg", "checkpoints"}
    assert kept <= {path.name for path in run.iterdir()}
    said = json.loads(archc("eval", "run", "--json").out)
    assert set(said["metrics"]) >= {"loss", "accuracy"}
    assert "accuracy" in archc("eval", "run", "--split", "validation").out
    assert archc("eval", "run", "--split", "tset").status == 2
    assert archc("predict", "run", "--data", 'sklearn("digits")', "-o", "out.csv").status == 0
    with (tmp_path / "out.csv").open() as file:
        assert len(list(csv.reader(file))) == 1798
    assert archc("predict", "run", "--data", 'sklearn("digits")', "-o", "out.npz").status == 0
    assert np.load(tmp_path / "out.npz")["logits"].shape == (1797, 10)
    assert archc("predict", "run", "--data", 'sklearn("digits")', "-o", "out.txt").status == 2
    said = archc("predict", "run", "--data", 'sklearn("digits")', "-o", "-", "-q")
    assert (said.status, said.err, said.out) == (0, "", (tmp_path / "out.csv").read_text())


def test_a_finished_run_has_nothing_left_to_do(archc: Archc, run: Path) -> None:
    said = archc("train", "--resume", "run")
    assert (said.status, said.out) == (0, "run\n")
    assert archc("train", "lenet", "--out", "run").status == 2


def test_quiet_and_json(archc: Archc) -> None:
    said = archc("train", "lenet", "--steps", "3", "-q", "--json", "--set", "classes=11")
    assert (said.status, said.err) == (0, "")
    assert json.loads(said.out)["steps"] == 3


def test_a_dry_run_writes_nothing(archc: Archc, tmp_path: Path) -> None:
    said = archc("train", "lenet", "--dry-run")
    assert said.status == 0
    assert "19,850 parameters" in said.out
    assert list(tmp_path.iterdir()) == []


def test_hyperparameters_are_checked(archc: Archc) -> None:
    said = archc("train", "lenet", "--set", "clases=11")
    assert said.status == 1
    assert "did you mean classes?" in said.err

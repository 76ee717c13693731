"""A program that draws, keeps a queue, follows an average and adds penalties: trained, stopped, resumed, evaluated, predicted."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archc.runtime.evaluate import evaluate
from archc.runtime.predict import predict
from archc.runtime.run import Run
from archc.runtime.train import measure
from archc.runtime.train.api import train
from archc.runtime.train.determinism import evaluating
from archc.runtime.train.judging import Judging

from . import programs
from .compared import assert_same, differences, state
from .test_resume import worker as process


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run, never disturbed."""
    return train(programs.draws(epochs=2), out=tmp_path_factory.mktemp("runs") / "codes", progress=False)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_losses_and_penalties_are_told_by_name(run: Run) -> None:
    steps = [row for row in rows(run.folder) if "step" in row]
    for row in steps:
        total = row["likelihood"] + row["divergence"] + row["crowding"]
        assert row["loss"] == pytest.approx(total, rel=1e-5)
    last = next(row for row in reversed(rows(run.folder)) if "validation" in row)
    assert {"loss", "likelihood", "divergence", "crowding", "mse"} <= last["validation"].keys()
    assert steps[-1]["loss"] < 0.75 * steps[0]["loss"]


def test_what_training_leaves_behind(run: Run) -> None:
    weights = state(run.folder)["model"]
    keys = [key.removeprefix("slow.") for key in weights if key.startswith("slow.")]
    assert keys == [key.removeprefix("encode.") for key in weights if key.startswith("encode.")]
    assert not torch.equal(weights["slow.dense1.weight"], weights["encode.dense1.weight"])
    torch.testing.assert_close(weights["slow.dense1.weight"], weights["encode.dense1.weight"], atol=0.1, rtol=0)
    assert torch.equal(weights["slow.batch_norm1.running_mean"], weights["encode.batch_norm1.running_mean"])
    assert not torch.equal(weights["queue"][:32], weights["queue"][32:64])


def test_an_average_is_no_part_of_what_the_optimizer_moves(run: Run) -> None:
    moved = sum(len(group["params"]) for player in state(run.folder)["phase"]["players"] for group in player["param_groups"])
    model = run.model()
    assert moved == sum(p.requires_grad for p in model.parameters()) < len(list(model.parameters()))


@pytest.mark.parametrize(("where", "call"), [("step", 30), ("evaluation", 1)])
def test_a_killed_run_goes_on_to_the_same_bits(run: Run, tmp_path: Path, where: str, call: int) -> None:
    folder = tmp_path / "run"
    killed = process(folder, where, call, spec="draws", epochs=2)
    killed.communicate(timeout=240)
    assert killed.returncode == -9
    again = process(folder, spec="draws", epochs=2)
    assert again.wait(timeout=240) == 0, again.communicate()
    assert_same(run.folder, folder)


def test_evaluation_does_not_disturb_what_training_draws(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original: Any = vars(measure)["evaluate"]

    def twice(*args: Any) -> Any:
        first = original(*args)
        torch.manual_seed(99)  # whatever happened before
        with evaluating(torch.device("cpu")):
            assert original(*args) == first, "draws in evaluation come from a fixed seed"
        return first

    judged: Any = Judging.values
    drew = []

    def kept(judging: Judging, *args: Any, **options: Any) -> Any:
        before = torch.get_rng_state()
        found = judged(judging, *args, **options)
        assert torch.equal(before, torch.get_rng_state())
        drew.append(judging.drew)
        return found

    monkeypatch.setattr(Judging, "values", kept)
    other = train(programs.draws(epochs=2), out=tmp_path / "run", progress=False)
    assert all(drew)
    assert differences(state(run.folder)["model"], state(other.folder)["model"]) == []
    monkeypatch.setattr(measure, "evaluate", twice)
    train(programs.draws(epochs=1), out=tmp_path / "again", progress=False)


def test_numbers_from_a_run_are_the_same_each_time(run: Run) -> None:
    assert evaluate(run.folder) == evaluate(run.folder)
    given = {"data": np.random.default_rng(0).uniform(0, 16, (10, 64))}
    one, two = predict(run.folder, given), predict(run.folder, given)
    assert np.array_equal(one["logits"], two["logits"])
    before = state(run.folder)["model"]["queue"]
    assert torch.equal(before, state(run.folder)["model"]["queue"])

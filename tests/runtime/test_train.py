"""A run from its spec to its result: what stands in its folder, and what the numbers mean."""

import json
import math
import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from archc.compiler.plan import EarlyStopPlan, OptimizerPlan, SchedulePlan, StagePlan, Term
from archc.dsl.source import Source
from archc.runtime.compiling import Wanted, compiled
from archc.runtime.run import Run
from archc.runtime.stops import InputFaults, Misused
from archc.runtime.train import optimizers
from archc.runtime.train.api import dry_run, train
from archc.runtime.train.effort import Effort
from archc.runtime.train.schedules import schedule

from . import hand
from .compared import assert_same, steps
from .texts import spec

LENET = hand.lenet().plan.train
assert LENET is not None
PLACE = LENET.place


def test_the_run_folder(lenet_run: Run) -> None:
    folder = lenet_run.folder
    names = {p.name for p in folder.iterdir() if not p.name.startswith(".")}
    assert names == {
        "spec.arch",
        "model.py",
        "program.py",
        "run.json",
        "metrics.jsonl",
        "model.safetensors",
        "checkpoints",
        "curves.svg",
    }
    assert (folder / "spec.arch").read_text() == hand.lenet().sources["lenet.arch"]
    assert (folder / "model.py").read_text() == hand.lenet().source
    record = lenet_run.record
    assert record["status"] == "finished"
    assert record["hyperparameters"] == {"classes": 10}
    assert (record["seed"], record["split_seed"], record["device"], record["graph_hash"]) == (0, 0, "cpu", "0" * 16)
    assert record["versions"]["torch"] == torch.__version__
    assert record["data"]["rows"] == {"train": 1438, "validation": 179, "test": 180}
    assert record["parameters"] == 19850


def test_each_step_stands_in_the_journal_once_and_each_epoch(lenet_run: Run) -> None:
    assert steps(lenet_run.folder) == list(range(1, 93))
    rows = [json.loads(line) for line in (lenet_run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows if "epoch" in row] == [1, 2, 3, 4]
    assert rows[-1] == {"final": lenet_run.metrics}
    assert lenet_run.losses[-1] < lenet_run.losses[0]
    first = rows[:23]
    sizes = [64] * 22 + [30]
    mean = sum(row["loss"] * n for row, n in zip(first, sizes, strict=True)) / 1438
    assert lenet_run.history[0]["train"]["loss"] == pytest.approx(mean, rel=1e-12)


def test_the_best_weights_are_those_of_the_best_validation(lenet_run: Run) -> None:
    accuracies = [row["validation"]["accuracy"] for row in lenet_run.history]
    best = lenet_run.metrics["best_epoch"] - 1
    assert accuracies[best] == max(accuracies)
    assert [row["best"] for row in lenet_run.history] == [
        a >= max([-1.0, *accuracies[:i]]) for i, a in enumerate(accuracies)
    ]  # of equals the later
    assert lenet_run.evaluate("validation") == lenet_run.metrics["validation"] == lenet_run.history[best]["validation"]
    assert lenet_run.evaluate() == lenet_run.metrics["test"]


def test_two_runs_have_the_same_bits_whatever_the_process_did_before(lenet_run: Run, tmp_path: Path) -> None:
    torch.manual_seed(99)
    random.seed(5)
    before = (torch.get_rng_state(), str(np.random.get_state()), random.getstate(), torch.get_num_threads())
    again = train(hand.lenet(), out=tmp_path / "again", progress=False)
    assert_same(lenet_run.folder, again.folder)
    after = (torch.get_rng_state(), str(np.random.get_state()), random.getstate(), torch.get_num_threads())
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    assert not torch.are_deterministic_algorithms_enabled()


def test_another_seed_and_another_split(lenet_run: Run, tmp_path: Path) -> None:
    seed = train(hand.lenet(), out=tmp_path / "seed", seed=1, epochs=1, progress=False)
    split = train(hand.lenet(), out=tmp_path / "split", split_seed=1, steps=3, progress=False)
    assert seed.losses[0] != lenet_run.losses[0]
    assert (seed.record["seed"], split.record["split_seed"]) == (1, 1)
    assert len(split.losses) == 3
    assert split.losses[0] != lenet_run.losses[0]


def test_a_run_measured_in_steps_ends_within_an_epoch(tmp_path: Path) -> None:
    run = train(hand.lenet(), out=tmp_path / "run", steps=30, progress=False)
    assert steps(run.folder) == list(range(1, 31))
    assert len(run.history) == 2
    assert run.metrics["steps"] == 30


def test_early_stop_and_collected_metrics(autoencoder_run: Run) -> None:
    result = autoencoder_run.metrics
    assert result["stopped_early"]
    scores = [row["validation"]["auroc"] for row in autoencoder_run.history]
    assert result["epochs"] == scores.index(max(scores)) + 1 + 3
    assert scores[result["best_epoch"] - 1] == max(scores)
    from sklearn.metrics import roc_auc_score

    record = autoencoder_run.record
    assert record["data"]["rows"]["train"] < 0.7 * 569  # the abnormal ones are gone
    from archc.runtime.data.splits import split

    plan = autoencoder_run.saved.plan
    rows = split(plan.data, 569, 0)["test"]
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    anomaly = autoencoder_run.predict({"data": bunch.data[rows]})["anomaly"]
    assert result["test"]["auroc"] == pytest.approx(roc_auc_score(bunch.target[rows] == 0, anomaly), abs=1e-6)


def test_without_a_validation_part_the_last_weights_count(tmp_path: Path) -> None:
    assert LENET is not None
    data = LENET.data.model_copy(update={"split": None})
    run = train(hand.lenet(data=data), out=tmp_path / "run", steps=5, progress=False)
    assert run.metrics == {"epochs": 1, "steps": 5, "stopped_early": False}
    assert run.model().training is False
    with pytest.raises(Misused, match="there is no test part; there are train"):
        run.evaluate()
    with pytest.raises(InputFaults, match="early_stop needs a validation part"):
        train(hand.lenet(data=data, early_stop=EarlyStopPlan(patience=2)), out=tmp_path / "other", progress=False)


def test_several_losses_are_summed_and_told_apart(tmp_path: Path) -> None:
    assert LENET is not None
    program = (hand.FIXTURES / "lenet_program.py.txt").read_text() + "\ndef loss2(logits):\n    return logits.square().mean()\n"
    losses = [*LENET.last.losses, Term(name="size", function="loss2", arguments=["logits"], place=PLACE)]
    run = train(hand.lenet(program=program, losses=losses), out=tmp_path / "run", steps=23, progress=False)
    values = run.history[0]["validation"]
    assert list(values) == ["loss", "cross_entropy", "size", "accuracy"]
    assert values["loss"] == pytest.approx(values["cross_entropy"] + values["size"])


def test_default_folders_are_numbered(here: Path) -> None:
    assert train(hand.lenet(), steps=1, progress=False).folder == Path("runs/LeNet-1")
    assert train(hand.lenet(), steps=1, progress=False).folder == Path("runs/LeNet-2")
    with pytest.raises(Misused, match="runs/LeNet-1 is not empty"):
        train(hand.lenet(), out="runs/LeNet-1", progress=False)
    assert sorted(p.name for p in Path("runs").iterdir()) == ["LeNet-1", "LeNet-2"]


def test_a_diagram_is_drawn_if_it_can_be(tmp_path: Path) -> None:
    run = train(hand.lenet(), out=tmp_path / "a", steps=1, progress=False, diagram=lambda: "<svg/>")
    assert (run.folder / "diagram.svg").read_text() == "<svg/>"
    run = train(hand.lenet(), out=tmp_path / "b", steps=1, progress=False, diagram=lambda: 1 / 0 and "")  # type: ignore[arg-type, return-value]
    assert not (run.folder / "diagram.svg").exists()


def test_imports_of_the_spec_are_kept(tmp_path: Path) -> None:
    from dataclasses import replace

    spec = hand.lenet()
    others = {"parts/a.arch": "# a\n", "../b.arch": "# b\n", "/root/c.arch": "# c\n", "std:layers": "# d\n"}
    run = train(replace(spec, sources={**spec.sources, **others}), out=tmp_path / "run", steps=1, progress=False)
    files = {p.relative_to(run.folder).as_posix() for p in run.folder.rglob("*.arch")} | {
        p.relative_to(run.folder).as_posix() for p in run.folder.rglob("layers")
    }
    assert files == {"spec.arch", "parts/a.arch", "imports/2-b.arch", "imports/3-c.arch", "std/layers"}
    assert dict(run.saved.exe.sources) == {**spec.sources, **others}


def test_a_dry_run_writes_nothing(here: Path) -> None:
    tried = dry_run(hand.lenet())
    assert (tried.rows, tried.parameters, tried.steps) == (64, 19850, 92)
    assert tried.loss == pytest.approx(2.3, abs=0.2)
    assert list(here.iterdir()) == []


def test_it_runs_in_a_thread_too(tmp_path: Path, lenet_run: Run) -> None:
    thread = threading.Thread(target=lambda: train(hand.lenet(), out=tmp_path / "run", progress=False))
    thread.start()
    thread.join()
    assert_same(lenet_run.folder, tmp_path / "run")


def test_other_data_in_place_of_the_specs_own(here: Path) -> None:
    images, target = np.random.default_rng(0).random((50, 8, 8)), np.arange(50) % 10
    np.savez("mine.npz", images=images, target=target)
    run = train(hand.lenet(), out="run", data="mine.npz", steps=2, progress=False)
    assert run.record["data"]["rows"] == {"train": 40, "validation": 5, "test": 5}
    assert run.record["plan"]["train"]["data"]["source"]["args"] == [str(here / "mine.npz")]
    assert run.evaluate(data="mine.npz").keys() == {"loss", "accuracy"}
    np.savez("other.npz", x=images)
    with pytest.raises(InputFaults, match="no column images; it has x"):
        train(hand.lenet(), out="other", data="other.npz", progress=False)
    assert not Path("other").exists()


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_optimizers_step_as_pytorchs_do(name: str) -> None:
    arguments: dict[str, Any] = {"lr": 0.1, **({} if name == "lbfgs" else {"weight_decay": 0.01})}
    weights = [torch.nn.Parameter(torch.linspace(-1, 1, 7)) for _ in range(2)]
    ours = optimizers.optimizer(OptimizerPlan(name=name, arguments={**arguments}, place=PLACE), [weights[0]])
    theirs = optimizers.OPTIMIZERS[name]([weights[1]], **arguments)
    for _ in range(5):
        for weight, by in zip(weights, (ours, theirs), strict=True):

            def closure(weight: torch.Tensor = weight, by: torch.optim.Optimizer = by) -> float:
                by.zero_grad()
                loss = (weight**4).sum()
                loss.backward()  # type: ignore[no-untyped-call]
                return float(loss.detach())

            by.step(closure)
    assert torch.allclose(weights[0], weights[1], atol=1e-6)


@pytest.mark.parametrize(
    ("clause", "said"),
    [
        (
            OptimizerPlan(name="adm", place=PLACE),
            "there is no such optimizer; there are adam, adamw, sgd, rmsprop, adagrad, adadelta, lion, lbfgs",
        ),
        (OptimizerPlan(name="adam", arguments={"momentum": 1}, place=PLACE), "momentum"),
        (OptimizerPlan(name="adam", arguments={"lr": -1.0}, place=PLACE), "adam: Invalid learning rate"),
    ],
)
def test_optimizers_that_cannot_be(clause: OptimizerPlan, said: str) -> None:
    with pytest.raises(InputFaults, match=said):
        optimizers.optimizer(clause, [torch.nn.Parameter(torch.zeros(1))])


def stage(name: str, **arguments: Any) -> SchedulePlan:
    return SchedulePlan(stages=[StagePlan(name=name, arguments=arguments)], place=PLACE)


def test_schedules() -> None:
    assert schedule(None, 0.1, 10) is None
    rate = schedule(stage("cosine", warmup=4, to=0.01), 0.1, 104)
    assert rate is not None
    assert [rate(i) for i in range(4)] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert rate(4) == pytest.approx(0.1)
    assert rate(54) == pytest.approx(0.055)
    assert rate(103) == pytest.approx(0.01 + 0.09 * (1 + math.cos(math.pi * 0.99)) / 2)
    warm = schedule(stage("constant", warmup=2), 0.1, 5)
    assert warm is not None
    assert [warm(i) for i in range(4)] == [0.05, 0.1, 0.1, 0.1]
    for plan in (stage("sine"), stage("cosine", warm=3)):
        with pytest.raises(InputFaults):
            schedule(plan, 0.1, 10)


def test_the_schedule_is_what_the_journal_says(lenet_run: Run) -> None:
    rate = schedule(stage("cosine", warmup=10), 3e-3, 92)
    assert rate is not None
    rows = [json.loads(line) for line in (lenet_run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["lr"] for row in rows if "step" in row] == [rate(i) for i in range(92)]


def test_effort_counts_products() -> None:
    x, weight = torch.zeros(4, 3), torch.zeros(5, 3)
    with Effort() as effort:
        torch.nn.functional.linear(x, weight)
    assert effort.multiplies == 4 * 5 * 3
    conv, image = torch.nn.Conv2d(2, 3, 5, padding=2), torch.zeros(1, 2, 8, 8)
    with Effort() as effort:
        conv(image)
    assert effort.multiplies == 3 * 8 * 8 * 2 * 25


def test_torch_compile_runs_the_model_and_nothing_else_changes(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a back end that computes as the generated code does, the bits are the same; resumed, and looked into, it says so too."""
    from archc.runtime.train import engine, inspection

    built: list[bool] = []
    original, done = nn.Module.compile, engine.Engine.do

    def compile(self: nn.Module) -> None:
        original(self, backend="eager")

    def do(self: engine.Engine, *args: Any) -> Any:
        built.append(inspection.is_built(self.model))
        self.looks = len(built) % 20 == 0
        return done(self, *args)

    monkeypatch.setattr(nn.Module, "compile", compile)
    monkeypatch.setattr(engine.Engine, "do", do)
    plain = train(spec("epochs 2"), out="plain", progress=False)
    assert built.count(True) == 0
    made = train(spec("epochs 2"), out="made", compile=True, progress=False)
    assert built.count(True) == len(built) // 2
    assert made.record["compile"] is True
    assert made.losses == plain.losses
    assert made.metrics == plain.metrics
    monkeypatch.setattr(nn.Module, "compile", lambda self: (_ for _ in ()).throw(RuntimeError("no compiler here")))
    with pytest.raises(Misused, match="--compile: no compiler here"):
        train(spec("epochs 2"), out="none", compile=True, progress=False)


def test_a_run_is_called_as_its_program(here: Path) -> None:
    text = spec("steps 2").sources["net.arch"]
    named = compiled(Source("net.arch", text.replace("train Net on", "train first: Net on")), Wanted(training=True))
    assert [train(named, progress=False).folder for _ in range(2)] == [Path("runs/first-1"), Path("runs/first-2")]
    assert train(spec("steps 2"), progress=False).folder == Path("runs/Net-1")


def test_one_of_several_programs(tmp_path: Path) -> None:
    run = train("dbn", out=tmp_path / "run", program="dreams", steps=2, progress=False)
    assert run.record["status"] == "finished"
    assert "finetune" not in (run.folder / "run.json").read_text()

"""A run that was stopped goes on to the bits of one that was not, wherever and however it was stopped."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archc.runtime.run import Run
from archc.runtime.run_folder import Lock, is_run
from archc.runtime.stops import Interrupted, Misused, RunFailed
from archc.runtime.train import checkpoints, engine, measure
from archc.runtime.train.api import train
from archc.runtime.train.updates import Update
from archc.runtime.train.wiring import Wiring

from . import hand
from .compared import assert_same, state, steps
from .programs import CLAUSES, SPECS
from .texts import spec

ROOT = Path(__file__).parents[2]


def worker(folder: Path, *more: object, spec: str = "lenet", epochs: int = 4) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.runtime.worker", spec, str(folder), str(epochs), *map(str, more)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Often(checkpoints.Throttle):
    """A checkpoint whenever one may be made."""

    def ready(self) -> bool:
        return True


class Never(checkpoints.Throttle):
    def ready(self) -> bool:
        return False


def interrupting(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    """Sends Ctrl-C within the Nth evaluation."""
    function: Callable[..., Any] = measure.evaluate
    left = calls

    def wrapped(*args: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return function(*args)

    monkeypatch.setattr(measure, "evaluate", wrapped)


@pytest.mark.parametrize("call", [2, 5])
def test_ctrl_c_in_evaluation(lenet_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    with monkeypatch.context() as patched:
        interrupting(patched, call)
        with pytest.raises(Interrupted) as caught:
            train(hand.lenet(), out=tmp_path / "run", progress=False)
    assert (
        str(caught.value) == f"interrupted; step {min(call, 4) * 23} is saved. To go on: archc train --resume {tmp_path / 'run'}"
    )
    assert Run(tmp_path / "run").status == "interrupted"
    assert_same(lenet_run.folder, train(resume=tmp_path / "run", progress=False).folder)


def test_ctrl_c_between_steps_again_and_again(lenet_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before: list[int] = []
    original = Update.backward
    count = 0

    def backward(self: Update, *args: Any) -> Any:
        nonlocal count
        count += 1
        if count % 17 == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(Update, "backward", backward)
        for _ in range(3):
            with pytest.raises(Interrupted) as caught:
                train(hand.lenet(), out=tmp_path / "run", progress=False) if not before else train(
                    resume=tmp_path / "run", progress=False
                )
            before.append(caught.value.step)
    assert before == [17, 34, 51]
    assert steps(tmp_path / "run") == list(range(1, 52))
    assert_same(lenet_run.folder, train(resume=tmp_path / "run", progress=False).folder)


@pytest.mark.parametrize("throttle", [Often, Never])
def test_when_checkpoints_are_made_changes_nothing(
    lenet_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, throttle: type[checkpoints.Throttle]
) -> None:
    monkeypatch.setattr(engine, "FLUSH", 0.0)
    monkeypatch.setattr(checkpoints, "Throttle", throttle)
    assert_same(lenet_run.folder, train(hand.lenet(), out=tmp_path / "run", progress=False).folder)


def test_killed_at_the_worst_moments(lenet_run: Run, tmp_path: Path) -> None:
    """Before the first checkpoint, in evaluation, and around fsync and rename of checkpoints and of the record."""
    moments = [("step", 40), ("evaluation", 4), ("fsync", 14), ("replace", 9), ("replace", 11)]
    started = [(moment, worker(tmp_path / str(i), *moment)) for i, moment in enumerate(moments)]
    for i, (moment, process) in enumerate(started):
        _, said = process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, (moment, said)
        assert is_run(tmp_path / str(i)), moment
    for i in range(len(moments)):
        assert_same(lenet_run.folder, train(resume=tmp_path / str(i), progress=False).folder)


def test_a_run_that_was_killed_before_it_had_a_folder_starts_anew(lenet_run: Run, tmp_path: Path) -> None:
    process = worker(tmp_path / "run", "replace", 3)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert [p.name for p in tmp_path.iterdir()] == [".run.starting"]
    assert_same(lenet_run.folder, train(hand.lenet(), resume=tmp_path / "run", progress=False).folder)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def copied(run: Run, to: Path, status: str = "interrupted") -> Path:
    """A copy of a finished run that says it is not finished."""
    import shutil

    shutil.copytree(run.folder, to)
    record = json.loads((to / "run.json").read_text())
    (to / "run.json").write_text(json.dumps({**record, "status": status}))
    return to


def interrupted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with two checkpoints, stopped in the evaluation of epoch 3."""
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "Throttle", Often)
        patched.setattr(engine, "FLUSH", 1e9)  # checkpoints at the ends of epochs only, however busy the machine is
        interrupting(patched, 3)
        with pytest.raises(Interrupted):
            train(hand.lenet(), out=folder, progress=False)
    assert [checkpoints.step_of(p) for p in checkpoints.listed(folder / "checkpoints")] == [46, 69]
    return folder


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize("damage", [cut, flipped, lambda data: b""])
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_taken(
    lenet_run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[bytes], bytes],
) -> None:
    folder = interrupted(tmp_path / "run", monkeypatch)
    last = checkpoints.listed(folder / "checkpoints")[-1]
    last.write_bytes(damage(last.read_bytes()))
    run = train(resume=folder)
    said = capsys.readouterr().err
    assert f"checkpoint {last.name} is damaged" in said
    assert "goes on after step 46" in said
    assert_same(lenet_run.folder, run.folder)


def test_nothing_but_damaged_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = interrupted(tmp_path / "run", monkeypatch)
    for path in checkpoints.listed(folder / "checkpoints"):
        path.write_bytes(b"x")
    with pytest.raises(RunFailed, match=r"every checkpoint of .* is damaged"):
        train(resume=folder, progress=False)


def test_what_stands_in_the_journal_after_the_checkpoint_is_cut(
    lenet_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = interrupted(tmp_path / "run", monkeypatch)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 70, "loss": 1.0}\n{"step": 7')
    (folder / "checkpoints" / ".checkpoint.tmp").write_bytes(b"half")
    assert_same(lenet_run.folder, train(resume=folder, progress=False).folder)
    assert not list(folder.rglob("*.tmp"))


def test_a_run_that_is_alive_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = interrupted(tmp_path / "run", monkeypatch)
    lock = Lock(folder)
    with pytest.raises(Misused, match="is being trained by another process"):
        train(resume=folder, progress=False)
    lock.release()
    train(resume=folder, progress=False)


def test_a_finished_run_says_so(lenet_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    before = (lenet_run.folder / "run.json").read_bytes()
    train(resume=lenet_run.folder)
    assert f"{lenet_run.folder} is finished; there is nothing left to do" in capsys.readouterr().err
    assert (lenet_run.folder / "run.json").read_bytes() == before


def test_a_run_that_was_killed_just_before_it_said_so(lenet_run: Run, tmp_path: Path) -> None:
    folder = copied(lenet_run, tmp_path / "run", "running")
    assert_same(lenet_run.folder, train(resume=folder, progress=False).folder)


def test_what_would_change_the_bits_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lenet_run: Run) -> None:
    folder = interrupted(tmp_path / "run", monkeypatch)
    record = json.loads((folder / "run.json").read_text())
    changed = {**record, "versions": {**record["versions"], "torch": "1.0"}}
    changed["data"]["fingerprint"] = "0"
    (folder / "run.json").write_text(json.dumps(changed))
    with pytest.raises(Misused) as caught:
        train(resume=folder, progress=False)
    (diagnostic,) = caught.value.report.diagnostics
    assert diagnostic.code == "E0708"
    assert diagnostic.notes[0].startswith("torch was 1.0 and is 2.")
    assert diagnostic.notes[1] == "the data has changed"
    assert "--accept-drift" in diagnostic.helps[0].text
    assert train(resume=folder, accept_drift=True, progress=False).status == "finished"


def test_a_resume_cannot_change_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = interrupted(tmp_path / "run", monkeypatch)
    for settings in ({"epochs": 9}, {"seed": 3}, {"data": "x.csv"}):
        with pytest.raises(Misused, match=f"began: {next(iter(settings))}"):
            train(resume=folder, progress=False, **settings)
    with pytest.raises(Misused, match="the model and the train program are not what"):
        train(hand.autoencoder(), resume=folder, progress=False)
    with pytest.raises(Misused, match="the train program is not what"):
        train(hand.lenet(batch=32), resume=folder, progress=False)
    assert train(hand.lenet("elsewhere.arch", epochs=77), resume=folder, epochs=4, progress=False).status == "finished"


def test_a_copy_of_the_spec_is_the_same_model(tmp_path: Path) -> None:
    """Also where the text of a model without a comment begins with the name of its file."""
    first = train(spec("epochs 1"), out=tmp_path / "run", progress=False)
    assert first.status == "finished"
    with pytest.raises(Misused, match=r"error\[E0724\]: the train program is not what"):
        train(spec("epochs 1", "clip 1", name="copy.arch"), resume=tmp_path / "run", progress=False)


def test_folders_that_are_no_runs(tmp_path: Path, lenet_run: Run) -> None:
    with pytest.raises(Misused, match="there is no such folder"):
        train(resume=tmp_path / "nothing", progress=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(Misused, match=r"it has no run.json"):
        train(resume=tmp_path / "empty", progress=False)
    folder = copied(lenet_run, tmp_path / "broken")
    for text in ("", "{}", "[]", '{"texts": 3}'):
        (folder / "run.json").write_text(text)
        with pytest.raises(Misused, match=r"run\.json is broken"):
            train(resume=folder, progress=False)
    folder = copied(lenet_run, tmp_path / "cut")
    (folder / "model.py").unlink()
    with pytest.raises(Misused, match=r"model\.py: No such file"):
        Run(folder).model()


def digest(folder: Path) -> tuple[int, int]:
    """The step of the last checkpoint, and how many there are."""
    found = checkpoints.listed(folder / "checkpoints") if folder.exists() else []
    return (checkpoints.step_of(found[-1]) if found else 0), len(found)


@pytest.mark.parametrize("name", [*CLAUSES, "chains"])
def test_programs_of_every_kind_go_on_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Stopped in the middle of steps and evaluations, again and again; the undisturbed run beside it."""
    whole = train(SPECS[name](epochs=2), out=tmp_path / "whole", progress=False)
    original = Wiring.forward
    count = 0

    def forward(self: Wiring, *args: Any) -> Any:
        nonlocal count
        count += 1
        if count in (10, 22, 35, 47):
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, *args)

    stops: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(Wiring, "forward", forward)
        for _ in range(4):
            with pytest.raises(Interrupted) as caught:
                train(SPECS[name](epochs=2), out=tmp_path / "run", progress=False) if not stops else train(
                    resume=tmp_path / "run", progress=False
                )
            stops.append(caught.value.step)
    train(resume=tmp_path / "run", progress=False)
    assert_same(whole.folder, tmp_path / "run")


@pytest.mark.parametrize("name", ["phases", "averages", "chains", "game"])
def test_a_killed_program_goes_on_to_the_same_bits(tmp_path: Path, name: str) -> None:
    """kill -9 within a step of each kind of program, in a process of its own."""
    process = worker(tmp_path / "run", "step", 40, spec=name, epochs=2)
    _, said = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, said
    train(resume=tmp_path / "run", progress=False)
    assert_same(train(SPECS[name](epochs=2), out=tmp_path / "whole", progress=False).folder, tmp_path / "run")


EPOCHS = {
    "lenet": 60, "rbm": 20, "dbn": 15, "dsn": 15, "vae": 40, "stacked_autoencoder": 15, "vqvae": 15, "simclr": 6, "byol": 6,
    "gan": 40, "wgan_gp": 40, "cgan": 15, "cyclegan": 15, "aae": 25,
}  # fmt: skip
UPDATES = {"gan": 58, "wgan_gp": 35, "cgan": 58, "cyclegan": 87, "aae": 87}  # of all players in an epoch of 29 batches


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["accumulating", "phases", "altered", "workers", "parts", "averages", *EPOCHS])
def test_ten_kills_at_random_moments(tmp_path: Path, spec: str) -> None:
    """Ten runs of a program with accumulation and a schedule, of one of two phases, one with alterations, one with workers, persistent
    chains, parts that are trained or solved one after another, draws, codebooks and averages that follow, and more: each killed at a
    random moment and resumed in a fresh process; one undisturbed beside a busy loop."""
    epochs = EPOCHS.get(spec, 40)
    draw = random.Random(spec)
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        began = time.monotonic()
        assert worker(tmp_path / "whole", spec=spec, epochs=epochs).wait(600) == 0
        took = time.monotonic() - began
    finally:
        busy.kill()
    past_zero = 0
    for i in range(10):
        folder = tmp_path / str(i)
        process = worker(folder, spec=spec, epochs=epochs)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(draw.uniform(0, took / 2))
        process.kill()
        process.communicate()
        step, _ = digest(folder)
        past_zero += step > 0
        again = worker(folder, spec=spec, epochs=epochs)
        _, said = again.communicate(timeout=600)
        assert again.returncode == 0, said
        if is_run(folder) and step and "is finished" not in said:
            assert f"goes on after step {step}" in said
        assert_same(tmp_path / "whole", folder)
    assert past_zero


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "calls"), [("stacked_autoencoder", (20, 110, 200)), ("vqvae", (10, 35)), ("byol", (7, 20)), ("vae", (5, 40))]
)
def test_killed_in_each_phase_of_what_draws_or_follows(tmp_path: Path, spec: str, calls: tuple[int, ...]) -> None:
    """kill -9 within a step: of either layer and of the fine-tuning; while a codebook or a slow copy is on its way."""
    whole = train(SPECS[spec](epochs=2), out=tmp_path / "whole", progress=False)
    for call in calls:
        process = worker(tmp_path / str(call), "step", call, spec=spec, epochs=2)
        _, said = process.communicate(timeout=240)
        assert process.returncode == -signal.SIGKILL, said
        again = worker(tmp_path / str(call), spec=spec, epochs=2)
        assert again.wait(timeout=240) == 0, again.communicate()
        assert_same(whole.folder, tmp_path / str(call))


@pytest.mark.slow
@pytest.mark.parametrize("spec", UPDATES)
def test_killed_in_an_update_of_each_player(tmp_path: Path, spec: str) -> None:
    """kill -9 in the third epoch, within each of the first updates of a round: of the judge, of what it judges, of a second pair."""
    whole = train(SPECS[spec](epochs=3), out=tmp_path / "whole", progress=False)
    plan = SPECS[spec](epochs=3).plan.train.phases[0]
    counts = [update.rounds for update in plan.updates]
    for at in range(len(counts)):
        folder = tmp_path / str(at)
        call = 2 * UPDATES[spec] + 1 + sum(counts[:at])
        process = worker(folder, "update", call, spec=spec, epochs=3)
        _, said = process.communicate(timeout=240)
        assert process.returncode == -signal.SIGKILL, said
        assert digest(folder)[0] == 2 * digest(whole.folder)[0] // 3
        again = worker(folder, spec=spec, epochs=3)
        assert again.wait(timeout=240) == 0, again.communicate()
        assert_same(whole.folder, folder)


def test_the_state_holds_every_random_state(lenet_run: Run) -> None:
    saved = state(lenet_run.folder)
    assert set(saved["random"]) == {"python", "numpy", "torch", "cuda"}
    assert set(saved) == {"model", "phase", "random", "state", "journal", "graph_hash"}
    assert saved["journal"] == (lenet_run.folder / "metrics.jsonl").stat().st_size
    assert np.isfinite(saved["state"]["best"]["score"])

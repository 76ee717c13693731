"""Evaluations beside the training: steps go on meanwhile, and all numbers are those of a run that waited."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from archc.compiler.plan import EarlyStopPlan
from archc.runtime.run import Run
from archc.runtime.stops import Interrupted, RunFailed
from archc.runtime.train import beside, measure
from archc.runtime.train.api import train
from archc.runtime.train.updates import Update

from . import hand, programs
from .compared import assert_same
from .test_resume import worker

TIMEOUT = 60.0
Threads = list[threading.Thread]


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    """The threads that evaluations were made in, from the second one on beside the steps wherever they can be."""
    monkeypatch.setattr(beside, "WORTH", 0.0)
    original: Any = vars(measure)["evaluate"]
    found: Threads = []

    def evaluate(*args: Any) -> Any:
        found.append(threading.current_thread())
        return original(*args)

    monkeypatch.setattr(measure, "evaluate", evaluate)
    return found


def aside(threads: Threads) -> list[bool]:
    return [thread is not threading.main_thread() for thread in threads]


def test_the_numbers_are_those_of_a_run_that_waits(lenet_run: Run, tmp_path: Path, threads: Threads) -> None:
    run = train(hand.lenet(), out=tmp_path / "run", progress=False)
    assert aside(threads) == [
        False,
        True,
        True,
        False,
        False,
    ]  # the first is measured, after the last there is no step; the test part
    assert_same(lenet_run.folder, run.folder)


def test_steps_go_on_meanwhile(lenet_run: Run, tmp_path: Path, threads: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each evaluation beside the training ends only when three more steps have been taken."""
    evaluate: Any = vars(measure)["evaluate"]
    gradients: Any = Update.gradients
    taken = threading.Semaphore(0)

    def patient(*args: Any) -> Any:
        for _ in range(3 if threading.current_thread() is not threading.main_thread() else 0):
            assert taken.acquire(timeout=TIMEOUT), "no step was taken meanwhile"
        return evaluate(*args)

    def counted(*args: Any) -> Any:
        taken.release()
        return gradients(*args)

    monkeypatch.setattr(measure, "evaluate", patient)
    monkeypatch.setattr(Update, "gradients", counted)
    run = train(hand.lenet(), out=tmp_path / "run", progress=False)
    assert aside(threads) == [False, True, True, False, False]
    assert_same(lenet_run.folder, run.folder)


def test_ctrl_c_waits_for_the_values(
    lenet_run: Run, tmp_path: Path, threads: Threads, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate: Any = vars(measure)["evaluate"]
    stopping = threading.Event()

    def interrupting(*args: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            os.kill(os.getpid(), signal.SIGINT)
            stopping.wait(1.0)  # the steps stop meanwhile
        return evaluate(*args)

    with monkeypatch.context() as patched:
        patched.setattr(measure, "evaluate", interrupting)
        with pytest.raises(Interrupted) as caught:
            train(hand.lenet(), out=tmp_path / "run")
    assert caught.value.step >= 2 * 23
    assert "is waited for" in capsys.readouterr().err
    assert_same(lenet_run.folder, train(resume=tmp_path / "run", progress=False).folder)


def test_killed_while_one_is_under_way(lenet_run: Run, tmp_path: Path) -> None:
    process = worker(tmp_path / "run", "beside", 3)
    process.communicate(timeout=TIMEOUT * 2)
    assert process.returncode == -signal.SIGKILL
    assert_same(lenet_run.folder, train(hand.lenet(), resume=tmp_path / "run", progress=False).folder)


@pytest.mark.parametrize("name", ["draws", "chains"])
def test_what_draws_waits(tmp_path: Path, threads: Threads, name: str) -> None:
    train(programs.SPECS[name](epochs=3), out=tmp_path / "run", progress=False)
    assert len(threads) >= 2
    assert not any(aside(threads))


def test_what_the_next_step_hangs_on_is_waited_for(tmp_path: Path, threads: Threads) -> None:
    train(hand.lenet(early_stop=EarlyStopPlan(patience=3)), out=tmp_path / "run", progress=False)
    assert len(threads) >= 2
    assert not any(aside(threads))


def test_an_error_of_its_own_ends_the_run(tmp_path: Path, threads: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate: Any = vars(measure)["evaluate"]

    def failing(*args: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError("not enough memory: you tried to allocate 1 byte")
        return evaluate(*args)

    monkeypatch.setattr(measure, "evaluate", failing)
    with pytest.raises(RunFailed, match="memory"):
        train(hand.lenet(), out=tmp_path / "run", progress=False)
    assert not any(thread.name.startswith("evaluation") for thread in threading.enumerate())

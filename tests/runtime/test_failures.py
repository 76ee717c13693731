"""What goes wrong while a run runs ends in a diagnostic and an exit status, and leaves what was saved whole."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from archc.runtime.run import Run
from archc.runtime.stops import InputFaults, Interrupted, Misused, RunFailed, Stopped
from archc.runtime.train import api, checkpoints
from archc.runtime.train.api import train
from archc.runtime.train.wiring import Wiring

from . import hand
from .test_resume import Often

PROGRAM = (hand.FIXTURES / "lenet_program.py.txt").read_text()


def stopped(kind: type[Stopped], tmp_path: Path, spec: hand.Hand | None = None, **settings: Any) -> Stopped:
    with pytest.raises(kind) as caught:
        train(spec or hand.lenet(), out=tmp_path / "run", progress=False, **settings)
    return caught.value


def diverging(after: int) -> hand.Hand:
    """LeNet whose loss is not a number after some steps."""
    text = PROGRAM.replace("    return F.cross_entropy(logits, label)", "    return F.cross_entropy(logits, label) + bad(logits)")
    text += f"""
calls = [0]


def bad(logits: Tensor) -> Tensor:
    calls[0] += logits.requires_grad
    return logits.sum() * (float("nan") if calls[0] > {after} + 1 else 0.0)
"""
    return hand.lenet(program=text + f"\n# {os.urandom(4).hex()}\n")


def test_a_loss_that_is_not_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "Throttle", Often)
    monkeypatch.setattr("archc.runtime.train.engine.FLUSH", 1e9)  # a checkpoint at the end of an epoch only
    stop = stopped(RunFailed, tmp_path, diverging(30))
    (diagnostic,) = stop.report.diagnostics
    assert (stop.exit_code, diagnostic.code) == (3, "E0701")
    assert diagnostic.message == "cross_entropy is nan at step 31"
    assert diagnostic.notes[-1:] == (f"the last good checkpoint is of step 23, in {tmp_path / 'run'}",)
    assert diagnostic.span.source in stop.report.sources
    run = Run(tmp_path / "run")
    assert run.status == "failed"
    assert len(run.losses) == 30
    assert [checkpoints.step_of(p) for p in checkpoints.listed(run.folder / "checkpoints")] == [23]


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "Throttle", Often)
    text = PROGRAM.replace("F.cross_entropy(logits, label)", "F.cross_entropy(logits, label) + (logits - logits).sum().sqrt()")
    stop = stopped(RunFailed, tmp_path, hand.lenet(program=text), steps=1)
    assert stop.report.diagnostics[0].message == "a weight is not finite at step 1"
    assert checkpoints.listed(tmp_path / "run" / "checkpoints") == []


def test_labels_that_the_model_has_no_class_for(tmp_path: Path) -> None:
    stop = stopped(InputFaults, tmp_path, hand.lenet(program=PROGRAM.replace('rows["target"]', 'rows["target"] + 5')))
    assert "lenet.arch:16:15: error[E0710]: this cannot be computed: Target" in str(stop)
    assert not (tmp_path / "run").exists()


def test_a_model_that_does_not_fit_its_data(tmp_path: Path) -> None:
    source = (hand.FIXTURES / "lenet_model.py.txt").read_text().replace("nn.Linear(64, 120)", "nn.Linear(65, 120)")
    stop = stopped(InputFaults, tmp_path, hand.lenet(source=source))
    assert "lenet.arch:5:37: error[E0710]: this cannot be computed: mat1 and mat2 shapes cannot be multiplied" in str(stop)


def test_what_fails_only_later(tmp_path: Path) -> None:
    text = PROGRAM.replace(
        "    return F.cross_entropy(logits, label)", "    return F.cross_entropy(logits[:30].repeat(3, 1), label)"
    )
    stop = stopped(InputFaults, tmp_path, hand.lenet(program=text, batch=90))
    assert "Expected input batch_size" in str(stop)
    assert Run(tmp_path / "run").status == "failed"


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ("F.cross_entropy(logits, label, reduction='none')", "cross_entropy is a tensor of shape [64], and a loss is one number"),
        ("F.cross_entropy(logits.detach(), label)", "no parameter of the model has a part in cross_entropy"),
        ("label.sum()", "cross_entropy is no number, and a loss is one number"),
    ],
)
def test_losses_that_are_none(tmp_path: Path, loss: str, said: str) -> None:
    stop = stopped(InputFaults, tmp_path, hand.lenet(program=PROGRAM.replace("F.cross_entropy(logits, label)", loss)))
    assert said in str(stop)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory"), torch.OutOfMemoryError("out")]
)
def test_out_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    original, calls = Wiring.forward, [0]

    def forward(self: Any, *args: Any) -> Any:
        calls[0] += 1
        if calls[0] == 30:
            raise error
        return original(self, *args)

    monkeypatch.setattr(Wiring, "forward", forward)
    stop = stopped(RunFailed, tmp_path)
    assert stop.report.diagnostics[0].code == "E0702"
    assert "out of memory at step 28" in str(stop)
    assert "lower batch, now 64" in str(stop)


def test_a_full_disk_leaves_what_was_saved(lenet_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, left = os.fsync, 16

    def full(handle: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(handle)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "Throttle", Often)
        patched.setattr(os, "fsync", full)
        stop = stopped(RunFailed, tmp_path)
    assert stop.report.diagnostics[0].code == "E0703"
    assert "cannot be written: No space left on device" in str(stop)
    assert len(checkpoints.listed(tmp_path / "run" / "checkpoints")) == 1
    from .compared import assert_same

    assert_same(lenet_run.folder, train(resume=tmp_path / "run", progress=False).folder)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Stopped) as caught:
        train(hand.lenet(), out=tmp_path / "file", progress=False)
    assert isinstance(caught.value, Misused)
    with pytest.raises(RunFailed, match="cannot be written"):
        train(hand.lenet(), out=tmp_path / "file" / "run", progress=False)


def test_ctrl_c_before_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "read_data", interrupt)
    with pytest.raises(Interrupted, match="interrupted before the first step"):
        train(hand.lenet(), out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("device", ["cuda", "tpu", "meta", "cuda:7"])
def test_devices_that_are_not_there(tmp_path: Path, device: str) -> None:
    if torch.cuda.is_available() and device.startswith("cuda"):
        pytest.skip("there is one")
    assert stopped(Misused, tmp_path, device=device).report.diagnostics[0].code == "E0711"


def test_settings_that_cannot_be(tmp_path: Path) -> None:
    for settings in ({"epochs": 0}, {"steps": -1}, {"resume": "x"}):
        assert stopped(Misused, tmp_path, **settings).report.diagnostics[0].code == "E0718"
    with pytest.raises(Misused, match="give a spec to train"):
        train(progress=False)


def test_a_spec_without_a_program(tmp_path: Path) -> None:
    from dataclasses import replace

    spec = hand.lenet()
    stop = stopped(InputFaults, tmp_path, replace(spec, plan=spec.plan.model_copy(update={"train": None})))
    assert stop.report.diagnostics[0].message == "LeNet has no train program, so there is nothing to run"

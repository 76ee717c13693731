"""Training with kernels: they are there before step 1, stay for the whole run, and a resume has the same ones or says so."""

import json
from pathlib import Path

import pytest
import torch

from archc.compiler.recurrence.known import known
from archc.runtime.kernels import build, operator
from archc.runtime.kernels.known import identity as identity_of_known
from archc.runtime.run import Run
from archc.runtime.stops import Misused
from archc.runtime.train.api import train

from ..programs import program
from ..test_resume import interrupting


def recorded(folder: Path) -> object:
    return json.loads((folder / "run.json").read_text())["kernels"]


def test_a_run_trains_in_kernels_and_says_which(tmp_path: Path) -> None:
    before = operator.ran.total()
    run = train(program("recurrent", 1), out=tmp_path / "run", progress=False)
    assert operator.ran.total() > before
    (equations,) = (recurrence.equations for recurrence in program("recurrent", 1).plan.model.recurrences)
    assert equations is not None
    assert recorded(run.folder) == {"body.bidirectional1": operator.identity(equations, torch.float32)}
    found = run.evaluate("validation")
    assert found["loss"] == pytest.approx(run.metrics["validation"]["loss"], rel=0, abs=0)


def test_without_kernels_it_learns_the_same(tmp_path: Path) -> None:
    runs = [train(program("recurrent", 2), out=tmp_path / str(on), progress=False, kernels=on) for on in (True, False)]
    assert [recorded(run.folder) is None for run in runs] == [False, True]
    first, second = (run.metrics["validation"]["loss"] for run in runs)
    assert first == pytest.approx(second, rel=1e-3)
    assert not train(program("workers", 1), out=tmp_path / "other", progress=False).saved.record["kernels"]


def test_without_a_compiler_the_steps_are_computed_in_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    build.library.cache_clear()
    operator._kernels.clear()
    before = operator.ran.total()
    run = train(program("recurrent", 1), out=tmp_path / "run", progress=False)
    (cell,) = program("recurrent", 1).plan.model.recurrences
    assert cell.equations is not None
    theirs = known(cell.equations)  # the loop of PyTorch itself serves as one
    learns = theirs is not None and theirs.kind != "LSTM"
    assert recorded(run.folder) == ({cell.path: identity_of_known(theirs)} if theirs is not None and learns else {})
    assert operator.ran.total() == before


def test_a_resume_with_other_kernels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        interrupting(patched, 2)
        with pytest.raises(Exception, match="interrupted"):
            train(program("recurrent", 3), out=tmp_path / "run", progress=False)
    with monkeypatch.context() as patched:
        patched.setattr(build, "FLAGS", (*build.FLAGS, "-DOTHER"))
        with pytest.raises(Misused, match="cannot go on to the same bits") as caught:
            train(resume=tmp_path / "run", progress=False)
    assert "its kernels were others" in caught.value.report.diagnostics[0].notes
    with pytest.raises(Misused, match="began: kernels"):
        train(resume=tmp_path / "run", progress=False, kernels=False)
    assert train(resume=tmp_path / "run", progress=False).status == "finished"
    assert Run(tmp_path / "run").status == "finished"


def test_a_resume_without_the_compiler_asks_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        interrupting(patched, 2)
        with pytest.raises(Exception, match="interrupted"):
            train(program("recurrent", 3), out=tmp_path / "run", progress=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    build.library.cache_clear()
    monkeypatch.setattr(operator, "_kernels", {})
    with pytest.raises(Misused, match="cannot go on to the same bits") as caught:
        train(resume=tmp_path / "run", progress=False)
    assert "accept-drift" in str(caught.value)
    assert train(resume=tmp_path / "run", accept_drift=True, progress=False).status == "finished"

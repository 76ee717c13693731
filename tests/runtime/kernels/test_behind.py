"""Kernels that are built behind: the network computes at once, in PyTorch, and in the kernel when it is there, in evaluation alone."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

import archc
from archc.runtime.kernels import build, operator
from archc.runtime.run import Run
from archc.runtime.train.api import train

from ..programs import program


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a machine without a compiler."""
    return train(program("recurrent", 1), out=tmp_path_factory.mktemp("behind") / "run", progress=False, kernels=False)


@pytest.fixture
def nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHC_KERNELS", str(tmp_path / "kernels"))
    build.library.cache_clear()
    monkeypatch.setattr(operator, "_kernels", {})


def finished() -> None:
    for thread in threading.enumerate():
        if thread.name == "archc kernels":
            thread.join()


@pytest.mark.usefixtures("nothing_built")
def test_it_computes_in_pytorch_until_the_kernel_is_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    held, compile = threading.Event(), build._build
    monkeypatch.setattr(build, "_build", lambda *arguments: held.wait(60) and compile(*arguments))
    net: Any = archc.load(run.folder)
    x = torch.randn(3, 64)
    with torch.no_grad():
        before = operator.ran.total()
        first = net(x)
        assert operator.ran.total() == before
        held.set()
        finished()
        second = net(x)
        assert operator.ran.total() > before
        for one, other in zip(first, second, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
        before = operator.ran.total()
        net.train()(x)
        assert operator.ran.total() == before, "what trains is not changed on the way"


@pytest.mark.usefixtures("nothing_built")
def test_without_a_compiler_it_stays_as_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    net: Any = archc.load(run.folder)
    finished()
    before = operator.ran.total()
    net(torch.randn(3, 64))
    assert operator.ran.total() == before

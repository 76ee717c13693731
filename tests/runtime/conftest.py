"""What the tests of the runtime share."""

from pathlib import Path

import pytest

from archc.runtime.run import Run
from archc.runtime.train.api import train

from . import hand


@pytest.fixture(scope="session")
def lenet_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of LeNet, four epochs, never disturbed. Tests only read it."""
    return train(hand.lenet(), out=tmp_path_factory.mktemp("runs") / "lenet", progress=False)


@pytest.fixture(scope="session")
def autoencoder_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of the autoencoder."""
    return train(hand.autoencoder(), out=tmp_path_factory.mktemp("runs") / "autoencoder", progress=False)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path

"""Commands are tested in a folder of their own."""

from pathlib import Path

import pytest

from .tool import Archc, calling


@pytest.fixture
def archc(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Archc:
    """The command line, in this process, with `tmp_path` as the working folder."""
    monkeypatch.chdir(tmp_path)
    return calling(capfd, monkeypatch)

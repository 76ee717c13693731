"""What all tests share: the golden files, and a quiet terminal."""

from collections.abc import Callable
from pathlib import Path

import pytest

from .golden import check_golden


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew from what comes out now")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str | Path, str], None]:
    """`golden("errors/name.txt", text)` compares text with tests/golden/errors/name.txt."""
    return lambda path, text: check_golden(request, path, text)


@pytest.fixture(autouse=True)
def _quiet_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a developer's shell says of colours and widths does not reach the tests."""
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES", "TERMINAL_WIDTH"):
        monkeypatch.delenv(name, raising=False)

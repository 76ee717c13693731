"""Golden text: what came out is compared with a file; `pytest --update-golden` writes the file anew.

A reviewer then sees a change of output as a text diff. Use the fixture `golden`, or `check_golden(request, path, text)`.
"""

from difflib import unified_diff
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "golden"
LONGEST_DIFF = 80


def check_golden(update: bool | pytest.FixtureRequest, path: str | Path, text: str) -> None:
    """Fails where `text` differs from the golden file `path` (relative to tests/golden), with the difference."""
    if isinstance(update, pytest.FixtureRequest):
        update = bool(update.config.getoption("--update-golden"))
    file = FOLDER / path
    if update:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
        return
    if not file.is_file():
        pytest.fail(f"tests/golden/{path} is not there; `pytest --update-golden` writes it:\n{text}", pytrace=False)
    expected = file.read_bytes().decode()
    if text != expected:
        lines = list(unified_diff(expected.splitlines(), text.splitlines(), f"tests/golden/{path}", "now", lineterm=""))
        more = [f"… and {len(lines) - LONGEST_DIFF} lines more"] if len(lines) > LONGEST_DIFF else []
        why = "\n".join([*lines[:LONGEST_DIFF], *more]) or "they differ in line endings or in the newline at the end"
        pytest.fail(f"{why}\n`pytest --update-golden` takes it as it is now", pytrace=False)

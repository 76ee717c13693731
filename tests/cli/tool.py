"""The command line, called as a shell would call it."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from archc.runtime.cli.guard import guarded

GOOD = """model Tiny(width = 4)(x: [B, 8]) -> [B, width] {
    return x -> dense(width)
}
"""
BAD = """model Tiny(width = 4)(x: [B, 8]) -> [B, width] {
    return x -> dense(widht)
}
"""


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit status."""

    status: int
    out: str
    err: str


Archc = Callable[..., Said]


class _Input(io.StringIO):
    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.buffer = io.BytesIO(data)  # type: ignore[misc]


def calling(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Archc:
    """`archc("check", "x.arch", given="…")` in this process."""

    def archc(*words: str | Path, given: str | bytes = b"") -> Said:
        data = given.encode() if isinstance(given, str) else given
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", _Input(data))
            status = guarded([str(word) for word in words])
        said = capfd.readouterr()
        return Said(status, said.out, said.err)

    return archc


def process(*words: str | Path, cwd: Path | None = None, **options: Any) -> "subprocess.CompletedProcess[str]":
    """`python -m archc …` in a process of its own."""
    command = [sys.executable, "-m", "archc", *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=os.environ | options, capture_output=True, text=True, timeout=120, check=False)

"""Checkpoints: everything that resuming needs, in files that are whole and known to be.

A file is `STEP-CHECKSUM.pt`, written by `torch.save` and readable by `torch.load(weights_only=True)`. The checksum is of its bytes, so a
file that was cut short or changed is noticed; then the one before is taken. The last two are kept.
"""

import hashlib
import io
import pickle
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import torch

from ..files import drafted, sync_folder

NAME = re.compile(r"(\d+)-([0-9a-f]{32})\.pt")
KEPT = 2
DAMAGED = ".damaged"


class _Hashed(io.RawIOBase):
    """A file to write into that knows the checksum of what was written, and the error that writing ended with."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        try:
            self.file.write(data)
        except OSError as error:
            self.error = error
            raise
        self.digest.update(data)
        return len(data)


def save(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Writes a checkpoint and removes those before the last two."""
    names: list[str] = []

    def name() -> str:
        names.append(f"{step:010d}-{hashed.digest.hexdigest()[:32]}.pt")
        return names[0]

    with drafted(folder, "checkpoint", name) as file:
        hashed = _Hashed(file)
        try:
            torch.save(state, cast("IO[bytes]", hashed))
        except RuntimeError:
            if hashed.error is not None:
                raise hashed.error from None
            raise
    others = [p for p in listed(folder) if p.name != names[0]]
    same_step = [p for p in others if step_of(p) == step]
    earlier = [p for p in others if step_of(p) != step]
    for old in same_step + earlier[: max(0, len(earlier) - (KEPT - 1))]:
        old.unlink(missing_ok=True)
    return folder / names[0]


def listed(folder: Path) -> list[Path]:
    """The checkpoints by step, the last one last."""
    return sorted(p for p in folder.glob("*.pt") if NAME.fullmatch(p.name))


def step_of(path: Path) -> int:
    match = NAME.fullmatch(path.name)
    return int(match[1]) if match else 0


def latest(folder: Path, note: Callable[[str], None]) -> tuple[dict[str, Any] | None, list[str]]:
    """The state of the last whole checkpoint, none where there is none; and the names of the damaged ones, set aside with a note."""
    damaged: list[str] = []
    for path in reversed(listed(folder)):
        state = _read(path)
        if state is not None:
            return state, damaged
        damaged.append(path.name)
        path.replace(path.with_name(path.name + DAMAGED))
        sync_folder(folder)
        note(f"checkpoint {path.name} is damaged (it was cut short or changed); the one before is taken")
    return None, damaged


def _read(path: Path) -> dict[str, Any] | None:
    match = NAME.fullmatch(path.name)
    data = path.read_bytes()
    if match is None or hashlib.sha256(data).hexdigest()[:32] != match[2]:
        return None
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, ValueError, KeyError, EOFError):
        return None
    return state if isinstance(state, dict) else None


class Throttle:
    """When a checkpoint is due: soon after the start, then about every second, and never more than a fiftieth of the time."""

    def __init__(self, first: float = 0.25, every: float = 1.0, share: float = 0.02) -> None:
        self.every, self.share = every, share
        self.due = time.monotonic() + first

    def ready(self) -> bool:
        return time.monotonic() >= self.due

    def took(self, seconds: float) -> None:
        self.due = time.monotonic() + max(self.every, seconds / self.share)

"""The compiler, asked for a spec by its path or name; its faults as a stop."""

from pathlib import Path
from typing import Any

from .executable import CompiledLike


def compile_spec(path_or_name: str | Path, model: str | None = None, **hyperparameters: Any) -> CompiledLike:
    """The compiled spec; raises `InputFaults` with everything the compiler found."""
    raise NotImplementedError

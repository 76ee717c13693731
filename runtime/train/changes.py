"""What has changed between a run and a spec given beside it, and which of the run's weights would still load. For messages."""

from typing import Any

import torch

from ..executable import Executable
from ..loader import build
from ..run_folder import SavedRun
from .fits import fit

Plans = tuple[Any, Any]


def described(saved: SavedRun, exe: Executable, plans: Plans) -> tuple[tuple[str, ...], bool, bool]:
    """The changes, a sentence each; whether its weights fit in part only; and whether any do."""
    old, new = shapes(saved.exe), shapes(exe)
    fits = fit(new, old)
    notes = [] if exe.graph_hash == saved.exe.graph_hash else [f"its graph was {saved.exe.graph_hash}, and is {exe.graph_hash}"]
    notes += fits.told() if not fits.whole else [f"all {len(fits.loads)} tensors of the run still fit"]
    notes += [f"{key} is no more" for key in fits.unused if key not in dict(fits.moved).values()][:3]
    return (*notes, *differences(*plans)), not fits.whole, bool(fits.loads)


def shapes(exe: Executable) -> dict[str, tuple[int, ...]]:
    """The keys of a model with their shapes, without the memory for them."""
    with torch.device("meta"):
        return {key: tuple(tensor.shape) for key, tensor in build(exe).state_dict().items()}


def differences(new: Any, old: Any, path: str = "", limit: int = 6) -> list[str]:
    """Where two plans differ, down to their values."""
    if isinstance(new, dict) and isinstance(old, dict):
        keys = [*new, *(k for k in old if k not in new)]
        found = [line for k in keys for line in differences(new.get(k), old.get(k), f"{path}.{k}".lstrip("."))]
    elif isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        name = path.removesuffix("s")
        found = [line for i, pair in enumerate(zip(new, old, strict=True), 1) for line in differences(*pair, f"{name} {i}")]
    elif new != old:
        found = [f"{path} was {_short(old)}, and is {_short(new)}"]
    else:
        found = []
    return found[:limit]


def _short(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return ", ".join(_short(item) for item in value)
    if isinstance(value, dict):
        return str(value.get("name", value))
    return "none" if value is None or value == [] else str(value)

"""Files of weights as others write them: safetensors, what `torch.save` wrote, and the index of several such files.

A tensor is read when it is asked for. Of pickled files torch reads tensors alone (`weights_only`), so nothing in them runs.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...dsl.span import NOWHERE
from ..blame import first_line
from ..faults.weights import WeightsUnreadable
from ..stops import InputFaults, Misused
from .patterns import LONGEST
from .recipes import Shape

if TYPE_CHECKING:
    from torch import Tensor

PICKLED = (".bin", ".pt", ".pth")
IN_FOLDER = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
INDEX = ".index.json"
LARGEST_INDEX = 2**26


@dataclass(frozen=True)
class Held:
    """A tensor of a file: its shape, and whether it holds floats."""

    shape: Shape
    floats: bool


@dataclass
class Weights:
    """The tensors of one file, or of all that an index names."""

    name: str
    held: dict[str, Held] = field(default_factory=dict)
    homes: dict[str, Any] = field(default_factory=dict)  # for each name an open file, or the tensors that were read

    @property
    def shapes(self) -> Mapping[str, Shape]:
        return {name: held.shape for name, held in self.held.items()}

    def tensor(self, name: str) -> "Tensor":
        """The tensor, read now."""
        home = self.homes[name]
        found: Tensor = home[name] if isinstance(home, dict) else home.get_tensor(name)
        return found


def opened(path: str | os.PathLike[str]) -> Weights:
    """The weights at a path: a file, an index or a folder. Raises `Stopped`."""
    given = Path(path)
    where = given
    if given.is_dir():
        there = [given / name for name in IN_FOLDER if (given / name).is_file()]
        if not there:
            raise Misused(WeightsUnreadable(NOWHERE, str(given), f"the folder has none of {', '.join(IN_FOLDER)}"))
        where = there[0]
    weights = Weights(str(given))
    files = _indexed(where) if where.name.endswith(INDEX) else [where]
    for file in files:
        _open(file, weights)
    if long := next((name for name in weights.held if len(name) > LONGEST), ""):
        problem = f"the name of a tensor has more than {LONGEST:,} characters: {long[:40]}…"
        raise InputFaults(WeightsUnreadable(NOWHERE, str(given), problem))
    if not weights.held:
        raise InputFaults(WeightsUnreadable(NOWHERE, str(given), "there is no tensor in it"))
    return weights


def _indexed(path: Path) -> list[Path]:
    """The files that an index names, which lie beside it."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_INDEX + 1)
        names = json.loads(data)["weight_map"].values() if len(data) <= LARGEST_INDEX else ()
        found = sorted({str(name) for name in names})
    except OSError as error:
        raise _unreadable(path, error) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputFaults(WeightsUnreadable(NOWHERE, str(path), "it is no index of files of weights")) from None
    if not found or any(Path(name).name != name for name in found):
        raise InputFaults(WeightsUnreadable(NOWHERE, str(path), "it names no files that lie beside it"))
    return [path.with_name(name) for name in found]


def _open(path: Path, weights: Weights) -> None:
    """Adds the tensors of one file."""
    held, home = _pickled(path) if path.suffix in PICKLED else _safe(path)
    twice = sorted(held.keys() & weights.held.keys())
    if twice:
        raise InputFaults(WeightsUnreadable(NOWHERE, str(path), f"{twice[0]} is in another file of the index too"))
    weights.held |= held
    weights.homes |= dict.fromkeys(held, home)


def _safe(path: Path) -> tuple[dict[str, Held], Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with path.open("rb"):
            pass
        file: Any = safe_open(path, framework="pt")
        return {name: _of_slice(file.get_slice(name)) for name in file.keys()}, file  # noqa: SIM118 - it is no mapping
    except OSError as error:
        raise _unreadable(path, error) from None
    except (SafetensorError, ValueError) as error:
        raise InputFaults(WeightsUnreadable(NOWHERE, str(path), f"it is no safetensors file ({first_line(error)})")) from None


def _of_slice(part: Any) -> Held:
    return Held(tuple(part.get_shape()), str(part.get_dtype()).startswith(("F", "BF")))


def _pickled(path: Path) -> tuple[dict[str, Held], "dict[str, Tensor]"]:
    import pickle

    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise _unreadable(path, error) from None
    except (RuntimeError, ValueError, KeyError, EOFError, AttributeError, TypeError, pickle.UnpicklingError) as error:
        raise InputFaults(WeightsUnreadable(NOWHERE, str(path), first_line(error))) from None
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(isinstance(n, str) and isinstance(t, torch.Tensor) for n, t in found.items()):
        raise InputFaults(WeightsUnreadable(NOWHERE, str(path), "it holds no tensors by their names"))
    return {name: Held(tuple(t.shape), t.is_floating_point()) for name, t in found.items()}, found


def _unreadable(path: Path, error: OSError) -> Misused:
    return Misused(WeightsUnreadable(NOWHERE, str(path), (error.strerror or type(error).__name__).lower()))

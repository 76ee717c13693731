"""`archc.load`: what a person names becomes a network.

Comes in: a spec, a run, or a .safetensors file that archc exported, which says its own spec; perhaps other weights. Goes out: a plain
`torch.nn.Module` that needs nothing of archc to be trained.
"""

import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compiler.pipeline import Compiled, compile_source
from ..dsl.nearest import nearest
from ..dsl.source import Source
from ..dsl.span import NOWHERE
from .faults.exports import NotExported, WeightsUnfit
from .faults.specs import NoSuchSpec
from .loader import build
from .run_folder import RECORD, WEIGHTS, is_run
from .specs import LIBRARY, Reader, reader, shipped
from .stepping import give_steps
from .stops import InputFaults, Misused

if TYPE_CHECKING:
    from torch import nn

ENDING = ".safetensors"
METADATA = "archc_spec"


def load(
    path_or_name: "str | Path",
    model: str | None = None,
    *,
    weights: "str | Path | None" = None,
    fused: bool = False,
    **hyperparameters: Any,
) -> "nn.Module":
    """A network, from one of three:

    - a spec (a file, or a shipped spec's name): with fresh weights drawn from torch's random state, in training mode;
    - the folder of a run: with its best weights, in evaluation mode;
    - a .safetensors file that archc exported: its spec and its weights, in evaluation mode.

    Of the last two, cells run in kernels in evaluation: those that are built already, and the others as soon as they are, in a thread.

    `weights` is a .safetensors file whose tensors are put in place of those, each by its key. With `fused`, the cells of a spec run in
    kernels that are built here by g++ from their equations, and on a GPU, if there is one, in kernels of Triton or cuDNN, attentions
    in FlexAttention; a warning says which cells have none, and why. Raises `archc.Stopped`.
    """
    from .kernels.behind import build_behind

    path = Path(path_or_name)
    if path.suffix == ENDING and (path.parent / RECORD).is_file() and path.name == WEIGHTS:
        path = path.parent
    if is_run(path):
        from .run import Run

        _refuse_fused(fused)
        _refuse(model, hyperparameters, f"{path} is a run, which has its model and its hyperparameters")
        run = Run(path)
        made = run.model()
        build_behind(made, run.saved.exe.plan.model.recurrences)
    elif path.suffix == ENDING:
        _refuse_fused(fused)
        _refuse(model, hyperparameters, f"{path} says its model and its hyperparameters itself")
        compiled = _from_file(path)
        made = put(give_steps(build(compiled), compiled), path).eval()
        build_behind(made, compiled.plan.model.recurrences)
    else:
        from .compiling import compile_spec

        compiled = compile_spec(path_or_name, model=model, **hyperparameters)
        made = give_steps(build(compiled), compiled)
        if fused:
            _fuse(made, compiled)
    return put(made, Path(weights)).eval() if weights is not None else made


def _fuse(made: "nn.Module", compiled: Compiled) -> None:
    import torch

    from .kernels import attention
    from .kernels.attach import attach
    from .kernels.build import CannotBuild

    for path, reason in attach(made, compiled.plan.model.recurrences).plain.items():
        warnings.warn(f"{path} runs step by step: {reason}", stacklevel=3)
    if torch.cuda.is_available():
        try:
            attention.attach(made, compiled)
        except CannotBuild as without:
            warnings.warn(f"attention runs in PyTorch: {without}", stacklevel=3)


def _refuse_fused(fused: bool) -> None:
    from .faults.runs import BadSetting

    if fused:
        raise Misused(
            BadSetting(NOWHERE, "fused", "kernels are made for the network of a spec, not of a run or of exported weights")
        )


def _refuse(model: str | None, hyperparameters: dict[str, Any], reason: str) -> None:
    from .faults.runs import BadSetting

    if model is not None or hyperparameters:
        name = "model" if model is not None else next(iter(hyperparameters))
        raise Misused(BadSetting(NOWHERE, name, reason))


def put(model: "nn.Module", path: Path) -> "nn.Module":
    """The model with the weights of a file; a fault where they do not fit."""
    from .train import weights

    try:
        found = weights.read(path)
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValueError as error:
        raise InputFaults(WeightsUnfit(NOWHERE, str(path), f"it is no safetensors file ({error})")) from None
    problem = _unfit(model, found)
    if problem:
        raise InputFaults(WeightsUnfit(NOWHERE, str(path), problem))
    weights.put(model, found)
    return model


def _unfit(model: "nn.Module", found: dict[str, Any]) -> str:
    """What is wrong with the weights of a file, as a sentence; empty where they fit."""
    from .train import weights

    wanted = model.state_dict()
    twins = weights.tied(model)
    missing = [key for key in wanted if key not in found and key not in twins]
    extra = [key for key in found if key not in wanted]
    if extra:
        near = nearest(extra[0], missing or wanted)
        return f"the network has no {extra[0]}" + (f"; it has {near}" if near else "") + _more(extra)
    if missing:
        return f"it has no {missing[0]}{_more(missing)}"
    for key, tensor in wanted.items():
        if key in found and found[key].shape != tensor.shape:
            return f"{key} is {list(found[key].shape)} in it and {list(tensor.shape)} in the network"
    return ""


def _more(keys: list[str]) -> str:
    return f", and {len(keys) - 1} more" if len(keys) > 1 else ""


def _unreadable(path: Path, error: OSError) -> Misused:
    if isinstance(error, FileNotFoundError):
        siblings = tuple(str(p) for p in path.parent.glob(f"*{ENDING}")) if path.parent.is_dir() else ()
        return Misused(NoSuchSpec(NOWHERE, str(path), tuple(shipped()), siblings))
    from .faults.specs import SpecUnreadable

    return Misused(SpecUnreadable(NOWHERE, str(path), (error.strerror or type(error).__name__).lower()))


# A file that says its spec ----------------------------------------------------------------------------------------------


def _from_file(path: Path) -> Compiled:
    """What a file was exported from, compiled anew from the texts in its metadata: data, as all specs are."""
    spec = _metadata(path)
    try:
        sources = {str(name): str(text) for name, text in spec["sources"].items()}
        next(iter(sources))
        model, hypers = str(spec["model"]), dict(spec["hyperparameters"])
    except (KeyError, StopIteration, TypeError, ValueError, AttributeError):
        raise InputFaults(NotExported(NOWHERE, str(path), "what it says of its spec is broken")) from None
    return recompiled(sources, model, hypers)


def recompiled(sources: dict[str, str], model: str, hypers: dict[str, Any]) -> Compiled:
    """A model from texts by their relative names, the root's first, and plain hyperparameters; raises `InputFaults`."""
    root = next(iter(sources))
    found, report = compile_source(Source(root, sources[root]), root=model, hypers=hypers, read=_reader(sources))
    if found is None:
        raise InputFaults(report=report)
    return found


def _metadata(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with path.open("rb"):
            pass
        with safe_open(path, framework="pt") as file:
            notes = file.metadata() or {}
        spec: dict[str, Any] = json.loads(notes[METADATA])
    except OSError as error:
        raise _unreadable(path, error) from None
    except SafetensorError as error:
        raise InputFaults(WeightsUnfit(NOWHERE, str(path), f"it is no safetensors file ({error})")) from None
    except (KeyError, ValueError):
        raise InputFaults(NotExported(NOWHERE, str(path), "archc did not export it")) from None
    return spec


def _reader(sources: dict[str, str]) -> Reader:
    """Imports out of the same file; the standard library of today where it has none."""
    beside = reader(Source("spec.arch", ""))

    def read(module: str, is_file: bool, importer: str) -> Source | str:
        name = (
            os.path.normpath(os.path.join(os.path.dirname(importer), module)) if is_file else f"{module.replace('.', '/')}.arch"
        )
        if name in sources:
            return Source(name, sources[name])
        return "is not in the file" if is_file or not module.startswith(LIBRARY) else beside(module, is_file, importer)

    return read

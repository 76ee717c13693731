"""`archc.load_weights`: a network with weights that another program made."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..executable import Executable, executable
from ..faults.weights import CopiesDiffer
from ..stops import InputFaults, Misused
from .files import Held, Weights, opened
from .maps import WeightMap, weight_map
from .matching import Matched, matched
from .recipes import Recipe

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Loaded:
    """A network with its weights, what it was built from, and how many tensors went where."""

    network: "nn.Module"
    executable: Executable
    tensors: int  # of the network
    used: int  # of the file
    unused: int  # copies, and what is to be ignored


def load_weights(
    spec: str | Path,
    weights: str | os.PathLike[str],
    map: str | os.PathLike[str] | None = None,
    *,
    model: str | None = None,
    ignore: tuple[str, ...] = (),
    **hyperparameters: Any,
) -> "nn.Module":
    """A spec's network, or a run's, in evaluation mode with the weights of a file that another program wrote.

    `weights` is a .safetensors, .bin, .pt or .pth file, the index of several, or a folder that has one of them. `map` says what each
    tensor of the network is made of: a JSON file, or the name of a map that ships with archc (`"gpt2"`); without one each tensor goes by
    its own name. `ignore` are patterns of what is not needed. Every tensor of either side is used once; otherwise `archc.Stopped` is
    raised and names them.
    """
    return loaded(spec, weights, map, model=model, ignore=ignore, hyperparameters=hyperparameters).network


def loaded(
    spec: str | Path,
    weights: str | os.PathLike[str],
    map: str | os.PathLike[str] | None = None,
    *,
    model: str | None = None,
    ignore: tuple[str, ...] = (),
    hyperparameters: dict[str, Any],
) -> Loaded:
    """The same, with what a command tells of it."""
    chosen, there = weight_map(map, ignore), opened(weights)
    exe = _executable(spec, model, hyperparameters)
    from ..loader import build

    network = build(exe)
    found = put(network, there, chosen)
    used = {name for recipe in found.recipes.values() for name, _ in recipe.uses()}
    return Loaded(network.eval(), exe, len(found.recipes), len(used), len(there.held) - len(used))


def _executable(spec: str | Path, model: str | None, hypers: dict[str, Any]) -> Executable:
    from ..run_folder import is_run, read

    if is_run(spec):
        if model is not None or hypers:
            from ...dsl.span import NOWHERE
            from ..faults.runs import BadSetting

            raise Misused(
                BadSetting(
                    NOWHERE, "load-weights", "a run has its model and its hyperparameters; --model and --set are for a spec"
                )
            )
        return read(Path(spec)).exe
    from ..compiling import compile_spec

    return executable(compile_spec(spec, model=model, **hypers))


def put(network: "nn.Module", weights: Weights, map: WeightMap) -> Matched:
    """Sets the weights of a network; raises `InputFaults` before anything is set."""
    import torch

    from ..train.weights import tied

    state = network.state_dict()
    twins = tied(network)
    wanted = {key: Held(tuple(t.shape), t.is_floating_point()) for key, t in state.items() if key not in twins}
    found = matched(wanted, weights, map)
    _compare(found, weights, map)
    with torch.no_grad():
        for key, recipe in found.recipes.items():
            state[key].copy_(recipe.made(weights.tensor))
    return found


def _compare(found: Matched, weights: Weights, map: WeightMap) -> None:
    """Copies are the same."""
    import torch

    faults = []
    for name, recipe, span in found.same:
        one, other = weights.tensor(name), recipe.made(weights.tensor)
        if one.shape != other.shape or not torch.equal(one, other):
            faults.append(CopiesDiffer(span, name, _first(recipe)))
    if faults:
        raise InputFaults(*faults, sources=[map.source] if map.source is not None else [])


def _first(recipe: Recipe) -> str:
    return next(name for name, _ in recipe.uses())

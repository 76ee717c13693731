"""What energies dream: the states that a Gibbs chain of the topmost visits, handed down from energy to energy.

A stack of energies is read off the model at work: they are its modules with a Gibbs chain, in the order in which data flows through
them. In a deep belief network the two topmost layers are one undirected machine, and below each layer is drawn from the one above it
(Hinton, Osindero & Teh, 2006).
"""

from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

from ...dsl.span import NOWHERE
from ..faults.sampling import NoChainOfEnergies
from ..run_folder import SavedRun
from ..stops import Misused
from .given import told
from .grids import Rows
from .images import Array
from .wanted import Wanted

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

KIND = "an energy"
STEPS = 1000


def fits(saved: SavedRun) -> bool:
    """Is it an energy, or does it stack some?"""
    return saved.exe.plan.model.energies


def sample(saved: SavedRun, wanted: Wanted) -> Rows:
    """States drawn by chains of their own, one for each sample."""
    wanted.refuse(KIND, "prompts", "tokens", "top_k", "top_p", "beam", "greedy", "stop", "cache", "temperature")
    import torch

    from ..run import trained
    from ..train.determinism import evaluating, pinned
    from ..train.setup import device_of, faults_of

    where = device_of(wanted.device)
    with pinned(int(saved.record["threads"]), where), faults_of(saved.exe), torch.no_grad(), evaluating(where):
        model = trained(saved).to(where)
        torch.manual_seed(wanted.seed)
        floors = stack_of(saved, model, where)
        values = dream(floors, wanted.count, wanted.steps or STEPS, further(floors[-1], wanted.given, where))
        found: Array = values.cpu().numpy()
        return Rows(found, "its units")


@dataclass(frozen=True)
class Floor:
    """An energy of a stack, with the names of its units and of what else it is given, and what one example of each input looks like."""

    energy: Any
    visible: tuple[str, ...]
    hidden: tuple[str, ...]
    further: tuple[str, ...]
    shapes: "dict[str, tuple[int, ...]]"
    dtypes: "dict[str, torch.dtype]"

    def do(self, way: str, units: str, state: "dict[str, Tensor]") -> "Tensor":
        """The `mean` or a `sample` of units, given the state of all else."""
        method = getattr(self.energy, f"{way}_{units}")
        found: Tensor = method(*[state[name] for name in signature(method).parameters])
        return found


def further(top: Floor, given: tuple[tuple[str, str], ...], where: "torch.device") -> "dict[str, Tensor]":
    """What the topmost energy is given beside its units, one example of each."""
    return told(given, KIND, {name: top.shapes[name] for name in top.further}, top.dtypes, where)


def dream(floors: list[Floor], count: int, steps: int, given: "dict[str, Tensor] | None" = None) -> "Tensor":
    """The topmost chain, then down: the means of the first visible units of the lowest, given all else."""
    import torch

    top = floors[-1]
    device = next(top.energy.parameters()).device
    state = {name: value.expand(count, *value.shape) for name, value in (given or {}).items()}
    for name in top.visible:  # the chain forgets it
        state[name] = torch.rand(count, *top.shapes[name], dtype=top.dtypes[name], device=device).round()
    inputs = [name for name in signature(top.energy.forward).parameters if name in state]
    found = top.energy.gibbs(*[state[name] for name in inputs], steps)
    state |= dict(zip((*top.visible, *top.hidden), found if isinstance(found, tuple) else (found,), strict=False))
    if top.hidden[0] not in state:
        state |= {name: top.do("sample", name, state) for name in top.hidden}
    for above, floor in zip(reversed(floors[1:]), reversed(floors[:-1]), strict=True):
        state = {floor.hidden[0]: above.do("sample", above.visible[0], state)}
    return floors[0].do("mean", floors[0].visible[0], state)


def stack_of(saved: SavedRun, model: "nn.Module", device: "torch.device") -> list[Floor]:
    """The energies of a model, the lowest first; raises `Misused` where they do not stand one on another."""
    import torch

    seen: list[tuple[Any, tuple[Any, ...], Any]] = []
    hooks = [
        module.register_forward_hook(lambda module, given, made: seen.append((module, given, made)))
        for module in model.modules()
        if hasattr(module, "gibbs") and hasattr(module, "energy")
    ]
    plan = saved.exe.plan.model
    kinds = {"float": next(model.parameters()).dtype, "int": torch.long, "bool": torch.bool}
    given = [
        torch.zeros([s if isinstance(s, int) else 2 for s in i.shape], dtype=kinds[i.dtype], device=device) for i in plan.inputs
    ]
    try:
        model(*given)
    finally:
        for hook in hooks:
            hook.remove()
    floors: list[Floor] = []
    below: Any = None
    for energy, taken, made in seen:
        floor = floor_of(energy, taken)
        simple = len(floor.visible) == len(floor.hidden) == 1 and not floor.further
        if len(seen) > 1 and (not simple or isinstance(made, tuple)):
            raise Misused(
                NoChainOfEnergies(NOWHERE, plan.class_name, "one of its energies has several blocks, or takes further tensors")
            )
        if floors and taken[0] is not below:
            raise Misused(NoChainOfEnergies(NOWHERE, plan.class_name, "something stands between two of its energies"))
        floors.append(floor)
        below = made
    if not floors:
        raise Misused(NoChainOfEnergies(NOWHERE, plan.class_name, "data flows through none of its energies"))
    return floors


def floor_of(energy: Any, taken: "tuple[Tensor, ...]") -> Floor:
    """An energy that has been given `taken`."""
    units = [name.removeprefix("mean_") for name in dir(type(energy)) if name.startswith("mean_")]
    inputs = list(signature(energy.forward).parameters)[: len(taken)]
    order = list(signature(energy.energy).parameters)
    return Floor(
        energy,
        tuple(name for name in inputs if name in units),
        tuple(name for name in order if name in units and name not in inputs),
        tuple(name for name in inputs if name not in units),
        {name: tuple(tensor.shape[1:]) for name, tensor in zip(inputs, taken, strict=True)},
        {name: tensor.dtype for name, tensor in zip(inputs, taken, strict=True)},
    )

"""What energies dream: the states that a Gibbs chain of the topmost visits, handed down from energy to energy.

A stack of energies is read off the model at work: they are its modules with a Gibbs chain, in the order in which data flows through
them. In a deep belief network the two topmost layers are one undirected machine, and below each layer is drawn from the one above it
(Hinton, Osindero & Teh, 2006).
"""

import io
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np

from ...dsl.span import NOWHERE
from ..faults.sampling import BadSamplingOption, NoChainOfEnergies
from ..run_folder import SavedRun
from ..stops import Misused
from .images import Array, grid, letters, png, sides
from .wanted import Wanted

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

KIND = "an energy"
STEPS = 1000


def fits(saved: SavedRun) -> bool:
    """Is it an energy, or does it stack some?"""
    return saved.exe.plan.model.energies


@dataclass(frozen=True)
class Dreams:
    """What was drawn, `[n, …]`: the means of the lowest visible units given all above."""

    values: Array
    notes: tuple[str, ...] = ()

    def _images(self) -> Array | None:
        """As `[n, H, W]` from 0 to 1; none where they are no images."""
        found = sides(self.values.shape[1:])
        if found is None:
            return None
        low, high = float(self.values.min()), float(self.values.max())
        scaled = self.values if low >= 0 and high <= 1 else (self.values - low) / max(high - low, 1e-12)
        images: Array = scaled.reshape(len(scaled), *found)
        return images

    def said(self) -> str:
        images = self._images()
        if images is not None:
            return "\n\n".join(map(letters, images))
        return "\n".join(" ".join(f"{x:.4g}" for x in row) for row in self.values.reshape(len(self.values), -1))

    def records(self) -> list[dict[str, Any]]:
        return [{"values": row.tolist()} for row in self.values]

    def file(self, ending: str) -> bytes:
        """A grid of images in `.png`, the numbers in `.npy`."""
        if ending == ".npy":
            made = io.BytesIO()
            np.save(made, self.values)
            return made.getvalue()
        images = self._images()
        if ending != ".png" or images is None:
            reason = (
                "its units are no image: .npy has their numbers" if ending == ".png" else "it is a .png, or a .npy of numbers"
            )
            raise Misused(BadSamplingOption(NOWHERE, "-o", f"a file that ends in {ending or 'nothing'}", reason))
        return png(grid(images))


def sample(saved: SavedRun, wanted: Wanted) -> Dreams:
    """States drawn by chains of their own, one for each sample."""
    wanted.refuse(KIND, "prompts", "tokens", "top_k", "top_p", "beam", "greedy", "cache", "given", "temperature")
    import torch

    from ..run import trained
    from ..train.determinism import evaluating, pinned
    from ..train.setup import device_of, faults_of

    where = device_of(wanted.device)
    with pinned(int(saved.record["threads"])), faults_of(saved.exe), torch.no_grad(), evaluating(where):
        model = trained(saved).to(where)
        torch.manual_seed(wanted.seed)
        values = dream(stack_of(saved, model, where), wanted.count, wanted.steps or STEPS)
        found: Array = values.cpu().numpy()
        return Dreams(found)


@dataclass(frozen=True)
class Floor:
    """An energy of a stack, with the names of its units and the shape of the visible ones of one example."""

    energy: Any
    visible: str
    hidden: str
    shape: tuple[int, ...]
    dtype: "torch.dtype"


def dream(floors: list[Floor], count: int, steps: int) -> "Tensor":
    """The topmost chain, then down."""
    import torch

    top = floors[-1]
    weight = next(top.energy.parameters())
    hidden = top.energy(torch.zeros(1, *top.shape, dtype=top.dtype, device=weight.device))
    start = torch.rand(count, *hidden.shape[1:], dtype=top.dtype, device=weight.device)  # the chain forgets it
    units = getattr(top.energy, f"sample_{top.visible}")(start.round())
    units = top.energy.gibbs(units, steps=steps)
    state = getattr(top.energy, f"sample_{top.hidden}")(units)
    for floor in reversed(floors):
        mean: Tensor = getattr(floor.energy, f"mean_{floor.visible}")(state)
        if floor is not floors[0]:
            state = getattr(floor.energy, f"sample_{floor.visible}")(state)
    return mean


def stack_of(saved: SavedRun, model: "nn.Module", device: "torch.device") -> list[Floor]:
    """The energies of a model, the lowest first; raises `Misused` where they do not stand one on another."""
    import torch

    seen: list[tuple[Any, tuple[Any, ...], Any]] = []
    hooks = [
        module.register_forward_hook(lambda module, given, made: seen.append((module, given, made)))
        for module in model.modules()
        if hasattr(module, "gibbs") and hasattr(module, "free_energy")
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
        names = [name.removeprefix("mean_") for name in dir(type(energy)) if name.startswith("mean_")]
        if len(names) != 2 or len(taken) != 1 or isinstance(made, tuple):
            raise Misused(
                NoChainOfEnergies(NOWHERE, plan.class_name, "one of its energies has several blocks, or takes further tensors")
            )
        if floors and taken[0] is not below:
            raise Misused(NoChainOfEnergies(NOWHERE, plan.class_name, "something stands between two of its energies"))
        (visible,) = (name for name in names if name in signature(energy.forward).parameters)
        (hidden,) = (name for name in names if name != visible)
        floors.append(Floor(energy, visible, hidden, tuple(taken[0].shape[1:]), taken[0].dtype))
        below = made
    if not floors:
        raise Misused(NoChainOfEnergies(NOWHERE, plan.class_name, "data flows through none of its energies"))
    return floors

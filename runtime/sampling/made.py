"""What the players of a game make of draws: the value that the game names for it, as `fake = G(z)`.

Labels that it takes are said (`--given label=3`, or several that take turns: `--given label=0,1,2`); whatever else the game is trained on
is not needed for it.
"""

from typing import TYPE_CHECKING, Any

from ...compiler.plan import InputPlan, ModelPlan
from ...dsl.span import NOWHERE
from ..faults.sampling import BadSamplingOption
from ..run_folder import SavedRun
from ..stops import Misused
from .grids import Rows
from .images import Array
from .wanted import Wanted

if TYPE_CHECKING:
    import torch
    from torch import Tensor

KIND = "a game"


def fits(saved: SavedRun) -> bool:
    """Does it make something of draws and labels alone?"""
    return any(made.drawn for made in saved.exe.plan.model.made)


def sample(saved: SavedRun, wanted: Wanted) -> Rows:
    """What the game makes first of those values that draws suffice for."""
    wanted.refuse(KIND, "prompts", "tokens", "top_k", "top_p", "beam", "greedy", "stop", "cache", "temperature", "steps")
    import torch

    from ..run import trained
    from ..train.determinism import evaluating, pinned
    from ..train.setup import device_of, faults_of

    plan = saved.exe.plan.model
    where = device_of(wanted.device)
    with pinned(int(saved.record["threads"]), where), faults_of(saved.exe), torch.no_grad(), evaluating(where):
        model: Any = trained(saved).to(where)
        given = [*inputs(plan, wanted, next(model.parameters()).dtype, where)]
        torch.manual_seed(wanted.seed)
        draws = model.draw_round(*given) if hasattr(model, "draw_round") else ()
        which = next(i for i, made in enumerate(plan.made) if made.drawn)
        values: Array = model.make(*given, *draws)[which].cpu().numpy()
    return Rows(values, "what it makes")


def inputs(plan: ModelPlan, wanted: Wanted, kind: "torch.dtype", where: "torch.device") -> "list[Tensor]":
    """`n` rows of each input of the game: labels as they are said, zeros for what the value does not depend on."""
    import torch

    told = dict(wanted.given)
    labels = {i.name: i for i in plan.inputs if i.dtype != "float" and i.batched}
    for name, text in told.items():
        if name not in labels:
            rule = f"it takes {', '.join(labels)}" if labels else "what it makes is of draws alone"
            raise Misused(BadSamplingOption(NOWHERE, "--given", f"{name}={text}", rule))
    found = []
    for plan_of in plan.inputs:
        shape = (wanted.count, *(size if isinstance(size, int) else 1 for size in plan_of.shape[1:]))
        if plan_of.name in labels:
            found.append(_labels(plan_of, told.get(plan_of.name), shape, where))
        else:
            found.append(torch.zeros(shape, dtype=kind, device=where))
    return found


def _labels(plan: InputPlan, text: str | None, shape: tuple[int, ...], where: "torch.device") -> "Tensor":
    """Whole numbers that take turns over the rows."""
    import torch

    rule = f"{plan.name} is a whole number from 0, or several that take turns: --given {plan.name}=0,1,2"
    words = text.split(",") if text else []
    if not words or len(shape) != 1 or not all(word.strip().isdecimal() and len(word) < 10 for word in words):
        raise Misused(BadSamplingOption(NOWHERE, "--given", f"{plan.name}={text or ''}", rule))
    numbers = torch.tensor([int(word) for word in words], device=where)
    found = numbers.repeat(-(-shape[0] // len(words)))[: shape[0]]
    return found.bool() if plan.dtype == "bool" else found

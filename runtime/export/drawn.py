"""Networks that draw in evaluation: a file gives what follows from its inputs, so there is nothing it could be compared with."""

from typing import TYPE_CHECKING

from ...dsl.span import NOWHERE
from ..executable import Executable
from ..faults.exports import DrawsAnew
from ..stops import InputFaults

if TYPE_CHECKING:
    from torch import Tensor, nn


def check_drawn(exe: Executable, model: "nn.Module", given: "list[Tensor]") -> None:
    """Raises `InputFaults` where some outputs of the same inputs differ from one draw to the next."""
    import torch

    answers = []
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for seed in range(2):
            torch.manual_seed(seed)
            found = model(*given)
            answers.append(found if isinstance(found, tuple) else (found,))
    pairs = zip(exe.plan.model.outputs, *answers, strict=True)
    drawn = tuple(name for name, one, other in pairs if not torch.equal(torch.nan_to_num(one), torch.nan_to_num(other)))
    if drawn:
        raise InputFaults(DrawsAnew(NOWHERE, exe.plan.model.class_name, drawn))

"""Optimizers by the names of the language, with PyTorch's arguments; PyTorch's fused or foreach kernels where it has them.

Which kernel is used follows from the optimizer, the device and the dtypes alone, so it is settled before step 1 and the same in a resume.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...compiler.plan import OptimizerPlan, PhasePlan
from ..faults.runs import ClauseRefused, NothingTrained, Untrained
from ..stops import InputFaults, span_of
from .lion import Lion
from .targets import assigned

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "lion": Lion,
    "lbfgs": torch.optim.LBFGS,
}
FUSED = ("adam", "adamw", "sgd", "adagrad")
FOREACH = ("rmsprop", "adadelta")
FUSED_DEVICES = ("cpu", "cuda")


def optimizer(plan: OptimizerPlan, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """The optimizer of a clause over these parameters."""
    span = span_of(plan.place)
    if plan.name not in OPTIMIZERS:
        raise InputFaults(ClauseRefused(span, plan.name, f"there is no such optimizer; there are {', '.join(OPTIMIZERS)}"))
    tensors = [p for p in parameters if p.requires_grad]
    if not tensors:
        raise InputFaults(ClauseRefused(span, plan.name, "the model has no parameters to train"))
    arguments: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plan.arguments.items()}
    if plan.name in FUSED and all(_fusable(plan.name, t) for t in tensors):
        arguments["fused"] = True
    elif plan.name in FOREACH:
        arguments["foreach"] = True
    try:
        return OPTIMIZERS[plan.name](tensors, **arguments)
    except (TypeError, ValueError) as error:
        raise InputFaults(ClauseRefused(span, plan.name, str(error))) from None


def _fusable(name: str, tensor: Tensor) -> bool:
    devices = ("cpu",) if name == "adagrad" else FUSED_DEVICES
    return tensor.is_floating_point() and tensor.device.type in devices


def shared_out(phase: PhasePlan, parameters: Mapping[str, Tensor], frozen: Sequence[str]) -> list[list[str]]:
    """The names of the parameters that each optimizer of a phase trains, those that are frozen with none.

    A fault where a parameter is left over, where an optimizer is left with none, or where nothing is trained at all.
    """
    clauses = [plan.targets for plan in phase.optimizers]
    shares: list[list[str]] = [[] for _ in clauses]
    left: list[str] = []
    for name in parameters:
        if name not in frozen:
            which = assigned(name, clauses)
            (left if which is None else shares[which]).append(name)
    if left:
        raise InputFaults(Untrained(span_of(phase.place), tuple(left)))
    for plan, share in zip(phase.optimizers, shares, strict=True):
        if not share:
            raise InputFaults(NothingTrained(span_of(plan.place), plan.name, ", ".join(plan.targets)))
    return shares

"""Optimizers by the names of the language, with PyTorch's arguments; PyTorch's fused kernels where it has them."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ...compiler.plan import OptimizerPlan
from ..faults.runs import ClauseRefused
from ..stops import InputFaults, span_of

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}
FUSED = ("adam", "adamw", "sgd")
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
    if plan.name in FUSED and all(t.is_floating_point() and t.device.type in FUSED_DEVICES for t in tensors):
        arguments["fused"] = not arguments.get("differentiable", False)
    try:
        return OPTIMIZERS[plan.name](tensors, **arguments)
    except (TypeError, ValueError) as error:
        raise InputFaults(ClauseRefused(span, plan.name, str(error))) from None

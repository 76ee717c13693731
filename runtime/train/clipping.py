"""Gradients cut before the optimizers move: each to a size, then those of a clause's weights together to a norm."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from ...compiler.plan import ClipPlan
from .targets import shared_by

Clip = tuple[ClipPlan, list[Tensor]]


def clips(plans: Sequence[ClipPlan], weights: Mapping[str, Tensor]) -> list[Clip]:
    """Each clause with the weights that it is about, where there are any; what lies below no target is cut by none."""
    found = zip(plans, shared_by(weights, [plan.targets for plan in plans]), strict=True)
    return [(plan, own) for plan, own in found if own]


def cut(clauses: Sequence[Clip]) -> None:
    for plan, weights in clauses:
        if plan.value is not None:
            nn.utils.clip_grad_value_(weights, plan.value)
        if plan.norm is not None:
            nn.utils.clip_grad_norm_(weights, plan.norm)

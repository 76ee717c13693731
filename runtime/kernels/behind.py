"""Kernels that are built while their network computes already: its steps run in PyTorch first, and in the kernel when it is there.

In evaluation alone: what trains is settled before its first step (see `train.setup`), since a kernel rounds in its own way.
"""

import threading
from collections.abc import Iterable

from torch import nn

from ...compiler.plan import RecurrencePlan
from .attach import Fused, attach


def build_behind(model: nn.Module, recurrences: Iterable[RecurrencePlan]) -> threading.Thread | None:
    """Puts kernels that are built already under the cells of `model`, and builds the others in a thread; none where there is nothing to do.

    Where one cannot be built, its cell stays as it is. A process that ends waits for what is being built.
    """
    wanted = [plan for plan in recurrences if plan.equations is not None and not _has_kernel(model, plan)]
    found = attach(model, wanted, cached=True, evaluating=True).kernels
    left = [plan for plan in wanted if plan.path not in found]
    if not left:
        return None
    thread = threading.Thread(target=attach, args=(model, left), kwargs={"evaluating": True}, name="archc kernels")
    thread.start()
    return thread


def _has_kernel(model: nn.Module, plan: RecurrencePlan) -> bool:
    at = model.get_submodule(plan.path)
    cell = at._modules["forward"] if plan.both else at
    return cell is not None and isinstance(cell.__dict__.get("forward"), Fused)

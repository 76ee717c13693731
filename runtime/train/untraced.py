"""Optimizers as they compute, without what torch puts around them for torch.compile, profilers and hooks.

Making an optimizer and the first step of one import torch._dynamo, only to tell it to leave them alone: about a second, as long as all
else that a short run does. And each step then goes through two context managers of it and one of the profiler.
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

METHODS = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
CACHE = "__dynamo_disable"  # where torch._compile keeps what it calls in place of a function; on the function itself


@contextmanager
def untraced() -> Iterator[None]:
    """Within: making an optimizer, and saving and loading its state, import nothing. After it the methods are as torch made them; where
    torch._dynamo is loaded already nothing is changed at all."""
    changed = []
    if "torch._dynamo" not in sys.modules:
        for method in METHODS:
            function = getattr(getattr(torch.optim.Optimizer, method, None), "__wrapped__", None)
            if function is not None and not hasattr(function, CACHE):
                setattr(function, CACHE, function)
                changed.append(function)
    try:
        yield
    finally:
        for function in changed:
            delattr(function, CACHE)


def step_of(optimizer: torch.optim.Optimizer) -> Callable[[], object]:
    """`optimizer.step` as its class wrote it; to be called without gradients. Hooks of the optimizer are not called."""
    if type(optimizer) is torch.optim.SGD and all(_is_plain(group) for group in optimizer.param_groups):
        return partial(_plain_descent, optimizer)
    return partial(inspect.unwrap(type(optimizer).step), optimizer)


def _is_plain(group: dict[str, Any]) -> bool:
    """Is it gradient descent by the fused kernel, which keeps nothing from step to step, on tensors of one dtype and device?"""
    kinds = {(p.dtype, p.device) for p in group["params"]}
    return bool(group["fused"]) and group["momentum"] == 0 and len(kinds) == 1 and isinstance(group["lr"], float)


def _plain_descent(optimizer: torch.optim.Optimizer) -> None:
    """The kernel that `SGD.step` calls, with what it calls it with: what stands around the call takes twice as long as the call."""
    for group in optimizer.param_groups:
        moved = [p for p in group["params"] if p.grad is not None]
        if moved:
            torch._fused_sgd_(
                moved,
                [p.grad for p in moved],
                [],
                weight_decay=group["weight_decay"],
                momentum=0.0,
                lr=group["lr"],
                dampening=group["dampening"],
                nesterov=group["nesterov"],
                maximize=group["maximize"],
                is_first_step=False,
            )

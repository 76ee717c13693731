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
from torch import Tensor

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
    if type(optimizer) in (torch.optim.Adam, torch.optim.AdamW) and all(
        _is_plain_adam(group) for group in optimizer.param_groups
    ):
        return AdamAlone(optimizer)
    return partial(inspect.unwrap(type(optimizer).step), optimizer)


def _is_plain(group: dict[str, Any]) -> bool:
    """Is it gradient descent by the fused kernel, which keeps nothing from step to step, on tensors of one dtype and device?"""
    return bool(group["fused"]) and group["momentum"] == 0 and _is_of_one_kind(group)


def _is_plain_adam(group: dict[str, Any]) -> bool:
    """Is it the fused kernel, whose counts of steps are on the CPU, on tensors of one dtype?"""
    on_cpu = all(p.device.type == "cpu" for p in group["params"])
    return bool(group["fused"]) and not group["amsgrad"] and on_cpu and _is_of_one_kind(group)


def _is_of_one_kind(group: dict[str, Any]) -> bool:
    return len({(p.dtype, p.device) for p in group["params"]}) == 1 and isinstance(group["lr"], float)


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


class AdamAlone:
    """The kernel that `Adam.step` calls, with what it calls it with; the lists of what it moves are made once for each group.

    Where some parameters have no gradient, or nothing is kept of one yet, it is the optimizer's own step.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.step: Callable[[], object] = partial(inspect.unwrap(type(optimizer).step), optimizer)
        self.kept: list[tuple[list[Tensor], ...]] = []
        self.made_of: object = None  # the state that the lists are of: loading one puts another in its place

    def __call__(self) -> None:
        groups = self.optimizer.param_groups
        if self.made_of is not self.optimizer.state:
            if any(not self.optimizer.state.get(p) for group in groups for p in group["params"]):
                self.step()
                return
            self.kept = [self._kept(group["params"]) for group in groups]
            self.made_of = self.optimizer.state
        gradients = [[p.grad for p in group["params"] if p.grad is not None] for group in groups]
        if any(len(found) != len(group["params"]) for found, group in zip(gradients, groups, strict=True)):
            self.step()
            return
        for group, found, (means, squares, steps) in zip(groups, gradients, self.kept, strict=True):
            torch._foreach_add_(steps, 1)
            kernel = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
            kernel(
                group["params"],
                found,
                means,
                squares,
                [],
                steps,
                amsgrad=False,
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=group["maximize"],
                grad_scale=None,
                found_inf=None,
            )

    def _kept(self, parameters: list[Tensor]) -> tuple[list[Tensor], ...]:
        states = [self.optimizer.state[p] for p in parameters]
        return tuple([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step"))

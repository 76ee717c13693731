"""Lion: the sign of an interpolated momentum, with decoupled weight decay.

Chen et al., 2023, Symbolic Discovery of Optimization Algorithms.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class Lion(torch.optim.Optimizer):
    """`lr` is usually a tenth of Adam's, and `weight_decay` ten times as large."""

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    def momentum(self, weight: Tensor) -> Tensor:
        """The moving mean of the gradient of a weight."""
        state = self.state[weight]
        if "exp_avg" not in state:
            state["exp_avg"] = torch.zeros_like(weight)
        found: Tensor = state["exp_avg"]
        return found

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step, after `closure` where one is given."""
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        for group in self.param_groups:
            weights: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            if not weights:
                continue
            gradients = [p.grad for p in weights if p.grad is not None]
            momenta = [self.momentum(p) for p in weights]
            rate, (first, second) = group["lr"], group["betas"]
            update = torch._foreach_mul(momenta, first)
            torch._foreach_add_(update, gradients, alpha=1 - first)
            torch._foreach_sign_(update)
            if group["weight_decay"]:
                torch._foreach_mul_(weights, 1 - rate * group["weight_decay"])
            torch._foreach_add_(weights, update, alpha=-rate)
            torch._foreach_mul_(momenta, second)
            torch._foreach_add_(momenta, gradients, alpha=1 - second)
        return loss

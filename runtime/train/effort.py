"""How much a step computes, and how many threads are worth it. A pure count of shapes: the same spec has the same threads every time.

Threads that wait for each other cost a small network more than they give, and everything when another program is busy beside it.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

WORTH_THREADS = 100_000_000  # multiply-adds of a forward pass from which more than one thread is used


class Effort(TorchFunctionMode):
    """Within: `multiplies` grows by what each product and convolution takes, and by one an element for everything else."""

    def __init__(self) -> None:
        super().__init__()
        self.multiplies: int = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.multiplies += result.numel() * _depth(getattr(func, "__name__", ""), args)
        elif getattr(func, "__name__", "").startswith("recurrence"):  # of its results, those of four dims are products of states
            self.multiplies += sum(x.numel() * (x.shape[-1] if x.dim() == 4 else 1) for x in result)
        return result


def _depth(name: str, args: tuple[Any, ...]) -> int:
    """How many multiply-adds an element of the result takes, by the name of what computed it."""
    tensors = [a for a in args if isinstance(a, Tensor)]
    if name.startswith("conv") and len(tensors) > 1:
        return max(1, tensors[1][0].numel())
    if name == "scaled_dot_product_attention":
        return 2 * tensors[1].shape[-2]
    if name in ("linear", "matmul", "__matmul__", "bmm", "mm", "addmm", "baddbmm") and tensors:
        return tensors[0].shape[-1]
    return 1


def threads_worth(multiplies: int, most: int) -> int:
    """One for a small network, else as many as torch would use (`most`); what OMP_NUM_THREADS says is always kept to."""
    return 1 if multiplies < WORTH_THREADS and "OMP_NUM_THREADS" not in os.environ else most

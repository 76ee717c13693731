"""What torch traces for some sizes only, computed in a way that holds for all: the same numbers, to the bit.

A max pool with `ceil_mode` drops its last window where that would begin in the padding, and so asks the sizes a question. With a stride
of at most the window less the padding it never does, and then the pool is one without `ceil_mode` over an input that is padded on its far
side.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - as everyone calls it
from torch.overrides import TorchFunctionMode

POOLS = {torch.max_pool1d: 1, torch.max_pool2d: 2, torch.max_pool3d: 3}


class ForAllSizes(TorchFunctionMode):
    """Within: calls are rewritten so that no size is asked a question that need not be asked."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        rank = POOLS.get(func)
        return func(*args, **given) if rank is None else max_pool(func, rank, *args, **given)


def max_pool(
    func: Callable[..., Tensor],
    rank: int,
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    kernel, by, pad, apart = (_each(value, rank) for value in (kernel_size, stride or kernel_size, padding, dilation))
    window = [d * (k - 1) + 1 for k, d in zip(kernel, apart, strict=True)]
    if not ceil_mode or any(s > w - p for s, w, p in zip(by, window, pad, strict=True)):
        return func(x, kernel_size, stride or kernel_size, padding, dilation, ceil_mode)
    more: list[Any] = []
    for size, w, s, p in reversed(list(zip(x.shape[-rank:], window, by, pad, strict=True))):
        more += [0, (w - size - 2 * p) % s]
    return func(F.pad(x, more, value=float("-inf")), kernel_size, stride or kernel_size, padding, dilation, False)


def _each(value: Any, rank: int) -> list[int]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    return values * rank if len(values) == 1 else values

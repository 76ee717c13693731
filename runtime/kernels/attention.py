"""Attention on a GPU: a network there runs its masks, biases and scores in FlexAttention, by another text of the same classes.

The text is that of `compiler.attention.flex`. Each class in it that calls FlexAttention lends its `forward` to the modules of that name,
with their own weights; on a CPU, in float64, traced or exported they run as their own class says. It has not run on a GPU yet.
"""

import functools
import importlib.util
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...compiler.attention.flex import Flex
from ...compiler.emit.torch.module import emit_module
from ...compiler.passes.order import PASSES
from ...compiler.pipeline import Compiled
from ..blame import first_line
from ..loader import load_text
from .build import CannotBuild

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def attach(
    model: nn.Module,
    compiled: Compiled,
    only: Collection[str] | None = None,
    *,
    flex: Flex | None = None,
    device: str = "cuda",
) -> list[str]:
    """Puts FlexAttention under the attentions of `model`, the network of `compiled`, that are better off with it, or `only` those in
    modules at these paths, for tensors on devices of this type; gives the paths. Raises `CannotBuild` where it does not work here."""
    graph = PASSES.run(compiled.graph)
    other = (flex or Flex()).run(graph)
    if other is graph:
        return []
    if device == "cuda":
        _want_working()
    emitted = emit_module(other, "spec.arch")
    classes = vars(load_text(compiled, emitted.text, emitted.spans))
    paths = []
    for path, module in model.named_modules():
        forward = getattr(classes.get(type(module).__name__), "forward", None)
        if forward is not None and (only is None or path in only) and "flexed" in forward.__code__.co_names:
            module.forward = OnDevice(module, forward, device)
            paths.append(path)
    return paths


@dataclass
class OnDevice:
    """In place of a module's `forward`: another one where its first tensor lies on such a device."""

    module: nn.Module
    other: Callable[..., Any] | None
    device: str

    def __getstate__(self) -> dict[str, Any]:
        """In another process it runs as its class says: the other text is not there."""
        return {**self.__dict__, "other": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> "OnDevice":
        import copy

        return OnDevice(copy.deepcopy(self.module, memo), self.other, self.device)

    def __call__(self, *given: Any, **named: Any) -> Any:
        tensors = [x for x in (*given, *named.values(), *self.module.parameters()) if isinstance(x, Tensor)]
        dtype = torch.get_autocast_dtype(self.device) if torch.is_autocast_enabled(self.device) else None
        floats = {dtype or x.dtype for x in tensors if x.is_floating_point()}
        here = bool(tensors) and all(x.device.type == self.device for x in tensors) and floats <= {*DTYPES}
        if self.other is not None and here and not torch.compiler.is_compiling():
            return self.other(self.module, *given, **named)
        return type(self.module).forward(self.module, *given, **named)


@functools.cache
def _want_working() -> None:
    """A small attention, forward and backward, so that what does not work here is known before anything is trained."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    if importlib.util.find_spec("triton") is None:
        raise CannotBuild("there is no triton on this machine, which FlexAttention is made of")
    try:
        q = torch.randn(1, 2, 128, 16, device="cuda", requires_grad=True)
        blocks = create_block_mask(lambda b, h, i, j: j <= i, None, None, 128, 128, device="cuda")
        torch.autograd.grad(torch.compile(flex_attention)(q, q, q, block_mask=blocks).sum(), q)
    except Exception as error:  # noqa: BLE001 - of whatever compiles it
        raise CannotBuild(f"FlexAttention does not work on this GPU ({first_line(error)})") from None

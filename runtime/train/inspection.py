"""Looking into one step: what each operation of the generated code gives, and where in the spec it stands.

Nothing here changes a number. A step that is looked into is slow, so it is done to few: see `health` and `replay`.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...dsl.span import Span
from ..blame import span_of_frame
from ..executable import Executable

Seen = Callable[[str, Tensor], None]


def is_built(model: nn.Module) -> bool:
    """Whether torch.compile runs the model: then there is no operation of the generated code to look at."""
    return getattr(model, "_compiled_call_impl", None) is not None


@contextmanager
def as_written(model: nn.Module) -> Iterator[None]:
    """Within: the generated code runs as it stands, whatever torch.compile made of it. Its numbers differ in the last bits."""
    if not is_built(model):
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


class Looking(TorchFunctionMode):
    """Within: `see` is called with the name and result of every operation that gives a tensor of floats."""

    def __init__(self, see: Seen) -> None:
        super().__init__()
        self.see = see

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.is_floating_point():
            with torch._C.DisableTorchFunction():
                self.see(getattr(func, "__name__", ""), result.detach())
        return result


def here(exe: Executable) -> Span | None:
    """The innermost place of the spec that is being executed; none outside of generated code."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename in exe.sources:
            return span_of_frame(frame)
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None


@dataclass(frozen=True)
class Culprit:
    """The first value of a step that is not finite: what it is, and its place in the spec if it has one."""

    what: str
    span: Span | None = None


class Finiteness:
    """Within: the first value that is not finite becomes `first`.

    A result counts when it is not a number or plus infinity: minus infinity is what masks are made of.
    """

    def __init__(self, model: nn.Module, exe: Executable) -> None:
        self.model, self.exe = model, exe
        self.first: Culprit | None = None
        self.looking: Any = Looking(self.see)
        self.handles: list[Any] = []

    def __enter__(self) -> "Finiteness":
        parameter: Any
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                self.handles.append(parameter.register_post_accumulate_grad_hook(self.of_gradient(name)))
        self.looking.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.looking.__exit__(*error)
        for handle in self.handles:
            handle.remove()
        if self.first is None:
            for name, parameter in self.model.named_parameters():
                if not bool(parameter.detach().isfinite().all()):
                    self.first = Culprit(f"the weights {name} after their update")
                    break

    def see(self, name: str, result: Tensor) -> None:
        if self.first is None and bool((result.isnan() | result.isposinf()).any()):
            value = "nan" if bool(result.isnan().any()) else "inf"
            place = here(self.exe)
            if place is not None:
                self.first = Culprit(f"the result of {name.strip('_')}, which has {value}", place)

    def of_gradient(self, name: str) -> Callable[[Tensor], None]:
        def see(parameter: Tensor) -> None:
            if self.first is None and parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
                self.first = Culprit(f"the gradient of {name}")

        return see

"""Triton's language in PyTorch, as far as generated kernels speak it: they run on a CPU, one program after the other."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

FUNCTIONS = ("exp", "tanh", "sqrt", "log", "sin", "cos", "atan", "erf", "expm1", "log1p", "pow", "floor", "ceil")


class Pointer:
    """A place in a tensor's memory, or a block of places."""

    def __init__(self, tensor: Tensor, at: Any = 0) -> None:
        assert tensor.is_contiguous()
        self.flat, self.at = tensor.view(-1), at

    def __add__(self, other: Any) -> "Pointer":
        return Pointer(self.flat, self.at + other)

    @property
    def dtype(self) -> Any:
        return Kind(self.flat.dtype)


class Kind:
    """The type of a pointer."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.element_ty = dtype


class Kernel:
    """A function that runs once for each program of a grid, and within another kernel as it is."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    def __getitem__(self, grid: tuple[int]) -> Callable[..., None]:
        def launch(*arguments: Any, **constants: Any) -> None:
            given = [Pointer(x) if isinstance(x, Tensor) else x for x in arguments]
            for Language.program in range(grid[0]):
                self.function(*given, **constants)

        return launch


class Language:
    """`triton.language`."""

    program = 0
    constexpr = int
    abs = staticmethod(torch.abs)

    @classmethod
    def program_id(cls, axis: int) -> int:
        return cls.program

    @staticmethod
    def arange(first: int, end: int) -> Tensor:
        return torch.arange(first, end)

    @staticmethod
    def full(shape: list[int], value: float, dtype: torch.dtype) -> Tensor:
        return torch.full(shape, value, dtype=dtype)

    @staticmethod
    def where(condition: Tensor, x: Any, y: Any) -> Tensor:
        return torch.where(condition, x, y)

    @staticmethod
    def load(pointer: Pointer, mask: Tensor, other: float = float("nan")) -> Tensor:
        """What is outside of the mask is not read."""
        made = torch.full(mask.shape, other, dtype=pointer.flat.dtype)
        made[mask] = pointer.flat[pointer.at.expand(mask.shape)[mask]]
        return made

    @staticmethod
    def store(pointer: Pointer, value: Tensor, mask: Tensor) -> None:
        pointer.flat[pointer.at[mask]] = value.expand(mask.shape)[mask].to(pointer.flat.dtype)


def _jit(function: Callable[..., Any] | None = None, **_: Any) -> Any:
    return Kernel if function is None else Kernel(function)


def install(patch: pytest.MonkeyPatch) -> None:
    """Makes `import triton` give this."""
    made = {name: ModuleType(name) for name in ("triton", "triton.language", "triton.language.extra")}
    root, language, extra = made.values()
    libdevice = ModuleType("libdevice")
    libdevice.__dict__.update({name: getattr(torch, name) for name in FUNCTIONS} | {"rint": torch.round})
    extra.__dict__["libdevice"] = libdevice
    language.__dict__.update({name: getattr(Language, name) for name in dir(Language) if not name.startswith("_")})
    language.__dict__["extra"] = extra
    root.__dict__.update(jit=_jit, language=language)
    for name, module in made.items():
        patch.setitem(sys.modules, name, module)

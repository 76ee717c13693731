"""The C functions of a kernel's library, called on tensors."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ...compiler.recurrence.cpp import LANES
from ...compiler.recurrence.terms import Equations

DTYPES: dict[torch.dtype, Literal["float", "double"]] = {torch.float32: "float", torch.float64: "double"}


@dataclass(frozen=True)
class Kernel:
    """The kernel of a step for one dtype; tensors are as `operator.recurrence` has them."""

    equations: Equations
    library: ctypes.CDLL
    number: int = 0  # of the cell in its library

    def _function(self, name: str) -> Any:
        return getattr(self.library, f"{name}_{self.number}")

    def packed(self, weights: Sequence[Tensor]) -> Tensor:
        """The weights of states in the order in which the products read them."""
        width = self.equations.width
        padded = padded_width(width)
        made = torch.empty(len(weights) * width * padded, dtype=weights[0].dtype if weights else torch.float32)
        self._function("pack_weights")(_at(made), *_rows(weights), *_sizes(width, padded))
        return made

    def forward(
        self,
        given: Tensor,
        product: Tensor,
        vectors: Tensor,
        packed: Tensor,
        states: Sequence[Tensor],
        results: Sequence[Tensor],
        length: Tensor | None,
        *,
        kept: bool,
    ) -> None:
        """Writes into product, states and results. Without `kept`, product has one step and states have two, which take turns."""
        steps, batch, _, padded = given.shape
        given, vectors = given.contiguous(), vectors.contiguous()
        length = None if length is None else length.contiguous()
        self._function("forward_steps")(
            *map(_at, (given, product, vectors, packed)),
            _all_at(states),
            _all_at(results),
            _at(length),
            ctypes.c_long(kept),
            *_sizes(steps, batch, self.equations.width, padded),
        )

    def backward(
        self,
        given: Tensor,
        product: Tensor,
        vectors: Tensor,
        weights: Sequence[Tensor],
        states: Sequence[Tensor],
        d_results: Sequence[Tensor],
        d_states: Sequence[Tensor],
        d_given: Tensor,
        d_product: Tensor,
        d_vectors: Tensor,
        length: Tensor | None,
    ) -> None:
        """Writes into the last four tensors that begin with d, those of states included, which come as the adjoints of the last ones."""
        steps, batch, _, padded = given.shape
        given, vectors = given.contiguous(), vectors.contiguous()
        length = None if length is None else length.contiguous()
        self._function("backward_steps")(
            *map(_at, (given, product, vectors)),
            *_rows(weights),
            *map(_all_at, (states, d_results, d_states)),
            *map(_at, (d_given, d_product, d_vectors, length)),
            *_sizes(steps, batch, self.equations.width, padded),
        )


def padded_width(width: int) -> int:
    """The next multiple of the lanes of a kernel."""
    return -(-width // LANES) * LANES


def _at(tensor: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def _all_at(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * max(len(tensors), 1))(*[tensor.data_ptr() for tensor in tensors])


def _rows(weights: Sequence[Tensor]) -> tuple[ctypes.Array[ctypes.c_void_p], ctypes.Array[ctypes.c_long]]:
    """Where matrices begin, and how far apart their rows are; the numbers of a row lie side by side."""
    assert all(weight.stride(1) == 1 for weight in weights)
    return _all_at(weights), (ctypes.c_long * max(len(weights), 1))(*[weight.stride(0) for weight in weights])


def _sizes(*sizes: int) -> list[ctypes.c_long]:
    return [ctypes.c_long(size) for size in (torch.get_num_threads(), *sizes)]

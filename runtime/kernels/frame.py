"""The argument of the C functions of a kernel, and the memory that each thread has for itself."""

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

POINTERS = (
    *("x", "vectors", "packed", "given", "panels", "product", "sums", "states", "saved", "results", "starts", "lasts"),
    *("d_given", "d_product", "d_sums", "d_vectors", "d_states", "d_saved", "d_results", "weights", "strides"),
    *("maps", "map_strides", "biases", "d_maps", "d_biases", "joined", "bias", "widths", "result_steps", "result_rows", "length"),
)
NUMBERS = ("kept", "threads", "steps", "batch", "columns", "depth", "begins", "ends", "x_step", "x_row")
Made = TypeVar("Made")
LONGS = ("strides", "map_strides", "widths", "result_steps", "result_rows")


class Call(ctypes.Structure):
    """`Call` of the C++ text."""

    _fields_ = [*((name, ctypes.c_void_p) for name in POINTERS), *((name, ctypes.c_long) for name in NUMBERS)]


class Matrices(NamedTuple):
    """Where each begins, and how many numbers its rows are apart."""

    addresses: Sequence[int]
    apart: Sequence[int]


class Frame(threading.local):
    """One argument for all calls of a thread, since making it takes as long as many a step: each call sets what its function reads.

    The `arrays` that it points to are of so many pointers, or numbers, as `sizes` say.
    """

    def __init__(self, sizes: Mapping[str, int], widths: Sequence[int]) -> None:
        self.call = Call()
        self.reference = ctypes.byref(self.call)
        self.arrays: dict[str, Any] = {}
        self._values: dict[str, Sequence[int]] = {}
        self._kept: dict[str, tuple[object, Any]] = {}
        for name, size in {**sizes, "widths": len(widths)}.items():
            kind = ctypes.c_long if name in LONGS else ctypes.c_void_p
            self.arrays[name] = array = (kind * size)()
            setattr(self.call, name, ctypes.addressof(array))
        self.point(widths=widths)

    def point(self, **numbers: Sequence[int]) -> None:
        """Fills arrays; whoever calls keeps alive what addresses are of."""
        for name, values in numbers.items():
            if self._values.get(name) != values:
                self.arrays[name][:] = self._values[name] = values

    def kept(self, name: str, kind: object, make: Callable[[], Made]) -> Made:
        """Memory for calls of this kind, kept since new memory is slow at first."""
        found = self._kept.get(name)
        if found is None or found[0] != kind:
            found = self._kept[name] = kind, make()
        made: Made = found[1]
        return made


def addresses(tensors: Sequence[Tensor]) -> list[int]:
    return [tensor.data_ptr() for tensor in tensors]


def matrices(tensors: Sequence[Tensor]) -> Matrices:
    """Of tensors the numbers of whose rows lie side by side."""
    assert all(tensor.stride(-1) == 1 for tensor in tensors)
    return Matrices(addresses(tensors), [tensor.stride(0) for tensor in tensors])

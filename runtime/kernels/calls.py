"""The C functions of a kernel's library, called on tensors."""

import ctypes
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from ...compiler.recurrence.joined import joined
from ...compiler.recurrence.phases import schedule
from ...compiler.recurrence.prelude import LANES
from ...compiler.recurrence.terms import Equations

DTYPES: dict[torch.dtype, Literal["float", "double"]] = {torch.float32: "float", torch.float64: "double"}
POINTERS = (
    *("given", "vectors", "packed", "panels", "product", "sums", "states", "saved", "results"),
    *(
        "d_given",
        "d_product",
        "d_sums",
        "d_vectors",
        "d_states",
        "d_saved",
        "d_results",
        "weights",
        "strides",
        "widths",
        "result_steps",
        "result_rows",
        "length",
    ),
)
NUMBERS = ("kept", "threads", "steps", "batch", "columns")


class Call(ctypes.Structure):
    """`Call` of the C++ text."""

    _fields_ = [*((name, ctypes.c_void_p) for name in POINTERS), *((name, ctypes.c_long) for name in NUMBERS)]


@dataclass
class Made:
    """What a kernel makes for its own derivative: products [T, B, G, P], sums over rows [T, B, R], rows that were saved [T, B, P] each, and
    all states [T + 1, B, P]. Where nothing is `kept` the first are of one step, and states of two, which take turns."""

    product: Tensor
    sums: Tensor
    saved: list[Tensor]
    states: list[Tensor]

    @staticmethod
    def empty(equations: Equations, saved: int, like: Tensor, steps: int, states: list[Tensor]) -> "Made":
        """For so many steps, of which each saves so many rows."""
        batch, padded = states[0].shape[1:]
        return Made(
            like.new_empty(steps, batch, len(equations.recurrent), padded),
            like.new_empty(steps, batch, len(equations.rows)),
            [like.new_empty(steps, batch, padded) for _ in range(saved)],
            states,
        )

    @staticmethod
    def of(saved: int, tensors: Sequence[Tensor]) -> "Made":
        """From what `tensors` gave."""
        return Made(tensors[0], tensors[1], list(tensors[2 : 2 + saved]), list(tensors[2 + saved :]))

    def tensors(self) -> list[Tensor]:
        return [self.product, self.sums, *self.saved, *self.states]


@dataclass(frozen=True)
class Kernel:
    """The kernel of a step for one dtype; tensors are as `operator.recurrence` has them."""

    equations: Equations
    library: ctypes.CDLL
    number: int = 0  # of the cell in its library

    @property
    def columns(self) -> int:
        """How many its tensors have."""
        return padded_width(max(self.equations.widths))

    @cached_property
    def starts(self) -> tuple[int | None, ...]:
        """What is given that each product begins with: their adjoints are one."""
        return joined(self.equations).starts

    @cached_property
    def together(self) -> list[tuple[int, bool, list[int]]]:
        """The products of one row, its number, whose adjoints lie in one tensor: are they of their own?"""
        return products_together(self.equations, self.starts)

    @cached_property
    def saved(self) -> int:
        """How many rows a step keeps beside states."""
        return len(schedule(joined(self.equations).equations).saved)

    def packed(self, weights: Sequence[Tensor]) -> Tensor:
        """The weights of products in the order in which they are read, until a kernel is called the next time in this thread."""
        made = self._room(weights[0].dtype if weights else torch.float32)
        call, kept = self._call(weights=weights)
        self._function("pack_weights")(ctypes.byref(call), ctypes.c_void_p(made.data_ptr()))
        del kept
        return made

    def forward(
        self,
        given: Tensor,
        vectors: Tensor,
        packed: Tensor,
        made: Made,
        results: Sequence[Tensor],
        length: Tensor | None,
        *,
        kept: bool,
    ) -> None:
        """Writes into what is made, and into the results."""
        self._run("forward_steps", given, vectors, made, length, kept=kept, packed=packed, results=results)

    def backward(
        self,
        given: Tensor,
        vectors: Tensor,
        weights: Sequence[Tensor],
        made: Made,
        d_results: Sequence[Tensor],
        d_states: Sequence[Tensor],
        d_given: Tensor,
        d_product: Tensor,
        d_vectors: Tensor,
        length: Tensor | None,
    ) -> None:
        """Writes into the adjoints, but those of the results; those of states come as the adjoints of the last ones."""
        adjoints = {"d_results": d_results, "d_states": d_states, "d_given": d_given, "d_product": d_product}
        carried = [torch.empty_like(d_states[0]) for _ in made.saved]
        sums = given.new_empty(given.shape[1], len(self.equations.rows))
        adjoints |= {"d_vectors": d_vectors, "d_saved": carried, "d_sums": sums, "panels": self._room(given.dtype)}
        self._run("backward_steps", given, vectors, made, length, kept=True, weights=weights, **adjoints)

    def _room(self, dtype: torch.dtype) -> Tensor:
        """For all weights of products, padded in both ways: each thread has its own, since memory that is new is slow at first."""
        room: Tensor | None = getattr(self._rooms, "room", None)
        if room is None or room.dtype != dtype:
            sizes = [padded_width(size) for size in self.equations.widths]
            pieces = ((sizes[piece.width], padded_width(piece.stop - piece.start)) for piece in self.equations.recurrent)
            room = self._rooms.room = torch.empty(sum(to * source for to, source in pieces), dtype=dtype)
        return room

    @cached_property
    def _rooms(self) -> threading.local:
        return threading.local()

    def _run(
        self, name: str, given: Tensor, vectors: Tensor, made: Made, length: Tensor | None, *, kept: bool, **tensors: Any
    ) -> None:
        steps, batch, _, padded = given.shape
        tensors |= {"given": given.contiguous(), "vectors": vectors.contiguous()}
        tensors |= {"product": made.product, "sums": made.sums, "saved": made.saved, "states": made.states}
        tensors["length"] = None if length is None else length.contiguous()
        call, alive = self._call(**tensors)
        call.kept, call.steps, call.batch, call.columns = kept, steps, batch, padded
        self._function(name)(ctypes.byref(call))
        del alive

    def _call(self, **tensors: Tensor | Sequence[Tensor] | None) -> tuple[Call, list[object]]:
        """The argument of a C function, and what must live as long as it does."""
        arrays: dict[str, ctypes.Array[Any]] = {"widths": self._widths}
        if weights := tensors.get("weights"):
            arrays["strides"] = _longs([weight.stride(0) for weight in weights])
        if results := tensors.get("d_results"):
            arrays |= {f"result_{name}": _longs([x.stride(dim) for x in results]) for dim, name in enumerate(("steps", "rows"))}
        assert all(x.stride(-1) == 1 for x in (*(weights or ()), *(results or ())))
        call, alive = Call(threads=torch.get_num_threads()), list[object](tensors.values())
        for name, value in tensors.items():
            if isinstance(value, Tensor):
                setattr(call, name, value.data_ptr())
            elif value is not None:
                arrays[name] = (ctypes.c_void_p * max(len(value), 1))(*[each.data_ptr() for each in value])
        for name, array in arrays.items():
            setattr(call, name, ctypes.addressof(array))
        return call, [*alive, *arrays.values()]

    @cached_property
    def _widths(self) -> ctypes.Array[ctypes.c_long]:
        return _longs(self.equations.widths)

    def _function(self, name: str) -> Any:
        return getattr(self.library, f"{name}_{self.number}")


def products_together(equations: Equations, starts: Sequence[int | None]) -> list[tuple[int, bool, list[int]]]:
    """By the row that they read, and by whether their adjoints are their own."""
    found: dict[tuple[int, bool], list[int]] = {}
    for g, (piece, start) in enumerate(zip(equations.recurrent, starts, strict=True)):
        found.setdefault((piece.source, start is None), []).append(g)
    return [(source, apart, products) for (source, apart), products in found.items()]


def _longs(numbers: Sequence[int]) -> ctypes.Array[ctypes.c_long]:
    return (ctypes.c_long * max(len(numbers), 1))(*numbers)


def padded_width(width: int) -> int:
    """The next multiple of the lanes of a kernel."""
    return -(-width // LANES) * LANES

"""The C functions of a kernel's library, called on tensors."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from ...compiler.recurrence.joined import joined
from ...compiler.recurrence.loops import Cell
from ...compiler.recurrence.phases import schedule
from ...compiler.recurrence.prelude import LANES
from ...compiler.recurrence.scan import scans
from ...compiler.recurrence.terms import Equations
from .frame import Frame, Matrices, addresses, matrices

DTYPES: dict[torch.dtype, Literal["float", "double"]] = {torch.float32: "float", torch.float64: "double"}
FUNCTIONS = ("pack_weights", "forward_steps", "backward_steps")
SCAN = ("scan", "scan_back")


class Maps(NamedTuple):
    """The maps of inputs as they lie in the weights of their layers, the addresses of their biases, and what they are joined in: [C * P,
    columns of the inputs], and [C * P] where there are biases."""

    maps: Matrices
    biases: Sequence[int]
    joined: Tensor
    bias: Tensor | None


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
    def scans(self) -> bool:
        """Can its inputs enter within its steps?"""
        return scans(Cell.of(self.equations))

    @cached_property
    def saved(self) -> int:
        """How many rows a step keeps beside states."""
        return len(schedule(joined(self.equations).equations).saved)

    def packed(self, weights: Sequence[Tensor]) -> Tensor:
        """The weights of products in the order in which they are read, until a kernel is called the next time in this thread."""
        return self.prepared(matrices(weights), weights[0] if weights else torch.empty(0))

    def prepared(self, weights: Matrices, like: Tensor, maps: Maps | None = None) -> Tensor:
        """As `packed`; where there are `maps`, they are joined beside."""
        frame, room = self.frame, self._room(like)
        call = frame.call
        call.panels, call.threads = room.data_ptr(), torch.get_num_threads()
        call.joined = call.bias = None
        frame.point(weights=weights.addresses, strides=weights.apart)
        if maps is not None:
            rows, call.depth = maps.joined.shape
            call.joined, call.columns = maps.joined.data_ptr(), rows // len(self.equations.given)
            frame.point(maps=maps.maps.addresses, map_strides=maps.maps.apart)
            if maps.bias is not None:
                call.bias = maps.bias.data_ptr()
                frame.point(biases=maps.biases)
        self.functions["pack_weights"](frame.reference)
        return room

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
        starts: Sequence[Tensor] = (),
        lasts: Sequence[Tensor] = (),
    ) -> None:
        """Writes into what is made, and into the results; into the `lasts`, if there are any, the last states. The first ones are the
        `starts`, or are there in what is made."""
        frame, call = self.frame, self.frame.call
        call.packed, call.kept, call.begins, call.ends = packed.data_ptr(), kept, bool(starts), bool(lasts)
        frame.point(results=addresses(results))
        if starts:
            frame.point(starts=addresses(starts))
        if lasts:
            frame.point(lasts=addresses(lasts))
        self._run("forward_steps", given, vectors, made, length)

    def backward(
        self,
        given: Tensor,
        vectors: Tensor,
        weights: Sequence[Tensor] | Matrices,
        made: Made,
        d_results: Sequence[Tensor],
        d_states: Sequence[Tensor],
        d_given: Tensor,
        d_product: Tensor,
        d_vectors: Tensor,
        length: Tensor | None,
    ) -> None:
        """Writes into the adjoints, but those of the results; those of states come as the adjoints of the last ones."""
        assert all(x.stride(-1) == 1 for x in d_results)
        frame, call, batch = self.frame, self.frame.call, given.shape[1]
        weights = weights if isinstance(weights, Matrices) else matrices(weights)
        *carried, sums = frame.kept("adjoints", (given.dtype, batch), lambda: self._adjoints(given))
        call.d_given, call.d_product, call.d_vectors = d_given.data_ptr(), d_product.data_ptr(), d_vectors.data_ptr()
        call.d_sums, call.panels, call.kept = sums.data_ptr(), self._room(given).data_ptr(), True
        frame.point(weights=weights.addresses, strides=weights.apart, d_states=addresses(d_states), d_saved=addresses(carried))
        frame.point(d_results=addresses(d_results), result_steps=[x.stride(0) for x in d_results])
        frame.point(result_rows=[x.stride(1) for x in d_results])
        self._run("backward_steps", given, vectors, made, length)

    def _room(self, like: Tensor) -> Tensor:
        """For all weights of products, padded in both ways."""
        return self.frame.kept("weights", like.dtype, lambda: like.new_empty(self._size))

    def _adjoints(self, given: Tensor) -> list[Tensor]:
        """For those of the rows that were saved and of the sums over rows, which go from step to step."""
        batch, padded = given.shape[1], given.shape[3]
        return [*(given.new_empty(batch, padded) for _ in range(self.saved)), given.new_empty(batch, len(self.equations.rows))]

    @cached_property
    def _size(self) -> int:
        pieces = self.equations.recurrent
        sizes = [padded_width(size) for size in self.equations.widths]
        return sum(sizes[piece.width] * padded_width(piece.stop - piece.start) for piece in pieces)

    def _run(self, name: str, given: Tensor, vectors: Tensor, made: Made, length: Tensor | None) -> None:
        frame, call = self.frame, self.frame.call
        given, vectors, length = given.contiguous(), vectors.contiguous(), None if length is None else length.contiguous()
        call.steps, call.batch, _, call.columns = given.shape
        call.threads, call.length = torch.get_num_threads(), None if length is None else length.data_ptr()
        call.given, call.vectors = given.data_ptr(), vectors.data_ptr()
        call.product, call.sums = made.product.data_ptr(), made.sums.data_ptr()
        frame.point(saved=addresses(made.saved), states=addresses(made.states))
        self.functions[name](frame.reference)

    @cached_property
    def frame(self) -> Frame:
        """What each thread has for itself."""
        e = self.equations
        found = dict.fromkeys(("weights", "strides"), len(e.recurrent)) | dict.fromkeys(
            ("maps", "map_strides", "biases", "d_maps", "d_biases"), len(e.given)
        )
        found |= dict.fromkeys(("results", "d_results", "result_steps", "result_rows"), len(e.results))
        found |= dict.fromkeys(("states", "starts", "lasts", "d_states"), e.states)
        return Frame(found | {"saved": self.saved, "d_saved": self.saved}, e.widths)

    @cached_property
    def functions(self) -> dict[str, Any]:
        """A look-up in a library makes a function anew."""
        names = (*FUNCTIONS, *SCAN) if self.scans else FUNCTIONS
        return {name: getattr(self.library, f"{name}_{self.number}") for name in names}


def products_together(equations: Equations, starts: Sequence[int | None]) -> list[tuple[int, bool, list[int]]]:
    """By the row that they read, and by whether their adjoints are their own."""
    found: dict[tuple[int, bool], list[int]] = {}
    for g, (piece, start) in enumerate(zip(equations.recurrent, starts, strict=True)):
        found.setdefault((piece.source, start is None), []).append(g)
    return [(source, apart, products) for (source, apart), products in found.items()]


def padded_width(width: int) -> int:
    """The next multiple of the lanes of a kernel."""
    return -(-width // LANES) * LANES

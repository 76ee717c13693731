"""The steps of a cell on a GPU: products of states by PyTorch, all else of a step by a Triton kernel, the steps recorded as a CUDA graph.

It is called as `calls.Kernel` is, on tensors without padding. None of it has run on a GPU yet: what launches, and in which order, is
tested on a CPU with PyTorch in place of the kernels, and the kernels in Triton's interpreter.
"""

import importlib
import importlib.util
import linecache
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from itertools import groupby
from types import ModuleType
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ...compiler.recurrence.joined import joined
from ...compiler.recurrence.terms import Equations
from ...compiler.recurrence.triton import step_kernels, unfit
from ..blame import first_line
from .build import CannotBuild
from .calls import Made, products_together
from .graphs import Graphs

BLOCK = 256  # lanes of a program


class Launch(Protocol):
    """Runs one of the two kernels of `compiler.recurrence.triton.step_kernels`, at step `t`, on tensors in the order that it has them."""

    def __call__(self, kernel: str, t: int, *tensors: Tensor | None) -> None: ...


@dataclass(frozen=True)
class Triton:
    """The kernels of a module that `step_kernels` wrote."""

    module: ModuleType
    width: int

    def __call__(self, kernel: str, t: int, *tensors: Tensor | None) -> None:
        given = tensors[0]
        assert given is not None
        programs = -(-len(given) * self.width // BLOCK)
        getattr(self.module, kernel)[(programs,)](*tensors, t, len(given), H=self.width, BLOCK=BLOCK)


class Run(NamedTuple):
    """Products next to each other that read one state: one product."""

    source: int
    first: int
    end: int


@dataclass(frozen=True)
class StepKernel:
    """A cell for one dtype; tensors are as `operator.recurrence` has them, with P = H."""

    equations: Equations
    launch: Launch
    graphs: Graphs = field(default_factory=Graphs)
    saved = 0  # rows that a step keeps beside states: it has one round

    @property
    def columns(self) -> int:
        """How many its tensors have."""
        return self.equations.width

    @cached_property
    def starts(self) -> tuple[int | None, ...]:
        """What is given that each product begins with: all of it in this order, or none, since one product computes all."""
        found, count = joined(self.equations).starts, len(self.equations.given)
        return found if found == tuple(range(count)) else (None,) * len(found)

    @cached_property
    def together(self) -> list[tuple[int, bool, list[int]]]:
        """The products of one row, as those of a kernel for a CPU."""
        return products_together(self.equations, self.starts)

    @cached_property
    def _runs(self) -> list[Run]:
        places = groupby(range(len(self.equations.recurrent)), key=lambda g: self.equations.recurrent[g].source)
        together = ((source, list(run)) for source, run in places)
        return [Run(source, run[0], run[-1] + 1) for source, run in together]

    def packed(self, weights: Sequence[Tensor]) -> Tensor:
        """[G, H, H]."""
        return torch.stack(list(weights)) if weights else torch.empty(0)

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
        ends = [] if length is None else [length.contiguous()]
        reads = [given.contiguous(), vectors.contiguous(), packed, *(state[0].clone() for state in made.states), *ends]

        def body(reads: list[Tensor], writes: list[Tensor]) -> None:
            given, vectors, packed, *rest = reads
            product, states, results = writes[0], writes[1 : 1 + self.equations.states], writes[1 + self.equations.states :]
            for state, start in zip(states, rest, strict=False):
                state[0].copy_(start)
            ends = rest[len(states)] if len(rest) > len(states) else None
            for t in range(len(given)):
                row, now, after = (t, t, t + 1) if kept else (0, t % 2, (t + 1) % 2)
                for run in self._runs:
                    weight = packed[run.first : run.end].flatten(0, 1).t()
                    columns = product[row].flatten(1)[:, run.first * self.columns : run.end * self.columns]
                    torch.mm(states[run.source][now], weight, out=columns)
                moving = (*(state[now] for state in states), *(state[after] for state in states), *(x[t] for x in results))
                self.launch("forward_step", t, given[t], product[row], vectors, ends, *moving)

        self.graphs.run(("forward", kept), body, reads, [made.product, *made.states, *results])

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
        count, ends = self.equations.states, [] if length is None else [length.contiguous()]
        last = [x.clone() for x in (*d_states, d_vectors)]
        mine = [given.contiguous(), made.product, vectors.contiguous(), self.packed(weights)]
        reads = [*mine, *made.states, *(x.contiguous() for x in d_results), *last, *ends]

        def body(reads: list[Tensor], writes: list[Tensor]) -> None:
            given, product, vectors, packed, *rest = reads
            states, rest = rest[:count], rest[count:]
            d_results, rest = rest[: len(self.equations.results)], rest[len(self.equations.results) :]
            d_given, d_product, d_vectors, *d_states = writes
            for adjoint, last in zip([*d_states, d_vectors], rest, strict=False):
                adjoint.copy_(last)
            ends = rest[count + 1] if len(rest) > count + 1 else None
            for t in reversed(range(len(given))):
                moving = (*(state[t] for state in states), *(d[t] for d in d_results), *d_states)
                slopes = (d_given[t], d_product[t], d_vectors)
                self.launch("backward_step", t, given[t], product[t], vectors, ends, *moving, *slopes)
                for run in self._runs:  # what goes back to the states through the products
                    columns = d_product[t].flatten(1)[:, run.first * self.columns : run.end * self.columns]
                    d_states[run.source].addmm_(columns, packed[run.first : run.end].flatten(0, 1))

        if self.starts and None not in self.starts:
            d_product = d_given
        self.graphs.run("backward", body, reads, [d_given, d_product, d_vectors, *d_states])


def kernel(equations: Equations, dtype: torch.dtype, device: str = "cuda") -> StepKernel:
    """The kernel of a cell, compiled by Triton and tried on one step; raises `CannotBuild`."""
    if unfit(equations):
        raise CannotBuild(unfit(equations))
    if importlib.util.find_spec("triton") is None:
        raise CannotBuild("there is no triton on this machine, which makes kernels for its GPU")
    made = StepKernel(equations, Triton(loaded(step_kernels(equations)), equations.width))
    try:
        for length in (None, torch.ones(1, dtype=torch.long, device=device)):
            _try(made, torch.zeros(1, dtype=dtype, device=device), length)
    except Exception as error:  # noqa: BLE001 - of whatever compiles it
        raise CannotBuild(f"its kernel does not work on this GPU ({first_line(error)})") from None
    return made


def _try(kernel: StepKernel, like: Tensor, length: Tensor | None) -> None:
    """A step of zeros forward and backward."""
    e, columns = kernel.equations, kernel.columns
    row = like.new_zeros(1, 1, columns)
    weights = [like.new_zeros(columns, columns) for _ in e.recurrent]
    given, vectors = like.new_zeros(1, 1, len(e.given), columns), like.new_zeros(len(e.vectors), columns)
    made = Made.empty(e, 0, like, 1, [like.new_zeros(2, 1, columns) for _ in range(e.states)])
    results = [row.clone() for _ in e.results]
    kernel.forward(given, vectors, kernel.packed(weights), made, results, length, kept=True)
    d_states, d_vectors = [row[0].clone() for _ in range(e.states)], like.new_zeros(1, len(e.vectors), columns)
    adjoints = (d_states, given.clone(), made.product.clone(), d_vectors)
    kernel.backward(given, vectors, weights, made, results, *adjoints, length)


def loaded(text: str) -> ModuleType:
    """A text of kernels as a module; Triton finds the lines of its functions where Python keeps those of modules without a file."""
    name = f"<archc {sha256(text.encode()).hexdigest()[:16]}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    module = ModuleType(name)
    exec(compile(text, name, "exec", dont_inherit=True), module.__dict__)
    return module


def identity(equations: Equations) -> str:
    """That from which the bits of the kernel follow: its text, the versions of what compiles and multiplies, and the GPU."""
    versions = [
        importlib.import_module("triton").__version__,
        torch.__version__,
        str(torch.version.cuda),
        torch.cuda.get_device_name(),
    ]
    return sha256("\0".join([step_kernels(equations), *versions]).encode()).hexdigest()[:32]

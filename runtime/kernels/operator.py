"""`archc::recurrence`: the steps of a cell as one operator with a derivative, so that what traces PyTorch sees one node.

Its kernels, for a CPU or a GPU, are known by the name that `register` gave them. Where a derivative is to be differentiated again, the
steps are computed in PyTorch (`steps`).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

from ...compiler.recurrence.cpp import translation_unit
from ...compiler.recurrence.terms import Equations
from . import build, gpu
from .calls import DTYPES, Kernel, Made
from .layer import in_cache
from .steps import adjoints, steps

_kernels: dict[str, Kernel | gpu.StepKernel] = {}
ran: Counter[str] = Counter()  # how often each kernel ran forward in this process


def register(equations: Equations, dtype: torch.dtype, device: str = "cpu", *, cached: bool = False) -> str:
    """Builds the kernel, or where only what is `cached` is wanted loads it, and gives its name; raises `CannotBuild`. `device`
    is the type of one, `cpu` or `cuda`."""
    name = name_of(equations, dtype, device)
    if name not in _kernels:
        if device == "cuda":
            _kernels[name] = gpu.kernel(equations, dtype)
        else:
            library = build.library(translation_unit([equations], DTYPES[dtype]), cached=cached)
            _kernels[name] = Kernel(equations, library)
    return name


def columns_of(name: str) -> int:
    """How many the tensors of a kernel have."""
    return _kernels[name].columns


def kernel_of(name: str) -> Kernel | gpu.StepKernel:
    """The kernel that was registered as this."""
    return _kernels[name]


def register_all(cells: Sequence[Equations], dtype: torch.dtype) -> list[str]:
    """As `register`, of many cells in one library."""
    library = build.library(translation_unit(cells, DTYPES[dtype]))
    names = [name_of(equations, dtype) for equations in cells]
    _kernels.update({name: Kernel(cells[number], library, number) for number, name in enumerate(names)})
    return names


def name_of(equations: Equations, dtype: torch.dtype, device: str = "cpu") -> str:
    return f"{sha256(repr(equations).encode()).hexdigest()[:32]}_{DTYPES[dtype]}_{device}"


def identity(equations: Equations, dtype: torch.dtype, device: str = "cpu") -> str:
    """That from which the bits of the kernel follow: its text, the compiler with its flags, and the processor."""
    if device == "cuda":
        return gpu.identity(equations)
    return build.identity(translation_unit([equations], DTYPES[dtype]))


@torch.library.custom_op("archc::recurrence", mutates_args=())
def recurrence(
    given: Tensor, vectors: Tensor, weights: Sequence[Tensor], states: Sequence[Tensor], length: Tensor | None, name: str
) -> list[Tensor]:
    """All steps. given [T, B, C, P], vectors [V, P], weights G matrices [to, from], states [B, P] each, length int[B]; P is the largest
    width padded.

    Returns each output [T, B, P] and each last state [B, P]; then, for the derivative alone, what `Made` holds.
    """
    return _run(given, vectors, weights, states, length, name)


def _run(
    given: Tensor, vectors: Tensor, weights: Sequence[Tensor], states: Sequence[Tensor], length: Tensor | None, name: str
) -> list[Tensor]:
    ran[name] += 1
    kernel = _kernels[name]
    made, results = _empty(kernel, given, states)
    for whole, start in zip(made.states, states, strict=True):
        whole[0] = start
    kernel.forward(given, vectors, kernel.packed(_rows(weights)), made, results, length, kept=True)
    return [*results, *(whole[-1].clone() for whole in made.states), *made.tensors()]


def _empty(kernel: Kernel | gpu.StepKernel, given: Tensor, states: Sequence[Tensor]) -> tuple[Made, list[Tensor]]:
    equations = kernel.equations
    steps, batch, _, padded = given.shape
    carried = [given.new_empty(steps + 1, batch, padded) for _ in states]
    results = [given.new_empty(steps, batch, padded) for _ in equations.results]
    return Made.empty(equations, kernel.saved, given, steps, carried), results


def _rows(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The numbers of a row side by side."""
    return [x if x.stride(-1) == 1 else x.contiguous() for x in tensors]


def without_derivative(
    given_of: Callable[[int, int], Tensor],
    steps: int,
    vectors: Tensor,
    weights: Sequence[Tensor],
    states: Sequence[Tensor],
    length: Tensor | None,
    name: str,
) -> list[Tensor]:
    """Each output and each last state, as `recurrence` gives them; nothing is kept, and `given_of` is asked for as many steps at a
    time as stay in the cache."""
    ran[name] += 1
    kernel, (batch, padded) = _kernels[name], states[0].shape
    packed = kernel.packed(_rows(weights))
    made = Made.empty(kernel.equations, kernel.saved, states[0], 1, [torch.stack((start, start)) for start in states])
    results = [states[0].new_empty(steps, batch, padded) for _ in kernel.equations.results]
    chunk = in_cache(batch * padded * max(len(kernel.equations.given), 1) * states[0].element_size())
    for begin in range(0, steps, chunk):
        end = min(begin + chunk, steps)
        left = None if length is None else length - begin
        kernel.forward(given_of(begin, end), vectors, packed, made, [x[begin:end] for x in results], left, kept=False)
    last = steps % 2  # an even number of steps, as all chunks but the last have, ends where it began
    return [*results, *(pair[last] for pair in made.states)]


@recurrence.register_fake
def _(
    given: Tensor, vectors: Tensor, weights: Sequence[Tensor], states: Sequence[Tensor], length: Tensor | None, name: str
) -> list[Tensor]:
    made, results = _empty(_kernels[name], given, states)
    return [*results, *(torch.empty_like(x) for x in states), *made.tensors()]


@torch.library.custom_op("archc::recurrence_backward", mutates_args=())
def recurrence_backward(
    given: Tensor,
    vectors: Tensor,
    weights: Sequence[Tensor],
    made: Sequence[Tensor],
    length: Tensor | None,
    last: Sequence[Tensor],
    results: Sequence[Tensor],
    name: str,
) -> list[Tensor]:
    """The adjoints of given, vectors, the first states and the weights, from those of the last states and of the outputs."""
    back = _run_back(given, vectors, weights, made, length, last, results, name)
    own = len(back) - len(weights)  # what an operator gives is memory of its own, and these are parts of one product
    return [*back[:own], *(x.clone(memory_format=torch.contiguous_format) for x in back[own:])]


def _run_back(
    given: Tensor,
    vectors: Tensor,
    weights: Sequence[Tensor],
    made: Sequence[Tensor],
    length: Tensor | None,
    last: Sequence[Tensor],
    results: Sequence[Tensor],
    name: str,
) -> list[Tensor]:
    kernel = _kernels[name]
    kept = Made.of(kernel.saved, made)
    d_given = torch.empty_like(given, memory_format=torch.contiguous_format)
    d_product = given.new_empty(*given.shape[:2], kernel.starts.count(None), given.shape[-1])
    d_vectors = given.new_zeros(given.shape[1], len(vectors), given.shape[-1])
    d_states = [x.clone(memory_format=torch.contiguous_format) for x in last]
    d_results = _rows(results)
    kernel.backward(given, vectors, _rows(weights), kept, d_results, d_states, d_given, d_product, d_vectors, length)
    with torch.autocast(given.device.type, enabled=False):
        d_weights = _of_weights(kernel, kept, d_given, d_product, weights)
    return [d_given, d_vectors.sum(0), *d_states, *d_weights]


def _of_weights(
    kernel: Kernel | gpu.StepKernel, made: Made, d_given: Tensor, d_product: Tensor, weights: Sequence[Tensor]
) -> list[Tensor]:
    """Over all steps, and all products of one row whose adjoints are in one tensor, at once."""
    found, equations, starts = [torch.empty(0)] * len(weights), kernel.equations, kernel.starts
    steps, batch, _, padded = d_given.shape
    for source, apart, products in kernel.together:
        rows = made.states[source] if source < equations.states else made.saved[source - equations.states]
        width = weights[products[0]].shape[1]
        before = rows.view(-1, padded)[: steps * batch, :width]  # the last states enter no product
        places = [starts[:g].count(None) if (start := starts[g]) is None else start for g in products]
        mine = _columns(d_product if apart else d_given, places)
        slopes = mine.view(steps * batch, -1).t() @ before
        for g, slope in zip(products, slopes.view(len(products), padded, width), strict=True):
            found[g] = slope if len(weights[g]) == padded else slope[: len(weights[g])]
    return found


def _columns(tensor: Tensor, places: list[int]) -> Tensor:
    """Some of the maps of [T, B, C, P], where they lie if they lie side by side."""
    if places != list(range(places[0], places[0] + len(places))):
        return tensor[:, :, places]
    return tensor if len(places) == tensor.shape[2] else tensor.narrow(2, places[0], len(places))


@recurrence_backward.register_fake
def _(
    given: Tensor,
    vectors: Tensor,
    weights: Sequence[Tensor],
    made: Sequence[Tensor],
    length: Tensor | None,
    last: Sequence[Tensor],
    results: Sequence[Tensor],
    name: str,
) -> list[Tensor]:
    return [torch.empty_like(x, memory_format=torch.contiguous_format) for x in (given, vectors, *last, *weights)]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    given, vectors, weights, states, length, ctx.name = inputs
    ctx.states, ctx.weights = len(states), len(weights)
    ctx.results = len(_kernels[ctx.name].equations.results)
    ctx.has_length = length is not None
    ctx.set_materialize_grads(False)
    made = output[ctx.results + ctx.states :]
    ctx.save_for_backward(given, vectors, *weights, *states, *([length] if length is not None else []), *made)


def _derivative(ctx: Any, grads: list[Tensor | None]) -> tuple[Any, ...]:
    given, vectors, *rest = ctx.saved_tensors
    weights, rest = rest[: ctx.weights], rest[ctx.weights :]
    starts, rest = rest[: ctx.states], rest[ctx.states :]
    length, made = (rest[0], rest[1:]) if ctx.has_length else (None, rest)
    results = [given.new_zeros(*given.shape[:2], given.shape[-1]) if d is None else d for d in grads[: ctx.results]]
    pairs = zip(grads[ctx.results : ctx.results + ctx.states], starts, strict=True)
    last = [torch.zeros_like(start) if d is None else d for d, start in pairs]
    if torch.is_grad_enabled():  # this derivative has derivatives
        return _differentiable(ctx.name, given, vectors, weights, starts, length, [*last, *results])
    back = recurrence_backward if is_watched(given) else _run_back
    d_given, d_vectors, *found = back(given, vectors, weights, made, length, last, results, ctx.name)
    return d_given, d_vectors, found[ctx.states :], found[: ctx.states], None, None


def _differentiable(
    name: str,
    given: Tensor,
    vectors: Tensor,
    weights: Sequence[Tensor],
    starts: Sequence[Tensor],
    length: Tensor | None,
    grads: list[Tensor],
) -> tuple[Any, ...]:
    """The derivative by way of PyTorch's own, of the steps in PyTorch."""
    leaves = [x if x.requires_grad else x.detach().requires_grad_() for x in (given, vectors, *weights, *starts)]
    end = 2 + len(weights)
    made = steps(_kernels[name].equations, leaves[0], leaves[1], leaves[2:end], leaves[end:], length)
    whole = adjoints(made, leaves, grads)
    return whole[0], whole[1], whole[2:end], whole[end:], None, None


recurrence.register_autograd(_derivative, setup_context=_keep)


class Recurrence(torch.autograd.Function):
    """`recurrence` without PyTorch's dispatcher, which takes half a millisecond for it: as long as a hundred steps of a small cell."""

    @staticmethod
    def forward(
        ctx: Any, name: str, count: int, length: Tensor | None, given: Tensor, vectors: Tensor, *rest: Tensor
    ) -> tuple[Tensor, ...]:
        inputs = (given, vectors, rest[:count], rest[count:], length, name)
        made = _run(*inputs)
        _keep(ctx, inputs, made)
        return tuple(made)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        given, vectors, weights, states, *_ = _derivative(ctx, list(grads))
        return None, None, None, given, vectors, *weights, *states


def over_time(
    given: Tensor, vectors: Tensor, weights: Sequence[Tensor], states: Sequence[Tensor], length: Tensor | None, name: str
) -> list[Tensor]:
    """As `recurrence`, which is one node for what traces the network, and past the dispatcher where nothing does."""
    if is_watched(given):
        watched: list[Tensor] = recurrence(given, vectors, weights, states, length, name)
        return watched
    made: tuple[Tensor, ...] = Recurrence.apply(name, len(weights), length, given, vectors, *weights, *states)  # type: ignore[no-untyped-call]
    return list(made)


def is_watched(x: Tensor) -> bool:
    """Does something trace or stand in for what is computed with this tensor, to which the operator must be one node?"""
    traced = (
        torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None or torch._C._are_functorch_transforms_active()
    )
    return traced or type(x) is not Tensor or _get_current_dispatch_mode() is not None

"""A cell whose inputs all enter by maps of one kind, on a CPU: its maps and its steps in one node of autograd, from its parameters as they
are. Of a short sequence the operations around the steps take longer than the steps do, so there are as few of them as may be."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from .calls import Kernel, Made, Maps
from .frame import addresses
from .layout import Block, Layout
from .steps import adjoints, steps

CHUNK = 1 << 23  # bytes of what is ready ahead that stay in the last cache


class Parts(NamedTuple):
    """What a layer computes from, all of one dtype: x [B, T, depth], vectors [V, P], states [B, P] each, and the weights and the biases,
    these of the layers that have maps with one."""

    x: Tensor
    vectors: Tensor
    starts: Sequence[Tensor]
    weights: Sequence[Tensor]
    biases: Sequence[Tensor]

    @staticmethod
    def of(layout: Layout, states: int, tensors: Sequence[Tensor]) -> "Parts":
        x, vectors, *rest = tensors
        end = states + len(layout.keys)
        return Parts(x, vectors, rest[:states], rest[states:end], rest[end:])

    @property
    def tensors(self) -> list[Tensor]:
        return [self.x, self.vectors, *self.starts, *self.weights, *self.biases]


def over_time(kernel: Kernel, layout: Layout, parts: Parts, length: Tensor | None) -> list[Tensor]:
    """Each output [B, T, P] and each last state [B, P]."""
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in parts.tensors):
        return list(Layer.apply(kernel, layout, length, *parts.tensors))  # type: ignore[no-untyped-call]
    return _without_derivative(kernel, layout, parts, length)


def _without_derivative(kernel: Kernel, layout: Layout, parts: Parts, length: Tensor | None) -> list[Tensor]:
    """Nothing is kept, and what is ready ahead is made for as many steps at a time as stay in the cache."""
    x, vectors, starts = parts.x.transpose(0, 1).contiguous(), parts.vectors, parts.starts
    (count, batch, depth), padded, rows = x.shape, layout.columns, layout.rows
    maps, room, made = kernel.frame.kept("forward", (x.dtype, batch, rows, depth), lambda: _room(kernel, layout, x))
    bias = room if parts.biases else None
    packed = _packed(kernel, layout, parts, maps, bias)
    results, lasts = written(kernel, layout, parts)
    chunk = in_cache(batch * rows * x.element_size())
    for begin in range(0, count, chunk):
        end = min(begin + chunk, count)
        now, outputs = (x, results) if chunk >= count else (x[begin:end], [y[:, begin:end] for y in results])
        given = functional.linear(now, maps, bias).view(end - begin, batch, -1, padded)
        left = length - begin if length is not None and begin else length
        first, last = starts if begin == 0 else (), lasts if end == count else ()
        kernel.forward(given, vectors, packed, made, outputs, left, kept=False, starts=first, lasts=last)
    return [*results, *lasts]


def _room(kernel: Kernel, layout: Layout, like: Tensor) -> tuple[Tensor, Tensor, Made]:
    """For joined maps and their biases, and for what is made in a step."""
    with torch.inference_mode(False):  # memory of that mode is written to in no other
        states = [like.new_empty(2, like.shape[1], layout.columns) for _ in range(kernel.equations.states)]
        made = Made.empty(kernel.equations, kernel.saved, like, 1, states)
        return like.new_empty(layout.rows, layout.depth), like.new_empty(layout.rows), made


def in_cache(step: int) -> int:
    """How many steps of so many bytes: an even number, so that states which take turns end where they began."""
    return max(CHUNK // step // 2 * 2, 2)


def _packed(kernel: Kernel, layout: Layout, parts: Parts, maps: Tensor, bias: Tensor | None) -> Tensor:
    """The weights of products for the kernel; the maps of inputs and their biases are joined."""
    at, biased, size = addresses(parts.weights), addresses(parts.biases), maps.element_size()
    biases = [biased[place] + row * size for place, row in layout.biases] if biased else []
    joined = Maps(layout.of_maps.matrices(at, size), biases, maps, bias)
    return kernel.prepared(layout.of_products.matrices(at, size), maps, joined)


def written(kernel: Kernel, layout: Layout, parts: Parts) -> tuple[list[Tensor], list[Tensor]]:
    """The outputs and the last states, which the kernel writes."""
    (batch, count, _), padded, like = parts.x.shape, layout.columns, parts.x
    results = [like.new_empty_strided((batch, count, padded), (padded, batch * padded, 1)) for _ in kernel.equations.results]
    return results, [like.new_empty(batch, padded) for _ in parts.starts]


class Layer(torch.autograd.Function):
    """The steps with all that their derivative needs."""

    @staticmethod
    def forward(ctx: Any, kernel: Kernel, layout: Layout, length: Tensor | None, *tensors: Tensor) -> tuple[Tensor, ...]:
        parts = Parts.of(layout, kernel.equations.states, tensors)
        x = parts.x.transpose(0, 1).contiguous()
        (count, batch, _), padded = x.shape, layout.columns
        maps, bias = x.new_empty(layout.rows, layout.depth), x.new_empty(layout.rows) if parts.biases else None
        packed = _packed(kernel, layout, parts, maps, bias)
        states = [x.new_empty(count + 1, batch, padded) for _ in parts.starts]
        made, (results, lasts) = Made.empty(kernel.equations, kernel.saved, x, count, states), written(kernel, layout, parts)
        given = functional.linear(x, maps, bias).view(count, batch, -1, padded)
        kernel.forward(given, parts.vectors, packed, made, results, length, kept=True, starts=parts.starts, lasts=lasts)
        ctx.kernel, ctx.layout, ctx.count = kernel, layout, len(tensors)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, x, maps if ctx.needs_input_grad[3] else None, given, length, *made.tensors())
        return *results, *lasts

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        kernel: Kernel = ctx.kernel
        equations, saved = kernel.equations, ctx.saved_tensors
        parts = Parts.of(ctx.layout, equations.states, saved[: ctx.count])
        x, maps, given, length, *made = saved[ctx.count :]
        results, lasts = grads[: len(equations.results)], grads[len(equations.results) :]
        if torch.is_grad_enabled():  # this derivative has derivatives
            return None, None, None, *differentiable(kernel, ctx.layout, parts, length, grads)
        (count, batch, _, padded), d_states = given.shape, of_lasts(lasts, parts)
        d_results = of_results(results, (count, batch, padded), like=given)
        d_given = torch.empty_like(given)
        d_product = given.new_empty(count, batch, kernel.starts.count(None), padded)
        d_vectors = given.new_zeros(batch, len(parts.vectors), padded)
        kept, weights = Made.of(kernel.saved, made), ctx.layout.of_products.matrices(addresses(parts.weights), x.element_size())
        kernel.backward(given, parts.vectors, weights, kept, d_results, d_states, d_given, d_product, d_vectors, length)
        with without_autocast(given):
            d_weights = _of_weights(ctx.layout, x, kept, d_given, d_product)
            d_biases = _of_biases(ctx.layout, d_given) if parts.biases else []
            d_x = None
            if maps is not None:
                d_x = of_inputs(d_given, maps.view(-1, padded, ctx.layout.depth)[:, : ctx.layout.maps[0].rows])
        d_vector = d_vectors.sum(0) if equations.vectors else None
        return None, None, None, d_x, d_vector, *d_states, *d_weights, *d_biases


def without_autocast(like: Tensor) -> AbstractContextManager[Any]:
    """Nothing where there is none: to switch it off takes as long as two operations."""
    kind = like.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def of_results(grads: Sequence[Tensor | None], shape: tuple[int, int, int], like: Tensor) -> list[Tensor]:
    """The adjoints of outputs, [T, B, P] each, the numbers of whose rows lie side by side."""
    found = [like.new_zeros(shape) if d is None else d.transpose(0, 1) for d in grads]
    return [d if d.stride(-1) == 1 else d.contiguous() for d in found]


def of_lasts(grads: Sequence[Tensor | None], parts: Parts) -> list[Tensor]:
    """The adjoints of the last states, [B, P] each, in memory that is written to."""
    return [
        start.new_zeros(start.shape) if d is None else d.clone(memory_format=torch.contiguous_format)
        for d, start in zip(grads, parts.starts, strict=True)
    ]


def _of_weights(layout: Layout, x: Tensor, made: Made, d_given: Tensor, d_product: Tensor) -> list[Tensor]:
    """All in one piece of memory, in which each product writes its part."""
    found, rows = d_given.new_empty(layout.size), [*made.states, *made.saved, x]  # the last are the INPUTS
    steps, padded = d_given.shape[0] * d_given.shape[1], d_given.shape[3]
    for run in layout.runs:
        read, height = rows[run.source], run.maps * run.rows
        slopes = d_product if run.apart else d_given
        left = slopes.as_strided((height, steps), (1, slopes.shape[2] * padded), run.place * padded)
        right = read.as_strided((steps, run.columns), (read.shape[2], 1))  # the last states enter no product
        weight = found.as_strided((height, run.columns), (run.pitch, 1), run.at)
        if 4 * run.columns < height and steps > 2048:  # MKL takes up to a sixth less for so narrow a one lying
            weight.copy_((right.t() @ left.t()).t())
        else:
            torch.mm(left, right, out=weight)
    return [found.as_strided(shape, (shape[1], 1), begin) for shape, begin in zip(layout.shapes, layout.begins, strict=True)]


def _of_biases(layout: Layout, d_given: Tensor) -> list[Tensor]:
    """The sums over all steps, put together for each layer: as a product, which takes half as long where they are many."""
    rows = d_given.view(-1, layout.rows)
    whole = rows.new_ones(1, len(rows)) @ rows if len(rows) > 512 else rows.sum(0)
    sums = whole.view(len(layout.maps), -1).unbind()
    of_layers = [
        [sums[c][: layout.maps[c].rows] if layout.is_padded else sums[c] for c in order] for order in layout.biased if order
    ]
    return [parts[0] if len(parts) == 1 else torch.cat(parts) for parts in of_layers]


def of_inputs(d_given: Tensor, maps: Tensor) -> Tensor:
    """[B, T, depth], by maps [C, width, depth]. What stands in the padding is no number of the derivative."""
    (count, batch, _, _), (many, width, depth) = d_given.shape, maps.shape
    slopes = d_given[..., :width].reshape(count * batch, many * width)
    return (slopes @ maps.reshape(many * width, depth)).view(count, batch, depth).transpose(0, 1)


def differentiable(
    kernel: Kernel, layout: Layout, parts: Parts, length: Tensor | None, grads: Sequence[Tensor | None]
) -> list[Tensor]:
    """The derivative by way of PyTorch's own, of the steps in PyTorch."""
    tensors = [tensor if tensor.requires_grad else tensor.detach().requires_grad_() for tensor in parts.tensors]
    leaves = Parts.of(layout, len(parts.starts), tensors)
    maps, weights = ([block_of(b, leaves.weights) for b in blocks] for blocks in (layout.maps, layout.products))
    biases = (
        [leaves.biases[place][row : row + maps[0].shape[0]] for place, row in layout.biases]
        if leaves.biases
        else [None] * len(maps)
    )
    x, padding = leaves.x.transpose(0, 1), (0, layout.columns - maps[0].shape[0])
    given = [functional.pad(functional.linear(x, weight, bias), padding) for weight, bias in zip(maps, biases, strict=True)]
    made = steps(kernel.equations, torch.stack(given, dim=2), leaves.vectors, weights, leaves.starts, length)
    states = len(parts.starts)
    outputs = [*(y.transpose(0, 1) for y in made[states:]), *made[:states]]
    return adjoints(outputs, tensors, grads)


def block_of(block: Block, weights: Sequence[Tensor]) -> Tensor:
    return weights[block.layer][block.row : block.row + block.rows, block.column : block.column + block.columns]

"""A cell whose steps multiply nothing, on a CPU: one node of autograd, and in it one call of its kernel, which takes the maps of its inputs
within the scan over the steps."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...compiler.recurrence.prelude import LANES
from .calls import Kernel
from .frame import addresses
from .layer import Parts, block_of, differentiable, of_inputs, of_lasts, of_results, without_autocast, written
from .layout import Layout

FEW = 32  # rows that a library sooner multiplies than their maps are laid out for a scan


def is_faster(kernel: Kernel, layout: Layout, x: Tensor) -> bool:
    """Than the steps after a product of a library: for inputs [B, T, depth]. The threads share the tiles of a scan."""
    return kernel.scans and x.shape[0] * x.shape[1] >= FEW and layout.columns // LANES >= torch.get_num_threads()


def over_time(kernel: Kernel, layout: Layout, parts: Parts, length: Tensor | None) -> list[Tensor]:
    """Each output [B, T, P] and each last state [B, P]."""
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in parts.tensors):
        return list(Scan.apply(kernel, layout, length, *parts.tensors))  # type: ignore[no-untyped-call]
    x = _inputs(parts)
    with torch.inference_mode(False):  # as `_room`
        states = kernel.frame.kept("states", (x.dtype, x.shape[1], layout.columns), lambda: _states(kernel, layout, x, 2))
    return _scan(kernel, layout, parts, x, states, None, length)


class Scan(torch.autograd.Function):
    """The steps with all that their derivative needs."""

    @staticmethod
    def forward(ctx: Any, kernel: Kernel, layout: Layout, length: Tensor | None, *tensors: Tensor) -> tuple[Tensor, ...]:
        parts = Parts.of(layout, kernel.equations.states, tensors)
        x = _inputs(parts)
        count, batch, _ = x.shape
        states, given = _states(kernel, layout, x, count + 1), x.new_empty(count, batch, layout.rows)
        made = _scan(kernel, layout, parts, x, states, given, length)
        ctx.kernel, ctx.layout, ctx.count = kernel, layout, len(tensors)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, given, length, *states)
        return tuple(made)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        kernel: Kernel = ctx.kernel
        layout: Layout = ctx.layout
        parts = Parts.of(layout, kernel.equations.states, ctx.saved_tensors[: ctx.count])
        given, length, *states = ctx.saved_tensors[ctx.count :]
        if torch.is_grad_enabled():  # this derivative has derivatives
            return None, None, None, *differentiable(kernel, layout, parts, length, grads)
        x = _inputs(parts)
        (count, batch, _), outputs, columns = x.shape, len(kernel.equations.results), layout.columns
        d_results, d_states = of_results(grads[:outputs], (count, batch, columns), like=x), of_lasts(grads[outputs:], parts)
        d_given = x.new_empty(count, batch, len(layout.maps), columns) if ctx.needs_input_grad[3] else None
        d_vectors = x.new_zeros(batch, len(parts.vectors), columns)
        d_weights, d_biases = ([torch.empty_like(of) for of in parameters] for parameters in (parts.weights, parts.biases))
        frame, call = kernel.frame, kernel.frame.call
        call.d_given, call.d_vectors = None if d_given is None else d_given.data_ptr(), d_vectors.data_ptr()
        frame.point(d_states=addresses(d_states), d_results=addresses(d_results), d_biases=_biases(layout, d_biases))
        frame.point(d_maps=layout.of_maps.matrices(addresses(d_weights), x.element_size()).addresses)
        frame.point(result_steps=[d.stride(0) for d in d_results], result_rows=[d.stride(1) for d in d_results])
        _call("scan_back", kernel, layout, parts, x, states, given, length)
        d_x = None
        if d_given is not None:
            with without_autocast(x):
                d_x = of_inputs(d_given, torch.stack([block_of(block, parts.weights) for block in layout.maps]))
        d_vector = d_vectors.sum(0) if kernel.equations.vectors else None
        return None, None, None, d_x, d_vector, *d_states, *d_weights, *d_biases


def _inputs(parts: Parts) -> Tensor:
    """[T, B, depth], the numbers of whose rows lie side by side."""
    x = parts.x if parts.x.stride(-1) == 1 else parts.x.contiguous()
    return x.transpose(0, 1)


def _scan(
    kernel: Kernel, layout: Layout, parts: Parts, x: Tensor, states: list[Tensor], given: Tensor | None, length: Tensor | None
) -> list[Tensor]:
    """Outputs and last states, of inputs [T, B, depth]; what is `given` and all states are kept where there is room for that."""
    results, lasts = written(kernel, layout, parts)
    kernel.frame.call.kept = given is not None
    kernel.frame.point(starts=addresses(parts.starts), lasts=addresses(lasts), results=addresses(results))
    _call("scan", kernel, layout, parts, x, states, given, length)
    return [*results, *lasts]


def _call(
    name: str,
    kernel: Kernel,
    layout: Layout,
    parts: Parts,
    x: Tensor,
    states: Sequence[Tensor],
    given: Tensor | None,
    length: Tensor | None,
) -> None:
    """Calls a function of the kernel, with what both read."""
    frame, call, vectors = kernel.frame, kernel.frame.call, parts.vectors.contiguous()
    length = None if length is None else length.contiguous()
    maps = layout.of_maps.matrices(addresses(parts.weights), x.element_size())
    room = frame.kept("joined", (x.dtype, layout.rows, layout.depth), lambda: _room(layout, x))
    call.x, call.vectors, call.joined, call.bias = x.data_ptr(), vectors.data_ptr(), room[0].data_ptr(), room[1].data_ptr()
    call.given, call.length = (None if tensor is None else tensor.data_ptr() for tensor in (given, length))
    (call.steps, call.batch, call.depth), (call.x_step, call.x_row, _) = x.shape, x.stride()
    call.columns, call.threads = layout.columns, torch.get_num_threads()
    frame.point(states=addresses(states), maps=maps.addresses, map_strides=maps.apart, biases=_biases(layout, parts.biases))
    kernel.functions[name](frame.reference)


def _biases(layout: Layout, biases: Sequence[Tensor]) -> list[int]:
    """Of each map the address of its bias in those of the layers, 0 where it has none."""
    at = addresses(biases)
    return [at[place] + row * biases[0].element_size() for place, row in layout.biases] if biases else [0] * len(layout.maps)


def _room(layout: Layout, like: Tensor) -> tuple[Tensor, Tensor]:
    """For all maps of inputs, and for their biases."""
    with torch.inference_mode(False):  # memory of that mode is written to in no other
        return like.new_empty(layout.rows, layout.depth), like.new_empty(layout.rows)


def _states(kernel: Kernel, layout: Layout, like: Tensor, steps: int) -> list[Tensor]:
    """[tiles, steps, B, lanes] each."""
    shape = layout.columns // LANES, steps, like.shape[1], LANES
    return [like.new_empty(shape) for _ in range(kernel.equations.states)]

"""A network before and after a pass: both texts executed, with the same weights, on the same inputs, from the same random state."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from archc.compiler.emit.torch import emit_module
from archc.compiler.graph import Graph
from archc.compiler.passes.base import Pass, Pipeline

from ..emit.torch.running import arguments, executed, filled, inputs


def after(graph: Graph, *passes: Pass) -> Graph:
    """The graph after the passes, verified."""
    return Pipeline(passes=passes).run(graph)


def network(graph: Graph, **other: int | float) -> nn.Module:
    """Its class, executed, with weights that depend on their keys alone."""
    emitted = emit_module(graph, "spec.arch")
    return filled(executed(emitted)(**{**arguments(graph, emitted), **other})).double()


def batch(graph: Graph) -> list[Tensor]:
    """Inputs of both signs; floats take gradients."""
    return [tensor.double().requires_grad_() if tensor.is_floating_point() else tensor for tensor in inputs(graph)]


def run(module: nn.Module, given: Sequence[Tensor]) -> tuple[list[Tensor], dict[str, Tensor | None]]:
    """What comes out, and all gradients of one number made of it."""
    torch.manual_seed(0)
    result = module(*given)
    outputs = list(result) if isinstance(result, tuple) else [result]
    for tensor in (*given, *module.parameters()):
        tensor.grad = None
    total = sum((output.double() * (k + 1)).square().sum() for k, output in enumerate(outputs))
    assert isinstance(total, Tensor)
    if total.requires_grad:
        torch.autograd.backward(total)
    gradients = {f"input {k}": tensor.grad for k, tensor in enumerate(given)}
    return outputs, gradients | {name: tensor.grad for name, tensor in module.named_parameters()}


def assert_equal(before: nn.Module, after: nn.Module, given: Sequence[Tensor]) -> None:
    """The same keys, outputs, gradients and buffers, in training and in evaluation."""
    assert list(before.state_dict()) == list(after.state_dict())
    for training in (True, False):
        expected, expected_gradients = run(before.train(training), given)
        found, gradients = run(after.train(training), given)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12, equal_nan=True)
        for name, gradient in expected_gradients.items():
            assert_same_gradient(name, gradients[name], gradient)
    for key, tensor in before.state_dict().items():
        torch.testing.assert_close(after.state_dict()[key], tensor, msg=key)


def assert_same_gradient(name: str, found: Tensor | None, expected: Tensor | None) -> None:
    """Equal; none is as good as zeros."""
    if found is None or expected is None:
        assert all(tensor is None or not tensor.any() for tensor in (found, expected)), name
    else:
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10, equal_nan=True, msg=name)

"""Kernels for the cells of a network: each recurrence whose equations allow it runs fused, the others as they did, with the reason."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...compiler.plan import RecurrencePlan
from ...compiler.recurrence.terms import Equations, Given, Vector
from .build import CannotBuild

EXACT = (torch.float32, torch.float64)


class Attached(NamedTuple):
    """By the path of each recurrence: the identity of its kernel, or why it has none."""

    kernels: dict[str, str]
    plain: dict[str, str]


def attach(model: nn.Module, recurrences: Iterable[RecurrencePlan], *, cached: bool = False) -> Attached:
    """Puts kernels under the recurrences of `model`, building what is not built yet unless only what is `cached` is wanted."""
    attached = Attached({}, {})
    for plan in recurrences:
        if plan.equations is None:
            attached.plain[plan.path] = plan.reason
            continue
        from .operator import identity, register

        at = model.get_submodule(plan.path)
        dtype = next((weight.dtype for weight in at.parameters()), torch.get_default_dtype())
        try:
            names = {dtype: register(plan.equations, dtype, cached=cached)}
            attached.kernels[plan.path] = identity(plan.equations, dtype)
        except CannotBuild as reason:
            attached.plain[plan.path] = str(reason)
            continue
        for cell in [at._modules["forward"], at._modules["backward"]] if plan.both else [at]:
            assert cell is not None
            cell.forward = Fused(cell, plan.equations, plan.stepped, names)
    return attached


@dataclass
class Fused:
    """In place of a cell's `forward`: `cell(x, *states, length=…, reverse=…)` in one operator.

    What the operator has no kernel for (another dtype or device, an export, no steps) runs as the class of the cell says.
    """

    cell: nn.Module
    equations: Equations
    stepped: int
    names: dict[torch.dtype, str]  # of its kernels, empty where there is none for a dtype

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Copied, or come from another process: its kernels are found or built here, too, when they are needed."""
        self.__dict__.update(state, names={})

    def _kernel(self, dtype: torch.dtype) -> str:
        """The name of the kernel for a dtype, built if it must be; without one the cell runs as its class says."""
        if dtype not in self.names:
            from .operator import register

            try:
                self.names[dtype] = register(self.equations, dtype)
            except CannotBuild:
                self.names[dtype] = ""
        return self.names[dtype]

    def __call__(self, *tensors: Tensor, length: Tensor | None = None, reverse: bool = False) -> tuple[Tensor, ...]:
        inputs, state = list(tensors[: self.stepped]), tensors[self.stepped :]
        if not self._can_run(inputs):
            return cast("tuple[Tensor, ...]", type(self.cell).forward(self.cell, *tensors, length=length, reverse=reverse))
        if reverse:
            inputs = [_reversed(x, length) for x in inputs]
        start = state or cast("Any", self.cell).initial_state(*(x[:, 0] for x in inputs))
        made = self._run([x.transpose(0, 1).contiguous() for x in inputs], start, None if length is None else length.long())
        width, count = self.equations.width, len(self.equations.results)
        outputs = [x[:, :, :width].transpose(0, 1) for x in made[:count]]
        if reverse:
            outputs = [_reversed(x, length) for x in outputs]
        return *outputs, *(x[:, :width] for x in made[count : count + self.equations.states])

    def _run(self, inputs: list[Tensor], start: tuple[Tensor, ...], length: Tensor | None) -> list[Tensor]:
        """Outputs and last states, padded, of inputs with their steps first."""
        from .calls import padded_width
        from .operator import recurrence, without_derivative

        pad, name = padded_width(self.equations.width) - self.equations.width, self._kernel(inputs[0].dtype)
        vectors, starts = _padded(self._vectors(start[0]), pad), [_padded(x, pad).contiguous() for x in start]
        ahead = self._ahead()
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            weights = (
                torch.stack(self._weights()) if self.equations.recurrent else start[0].new_zeros(0, *(start[0].shape[-1:] * 2))
            )
            made: list[Tensor] = recurrence(_padded(ahead(inputs), pad), vectors, weights, starts, length, name)
            return made

        def given(begin: int, end: int) -> Tensor:
            return _padded(ahead([x[begin:end] for x in inputs]), pad)

        return without_derivative(given, len(inputs[0]), vectors, self._weights(), starts, length, name)

    def _can_run(self, inputs: list[Tensor]) -> bool:
        x = inputs[0]
        weights = [*self.cell.parameters(), *inputs]
        alike = all(w.dtype == x.dtype and w.device.type == "cpu" for w in weights)
        autocast = torch.is_autocast_enabled("cpu")
        return (
            alike
            and not autocast
            and x.dtype in EXACT
            and x.shape[0] > 0
            and x.shape[1] > 0
            and not torch.compiler.is_exporting()
            and self._kernel(x.dtype) != ""
        )

    def _ahead(self) -> Callable[[list[Tensor]], Tensor]:
        """What needs no state, as a function of inputs with their steps first: [T, B, C, H]."""
        columns, width = self.equations.given, self.equations.width
        layers = [self.cell.get_submodule(given.key) if given.key is not None else None for given in columns]
        weights = [None if layer is None else _columns(layer, given) for layer, given in zip(layers, columns, strict=True)]
        biases = [None if layer is None else cast("Tensor | None", layer.bias) for layer in layers]
        if _alike(columns):
            parts = columns[0].parts
            weight = torch.cat([cast("Tensor", each) for each in weights])
            bias = torch.cat([cast("Tensor", each) for each in biases]) if columns[0].bias else None

            def at_once(inputs: list[Tensor]) -> Tensor:
                x = _joined([inputs[part.source] for part in parts])
                return functional.linear(x, weight, bias).view(*x.shape[:-1], len(columns), width)

            return at_once

        def one_by_one(inputs: list[Tensor]) -> Tensor:
            found = []
            for given, weight, bias in zip(columns, weights, biases, strict=True):
                x = inputs[given.source] if weight is None else _joined([inputs[part.source] for part in given.parts])
                found.append(x if weight is None else functional.linear(x, weight, bias))
            return torch.stack(found, dim=2) if found else inputs[0].new_zeros(*inputs[0].shape[:2], 0, width)

        return one_by_one

    def _vectors(self, like: Tensor) -> Tensor:
        """[V, H]."""
        found = [self._vector(vector) for vector in self.equations.vectors]
        return torch.stack(found) if found else like.new_zeros(0, self.equations.width)

    def _vector(self, vector: Vector) -> Tensor:
        owner = self.cell.get_submodule(vector.key) if vector.bias else self.cell
        return cast("Tensor", getattr(owner, "bias" if vector.bias else vector.key))

    def _weights(self) -> list[Tensor]:
        """[H, H] each, to the unit that reads from the unit that is read."""
        return [
            cast("Tensor", self.cell.get_submodule(piece.key).weight)[:, piece.start : piece.stop]
            for piece in self.equations.recurrent
        ]


def _alike(columns: tuple[Given, ...]) -> bool:
    """Are they all maps of the same inputs, so that one product gives them?"""
    first = columns[0] if columns else None
    return first is not None and all(
        given.key is not None
        and given.bias == first.bias
        and [part.source for part in given.parts] == [part.source for part in first.parts]
        for given in columns
    )


def _columns(layer: nn.Module, given: Given) -> Tensor:
    """The columns of a layer's weight that meet the inputs."""
    return _joined([cast("Tensor", layer.weight)[:, part.start : part.stop] for part in given.parts])


def _joined(tensors: list[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim=-1)


def _padded(x: Tensor, pad: int) -> Tensor:
    return functional.pad(x, (0, pad)) if pad else x


def _reversed(x: Tensor, length: Tensor | None) -> Tensor:
    """The steps of each example, dim 1, in reverse; those past its length stay where they are."""
    if length is None:
        return x.flip(1)
    t, end = torch.arange(x.shape[1], device=x.device), length[:, None]
    return x[torch.arange(x.shape[0], device=x.device)[:, None], torch.where(t < end, end - 1 - t, t)]

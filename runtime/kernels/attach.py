"""Kernels for the cells of a network: each recurrence whose equations allow it runs fused, the others as they did, with the reason."""

from collections.abc import Iterable
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

        try:
            name = register(plan.equations, cached=cached)
            attached.kernels[plan.path] = identity(plan.equations)
        except CannotBuild as reason:
            attached.plain[plan.path] = str(reason)
            continue
        at = model.get_submodule(plan.path)
        for cell in [at._modules["forward"], at._modules["backward"]] if plan.both else [at]:
            assert cell is not None
            cell.forward = Fused(cell, plan.equations, name, plan.stepped)
    return attached


@dataclass
class Fused:
    """In place of a cell's `forward`: `cell(x, *states, length=…, reverse=…)` in one operator.

    What the operator has no kernel for (another dtype or device, an export, no steps) runs as the class of the cell says.
    """

    cell: nn.Module
    equations: Equations
    name: str
    stepped: int

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Copied, or come from another process: the kernel is found or built here, too; without one the cell runs as its class says."""
        from .operator import register

        self.__dict__.update(state)
        try:
            self.name = register(self.equations)
        except CannotBuild:
            self.name = ""

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
        from .operator import padded_width, recurrence, without_derivative

        pad = padded_width(self.equations.width) - self.equations.width
        vectors, weights = _padded(self._vectors(start[0]), pad), self._weights(start[0])
        weights = functional.pad(weights, (0, 0, 0, pad)) if pad else weights
        starts = [_padded(x, pad).contiguous() for x in start]
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            made: list[Tensor] = recurrence(_padded(self._given(inputs), pad), vectors, weights, starts, length, self.name)
            return made

        def given(begin: int, end: int) -> Tensor:
            return _padded(self._given([x[begin:end] for x in inputs]), pad)

        return without_derivative(given, len(inputs[0]), vectors, weights, starts, length, self.name)

    def _can_run(self, inputs: list[Tensor]) -> bool:
        x = inputs[0]
        weights = [*self.cell.parameters(), *inputs]
        alike = all(w.dtype == x.dtype and w.device.type == "cpu" for w in weights)
        autocast = torch.is_autocast_enabled("cpu")
        return (
            self.name != ""
            and alike
            and not autocast
            and x.dtype in EXACT
            and x.shape[0] > 0
            and x.shape[1] > 0
            and not torch.compiler.is_exporting()
        )

    def _given(self, inputs: list[Tensor]) -> Tensor:
        """What needs no state, for all steps: [T, B, C, H]."""
        if _alike(self.equations.given):
            first = self.equations.given[0]
            layers = [self.cell.get_submodule(given.key or "") for given in self.equations.given]
            weight = torch.cat([_columns(layer, given) for layer, given in zip(layers, self.equations.given, strict=True)])
            bias = torch.cat([cast("Tensor", layer.bias) for layer in layers]) if first.bias else None
            x = _joined([inputs[part.source] for part in first.parts])
            return functional.linear(x, weight, bias).view(*x.shape[:-1], len(layers), self.equations.width)
        columns = []
        for given in self.equations.given:
            if given.key is None:
                columns.append(inputs[given.source])
                continue
            layer = self.cell.get_submodule(given.key)
            x = _joined([inputs[part.source] for part in given.parts])
            columns.append(functional.linear(x, _columns(layer, given), cast("Tensor | None", layer.bias)))
        if not columns:
            return inputs[0].new_zeros(*inputs[0].shape[:2], 0, self.equations.width)
        return torch.stack(columns, dim=2)

    def _vectors(self, like: Tensor) -> Tensor:
        """[V, H]."""
        found = [self._vector(vector) for vector in self.equations.vectors]
        return torch.stack(found) if found else like.new_zeros(0, self.equations.width)

    def _vector(self, vector: Vector) -> Tensor:
        owner = self.cell.get_submodule(vector.key) if vector.bias else self.cell
        return cast("Tensor", getattr(owner, "bias" if vector.bias else vector.key))

    def _weights(self, like: Tensor) -> Tensor:
        """[G, H, H], to the unit that reads from the unit that is read."""
        found = [
            cast("Tensor", self.cell.get_submodule(piece.key).weight)[:, piece.start : piece.stop]
            for piece in self.equations.recurrent
        ]
        return torch.stack(found) if found else like.new_zeros(0, self.equations.width, self.equations.width)


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

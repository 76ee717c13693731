"""A phase about one part of the model: its own little network, and what the model hands to it, computed once.

The network shares the part's parameters and buffers, so whatever moves it moves the model. What goes into the part is taken from the
model's forward pass in evaluation mode, which is left as soon as the part is reached; it is kept in memory, or in a file without a name
when it outgrows it.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ...compiler.plan import InstancePlan, SolvePlan
from ..data.batches import Batches, in_order
from ..data.held import Batch, Held, Ready, first, together
from ..data.parts import ONCE, Part
from ..executable import Executable
from ..loader import load_text
from . import closed
from .determinism import evaluating
from .phases import Phase
from .wiring import Wiring

CAPTURED = 1024  # rows that go through the model at once


class _Reached(Exception):
    """The part is reached; what is behind it need not be computed."""


def alone(exe: Executable, plan: InstancePlan, model: nn.Module) -> nn.Module:
    """The part as a network of its own, with the parameters and buffers of the model."""
    made: nn.Module = getattr(load_text(exe, plan.source, {}), plan.model.class_name)()
    part = model.get_submodule(plan.path)
    for name, module in made.named_modules():
        own = part.get_submodule(name)
        module._parameters, module._buffers = own._parameters, own._buffers
    return made


@dataclass
class Staged(Phase):
    """A phase about one part. `whole` is the model; the columns of its wiring, `feed`, are its inputs and what the part's terms read."""

    whole: nn.Module = field(default_factory=nn.Module)
    feed: Wiring | None = None
    parts: Mapping[str, Part] = field(default_factory=dict)
    seed: int = 0
    pause: Callable[[], None] = lambda: None

    @property
    def instance(self) -> InstancePlan:
        assert self.plan.instance is not None
        return self.plan.instance

    @property
    def steps(self) -> int:
        """One where the part is solved."""
        return 1 if self.instance.solve is not None else super().steps

    def begin(self) -> None:
        """Takes what goes into the part from the model as it is now, then begins as any phase does."""
        for parameter in self.whole.parameters():
            parameter.grad = None
        self.batches = Batches(self.captured("train"), self.plan.batch, self.seed, self.device)
        self.validation = self.captured("validation") if "validation" in self.parts else None
        super().begin()
        for parameter in self.whole.parameters():
            parameter.requires_grad_(False)
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name not in self.frozen)

    def train(self) -> None:
        self.whole.eval()
        super().train()

    # What goes into the part ------------------------------------------------------------------------------------------

    def captured(self, part: str) -> Held:
        """What the model hands to the part over the rows of a part of the data, and the columns."""
        assert self.feed is not None
        held = self.parts[part].held(self.feed.columns)
        kept: list[_Kept] = []
        with torch.no_grad(), evaluating(self.device):
            for batch in in_order(held, CAPTURED, self.device):
                self.pause()
                row = self.into(batch)
                kept = kept or [_Kept(len(held)) for _ in row]
                for one, tensor in zip(kept, row, strict=True):
                    one.add(tensor)
        return Ready([one.whole() for one in kept], held.lengths)

    def into(self, batch: Batch) -> Batch:
        """What the model hands to the part on a batch, and the columns of it that the part's terms read."""
        assert self.feed is not None
        found: list[Tensor] = []
        names = [i.name for i in self.instance.model.inputs]

        def reached(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            values = [*given, *named.values()]
            found.extend(value.detach() for value in values[: len(names)])
            raise _Reached

        given = self.feed.given(batch)
        handle = self.whole.get_submodule(self.instance.path).register_forward_pre_hook(reached, with_kwargs=True)
        training = self.whole.training
        self.whole.eval()
        try:
            self.whole.forward(*[given[i] for i in self.feed.inputs])
        except _Reached:
            pass
        finally:
            handle.remove()
            self.whole.train(training)
        columns = self.wiring.columns[len(names) :]
        return (*found, *(batch[self.feed.columns.index(name)] for name in columns))

    def first(self, rows: int) -> Batch:
        """The first rows of the training part, as the part is given them."""
        assert self.feed is not None
        with torch.no_grad():
            return self.into(first(self.parts["train"].held(self.feed.columns), rows, self.device))

    # Closed forms -----------------------------------------------------------------------------------------------------

    def solve(self, pause: Callable[[], None]) -> float:
        """Sets the layer's weights to what solves for its target; gives the loss that is left. `pause` may raise before anything is set."""
        plan = self.instance.solve
        assert plan is not None
        layer = self.whole.get_submodule(f"{self.instance.path}.{plan.layer}")
        weight, bias = layer.get_parameter("weight"), layer._parameters.get("bias")
        with torch.no_grad(), evaluating(self.device):
            if plan.method == "logistic":
                found = closed.logistic(lambda: self.blocks(plan, pause), len(weight), plan.l2, bias is not None)
            else:
                found = closed.linear(self.blocks(plan, pause), plan.l2, bias is not None)
            weight.copy_(found.weight)
            if bias is not None and found.bias is not None:
                bias.copy_(found.bias)
        return found.loss

    def blocks(self, plan: SolvePlan, pause: Callable[[], None]) -> Iterator[closed.Block]:
        """What goes into the layer, and what it should give, over the training part."""
        self.model.eval()
        places, target = self.wiring.metrics[0].positions, self.wiring.metrics[0].function
        for batch in in_order(self.batches.held, CAPTURED, self.device):
            pause()
            values = self.wiring.forward(self.model, batch)
            x = torch.cat(values[: plan.features], -1) if plan.features > 1 else values[0]
            y = target(*[values[i] for i in places])
            rows = x.flatten(0, -2)
            yield rows, y.flatten() if plan.method == "logistic" else y.flatten(0, -2)


class _Kept:
    """Tensors of batches one after another: in memory, or in a file where all of them will be too large."""

    def __init__(self, rows: int) -> None:
        self.rows, self.filled = rows, 0
        self.batches: list[Tensor] = []
        self.file: Tensor | None = None

    def add(self, tensor: Tensor) -> None:
        if not self.batches and self.file is None and tensor.numel() * tensor.element_size() // len(tensor) * self.rows > ONCE:
            self.file = _on_disk((self.rows, *tensor.shape[1:]), tensor.dtype)
        if self.file is not None:
            self.file[self.filled : self.filled + len(tensor)] = tensor.cpu()
            self.filled += len(tensor)
        else:
            self.batches.append(tensor.cpu())

    def whole(self) -> Tensor:
        return self.file if self.file is not None else together(self.batches)


def _on_disk(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A tensor in a file that is gone when nobody holds the tensor any more."""
    with tempfile.NamedTemporaryFile(prefix="archc-") as file:
        size = torch.Size(shape).numel()
        file.truncate(size * torch.empty((), dtype=dtype).element_size())
        return torch.from_file(file.name, shared=True, size=size, dtype=dtype).reshape(tuple(shape))

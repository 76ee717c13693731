"""Networks with cells, a step at a time: `initial_state(batch)` and `step(x, state)` of what `archc.load` gives.

The step is a network of its own, written by the compiler (see `compiler.streaming`) and built at the first call, with the weights of the
network it belongs to, not copies of them. States are values: none is changed, and any may be gone on from, again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..compiler.streaming.rewrite import NOW, NotStreamed
from ..compiler.streaming.source import SteppedSource, stepped_source
from ..dsl.span import NOWHERE
from .faults.sampling import BadState, NotStepped
from .loader import load_text
from .stops import Misused

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..compiler.pipeline import Compiled
    from .executable import CompiledLike, Executable

State = tuple[tuple["Tensor", ...], ...]
"""The states of each recurrence, in the order in which a step comes to them; last, where the network has inputs that are the same at all
steps, what was made of them."""


def give_steps(model: nn.Module, what: CompiledLike | Executable) -> nn.Module:
    """The model, with `step` and `initial_state` where it has cells (and no part of its own by these names)."""
    names = ("step", "initial_state")
    if what.plan.model.recurrences and not any(hasattr(model, name) for name in names):
        steps = Steps(model, dict(what.sources), what.name, dict(what.hyperparameters))
        for name in names:
            setattr(model, name, getattr(steps, name))
    return model


class Steps:
    """The step of a network, made when it is first wanted; copies and pickles make it anew."""

    def __init__(self, model: nn.Module, sources: dict[str, str], name: str, hypers: dict[str, Any]) -> None:
        self.model, self.sources, self.name, self.hypers = model, sources, name, hypers
        self._made: _Made | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": None}

    def initial_state(self, batch: int, **others: Any) -> State:
        """What the states of `batch` examples are before the first step.

        `others` are, by name, the sizes of dims that are free beside the batch and the steps (`H=32`), and inputs that are the same at
        all steps. Raises `archc.Stopped` where the network cannot be computed step by step.
        """
        made = self._ready()
        given = self._given(made, others)
        sizes = {name: value for name, value in others.items() if isinstance(value, int)}
        started: list[tuple[Tensor, ...]] = []
        hooks = [
            part.register_forward_pre_hook(lambda cell, args, n=stepped: started.append(_start(cell, args, n)))
            for part, stepped in made.cells
        ]
        training = made.step.training
        try:
            made.step.eval()
            made.step(*given, *(self._zeros(name, batch, sizes) for name in made.source.stepped), made.cache())
        finally:
            made.step.train(training)
            for hook in hooks:
                hook.remove()
        return (*started, given) if made.before is not None else tuple(started)

    def step(self, *given: Any) -> tuple[Any, State]:
        """`step(x, state)`: what the network says of all steps up to this one, and the state that the next goes on from.

        x is one step of the input, `[B, …]` without the dim of the steps, and so are outputs that have one for each step. Inputs that are
        stepped together come in the order of the spec: `step(x, y, state)`. Raises `archc.Stopped` where the network cannot be computed
        step by step, or where the state is of another one.
        """
        made = self._ready()
        *inputs, state = given or ((),)
        self._check(made, inputs, state)
        kept, before = (state[:-1], state[-1]) if made.before is not None else (state, ())
        cache = made.cache()
        cache.kept = list(kept)
        made.step.train(self.model.training)
        outputs = made.step(*before, *(x.unsqueeze(1) for x in inputs), cache)
        several = outputs if isinstance(outputs, tuple) else (outputs,)
        now = tuple(x if axis in (None, NOW) else x.select(axis, 0) for x, axis in zip(several, made.source.moving, strict=True))
        if len(cache.kept) != len(kept) or cache.turn != len(kept):
            raise self._wrong("the last argument is what initial_state or the step before gave")
        after = tuple(tuple(states) for states in cache.kept)
        return now if isinstance(outputs, tuple) else now[0], (*after, before) if made.before is not None else after

    # What is made once ------------------------------------------------------------------------------------------------

    def _ready(self) -> _Made:
        if self._made is None:
            from .loading import recompiled

            compiled = recompiled(self.sources, self.name, self.hypers)
            try:
                source = stepped_source(compiled.graph, "spec.arch")
            except NotStreamed as reason:
                raise Misused(NotStepped(NOWHERE, self.name, str(reason))) from None
            self._made = _Made(compiled, source, self.model)
        return self._made

    def _given(self, made: _Made, others: Mapping[str, Any]) -> tuple[Tensor, ...]:
        """What is made once of the inputs that are the same at all steps."""
        missing = [name for name in made.source.others if name not in others]
        if missing:
            raise self._wrong(f"initial_state wants {missing[0]} too, which is the same at all steps")
        if made.before is None:
            return ()
        found = made.before(*(others[name] for name in made.source.others))
        return found if isinstance(found, tuple) else (found,)

    def _zeros(self, name: str, batch: int, sizes: Mapping[str, int]) -> Tensor:
        """One step of an input, in which nothing is."""
        import torch

        plan = self._ready().inputs[name]
        shape = [batch, 1]
        for size in plan.shape[2:]:
            known = size if isinstance(size, int) else sizes.get(size)
            if known is None:
                raise self._wrong(f"initial_state wants the size of {size}: initial_state({batch}, {size}=…)")
            shape.append(known)
        weight = next(self.model.parameters(), None)
        device = weight.device if weight is not None else None
        floats = weight.dtype if weight is not None and weight.is_floating_point() else torch.get_default_dtype()
        dtype = {"float": floats, "int": torch.long, "bool": torch.bool}[plan.dtype]
        return torch.zeros(shape, dtype=dtype, device=device)

    def _check(self, made: _Made, inputs: list[Any], state: Any) -> None:
        names = made.source.stepped
        if len(inputs) != len(names):
            raise self._wrong(f"it is called as step({', '.join([*names, 'state'])})")
        if not isinstance(state, tuple | list) or not all(isinstance(states, tuple | list) for states in state):
            raise self._wrong("the last argument is what initial_state or the step before gave")

    def _wrong(self, reason: str) -> Misused:
        return Misused(BadState(NOWHERE, self.name, reason))


class _Made:
    """The network of a step, of one model."""

    def __init__(self, compiled: Compiled, source: SteppedSource, model: nn.Module) -> None:
        from .sampling.streams import built

        self.source = source
        self.step = built(compiled, source.text.step, model)
        self.before = None if source.text.before is None else built(compiled, source.text.before, model)
        self.cache: Callable[[], Any] = load_text(compiled, source.text.step.text, source.text.step.spans).Cache
        self.inputs = {plan.name: plan for plan in compiled.plan.model.inputs}
        self.cells = [(self.step.get_submodule(plan.path), plan.stepped) for plan in compiled.plan.model.recurrences]


def _start(cell: Any, args: tuple[Any, ...], stepped: int) -> tuple[Tensor, ...]:
    """What the states of a cell are before the first step; `args` are what it is called with."""
    found: tuple[Tensor, ...] = cell.initial_state(*(x[:, 0] for x in args[:stepped]), *args[stepped:])
    return found

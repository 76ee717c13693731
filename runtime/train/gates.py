"""`watch gates`: how far each gate of a network stands open, looked at on one batch after every epoch.

The look is of the first rows of the training part, in evaluation mode, by a source of the network that shows its gates; weights are shared,
kernels and random states are left alone, so that no bit of a training depends on it. A gate is `closed` (`open`) where it lies within a
tenth of its range from its least (largest) value, as Karpathy, Johnson & Fei-Fei (2016, "Visualizing and Understanding Recurrent Networks")
count saturation; one without a largest value is never open. Steps past the length of an example do not count.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from ...compiler.gates import watched_source
from ..data.batches import Batch
from ..executable import Executable
from ..export.formats import relative_sources
from ..loader import load_text
from ..loading import recompiled
from .determinism import evaluating
from .wiring import Wiring

ROWS = 32
SHARE = 0.1  # of a gate's range: as near to an end as this it is saturated
Gates = dict[str, dict[str, float]]


class GateWatch:
    """Looks at the gates of a model; `batch` is what it looks with."""

    def __init__(self, exe: Executable, model: nn.Module, wiring: Wiring, batch: Batch) -> None:
        self.wiring, self.batch = wiring, tuple(column[:ROWS] for column in batch)
        compiled = recompiled(relative_sources(exe), exe.name, dict(exe.hyperparameters))
        source = watched_source(compiled.graph, "spec.arch")
        self.module = load_text(compiled, source.text, source.spans)
        arguments = {source.keywords.get(name, name): compiled.hyperparameters[name] for name in source.parameters}
        with torch.device("meta"):
            self.shown: nn.Module = getattr(self.module, source.class_name)(**arguments)
        self.shown.load_state_dict(model.state_dict(keep_vars=True), assign=True)
        self.shown.eval()

    def look(self) -> Gates:
        """By its path and name (`recur1.f`), of each gate the mean, the spread (standard deviation), and the shares closed and open."""
        seen: dict[str, list[Tensor]] = {}
        bounds: dict[str, tuple[float | None, float | None]] = {}
        paths = {id(part): path for path, part in self.shown.named_modules()}

        def see(part: nn.Module, name: str, gate: Tensor, low: float | None, high: float | None, here: Tensor | None) -> None:
            key = ".".join(piece for piece in (paths.get(id(part), ""), name) if piece)
            bounds[key] = low, high
            seen.setdefault(key, []).append((gate if here is None else gate[here]).flatten())

        given = self.wiring.given(self.batch)
        inputs = [given[i] for i in self.wiring.inputs]
        with torch.no_grad(), evaluating(inputs[0].device), _looking(self.module, see):
            self.shown(*inputs)
        return {key: _told(torch.cat(values), *bounds[key]) for key, values in seen.items()}


See = Callable[[nn.Module, str, Tensor, float | None, float | None, Tensor | None], None]


@contextmanager
def _looking(module: ModuleType, see: See) -> Iterator[None]:
    """Within: gates of the module's classes are seen, with which examples are inside their length at the step."""
    here: list[Tensor | None] = [None]

    def seen(part: nn.Module, name: str, gate: Tensor, low: float | None, high: float | None) -> Tensor:
        see(part, name, gate.detach(), low, high, here[-1])
        return gate

    def over_time(step: Any, inputs: Any, state: Any, length: Tensor | None, reverse: bool) -> Any:
        steps = iter(range(inputs[0].shape[1]))

        def counted(*given: Any) -> Any:
            t = next(steps)
            here.append(None if length is None else t < length)
            try:
                return step(*given)
            finally:
                here.pop()

        return before["over_time"](counted, inputs, state, length, reverse)

    replaced: dict[str, Any] = {"seen": seen, "over_time": over_time}
    before = {name: module.__dict__[name] for name in replaced if name in module.__dict__}
    module.__dict__.update({name: replaced[name] for name in before})
    try:
        yield
    finally:
        module.__dict__.update(before)


def _told(values: Tensor, low: float | None, high: float | None) -> dict[str, float]:
    values = values.double()
    margin = SHARE * ((high - low) if low is not None and high is not None else 1.0)
    closed = (values < low + margin).double().mean() if low is not None else values.new_zeros(())
    opened = (values > high - margin).double().mean() if high is not None else values.new_zeros(())
    pairs = {"mean": values.mean(), "spread": values.std(correction=0), "closed": closed, "open": opened}
    return {name: float(value) for name, value in pairs.items()}

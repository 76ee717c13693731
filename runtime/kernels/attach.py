"""Kernels for the cells of a network: each recurrence whose equations allow it runs fused, the others as they did, with the reason."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...compiler.plan import RecurrencePlan
from ...compiler.recurrence.joined import joined
from ...compiler.recurrence.known import Known, known
from ...compiler.recurrence.phases import width_of
from ...compiler.recurrence.terms import Equations, Given, Slice, Vector
from . import layer, operator, scan
from .build import CannotBuild
from .calls import Kernel
from .known import Weights, over_time
from .known import identity as identity_of_known
from .layer import Parts, without_autocast
from .layout import alike, layout
from .pieces import Cuts, Pieces, cuts

COMPUTED_IN = {torch.float32: torch.float32, torch.float64: torch.float64, torch.bfloat16: torch.float32}
DEVICES = ("cpu", "cuda")
KNOWN_ON = ("cuda",)  # where a cell that PyTorch has itself runs in PyTorch's; on a CPU it does where no kernel can be built
WITHOUT_SECOND = ("LSTM",)  # whose derivative PyTorch cannot differentiate on a CPU: there it serves only what does not learn
PLAIN = {Tensor, nn.Parameter}
FEW = 8  # steps that are sooner done in PyTorch than the weights are packed


class Attached(NamedTuple):
    """By the path of each recurrence: the identity of its kernel, or why it has none."""

    kernels: dict[str, str]
    plain: dict[str, str]


def attach(
    model: nn.Module,
    recurrences: Iterable[RecurrencePlan],
    *,
    cached: bool = False,
    evaluating: bool = False,
    twice: bool = False,
) -> Attached:
    """Puts kernels under the recurrences of `model`, building what is not built yet unless only what is `cached` is wanted. With
    `evaluating` they run in evaluation mode alone. `twice`: their derivatives will be differentiated, which PyTorch's own cells on a GPU
    cannot be."""
    attached = Attached({}, {})
    for plan in recurrences:
        if plan.equations is None:
            attached.plain[plan.path] = plan.reason
            continue
        at = model.get_submodule(plan.path)
        like = next(at.parameters(), torch.empty(0))
        kind, names = (COMPUTED_IN.get(like.dtype, torch.float32), like.device.type), dict[tuple[torch.dtype, str], str]()
        theirs = None if twice else known(plan.equations)
        is_theirs = theirs is not None and like.device.type in KNOWN_ON
        try:
            if theirs is not None and is_theirs:
                attached.kernels[plan.path] = identity_of_known(theirs)
            if not is_theirs or like.is_cuda:  # for what traces the network too
                names[kind] = operator.register(plan.equations, *kind, cached=cached)
            if not is_theirs:
                attached.kernels[plan.path] = operator.identity(plan.equations, *kind)
        except CannotBuild as reason:
            if cached and not is_theirs:  # it is built later
                attached.plain[plan.path] = str(reason)
                continue
            names[kind] = ""
            if not is_theirs and theirs is not None and theirs.kind not in WITHOUT_SECOND:
                attached.kernels[plan.path] = identity_of_known(theirs)
            elif not is_theirs:
                attached.plain[plan.path] = str(reason)
            if theirs is None:
                continue
        for cell in [at._modules["forward"], at._modules["backward"]] if plan.both else [at]:
            assert cell is not None
            cell.forward = Fused(cell, plan.equations, plan.stepped, names, theirs, evaluating)
    return attached


@dataclass
class Fused:
    """In place of a cell's `forward`: `cell(x, *states, length=…, reverse=…)` in one operator.

    What the operator has no kernel for (another dtype or device, an export, no steps) runs as the class of the cell says. bfloat16, as the
    dtype of the network or under autocast, is computed in float32, and outputs and states are given in the dtype of the inputs.
    """

    cell: nn.Module
    equations: Equations
    stepped: int
    names: dict[tuple[torch.dtype, str], str]  # of its kernels by dtype and type of device, empty where there is none
    known: Known | None = None  # the cell of PyTorch that it is
    evaluating: bool = False  # in training, and for a few steps, it runs as its class says
    _cuts: dict[str, Cuts] | None = None

    def __post_init__(self) -> None:
        e = self.equations
        slices = (*e.recurrent, *(part for given in e.given for part in given.parts))
        self._keys = list(dict.fromkeys(piece.key for piece in slices))  # of the layers whose weights are in products
        self._layout = layout(e, self.stepped, joined(e).starts)
        self._held = [e.widths[width] for width in e.held or (0,) * e.states]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Copied, or come from another process: its kernels are found or built here, too, when they are needed."""
        self.__dict__.update(state, names={})

    def _kernel(self, dtype: torch.dtype, device: str) -> str:
        """The name of the kernel for tensors of a dtype and a device, built if it must be; without one the cell runs as its class says."""
        kind = dtype, device
        if kind not in self.names:
            try:
                self.names[kind] = operator.register(self.equations, *kind)
            except CannotBuild:
                self.names[kind] = ""
        return self.names[kind]

    def __call__(self, *tensors: Tensor, length: Tensor | None = None, reverse: bool = False) -> tuple[Tensor, ...]:
        count = self.stepped + self.equations.constants
        ahead, same, state = list(tensors[: self.stepped]), list(tensors[self.stepped : count]), tensors[count:]
        dtype = self._computed_in([*ahead, *same])
        if dtype is None:
            return cast("tuple[Tensor, ...]", type(self.cell).forward(self.cell, *tensors, length=length, reverse=reverse))
        if reverse:
            ahead = [_reversed(x, length) for x in ahead]
        start = state or cast("Any", self.cell).initial_state(*(x.select(1, 0) for x in ahead), *same)
        inputs, start = [_as(x, dtype) for x in (*ahead, *same)], tuple(_in(x, dtype) for x in start)
        with without_autocast(inputs[0]):
            made = self._over_time(inputs, start, None if length is None else length.long(), reverse=reverse)
        return tuple(_as(x, tensors[0].dtype) for x in made)

    def _over_time(
        self, inputs: list[Tensor], start: tuple[Tensor, ...], length: Tensor | None, *, reverse: bool
    ) -> tuple[Tensor, ...]:
        """Outputs and last states, of inputs of one dtype which are in the order of the steps."""
        like = inputs[0]
        if self._is_known(like.dtype, like.device.type):
            y, last = self._by_torch(inputs, start, length)
            return *([_reversed(y, length) if reverse else y] * len(self.equations.results)), *last
        if (made := self._as_layer(inputs, start, length)) is None:
            ahead = [x.transpose(0, 1).contiguous() for x in inputs[: self.stepped]]
            made = self._run([*ahead, *inputs[self.stepped :]], start, length)
            count = len(self.equations.results)
            made = [*(x.transpose(0, 1) for x in made[:count]), *made[count:]]
        return self._cut(made, length, reverse=reverse)

    def _as_layer(self, inputs: list[Tensor], start: tuple[Tensor, ...], length: Tensor | None) -> list[Tensor] | None:
        """Outputs with their steps in dim 1 and last states, padded; none where something traces it, or its parameters are not plain ones
        of the shapes that its equations say."""
        if operator.is_watched(like := inputs[0]) or (at := self._layout) is None:
            return None
        kernel = operator.kernel_of(name := self._kernel(like.dtype, like.device.type))
        if not isinstance(kernel, Kernel):
            return None
        layers = [self._layer(key)._parameters for key in at.keys]
        found: list[Tensor | None] = [own["weight"] for own in layers if "weight" in own]  # one that is computed is none
        found += [own["bias"] for own, order in zip(layers, at.biased, strict=True) if order and "bias" in own]
        tensors = [x for x in (*found, *start) if x is not None and type(x) in PLAIN]
        keys, all_parameters, batch, dtype = len(at.keys), len(at.parameters), like.shape[0], like.dtype
        if [x.shape for x in tensors] != [*at.parameters, *((batch, width) for width in self._held)]:
            return None
        operator.ran[name] += 1
        if {x.dtype for x in tensors} != {dtype} or not all(map(Tensor.is_contiguous, tensors)):
            tensors = [_in(x, dtype).contiguous() for x in tensors]
        weights, biases, starts = tensors[:keys], tensors[keys:all_parameters], tensors[all_parameters:]
        if at.is_padded:
            starts = [_padded(x, at.columns) for x in starts]
        x = _joined([inputs[source] for source in at.inputs])
        over = scan.over_time if scan.is_faster(kernel, at, x) else layer.over_time
        return over(kernel, at, Parts(x, self._vectors(x, at.columns), starts, weights, biases), length)

    def _is_known(self, dtype: torch.dtype, device: str) -> bool:
        """Does PyTorch's own cell run on such tensors? Traced, the operator is one node, and PyTorch's cell is none."""
        if self.known is None or torch.compiler.is_compiling():
            return False
        learning = torch.is_grad_enabled() and self.known.kind in WITHOUT_SECOND
        return device in KNOWN_ON or not (learning or self._kernel(dtype, device))

    def _by_torch(self, inputs: list[Tensor], start: tuple[Tensor, ...], length: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """Its output and last states, of inputs with their steps in dim 1."""
        assert self.known is not None
        e, gates, like, pieces = self.equations, self.known.gates, start[0], self._pieces(start[0])
        weights = [pieces.of(piece) for piece in e.recurrent]
        givens, none = [e.given[gate.given] for gate in gates], start[0].new_zeros(e.width)
        joined = Weights(
            torch.cat([self._columns(given, pieces) for given in givens]),
            torch.cat([weights[gate.product] for gate in gates]),
            torch.cat([self._bias(given, like) if given.bias else none for given in givens]),
            torch.cat([none if gate.vector is None else self._vector(e.vectors[gate.vector]).to(like.dtype) for gate in gates]),
        )
        x = _joined([inputs[part.source] for part in givens[0].parts])
        return over_time(self.known, x, joined, start, length)

    def _cut(self, made: list[Tensor], length: Tensor | None, *, reverse: bool) -> tuple[Tensor, ...]:
        """The outputs, with the steps in dim 1, and the last states, without what they are padded with."""
        e = self.equations
        count = len(e.results)
        if not reverse and e.widths == (made[0].shape[-1],):
            return tuple(made[: count + e.states])
        outputs = [_narrowed(x, e.widths[width_of(e, term)]) for x, term in zip(made[:count], e.results, strict=True)]
        if reverse:
            outputs = [_reversed(x, length) for x in outputs]
        return *outputs, *(_narrowed(x, width) for x, width in zip(made[count:], self._held, strict=False))

    def _run(self, inputs: list[Tensor], start: tuple[Tensor, ...], length: Tensor | None) -> list[Tensor]:
        """Outputs and last states, padded, of inputs with their steps first."""
        name = self._kernel(start[0].dtype, start[0].device.type)
        columns = operator.columns_of(name)
        vectors, starts = self._vectors(start[0], columns), [_padded(x, columns).contiguous() for x in start]
        pieces = self._pieces(start[0])
        ahead, weights = self._ahead(columns, pieces, start[0]), [pieces.of(piece) for piece in self.equations.recurrent]
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return operator.over_time(ahead(inputs), vectors, weights, starts, length, name)

        def given(begin: int, end: int) -> Tensor:
            return ahead([x[begin:end] if n < self.stepped else x for n, x in enumerate(inputs)])

        return operator.without_derivative(given, len(inputs[0]), vectors, weights, starts, length, name)

    def _computed_in(self, inputs: list[Tensor]) -> torch.dtype | None:
        """The dtype of the kernel; none where there is no kernel for such tensors."""
        x = inputs[0]
        places, device = {(w.dtype, w.device) for w in (*_parameters(self.cell), *inputs)}, x.device.type
        kinds = {kind for kind, _ in places if kind.is_floating_point}
        autocast = torch.is_autocast_enabled(device)
        if autocast and device == "cpu" and kinds <= {torch.float32, torch.bfloat16}:
            kinds, autocast = {torch.float32}, False  # as far as autocast goes, they mix
        dtype = COMPUTED_IN.get(kinds.pop()) if len(kinds) == 1 else None
        here = device in DEVICES and len({place for _, place in places}) == 1 and x.is_floating_point()
        few = self.evaluating and (self.cell.training or x.shape[1] < FEW)
        runs = here and not autocast and not few and x.shape[0] > 0 and x.shape[1] > 0 and not torch.compiler.is_exporting()
        if dtype is None or not runs or (device == "cuda" and dtype != x.dtype):
            return None
        return dtype if self._is_known(dtype, device) or self._kernel(dtype, device) else None

    def _ahead(self, columns: int, pieces: Pieces, like: Tensor) -> Callable[[list[Tensor]], Tensor]:
        """What needs no state, as a function of inputs with their steps first, and of those that have none: [T, B, C, columns]."""
        givens = self.equations.given
        if alike(givens, self.stepped):
            weight = torch.cat([self._columns(given, pieces) for given in givens])
            bias = torch.cat([self._bias(given, like) for given in givens]) if givens[0].bias else None
            width = self.equations.widths[givens[0].width]

            def at_once(inputs: list[Tensor]) -> Tensor:
                x = _joined([inputs[part.source] for part in givens[0].parts])
                made = functional.linear(x, weight, bias)
                return _padded(made.view(*x.shape[:-1], len(givens), width), columns)

            return at_once

        def one_by_one(inputs: list[Tensor]) -> Tensor:
            size = inputs[0].shape[:2]
            found = [_padded(self._given(given, pieces, inputs), columns).expand(*size, columns) for given in givens]
            return torch.stack(found, dim=2) if found else inputs[0].new_zeros(*size, 0, columns)

        return one_by_one

    def _given(self, given: Given, pieces: Pieces, inputs: list[Tensor]) -> Tensor:
        """One column of what is ready ahead: [T, B, width], or without the steps where it is the same at all of them."""
        widths, x = self.equations.widths, inputs[0]
        if given.noise:
            assert given.key is not None
            return cast("Tensor", self.cell.get_submodule(given.key)(x.new_ones(*x.shape[:2], widths[given.width])))
        if given.key is None:
            found = inputs[given.source].to(x.dtype)
            return found.expand(*found.shape[:-1], widths[max(given.width, 0)]) if given.one else found
        weight, place = self._columns(given, pieces), 0
        made = self._bias(given, x) if given.bias else x.new_zeros(())
        for parts in _together(given.parts, self.stepped):
            size = sum(part.stop - part.start for part in parts)
            made = made + functional.linear(_joined([inputs[part.source] for part in parts]), weight[:, place : place + size])
            place += size
        return made

    def _vectors(self, like: Tensor, columns: int) -> Tensor:
        """[V, columns]."""
        found = [_padded(_in(self._vector(vector), like.dtype), columns) for vector in self.equations.vectors]
        return torch.stack(found) if found else like.new_empty(0, columns)

    def _vector(self, vector: Vector) -> Tensor:
        widths = self.equations.widths
        if vector.bias or vector.attribute:
            found = cast("Tensor", getattr(self.cell.get_submodule(vector.key), vector.attribute or "bias"))
            return found[vector.first : vector.first + widths[vector.width]]
        found = cast("Tensor", getattr(self.cell, vector.key))
        return found.expand(widths[max(vector.width, 0)]) if vector.one else found

    def _pieces(self, like: Tensor) -> Pieces:
        """The parts of the weights of products, in the dtype of the kernel."""
        weights = {key: _in(cast("Tensor", self._layer(key).weight), like.dtype) for key in self._keys}
        if self._cuts is None:
            self._cuts = cuts(self.equations, weights)
        return Pieces(self.equations, weights, self._cuts)

    def _layer(self, key: str) -> nn.Module:
        found = self.cell._modules.get(key)  # for most keys, and a tenth of the time of the other
        return self.cell.get_submodule(key) if found is None else found

    def _columns(self, given: Given, pieces: Pieces) -> Tensor:
        """The part of a layer's weight that meets the inputs, those that are the same at all steps last."""
        return _joined([pieces.of(part) for parts in _together(given.parts, self.stepped) for part in parts])

    def _bias(self, given: Given, like: Tensor) -> Tensor:
        assert given.key is not None
        bias, width = cast("Tensor", self._layer(given.key).bias), self.equations.widths[given.width]
        return _in(bias if bias.shape[0] == width else bias[given.first : given.first + width], like.dtype)


def _parameters(module: nn.Module) -> list[Tensor]:
    """Of a module and those in it. PyTorch's iterators, which find none twice, take five times as long."""
    found: list[Tensor] = [w for w in module._parameters.values() if w is not None]
    for child in module._modules.values():
        if child is not None:
            found += _parameters(child)
    return found


def _together(parts: tuple[Slice, ...], stepped: int) -> list[list[Slice]]:
    """The parts of inputs that go step by step, and those of inputs that are the same at all steps, where there are any."""
    halves = [[part for part in parts if part.source < stepped], [part for part in parts if part.source >= stepped]]
    return [half for half in halves if half]


def _joined(tensors: list[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim=-1)


def _in(x: Tensor, dtype: torch.dtype) -> Tensor:
    return x if x.dtype == dtype else x.to(dtype)


def _as(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Floats as this dtype, others as they are."""
    return _in(x, dtype) if x.is_floating_point() else x


def _narrowed(x: Tensor, columns: int) -> Tensor:
    return x if x.shape[-1] == columns else x[..., :columns]


def _padded(x: Tensor, columns: int) -> Tensor:
    return functional.pad(x, (0, columns - x.shape[-1])) if x.shape[-1] != columns else x


def _reversed(x: Tensor, length: Tensor | None) -> Tensor:
    """The steps of each example, dim 1, in reverse; those past its length stay where they are."""
    if length is None:
        return x.flip(1)
    t, end = torch.arange(x.shape[1], device=x.device), length[:, None]
    return x[torch.arange(x.shape[0], device=x.device)[:, None], torch.where(t < end, end - 1 - t, t)]

"""How a batch goes through the model and into losses and metrics: names become positions once, so a step looks nothing up."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from ...compiler.plan import ModelPlan, PhasePlan, SharedPlan, Term, UpdatePlan
from ..blame import blamed, first_line, out_of_memory
from ..data.batches import Batch
from ..executable import Executable
from ..faults.runs import ComputeFailed
from ..stops import InputFaults, span_of


@dataclass(frozen=True)
class Bound:
    """A term with its function and the positions of its arguments among a step's values. `slopes` gives its slopes too."""

    term: Term
    function: Callable[..., Any]
    positions: tuple[int, ...]
    slopes: Callable[..., tuple[Tensor, tuple[Tensor, ...]]] | None = None

    def __call__(self, values: Sequence[Tensor]) -> Any:
        return self.function(*[values[i] for i in self.positions])


@dataclass(frozen=True)
class Wiring:
    """`columns` are what a batch holds, in its order. A step's values: the model's outputs, its penalties, the batch, whole inputs."""

    columns: tuple[str, ...]
    whole: tuple[Tensor, ...]
    inputs: tuple[int, ...]  # positions among the batch and the whole inputs
    losses: tuple[Bound, ...]
    metrics: tuple[Bound, ...]  # and what is watched
    penalties: tuple[str, ...] = ()
    weights: tuple[tuple[int, Tensor], ...] = ()  # labels by their position in what is given, and what each label counts
    of_model: bool = False  # some term is of the model itself, which is the last of a step's values
    unread: int = 0  # outputs that are not computed, since no term reads any
    kind: torch.dtype | None = None  # what floats are turned into; none for as they are
    nexts: tuple[str, ...] = ()  # the buffers that have a next value, as targets name them
    shared: tuple[SharedPlan, ...] = ()  # what objectives of a game have in common
    taken: Mapping[str, Sequence[str]] = field(default_factory=dict)  # the shared values that each objective takes, by its method

    def of(self, update: UpdatePlan) -> tuple[Bound, ...]:
        """The losses of one update."""
        return tuple(bound for bound in self.losses if bound.term in update.losses)

    def given(self, batch: Batch) -> tuple[Tensor, ...]:
        """A batch and the whole inputs, their floats as they are computed with."""
        given = batch + self.whole
        if self.kind is None:
            return given
        return tuple(t.to(self.kind) if t.is_floating_point() else t for t in given)

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Any, ...]:
        given: tuple[Any, ...] = self.given(batch)
        if self.weights:
            given = (*given, *(table[given[at]] for at, table in self.weights))
        if self.penalties:
            method: Any = model.with_penalties
            outputs, added = method(*[given[i] for i in self.inputs])
            outputs = outputs if type(outputs) is tuple else (outputs,)
            return (*outputs, *[added[name] for name in self.penalties], *given)
        if self.unread:
            return (*(None,) * self.unread, *given, model)
        outputs = model(*[given[i] for i in self.inputs])
        if self.of_model:
            given = (*given, model)
        return (*outputs, *given) if type(outputs) is tuple else (outputs, *given)

    def loss(self, values: Sequence[Tensor]) -> Tensor:
        """The sum of the losses."""
        return self.losses_of(self.losses, values)[0]

    @staticmethod
    def losses_of(losses: Sequence[Bound], values: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The sum of losses, and each of them where there are several."""
        if len(losses) == 1:
            return losses[0](values), []
        terms: list[Tensor] = [term(values) for term in losses]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total, terms


def itself(value: Tensor) -> Tensor:
    """A penalty is a term as it is, and an objective of a game."""
    return value


def in_precision(model: nn.Module, phase: PhasePlan) -> nn.Module:
    """The model with the weights that the phase computes with; bf16 and fp16 are casts within the forward pass."""
    return model.double() if phase.precision == "float64" else model


def column_names(model: ModelPlan, phase: PhasePlan) -> tuple[str, ...]:
    """The columns that a batch must hold: the model's batched inputs, then what else losses and metrics speak of."""
    whole = [i.name for i in model.inputs if not i.batched]
    names = [i.name for i in model.inputs if i.batched]
    for term in phase.terms:
        weights = [f"{column}_weight" for column in term.balanced]
        wanted = [*term.balanced, *(a for a in term.arguments if a not in weights)]
        names += [a for a in wanted if a not in model.outputs and a not in names and a not in whole]
    return tuple(names)


def balanced(phase: PhasePlan) -> list[str]:
    """The columns whose labels are weighted by how rare they are."""
    return list(dict.fromkeys(column for term in phase.terms for column in term.balanced))


def label_weights(labels: Iterable[Tensor]) -> Tensor:
    """What each label counts so that all classes together count alike: rows over classes times rows of the class; 0 for one that is not
    among them (a row of it counts nothing)."""
    counts = torch.zeros(0, dtype=torch.float64)
    for batch in labels:
        found = torch.bincount(batch.flatten().cpu()).double()
        longer = torch.zeros(max(len(counts), len(found)), dtype=torch.float64)
        longer[: len(counts)] += counts
        longer[: len(found)] += found
        counts = longer
    there = counts > 0
    return torch.where(there, counts.sum() / (there.sum() * counts.clamp(min=1)), 0.0).float()


def wire(
    model: ModelPlan, phase: PhasePlan, program: ModuleType, whole: dict[str, Tensor], tables: Mapping[str, Tensor] | None = None
) -> Wiring:
    """The wiring of a phase. `whole` holds the inputs that are not cut into batches."""
    columns = column_names(model, phase)
    given = [*columns, *whole]
    weighted = balanced(phase)
    behind = len(model.outputs) + len(model.penalties)
    all_given = [*given, *(f"{column}_weight" for column in weighted)]

    def bound(term: Term) -> Bound:
        if term.penalty:
            return Bound(term, itself, (len(model.outputs) + model.penalties.index(term.name),))
        places = tuple(place(a) for a in term.arguments)
        if term.objective:
            return Bound(term, itself, places)
        slopes = getattr(program, term.slopes) if term.slopes is not None else None
        return Bound(term, getattr(program, term.function), (-1, *places) if term.of_model else places, slopes)

    def place(name: str) -> int:
        """Of an output, an input or a column; penalties are told by no name."""
        return model.outputs.index(name) if name in model.outputs else behind + all_given.index(name)

    of_model = any(term.of_model for term in phase.terms)
    read = {name for term in phase.terms for name in term.arguments}
    return Wiring(
        of_model=of_model,
        unread=len(model.outputs) if of_model and not model.penalties and read.isdisjoint(model.outputs) else 0,
        columns=columns,
        whole=tuple(whole.values()),
        weights=tuple((given.index(column), (tables or {})[column]) for column in weighted),
        inputs=tuple(given.index(i.name) for i in model.inputs),
        losses=tuple(bound(t) for t in phase.losses),
        metrics=tuple(bound(t) for t in (*phase.metrics, *phase.watch)),
        penalties=tuple(model.penalties),
        kind=torch.float64 if phase.precision == "float64" else None,
        nexts=tuple(model.nexts),
        shared=tuple(model.shared),
        taken=model.given,
    )


def check_losses(wiring: Wiring, values: Sequence[Tensor]) -> None:
    """Each loss is one number that the parameters have a part in."""
    for loss in wiring.losses:
        value = loss(values)
        if not isinstance(value, Tensor) or value.dim() or not value.is_floating_point():
            what = f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) and value.dim() else "no number"
            raise InputFaults(ComputeFailed(span_of(loss.term.place), f"{loss.term.name} is {what}, and a loss is one number"))
        if not value.requires_grad and not (loss.term.penalty or loss.term.objective):
            raise InputFaults(
                ComputeFailed(span_of(loss.term.place), f"no parameter of the model has a part in {loss.term.name}")
            )


def as_fault(error: Exception, exe: Executable) -> InputFaults | None:
    """An exception of generated code as a fault at its place in the spec; none where it did not come from there."""
    span = blamed(error, exe)
    if (
        span is None
        or out_of_memory(error)
        or not isinstance(error, RuntimeError | ValueError | IndexError | TypeError | KeyError)
    ):
        return None
    return InputFaults(ComputeFailed(span, first_line(error)))


def number(value: Any) -> Tensor:
    """A metric's value as a double on the CPU or the device it is on."""
    return value.detach().double() if isinstance(value, Tensor) else torch.tensor(float(value), dtype=torch.float64)

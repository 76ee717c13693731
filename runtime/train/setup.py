"""Everything that is settled before step 1: device, data, model, optimizer. A resume settles it again, the same."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from ...compiler.plan import PhasePlan, TrainPlan
from ...dsl.span import NOWHERE
from ..data.batches import Batch, Batches, in_order
from ..data.held import first
from ..data.parts import ColumnProgram, Columns, Fitted, Part
from ..data.sources import Table
from ..executable import Executable
from ..faults.runs import NoDevice, NoValidation
from ..kernels import attention, draws
from ..kernels.attach import attach
from ..kernels.build import CannotBuild
from ..loader import build, load_program
from ..loading import recompiled
from ..stops import InputFaults, Misused, span_of
from . import determinism
from .effort import Effort
from .engine import Setting
from .initial import chosen
from .optimizers import shared_out
from .phases import Phase, settled
from .staged import Staged, alone
from .wiring import Wiring, as_fault, balanced, check_losses, in_precision, label_weights, wire

COUNTED = 4096  # rows whose labels are counted at once
WEIGHTS = " weights"  # a blank: no column of fitted values has such a name


def device_of(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda` or `cuda:1` as a device that is there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise Misused(NoDevice(NOWHERE, name, "there are auto, cpu and cuda")) from None
    if device.type not in ("cpu", "cuda"):
        raise Misused(NoDevice(NOWHERE, name, "there are auto, cpu and cuda"))
    if device.type == "cuda" and not torch.cuda.is_available():
        raise Misused(NoDevice(NOWHERE, name, "torch sees no CUDA device"))
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise Misused(NoDevice(NOWHERE, name, f"torch sees {torch.cuda.device_count()} of them"))
    return device


@contextmanager
def faults_of(exe: Executable) -> Iterator[None]:
    """Within: what goes wrong in generated code is a fault at its place in the spec."""
    try:
        yield
    except Exception as error:
        fault = as_fault(error, exe)
        if fault is None:
            raise
        raise fault from error


def built(exe: Executable, seed: int, device: torch.device) -> nn.Module:
    """The model as the seed starts it: drawn on the CPU, so that it is the same on every device."""
    determinism.seed_all(seed)
    with faults_of(exe):
        return build(exe).to(device)


def settle(
    exe: Executable,
    plan: TrainPlan,
    table: Table,
    device: torch.device,
    begun: int = -1,
    *,
    kernels: bool | Collection[str] = True,
) -> tuple[Setting, Fitted, int]:
    """The setting of a run, from its table, checked as far as one batch in evaluation mode can tell; what was fitted; and how many
    multiply-adds the forward pass of a batch takes. `begun` is the phase that a resumed run is in, none for a new one; its
    recurrences, and on a GPU its attentions, run in `kernels` where they can, or those at these paths."""
    program = load_program(exe)
    determinism.seed_all(plan.split_seed)
    parts, fitted = ColumnProgram(exe, program, plan.data, plan.seed, exe.workers).prepare(table, plan.split_seed)
    for column in {c: None for phase in plan.phases for c in balanced(phase)}:
        labels = in_order(parts["train"].held([column]), COUNTED, torch.device("cpu"))
        fitted.values[f"{column}{WEIGHTS}"] = label_weights(batch[0] for batch in labels)
    model = in_precision(built(exe, plan.seed, device), plan.last)
    fused = None if kernels is False else with_kernels(exe, plan, model, device, None if kernels is True else kernels)
    phases: list[Phase] = []
    for phase in plan.phases:
        wiring = wired(exe, plan, table, fitted, device, phase.judging)
        for clause in phase.init if len(phases) > begun else ():
            chosen(clause, model)  # so that what does not fit is told now
        if phase.instance is None:
            phases.append(settled(phase, model, wiring, parts, plan.seed, device))
        else:
            phases.append(staged(exe, phase, model, wiring, parts, plan.seed, tables_of(fitted, device, phase)))
    setting = Setting(exe, plan, device, model, phases, parts, fused)
    return setting, fitted, try_out(setting)


def with_kernels(
    exe: Executable, plan: TrainPlan, model: nn.Module, device: torch.device, paths: Collection[str] | None
) -> dict[str, str] | None:
    """Puts kernels under the model, at these paths or wherever they can be; gives the identity of each, or none where none are wanted."""
    recurrences = [r for r in exe.plan.model.recurrences if paths is None or r.path in paths]
    exact = all(phase.precision in ("float32", "float64") for phase in plan.phases)
    twice = "create_graph" in exe.source + (exe.program or "")  # a penalty on a gradient
    found = attach(model, recurrences, twice=twice).kernels if exe.plan.model.recurrences and exact else None
    if device.type == "cpu" and exact and (paths is None or draws.NAME in paths) and draws.modules_that_draw([model]):
        with suppress(CannotBuild):
            found = {**(found or {}), draws.NAME: draws.identity()}
    if device.type != "cuda" or twice:
        return found
    compiled = recompiled(dict(exe.sources), exe.name, dict(exe.hyperparameters))
    if compiled.graph_hash != exe.graph_hash:  # the run of another version
        return found
    try:
        flexed = attention.attach(model, compiled, paths)
    except CannotBuild:
        return found
    return {**(found or {}), **dict.fromkeys(flexed, f"FlexAttention of torch {torch.__version__}")}


def wired(
    exe: Executable, plan: TrainPlan, table: Table, fitted: Fitted, device: torch.device, phase: PhasePlan | None = None
) -> Wiring:
    """The wiring of a phase (the last), with the inputs that are given whole computed from all rows."""
    phase = phase or plan.last
    program = load_program(exe)
    names = [i.name for i in exe.plan.model.inputs if not i.batched]
    whole: Columns = {}
    if names:
        columns = ColumnProgram(exe, program, plan.data).columns(table, np.arange(table.rows), fitted)
        whole = {name: columns[name].to(device) for name in names}
    return wire(exe.plan.model, phase, program, whole, tables_of(fitted, device, phase))


def tables_of(fitted: Fitted, device: torch.device, phase: PhasePlan) -> Columns:
    """What each label of a column counts, for the columns whose labels a phase balances."""
    return {column: fitted.values[f"{column}{WEIGHTS}"].to(device) for column in balanced(phase)}


def staged(
    exe: Executable, plan: PhasePlan, model: nn.Module, judge: Wiring, parts: Mapping[str, Part], seed: int, tables: Columns
) -> Staged:
    """A phase about one part of the model, checked as far as it can be before the model hands anything to it."""
    instance = plan.instance
    assert instance is not None
    own = plan.model_copy(update={"metrics": [instance.solve.target] if instance.solve else [], "watch": []})
    wiring = wire(instance.model, own, load_program(exe), {}, tables)
    given = [i.name for i in instance.model.inputs]
    into = [i.name for i in exe.plan.model.inputs if i.batched]
    columns = (*into, *(name for name in wiring.columns if name not in given and name not in into))
    whole = [i.name for i in exe.plan.model.inputs if not i.batched]
    places = tuple([*columns, *whole].index(i.name) for i in exe.plan.model.inputs)
    feed = replace(judge, columns=columns, inputs=places, losses=(), metrics=())
    alike = alone(exe, instance, model)
    parameters = dict(alike.named_parameters())
    shares = [] if instance.solve is not None else shared_out(own, parameters, [])
    phase = Staged(
        plan=own,
        model=alike,
        wiring=wiring,
        batches=Batches(parts["train"].held(columns), plan.batch, seed, device_under(model)),
        validation=None,
        frozen=[],
        device=device_under(model),
        shares=shares,
        whole=model,
        feed=feed,
        judge=judge,
        parts=parts,
        seed=seed,
    )
    if plan.early_stop is not None and "validation" not in parts and instance.solve is None:
        raise InputFaults(NoValidation(span_of(plan.place)))
    for i, share in enumerate(shares):
        phase.player(i, [parameters[name] for name in share], share)
    return phase


def device_under(model: nn.Module) -> torch.device:
    """Where the model lies."""
    return next(model.parameters()).device


def try_out(setting: Setting) -> int:
    """One batch in evaluation mode, so that what cannot work is told before anything is written; gives its multiply-adds."""
    training = setting.model.training
    setting.model.eval()
    multiplies = 0
    with faults_of(setting.exe), determinism.evaluating(setting.device):
        for phase in setting.phases:
            batch = first_batch(setting, phase)
            with Effort() as effort:
                values = phase.wiring.forward(phase.model, batch)
            check_losses(phase.wiring, values)
            multiplies = max(multiplies, int(effort.multiplies))
    setting.model.train(training)
    return multiplies


def first_batch(setting: Setting, phase: Phase, epoch: int | None = None) -> Batch:
    """The first rows of the training part, as the phase's network is given them."""
    if isinstance(phase, Staged):
        return phase.first(phase.plan.batch)
    columns = setting.columns("train", phase)
    assert columns is not None
    return first(columns, phase.plan.batch, setting.device, epoch)

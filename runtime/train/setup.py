"""Everything that is settled before step 1: device, data, model, optimizer. A resume settles it again, the same."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from ...compiler.plan import TrainPlan
from ...dsl.span import NOWHERE
from ..data.held import first
from ..data.parts import ColumnProgram, Columns, Fitted
from ..data.sources import Table
from ..executable import Executable
from ..faults.runs import NoDevice, NoValidation
from ..loader import build, load_program
from ..stops import InputFaults, Misused, span_of
from . import determinism
from .effort import Effort
from .engine import Player, Setting
from .optimizers import optimizer
from .schedules import schedule
from .wiring import Wiring, as_fault, check_losses, wire


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


def settle(exe: Executable, plan: TrainPlan, table: Table, device: torch.device) -> tuple[Setting, Fitted, int]:
    """The setting of a run, from its table, checked as far as one batch in evaluation mode can tell; what was fitted; and how many
    multiply-adds the forward pass of a batch takes."""
    program = load_program(exe)
    determinism.seed_all(plan.split_seed)
    parts, fitted = ColumnProgram(exe, program, plan.data).prepare(table, plan.split_seed)
    if plan.early_stop is not None and "validation" not in parts:
        raise InputFaults(NoValidation(span_of(plan.place)))
    wiring = wired(exe, plan, table, fitted, device)
    model = built(exe, plan.seed, device)
    per_epoch = -(-len(parts["train"]) // plan.batch)
    steps = plan.steps if plan.steps is not None else (plan.epochs or 1) * per_epoch
    chosen = optimizer(plan.optimizer, model.parameters())
    player = Player(chosen, schedule(plan.schedule, float(chosen.param_groups[0]["lr"]), steps))
    setting = Setting(exe, plan, device, model, wiring, {"model": player}, parts, steps)
    return setting, fitted, try_out(setting)


def wired(exe: Executable, plan: TrainPlan, table: Table, fitted: Fitted, device: torch.device) -> Wiring:
    """The wiring, with the inputs that are given whole computed from all rows."""
    program = load_program(exe)
    names = [i.name for i in exe.plan.model.inputs if not i.batched]
    whole: Columns = {}
    if names:
        columns = ColumnProgram(exe, program, plan.data).columns(table, np.arange(table.rows), fitted)
        whole = {name: columns[name].to(device) for name in names}
    return wire(exe.plan.model, plan, program, whole)


def try_out(setting: Setting) -> int:
    """One batch in evaluation mode, so that what cannot work is told before anything is written; gives its multiply-adds."""
    batch = first(setting.columns("train"), setting.plan.batch, setting.device)
    training = setting.model.training
    setting.model.eval()
    with faults_of(setting.exe), determinism.evaluating(setting.device):
        with Effort() as effort:
            values = setting.wiring.forward(setting.model, batch)
        check_losses(setting.wiring, values)
    setting.model.train(training)
    return int(effort.multiplies)

"""`init encoder: checkpoint("runs/pre-1")`: weights of another run, or of a file, before the first step of a phase."""

import hashlib
import io
import pickle
from pathlib import Path

import torch
from torch import nn

from ...compiler.plan import InitPlan, PhasePlan
from ..blame import first_line
from ..faults.runs import InitMisfit, InitUnreadable
from ..run_folder import WEIGHTS, is_run
from ..stops import InputFaults, span_of
from . import weights
from .fits import fit


def contents(plan: InitPlan) -> tuple[weights.Snapshot, bytes]:
    """The tensors of a run's best weights, of a safetensors file, or of a state dict saved by `torch.save`; and the file's bytes."""
    path = Path(plan.path)
    file = path / WEIGHTS if is_run(path) else path
    try:
        data = file.read_bytes()
        if file.suffix == ".safetensors":
            return weights.read(file), data
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputFaults(InitUnreadable(span_of(plan.place), plan.path, error.strerror or str(error))) from None
    except (RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise InputFaults(InitUnreadable(span_of(plan.place), plan.path, first_line(error))) from None
    if not isinstance(state, dict) or not all(isinstance(t, torch.Tensor) for t in state.values()):
        raise InputFaults(InitUnreadable(span_of(plan.place), plan.path, "it holds no state dict"))
    return state, data


def digest(plan: InitPlan) -> str:
    """A checksum of the file, so that a resume knows whether it is the same."""
    return hashlib.sha256(contents(plan)[1]).hexdigest()[:16]


def chosen(plan: InitPlan, model: nn.Module) -> tuple[weights.Snapshot, tuple[str, ...]]:
    """What the clause sets, by the model's keys; and what it leaves, for `partial` clauses. A fault where it does not fit."""
    twins = weights.tied(model)
    wanted = {k: tuple(t.shape) for k, t in model.state_dict().items() if k not in twins}
    there = contents(plan)[0]
    fits = fit(wanted, {k: tuple(t.shape) for k, t in there.items()}, plan.targets)
    if not fits.loads or not (fits.whole or plan.partial):
        raise InputFaults(InitMisfit(span_of(plan.place), plan.path, len(fits.loads), fits.told()))
    return {key: there[source] for key, source in fits.loads.items()}, () if fits.whole else fits.told()


def apply(phase: PhasePlan, model: nn.Module) -> list[str]:
    """Sets what the clauses of a phase say; gives a line for each that tells what it set."""
    said = []
    for plan in phase.init:
        tensors, left = chosen(plan, model)
        state = model.state_dict()
        with torch.no_grad():
            for key, tensor in tensors.items():
                state[key].copy_(tensor)
        said.append(f"{len(tensors)} tensors begin as in {plan.path}" + (f" ({'; '.join(left[:-1])})" if left else ""))
    return said

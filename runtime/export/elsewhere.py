"""The proof that an exported file is worth something: it is run in another process and gives what the network gives here.

Comes in: the file, the network, cases of tensors. Goes out: the greatest difference, or a fault.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...dsl.span import NOWHERE
from ..data.table import Array
from ..faults.exports import ExportDiffers, ForeignFailed
from ..stops import RunFailed
from ..train.determinism import evaluating
from .sizes import Sizes

TOLERANCE = 1e-5
TIMEOUT = 600
SCRIPT = Path(__file__).parent / "foreign.py"


@dataclass(frozen=True)
class Case:
    """Tensors for the inputs, the sizes of the free dims that they have, and what the network makes of them."""

    sizes: Sizes
    given: list[Tensor]
    outputs: list[Array] = field(default_factory=list)


def answered(model: nn.Module, sizes: Sizes, given: list[Tensor]) -> Case:
    with torch.no_grad(), evaluating(torch.device("cpu")):
        found = model(*given)
    outputs = found if isinstance(found, tuple | list) else (found,)
    return Case(sizes, given, [output.numpy() for output in outputs])


def proved(jobs: Sequence[Sequence[str]], cases: Sequence[Case], outputs: Sequence[str]) -> dict[str, float]:
    """The greatest difference for each format, of all outputs of all cases; raises `RunFailed` where one is too great.

    A job is a format and its file, and what else is needed to run it; all files lie in one folder of their own.
    """
    folder = Path(jobs[0][1]).parent
    arrays: dict[str, Any] = {f"{n}.{i}": t.numpy() for n, case in enumerate(cases) for i, t in enumerate(case.given)}
    np.savez(folder / "tensors.npz", **arrays)
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    _run(folder)
    with np.load(folder / "results.npz") as found:
        given = {name: found[name] for name in found.files}
    return {kind: max(_compared(kind, case, n, given, outputs) for n, case in enumerate(cases)) for kind, *_ in jobs}


def _run(folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(SCRIPT), "jobs.json", "tensors.npz", "results.npz"],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RunFailed(ForeignFailed(NOWHERE, "exported", f"it took more than {TIMEOUT} s")) from None
    if done.returncode:
        kind = (done.stdout.split() or ["exported"])[-1]
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        raise RunFailed(ForeignFailed(NOWHERE, kind, lines[-1] if lines else f"it ended with status {done.returncode}"))


def _compared(kind: str, case: Case, number: int, given: Mapping[str, Array], names: Sequence[str]) -> float:
    worst = 0.0
    at = ", ".join(f"{name} = {size}" for name, size in case.sizes.items())
    for i, (name, ours) in enumerate(zip(names, case.outputs, strict=True)):
        theirs = given[f"{kind}.{number}.{i}"]
        if theirs.shape != ours.shape:
            problem = f"its shape is {list(theirs.shape)} and not {list(ours.shape)}"
            raise RunFailed(ExportDiffers(NOWHERE, kind, name, at, problem))
        difference = distance(ours, theirs)
        if difference > TOLERANCE:
            raise RunFailed(ExportDiffers(NOWHERE, kind, name, at, f"they differ by {difference:.2g} of the largest number"))
        worst = max(worst, difference)
    return worst


def distance(ours: Array, theirs: Array) -> float:
    """The greatest difference, as a part of the largest number or of 1; infinite where one is no number and the other is."""
    if not ours.size:
        return 0.0
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        gaps = np.where(same, 0.0, np.abs(a - b))
    if not np.isfinite(gaps).all():
        return float("inf")
    return float(gaps.max() / max(1.0, float(np.abs(a[np.isfinite(a)]).max(initial=0.0))))

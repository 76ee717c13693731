"""What a data program makes of a target: what scikit-learn calls `y` as the column that losses compare outputs with, and back.

The column expressions are run on the targets alone, with stand-ins for everything else.
"""

import re

import numpy as np

from .data.table import Array, Table, storage
from .executable import Executable
from .run_folder import SavedRun

COMPARED = r"return F\.(?:mse_loss|l1_loss|smooth_l1_loss|huber_loss)\({output}, {column}\b"


def labels_of(saved: SavedRun, source: str, column: str, values: Array) -> Array:
    """The column for these values of the source's column, a row each."""
    from .data.parts import ColumnProgram
    from .loader import load_program
    from .predict import completed
    from .run import unpacked_fitted
    from .train.setup import faults_of

    table = completed(saved, Table("y", {source: storage(values)}))
    with faults_of(saved.exe):
        program = ColumnProgram(saved.exe, load_program(saved.exe), saved.plan.data)
        found: Array = program.columns_of(table, np.arange(len(values)), unpacked_fitted(saved.record))[column].numpy()
    return found.reshape(len(values), -1)


def compared(exe: Executable, output: str) -> str | None:
    """The column that the first loss which tells a distance compares this output with, as it is."""
    plan = exe.plan.train
    for term in plan.last.losses if plan is not None else ():
        for column in term.arguments:
            if re.search(COMPARED.format(output=re.escape(output), column=re.escape(column)), exe.program or ""):
                return column
    return None


def back(saved: SavedRun, source: str, column: str, values: Array) -> Array:
    """Outputs in the units of the source's column, where the column is one scaled and shifted (`standardize(target)`); else as they are."""
    probe = labels_of(saved, source, column, np.arange(3, dtype=np.float32)).astype(np.float64)
    if probe.shape[1] != 1:
        return values
    start, middle, end = probe[:, 0].tolist()
    slope = (end - start) / 2
    if slope == 0 or not np.isclose(middle - start, slope, rtol=1e-3):
        return values
    scaled: Array = ((values - start) / slope).astype(values.dtype)
    return scaled

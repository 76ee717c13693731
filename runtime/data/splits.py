"""Which rows are in which part, and in which order rows are drawn: pure functions of seeds, the same on every machine and version.

Orders come from the raw 64-bit stream of numpy's PCG64, which numpy guarantees never to change (its `permutation` is not guaranteed):
rows sorted by one raw number each, ties by row.
"""

import numpy as np

from ...compiler.plan import DataPlan, SplitPlan
from ..faults.data import EmptyPart
from ..faults.files import UnknownPart
from ..stops import InputFaults, span_of
from .table import PARTS, Array, Rows, Table

SPLIT, EPOCH, BUCKET = 1, 2, 3  # what a seed is used for, so that equal seeds do not mean equal orders


def order(rows: int, *key: int) -> Rows:
    """A permutation of `rows` rows that only the key decides."""
    stream = np.random.PCG64(np.random.SeedSequence([abs(k) * 2 + (k < 0) for k in key]))
    raw = np.asarray(stream.random_raw(rows), dtype=np.uint64).reshape(rows)
    return np.argsort(raw, kind="stable").astype(np.int64)


def split(plan: DataPlan, rows: int, seed: int, table: Table | None = None, part: Array | None = None) -> dict[str, Rows]:
    """The rows of each part, in the order of the source; none is empty.

    `part` holds what `part` of program.py says of each row. Rows that the source itself puts into a test (or validation) part stay in it:
    fractions then share out the others.
    """
    if plan.split is None:
        return _by_number(plan, table.parts, table) if table is not None and table.parts is not None else {"train": _all(rows)}
    if plan.split.kind == "column":
        assert table is not None
        return _by_number(plan, part if part is not None else table.columns[plan.split.by or ""][_all(rows)], table)
    if table is not None and table.parts is not None:
        return _kept(plan, table, seed)
    values = table.columns[plan.split.by][_all(rows)] if table is not None and plan.split.by is not None else None
    parts = shares(plan.split, _all(rows), seed, values)
    for name, fraction in zip(PARTS, plan.split.fractions, strict=False):
        if fraction > 0 and name not in parts:
            raise InputFaults(EmptyPart(span_of(plan.place), name, rows, f"{fraction:g}"))
    return parts


def _all(rows: int) -> Rows:
    return np.arange(rows, dtype=np.int64)


def shares(plan: SplitPlan, rows: Rows, seed: int, values: Array | None) -> dict[str, Rows]:
    """Rows by fractions. Parts end at the rounded sums of the fractions."""
    match plan.kind:
        case "stratified":
            assert values is not None
            strata = [rows[np.flatnonzero(values == value)] for value in np.unique(values)]
            found = [_cut(s[order(len(s), SPLIT, seed, i)], plan.fractions) for i, s in enumerate(strata)]
            return {
                name: np.sort(np.concatenate([f[name] for f in found if name in f]))
                for name in PARTS
                if any(name in f for f in found)
            }
        case "grouped":
            assert values is not None
            keys, group = np.unique(values, return_inverse=True)
            sizes, drawn = np.bincount(group), order(len(keys), SPLIT, seed)
            ends = np.cumsum(sizes[drawn])  # of the rows, when groups come in this order
            limits = [sum(plan.fractions[: i + 1]) * len(rows) for i in range(len(plan.fractions))]
            part = np.searchsorted(np.array(limits[:-1]), ends - sizes[drawn] / 2, side="right")
            of_key = np.empty(len(keys), np.int64)
            of_key[drawn] = part
            return {name: rows[of_key[group] == i] for i, name in enumerate(PARTS) if (of_key[group] == i).any()}
        case "ordered":
            return _cut(rows, plan.fractions)
    return {name: np.sort(part) for name, part in _cut(rows[order(len(rows), SPLIT, seed)], plan.fractions).items()}


def _cut(rows: Rows, fractions: list[float]) -> dict[str, Rows]:
    parts: dict[str, Rows] = {}
    start, total = 0, 0.0
    for name, fraction in zip(PARTS, fractions, strict=False):
        total += fraction
        end = min(len(rows), int(total * len(rows) + 0.5))
        if end > start:
            parts[name] = rows[start:end]
        start = max(start, end)
    return parts


def _kept(plan: DataPlan, table: Table, seed: int) -> dict[str, Rows]:
    """The source's own test and validation parts; the others by the fractions of what is left."""
    assert plan.split is not None
    assert table.parts is not None
    own = {name: np.flatnonzero(table.parts == i) for i, name in enumerate(PARTS)}
    own = {name: rows for name, rows in own.items() if len(rows) and name != "train"}
    fractions = [f for name, f in zip(PARTS, plan.split.fractions, strict=False)]
    left = [0.0 if name in own else f for name, f in zip(PARTS, fractions, strict=False)]
    rows = np.flatnonzero(table.parts == 0)
    values = table.columns[plan.split.by][rows] if plan.split.by is not None else None
    given = plan.split.model_copy(update={"fractions": [f / sum(left) for f in left]})
    parts = {**shares(given, rows, seed, values), **own}
    if "train" not in parts:
        raise InputFaults(EmptyPart(span_of(plan.place), "train", table.rows, "the source puts none into it"))
    return {name: parts[name] for name in PARTS if name in parts}


NAMES = {"train": 0, "training": 0, "validation": 1, "valid": 1, "val": 1, "dev": 1, "test": 2, "testing": 2}


def _by_number(plan: DataPlan, values: Array, table: Table | None) -> dict[str, Rows]:
    """Rows by the part that a column says."""
    name = table.name if table is not None else plan.name
    if values.dtype.kind == "b":
        numbers = np.where(values, 2, 0)
    elif values.dtype.kind == "U":
        words, at = np.unique(values, return_inverse=True)
        numbers = np.array([NAMES.get(str(w).strip().lower(), -1) for w in words])[at]
    else:
        numbers = values
    wrong = np.flatnonzero((numbers < 0) | (numbers > 2) | (numbers != np.floor(numbers)))
    if len(wrong):
        place = table.place(int(wrong[0])) if table is not None else f"row {wrong[0]}"
        raise InputFaults(UnknownPart(span_of(plan.place), name, place, str(values[wrong[0]])))
    parts = {part: np.flatnonzero(numbers == i).astype(np.int64) for i, part in enumerate(PARTS)}
    if not len(parts["train"]):
        raise InputFaults(EmptyPart(span_of(plan.place), "train", len(values), "the column puts none into it"))
    return {part: rows for part, rows in parts.items() if len(rows)}


def epoch_order(rows: int, seed: int, epoch: int) -> Rows:
    """The order in which an epoch (from 0) draws the training rows."""
    return order(rows, EPOCH, seed, epoch)


POOL = 50  # batches' worth of rows that are sorted by length together


def bucketed(lengths: Rows, batch: int, seed: int, epoch: int) -> list[Rows]:
    """The batches of an epoch with rows of similar length together: drawn in pools, sorted within each, batches drawn anew.

    The short batch, if there is one, comes last.
    """
    drawn = epoch_order(len(lengths), seed, epoch)
    pools = [drawn[start : start + POOL * batch] for start in range(0, len(drawn), POOL * batch)]
    ordered = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    batches = [ordered[start : start + batch] for start in range(0, len(ordered), batch)]
    full = [b for b in batches if len(b) == batch]
    rest = [b for b in batches if len(b) < batch]
    return [full[i] for i in order(len(full), BUCKET, seed, epoch).tolist()] + rest

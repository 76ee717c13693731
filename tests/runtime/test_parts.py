"""Splits, orders and columns: sound, and the same everywhere."""

from pathlib import Path

import numpy as np
import pytest
import torch

from archc.compiler.plan import ColumnPlan, DataPlan, SourceCall, SplitPlan
from archc.runtime.data.batches import Batches
from archc.runtime.data.parts import ColumnProgram
from archc.runtime.data.sources import read_data
from archc.runtime.data.splits import epoch_order, order, split
from archc.runtime.data.table import Table
from archc.runtime.executable import executable
from archc.runtime.loader import load_program
from archc.runtime.stops import InputFaults

from . import hand

PLACE = hand.lenet().plan.train.place  # type: ignore[union-attr]
ORDER = [7, 3, 6, 0, 8, 1, 4, 9, 5, 2]
EPOCH = [4, 1, 3, 0, 2]


def plan(fractions: list[float] | None) -> DataPlan:
    return DataPlan(
        name="d",
        source=SourceCall(kind="csv", place=PLACE),
        reads=["a"],
        columns=[],
        split=SplitPlan(fractions=fractions) if fractions else None,
        place=PLACE,
    )


def test_orders_never_change() -> None:
    assert order(10, 1, 0).tolist() == ORDER
    assert epoch_order(5, 3, 7).tolist() == EPOCH
    assert not np.array_equal(epoch_order(50, 0, 0), epoch_order(50, 0, 1))
    assert not np.array_equal(epoch_order(50, 0, 0), epoch_order(50, 1, 0))
    assert order(0, 1).tolist() == []


def test_parts_cover_the_rows_once() -> None:
    parts = split(plan([0.8, 0.1, 0.1]), 1797, 0)
    assert {k: len(v) for k, v in parts.items()} == {"train": 1438, "validation": 179, "test": 180}
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(1797))
    assert not np.array_equal(parts["test"], split(plan([0.8, 0.1, 0.1]), 1797, 1)["test"])
    assert list(split(plan([0.5, 0.5]), 10, 0)) == ["train", "validation"]
    assert list(split(plan(None), 10, 0)) == ["train"]
    with pytest.raises(InputFaults, match="the test part would be empty"):
        split(plan([0.5, 0.4, 0.1]), 4, 0)


def test_batches_go_on_from_any_position() -> None:
    columns = [torch.arange(10), torch.arange(10) * 2]
    batches = Batches(columns, 4, 0, torch.device("cpu"))
    whole = [b[0].tolist() for b in batches.epoch(2)]
    assert [len(b) for b in whole] == [4, 4, 2]
    assert sorted(row for batch in whole for row in batch) == list(range(10))
    assert [b[0].tolist() for b in batches.epoch(2, start=1)] == whole[1:]
    batches.copied = False
    assert [b[0].tolist() for b in batches.epoch(2)] == whole
    assert all((b[1] == 2 * b[0]).all() for b in batches.epoch(0))


def test_only_rows_that_train_are_fitted_on() -> None:
    exe = executable(hand.autoencoder())
    data = exe.plan.train.data  # type: ignore[union-attr]
    table = read_data(data, Path())
    parts, fitted = ColumnProgram(exe, load_program(exe), data).prepare(table, 0)
    rows = parts["train"].rows
    assert (table.columns["target"][rows] == 1).all()
    assert (table.columns["target"][parts["test"].rows] == 0).any()
    assert np.allclose(fitted.values["x_mean"].numpy(), table.columns["data"][rows].mean(0), rtol=1e-5)
    assert abs(float(parts["train"].columns["x"].mean())) < 1e-5


PROGRAM = "def columns(rows, fitted):\n    return {'a': rows['a'], 'b': rows['b']}\n"


def columns_of(table: Table, categories: list[str], dtype: str = "int", program: str = PROGRAM) -> ColumnProgram:
    exe = executable(hand.lenet(program=program))
    columns = [ColumnPlan.model_validate({"name": n, "dtype": dtype, "shape": [], "place": PLACE}) for n in table.columns]
    data = plan([0.5, 0.5]).model_copy(update={"reads": list(table.columns), "categories": categories, "columns": columns})
    return ColumnProgram(exe, load_program(exe), data)


def test_categories_are_numbered_by_the_training_part() -> None:
    words = Table("t", {"a": np.array(["no", "yes", "no", "yes"] * 5), "b": np.array([30, 10, 20, 10] * 5)})
    parts, fitted = columns_of(words, ["a", "b"]).prepare(words, 0)
    assert fitted.categories == {"a": ["no", "yes"], "b": [10, 20, 30]}
    rows = parts["validation"].rows
    assert parts["validation"].columns["b"].tolist() == [{10: 0, 20: 1, 30: 2}[v] for v in words.columns["b"][rows].tolist()]


def test_a_category_that_was_never_seen(here: Path) -> None:
    values = np.array(["x"] * 10)
    values[split(plan([0.5, 0.5]), 10, 0)["validation"][2]] = "z"
    table = Table("t.csv", {"a": values, "b": np.zeros(10, np.int64)}, np.arange(2, 12))
    with pytest.raises(InputFaults, match=r't\.csv, line .*: a is "z", which is not in the training part'):
        columns_of(table, ["a"]).prepare(table, 0)


def test_columns_are_what_the_plan_says() -> None:
    table = Table("t", {"a": np.zeros((10, 2), np.float32), "b": np.zeros(10, np.int64)})
    with pytest.raises(InputFaults, match=r"column a should be int \[\] a row, and the data gives float \[2\]"):
        columns_of(table, []).prepare(table, 0)
    words = Table("t", {"a": np.array(["w"] * 10), "b": np.zeros(10, np.int64)})
    with pytest.raises(InputFaults, match="column a of t holds words"):
        columns_of(words, []).prepare(words, 0)


def test_a_column_that_cannot_be_computed_is_told_at_its_place() -> None:
    spec = hand.lenet()
    data = spec.plan.train.data  # type: ignore[union-attr]
    exe = executable(spec)
    table = Table("t", {"images": np.zeros((10, 7, 7), np.float32), "target": np.zeros(10, np.int64)})
    with pytest.raises(InputFaults) as caught:
        ColumnProgram(exe, load_program(exe), data).prepare(table, 0)
    assert "lenet.arch:10:13: error[E0619]: this cannot be computed on the data: shape '[-1, 1, 8, 8]' is invalid" in str(
        caught.value
    )

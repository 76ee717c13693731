"""Columns from the text of a spec to batches: rows, gaps, sequences, splits, and what is altered in training."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from archc.compiler.plan import DataPlan, DrawPlan, SplitPlan
from archc.runtime.compiling import Wanted, compiled
from archc.runtime.data.batches import Batches
from archc.runtime.data.drawing import draws
from archc.runtime.data.parts import ColumnProgram, Fitted, Part
from archc.runtime.data.sources import read_data
from archc.runtime.data.splits import bucketed, split
from archc.runtime.data.table import Table
from archc.runtime.evaluate import evaluate
from archc.runtime.executable import executable
from archc.runtime.loader import load_program
from archc.runtime.predict import predict
from archc.runtime.specs import read_spec
from archc.runtime.stops import InputFaults
from archc.runtime.train.api import train

from .compared import assert_same
from .test_parts import plan

CSV = "age,sepal width (cm),city,part\n20,1.5,Paris,train\n,2.5,Rome,train\n40,3.5,,train\n30,4.5,Paris,test\n50,5.5,Oslo,valid\n"
ROWS = [{"x": [[i, -i]] * (1 + i % 4), "y": i % 2} for i in range(40)]


def spec(columns: str, source: str, model: str = "x: [B, D]", flow: str = "x -> dense(2)") -> Path:
    """A spec of one line that trains on these columns."""
    text = (
        f"model Net({model}) -> [B, 2] {{\n    return {flow} as logits\n}}\ndata d = {source} {{\n{columns}\n}}\n"
        "train Net on d {\n    loss cross_entropy(logits, y)\n    optimizer adam(lr=1e-2)\n    epochs 3\n    batch 4\n}\n"
    )
    Path("s.arch").write_text(text, encoding="utf-8")
    return Path("s.arch")


def parts(path: Path, seed: int = 0) -> tuple[dict[str, Part], Fitted]:
    exe = executable(compiled(read_spec(path), Wanted(training=True)))
    assert exe.plan.train is not None
    data = exe.plan.train.data
    return ColumnProgram(exe, load_program(exe), data, seed).prepare(read_data(data, Path()), 0)


def test_columns_of_a_csv(here: Path) -> None:
    Path("d.csv").write_text(CSV, encoding="utf-8")
    columns = [
        'x = vector(fill(age, mean), sepal_width_cm, city == "Paris", missing(age))',
        'y = categories(fill(city, "?"))',
        "split = part",
    ]
    path = spec(
        "\n".join(columns),
        'csv("d.csv")',
        "x: [B, 4]",
        "x -> dense(2)",
    )
    Path("d.csv").write_text(CSV.replace("Oslo", "Rome"), encoding="utf-8")
    found, fitted = parts(path)
    assert fitted.values["age_filled_mean"].item() == 30
    assert fitted.categories == {"city": ["?", "Paris", "Rome"]}
    assert found["train"].columns["x"].tolist() == [[20, 1.5, 1, 0], [30, 2.5, 0, 1], [40, 3.5, 0, 0]]
    assert found["train"].columns["y"].tolist() == [1, 2, 0]
    assert (found["test"].rows.tolist(), found["validation"].rows.tolist()) == ([3], [4])


def test_a_gap_that_nobody_fills_is_a_fault(here: Path) -> None:
    Path("d.csv").write_text(CSV, encoding="utf-8")
    path = spec("    x = vector(age, sepal_width_cm)\n    y = int(age)", 'csv("d.csv")', "x: [B, 2]")
    with pytest.raises(InputFaults, match=r"d\.csv, line 3, column age: the value is missing"):
        parts(path)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("v + a", [[2.0, 3.0, 4.0], [22.0, 32.0, 42.0]]),
        ("a * v", [[1.0, 2.0, 3.0], [20.0 * 2, 30.0 * 2, 40.0 * 2]]),
        ("where(a > 1, v, a)", [[1.0, 1.0, 1.0], [20.0, 30.0, 40.0]]),
        ("concat(a, v)", [[1.0, 1.0, 2.0, 3.0], [2.0, 20.0, 30.0, 40.0]]),
        ("pack(a, a)", [[1.0, 1.0], [2.0, 2.0]]),
        ("pack(mean(v), sum(v))", [[2.0, 6.0], [30.0, 90.0]]),
        ("columns(a, v)", [[1.0, 1.0, 2.0, 3.0], [2.0, 20.0, 30.0, 40.0]]),
        ("flip(v, dims=0)", [[3.0, 2.0, 1.0], [40.0, 30.0, 20.0]]),
        ("m @ m -> flatten", [[1.0, 0.0, 0.0, 1.0], [4.0, 0.0, 0.0, 4.0]]),
        ("m -> transpose(0, 1) -> sum(dim=1)", [[1.0, 1.0], [2.0, 2.0]]),
        ("m * v[0:2] -> flatten", [[1.0, 0.0, 0.0, 2.0], [40.0, 0.0, 0.0, 60.0]]),
    ],
)
def test_expressions_speak_of_one_row(here: Path, column: str, expected: list[list[float]]) -> None:
    np.savez(
        "d.npz",
        a=np.array([1.0, 2.0]),
        v=np.array([[1.0, 2.0, 3.0], [20.0, 30.0, 40.0]]),
        m=np.array([np.eye(2), 2 * np.eye(2)]),
        y=np.array([0, 1]),
    )
    found, _ = parts(spec(f"    x = {column}\n    y = y", 'npz("d.npz")', f"x: [B, {len(expected[0])}]"))
    assert found["train"].columns["x"].tolist() == expected


def test_a_split_keeps_groups_together_and_shares_of_classes() -> None:
    values = np.repeat(np.arange(50), 4)
    table = Table("t", {"p": values, "c": np.arange(200) % 5})

    def made(kind: str, by: str | None, seed: int = 0) -> dict[str, list[int]]:
        given = SplitPlan.model_validate({"kind": kind, "fractions": [0.6, 0.2, 0.2], "by": by})
        data: DataPlan = plan(None).model_copy(update={"split": given})
        return {name: rows.tolist() for name, rows in split(data, 200, seed, table).items()}

    grouped = made("grouped", "p")
    keys = [{int(values[r]) for r in rows} for rows in grouped.values()]
    assert not keys[0] & keys[1] | keys[0] & keys[2] | keys[1] & keys[2]
    assert {k: len(v) for k, v in grouped.items()} == {"train": 120, "validation": 40, "test": 40}
    stratified = made("stratified", "c")
    assert [np.bincount(table.columns["c"][rows]).tolist() for rows in stratified.values()] == [[24] * 5, [8] * 5, [8] * 5]
    assert made("ordered", None) == {
        "train": list(range(120)),
        "validation": list(range(120, 160)),
        "test": list(range(160, 200)),
    }
    for kind, by in (("grouped", "p"), ("stratified", "c"), ("random", None)):
        assert sorted(r for rows in made(kind, by).values() for r in rows) == list(range(200))
        assert made(kind, by) == made(kind, by)
        assert made(kind, by) != made(kind, by, seed=1)


def test_the_parts_of_a_source_stay() -> None:
    table = Table("t", {"a": np.arange(20)}, parts=np.array([0] * 15 + [2] * 5))
    found = split(plan([0.8, 0.1, 0.1]), 20, 0, table)
    assert found["test"].tolist() == list(range(15, 20))
    assert (len(found["train"]), len(found["validation"])) == (13, 2)
    said = plan(None).model_copy(update={"split": SplitPlan(kind="column", by="a")})
    with pytest.raises(InputFaults, match="row 3: 3 is no part"):
        split(said, 20, 0, table)


def test_buckets_hold_rows_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 1003)
    batches = bucketed(lengths, 8, 0, 3)
    assert sorted(np.concatenate(batches).tolist()) == list(range(1003))
    assert [len(b) for b in batches] == [8] * 125 + [3]
    assert np.mean([np.ptp(lengths[b]) for b in batches]) < 5
    assert not np.array_equal(batches[0], bucketed(lengths, 8, 0, 4)[0])


def sequences(columns: str = "") -> Path:
    Path("d.jsonl").write_text("".join(json.dumps(r) + "\n" for r in ROWS), encoding="utf-8")
    return spec(
        f"    x = standardize(x)\n    length = length(x)\n    y = y\n    split = [0.6, 0.2, 0.2]\n{columns}",
        'json("d.jsonl")',
        "x: [B, T, 2], length: int[B]",
        "sum(x, dim=T) / length[:, none] -> dense(2)",
    )


def test_sequences_are_padded_to_their_batch(here: Path) -> None:
    found, fitted = parts(sequences())
    steps = np.array([value for r in found["train"].rows.tolist() for value in ROWS[r]["x"]])
    assert np.allclose(fitted.values["x_mean"].numpy(), steps.mean(0), rtol=1e-6)
    assert np.allclose(fitted.values["x_std"].numpy(), steps.std(0), rtol=1e-6)
    held = found["train"].held(["x", "length"])
    x, length = held.take(np.arange(len(held)))
    assert x.shape == (24, 4, 2)
    for row in range(24):
        assert (x[row, length[row] :] == 0).all()
    short = int(length.argmin())
    assert held.take(np.array([short]))[0].shape == (1, int(length[short]), 2)


def test_sequences_train_evaluate_and_predict(here: Path) -> None:
    run = train(sequences("    bucket = length"), out="run", progress=False)
    assert evaluate("run", "test") == run.metrics["test"]
    whole = predict("run", "d.jsonl")["logits"]
    Path("one.jsonl").write_text(json.dumps({"x": ROWS[5]["x"]}) + "\n", encoding="utf-8")
    assert np.allclose(predict("run", "one.jsonl")["logits"][0], whole[5], atol=1e-6)


def test_batches_of_other_lengths_are_joined() -> None:
    from archc.runtime.data.held import together

    found = together([torch.ones(2, 3, 4), 2 * torch.ones(1, 5, 4)])
    assert found.shape == (3, 5, 4)
    assert (found[:2, :3] == 1).all()
    assert (found[:2, 3:] == 0).all()
    assert (found[2] == 2).all()
    assert together([torch.ones(2), torch.zeros(3)]).shape == (5,)


def test_what_is_drawn_depends_on_nothing_but_seed_epoch_and_row() -> None:
    plans = [DrawPlan(name="a", kind="uniform", count=3), DrawPlan(name="b", kind="beta", alpha=0.2)]
    rows = np.arange(20_000)
    whole = draws(plans, rows, 1, 2)
    some = draws(plans, rows[[7, 3]], 1, 2)
    assert torch.equal(some["a"], whole["a"][[7, 3]])
    assert torch.equal(some["b"], whole["b"][[7, 3]])
    assert not torch.equal(draws(plans, rows, 1, 3)["a"], whole["a"])
    assert not torch.equal(draws(plans, rows, 2, 2)["a"], whole["a"])
    assert whole["a"].min() > 0
    assert whole["a"].max() < 1
    assert np.allclose([whole["a"].mean(), whole["a"].var()], [0.5, 1 / 12], atol=0.005)
    assert abs(np.corrcoef(whole["a"].T.numpy())[0, 1]) < 0.02
    assert np.allclose([whole["b"].mean(), whole["b"].var()], [0.5, 0.25 / 1.4], atol=0.01)


def pictures(column: str, shape: str = "x: [B, 1, 6, 6]") -> Path:
    np.savez("p.npz", i=np.arange(1, 40 * 36 + 1).reshape(40, 1, 6, 6), y=np.arange(40) % 2)
    return spec(
        f"    x = i / 1 -> {column}\n    y = y\n    split = [0.5, 0.25, 0.25]", 'npz("p.npz")', shape, "x -> flatten -> dense(2)"
    )


def test_rows_are_altered_in_training_alone(here: Path) -> None:
    found, _ = parts(pictures("random_shift(2)"))
    training, test = found["train"].held(["x"]), found["test"].held(["x"])
    plain = training.take(np.arange(20))[0]
    assert torch.equal(plain[:, 0], torch.arange(1.0, 1441.0).reshape(40, 6, 6)[found["train"].rows])
    altered = training.take(np.arange(20), 0)[0]
    moved = set()
    for before, after in zip(plain[:, 0], altered[:, 0], strict=True):
        framed = torch.nn.functional.pad(before, (2, 2, 2, 2))
        places = [(i, j) for i in range(5) for j in range(5) if torch.equal(framed[i : i + 6, j : j + 6], after)]
        assert len(places) == 1
        moved.add(places[0])
    assert len(moved) > 8
    assert torch.equal(training.take(np.array([3, 11]), 0)[0], altered[[3, 11]])
    assert not torch.equal(training.take(np.arange(20), 1)[0], altered)
    assert torch.equal(test.take(np.arange(10), 0)[0], test.take(np.arange(10))[0])


def test_each_alteration(here: Path) -> None:
    def first(column: str, shape: str = "x: [B, 1, 6, 6]") -> tuple[torch.Tensor, torch.Tensor]:
        held = parts(pictures(column, shape))[0]["train"].held(["x"])
        return held.take(np.arange(20))[0], held.take(np.arange(20), 0)[0]

    plain, flipped = first("random_flip")
    same = (plain == flipped).flatten(1).all(1)
    turned = (plain.flip(-1) == flipped).flatten(1).all(1)
    assert (same ^ turned).all()
    assert 3 < int(turned.sum()) < 17
    plain, cropped = first("random_crop(4, padding=1)", "x: [B, 1, 4, 4]")
    assert torch.equal(plain, first("random_flip")[0][:, :, 1:5, 1:5])
    assert cropped.shape == (20, 1, 4, 4)
    plain, noisy = first("noise(2)")
    assert 1.8 < float((noisy - plain).std()) < 2.2
    plain, rotated = first("random_rotate(30)")
    assert plain.shape == rotated.shape
    assert not torch.equal(plain, rotated)
    plain, mixed = first("mixup(1)")
    share = (mixed - plain.roll(1, 0)).flatten(1)[:, 1] / (plain - plain.roll(1, 0)).flatten(1)[:, 1]
    assert ((share > 0) & (share < 1)).all()


@pytest.mark.parametrize("workers", [0, 2, 4])
def test_the_number_of_workers_changes_no_bit(here: Path, workers: int) -> None:
    path = pictures("random_shift(1) -> noise(0.1)")
    train(path, out="one", progress=False, workers=1)
    train(path, out="other", progress=False, workers=workers)
    assert_same(Path("one"), Path("other"))


def test_batches_that_are_made_go_on_from_any_position(here: Path) -> None:
    held = parts(pictures("random_shift(1)"))[0]["train"].held(["x"])
    batches = Batches(held, 3, 0, torch.device("cpu"))
    whole = [x for (x,) in batches.epoch(2)]
    again = [x for (x,) in batches.epoch(2, start=4)]
    assert len(whole) == 7
    assert all(torch.equal(a, b) for a, b in zip(whole[4:], again, strict=True))


PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


def test_the_page_on_data_names_every_source_and_every_step() -> None:
    from archc.compiler.layers import registry
    from archc.dsl.printer import format_source
    from archc.dsl.source import Source
    from archc.runtime.data.sources import SOURCES

    steps = [name for name in registry() if registry()[name].family == "column"]
    assert [word for word in (*SOURCES, *steps) if f"`{word}" not in PAGE and f"{word}(" not in PAGE] == []
    examples = PAGE.split("```arch\n")[1:]
    assert len(examples) == 2
    for example in examples:
        text = example.split("```")[0]
        assert format_source(Source("data.md", text)) == text


BLOCKS = """
block Focal(gamma = 2.0)(logits: [B, C], label: int[B]) {
    log_p = logits -> log_softmax(dim=-1)
    return -mean(sum(one_hot(label, C) * log_p * (1 - exp(log_p)) ** gamma, dim=-1))
}
block Norms(act = tanh)(x: [B, D]) {
    last, sizes = stack a in [1, 2, 3] from h = x {
        h' = h / a -> act
        return h -> norm
    }
    return sizes[0] + 2 * sizes[2] + mean(last)
}
block Halved(x: [B, D]) -> [B, D // 2] {
    assert D % 2 == 0
    return x[:, :D // 2] + x[:, D // 2:]
}
"""


def test_blocks_and_stacks_stand_in_losses_metrics_and_columns_step_by_step(here: Path) -> None:
    Path("d.csv").write_text("a,b,y\n" + "1,2,no\n3,5,yes\n" * 8, encoding="utf-8")
    path = spec("x = vector(a, b) -> Halved -> stack 3 { softplus }\ny = categories(y)", 'csv("d.csv")', "x: [B, 1]")
    clauses = "loss Focal(gamma=1.5)(logits, y)\n    metric Norms(logits)\n    metric mean(parallel 2 { relu }(logits)[1])\n"
    path.write_text(
        path.read_text(encoding="utf-8").replace("loss cross_entropy(logits, y)\n", clauses) + BLOCKS, encoding="utf-8"
    )
    exe = executable(compiled(read_spec(path), Wanted(training=True)))
    program = load_program(exe)
    logits, label = torch.randn(5, 2, dtype=torch.float64), torch.tensor([0, 1, 1, 0, 1])
    p = logits.softmax(-1)[torch.arange(5), label]
    torch.testing.assert_close(program.loss(logits, label), (-p.log() * (1 - p) ** 1.5).mean())
    first, second = logits.tanh(), (logits.tanh() / 2).tanh()
    torch.testing.assert_close(program.metric_Norms(logits), logits.norm() + 2 * second.norm() + ((second / 3).tanh()).mean())
    assert not torch.equal(first, second)
    torch.testing.assert_close(program.metric_mean(logits), logits.relu().mean())
    rows = {"a": torch.tensor([1.0, 3.0]), "b": torch.tensor([2.0, 5.0]), "y": torch.tensor([0, 1])}
    expected = torch.nn.functional.softplus(
        torch.nn.functional.softplus(torch.nn.functional.softplus(torch.tensor([[3.0], [8.0]])))
    )
    torch.testing.assert_close(program.columns(rows, {})["x"], expected)
    train(path, out="run", progress=False)

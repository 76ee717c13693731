"""Evaluation and predictions of a run, from its own folder, on its own and on other data."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archc.runtime import tables_out
from archc.runtime.evaluate import evaluate
from archc.runtime.loading import load
from archc.runtime.predict import predict, predict_to
from archc.runtime.run import Run
from archc.runtime.stops import InputFaults, Misused, RunFailed


@pytest.fixture
def images() -> np.ndarray:
    from sklearn.datasets import load_digits

    return load_digits().images[:20]  # type: ignore[no-any-return]


def test_labels_may_be_missing(lenet_run: Run, images: np.ndarray, here: Path) -> None:
    np.savez("new.npz", images=images)
    outputs = predict(lenet_run.folder, "new.npz")
    assert predict_to("out.csv", lenet_run.folder, "new.npz") == (20, ["logits", "label"])
    assert {k: v.shape for k, v in outputs.items()} == {"logits": (20, 10)}
    with torch.no_grad():
        expected = lenet_run.model()(torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8))
    assert np.allclose(outputs["logits"], expected.numpy(), atol=1e-6)
    rows = list(csv.reader(Path("out.csv").read_text().splitlines()))
    assert rows[0] == [*(f"logits_{i}" for i in range(10)), "label"]
    assert np.array_equal(np.array(rows[1:], dtype=np.float32)[:, :10], outputs["logits"])
    assert [int(row[10]) for row in rows[1:]] == outputs["logits"].argmax(axis=1).tolist()
    assert evaluate(lenet_run.folder, "test").keys() == {"loss", "accuracy"}
    with pytest.raises(InputFaults, match="has no column target, and the losses and metrics need it"):
        evaluate(lenet_run.folder, data="new.npz")


def test_what_an_input_is_made_from_may_not_be_missing(lenet_run: Run, here: Path) -> None:
    np.savez("new.npz", target=np.zeros(3, np.int64))
    with pytest.raises(InputFaults, match="has no column images, and the model's inputs are made from it; it has target"):
        predict(lenet_run.folder, "new.npz")
    with pytest.raises(InputFaults, match="data has no column images"):
        predict(lenet_run.folder, {"target": [1, 2]})


def test_several_outputs_as_npz_and_csv(autoencoder_run: Run, here: Path) -> None:
    rows = np.random.default_rng(0).random((5, 30))
    outputs = autoencoder_run.predict({"data": rows})
    assert {k: v.shape for k, v in outputs.items()} == {"rebuilt": (5, 30), "z": (5, 8), "anomaly": (5,)}
    predict_to("out.npz", autoencoder_run.folder, {"data": rows})
    with np.load("out.npz") as saved:
        assert all(np.array_equal(saved[k], v) for k, v in outputs.items())
    predict_to("out.csv", autoencoder_run.folder, {"data": rows})
    header = Path("out.csv").read_text().splitlines()[0].split(",")
    assert (len(header), header[0], header[30], header[-1]) == (39, "rebuilt_0", "z_0", "anomaly")


def test_where_predictions_go(lenet_run: Run, images: np.ndarray, here: Path) -> None:
    with pytest.raises(Misused, match=r"out.xls: the ending says the format, and there are .csv, .tsv, .json, .jsonl, .parquet"):
        predict_to("out.xls", lenet_run.folder, {"images": images})
    Path("file").write_text("")
    with pytest.raises(RunFailed, match=r"file/out\.csv cannot be written"):
        predict_to("file/out.csv", lenet_run.folder, {"images": images})


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "jsonl", "parquet", "npz"])
def test_every_format_says_the_same(ending: str, here: Path) -> None:
    """In several chunks, as batches come; numbers to the last bit."""
    draw = np.random.default_rng(0)
    chunks: list[dict[str, np.ndarray]] = [
        {
            "y": draw.random((n, 2, 3), np.float32),
            "k": draw.integers(0, 9, n),
            "ok": draw.random(n) < 0.5,
            "word": draw.choice(["a", "bü"], n),
        }
        for n in (3, 1, 4)
    ]
    with tables_out.written(f"out.{ending}") as writer:
        for chunk in chunks:
            writer.rows(chunk)
    wanted = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    found = READERS[ending](Path(f"out.{ending}"))
    names = [f"y_{i}_{j}" for i in range(2) for j in range(3)] if ending not in ("json", "jsonl", "npz") else ["y"]
    assert list(found) == [*names, "k", "ok", "word"]
    y = np.stack([np.asarray(found[name], dtype=np.float32) for name in names], axis=1).reshape(8, 2, 3)
    assert np.array_equal(y, wanted["y"])
    for name in ("k", "ok", "word"):
        assert [str(value) for value in found[name]] == [str(value) for value in wanted[name]]
    assert [path.name for path in here.iterdir()] == [f"out.{ending}"]


def separated(path: Path, delimiter: str) -> dict[str, Any]:
    head, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines(), delimiter=delimiter)
    return dict(zip(head, zip(*rows, strict=True), strict=True))


def objects(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def parquet(path: Path) -> dict[str, Any]:
    from pyarrow.parquet import read_table

    found: dict[str, Any] = read_table(path).to_pydict()
    return found


TAGS = """model Tagger(x: [B, T, 2], length: int[B]) -> ([B, T, 2], [B, 3, T], [B]) {
    states = x -> dense(2)
    scores = transpose(states -> dense(3), 1, 2)
    total  = sum(sum(states, dim=-1), dim=-1)
    return states, scores, total
}
data d = json("train.jsonl") {
    x      = x
    length = length(x)
    tag    = padded(tag, -100)
}
train Tagger on d {
    loss cross_entropy(scores, tag)
    optimizer sgd(lr=0.1)
    steps 2
    batch 4
}
"""


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a network that says something of each step; rows of the data have 1 to 5."""
    folder = tmp_path_factory.mktemp("tagger")
    rows = [{"x": [[i, j + 0.5] for j in range(1 + i % 5)], "tag": [j % 3 for j in range(1 + i % 5)]} for i in range(20)]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "new.jsonl").write_text("".join(json.dumps({"x": row["x"]}) + "\n" for row in rows))
    (folder / "tags.arch").write_text(TAGS)
    from archc.runtime.train.api import train

    return train(folder / "tags.arch", out=folder / "run", progress=False).folder


def test_sequences_of_different_length_are_written_without_their_padding(tagger: Path, here: Path) -> None:
    data = str(tagger.parent / "new.jsonl")
    whole = predict(tagger, data)
    lengths = [1 + i % 5 for i in range(20)]
    assert whole["states"].shape == (20, 5, 2)
    for name in ("out.jsonl", "out.json", "out.parquet"):
        assert predict_to(name, tagger, data) == (20, ["states", "scores", "total", "tag"])
        found = READERS[name.removeprefix("out.")](Path(name))
        for i, n in enumerate(lengths):
            assert np.allclose(found["states"][i], whole["states"][i, :n], atol=1e-6)
            assert np.allclose(found["scores"][i], whole["scores"][i, :, :n], atol=1e-6)
            assert found["tag"][i] == whole["scores"][i, :, :n].argmax(0).tolist()
        assert np.allclose(found["total"], whole["total"], atol=1e-5)


def test_sequences_in_formats_that_have_no_lists(tagger: Path, here: Path) -> None:
    data = str(tagger.parent / "new.jsonl")
    with pytest.raises(Misused, match=r"states and scores have as many numbers as .*, which out\.csv cannot hold") as caught:
        predict_to("out.csv", tagger, data)
    assert caught.value.report.diagnostics[0].helps[0].text == "-o out.jsonl"
    with pytest.raises(Misused, match=r"scores has as many numbers as .*, which out\.npz cannot hold"):
        predict_to("out.npz", tagger, data)
    rows = [np.arange(2 * n, dtype=np.float32).reshape(n, 2) for n in (3, 1, 0, 2)]
    with tables_out.written("out.npz") as writer:
        writer.rows({"y": rows[:2], "k": np.array([1, 2])})
        writer.rows({"y": rows[2:], "k": np.array([3, 4])})
    with np.load("out.npz") as saved:
        assert saved["y_offsets"].tolist() == [0, 3, 4, 4, 6]
        assert np.array_equal(saved["y"], np.concatenate(rows))
        assert saved["k"].tolist() == [1, 2, 3, 4]


LINE = """model Line(x: [B, 2]) -> [B] {
    y = (x -> dense(1))[:, 0]
    return y
}
data d = csv("points.csv") {
    x    = vector(standardize(a), b)
    want = c
}
train Line on d {
    loss mse(y, want)
    optimizer sgd(lr=0.01)
    steps 3
}
"""


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_what_is_read_is_never_in_memory_as_a_whole(ending: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few rows: the same numbers as of all at once, the first written before the last is read."""
    from archc.runtime import predict as module
    from archc.runtime.data import arrow, delimited, json_lines
    from archc.runtime.train.api import train

    draw = np.random.default_rng(0)
    points = {name: draw.normal(size=50).astype(np.float32) for name in "abc"}
    with tables_out.written(f"points.{ending}") as writer:
        writer.rows(points)
    Path("line.arch").write_text(LINE.replace('csv("points.csv")', f'{ending.replace("jsonl", "json")}("points.{ending}")'))
    run = train("line.arch", out="run", progress=False).folder
    for source in (arrow, delimited, json_lines):
        monkeypatch.setattr(source, "BATCH" if source is arrow else "BLOCK", 7)
    if ending == "parquet":
        monkeypatch.setattr("archc.runtime.data.parquet.BATCH", 7)
    sizes = []
    original = module.Network.outputs

    def outputs(self: module.Network, table: Any) -> Any:
        sizes.append((table.rows, table.first))
        return original(self, table)

    monkeypatch.setattr(module.Network, "outputs", outputs)
    assert predict_to("out.csv", run, f"points.{ending}") == (50, ["y"])
    assert sizes == [(7, 7 * i) for i in range(7)] + [(1, 49)]
    found = np.array(separated(Path("out.csv"), ",")["y"], np.float32)
    assert np.allclose(found, predict(run, {"a": points["a"], "b": points["b"]})["y"], atol=1e-6)


def test_a_bad_cell_far_down_is_named_and_nothing_is_written(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from archc.runtime.data import delimited
    from archc.runtime.train.api import train

    Path("points.csv").write_text("a,b,c\n" + "".join(f"{i},{i},{i}\n" for i in range(30)))
    Path("line.arch").write_text(LINE)
    run = train("line.arch", out="run", progress=False).folder
    monkeypatch.setattr(delimited, "BLOCK", 7)
    Path("new.csv").write_text("a,b\n" + "1,2\n" * 20 + "1,x\n" + "1,2\n" * 20)
    with pytest.raises(InputFaults, match=r"new\.csv, line 22, column b: .x. is not a finite number"):
        predict_to("out.csv", run, "new.csv")
    assert not Path("out.csv").exists()
    Path("new.csv").write_text("a,b\n,2\n")
    with pytest.raises(InputFaults, match=r"new\.csv has no rows"):
        predict_to("out.csv", run, 'csv("new.csv", missing="drop")')


READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "csv": lambda path: separated(path, ","),
    "tsv": lambda path: separated(path, "\t"),
    "json": lambda path: objects(json.loads(path.read_text(encoding="utf-8"))),
    "jsonl": lambda path: objects([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]),
    "parquet": parquet,
    "npz": lambda path: dict(np.load(path)),
}


def test_what_is_no_number_is_null_in_json(here: Path) -> None:
    with tables_out.written("out.json") as writer:
        writer.rows({"y": np.array([[1.0, np.nan], [np.inf, 0.1]], np.float32)})
    assert json.loads(Path("out.json").read_text()) == [{"y": [1.0, None]}, {"y": [None, 0.1]}]


def test_a_file_that_is_not_finished_is_not_there(here: Path) -> None:
    Path("out.csv").write_text("old")
    with pytest.raises(IndexError), tables_out.written("out.csv") as writer:
        writer.rows({"y": np.zeros(3), "z": np.zeros(())})
    assert Path("out.csv").read_text() == "old"
    assert len(list(here.iterdir())) == 1


def test_memory_does_not_grow_with_the_rows(here: Path) -> None:
    import tracemalloc

    def peak(chunks: int) -> int:
        tracemalloc.start()
        with tables_out.written("out.npz") as writer:
            for _ in range(chunks):
                writer.rows({"y": np.zeros((1000, 100))})
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(100) < 2 * peak(4)


def test_other_data_is_checked(lenet_run: Run, images: np.ndarray) -> None:
    with pytest.raises(InputFaults, match="this cannot be computed on the data"):
        predict(lenet_run.folder, {"images": images[:, :5]})
    with pytest.raises(InputFaults, match="data has no rows"):
        predict(lenet_run.folder, {"images": images[:0]})
    with pytest.raises(InputFaults, match="differ in rows"):
        evaluate(lenet_run.folder, data={"images": images, "target": [1]})


def test_evaluation_on_other_data_counts_all_rows(lenet_run: Run, images: np.ndarray) -> None:
    found = lenet_run.model()(torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)).argmax(-1)
    assert lenet_run.evaluate(data={"images": images, "target": found.numpy()})["accuracy"] == 1.0


def test_a_run_loads_as_a_network(lenet_run: Run) -> None:
    assert torch.equal(load(lenet_run.folder).state_dict()["conv1.weight"], lenet_run.model().state_dict()["conv1.weight"])


def test_weights_that_do_not_fit(lenet_run: Run, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(lenet_run.folder, tmp_path / "run"))
    (folder / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(Misused, match=r"model.safetensors does not fit"):
        Run(folder).evaluate()
    (folder / "model.safetensors").unlink()
    with pytest.raises(Misused, match=r"has no model.safetensors yet"):
        Run(folder).evaluate()

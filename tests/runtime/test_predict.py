"""Evaluation and predictions of a run, from its own folder, on its own and on other data."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from archc.runtime.evaluate import evaluate
from archc.runtime.loading import load
from archc.runtime.predict import predict
from archc.runtime.run import Run
from archc.runtime.stops import InputFaults, Misused, RunFailed


@pytest.fixture
def images() -> np.ndarray:
    from sklearn.datasets import load_digits

    return load_digits().images[:20]  # type: ignore[no-any-return]


def test_labels_may_be_missing(lenet_run: Run, images: np.ndarray, here: Path) -> None:
    np.savez("new.npz", images=images)
    outputs = predict(lenet_run.folder, "new.npz", "out.csv")
    assert {k: v.shape for k, v in outputs.items()} == {"logits": (20, 10)}
    with torch.no_grad():
        expected = lenet_run.model()(torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8))
    assert np.allclose(outputs["logits"], expected.numpy(), atol=1e-6)
    rows = list(csv.reader(Path("out.csv").read_text().splitlines()))
    assert rows[0] == [f"logits_{i}" for i in range(10)]
    assert np.array_equal(np.array(rows[1:], dtype=np.float32), outputs["logits"])
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
    predict(autoencoder_run.folder, {"data": rows}, "out.npz")
    with np.load("out.npz") as saved:
        assert all(np.array_equal(saved[k], v) for k, v in outputs.items())
    predict(autoencoder_run.folder, {"data": rows}, "out.csv")
    header = Path("out.csv").read_text().splitlines()[0].split(",")
    assert (len(header), header[0], header[30], header[-1]) == (39, "rebuilt_0", "z_0", "anomaly")


def test_where_predictions_go(lenet_run: Run, images: np.ndarray, here: Path) -> None:
    with pytest.raises(Misused, match=r"out.parquet: the ending says the format, and there are .csv, .npz"):
        predict(lenet_run.folder, {"images": images}, "out.parquet")
    Path("file").write_text("")
    with pytest.raises(RunFailed, match=r"file/out\.csv cannot be written"):
        predict(lenet_run.folder, {"images": images}, "file/out.csv")


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

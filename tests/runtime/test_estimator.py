"""A spec as an estimator of scikit-learn: it does what pipelines, cross-validation and grids expect of one."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import archc
from archc.runtime.estimator import Estimator

IRIS = """model Net(width = 16, classes = 3)(x: [B, 4]) -> [B, classes] {
    logits = x -> dense(width) -> tanh -> dense(classes)
    return logits
}

data flowers = sklearn("iris") {
    x     = data
    label = target
    split = [0.8, 0.2]
}

train Net on flowers {
    loss      cross_entropy(logits, label)
    metric    accuracy(logits, label)
    optimizer adam(lr=0.02)
    epochs    30
    batch     16
}
"""
LINE = """model Line(x: [B, 2]) -> [B, 1] {
    y = x -> dense(1)
    return y
}

data points = csv("points.csv") {
    x     = pack(a, b, dim=-1)
    value = c
}

train Line on points {
    loss      mse(y, value -> reshape(1))
    optimizer adam(lr=0.1)
    epochs    60
    batch     32
}
"""


@pytest.fixture
def iris(here: Path) -> Path:
    (here / "iris.arch").write_text(IRIS)
    return here / "iris.arch"


@pytest.fixture(scope="module")
def flowers() -> tuple[np.ndarray, np.ndarray]:
    found: tuple[np.ndarray, np.ndarray] = load_iris(return_X_y=True)
    return found


def test_it_learns_and_tells_classes(iris: Path, flowers: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = flowers  # noqa: N806 - as scikit-learn calls them
    words = np.array(["setosa", "versicolor", "virginica"])[y]
    net = Estimator(iris).fit(X, words)
    assert net.score(X, words) > 0.9
    assert set(net.predict(X)) == set(words)
    assert net.classes_.tolist() == sorted(set(words))
    probabilities = net.predict_proba(X)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert np.array_equal(net.classes_[probabilities.argmax(axis=1)], net.predict(X))
    assert net.run_.metrics["validation"]["accuracy"] > 0.8
    again = pickle.loads(pickle.dumps(net))
    assert np.array_equal(again.predict_proba(X), probabilities)
    assert list(net.keep("kept").predict({"data": X})) == ["logits"]


def test_it_is_as_scikit_learn_wants_it(iris: Path) -> None:
    net = Estimator(iris, epochs=2, width=8)
    assert is_classifier(net)
    assert not is_regressor(net)
    assert net.get_params()["classes"] == 3
    assert net.get_params()["width"] == 8
    twin = clone(net).set_params(width=5, seed=1)
    assert (twin.get_params()["width"], net.get_params()["width"]) == (5, 8)
    assert repr(Estimator("iris.arch", epochs=2, width=8)) == "Estimator(epochs=2, path='iris.arch', width=8)"
    with pytest.raises(NotFittedError, match=r"is not fitted yet: call fit\(X, y\) first"):
        net.predict(np.zeros((2, 4)))


def test_pipelines_cross_validation_and_grids(iris: Path, flowers: tuple[np.ndarray, np.ndarray]) -> None:
    scores = cross_val_score(make_pipeline(StandardScaler(), Estimator(iris, epochs=20)), *flowers, cv=3)
    assert scores.mean() > 0.85
    grid = GridSearchCV(Estimator(iris, epochs=12), {"width": [1, 16]}, cv=2, error_score="raise").fit(*flowers)
    assert grid.best_params_ == {"width": 16}
    assert grid.best_estimator_.network_.dense1.out_features == 16


def test_equal_seeds_give_equal_fits(iris: Path, flowers: tuple[np.ndarray, np.ndarray]) -> None:
    one, two, other = (Estimator(iris, epochs=1, seed=seed).fit(*flowers).predict_proba(flowers[0]) for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_a_regressor_of_a_data_frame(here: Path) -> None:
    pandas = pytest.importorskip("pandas")
    (here / "line.arch").write_text(LINE)
    (here / "points.csv").write_text("a,b,c\n0.5,1.5,2.0\n")
    draw = np.random.default_rng(0).normal(size=(200, 2))
    frame, y = pandas.DataFrame({"b": draw[:, 1], "a": draw[:, 0]}), 2 * draw[:, 0] - draw[:, 1]
    net = Estimator("line.arch").fit(frame, y)
    assert is_regressor(net)
    assert net.predict(frame).shape == (200,)
    assert net.score(frame, y) > 0.99
    assert list(net.feature_names_in_) == ["b", "a"]
    assert np.allclose(net.predict(draw), net.predict(frame)), "a table without names has the order of the spec"


def test_what_does_not_fit_is_told(iris: Path) -> None:
    with pytest.raises(ValueError, match="requires y to be passed"):
        Estimator(iris).fit(np.zeros((5, 4)))
    with pytest.raises(archc.Stopped, match="y has no column target"):
        Estimator(iris).fit({"data": np.zeros((5, 4))})
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        Estimator(iris).fit(np.zeros((5, 4)), np.zeros(4, np.int64))
    with pytest.raises(archc.Stopped, match="differ in rows"):
        Estimator(iris).fit({"data": np.zeros((5, 4))}, np.zeros(4, np.int64))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        Estimator(iris).fit(np.full((5, 4), np.nan), np.zeros(5, np.int64))
    with pytest.raises(archc.Stopped, match="did you mean width"):
        Estimator(iris, widht=3).fit(np.zeros((5, 4)), np.zeros(5, np.int64))


def test_images_as_rows_of_numbers(here: Path) -> None:
    """As scikit-learn gives the digits: 64 numbers a row, where the spec's own source has 8 by 8."""
    X, y = load_digits(return_X_y=True)  # noqa: N806
    net = Estimator("lenet", epochs=1).fit(X[:300], y[:300])
    assert net.predict(X[:7]).shape == (7,)


def spec_of(data: str, width: int, output: str, flow: str, label: str, loss: str) -> str:
    return f"""model Any(features = {width}, width = 32)(x: [B, features]) -> [B{output}] {{
    y = x -> dense(width) -> relu -> {flow}
    return y
}}

data table = sklearn("{data}") {{
    x     = standardize(data)
    label = {label}
}}

train Any on table {{
    loss      {loss}
    optimizer adam(lr=0.03)
    epochs    40
    batch     16
}}
"""


KINDS = {
    "classes": spec_of("iris", 4, ", 10", "dense(10)", "target", "cross_entropy(y, label)"),
    "two": spec_of(
        "breast_cancer", 30, "", "dense(1) -> flatten(0)", "target == 1", "binary_cross_entropy_with_logits(y, float(label))"
    ),
    "numbers": spec_of("diabetes", 10, ", 1", "dense(1)", "standardize(target) -> reshape(1)", "mse(y, label)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_check_of_scikit_learn(here: Path, kind: str) -> None:
    from sklearn.utils.estimator_checks import check_estimator

    (here / "net.arch").write_text(KINDS[kind])
    known = {"check_no_attributes_set_in_init": "what hyperparameters there are is for the spec to say"}
    found = check_estimator(Estimator("net.arch"), expected_failed_checks=known, on_skip=None)
    assert sum(check["status"] == "passed" for check in found) > 40


def test_two_classes_by_one_logit(here: Path) -> None:
    """The class that the label is true for may be either, and be called anything."""
    X, y = load_breast_cancer(return_X_y=True)  # noqa: N806
    words = np.where(y == 1, "benign", "malign")
    for condition in ("target == 1", "target == 0"):
        (here / "net.arch").write_text(KINDS["two"].replace("target == 1", condition))
        net = Estimator("net.arch", epochs=8).fit(X, words)
        assert is_classifier(net)
        assert net.classes_.tolist() == ["benign", "malign"]
        assert net.score(X, words) > 0.95
        assert np.allclose(net.predict_proba(X).sum(axis=1), 1)
    with pytest.raises(ValueError, match="Only binary classification"):
        net.fit(X, np.arange(len(y)) % 3)


def test_a_size_of_the_input_follows_the_table(here: Path) -> None:
    (here / "net.arch").write_text(KINDS["classes"])
    X, y = load_digits(return_X_y=True)  # noqa: N806
    net = Estimator("net.arch", epochs=5).fit(X[:600, 8:56], y[:600])
    assert net.n_features_in_ == 48
    assert net.score(X[:600, 8:56], y[:600]) > 0.9
    with pytest.raises(archc.Stopped, match="E0807"):
        Estimator("net.arch", epochs=5, features=4).fit(X[:600, 8:56], y[:600])


def test_predictions_are_in_the_units_of_y(here: Path) -> None:
    (here / "net.arch").write_text(KINDS["numbers"])
    X, y = load_diabetes(return_X_y=True)  # noqa: N806
    net = Estimator("net.arch", epochs=20).fit(X, y)
    assert abs(net.predict(X).mean() - y.mean()) < 10
    assert 0.4 < net.score(X, y) < 1


def test_diabetes_is_standardized_by_what_was_fitted(here: Path) -> None:
    spec = (
        IRIS.replace("classes = 3", "classes = 1")
        .replace("[B, 4]", "[B, 10]")
        .replace('"iris"', '"diabetes"')
        .replace("x     = data", "x     = standardize(data)")
    )
    spec = (
        spec.replace("label = target", "label = standardize(target) -> reshape(1)")
        .replace("cross_entropy", "mse")
        .replace("    metric    accuracy(logits, label)\n", "")
    )
    (here / "net.arch").write_text(spec)
    X, y = load_diabetes(return_X_y=True)  # noqa: N806
    found: Any = Estimator("net.arch", epochs=20).fit(X, y).predict(X)
    assert np.corrcoef(found, y)[0, 1] > 0.6

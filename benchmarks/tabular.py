"""Digits, wine, breast cancer and diabetes against scikit-learn's MLP on the same splits: `python benchmarks/tabular.py`.

Both train on the training part of splits 0 to 9 and are read once on the test part: accuracy, or r2 for diabetes. scikit-learn's MLP gets
the columns standardized on the same training part, the spec's hidden sizes, and trains until it stops by itself. The figure that counts is
the paired difference with its standard error over the splits; it must not be below minus one standard error.
"""

import argparse
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import archc
from archc.runtime.data.sources import read_data
from archc.runtime.data.splits import split

SPECS: dict[str, tuple[str, tuple[int, ...]]] = {
    "mlp": ("accuracy", (128, 64)),
    "wine": ("accuracy", (64,)),
    "cancer": ("accuracy", (32,)),
    "diabetes": ("r2", (32,)),
}


def theirs(
    data: np.ndarray, target: np.ndarray, train: np.ndarray, test: np.ndarray, hidden: tuple[int, ...], seed: int
) -> float:
    """scikit-learn's MLP on standardized columns: accuracy, or r2 of a target that is no class."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    kind: Any = MLPRegressor if target.dtype.kind == "f" else MLPClassifier
    if target.dtype.kind == "f":
        target = (target - target[train].mean()) / target[train].std()
    model = make_pipeline(StandardScaler(), kind(hidden_layer_sizes=hidden, max_iter=1000, random_state=seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(data[train], target[train])
    return float(model.score(data[test], target[test]))


def compared(spec: str, splits: int) -> None:
    """One line for a spec."""
    metric, hidden = SPECS[spec]
    plan = archc.compile(spec, program=True).plan.train
    assert plan is not None
    whole = plan.data.model_copy(update={"reads": ["data", "target"]})
    table = read_data(whole, Path())
    ours, others = [], []
    for seed in range(splits):
        parts = split(plan.data, table.rows, seed, table)
        with tempfile.TemporaryDirectory() as folder:
            run = archc.train(spec, out=Path(folder) / "run", split_seed=seed, progress=False)
            ours.append(run.evaluate("test")[metric])
        others.append(theirs(table.columns["data"], table.columns["target"], parts["train"], parts["test"], hidden, seed))
    difference = np.array(ours) - np.array(others)
    error = difference.std(ddof=1) / np.sqrt(splits)
    verdict = "ok" if difference.mean() >= -error else "BELOW"
    figures = f"{np.mean(ours):.4f}   {np.mean(others):.4f}   {difference.mean():+.4f}   {error:.4f}"
    print(f"{spec:10s} {metric:9s} {figures}   {verdict}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("specs", nargs="*", default=list(SPECS))
    parser.add_argument("--splits", type=int, default=10)
    options = parser.parse_args()
    print("spec       metric    ours     sklearn  difference standard error")
    for spec in options.specs:
        compared(spec, options.splits)


if __name__ == "__main__":
    main()

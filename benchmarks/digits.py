"""LeNet, or another spec that tells digits, against scikit-learn's MLP on the same ten splits: `python benchmarks/digits.py [--spec vit]`.

Both train on the training part (80 %) of splits 0 to 9 and are read once on the test part (10 %). The MLP has LeNet's dense layers,
120 and 84 units. The figure that counts is the paired difference, with its standard error over the splits.
"""

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np

import archc
from archc.runtime.data.splits import split


def mlp_accuracy(images: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray, seed: int) -> float:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier((120, 84), max_iter=1000, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(images[train], labels[train])
    return float(model.score(images[test], labels[test]))


def main() -> None:
    from sklearn.datasets import load_digits

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--spec", default="lenet")
    options = parser.parse_args()
    images, labels = load_digits(return_X_y=True)
    images = images / 16
    plan = archc.compile(options.spec, program=True).plan.train
    assert plan is not None
    ours, theirs, validation = [], [], []
    print(f"split  validation  {options.spec:>6}     MLP")
    for seed in range(options.splits):
        with tempfile.TemporaryDirectory() as folder:
            run = archc.train(options.spec, out=Path(folder) / "run", split_seed=seed, progress=False)
            ours.append(run.evaluate("test")["accuracy"])
            validation.append(run.evaluate("validation")["accuracy"])
        parts = split(plan.data, len(images), seed)
        theirs.append(mlp_accuracy(images, labels, parts["train"], parts["test"], seed))
        print(f"{seed:5d}      {validation[-1]:.4f}  {ours[-1]:.4f}  {theirs[-1]:.4f}", flush=True)
    difference = np.array(ours) - np.array(theirs)
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    print(f" mean      {np.mean(validation):.4f}  {np.mean(ours):.4f}  {np.mean(theirs):.4f}")
    print(f"paired difference {difference.mean():+.4f}, standard error {error:.4f}")


if __name__ == "__main__":
    main()

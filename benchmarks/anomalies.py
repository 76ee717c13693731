"""The autoencoder against PCA as detectors of anomalies, over the same twenty splits: `python benchmarks/anomalies.py`.

Breast cancer data: both learn from the benign rows of the training part alone (70 %), standardized by it, and score the test part (15 %) by
the squared error of rebuilding; the figure is the area under the ROC curve. PCA keeps 8 components, as many as the code has numbers.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import archc
from archc.runtime.data.splits import split


def pca_auroc(rows: np.ndarray, malignant: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    from sklearn.decomposition import PCA
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import StandardScaler

    benign = train[~malignant[train]]
    scaler = StandardScaler().fit(rows[benign])
    pca = PCA(8).fit(scaler.transform(rows[benign]))
    scaled = scaler.transform(rows[test])
    error = ((scaled - pca.inverse_transform(pca.transform(scaled))) ** 2).mean(axis=1)
    return float(roc_auc_score(malignant[test], error))


def main() -> None:
    from sklearn.datasets import load_breast_cancer

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--spec", default="autoencoder")
    options = parser.parse_args()
    rows, target = load_breast_cancer(return_X_y=True)
    malignant = target == 0
    plan = archc.compile(options.spec, program=True).plan.train
    assert plan is not None
    ours, theirs, validation = [], [], []
    print("split  validation  autoencoder   PCA-8")
    for seed in range(options.splits):
        with tempfile.TemporaryDirectory() as folder:
            run = archc.train(options.spec, out=Path(folder) / "run", split_seed=seed, progress=False)
            ours.append(run.evaluate("test")["auroc"])
            validation.append(run.evaluate("validation")["auroc"])
        parts = split(plan.data, len(rows), seed)
        theirs.append(pca_auroc(rows, malignant, parts["train"], parts["test"]))
        print(f"{seed:5d}      {validation[-1]:.4f}       {ours[-1]:.4f}  {theirs[-1]:.4f}", flush=True)
    difference = np.array(ours) - np.array(theirs)
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    print(f" mean      {np.mean(validation):.4f}       {np.mean(ours):.4f}  {np.mean(theirs):.4f}")
    print(f"paired difference {difference.mean():+.4f}, standard error {error:.4f}")


if __name__ == "__main__":
    main()

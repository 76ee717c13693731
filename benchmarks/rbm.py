"""The RBM beside scikit-learn's BernoulliRBM on digits, float32, one thread.

    python benchmarks/rbm.py [--epochs 30] [--hidden 256] [--blocks 41]

Both see the same training rows in batches of the same size for as many updates at the same rate, by persistent chains of one
Gibbs step. One code measures the log pseudo-likelihood of the test rows of both (exactly, over all units), and a logistic regression
reads the labels off the hidden means of both. Then the time of an update at batches of 10 and 64: the engine's, with all that it does
in a run but the look at the validation part, beside scikit-learn's `_fit` on batches that are there; medians of paired blocks (an epoch
each) and the least of them, which other work on the machine disturbs less, of the processor's time.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ |= {
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}  # read once, by what is imported below

import numpy as np
import torch
import train_step
from torch import Tensor
from train_step import Ours, engine_of, paired

import archc
from archc.runtime.data.splits import split
from archc.runtime.train import determinism
from archc.runtime.train.session import drawing

SPEC = """
energy RBM(hidden = {hidden})(pixels: binary[B, 64]) {{
    latent h: binary[B, hidden]
    param W: [64, hidden] = normal(std=0.01)
    param a: [64]
    param b: [hidden]
    return -(pixels @ a) - (h @ b) - sum((pixels @ W) * h, dim=-1)
}}

data digits = sklearn("digits") {{
    pixels = data / 16
    split  = {split}
}}

train RBM on digits {{
    loss      contrastive_divergence(k=1, persistent=true)
    optimizer sgd(lr={rate})
    batch     {batch}
    epochs    {epochs}
    {metric}
}}
"""
RATE = 0.06


def pseudo_likelihood(rows: Tensor, weights: Tensor, visible: Tensor, hidden: Tensor) -> float:
    """The log pseudo-likelihood of an RBM, the mean over rows, exactly: all units flipped one by one."""

    def free(v: Tensor) -> Tensor:
        return -(v @ visible) - torch.nn.functional.softplus(v @ weights + hidden).sum(1)

    here, total = free(rows), torch.zeros(len(rows))
    for i in range(rows.shape[1]):
        other = rows.clone()
        other[:, i] = 1 - other[:, i]
        total += torch.nn.functional.logsigmoid(free(other) - here)
    return float(total.mean())


def features_score(
    train: np.ndarray, test: np.ndarray, labels: tuple[np.ndarray, np.ndarray], machine: tuple[Tensor, ...]
) -> float:
    """The accuracy of a logistic regression on the hidden means."""
    from sklearn.linear_model import LogisticRegression

    weights, _, hidden = machine

    def up(rows: np.ndarray) -> np.ndarray:
        return torch.sigmoid(torch.from_numpy(rows) @ weights + hidden).numpy()

    found = LogisticRegression(max_iter=3000, C=30.0).fit(up(train), labels[0])
    return float(found.score(up(test), labels[1]))


def theirs(train: np.ndarray, hidden: int, epochs: int, seed: int) -> tuple[Tensor, ...]:
    from sklearn.neural_network import BernoulliRBM

    rbm = BernoulliRBM(n_components=hidden, learning_rate=RATE, batch_size=10, n_iter=epochs, random_state=seed).fit(train)
    parts = (rbm.components_.T, rbm.intercept_visible_, rbm.intercept_hidden_)
    return tuple(torch.from_numpy(np.ascontiguousarray(part)).float() for part in parts)


def ours(spec: Path, folder: Path, seed: int) -> tuple[Tensor, ...]:
    run = archc.train(spec, out=folder, seed=seed, progress=False)
    model = run.model()
    return tuple(getattr(model, name).detach() for name in ("W", "a", "b"))


def quality(hidden: int, epochs: int, folder: Path) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows = (digits.data / 16).astype(np.float32)
    text = SPEC.format(
        hidden=hidden, epochs=epochs, rate=RATE, batch=10, split="[0.8, 0.1, 0.1]", metric="metric pseudo_likelihood()"
    )
    (folder / "rbm.arch").write_text(text)
    plan = archc.compile(folder / "rbm.arch", program=True).plan.train
    parts = split(plan.data, len(rows), 0)
    fit, test = rows[parts["train"]], rows[parts["test"]]
    labels = digits.target[parts["train"]], digits.target[parts["test"]]
    print("seed  log pseudo-likelihood archc  scikit-learn   features, logistic regression archc  scikit-learn")
    table = []
    for seed in range(3):
        machines = ours(folder / "rbm.arch", folder / f"run{seed}", seed), theirs(fit, hidden, epochs, seed)
        likely = [pseudo_likelihood(torch.from_numpy(test), *machine) for machine in machines]
        read = [features_score(fit, test, labels, machine) for machine in machines]
        table.append([*likely, *read])
        print(f"{seed:4d}  {likely[0]:27.3f}  {likely[1]:12.3f}  {read[0]:37.4f}  {read[1]:12.4f}", flush=True)
    mean = np.mean(table, axis=0)
    print(f"mean  {mean[0]:27.3f}  {mean[1]:12.3f}  {mean[2]:37.4f}  {mean[3]:12.4f}")


class Sklearn:
    """Blocks of updates of BernoulliRBM on batches that are there."""

    def __init__(self, rows: np.ndarray, batch: int, hidden: int, steps: int) -> None:
        from sklearn.neural_network import BernoulliRBM

        self.rbm: Any = BernoulliRBM(n_components=hidden, learning_rate=RATE, batch_size=batch, n_iter=1, random_state=0)
        self.rbm.fit(rows)
        self.random = np.random.RandomState(0)
        self.batches = [rows[i : i + batch] for i in range(0, len(rows) - batch + 1, batch)]
        self.steps = steps

    def block(self) -> float:
        begun = time.process_time()
        for step in range(self.steps):
            self.rbm._fit(self.batches[step % len(self.batches)], self.random)
        return (time.process_time() - begun) / self.steps


def speed(hidden: int, blocks: int, folder: Path) -> None:
    from sklearn.datasets import load_digits

    rows = (load_digits().data / 16).astype(np.float32)
    for batch in (10, 64):
        text = SPEC.format(hidden=hidden, epochs=1_000_000, rate=1e-4, batch=batch, split="[1, 0]", metric="")
        engine = engine_of(text, folder / f"time{batch}")
        steps = engine.phase.per_epoch
        pair = Ours(engine, steps).block, Sklearn(rows, batch, hidden, steps).block
        with determinism.pinned(), drawing(engine.setting):
            a, b, ratio = paired(*pair, blocks)
            least = [min(block() for block in [one] * blocks) for one in pair]
        print(
            f"batch {batch:3d}: archc {a * 1e6:8.1f} us an update, scikit-learn {b * 1e6:8.1f} us, ratio {ratio:.3f}; "
            f"least of the blocks {least[0] * 1e6:.1f} and {least[1] * 1e6:.1f}, ratio {least[0] / least[1]:.3f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--blocks", type=int, default=41)
    options = parser.parse_args()
    torch.set_num_threads(1)
    train_step.time.perf_counter = time.process_time  # on a machine that does other things as well
    with tempfile.TemporaryDirectory() as folder:
        quality(options.hidden, options.epochs, Path(folder))
        speed(options.hidden, options.blocks, Path(folder))


if __name__ == "__main__":
    main()

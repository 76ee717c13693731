"""What GANs of the digits make, read by a classifier that was trained on real digits; seeds 0, 1 and 2.

    OMP_NUM_THREADS=1 nice python benchmarks/gan_family.py [--specs cgan gan wgan_gp] [--seeds 0 1 2]

Each spec is trained as it stands. The classifier is a small convolutional network, trained on 1,400 real digits. Of cgan: how often it
reads a sample as the digit asked for; the variance of samples of a digit beside that of real ones; and the median distance of samples
to the nearest real digit, which must not lie under the 5th percentile of those between real ones, or samples are copies. Of all: the
rarest class among 1,000 samples, and the Fréchet distance of the classifier's 64 features to those of all real digits, with one half of
the real ones against the other half beside it (which has the bias of a sample of 898).
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import archc
from archc.runtime.sampling.api import sample
from archc.runtime.sampling.wanted import Wanted

COUNT = 1000
TRAINED = 1400


class Reader(nn.Module):
    """Digits [n, 1, 8, 8] to scores; `features` gives the [n, 64] below them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(512, 64),
            nn.ReLU(),
        )
        self.head = nn.Linear(64, 10)

    def features(self, images: Tensor) -> Tensor:
        return self.body(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


def digits() -> tuple[Tensor, Tensor]:
    """All 1,797, from 0 to 1, in an order drawn once."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    return torch.tensor(images[order] / 16, dtype=torch.float32).reshape(-1, 1, 8, 8), torch.tensor(labels[order])


def reader(images: Tensor, labels: Tensor) -> Reader:
    """Trained on the first digits; says how well it reads the others."""
    torch.manual_seed(0)
    model = Reader()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(30):
        for rows in torch.randperm(TRAINED).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        right = (model(images[TRAINED:]).argmax(1) == labels[TRAINED:]).float().mean()
    print(f"the classifier reads {float(right):.3f} of {len(images) - TRAINED} real digits that it has not seen", flush=True)
    return model


def frechet(left: Tensor, right: Tensor) -> float:
    """Between normal distributions with the means and covariances of two sets of rows (Heusel et al., 2017)."""
    a, b = left.double().numpy(), right.double().numpy()
    first, second = np.cov(a.T), np.cov(b.T)
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first) + np.trace(second) - 2 * cross)


def nearest(left: Tensor, right: Tensor, without: int = 0) -> Tensor:
    """The distance of each row to its nearest; `without` the first so many, where a row is among the others."""
    return torch.cdist(left.flatten(1), right.flatten(1)).kthvalue(1 + without, dim=1).values


def within(images: Tensor, labels: Tensor) -> float:
    """The variance within a class, of all pixels, mean over classes."""
    return float(np.mean([images[labels == k].flatten(1).var(0).sum() for k in range(10)]))


def made(run: str, given: tuple[tuple[str, str], ...], seed: int) -> Tensor:
    found = sample(run, Wanted(count=COUNT, given=given, seed=seed))
    return torch.tensor(found.values).reshape(-1, 1, 8, 8)


def judge(spec: str, seed: int, model: Reader, images: Tensor, labels: Tensor, folder: Path) -> bool:
    began = time.process_time()
    run = archc.train(spec, out=folder / f"{spec}-{seed}", seed=seed, progress=False)
    took = time.process_time() - began
    conditional = spec == "cgan"
    asked = torch.arange(COUNT) % 10
    fake = made(str(run.folder), (("label", "0,1,2,3,4,5,6,7,8,9"),) if conditional else (), seed)
    with torch.no_grad():
        read = model(fake).argmax(1)
        distance = frechet(model.features(fake), model.features(images))
        halves = frechet(model.features(images[:898]), model.features(images[898:]))
    rarest = float(read.bincount(minlength=10).min() / COUNT)
    said = [f"rarest class {rarest:.3f}", f"Fréchet {distance:.2f} (real against real {halves:.2f})"]
    good = rarest >= 0.03
    if conditional:
        right = float((read == asked).float().mean())
        share = within(fake, asked) / within(images, labels)
        median, floor = float(nearest(fake, images).median()), float(nearest(images, images, 1).quantile(0.05))
        said = [f"as asked {right:.3f}", f"variance {share:.2f} of real", f"nearest {median:.2f} (floor {floor:.2f})", *said]
        good = good and right >= 0.9 and share >= 0.5 and median >= floor
    print(f"{spec:8} seed {seed}  {'  '.join(said)}  {took:.0f} s  {'passes' if good else 'FAILS'}", flush=True)
    return good


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--specs", nargs="+", default=["cgan", "gan", "wgan_gp"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    images, labels = digits()
    model = reader(images, labels)
    with tempfile.TemporaryDirectory() as folder:
        results = [judge(s, seed, model, images, labels, Path(folder)) for s in options.specs for seed in options.seeds]
    raise SystemExit(0 if all(results) else 1)


if __name__ == "__main__":
    main()

"""How likely are test digits under the shipped VAE, beside the same network and the same steps by hand in plain PyTorch?

    python benchmarks/vae.py [--seeds 3] [--draws 500]

A fifth of the digits is the test part, which neither sees; a tenth of the others chooses the best epoch of each, by the same bound. What is
compared is the importance-weighted bound (Burda, Grosse & Salakhutdinov, 2016) with so many draws, in nats an image, of both networks by
one code: log of the mean of p(x, z) / q(z | x). It is to be within 2% of the one by hand.
"""

import argparse
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

import archc

EPOCHS, BATCH, RATE = 100, 64, 2e-3
Guess = Callable[[Tensor], tuple[Tensor, Tensor]]


class ByHand(nn.Module):
    """Kingma & Welling (2014), as one writes it."""

    def __init__(self, latent: int = 8, width: int = 128) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(64, width), nn.ReLU())
        self.mu, self.sigma = nn.Linear(width, latent), nn.Linear(width, latent)
        self.decode = nn.Sequential(nn.Linear(latent, width), nn.ReLU(), nn.Linear(width, 64))

    def guess(self, image: Tensor) -> tuple[Tensor, Tensor]:
        h = self.encode(image)
        return self.mu(h), F.softplus(self.sigma(h))

    def loss(self, image: Tensor) -> Tensor:
        mu, sigma = self.guess(image)
        logits = self.decode(mu + sigma * torch.randn_like(mu))
        surprise = F.binary_cross_entropy_with_logits(logits, image, reduction="none").sum(1)
        return (surprise + kl_divergence(Normal(mu, sigma), Normal(0 * mu, 1 + 0 * sigma)).sum(1)).mean()


def trained_by_hand(seen: Tensor, held: Tensor, seed: int) -> ByHand:
    torch.manual_seed(seed)
    model = ByHand()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    total, best, kept = EPOCHS * math.ceil(len(seen) / BATCH), math.inf, model.state_dict()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(seen)).split(BATCH):
            optimizer.zero_grad()
            model.loss(seen[rows]).backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(0)
            bound = float(model.loss(held))
        if bound < best:
            best, kept = bound, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(kept)
    return model


@torch.no_grad()
def evidence(guess: Guess, decode: Callable[[Tensor], Tensor], images: Tensor, draws: int) -> float:
    """The bound, in nats an image."""
    torch.manual_seed(0)
    mu, sigma = guess(images)
    weights = []
    for _ in range(draws):
        z = mu + sigma * torch.randn_like(mu)
        likelihood = -F.binary_cross_entropy_with_logits(decode(z), images, reduction="none").sum(1)
        weights.append(likelihood + Normal(0.0, 1.0).log_prob(z).sum(1) - Normal(mu, sigma).log_prob(z).sum(1))
    return float((torch.logsumexp(torch.stack(weights), 0) - math.log(draws)).mean())


def of_archc(model: Any) -> tuple[Guess, Callable[[Tensor], Tensor]]:
    """The two halves of the network that archc wrote, by the names of its layers."""

    def guess(image: Tensor) -> tuple[Tensor, Tensor]:
        h = model.dense1(image).relu()
        return model.dense2(h), F.softplus(model.dense3(h))

    return guess, lambda z: model.dense5(model.dense4(z).relu())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=500)
    options = parser.parse_args()
    torch.set_num_threads(1)
    from sklearn.datasets import load_digits

    rows = load_digits().data.astype(np.float32)
    pairs = []
    for seed in range(options.seeds):
        order = np.random.default_rng(seed).permutation(len(rows))
        seen, test = (
            rows[order[: len(rows) * 4 // 5]],
            torch.from_numpy((rows[order[len(rows) * 4 // 5 :]] > 7).astype(np.float32)),
        )
        with tempfile.TemporaryDirectory() as folder:
            np.savez(Path(folder) / "seen.npz", data=seen)
            run = archc.train("vae", data=str(Path(folder) / "seen.npz"), out=Path(folder) / "run", seed=seed, progress=False)
            ours = evidence(*of_archc(run.model()), test, options.draws)
        images = torch.from_numpy((seen > 7).astype(np.float32))
        held = len(images) // 10
        hand = trained_by_hand(images[2 * held :], images[:held], seed)
        theirs = evidence(hand.guess, hand.decode, test, options.draws)
        pairs.append((ours, theirs))
        print(f"seed {seed}: archc {ours:.3f}, by hand {theirs:.3f} nats an image, {100 * (ours / theirs - 1):+.2f}%", flush=True)
    ours, theirs = mean(a for a, _ in pairs), mean(b for _, b in pairs)
    verdict = "within" if abs(ours / theirs - 1) <= 0.02 else "NOT within"
    print(f"mean: archc {ours:.3f}, by hand {theirs:.3f}: {verdict} 2% ({100 * (ours / theirs - 1):+.2f}%)")


if __name__ == "__main__":
    main()

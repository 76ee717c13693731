"""Does greedy pretraining help where labels are few? A deep belief network on the digits, 100 of them labelled, over 30 paired seeds.

    python benchmarks/dbn.py [--seeds 30] [--tries 10] [--splits 4] [--features]

Of each split four fifths of the digits are seen: all of them without labels by the energies, ten of each class with labels by the
fine-tuning; the rest is the test part. The same network begins from random weights in the other arm, and sees the labelled digits only.
Both arms are tuned with one budget: as many settings each, drawn at random, each tried on the same splits, which are none of those that
count. The scale of the weights that either begins with is among the settings. Both are given the weights of the last step.

Then the spec `dbn` as it stands, with all labels, over five splits. At last what its energies learn without labels (the phase of
pretraining alone): the hidden means of both to a logistic regression, beside those of scikit-learn's BernoulliRBM with 256 hidden units
and as many epochs, over five splits 80/20; the regularisation of either regression is chosen by cross-validation.
"""

import argparse
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch

import archc

SPEC = """
energy RBM(hidden, spread)(v: binary[B, D]) {{
    latent h: binary[B, hidden]
    param W: [D, hidden] = normal(std=spread)
    param a: [D]
    param b: [hidden]
    return -(v @ a) - (h @ b) - sum((v @ W) * h, dim=-1)
}}

model DBN(widths = [256, 128])(pixels: [B, 64]) -> [B, 10] {{
    logits = pixels -> stack n in widths {{ RBM(n, {spread}) }} -> dense(10)
    return logits
}}

data seen     = npz("seen.npz") {{ split = [1, 0] }}
data labelled = npz("labelled.npz") {{ split = [1, 0] }}

train pretrain: DBN on seen {{
    each RBM minimizes contrastive_divergence(k=1)
    optimizer sgd(lr={cd_rate}, momentum=0.5)
    batch     32
    epochs    {cd_epochs}
}}

train finetune: DBN on labelled {{
    {init}
    loss      cross_entropy(logits, label)
    optimizer adamw(lr={rate}, weight_decay={decay})
    schedule  cosine
    batch     20
    epochs    {epochs}
}}
"""
Settings = dict[str, Any]


@dataclass(frozen=True)
class Digits:
    """A split: what is seen, which of that is labelled, and the rest."""

    seen: np.ndarray
    seen_labels: np.ndarray
    labelled: np.ndarray
    labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


def digits_of(seed: int) -> Digits:
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows, labels = (digits.data / 16).astype(np.float32), digits.target
    order = np.random.default_rng(seed).permutation(len(rows))
    seen, test = order[: len(rows) * 4 // 5], order[len(rows) * 4 // 5 :]
    known = np.concatenate([seen[labels[seen] == c][:10] for c in range(10)])
    return Digits(rows[seen], labels[seen], rows[known], labels[known], rows[test], labels[test])


def drawn(random: np.random.Generator) -> Settings:
    """Settings that both arms have."""
    return {
        "rate": float(10 ** random.uniform(-2.3, -1.3)),
        "decay": float(10 ** random.uniform(-2.5, -0.5)),
        "epochs": int(random.choice([50, 100])),
        "spread": float(10 ** random.uniform(-0.8, -0.2)),
    }


def drawn_pretrained(random: np.random.Generator) -> Settings:
    return drawn(random) | {"cd_rate": float(10 ** random.uniform(-1, -0.4)), "cd_epochs": int(random.choice([30, 60]))}


def accuracy(settings: Settings, digits: Digits, seed: int, *, pretrained: bool) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "seen.npz", pixels=digits.seen)
        np.savez(folder / "labelled.npz", pixels=digits.labelled, label=digits.labels)
        init = 'init checkpoint("pre")' if pretrained else ""
        spec = folder / "dbn.arch"
        spec.write_text(SPEC.format(**{"cd_rate": 0.05, "cd_epochs": 1, **settings, "init": init}), encoding="utf-8")
        if pretrained:
            archc.train(spec, program="pretrain", out=folder / "pre", seed=seed, progress=False)
        run = archc.train(spec, program="finetune", out=folder / "fine", seed=seed, progress=False)
        model = run.model().eval()
        with torch.no_grad():
            logits = model(torch.from_numpy(digits.test))
        return float((logits.argmax(1).numpy() == digits.test_labels).mean())


def tuned(draw: Callable[[np.random.Generator], Settings], tries: int, splits: int, *, pretrained: bool) -> Settings:
    """The best of so many settings, by their mean over splits of their own."""
    random, best, found = np.random.default_rng(0), -1.0, Settings()
    for _ in range(tries):
        settings = draw(random)
        score = mean(accuracy(settings, digits_of(1000 + s), 1000 + s, pretrained=pretrained) for s in range(splits))
        if score > best:
            best, found = score, settings
    shown = ", ".join(f"{name} {value:.3g}" for name, value in found.items())
    print(f"{'greedy' if pretrained else 'random'}: {best:.4f} on the splits of the tuning with {shown}", flush=True)
    return found


def few_labels(seeds: int, tries: int, splits: int) -> None:
    greedy = tuned(drawn_pretrained, tries, splits, pretrained=True)
    plain = tuned(drawn, tries, splits, pretrained=False)
    pairs = []
    for seed in range(seeds):
        digits = digits_of(seed)
        pairs.append((accuracy(greedy, digits, seed, pretrained=True), accuracy(plain, digits, seed, pretrained=False)))
        print(f"seed {seed:2d}  greedy {pairs[-1][0]:.4f}  random {pairs[-1][1]:.4f}", flush=True)
    gaps = [a - b for a, b in pairs]
    error = stdev(gaps) / math.sqrt(len(gaps))
    print(
        f"100 labels, {seeds} seeds: greedy {mean(a for a, _ in pairs):.4f}, random {mean(b for _, b in pairs):.4f}, "
        f"difference {mean(gaps):+.4f}, standard error {error:.4f}: {mean(gaps) / error:.1f} of them"
    )


def all_labels(splits: int) -> None:
    found = []
    for seed in range(splits):
        with tempfile.TemporaryDirectory() as folder:
            run = archc.train("dbn", program="DBN", out=Path(folder) / "run", seed=seed, split_seed=seed, progress=False)
            found.append(run.evaluate()["accuracy"])
    print(f"all labels, {splits} splits: {', '.join(f'{a:.4f}' for a in found)}; mean {mean(found):.4f}", flush=True)


def by_energies(digits: Digits, seed: int, folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The hidden means of both energies of the spec, which has seen no label."""
    text = (Path(archc.__file__).parent / "specs" / "dbn.arch").read_text(encoding="utf-8")
    begin = text.index("    phase finetune")
    (folder / "pretrain.arch").write_text(text[:begin] + text[text.index("\n}\n", begin) + 1 :], encoding="utf-8")
    np.savez(folder / "seen.npz", data=16 * digits.seen, target=digits.seen_labels)
    run = archc.train(folder / "pretrain.arch", data=str(folder / "seen.npz"), out=folder / "run", seed=seed, progress=False)
    machines = [module for module in run.model().modules() if hasattr(module, "gibbs")]

    def given(rows: np.ndarray) -> np.ndarray:
        means = [torch.from_numpy(rows)]
        with torch.no_grad():
            for machine in machines:
                means.append(machine(means[-1]))
        return torch.cat(means[1:], dim=1).numpy()

    return given


def by_sklearn(digits: Digits, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    from sklearn.neural_network import BernoulliRBM

    found: Callable[[np.ndarray], np.ndarray]
    found = BernoulliRBM(256, learning_rate=0.06, n_iter=30, random_state=seed).fit(digits.seen).transform
    return found


def read_off(given: Callable[[np.ndarray], np.ndarray], digits: Digits) -> float:
    """The accuracy of a logistic regression on what is given of the rows."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    search = GridSearchCV(LogisticRegression(max_iter=5000), {"C": [10, 100, 1000, 10_000]}, cv=3)
    return float(search.fit(given(digits.seen), digits.seen_labels).score(given(digits.test), digits.test_labels))


def features(splits: int) -> None:
    pairs = []
    for seed in range(splits):
        digits = digits_of(seed)
        with tempfile.TemporaryDirectory() as folder:
            pairs.append((read_off(by_energies(digits, seed, Path(folder)), digits), read_off(by_sklearn(digits, seed), digits)))
        print(f"split {seed}  features of the energies {pairs[-1][0]:.4f}  of BernoulliRBM {pairs[-1][1]:.4f}", flush=True)
    ours, theirs = (mean(side) for side in zip(*pairs, strict=True))
    print(f"features, {splits} splits: the energies' {ours:.4f}, BernoulliRBM's {theirs:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--tries", type=int, default=10, help="settings of each arm")
    parser.add_argument("--splits", type=int, default=4, help="splits on which each is tried")
    parser.add_argument("--features", action="store_true", help="the features alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.features:
        few_labels(options.seeds, options.tries, options.splits)
        all_labels(5)
    features(5)


if __name__ == "__main__":
    main()

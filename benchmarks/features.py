"""What is learned of digits without labels? A linear probe on features, beside raw pixels and the same networks untrained.

    python benchmarks/features.py [--splits 3] [--quick]

A fifth of the digits is the test part, which nothing sees. The shipped specs learn from the rest without labels; then a logistic regression
on what they give, standardized, is fitted with ten labels a class, and with all of them, and read on the test part. The regularisation is
chosen among five by cross-validation on what is labelled, for all features alike. At the end the stacked autoencoder as it stands, greedily
trained then fine-tuned with all labels, beside the same network from random weights.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch

import archc

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Learner:
    """A shipped spec, how its features are read off the network, and hyperparameters."""

    spec: str
    features: Callable[[Any, torch.Tensor], torch.Tensor]
    settings: dict[str, Any]
    flat: bool = True


def codes(model: Any, x: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = model(x)[1]
    return found


def means(model: Any, x: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = model((x > 7 / 16).float())[2]
    return found


def views(model: Any, x: torch.Tensor) -> torch.Tensor:
    """Before what is thrown away."""
    image = x.reshape(-1, 1, 8, 8)
    found: torch.Tensor = model(image, image)[0]
    return found


LEARNERS = {
    "autoencoder (nothing blotted out)": Learner("denoising_autoencoder", codes, {"kept": 1.0}),
    "denoising autoencoder": Learner("denoising_autoencoder", codes, {}),
    "stacked autoencoder, greedy, plain": Learner("stacked_autoencoder", codes, {"kept": 1.0}),
    "stacked autoencoder, greedy": Learner("stacked_autoencoder", codes, {}),
    "vae": Learner("vae", means, {}),
    "simclr": Learner("simclr", views, {}),
    "byol": Learner("byol", views, {}),
}
GREEDY = "phase finetune"  # labels come in with this phase of the stacked autoencoder


def spec_of(learner: Learner, folder: Path) -> str | Path:
    """The shipped spec; of the stacked autoencoder without the phase that has labels."""
    if learner.spec != "stacked_autoencoder":
        return learner.spec
    text = (Path(archc.__file__).parent / "specs" / f"{learner.spec}.arch").read_text(encoding="utf-8")
    start = text.index(GREEDY)
    file = folder / "greedy.arch"
    file.write_text(text[:start].rstrip() + "\n}\n", encoding="utf-8")
    return file


def features(
    learner: Learner, rows: Array, folder: Path, seed: int, quick: bool
) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """What the trained network gives of images, and what it gives with the weights it begins with."""
    np.savez(folder / "seen.npz", data=16 * rows, images=16 * rows.reshape(-1, 8, 8), target=np.zeros(len(rows), int))
    length = {"epochs": 2} if quick else {}
    out = folder / f"run{len(list(folder.iterdir()))}"
    run = archc.train(
        spec_of(learner, folder), data=str(folder / "seen.npz"), out=out, seed=seed, progress=False, **length, **learner.settings
    )
    torch.manual_seed(seed)
    return read(learner, run.model()), read(learner, archc.load(learner.spec, **learner.settings).eval())


def read(learner: Learner, model: Any) -> Callable[[Array], Array]:
    def given(rows: Array) -> Array:
        with torch.no_grad():
            return learner.features(model, torch.from_numpy(rows)).numpy()

    return given


def probe(seen: Array, labels: Array, test: Array, truth: Array) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    line = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, tol=1e-3))
    search = GridSearchCV(line, {"logisticregression__C": [1e-3, 1e-2, 1e-1, 1, 10]}, cv=3)
    return float((search.fit(seen, labels).predict(test) == truth).mean())


def fine_tuned(rows: Array, labels: Array, test: Array, truth: Array, folder: Path, seed: int, quick: bool) -> dict[str, float]:
    np.savez(folder / "seen.npz", data=16 * rows, target=labels)
    text = (Path(archc.__file__).parent / "specs" / "stacked_autoencoder.arch").read_text(encoding="utf-8")
    start, end = text.index("phase pretrain"), text.index(GREEDY)
    (folder / "random.arch").write_text(text[:start] + text[end:], encoding="utf-8")
    found = {}
    for name, spec in (("greedy, then fine-tuned", "stacked_autoencoder"), ("from random weights", folder / "random.arch")):
        length = {"epochs": 2} if quick else {}
        run = archc.train(spec, data=str(folder / "seen.npz"), out=folder / name, seed=seed, progress=False, **length)
        with torch.no_grad():
            logits = run.model()(torch.from_numpy(test))[0]
        found[name] = float((logits.argmax(1).numpy() == truth).mean())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="two epochs of each: does it run?")
    options = parser.parse_args()
    torch.set_num_threads(1)
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows, labels = (digits.data / 16).astype(np.float32), digits.target
    found: dict[str, list[tuple[float, float]]] = {}
    tuned: dict[str, list[float]] = {}
    for seed in range(options.splits):
        order = np.random.default_rng(seed).permutation(len(rows))
        seen, test = order[: len(rows) * 4 // 5], order[len(rows) * 4 // 5 :]
        few = np.concatenate([seen[labels[seen] == c][:10] for c in range(10)])
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            made: dict[str, Callable[[Array], Array]] = {"raw pixels": lambda x: x}
            for title, learner in LEARNERS.items():
                made[title], made[f"{title}, untrained"] = features(learner, rows[seen], folder, seed, options.quick)
            for title, given in made.items():
                pair = tuple(probe(given(rows[some]), labels[some], given(rows[test]), labels[test]) for some in (few, seen))
                found.setdefault(title, []).append((pair[0], pair[1]))
                print(f"split {seed}  {title:45} 100 labels {pair[0]:.4f}   all {pair[1]:.4f}", flush=True)
            for title, score in fine_tuned(
                rows[seen], labels[seen], rows[test], labels[test], folder, seed, options.quick
            ).items():
                tuned.setdefault(title, []).append(score)
    print(f"\nmeans over {options.splits} splits" + (", with their standard deviations" if options.splits > 1 else ""))
    for title, pairs in found.items():
        print(f"{title:45} 100 labels {shown([a for a, _ in pairs])}   all {shown([b for _, b in pairs])}")
    for title, scores in tuned.items():
        print(f"{'stacked autoencoder, ' + title:45} all {shown(scores)}")


def shown(scores: list[float]) -> str:
    return f"{mean(scores):.4f}" + (f" ± {stdev(scores):.4f}" if len(scores) > 1 else "")


if __name__ == "__main__":
    main()

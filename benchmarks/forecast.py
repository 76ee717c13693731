"""Next year's sunspots, against forecasts that learn nothing: `python benchmarks/forecast.py [--seeds 0 1 2 3 4]`.

Trains `specs/forecast.arch` from each seed and prints the mean squared error on its test part, the last 15 % of the years, of the roots of
the numbers. Beside it stand the naive forecasts: next year will be as this one; it will be as it was eleven years before (the length of a
cycle); and it will be the mean of the training part.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np

import archc

YEARS = Path(__file__).parent.parent / "specs" / "data" / "sunspots.npz"
CYCLE = 11


def naive() -> dict[str, float]:
    """Errors on the test part."""
    held = np.load(YEARS)
    past, after = np.sqrt(held["past"]), np.sqrt(held["next"])
    plan = archc.compile("forecast", program=True).plan.train
    assert plan is not None
    from archc.runtime.data.splits import split

    parts = split(plan.data, len(after), plan.split_seed)
    test = parts["test"]
    guesses = {
        "as this year": past[test, -1],
        "as a cycle ago": past[test, -CYCLE],
        "the mean": np.full(len(test), after[parts["train"]].mean()),
    }
    return {name: float(((guess - after[test]) ** 2).mean()) for name, guess in guesses.items()}


def trained(seed: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        run = archc.train("forecast", seed=seed, out=Path(folder) / "run", progress=False)
        return float(run.metrics["test"]["loss"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    options = parser.parse_args()
    for name, error in naive().items():
        print(f"{name:15} {error:.3f}", flush=True)
    found = [trained(seed) for seed in options.seeds]
    print(f"{'forecast.arch':15} {statistics.mean(found):.3f}  {' '.join(f'{error:.3f}' for error in found)}")


if __name__ == "__main__":
    main()

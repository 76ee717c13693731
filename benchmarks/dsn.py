"""A deep stacking network on the digits: what each module adds, over five seeds of weights and splits.

    python benchmarks/dsn.py

The squared error of each module on the training part is the loss that the run records when its upper weights are solved. The accuracy
is that of the last module on the test part, which nothing was chosen on: the width, the scale of the lower weights and the ridge were
chosen on validation parts of other splits.
"""

import tempfile
from pathlib import Path
from statistics import mean

import archc

SEEDS = range(5)


def main() -> None:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in SEEDS:
            out = Path(folder) / str(seed)
            run = archc.train("dsn", program="DSN", out=out, seed=seed, split_seed=seed, progress=False)
            first, second, third = run.losses
            accuracy = run.evaluate()["accuracy"]
            found.append(accuracy)
            falls = "falls" if first > second > third else "DOES NOT FALL"
            print(f"seed {seed}  training error {first:.4f} {second:.4f} {third:.4f} ({falls})   test accuracy {accuracy:.4f}")
    print(f"mean test accuracy {mean(found):.4f}")


if __name__ == "__main__":
    main()

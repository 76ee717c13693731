"""Who is speaking: `python benchmarks/speaker.py [--choose] [--cells LSTM GRU RNN] [--seeds 0 1 2 3 4]`.

Trains `specs/speaker.arch` with each cell from each seed on the 270 utterances that the donors chose for it and prints the share of the 370
others that is told right. `--choose` is how its settings were chosen, from those below, by the mean accuracy over five folds of the 270
alone: fold k is every fifth utterance of each speaker, from the kth on. The 370 are read by the first form only.
"""

import argparse
import itertools
import statistics
import tempfile
from pathlib import Path

import numpy as np

import archc

UTTERANCES = Path(__file__).parent.parent / "specs" / "data" / "japanese_vowels.npz"
PROGRAMS = {"LSTM": "Speaker", "GRU": "gru", "RNN": "rnn"}
GRID = {"width": [64, 128], "depth": [1, 2], "drop": [0.2, 0.5]}
FOLDS = 5


def fold(number: int, folder: Path) -> Path:
    """The training utterances in a file of their own, of which the fold is the test part."""
    held = np.load(UTTERANCES)
    kept = np.flatnonzero(held["split"] == 0)
    offsets, label = held["frames_offsets"], held["label"][kept]
    split = np.zeros(len(kept), np.int8)
    for speaker in np.unique(label):
        split[np.flatnonzero(label == speaker)[number::FOLDS]] = 2
    lengths = np.diff(offsets)[kept]
    frames = np.concatenate([held["frames"][offsets[row] : offsets[row + 1]] for row in kept])
    path = folder / f"fold{number}.npz"
    np.savez(path, frames=frames, frames_offsets=np.concatenate(([0], np.cumsum(lengths))), label=label, split=split)
    return path


def accuracy(cell: str, seed: int, data: Path | None = None, **settings: object) -> float:
    with tempfile.TemporaryDirectory() as folder:
        run = archc.train(
            "speaker",
            program=PROGRAMS[cell],
            seed=seed,
            out=Path(folder) / "run",
            data=None if data is None else str(data),
            progress=False,
            **settings,
        )
        return float(run.metrics["test"]["accuracy"])


def choose(cell: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        folds = [fold(number, Path(folder)) for number in range(FOLDS)]
        for values in itertools.product(*GRID.values()):
            settings = dict(zip(GRID, values, strict=True))
            found = [accuracy(cell, 0, data, **settings) for data in folds]
            print(f"{cell:5} {statistics.mean(found):.4f}  {settings}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--cells", nargs="*", choices=PROGRAMS, default=list(PROGRAMS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    options = parser.parse_args()
    for cell in options.cells:
        if options.choose:
            choose(cell)
            continue
        found = [accuracy(cell, seed) for seed in options.seeds]
        print(f"{cell:5} {statistics.mean(found):.4f}  {' '.join(f'{share:.4f}' for share in found)}", flush=True)


if __name__ == "__main__":
    main()

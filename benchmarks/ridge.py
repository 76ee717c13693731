"""Ridge regression from moments beside one NumPy pass over the same moments: float64, the same blocks, rows made as they are asked for.

    python benchmarks/ridge.py [--rows 1000000]

Only the time within the two is counted, not that of making the rows: the processor's, of one thread each. The two see each block one after
the other, in turns.
"""

import argparse
import os
import resource
import time
from collections.abc import Iterator

os.environ |= {
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}  # read once, by what is imported below

import numpy as np
import torch

from archc.runtime.train import closed

WIDTH, CLASSES, BLOCK = 784, 10, 10_000


class Beside:
    """Makes each block, sums NumPy's moments of it, and hands it on; knows what both took."""

    def __init__(self, rows: int) -> None:
        self.rows, self.numpy, self.made = rows, 0.0, 0.0
        self.xx, self.xy = np.zeros((WIDTH, WIDTH)), np.zeros((WIDTH, CLASSES))

    def blocks(self) -> Iterator[closed.Block]:
        random = np.random.default_rng(0)
        for _ in range(self.rows // BLOCK):
            begun = time.process_time()
            x = random.standard_normal((BLOCK, WIDTH))
            y = np.eye(CLASSES)[x[:, :CLASSES].argmax(1)]
            self.made += time.process_time() - begun
            begun = time.process_time()
            self.xx += x.T @ x
            self.xy += x.T @ y
            self.numpy += time.process_time() - begun
            yield torch.from_numpy(x), torch.from_numpy(y)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    beside = Beside(parser.parse_args().rows)
    torch.set_num_threads(1)
    begun = time.process_time()
    found = closed.linear(beside.blocks(), 1e-3, bias=False)
    ours = time.process_time() - begun - beside.numpy - beside.made
    weight = np.linalg.solve(beside.xx + 1e-3 * np.eye(WIDTH), beside.xy).T
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{beside.rows:,} x {WIDTH}: ours with the solution {ours:.2f} s, NumPy's moments {beside.numpy:.2f} s")
    print(
        f"ratio {ours / beside.numpy:.2f}; largest difference of weights {abs(found.weight.numpy() - weight).max():.1e}; {memory:.0f} MiB"
    )


if __name__ == "__main__":
    main()

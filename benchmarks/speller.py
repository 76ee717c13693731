"""Numbers spelled in English by the encoder-decoder of 2017: how many of those never seen are exactly right, greedily decoded.

    archc train transformer --train speller --out runs/speller      (some 15 minutes on 2 cores)
    python benchmarks/speller.py runs/speller                       (--count 2000 for a part of them)

A fifth of the numbers from 0 to 99,999, drawn by their digits, is the test part, which no step and no choice ever saw. Each is
handed to the run's own sampler as its digits, and what is written has to be its name, letter for letter. The decoder writes from the cache.
"""

import argparse
import random

from archc.runtime.data.numerals import part_of, spelled
from archc.runtime.run import Run

LONGEST = 51  # characters, with the one that ends a name
BATCH = 500


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("run")
    arguments.add_argument("--count", type=int, default=None, help="so many of the unseen numbers, drawn at random")
    given = arguments.parse_args()
    unseen = [n for n in range(100_000) if part_of(n) == 2]
    if given.count is not None:
        unseen = sorted(random.Random(0).sample(unseen, given.count))
    run, wrong = Run(given.run), []
    for at in range(0, len(unseen), BATCH):
        some = unseen[at : at + BATCH]
        made = run.sample(*map(str, some), tokens=LONGEST, greedy=True).records()
        wrong += [(n, record["text"]) for n, record in zip(some, made, strict=True) if record["text"] != spelled(n)]
    print(f"{1 - len(wrong) / len(unseen):.4f} of {len(unseen):,} unseen numbers are spelled exactly right")
    for number, text in wrong[:10]:
        print(f"  {number}: {text!r} instead of {spelled(number)!r}")


if __name__ == "__main__":
    main()

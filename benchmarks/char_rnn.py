"""How well a recurrent network foretells text it has not seen: `python benchmarks/char_rnn.py [--run DIR]`.

Trains `specs/char_rnn.arch` on the first nine tenths of the help of Python (or takes a run of it that is there) and prints the bits a
character of the last tenth. Beside it stand compressors, each given the rest before: what they need for the whole less what they need for
the first nine tenths, over the characters of the last.
"""

import argparse
import bz2
import lzma
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics

import archc

LAST = 0.1
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "zlib": lambda text: zlib.compress(text, 9),
    "bz2": lambda text: bz2.compress(text, 9),
    "lzma": lambda text: lzma.compress(text, preset=9 | lzma.PRESET_EXTREME),
}


def compressed(text: bytes, compress: Callable[[bytes], bytes]) -> float:
    """Bits a character of the last tenth, given what comes before it."""
    first = text[: len(text) - round(LAST * len(text))]
    return 8 * (len(compress(text)) - len(compress(first))) / (len(text) - len(first))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help="the folder of a finished run of char_rnn, instead of training one")
    options = parser.parse_args()
    text = "".join(f"{topic}\n" for topic in topics.values()).encode()
    for name, compress in COMPRESSORS.items():
        print(f"{name:9} {compressed(text, compress):.3f}", flush=True)
    if options.run is not None:
        print(f"char_rnn  {archc.Run(options.run).metrics['test']['bits']:.3f}")
        return
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        run = archc.train("char_rnn", out=Path(folder) / "run", progress=False)
        print(f"char_rnn  {run.metrics['test']['bits']:.3f}  ({time.perf_counter() - began:.0f} s)")


if __name__ == "__main__":
    main()

"""How checking grows with the spec: `python benchmarks/check_scaling.py`.

A stack of 10,000 levels against one of 10, and a flat file of 10,000 layers against one of 1,000: medians of the processor time inside one
process, with their ratios, which are to stay below 1.2 and 12.
"""

import statistics
import time

from archc.compiler.pipeline import check_source
from archc.dsl.source import Source

BLOCK = "block Part(x: [B, D]) -> [B, D] {\n    return x + (x -> layer_norm -> dense(4 * D) -> gelu -> dense(D))\n}\n\n"


def stacked(levels: int) -> str:
    """A network of equal levels."""
    return f"{BLOCK}model Net(x: [B, 64]) {{\n    return x -> stack {levels} {{ Part }} -> dense(10)\n}}\n"


def flat(layers: int) -> str:
    """A network of so many layers, each on a line of its own."""
    lines = "".join(f"    h{n + 1} = h{n} -> dense({16 + n % 7}) -> relu\n" for n in range(layers // 2))
    return f"model Net(h0: [B, 64]) {{\n{lines}    return h{layers // 2}\n}}\n"


def seconds(text: str, runs: int) -> float:
    """The median time of a check; the text must be right."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        report = check_source(Source("spec.arch", text))
        times.append(time.process_time() - start)
        assert not report.diagnostics, report.diagnostics[0]
    return statistics.median(times)


def main() -> None:
    seconds(stacked(10), 5)  # what is imported once
    few, many = seconds(stacked(10), 41), seconds(stacked(10_000), 41)
    print(f"stack of 10 levels {1000 * few:.2f} ms, of 10,000 {1000 * many:.2f} ms: {many / few:.2f} times")
    short, long = seconds(flat(1_000), 5), seconds(flat(10_000), 3)
    print(f"flat file of 1,000 layers {short:.2f} s, of 10,000 {long:.2f} s: {long / short:.1f} times")


if __name__ == "__main__":
    main()

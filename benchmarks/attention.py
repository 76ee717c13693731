"""What attention costs as archc lowers it, beside scaled_dot_product_attention with a mask that is ready: ratios, paired in one process.

    python benchmarks/attention.py [--rounds 5] [--threads 1]

Prints for each case the medians over the rounds of forward and of forward with backward, each as a part of the other's time.
The time is that of the processor, so that what else runs on the machine matters less.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from archc.compiler.pipeline import compile_source
from archc.dsl.source import Source

BATCH, HEADS, WIDTH, STEPS = 1, 4, 64, 4096
FALLS = "bias[h, i, j] = -(2 ** (-8 * (h + 1) / 4)) * (i - j)"
CASES = {
    "window of 128": "mask[i, j] = j <= i and i - j < 128",
    "window, filled": "mask[b, h, i, j] = j <= i and i - j < 128 and keep[b, j]",
    "window, ALiBi": f"mask[i, j] = j <= i and i - j < 128\n    {FALLS}",
    "causal": "mask[i, j] = j <= i",
    "documents": "mask[b, h, i, j] = j <= i and of[b, i] == of[b, j]",
    "ALiBi": f"mask[i, j] = j <= i\n    {FALLS}",
}
TENSORS = {
    "of": ("int[B, T]", torch.arange(STEPS)[None] // 512),  # documents of 512 tokens, packed
    "keep": ("bool[B, T]", torch.arange(STEPS)[None] < 4000),
}


def read(equations: str) -> list[str]:
    return [name for name in TENSORS if f"{name}[" in equations]


def ours(equations: str) -> nn.Module:
    """The equations as archc compiles them, on heads that are split already."""
    given = "mask=mask, bias=bias" if "bias" in equations else "mask=mask"
    shape = f"[B, {HEADS}, T, {WIDTH}]"
    more = "".join(f", {name}: {TENSORS[name][0]}" for name in read(equations))
    text = f"model Net(q: {shape}, k: {shape}, v: {shape}{more}) {{\n    {equations}\n    return attend(q, k, v, {given})\n}}\n"
    compiled, report = compile_source(Source("net.arch", text))
    assert compiled is not None, report.diagnostics
    scope: dict[str, Any] = {}
    exec(compiled.source, scope)
    net: nn.Module = scope["Net"]()
    return net


def ready(case: str) -> Tensor:
    """The same as a mask or bias that is there before the clock starts."""
    i, j = torch.arange(STEPS)[:, None], torch.arange(STEPS)
    mask = (j <= i)[None, None]
    if "window" in case:
        mask = mask & (i - j < 128)
    if "filled" in case:
        mask = mask & TENSORS["keep"][1][:, None, None]
    if case == "documents":
        of = TENSORS["of"][1]
        mask = mask & (of.mT == of)
    if "ALiBi" not in case:
        return mask
    fall = -(2 ** (-8 * (torch.arange(HEADS) + 1) / HEADS))[:, None, None] * (i - j)
    return fall.masked_fill(~mask, float("-inf"))


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description="attention beside scaled_dot_product_attention with a ready mask")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(f"B={BATCH} heads={HEADS} d={WIDTH} T={STEPS} float32, torch {torch.__version__}, threads {options.threads}")
    q, k, v = (torch.randn(BATCH, HEADS, STEPS, WIDTH, requires_grad=True) for _ in range(3))
    for case, equations in CASES.items():
        net, mask = ours(equations), ready(case)
        given = (q, k, v, *(TENSORS[name][1] for name in read(equations)))
        ways: tuple[Callable[[], Tensor], ...] = (
            lambda net=net, given=given: net(*given),  # type: ignore[misc]
            lambda mask=mask: F.scaled_dot_product_attention(q, k, v, attn_mask=mask),  # type: ignore[misc]
            lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        )
        torch.testing.assert_close(ways[0](), ways[1](), rtol=1e-4, atol=1e-5)
        forward, training = [], []
        for _ in range(options.rounds):
            with torch.no_grad():
                forward.append([seconds(way) for way in ways])
            training.append([seconds(lambda way=way: torch.autograd.grad(way().sum(), (q, k, v))) for way in ways])
        print(f"{case:14} forward {shares(forward)}  training {shares(training)}")


def shares(rounds: list[list[float]]) -> str:
    """The first way's time as a part of those of the others: medians over the rounds."""
    to_mask, to_flag = (median(times[0] / times[other] for times in rounds) for other in (1, 2))
    return f"{to_mask:.3f} of a ready mask, {to_flag:.3f} of the causal flag"


if __name__ == "__main__":
    main()

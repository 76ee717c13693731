"""Cells written as equations beside torch's own: `python benchmarks/cells.py [--widths 64 256 512] [--steps 100 512] [--batches 1 32] …`.

Each line is a ratio of times, the median of interleaved pairs of blocks in one process, forward (no gradients kept) and in training
(forward and backward, from given derivatives of the outputs); below 1 the first is faster. Inputs have 64 columns, all is float32. On one
thread the time is the processor's, on two it is the clock's, which wants idle cores.

`LSTM` and `GRU` are those of std.recurrent in their kernels; `plain` is the LSTM as the generated PyTorch computes it, and a `loop` is the
cell written by hand step by step. `four gates` and `three gates` are cells of nobody, for which there is nothing else: beside nn.LSTM
and nn.GRU. MinGRU and MinLSTM are linear, their gates do not read the state: beside their loops, and MinGRU beside one that takes its
products for all steps at once.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from paired import Clock, Ratio, Work, paired
from torch import Tensor, nn

import archc
from archc.compiler.recurrence.cpp import translation_unit
from archc.runtime.kernels import build
from archc.runtime.train.determinism import prepare_environment

COLUMNS = 64
SPEC = """from std.recurrent import GRU, LSTM, MinGRU, MinLSTM

cell Four(width)(x: [B, D]) {
    state h: [B, width]
    state c: [B, width]
    gate a = sigmoid(dense(width)(x, h))
    gate b = sigmoid(dense(width)(x, h))
    gate e = sigmoid(dense(width)(x, h))
    u  = tanh(dense(width)(x, h))
    c' = a * c + (1 - a) * b * u
    h' = e * tanh(c') + (1 - e) * u
    return h'
}

cell Three(width)(x: [B, D]) {
    state h: [B, width]
    gate a = sigmoid(dense(width)(x, h))
    gate b = sigmoid(dense(width)(x, h))
    h' = a * h + b * tanh(dense(width)(x, h))
    return h'
}

model Net(x: [B, T, COLUMNS]) {
    y = x -> recur(CELL(WIDTH))
    return y
}
"""


class Loop(nn.Module):
    """The LSTM of a tutorial: a product of input and state, then the gates, one step after another."""

    def __init__(self, width: int):
        super().__init__()
        self.width, self.gates = width, nn.Linear(COLUMNS + width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(x.shape[0], self.width)
        outputs = []
        for now in x.unbind(1):
            i, f, o, g = self.gates(torch.cat((now, h), dim=-1)).chunk(4, dim=-1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs, dim=1)


class MinimalLoop(nn.Module):
    """MinGRU step by step, its products taken in the step, or for all steps at once."""

    def __init__(self, width: int, *, at_once: bool = False):
        super().__init__()
        self.gate, self.new, self.at_once = nn.Linear(COLUMNS, width), nn.Linear(COLUMNS, width), at_once

    def forward(self, x: Tensor) -> Tensor:
        if self.at_once:
            steps = zip(torch.sigmoid(self.gate(x)).unbind(1), self.new(x).unbind(1), strict=True)
        else:
            steps = ((torch.sigmoid(self.gate(now)), self.new(now)) for now in x.unbind(1))
        h, outputs = x.new_zeros(x.shape[0], self.gate.out_features), []
        for z, new in steps:
            h = (1 - z) * h + z * new
            outputs.append(h)
        return torch.stack(outputs, dim=1)


class MinimalLSTMLoop(nn.Module):
    """MinLSTM step by step."""

    def __init__(self, width: int):
        super().__init__()
        self.forget, self.input, self.new = (nn.Linear(COLUMNS, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        h, outputs = x.new_zeros(x.shape[0], self.new.out_features), []
        for now in x.unbind(1):
            f, i = torch.sigmoid(self.forget(now)), torch.sigmoid(self.input(now))
            h = f / (f + i) * h + i / (f + i) * self.new(now)
            outputs.append(h)
        return torch.stack(outputs, dim=1)


class First(nn.Module):
    """A recurrent layer of torch.nn, without its last state."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.layer(x)[0]
        return output


def ours(cell: str, width: int, *, fused: bool = True) -> nn.Module:
    text = SPEC.replace("CELL", cell).replace("COLUMNS", str(COLUMNS)).replace("WIDTH", str(width))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.arch"
        path.write_text(text)
        return archc.load(path, fused=fused)


def forward(net: nn.Module, x: Tensor) -> Work:
    def work() -> None:
        with torch.no_grad():
            net(x)

    return work


def training(net: nn.Module, x: Tensor) -> Work:
    slopes = torch.randn_like(net(x))

    def work() -> None:
        torch.autograd.backward(net(x), slopes)
        for parameter in net.parameters():
            parameter.grad = None

    return work


def pairs(width: int) -> Iterator[tuple[str, nn.Module, nn.Module]]:
    """What is compared with what."""
    lstm, gru = First(nn.LSTM(COLUMNS, width, batch_first=True)), First(nn.GRU(COLUMNS, width, batch_first=True))
    yield "LSTM / nn.LSTM", ours("LSTM", width), lstm
    yield "GRU / nn.GRU", ours("GRU", width), gru
    yield "four gates / nn.LSTM", ours("Four", width), lstm
    yield "three gates / nn.GRU", ours("Three", width), gru
    yield "MinGRU / loop", ours("MinGRU", width), MinimalLoop(width)
    yield "MinGRU / at once", ours("MinGRU", width), MinimalLoop(width, at_once=True)
    yield "MinLSTM / loop", ours("MinLSTM", width), MinimalLSTMLoop(width)
    yield "plain LSTM / nn.LSTM", ours("LSTM", width, fused=False), lstm
    yield "LSTM / loop", ours("LSTM", width), Loop(width)


def builds() -> None:
    """The time of a kernel that is not built yet, and of one that is."""
    (recurrence,) = archc.compile("lstm").plan.model.recurrences
    assert recurrence.equations is not None
    with tempfile.TemporaryDirectory() as folder:
        before, os.environ["ARCHC_KERNELS"] = os.environ.get("ARCHC_KERNELS"), folder
        for name in ("cold", "cached"):
            build.library.cache_clear()
            began = time.perf_counter()
            build.library(translation_unit([recurrence.equations], "float"))
            print(f"a kernel, {name}: {time.perf_counter() - began:.3f} s")
        del os.environ["ARCHC_KERNELS"]
        os.environ.update({} if before is None else {"ARCHC_KERNELS": before})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="*", default=[64, 256, 512])
    parser.add_argument("--steps", type=int, nargs="*", default=[100, 512])
    parser.add_argument("--batches", type=int, nargs="*", default=[32, 1])
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--blocks", type=int, default=9)
    options = parser.parse_args()
    prepare_environment()  # as archc train does, for both that are compared
    builds()
    for threads, width in itertools.product(options.threads, options.widths):
        torch.set_num_threads(threads)
        clock: Clock = time.process_time if threads == 1 else time.perf_counter
        compared = list(pairs(width))
        for steps, batch in itertools.product(options.steps, options.batches):
            print(f"\n{threads} thread{'s' * (threads > 1)}, H = {width}, T = {steps}, B = {batch}", flush=True)
            x = torch.randn(batch, steps, COLUMNS)
            for name, first, second in compared:
                ratios: list[Ratio] = [
                    paired(way(first, x), way(second, x), options.blocks, clock) for way in (forward, training)
                ]
                print(f"    {name:22} forward {ratios[0]}    training {ratios[1]}", flush=True)


if __name__ == "__main__":
    main()

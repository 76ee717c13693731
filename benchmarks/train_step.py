"""A step of `archc train` beside a bare loop on the same network, in one process: paired medians of interleaved blocks.

    python benchmarks/train_step.py [--blocks 15] [--epochs 0] [--runs 3] [lenet resnet mlp]

The bare loop has the tensors in memory and does what cannot be left out: a permutation an epoch, index_select, forward, loss,
backward, step. No metrics, no journal, no checkpoint. The engine does all that it does in a run (journal, looks at the losses, ends
of epochs). Keras 3 (torch backend) and Lightning train the MLP on the same rows with the loop that their users call, where they are
installed. All compute on one thread. Ratios are medians over pairs of blocks that ran one after the other, so that what else the
machine does falls on both; the bare loop is compared by the processor's time, the others by the clock. At the end the MLP is trained
for 100 epochs as a whole process by each, the median of several runs in turn.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archc.dsl.source import Source
from archc.runtime.compiling import Wanted, compiled
from archc.runtime.executable import executable
from archc.runtime.loader import build
from archc.runtime.train import checkpoints, determinism, health
from archc.runtime.train import engine as engines
from archc.runtime.train.api import changed
from archc.runtime.train.engine import Engine
from archc.runtime.train.journal import Journal
from archc.runtime.train.progress import Silent
from archc.runtime.train.setup import settle
from archc.runtime.train.signals import Wish

DIGITS = """
data digits = sklearn("digits") {{
    image = images / 16 -> {columns}
    label = target
    split = {split}
}}

train Net on digits {{
    loss      cross_entropy(logits, label)
    optimizer {optimizer}
    epochs    1000000
    batch     {batch}
}}
"""
LENET = """
model Net(image: [B, 1, 8, 8]) {
    features = image -> conv(6, 5, padding=2) -> tanh -> avg_pool(2) -> conv(16, 3, padding=1) -> tanh -> avg_pool(2) -> flatten
    logits   = features -> dense(120) -> tanh -> dense(84) -> tanh -> dense(10)
    return logits
}
"""
MLP = """
model Net(image: [B, 64]) {
    logits = image -> dense(100) -> relu -> dense(10)
    return logits
}
"""
RESNET = """
block Basic(width, stride = 1)(x: [B, C, H, W]) {
    inner = x -> conv(width, 3, stride=stride, padding=1, bias=false) -> batch_norm -> relu
        -> conv(width, 3, padding=1, bias=false) -> batch_norm
    if stride == 1 {
        short = x
    } else {
        short = x -> conv(width, 1, stride=stride, bias=false) -> batch_norm
    }
    return inner + short -> relu
}

model Net(image: [B, 3, 32, 32]) {
    stem   = image -> conv(64, 3, padding=1, bias=false) -> batch_norm -> relu
    logits = stem -> Basic(64) -> Basic(64) -> Basic(128, 2) -> Basic(128) -> Basic(256, 2) -> Basic(256)
        -> Basic(512, 2) -> Basic(512) -> global_avg_pool -> dense(10)
    return logits
}
"""
CASES = {
    "lenet": (LENET, "reshape(1, 8, 8)", "adam(lr=1e-3)", 64, "[1, 0]"),
    "resnet": (
        RESNET,
        "reshape(1, 8, 8) -> upsample(32) -> expand(3, 32, 32)",
        "sgd(lr=0.01, momentum=0.9)",
        32,
        "[0.0535, 0, 0.9465]",  # three batches
    ),
    "mlp": (MLP, "reshape(64)", "adam(lr=1e-3)", 32, "[1, 0]"),
}
Block = Callable[[], float]
CLOCK = time.process_time  # of the engine and the bare loop, which both compute on one thread


def engine_of(text: str, folder: Path) -> Engine:
    """The engine of a spec, about to take its first step."""
    exe = changed(executable(compiled(Source("bench.arch", text), Wanted(training=True))), {})
    from archc.runtime.data.sources import read_data

    assert exe.plan.train is not None
    table = read_data(exe.plan.train.data, Path())
    setting, _, _ = settle(exe, exe.plan.train, table, torch.device("cpu"))
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "metrics.jsonl").touch()
    engine = Engine(setting, folder, Journal(folder / "metrics.jsonl", 0), Silent(), Wish())
    engine.begin(None)
    engine.phase.train()
    return engine


class OwnTime:
    """A clock that stands while others are measured: what an engine does now and then for a share of the time, it does by this one."""

    def __init__(self) -> None:
        self.away, self.left = 0.0, time.monotonic()
        for module in (engines, checkpoints, health):
            module.time = self  # type: ignore[attr-defined]

    def monotonic(self) -> float:
        return time.monotonic() - self.away


class Ours:
    """Blocks of steps of the engine; evaluation and the end of epochs are part of it, as they come."""

    def __init__(self, engine: Engine, steps: int) -> None:
        self.engine, self.steps, self.clock = engine, steps, CLOCK
        self.own = OwnTime()

    def block(self) -> float:
        """Seconds a step."""
        self.own.away += time.monotonic() - self.own.left
        try:
            return self.timed()
        finally:
            self.own.left = time.monotonic()

    def timed(self) -> float:
        engine, clock = self.engine, self.clock
        first = engine.state.step
        begun = clock()
        while engine.state.step - first < self.steps:
            if engine.state.position < len(engine.phase.batches):
                engine.train_epoch()
            else:
                engine.end_epoch()
        return (clock() - begun) / (engine.state.step - first)


class Bare:
    """The loop that anybody would write."""

    def __init__(self, model: nn.Module, columns: list[Tensor], batch: int, optimizer: torch.optim.Optimizer, steps: int) -> None:
        self.model, self.columns, self.batch, self.optimizer, self.steps = model, columns, batch, optimizer, steps
        model.train()

    def block(self) -> float:
        x, label = self.columns
        done = 0
        begun = CLOCK()
        while done < self.steps:
            for index in torch.randperm(len(x)).split(self.batch):  # type: ignore[no-untyped-call]
                loss = nn.functional.cross_entropy(self.model(x.index_select(0, index)), label.index_select(0, index))
                self.optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                self.optimizer.step()
                done += 1
        return (CLOCK() - begun) / done


def paired(one: Block, other: Block, blocks: int) -> tuple[float, float, float]:
    """Median seconds of each, and the median ratio of neighbours; the order within a pair alternates."""
    one()
    other()
    pairs = []
    for i in range(blocks):
        first, second = (one, other) if i % 2 == 0 else (other, one)
        a, b = first(), second()
        pairs.append((a, b) if i % 2 == 0 else (b, a))
    ratio = statistics.median(a / b for a, b in pairs)
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), ratio


def compare(name: str, blocks: int, epochs: int, folder: Path) -> None:
    model_text, columns, optimizer, batch, split = CASES[name]
    text = model_text + DIGITS.format(columns=columns, optimizer=optimizer, batch=batch, split=split)
    with determinism.pinned():
        engine = engine_of(text, folder / name)
        per_epoch = engine.phase.per_epoch
        held: Any = engine.phase.batches.held
        bare_model = build(engine.setting.exe)
        make: Any = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer.split("(", maxsplit=1)[0]]
        arguments = {**engine.plan.optimizers[0].arguments, "fused": True}
        steps = epochs * per_epoch
        ours = Ours(engine, steps)
        bare = Bare(bare_model, list(held.columns), batch, make(bare_model.parameters(), **arguments), steps)
        a, b, ratio = paired(ours.block, bare.block, blocks)
        print(
            f"{name:8} archc {a * 1e6:9.1f} us/step   bare loop {b * 1e6:9.1f} us/step   ratio {ratio:.3f}   ({(a - b) * 1e6:+.1f} us)",
            flush=True,
        )
        if name == "mlp":
            against_others(ours, list(held.columns), batch, steps, blocks)


def against_others(ours: Ours, columns: list[Tensor], batch: int, steps: int, blocks: int) -> None:
    """Keras 3 and Lightning on the MLP, each with the trainer that its users call, where they are installed."""
    ours.clock = time.perf_counter
    for name, make in (("keras", keras_block), ("lightning", lightning_block)):
        if find_spec(name) is None:
            print(f"{name:8} is not installed: not compared")
            continue
        block = make(columns, batch, steps)
        a, b, ratio = paired(ours.block, block, max(3, blocks // 2))
        print(f"mlp      archc {a * 1e6:9.1f} us/step   {name:9} {b * 1e6:9.1f} us/step   ratio {ratio:.3f}", flush=True)


def keras_block(columns: list[Tensor], batch: int, steps: int) -> Block:
    import os

    os.environ["KERAS_BACKEND"] = "torch"
    import keras  # type: ignore[import-not-found, import-untyped, unused-ignore]

    layers = [keras.layers.Input((64,)), keras.layers.Dense(100, activation="relu"), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
    x, label = (c.numpy() for c in columns)
    per_epoch = -(-len(x) // batch)

    def block() -> float:
        begun = time.perf_counter()
        epochs = max(1, steps // per_epoch)
        model.fit(x, label, batch_size=batch, epochs=epochs, verbose=0)
        return (time.perf_counter() - begun) / (epochs * per_epoch)

    return block


def lightning_block(columns: list[Tensor], batch: int, steps: int) -> Block:
    import logging
    import warnings

    import lightning  # type: ignore[import-not-found, import-untyped, unused-ignore]

    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))

        def training_step(self, given: Any, _: int) -> Tensor:
            return nn.functional.cross_entropy(self.net(given[0]), given[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), 1e-3, fused=True)

    module = Module()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*columns), batch, shuffle=True)

    def block() -> float:
        epochs = max(1, steps // len(loader))
        trainer = lightning.Trainer(
            max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False,
        )  # fmt: skip
        begun = time.perf_counter()
        trainer.fit(module, loader)
        return (time.perf_counter() - begun) / (epochs * len(loader))

    return block


SKLEARN = """
import warnings
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
warnings.filterwarnings("ignore")
x, y = load_digits(return_X_y=True)
MLPClassifier((100,), max_iter=100, n_iter_no_change=1000, tol=0, random_state=0).fit(x / 16, y)
"""
KERAS = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras
from sklearn.datasets import load_digits
x, y = load_digits(return_X_y=True)
layers = [keras.layers.Input((64,)), keras.layers.Dense(100, activation="relu"), keras.layers.Dense(10)]
model = keras.Sequential(layers)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
model.fit((x / 16).astype("float32"), y, batch_size=200, epochs=100, verbose=0)
"""


def whole_process(folder: Path, runs: int) -> None:
    """The MLP on digits for 100 epochs as a whole process, beside scikit-learn's and Keras's."""
    spec = folder / "mlp.arch"
    spec.write_text(
        (MLP + DIGITS.format(columns="reshape(64)", optimizer="adam(lr=1e-3)", batch=200, split="[1, 0]")).replace(
            "1000000", "100"
        ),
        encoding="utf-8",
    )
    commands = {
        "archc train": [sys.executable, "-m", "archc", "train", str(spec), "-q", "--out"],
        "scikit-learn": [sys.executable, "-c", SKLEARN],
        "keras": [sys.executable, "-c", KERAS],
    }
    if find_spec("keras") is None:
        del commands["keras"]
    took: dict[str, list[float]] = {name: [] for name in commands}
    for run in range(runs):
        for name, command in commands.items():
            begun = time.perf_counter()
            subprocess.run([*command, str(folder / f"run{run}")], check=True, stdout=subprocess.DEVNULL)
            took[name].append(time.perf_counter() - begun)
    for name, seconds in took.items():
        print(f"MLP on digits, 100 epochs, whole process: {name:12} {statistics.median(seconds):6.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=list(CASES), help=", ".join(CASES))
    parser.add_argument("--blocks", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=0, help="epochs a block; default: enough for about a second")
    parser.add_argument("--runs", type=int, default=3, help="whole processes of each")
    options = parser.parse_args()
    usual = {"lenet": 10, "resnet": 1, "mlp": 20}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.cases:
            compare(name, options.blocks, options.epochs or usual[name], Path(folder))
        if options.runs:
            whole_process(Path(folder), options.runs)


if __name__ == "__main__":
    main()

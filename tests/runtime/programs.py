"""Programs of several kinds on one small network with draws in it, for runs that are stopped and go on."""

from collections.abc import Callable
from functools import partial
from typing import Any

from archc.runtime.compiling import Compiled
from archc.runtime.executable import Executable
from archc.runtime.train.api import changed, found

from . import hand
from .texts import NET, spec

DRAWING = NET.replace("stack 2 { dense(16) -> tanh }", "stack 2 { dense(16) -> tanh -> dropout(0.1) }")
CONVOLVING = NET.replace(
    "dense(16) -> batch_norm",
    "reshape(1, 8, 8) -> conv(8, 3) -> relu -> conv(16, 1) -> depthwise(3) -> dropout(0.2) -> global_avg_pool",
)  # whose weights lie with their channels last
GATED = """\
cell Gated(width)(x: [B, D]) {
    state h: [B, width]
    gate z = sigmoid(dense(width)(x, h))
    h' = z * h + (1 - z) * tanh(dense(width)(x))
    return h'
}

"""
RECURRING = GATED + NET.replace(
    "dense(16) -> batch_norm -> tanh", "reshape(8, 8) -> bidirectional(Gated(5)) -> mean(dim=1) -> dropout(0.1) -> dense(16)"
)
ALTERING = NET.replace("data / 16", "data / 16 -> reshape(1, 8, 8) -> random_shift(1) -> noise(0.1) -> reshape(64)")
CLAUSES: dict[str, tuple[str, ...]] = {
    "accumulating": ("optimizer adamw(lr=1e-2)", "schedule warmup(20) -> cosine(to=1e-4)", "accumulate 3", "clip 1", "batch 40"),
    "phases": (
        "metric accuracy(logits, label)",
        "phase first {\n        optimizer sgd(lr=0.1, momentum=0.9)\n        freeze head\n    }",
        "phase second {\n        optimizer adam(lr=3e-3)\n        schedule plateau(patience=0, factor=0.5)\n        batch 32\n    }",
    ),
    "averages": ("optimizer rmsprop(lr=1e-3)", "ema 0.95", "loss cross_entropy(logits, label)", "loss 0.01 * mean(hidden ** 2)"),
    "parts": (
        "optimizer lion(lr=1e-3)",
        "optimizer head: sgd(lr=0.1, momentum=0.9)",
        "schedule head: one_cycle",
        "average 2",
        "precision bf16",
    ),
    "altered": ("optimizer adam(lr=1e-2)", "schedule cosine"),
    "convolving": ("optimizer adamw(lr=1e-2)", "clip 1", "average 2", "batch 40"),
    "recurrent": ("optimizer adam(lr=1e-2)", "clip 1", "ema 0.9"),
    "workers": ("optimizer sgd(lr=0.05, momentum=0.9, nesterov=true)", "early_stop 30", "batch 48"),
}
NETS = {
    "recurrent": RECURRING,
    "convolving": CONVOLVING,
    "altered": ALTERING,
    "workers": ALTERING,
}  # rows altered anew in each epoch are made by workers
WORKERS = {"workers": (3, 2)}  # when a run begins, and when it goes on


def program(name: str, epochs: int) -> Compiled:
    """One of the programs above; with phases each has that many epochs."""
    return spec(*CLAUSES[name], f"epochs {epochs}", net=NETS.get(name, DRAWING))


def draws(epochs: int) -> Executable:
    """The program of fixtures/draws.arch."""
    return changed(found(hand.FIXTURES / "draws.arch", None, {}), {"epochs": epochs})


CHAINS = """\
energy Net(x: binary[B, 64]) {
    latent h: binary[B, 16]
    param W: [64, 16] = normal(std=0.01)
    param a: [64]
    return -(x @ a) - sum((x @ W) * h, dim=-1)
}

data digits = sklearn("digits") {
    x     = data / 16
    label = target
"""


def chains(epochs: int) -> Compiled:
    """An energy whose Gibbs chains persist: where they are is part of where the run is."""
    clauses = ("loss contrastive_divergence(k=2, persistent=true)", "metric pseudo_likelihood()", "optimizer sgd(lr=0.05)")
    return spec(*clauses, f"epochs {epochs}", net=CHAINS)


def game(epochs: int) -> Executable:
    """A game with a norm in it, whose discriminator moves twice in a round."""
    return changed(found("lsgan", None, {}), {"epochs": 2 * epochs})


def shipped(name: str, program: str | None, epochs: int) -> Executable:
    """A spec that comes with archc, each phase of its program with that many epochs."""
    return changed(found(name, None, {}, program=program), {"epochs": epochs})


SPECS: dict[str, Callable[..., Any]] = {
    "lenet": hand.lenet,
    "autoencoder": hand.autoencoder,
    "draws": draws,
    "chains": chains,
    "game": game,
    "rbm": partial(shipped, "rbm", None),
    "dbn": partial(shipped, "dbn", "DBN"),
    "dsn": partial(shipped, "dsn", "tuned"),
    **{name: partial(shipped, name, None) for name in ("vae", "stacked_autoencoder", "vqvae", "simclr", "byol")},
    **{name: partial(shipped, name, None) for name in ("gan", "wgan_gp", "cgan", "cyclegan", "aae")},
    **{name: partial(program, name) for name in CLAUSES},
}

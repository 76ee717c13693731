"""Initialisers on weights of every rank, beside torch.nn.init."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import torch
from torch import nn

from archc.compiler.emit.code import Show
from archc.compiler.layers import registry
from archc.compiler.layers._arguments import Misfit
from archc.compiler.layers.base import Initialiser, Layer, Refusal

from ..spec import body, compiled, network
from .checking import Alone
from .drawing import shape, some, tensor

LAYERS = registry()


def build(name: str, **given: Any) -> Layer:
    return LAYERS[name](**given)


NAMES = [name for name in LAYERS if issubclass(LAYERS[name], Initialiser)]


def arguments(name: str, r: Random) -> dict[str, Any]:
    gain = r.choice((1.0, 2.0))
    wide = some(r, mean=0.5, std=r.choice((0.02, 1.0)))
    fan = some(r, a=0.2, mode=r.choice(("fan_in", "fan_out")), nonlinearity=r.choice(("relu", "leaky_relu")))
    return {
        "constant": {"value": 0.5},
        "bernoulli": {"probs": r.choice((0.25, 0.5))},
        "normal": wide,
        "truncated_normal": wide | some(r, low=-1.0, high=r.choice((0.5, 2.0))),
        "uniform": some(r, low=-0.1, high=0.5),
        "xavier_uniform": some(r, gain=gain),
        "xavier_normal": some(r, gain=gain),
        "kaiming_uniform": fan,
        "kaiming_normal": fan,
        "orthogonal": some(r, gain=gain),
        "sparse": {"sparsity": 0.5},
        "dirac": some(r, groups=r.choice((1, 2))),
    }.get(name, {})


@pytest.mark.parametrize("name", NAMES)
def test_fills_what_it_accepts(name: str) -> None:
    accepted = 0
    for seed in range(60):
        r = Random(f"{name} {seed}")
        sizes = shape(r, 2 if name in ("identity", "sparse") and r.random() < 0.7 else 1, 5, (2, 3, 4))
        if name in ("identity", "sparse") and r.random() < 0.7:
            sizes = sizes[:2]
        layer = build(name, **arguments(name, r))
        assert isinstance(layer, Initialiser)
        statement = layer.initialise(Show({}), "w")
        weight = torch.full(sizes, 77.0)
        try:
            assert layer.infer(Alone(), tensor(*sizes)) == tensor(*sizes)
        except Refusal:
            with pytest.raises((ValueError, RuntimeError)):
                exec(statement, {"nn": nn, "w": weight})
            continue
        exec(statement, {"nn": nn, "w": weight})
        assert not (weight == 77.0).any()
        accepted += 1
    assert accepted >= 15


def test_numbers_that_make_no_distribution() -> None:
    for name, given in (
        ("normal", {"std": -1.0}),
        ("uniform", {"low": 1.0, "high": 0.0}),
        ("truncated_normal", {"low": 2.0, "high": 2.0}),
    ):
        with pytest.raises(Refusal):
            build(name, **given).infer(Alone(), tensor(3))
    with pytest.raises(Misfit):
        build("sparse", sparsity=1.5)


def test_every_owner_takes_initialisers() -> None:
    zeros = build("zeros")
    assert build("dense", out_features=3, init=zeros, bias_init=zeros).initialisers.keys() == {"weight", "bias"}
    wrapped = build("spectral_norm", layer=build("conv", out_channels=3, kernel_size=1, init=zeros))
    assert wrapped.initialisers.keys() == {"parametrizations.weight.original"}
    with pytest.raises(Misfit, match="no bias"):
        build("dense", out_features=3, bias=False, bias_init=zeros)


@pytest.mark.parametrize("stacked", [False, True])
def test_a_normed_weight_starts_as_the_initialiser_says(stacked: bool) -> None:
    """As torch.nn.utils.parametrizations.weight_norm of a layer that was filled before."""
    layer = "weight_norm(dense(8, init=identity))"
    module = network(compiled(body(f"y = x -> {f'stack 2 {{ {layer} }}' if stacked else layer}", x="[B, 8]")))
    by_hand = nn.Linear(8, 8)
    nn.init.eye_(by_hand.weight)
    by_hand = nn.utils.parametrizations.weight_norm(by_hand)
    for made in module.stack1 if stacked else [module.weight_norm1]:
        assert torch.equal(made.weight, by_hand.weight)
        assert made.state_dict().keys() == by_hand.state_dict().keys()
        assert isinstance(made.parametrizations.weight.original1, nn.Parameter)

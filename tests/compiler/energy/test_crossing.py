"""Energies whose hidden units meet (deep Boltzmann machines): conditionals by enumeration, mean field, chains and slopes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from archc.compiler.pipeline import compile_source
from archc.dsl.source import Source
from archc.runtime.loader import build

from .test_enumeration import states
from .test_objectives import program

DEEP = """
energy M(v: binary[B, 6]) {
    latent h: binary[B, 4]
    latent g: onehot[B, 3]
    latent z: real[B, 2]
    param W: [6, 4] = normal(std=1.0)
    param U: [4, 3] = normal(std=1.0)
    param V: [3, 2] = normal(std=0.5)
    param a: [6] = normal(std=1.0)
    param b: [4] = normal(std=1.0)
    pull = sum((v @ W) * h, dim=-1) + sum((h @ U) * g, dim=-1) + sum((g @ V) * z, dim=-1)
    return sum(z ** 2, dim=-1) / 2 - pull - v @ a - h @ b
}
"""
TWO = """
energy M(v: binary[B, 6]) {
    latent h: binary[B, 4]
    latent g: binary[B, 3]
    param W: [6, 4] = normal(std=1.0)
    param U: [4, 3] = normal(std=1.0)
    return -sum((v @ W) * h, dim=-1) - sum((h @ U) * g, dim=-1)
}
"""


def deep(text: str) -> Any:
    compiled, report = compile_source(Source("m.arch", text))
    assert compiled is not None, [d.message for d in report.diagnostics]
    torch.manual_seed(0)
    return build(compiled).double()


def here(rows: int = 5) -> dict[str, Tensor]:
    torch.manual_seed(1)
    found = {name: torch.randint(2, (rows, n)).double() for name, n in (("v", 6), ("h", 4))}
    return found | {"g": torch.eye(3).double()[torch.randint(3, (rows,))], "z": torch.randn(rows, 2).double()}


@pytest.mark.parametrize(("name", "kind", "size"), [("v", "binary", 6), ("h", "binary", 4), ("g", "onehot", 3)])
def test_each_conditional_is_that_of_all_states_of_the_block(name: str, kind: str, size: int) -> None:
    model, state = deep(DEEP), here()
    table = torch.stack(states(kind, (size,)))
    each = torch.stack([model.energy(*(state | {name: s.expand(5, size)}).values()) for s in table])
    wanted = torch.einsum("sb,sk->bk", torch.softmax(-each, 0), table)
    rest = [value for other, value in state.items() if other != name]
    torch.testing.assert_close(getattr(model, f"mean_{name}")(*rest), wanted, rtol=0, atol=1e-10)


def test_the_mean_of_real_units_is_where_the_energy_is_least() -> None:
    model, state = deep(DEEP), here()
    mean = model.mean_z(state["v"], state["h"], state["g"]).detach().requires_grad_()
    (slope,) = torch.autograd.grad(model.energy(*(state | {"z": mean}).values()).sum(), mean)
    torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-12)


def test_the_layer_is_mean_field() -> None:
    """From the first pass up each block takes turns; after many sweeps no turn moves it any more."""
    model, v = deep(DEEP), here()["v"]
    h, g, z = model.start(v)
    zero = torch.zeros_like
    torch.testing.assert_close(h, model.mean_h(v, zero(g), zero(z)), rtol=0, atol=1e-12)
    torch.testing.assert_close(g, model.mean_g(v, h, zero(z)), rtol=0, atol=1e-12)
    torch.testing.assert_close(z, model.mean_z(v, h, g), rtol=0, atol=1e-12)
    for found, wanted in zip(model(v, steps=1), (h, g, z), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)
    h, g, z = model(v, steps=300)
    for found, wanted in zip((h, g, z), (model.mean_h(v, g, z), model.mean_g(v, h, z), model.mean_z(v, h, g)), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-9)
    assert not hasattr(model, "free_energy")


def test_chains_visit_all_states_as_often_as_the_energy_says() -> None:
    model = deep(TWO)
    torch.manual_seed(3)
    v, h, g = model.gibbs(torch.zeros(20_000, 6, dtype=torch.float64), steps=60)
    blocks = [states("binary", (size,)) for size in (6, 4, 3)]
    table = [torch.stack(column) for column in zip(*itertools.product(*blocks), strict=True)]
    share = torch.softmax(-model.energy(*table), 0).detach()
    for drawn, column in zip((v, h, g), table, strict=True):
        torch.testing.assert_close(drawn.mean(0), share @ column, rtol=0, atol=0.02)
    pairs = torch.einsum("bi,bj->ij", v, h) / len(v)
    torch.testing.assert_close(pairs, torch.einsum("b,bi,bj->ij", share, table[0], table[1]), rtol=0, atol=0.02)


@pytest.mark.parametrize("bends", [False, True])
@pytest.mark.parametrize("clause", ["k=2", "k=1, persistent=true"])
def test_slopes_are_those_of_the_energy_at_mean_field_and_at_the_chains(clause: str, bends: bool) -> None:
    model, given = program(TWO.replace("(h @ U)", "(h @ abs(U))") if bends else TWO, f"loss contrastive_divergence({clause})")
    v = here(8)["v"]
    torch.manual_seed(7)
    found = torch.autograd.grad(given.loss(model, v), list(model.parameters()))
    torch.manual_seed(7)
    after = model.gibbs(v, 2 if "k=2" in clause else 1)
    means = [m.detach() for m in model(v)]
    gap = model.energy(v, *means).mean() - model.energy(*after).mean()
    for slope, wanted in zip(found, torch.autograd.grad(gap, list(model.parameters())), strict=True):
        torch.testing.assert_close(slope, wanted, rtol=1e-10, atol=1e-12)
    if "persistent" in clause:
        for kept, wanted in zip(model.chains, after, strict=True):
            torch.testing.assert_close(kept, wanted, rtol=0, atol=0)
        torch.manual_seed(9)
        given.loss(model, v)
        torch.manual_seed(9)
        for kept, wanted in zip(model.chains, model.gibbs(after[0], 1, *after[1:]), strict=True):
            torch.testing.assert_close(kept, wanted, rtol=0, atol=0)


def test_reconstruction_error_goes_up_by_mean_field() -> None:
    model, given = program(TWO, "metric reconstruction_error()")
    v = here()["v"]
    wanted = (v - model.mean_v(*model(v))).square().mean()
    torch.testing.assert_close(given.metric_reconstruction_error(model, v), wanted, rtol=0, atol=1e-12)

"""Objectives and measures of energies equal their textbook's equations."""

from __future__ import annotations

import itertools
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from archc.compiler.layers import registry
from archc.compiler.layers.examples import example_block
from archc.dsl.source import Source
from archc.runtime.compiling import Wanted, compiled
from archc.runtime.loader import build, load_program

BINARY = """
energy M(v: binary[B, 6]) {
    latent h: binary[B, 4]
    param W: [6, 4] = normal(std=1.0)
    param a: [6] = normal(std=1.0)
    param b: [4] = normal(std=1.0)
    return -(v @ a) - (h @ b) - sum((v @ W) * h, dim=-1)
}
"""
REAL = """
energy M(v: real[B, 6]) {
    latent h: binary[B, 4]
    param W: [6, 4] = normal(std=1.0)
    param a: [6] = normal(std=1.0)
    return sum((v - a) ** 2, dim=-1) / 2 - sum((v @ W) * h, dim=-1)
}
"""
GIVEN = """
energy M(u: [B, 2], v: binary[B, 6]) {
    latent h: binary[B, 4]
    param W: [6, 4] = normal(std=1.0)
    param A: [2, 6] = normal(std=1.0)
    return -sum((v @ W) * h, dim=-1) - sum((u @ A) * v, dim=-1)
}
"""
DATA = """
data digits = sklearn("digits") {{
    v = data[:6] / 16
    u = data[6:8] / 16
}}

train M on digits {{
    {clause}
    optimizer sgd(lr=0.1)
    epochs 1
}}
"""


def program(energy: str, clause: str) -> tuple[Any, ModuleType]:
    """The model in float64, and its program."""
    loss = "" if clause.startswith("loss") else "loss contrastive_divergence()\n    "
    made = compiled(Source("m.arch", energy + DATA.format(clause=loss + clause)), Wanted(training=True))
    torch.manual_seed(0)
    return build(made).double(), load_program(made)


def drawn(p: Tensor) -> Tensor:
    return (torch.rand_like(p) < p).double()


def data(rows: int = 8) -> Tensor:
    torch.manual_seed(5)
    return torch.bernoulli(torch.full((rows, 6), 0.5, dtype=torch.float64))


def test_cd_1_moves_weights_by_the_equation_of_the_textbook() -> None:
    """dW = <v p(h|v)> of the data - <v p(h|v)> of one step of Gibbs sampling (Hinton, 2002)."""
    model, given = program(BINARY, "loss contrastive_divergence(k=1)")
    v0 = data()
    torch.manual_seed(7)
    given.loss(model, v0).backward()
    torch.manual_seed(7)
    with torch.no_grad():
        h0 = drawn(torch.sigmoid(v0 @ model.W + model.b))
        v1 = drawn(torch.sigmoid(h0 @ model.W.T + model.a))
        p0, p1 = torch.sigmoid(v0 @ model.W + model.b), torch.sigmoid(v1 @ model.W + model.b)
        wanted = {"W": (v0.T @ p0 - v1.T @ p1) / 8, "a": (v0 - v1).mean(0), "b": (p0 - p1).mean(0)}
    for name, value in wanted.items():
        torch.testing.assert_close(-getattr(model, name).grad, value, rtol=0, atol=1e-12)
    torch.manual_seed(7)
    _, slopes = given.loss_slopes(model, v0)
    for (name, value), slope in zip(wanted.items(), slopes, strict=True):
        torch.testing.assert_close(-slope, value, rtol=0, atol=1e-12, msg=name)


CURVED = """
energy M(v: real[B, 6]) {
    latent h: binary[B, 4]
    latent z: real[B, 2]
    param W: [4, 6] = normal(std=1.0)
    param a: [6] = normal(std=1.0)
    param s: [6] = normal(std=1.0)
    param U: [6, 2] = normal(std=1.0)
    param c: [1] = normal(std=1.0)
    scaled = v * exp(s / 4) - tanh(a) / (1 + softplus(c))
    return sum((v - a) ** 2, dim=-1) / 2 + sum(z ** 2, dim=-1) / 2 - sum(v @ transpose(W) * h, dim=-1) - sum(scaled @ U * z, dim=-1)
}
"""


@pytest.mark.parametrize(
    ("energy", "clause"),
    [
        *itertools.product((BINARY, REAL, GIVEN, CURVED), ("k=1", "k=3")),
        *((energy, "k=1, persistent=true") for energy in (BINARY, REAL, CURVED)),
    ],
)
def test_slopes_are_those_of_autograd(energy: str, clause: str) -> None:
    """With the hidden units at their means the energy has the slopes of the free energy."""
    model, given = program(energy, f"loss contrastive_divergence({clause})")
    inputs = [torch.randn(8, 2, dtype=torch.float64), data()] if energy == GIVEN else [data()]
    torch.manual_seed(7)
    with torch.no_grad():
        value, slopes = given.loss_slopes(model, *inputs)
    torch.manual_seed(7)
    hidden = model(*inputs) if isinstance(model(*inputs), tuple) else (model(*inputs),)
    after = [*inputs[:-1], model.chains[0] if "persistent" in clause else model.gibbs(*inputs, int(clause[2]), *hidden)]
    gap = model.free_energy(*inputs).mean() - model.free_energy(*after).mean()
    wanted = torch.autograd.grad(gap, list(model.parameters()))
    for slope, right in zip(slopes, wanted, strict=True):
        torch.testing.assert_close(slope, right, rtol=1e-10, atol=1e-12)
    means = [m if isinstance(m, tuple) else (m,) for m in (model(*inputs), model(*after))]
    energies = model.energy(*inputs, *means[0]).mean() - model.energy(*after, *means[1]).mean()
    torch.testing.assert_close(value, energies.detach(), rtol=1e-10, atol=1e-12)


def test_an_energy_that_bends_too_much_is_left_to_autograd() -> None:
    """No rule for `abs`: its class has no statistics, and the loss is differentiated."""
    energy = BINARY.replace("(v @ W)", "(v @ abs(W))")
    model, given = program(energy, "loss contrastive_divergence(k=1)")
    assert not hasattr(model, "statistics")
    assert not hasattr(given, "loss_slopes")
    v = data()
    torch.manual_seed(7)
    found = torch.autograd.grad(given.loss(model, v), list(model.parameters()))
    torch.manual_seed(7)
    after = model.gibbs(v)
    gap = model.free_energy(v).mean() - model.free_energy(after).mean()
    for slope, right in zip(found, torch.autograd.grad(gap, list(model.parameters())), strict=True):
        torch.testing.assert_close(slope, right, rtol=1e-10, atol=1e-12)


def test_a_convolutional_energy_is_differentiated_by_autograd() -> None:
    energy = """
energy M(v: binary[B, 6]) {
    latent h: binary[B, 3, 4]
    layer filter = conv(3, 3)
    return -sum(filter(unsqueeze(v, dim=1)) * h, dim=[1, 2])
}
"""
    model, given = program(energy, "loss contrastive_divergence(k=1, persistent=true)")
    v = data()
    torch.manual_seed(7)
    found = torch.autograd.grad(given.loss(model, v), list(model.parameters()))
    gap = model.free_energy(v).mean() - model.free_energy(model.chains[0]).mean()
    for slope, right in zip(found, torch.autograd.grad(gap, list(model.parameters())), strict=True):
        torch.testing.assert_close(slope, right, rtol=0, atol=1e-12)


def test_a_sum_with_other_losses_has_the_same_gradient() -> None:
    """Beside an L2 term autograd joins the two; the slopes that are known go in as they are."""
    model, given = program(BINARY, "loss contrastive_divergence(k=1)")
    torch.manual_seed(7)
    (3 * given.loss(model, data()) + model.W.square().sum()).backward()
    torch.manual_seed(7)
    _, slopes = given.loss_slopes(model, data())
    torch.testing.assert_close(model.W.grad, 3 * slopes[0] + 2 * model.W.detach(), rtol=0, atol=1e-12)


def test_persistent_chains_go_on_in_training_and_rest_in_evaluation() -> None:
    model, given = program(BINARY, "loss contrastive_divergence(k=2, persistent=true)")
    v, chain = data(), data()
    model.eval()
    given.loss(model, v)
    assert "chains" not in model.__dict__
    model.train()
    for step in range(3):
        torch.manual_seed(step)
        given.loss(model, v[:5] if step else v)  # a smaller batch leaves the chains as many as they are
        torch.manual_seed(step)
        chain = model.gibbs(chain, steps=2)
        torch.testing.assert_close(model.chains[0], chain, rtol=0, atol=0)
    model.eval()
    given.loss(model, v)
    torch.testing.assert_close(model.chains[0], chain, rtol=0, atol=0)
    assert "chains" not in model.state_dict()


def test_pseudo_likelihood_is_that_of_the_conditionals() -> None:
    model, given = program(BINARY, "metric pseudo_likelihood()")
    v = data()
    states = torch.tensor(list(itertools.product((0.0, 1.0), repeat=6)), dtype=torch.float64)
    log_p = torch.log_softmax(-model.free_energy(states), 0).detach()
    place = {tuple(state.tolist()): i for i, state in enumerate(states)}
    total = 0.0
    for row in v:
        for unit in range(6):
            other = row.clone()
            other[unit] = 1 - other[unit]
            here, there = (float(log_p[place[tuple(state.tolist())]]) for state in (row, other))
            total += here - float(torch.logaddexp(torch.tensor(here), torch.tensor(there)))
    assert float(given.metric_pseudo_likelihood(model, v).detach()) == pytest.approx(total / len(v), abs=1e-6)


def test_ratio_matching_is_the_chance_of_flips_squared() -> None:
    model, given = program(GIVEN, "loss ratio_matching()")
    v, u = data(), torch.randn(8, 2, dtype=torch.float64)
    total = torch.zeros(8, dtype=torch.float64)
    for unit in range(6):
        flipped = v.clone()
        flipped[:, unit] = 1 - flipped[:, unit]
        total = total + torch.softmax(-torch.stack([model.free_energy(u, v), model.free_energy(u, flipped)]), 0)[1] ** 2
    torch.testing.assert_close(given.loss(model, u, v), total.mean(), rtol=0, atol=1e-12)


def test_score_matching_has_the_slope_of_the_free_energy() -> None:
    model, given = program(REAL, "loss score_matching(sigma=0.3)")
    v = torch.randn(8, 6, dtype=torch.float64)
    torch.manual_seed(2)
    found = given.loss(model, v)
    torch.manual_seed(2)
    noisy = (v + 0.3 * torch.randn_like(v)).requires_grad_()
    (slope,) = torch.autograd.grad(-model.free_energy(noisy).sum(), noisy)
    wanted = 0.3**2 * ((slope - (v - noisy) / 0.3**2) ** 2).sum(1).mean()
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def test_reconstruction_error_goes_up_and_down_by_means() -> None:
    model, given = program(BINARY, "metric reconstruction_error()")
    v = data()
    down = torch.sigmoid(torch.sigmoid(v @ model.W + model.b) @ model.W.T + model.a)
    torch.testing.assert_close(given.metric_reconstruction_error(model, v), ((v - down) ** 2).mean(), rtol=0, atol=1e-12)


def test_chains_of_a_conditional_energy_keep_what_is_given() -> None:
    model, given = program(GIVEN, "loss contrastive_divergence(k=3)")
    v, u = data(), torch.randn(8, 2, dtype=torch.float64)
    torch.manual_seed(1)
    found = given.loss(model, u, v)
    torch.manual_seed(1)
    after = model.gibbs(u, v, steps=3)
    gap = (model.energy(u, v, model(u, v)) - model.energy(u, after, model(u, after))).mean()
    torch.testing.assert_close(found, gap, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [name for name, layer in registry().items() if layer.family == "energy"])
def test_the_example_of_an_objective_is_a_spec(name: str) -> None:
    made = compiled(Source("e.arch", example_block(registry()[name])), Wanted(training=True))
    assert made.program is not None
    assert "model" in made.program

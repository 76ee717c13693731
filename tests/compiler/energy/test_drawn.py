"""Machines drawn at random: blocks of any kind, visible and hidden, that meet in any pairs; what is derived equals what all states say.

Binary and one-hot blocks are enumerated. In real blocks the energy is a half of a square around what is derived, which autograd tells: its
slope there is 0 and its second derivatives are the identity; so a block of n real units sums to exp(-E(mean)) (2 pi)^(n/2).
"""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from archc.compiler.pipeline import compile_source
from archc.dsl.source import Source
from archc.runtime.loader import build

from .test_enumeration import states

ROWS, SIZES = 3, {"binary": (2, 3), "onehot": (2, 3), "real": (1, 2)}
TERMS = (
    "sum(({x} @ {W}) * {y}, dim=-1)",
    "sum({x} * ({y} @ transpose({W})), dim=-1) / 2",
    "2 * sum(({x} - 0.5) @ {W} * {y}, dim=-1)",
    "sum(sum(unsqueeze({x}, dim=2) * {W} * unsqueeze({y}, dim=1), dim=1), dim=-1)",
    "sum((u @ {A}) * {x} , dim=-1) * mean({y}, dim=-1)",
)


@dataclass(frozen=True)
class Block:
    name: str
    kind: str
    size: int
    hidden: bool


@dataclass(frozen=True)
class Drawn:
    text: str
    blocks: tuple[Block, ...]
    crossing: bool


@cache
def drawn(seed: int) -> Drawn:
    """A machine; every block has a bias, and meets one of the other side at least."""
    draw = random.Random(seed)
    blocks = []
    for hidden in (False, True):
        for place in range(draw.choice((1, 1, 2))):
            kind = draw.choice(("binary", "binary", "onehot", "real"))
            blocks.append(Block(f"{'h' if hidden else 'v'}{place}", kind, draw.choice(SIZES[kind]), hidden))
    pairs = [pair for pair in itertools.combinations(blocks, 2) if pair[0].hidden != pair[1].hidden or draw.random() < 0.4]
    pairs = [pair for pair in pairs if not (pair[0].kind == pair[1].kind == "real")]  # or the density might not be one
    lines, terms = [], []
    for number, (x, y) in enumerate(pairs):
        lines.append(f"    param W{number}: [{x.size}, {y.size}] = normal(std=0.7)")
        term = draw.choice(TERMS)
        if "{A}" in term:
            lines.append(f"    param A{number}: [2, {x.size}] = normal(std=0.7)")
            lines.remove(lines[-2])
        terms.append("- " + term.format(x=x.name, y=y.name, W=f"W{number}", A=f"A{number}"))
    for block in blocks:
        lines.append(f"    param c{block.name}: [{block.size}] = normal(std=0.7)")
        square = f"+ sum(({block.name} - c{block.name}) ** 2, dim=-1) / 2"
        terms.append(square if block.kind == "real" else f"- {block.name} @ c{block.name}")
    inputs = ", ".join(f"{block.name}: {block.kind}[B, {block.size}]" for block in blocks if not block.hidden)
    latents = [f"    latent {block.name}: {block.kind}[B, {block.size}]" for block in blocks if block.hidden]
    body = "\n".join([*latents, *lines, f"    return sum(u, dim=-1) {' '.join(terms)}"])
    crossing = any(x.hidden and y.hidden for x, y in pairs)
    return Drawn(f"energy M({inputs}, u: [B, 2]) {{\n{body}\n}}\n", tuple(blocks), crossing)


def model_of(machine: Drawn) -> Any:
    compiled, report = compile_source(Source("m.arch", machine.text))
    assert compiled is not None, machine.text + str([d.message for d in report.diagnostics])
    torch.manual_seed(0)
    return build(compiled).double()


def state_of(machine: Drawn) -> dict[str, Tensor]:
    """Some state of each block, in the order in which `energy` takes them: `u` stands behind the visible ones."""
    torch.manual_seed(1)
    found: dict[str, Tensor] = {}
    for block in machine.blocks:
        if block.hidden:
            found.setdefault("u", torch.randn(ROWS, 2).double())
        if block.kind == "real":
            found[block.name] = torch.randn(ROWS, block.size).double()
        else:
            every = torch.stack(states(block.kind, (block.size,)))
            found[block.name] = every[torch.randint(len(every), (ROWS,))]
    return found


def mean_of(model: Any, machine: Drawn, block: Block, state: dict[str, Tensor]) -> Tensor:
    others = {b.name for b in machine.blocks if b.hidden and block.hidden and not machine.crossing}
    rest = [value for name, value in state.items() if name != block.name and name not in others]
    found: Tensor = getattr(model, f"mean_{block.name}")(*rest)
    return found


@pytest.mark.parametrize("seed", range(16))
def test_conditionals_and_free_energy_of_a_drawn_machine(seed: int) -> None:
    machine = drawn(seed)
    model, state = model_of(machine), state_of(machine)
    for block in machine.blocks:
        mean = mean_of(model, machine, block, state)
        if block.kind == "real":
            at = mean.detach().requires_grad_()
            (slope,) = torch.autograd.grad(model.energy(*(state | {block.name: at}).values()).sum(), at, create_graph=True)
            torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-10)
            for unit in range(block.size):
                (curve,) = torch.autograd.grad(slope[:, unit].sum(), at, retain_graph=True)
                wanted = torch.eye(block.size).double()[unit].expand(ROWS, -1)
                torch.testing.assert_close(curve, wanted, rtol=0, atol=1e-10)
        else:
            table = torch.stack(states(block.kind, (block.size,)))
            each = [model.energy(*(state | {block.name: one.expand(ROWS, -1)}).values()) for one in table]
            wanted = torch.softmax(-torch.stack(each), 0).T @ table
            torch.testing.assert_close(mean, wanted, rtol=0, atol=1e-10)
    if machine.crossing:
        assert not hasattr(model, "free_energy")
        return
    hidden = [block for block in machine.blocks if block.hidden]
    settled = {b.name: mean_of(model, machine, b, state) for b in hidden if b.kind == "real"}
    discrete = [b for b in hidden if b.kind != "real"]
    sums = []
    for choice in itertools.product(*(states(b.kind, (b.size,)) for b in discrete)):
        one = {b.name: value.expand(ROWS, -1) for b, value in zip(discrete, choice, strict=True)}
        sums.append(-model.energy(*(state | settled | one).values()))
    real = sum(b.size for b in hidden if b.kind == "real")
    wanted = -torch.logsumexp(torch.stack(sums), 0) - real / 2 * math.log(2 * math.pi)
    given = [value for name, value in state.items() if name not in {b.name for b in hidden}]
    torch.testing.assert_close(model.free_energy(*given), wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("seed", range(16))
def test_statistics_of_a_drawn_machine_are_the_slopes_of_its_energy(seed: int) -> None:
    machine = drawn(seed)
    model, state = model_of(machine), state_of(machine)
    weight = torch.randn(ROWS).double()
    total, *slopes = model.statistics(*state.values(), weight)
    wanted = -weight @ model.energy(*state.values())
    torch.testing.assert_close(total, wanted, rtol=0, atol=1e-10)
    for slope, right in zip(slopes, torch.autograd.grad(wanted, list(model.parameters())), strict=True):
        torch.testing.assert_close(slope, right, rtol=0, atol=1e-10)


def test_the_draws_have_machines_of_all_kinds() -> None:
    machines = [drawn(seed) for seed in range(16)]
    assert {block.kind for machine in machines for block in machine.blocks if block.hidden} == set(SIZES)
    assert {block.kind for machine in machines for block in machine.blocks if not block.hidden} == set(SIZES)
    assert {machine.crossing for machine in machines} == {True, False}

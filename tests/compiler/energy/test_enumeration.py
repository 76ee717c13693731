"""What is derived from an energy equals the sum over all states, in float64."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from archc.compiler.pipeline import compile_source
from archc.dsl.source import Source
from archc.runtime.loader import build

RBM = """
energy M(v: binary[B, 4]) {
    latent h: binary[B, 3]
    param W: [4, 3] = normal(std=1.0)
    param a: [4] = normal(std=1.0)
    param b: [3] = normal(std=1.0)
    return -(v @ a) - (h @ b) - sum((v @ W) * h, dim=-1)
}
"""
SEVERAL = """
energy M(v: binary[B, 3], y: onehot[B, 3]) {
    latent h: binary[B, 2]
    latent g: onehot[B, 2, 3]
    param W: [3, 2] = normal(std=1.0)
    param U: [3, 2] = normal(std=1.0)
    param V: [3, 6] = normal(std=1.0)
    param L: [3, 3] = normal(std=1.0)
    param a: [3] = normal(std=1.0)
    param c: [2, 3] = normal(std=1.0)
    pair = sum((v @ L) * y, dim=1)
    return -sum((v @ W + y @ U) * h, dim=-1) - pair - 0.5 * (v @ a) - sum(v @ V * flatten(g), dim=-1) - sum(c * g, dim=[1, 2]) / 3
}
"""
CONDITIONAL = """
energy M(v: binary[B, 3], u: [B, 2]) {
    latent h: binary[B, 3]
    param W: [3, 3] = normal(std=1.0)
    param A: [2, 3] = normal(std=1.0)
    drive = tanh(u @ A)
    return -sum((v @ W + drive) * h, dim=-1) - sum(v * (u @ A), dim=-1) + sum(drive, dim=-1) - sum(3 * (h - 1), dim=-1)
}
"""
SHARED = """
energy M(v: binary[B, 3]) {
    latent h: binary[B, 2]
    param W: [3, 2] = normal(std=1.0)
    e = (v - 0.5) @ W
    return mean((e + e) * (1 - h), dim=-1) - mean(e / 2 - h, dim=1) + sum(-(-h), dim=-1) - sum(sum(v.unsqueeze(2) * W, dim=1), dim=-1)
}
""".replace("v.unsqueeze(2)", "unsqueeze(v, dim=2)")
GAUSSIAN = """
energy M(v: real[B, 2]) {
    latent h: binary[B, 3]
    param W: [2, 3] = normal(std=1.0)
    param a: [2] = normal(std=1.0)
    param b: [3] = normal(std=1.0)
    return sum((v - a) ** 2, dim=-1) / 2 - (h @ b) - sum((v @ W) * h, dim=-1)
}
"""
FACTORS = """
energy M(v: binary[B, 3]) {
    latent z: real[B, 2]
    param W: [3, 2] = normal(std=1.0)
    param m: [2] = normal(std=1.0)
    return 0.5 * sum(square(z), dim=-1) - sum(z * (v @ W + m), dim=-1) - sum(v, dim=-1)
}
"""


CONVOLUTIONAL = """
energy M(v: binary[B, 1, 2, 3]) {
    latent h: binary[B, 1, 2, 3]
    layer filter = conv(1, [3, 1], padding="same", init=normal(std=1.0), bias_init=normal(std=1.0))
    param a: [1] = normal(std=1.0)
    param b: [1] = normal(std=1.0)
    return -sum(filter(v) * h, dim=[1, 2, 3]) - sum(h, dim=[2, 3]) @ b - sum(v, dim=[2, 3]) @ a
}
"""
STRIDED = """
energy M(v: binary[B, 2, 4]) {
    latent h: binary[B, 2, 2]
    layer filter = conv(2, 3, stride=2, padding=1, groups=2, bias=false, init=normal(std=1.0))
    layer share = dense(2, init=normal(std=1.0), bias_init=normal(std=1.0))
    return -sum(filter(v) * h, dim=[1, 2]) - sum(share(mean(v, dim=1)) * mean(h, dim=1), dim=-1)
}
"""


def built(text: str) -> Any:
    compiled, report = compile_source(Source("m.arch", text))
    assert compiled is not None, [d.message for d in report.diagnostics]
    torch.manual_seed(0)
    return build(compiled).double()


def states(kind: str, shape: tuple[int, ...]) -> list[Tensor]:
    """All states of a block of one example."""
    if kind == "binary":
        count = int(torch.tensor(shape).prod())
        return [torch.tensor(s, dtype=torch.float64).view(shape) for s in itertools.product((0.0, 1.0), repeat=count)]
    rows = int(torch.tensor(shape[:-1]).prod()) if len(shape) > 1 else 1
    eye = torch.eye(shape[-1], dtype=torch.float64)
    return [torch.stack([eye[i] for i in s]).view(shape) for s in itertools.product(range(shape[-1]), repeat=rows)]


def energies(model: Any, blocks: dict[str, Tensor]) -> Tensor:
    result: Tensor = model.energy(*blocks.values())
    return result


CASES = [
    (RBM, {"v": ("binary", (4,)), "h": ("binary", (3,))}, ["h"]),
    (
        SEVERAL,
        {"v": ("binary", (3,)), "y": ("onehot", (3,)), "h": ("binary", (2,)), "g": ("onehot", (2, 3))},
        ["h", "g"],
    ),
    (CONDITIONAL, {"v": ("binary", (3,)), "u": ("given", (2,)), "h": ("binary", (3,))}, ["h"]),
    (CONVOLUTIONAL, {"v": ("binary", (1, 2, 3)), "h": ("binary", (1, 2, 3))}, ["h"]),
    (STRIDED, {"v": ("binary", (2, 4)), "h": ("binary", (2, 2))}, ["h"]),
    (SHARED, {"v": ("binary", (3,)), "h": ("binary", (2,))}, ["h"]),
]


@pytest.mark.parametrize(("text", "blocks", "hidden"), CASES)
def test_means_and_free_energy_are_those_of_all_states(
    text: str, blocks: dict[str, tuple[str, tuple[int, ...]]], hidden: list[str]
) -> None:
    model = built(text)
    torch.manual_seed(1)
    here = {}
    for name, (kind, shape) in blocks.items():
        every = states(kind, shape) if kind != "given" else [torch.randn(shape, dtype=torch.float64) for _ in range(9)]
        here[name] = torch.stack([every[i] for i in torch.randint(len(every), (5,))])
    for name, (kind, shape) in blocks.items():
        if kind == "given":
            continue
        table = torch.stack(states(kind, shape))
        each = torch.stack([energies(model, here | {name: s.expand(5, *shape)}) for s in table])  # [states, 5]
        share = torch.softmax(-each, dim=0)
        wanted = torch.einsum("sb,s...->b...", share, table)
        rest = [value for other, value in here.items() if other != name and not (name in hidden and other in hidden)]
        torch.testing.assert_close(getattr(model, f"mean_{name}")(*rest), wanted, rtol=0, atol=1e-10)
    sums: list[Tensor] = []
    for choice in itertools.product(*(states(*blocks[name]) for name in hidden)):
        drawn = {name: s.expand(5, *s.shape) for name, s in zip(hidden, choice, strict=True)}
        sums.append(-energies(model, here | drawn))
    visible = [value for name, value in here.items() if name not in hidden]
    free = -torch.logsumexp(torch.stack(sums), dim=0)
    torch.testing.assert_close(model.free_energy(*visible), free, rtol=0, atol=1e-10)
    layer = model(*visible)
    for name, value in zip(hidden, layer if isinstance(layer, tuple) else (layer,), strict=True):
        torch.testing.assert_close(value, getattr(model, f"mean_{name}")(*visible), rtol=0, atol=0)


def grid(size: int = 2) -> tuple[Tensor, float]:
    """Points of a plane, and how much each stands for; the trapezoid rule on normal densities is exact to rounding."""
    line = torch.linspace(-14, 14, 281, dtype=torch.float64)
    return torch.cartesian_prod(*[line] * size), float(line[1] - line[0]) ** size


def test_real_visible_units_are_normal_around_their_mean() -> None:
    model, (points, area) = built(GAUSSIAN), grid()
    for h in states("binary", (3,)):
        p = torch.exp(-model.energy(points, h.expand(len(points), 3)))
        p = p / p.sum()
        mean = p @ points
        torch.testing.assert_close(model.mean_v(h[None])[0], mean, rtol=0, atol=1e-10)
        torch.testing.assert_close(p @ (points - mean) ** 2, torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-10)
    v = torch.randn(5, 2, dtype=torch.float64)
    sums = torch.stack([-model.energy(v, h.expand(5, 3)) for h in states("binary", (3,))])
    torch.testing.assert_close(model.free_energy(v), -torch.logsumexp(sums, 0), rtol=0, atol=1e-10)
    assert area > 0


def test_real_hidden_units_are_integrated_out() -> None:
    model, (points, area) = built(FACTORS), grid()
    for v in states("binary", (3,)):
        e = model.energy(v.expand(len(points), 3), points)
        free = -(torch.logsumexp(-e, 0) + torch.log(torch.tensor(area, dtype=torch.float64)))
        torch.testing.assert_close(model.free_energy(v[None])[0], free, rtol=0, atol=1e-9)
        torch.testing.assert_close(model.mean_z(v[None])[0], torch.softmax(-e, 0) @ points, rtol=0, atol=1e-9)


def test_chains_visit_states_as_often_as_the_energy_says() -> None:
    model = built(RBM)
    torch.manual_seed(3)
    v = model.gibbs(torch.zeros(40_000, 4, dtype=torch.float64), steps=30)
    seen = torch.bincount((v @ torch.tensor([8.0, 4.0, 2.0, 1.0], dtype=torch.float64)).long(), minlength=16) / len(v)
    wanted = torch.softmax(-model.free_energy(torch.stack(states("binary", (4,)))), 0).detach()
    assert float((seen - wanted).abs().max()) < 0.012


def test_units_of_all_kinds_are_drawn_from_their_means() -> None:
    model = built(SEVERAL)
    torch.manual_seed(4)
    v, y = torch.ones(20_000, 3).double(), torch.eye(3).double()[torch.zeros(20_000).long()]
    drawn = model.sample_g(v, y)
    assert drawn.shape == (20_000, 2, 3)
    assert torch.equal(drawn.sum(-1), torch.ones(20_000, 2).double())
    torch.testing.assert_close(drawn.mean(0), model.mean_g(v[:1], y[:1])[0], rtol=0, atol=0.02)
    after = model.gibbs(v, y, steps=2)
    assert [t.shape for t in after] == [v.shape, y.shape]
    real = built(GAUSSIAN).sample_v(torch.zeros(20_000, 3).double())
    assert abs(float(real.detach().std(0).mean()) - 1) < 0.02


def test_sizes_that_a_method_cannot_read_are_given_to_the_constructor() -> None:
    """Of visible units that nothing but their number is said of, the mean given the hidden ones has to know how many they are."""
    text = """
energy Free(hidden)(v: binary[B, D]) {
    latent h: binary[B, hidden]
    param b: [hidden] = normal(std=1.0)
    return -(h @ b) - sum(v, dim=-1) / 2
}

model Net(x: [B, 4]) {
    return x -> stack n in [3, 5] { Free(n) }
}
"""
    model = built(text)
    assert model(torch.zeros(2, 4).double()).shape == (2, 5)
    lower = next(module for module in model.modules() if hasattr(module, "gibbs"))
    torch.testing.assert_close(lower.mean_v(torch.zeros(2, 3).double()), torch.sigmoid(torch.full((2, 4), 0.5).double()))
    assert lower.gibbs(torch.zeros(2, 4).double()).shape == (2, 4)


@pytest.mark.parametrize("meeting", ["", " - sum(step * weight, dim=-1)"])
def test_units_may_have_the_names_that_chains_use(meeting: str) -> None:
    text = f"""
energy M(steps: binary[B, 3]) {{
    latent step: binary[B, 3]
    latent weight: binary[B, 3]
    param W: [3] = normal(std=1.0)
    return -sum(steps * (step + weight) * W, dim=-1){meeting}
}}
"""
    model = built(text)
    v = torch.ones(4, 3).double()
    torch.manual_seed(0)
    found = model.gibbs(v, 2)
    assert (found[0] if meeting else found).shape == v.shape
    total, slope = model.statistics(v, v, v, torch.ones(4).double())
    torch.testing.assert_close(slope, torch.full((3,), 8.0).double())
    torch.testing.assert_close(total, -model.energy(v, v, v).sum())

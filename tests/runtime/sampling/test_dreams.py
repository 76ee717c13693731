"""`archc sample` on runs of energies and of stacks of them."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archc.runtime.faults.sampling import BadSamplingOption, NoChainOfEnergies
from archc.runtime.run import Run
from archc.runtime.sampling.dreams import dream, stack_of
from archc.runtime.sampling.images import grid, sides
from archc.runtime.sampling.wanted import Wanted
from archc.runtime.stops import Stopped
from archc.runtime.train.api import train

ENERGY = """
energy RBM(hidden)(v: binary[B, D]) {
    latent h: binary[B, hidden]
    param W: [D, hidden] = normal(std=2.0)
    param a: [D] = normal(std=1.0)
    return -(v @ a) - sum((v @ W) * h, dim=-1)
}
"""
STACK = """
model Stack(pixels: [B, 64]) {
    code   = pixels -> RBM(5) STEP -> RBM(3)
    logits = code -> dense(10)
    return logits
}
"""
PROGRAM = """
data digits = sklearn("digits") {
    pixels = data / 16
    label  = target
}

train Stack on digits {
    loss      cross_entropy(logits, label)
    optimizer sgd(lr=1e-3)
    steps     2
}
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The shipped RBM after a few steps."""
    return train("rbm", out=tmp_path_factory.mktemp("runs") / "rbm", steps=40, progress=False)


def stack(tmp_path: Path, step: str = "") -> Run:
    (tmp_path / "stack.arch").write_text(ENERGY + STACK.replace("STEP", step) + PROGRAM)
    return train(tmp_path / "stack.arch", out=tmp_path / "run", progress=False)


def test_a_seed_fixes_what_is_drawn(machine: Run) -> None:
    first, again, other = (machine.sample(count=3, steps=5, seed=seed).records() for seed in (1, 1, 2))
    assert first == again != other
    assert np.shape([record["values"] for record in first]) == (3, 64)
    assert all(0 <= x <= 1 for record in first for x in record["values"])


def test_a_grid_of_images_is_a_png(machine: Run) -> None:
    made = machine.sample(count=5, steps=3)
    data = made.file(".png")
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    assert (width, height) == (8 * (3 * 9 - 1), 8 * (2 * 9 - 1))
    start = data.index(b"IDAT") + 4
    length = struct.unpack(">I", data[start - 8 : start - 4])[0]
    dots = np.frombuffer(zlib.decompress(data[start : start + length]), dtype=np.uint8).reshape(height, width + 1)[:, 1:]
    assert abs(int(dots[4, 4]) - round(255 * made.records()[0]["values"][0])) <= 1
    assert len(made.said().split("\n\n")) == 5
    assert np.load(io.BytesIO(made.file(".npy"))).shape == (5, 64)


def test_what_a_chain_dreams_is_distributed_as_the_energy_says(tmp_path: Path) -> None:
    """Of a stack: the topmost machine's visible units have its distribution, and the lowest are drawn from them."""
    run = stack(tmp_path)
    model = run.model()
    with torch.no_grad():
        floors = stack_of(run.saved, model, torch.device("cpu"))
        assert [floor.shapes["v"] for floor in floors] == [(64,), (5,)]
        torch.manual_seed(0)
        mean = dream(floors, 20_000, 20).mean(0)
        states = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 5)
        share = torch.softmax(-floors[1].energy.free_energy(states), 0)
        wanted = share @ floors[0].energy.mean_v(states)
    assert float((mean - wanted).abs().max()) < 0.04
    assert len(run.sample(count=2, steps=3).records()) == 2


def test_what_stands_between_energies_is_told(tmp_path: Path) -> None:
    with pytest.raises(Stopped) as caught:
        stack(tmp_path, "-> sigmoid").sample()
    assert NoChainOfEnergies.code in str(caught.value)


@pytest.mark.parametrize("option", [{"tokens": 3}, {"greedy": True}])
def test_options_of_texts_mean_nothing(machine: Run, option: dict[str, int]) -> None:
    with pytest.raises(Stopped) as caught:
        machine.sample(**option)
    assert BadSamplingOption.code in str(caught.value)


def test_a_file_of_another_kind_is_refused(machine: Run) -> None:
    with pytest.raises(Stopped) as caught:
        machine.sample(steps=1).file(".jpg")
    assert BadSamplingOption.code in str(caught.value)
    with pytest.raises(Stopped):
        Wanted(steps=0).check()


def test_the_sides_of_images() -> None:
    assert [sides(s) for s in ((64,), (63,), (1, 4, 5), (4, 5), (3, 4, 5))] == [(8, 8), None, (4, 5), (4, 5), None]
    assert grid(np.zeros((3, 2, 2))).shape == (5, 5)


def test_the_command_writes_a_grid(machine: Run, tmp_path: Path) -> None:
    file = tmp_path / "dreams.png"
    command = [sys.executable, "-m", "archc", "sample", str(machine.folder), "-n", "4", "--steps", "2", "-o", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert file.read_bytes().startswith(b"\x89PNG")


JOINT = """
energy Deep(v: binary[B, 64]) {
    latent h: binary[B, 6]
    latent g: binary[B, 4]
    param W: [64, 6] = normal(std=0.5)
    param U: [6, 4] = normal(std=0.5)
    return -sum((v @ W) * h, dim=-1) - sum((h @ U) * g, dim=-1)
}

energy Told(u: [B, 3], v: binary[B, 64]) {
    latent h: binary[B, 6]
    param W: [64, 6] = normal(std=0.5)
    param A: [3, 64] = normal(std=5.0)
    return -sum((v @ W) * h, dim=-1) - sum((u @ A) * v, dim=-1)
}

data digits = sklearn("digits") {
    v = data / 16
    u = data[:3]
}

train deep: Deep on digits {
    loss      contrastive_divergence(persistent=true)
    optimizer sgd(lr=1e-3)
    steps     2
}

train told: Told on digits {
    loss      contrastive_divergence(k=1)
    optimizer sgd(lr=1e-5)
    steps     2
}
"""


def test_a_deep_boltzmann_machine_dreams(tmp_path: Path) -> None:
    (tmp_path / "joint.arch").write_text(JOINT)
    run = train(tmp_path / "joint.arch", program="deep", out=tmp_path / "run", progress=False)
    made = run.sample(count=3, steps=4).records()
    model: Any = run.model()
    torch.manual_seed(0)
    with torch.no_grad():
        _, h, g = model.gibbs(torch.rand(3, 64).round(), 4)
        wanted = model.mean_v(h, g)
    assert np.allclose([record["values"] for record in made], wanted.numpy(), atol=1e-6)


def test_a_conditional_energy_dreams_of_what_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "joint.arch").write_text(JOINT)
    run = train(tmp_path / "joint.arch", program="told", out=tmp_path / "run", progress=False)
    one, other = (run.sample(count=2, steps=3, given=(("u", u),)).records() for u in ("1,0,0", "-1,0,0"))
    model: Any = run.model()
    pull = model.A[0].detach().numpy()
    strong = np.abs(pull) > 8
    for record, opposite in zip(one, other, strict=True):
        assert ((np.array(record["values"]) > 0.5) == (pull > 0))[strong].all()
        assert ((np.array(opposite["values"]) < 0.5) == (pull > 0))[strong].all()
    for given in ((), (("u", "1,2"),), (("u", "one,two,three"),), (("w", "1"), ("u", "1,0,0"))):
        with pytest.raises(Stopped) as caught:
            run.sample(given=given)
        assert BadSamplingOption.code in str(caught.value)

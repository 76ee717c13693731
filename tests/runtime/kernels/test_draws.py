"""The kernel that draws binary units: as often as told, from PyTorch's random state alone, and in training alone."""

import shutil
from pathlib import Path

import pytest
import torch

import archc
from archc.runtime.compiling import Compiled
from archc.runtime.kernels import build, draws
from archc.runtime.loader import load_module
from archc.runtime.stops import Interrupted
from archc.runtime.train.api import train

from ..compared import assert_same
from ..test_resume import interrupting
from ..texts import spec

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
MACHINE = """\
energy Net(hidden = 12)(pixels: binary[B, 64]) {
    latent h: binary[B, hidden]
    param W: [64, hidden] = normal(std=0.01)
    param b: [hidden]
    return -(h @ b) - sum((pixels @ W) * h, dim=-1)
}

data digits = sklearn("digits") {
    pixels = data / 16
"""


def drawn(mean: torch.Tensor, seed: int = 0) -> torch.Tensor:
    model = archc.load("rbm")
    with draws.drawn_by_kernel([model]):
        torch.manual_seed(seed)
        made: torch.Tensor = getattr(load_module(archc.compile("rbm")), draws.NAME)(mean)
        return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_as_often_as_the_mean_says(dtype: torch.dtype) -> None:
    mean, times = torch.linspace(0, 1, 51, dtype=dtype), 40_000
    share = drawn(mean[:, None].expand(-1, times)).mean(1)
    error = (mean * (1 - mean) / times).sqrt()
    assert share.dtype == dtype
    assert share[[0, -1]].tolist() == [0, 1]  # what is certain is certain
    assert ((share - mean).abs() <= 4.5 * error).all()


def test_draws_are_independent() -> None:
    """Neighbours in a row, in a column, and one lane of the kernel after another, and two calls."""
    first, second = (drawn(torch.full((400, 400), 0.5), seed) - 0.5 for seed in (1, 2))
    for a, b in [(first[1:], first[:-1]), (first[:, 1:], first[:, :-1]), (first[:, 32:], first[:, :-32]), (first, second)]:
        assert abs(float((a * b).mean())) < 4.5 * 0.25 / 400


@pytest.mark.parametrize("count", [1, 31, 32, 33, 1000])
def test_any_number_of_units(count: int) -> None:
    mean = torch.rand(count)
    assert torch.equal(drawn(mean), drawn(mean))
    assert set(drawn(mean).tolist()) <= {0.0, 1.0}
    assert torch.equal(drawn(torch.ones(3, count)[:, ::2]), torch.ones(3, (count + 1) // 2))


def test_what_has_no_kernel_is_drawn_by_torch() -> None:
    assert drawn(torch.ones(4, dtype=torch.bfloat16)).tolist() == [1, 1, 1, 1]


def machine(*clauses: str) -> Compiled:
    return spec("loss contrastive_divergence(persistent=true)", *clauses, net=MACHINE)


def test_a_run_says_what_drew_and_can_do_without(tmp_path: Path) -> None:
    by_kernel = train(machine(), out=tmp_path / "kernel", progress=False)
    by_torch = train(machine(), out=tmp_path / "torch", kernels=False, progress=False)
    assert by_kernel.record["kernels"] == {draws.NAME: build.identity(draws.TEXT)}
    assert by_torch.record["kernels"] is None
    one, other = (run.model().state_dict()["W"] for run in (by_kernel, by_torch))
    assert not torch.equal(one, other)
    assert float((one - other).norm() / other.norm()) < 0.5  # of other draws, but of one machine


def test_after_a_run_its_module_draws_as_it_did(tmp_path: Path) -> None:
    run = train(machine(), out=tmp_path / "run", progress=False)
    assert not draws.modules_that_draw([run.model()])[0].__dict__[draws.NAME].__closure__


@pytest.mark.parametrize(
    "clause",
    [
        "clip 0.1",
        "accumulate 2",
        "optimizer sgd(lr=0.05, momentum=0.9, nesterov=true)",
        "optimizer adam(lr=1e-3, weight_decay=0.1)",
    ],
)
def test_updates_go_on_from_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clause: str) -> None:
    """What one step makes and the next changes (gradients, moments, chains) was made in inference mode, or is loaded."""
    whole = train(machine(clause), out=tmp_path / "whole", progress=False)
    with monkeypatch.context() as patched:
        interrupting(patched, 2)
        with pytest.raises(Interrupted):
            train(machine(clause), out=tmp_path / "cut", progress=False)
    assert_same(whole.folder, train(resume=tmp_path / "cut", progress=False).folder)

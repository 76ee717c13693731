"""Closed forms from moments: what one process and several sum up, large means, and systems without a single solution."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from archc.runtime.train import closed


def rows(n: int = 500, d: int = 12, k: int = 3, mean: float = 0.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, d, dtype=torch.float64, generator=generator) + mean
    return x, x @ torch.randn(d, k, dtype=torch.float64, generator=generator) + 0.1 * torch.randn(n, k, generator=generator)


def blocks(x: Tensor, y: Tensor, size: int = 64) -> Iterator[closed.Block]:
    return zip(x.split(size), y.split(size), strict=True)  # type: ignore[no-untyped-call]


def test_large_means_cost_no_digits() -> None:
    x, y = rows(mean=1e6)
    found = closed.linear(blocks(x, y), 0.0, bias=True)
    centred = np.linalg.lstsq((x - x.mean(0)).numpy(), (y - y.mean(0)).numpy(), rcond=None)[0]
    np.testing.assert_allclose(found.weight.numpy(), centred.T, rtol=1e-7, atol=1e-8)
    assert found.bias is not None
    left = x @ found.weight.T + found.bias - y
    assert found.loss == pytest.approx(float(left.square().mean()), rel=1e-3)


def test_of_several_solutions_the_smallest() -> None:
    """A column that stands twice: Cholesky breaks, and the weights are those of NumPy's least squares."""
    x, y = rows()
    x = torch.cat((x, x[:, :1], torch.zeros(len(x), 2, dtype=torch.float64)), 1)
    found = closed.linear(blocks(x, y), 0.0, bias=False)
    np.testing.assert_allclose(found.weight.numpy(), np.linalg.lstsq(x.numpy(), y.numpy(), rcond=None)[0].T, atol=1e-8)


def test_logistic_of_classes_that_are_apart_ends() -> None:
    """Without a penalty the weights would go to infinity; the loss falls, and no step is taken that is not finite."""
    x = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])
    label = torch.tensor([0, 0, 1, 1])
    found = closed.logistic(lambda: iter([(x, label)]), 2, 0.0, bias=True)
    assert found.loss < 1e-6
    assert bool(found.weight.isfinite().all())


def _one_of_two(rank: int, file: str, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    x, y = rows(mean=3.0)
    half = slice(0, 200) if rank == 0 else slice(200, None)
    found = closed.linear(blocks(x[half], y[half]), 0.1, bias=True)
    torch.save((found.weight, found.bias), Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_give_one_solution(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.runtime.test_closed"]
    root = Path(__file__).parents[2]
    started = [subprocess.Popen([*command, str(rank), str(tmp_path / "meet"), str(tmp_path)], cwd=root) for rank in range(2)]
    assert [process.wait(timeout=120) for process in started] == [0, 0]
    one, two = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])
    x, y = rows(mean=3.0)
    alone = closed.linear(blocks(x, y), 0.1, bias=True)
    torch.testing.assert_close(one[0], alone.weight, rtol=1e-9, atol=1e-10)


if __name__ == "__main__":
    _one_of_two(int(sys.argv[1]), *sys.argv[2:])

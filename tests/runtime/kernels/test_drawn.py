"""Cells drawn at random: what their kernels compute, in numbers and in all gradients, is what PyTorch computes step by step."""

import ctypes
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from torch import Tensor, nn

import archc
from archc.compiler.recurrence.cpp import PRELUDE
from archc.runtime.kernels import build, operator

from .cells import cells

ENTRIES = re.compile(r"\b(pack_weights|forward_steps|backward_steps)\b")
FLAGS = tuple("-O0" if flag == "-O3" else flag for flag in build.FLAGS)  # the same numbers, built sooner


class Together:
    """Kernels that are asked for one by one, and built as one translation unit when the first of them is called."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.made: ctypes.CDLL | None = None
        self.really = build.library

    def library(self, text: str, *, cached: bool = False) -> "Part":
        self.texts.append(text)
        return Part(self, len(self.texts) - 1)

    def built(self) -> ctypes.CDLL:
        if self.made is None:
            named = (ENTRIES.sub(rf"\1_{k}", text.removeprefix(PRELUDE)) for k, text in enumerate(self.texts))
            self.made = self.really("".join([PRELUDE, *(f"namespace cell{k} {{\n{text}}}\n" for k, text in enumerate(named))]))
        return self.made


class Part:
    """The functions of one kernel of many."""

    def __init__(self, whole: Together, number: int) -> None:
        self.whole, self.number = whole, number

    def __getattr__(self, name: str) -> object:
        return getattr(self.whole.built(), f"{name}_{self.number}")


def drawn(count: int) -> list[str]:
    """So many different cells, the same ones at each call."""
    found: list[str] = []

    @settings(
        max_examples=count, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(cells())
    def collect(text: str) -> None:
        found.append(text)

    collect()
    return list(dict.fromkeys(found))


def results(net: nn.Module, given: Tensor, n: Tensor) -> list[Tensor]:
    """The output, then the gradients of the input and of all weights."""
    x = given.clone().requires_grad_()
    y = net(x, n)
    weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    leaves = [x, *net.parameters()]
    found = torch.autograd.grad((y * weight).sum(), leaves, allow_unused=True)
    return [y, *(torch.zeros_like(leaf) if slope is None else slope for leaf, slope in zip(leaves, found, strict=True))]


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    """So that one kernel of a cell is asked for, not two."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("count", [20, pytest.param(300, marks=pytest.mark.slow)])
def test_kernels_of_drawn_cells_compute_what_the_steps_do(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = Together()
    monkeypatch.setattr(build, "FLAGS", FLAGS)
    monkeypatch.setattr(build, "library", together.library)
    monkeypatch.setattr(build, "LIMIT", 3600.0)
    monkeypatch.setattr(operator, "_kernels", {})
    monkeypatch.setenv("ARCHC_KERNELS", str(tmp_path / "kernels"))
    path, nets = tmp_path / "net.arch", []
    texts = drawn(count)
    for text in texts:
        path.write_text(text)
        with warnings.catch_warnings(action="ignore"):  # that a cell has no kernel
            nets.append([archc.load(path, fused=fused).to(torch.float64) for fused in (True, False)])
    torch.manual_seed(1)
    x, n = torch.randn(5, 4, 3, dtype=torch.float64), torch.tensor([4, 1, 3, 4, 2])
    ran = 0
    for text, (fused, plain) in zip(texts, nets, strict=True):
        plain.load_state_dict(fused.state_dict())
        before = operator.ran.total()
        pairs = list(zip(results(fused, x, n), results(plain, x, n), strict=True))
        ran += operator.ran.total() - before
        for got, want in pairs:
            try:
                torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-10)
            except AssertionError as told:
                raise AssertionError(f"{told}\n{text}") from None
    assert len(texts) >= 0.9 * count
    assert ran >= 0.8 * len(texts)

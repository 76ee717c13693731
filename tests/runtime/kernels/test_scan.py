"""Cells whose steps multiply nothing: their inputs enter within the scan, and it gives what the plain form does, with all gradients."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archc
from archc.runtime.kernels import scan

SPEC = """from std.recurrent import IndRNN, MinGRU, MinLSTM
cell One(width)(x: [B, D]) {{
    state h: [B, width]
    h' = 0.5 * h + dense(width, bias=false)(x)
    return h'
}}
cell Six(width)(x: [B, D]) {{
    state h: [B, width]
    state c: [B, width]
    a, b, e = dense(3 * width)(x) -> chunk(3)
    f = sigmoid(dense(width)(x))
    g, u = dense(2 * width)(x) -> chunk(2)
    c' = f * c + tanh(a) * sigmoid(b) * h
    h' = sigmoid(e) * tanh(c) + g * u + 0.1 * h
    return h', c'
}}
cell Seven(width)(x: [B, D]) {{
    state h: [B, width]
    a, b, d, e, f, g, u = dense(7 * width)(x) -> chunk(7)
    h' = sigmoid(a) * h + b * d + e * f + g * u
    return h'
}}
model Net(x: [B, T, 9], n: int[B]) {{
    y = recur({cell}({width}), {options})(x)
    return y
}}
"""
CELLS = ["MinGRU", "MinLSTM", "IndRNN", "One"]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHC_KERNELS", str(tmp_path_factory.getbasetemp() / "kernels"))


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def _nets(folder: Path, cell: str, width: int, options: str = "length=n") -> tuple[nn.Module, nn.Module]:
    """The fused one and the plain one, in float64."""
    path = folder / "net.arch"
    path.write_text(SPEC.format(cell=cell, width=width, options=options))
    fused, plain = (archc.load(path, fused=fused).double() for fused in (True, False))
    plain.load_state_dict(fused.state_dict())
    return fused, plain


def _lengths(batch: int, steps: int) -> Tensor:
    """Some whole, some of one step, some between."""
    return torch.tensor([(steps, 1, steps // 2 + 1)[b % 3] for b in range(batch)])


def _results(net: nn.Module, x: Tensor, n: Tensor) -> list[Tensor]:
    outputs = net(x, n)
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    wanted = [t for t in (x, *net.parameters()) if t.requires_grad]
    return [*outputs, *torch.autograd.grad(sum(((k + 1) * y).square().sum() for k, y in enumerate(outputs)), wanted)]


def _equal(mine: list[Tensor], other: list[Tensor], tolerance: float = 1e-10) -> None:
    for a, b in zip(mine, other, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls of a scan's functions from here on."""
    calls: list[str] = []
    call = scan._call

    def counting(name: str, *rest: Any) -> None:
        calls.append(name)
        call(name, *rest)

    monkeypatch.setattr(scan, "_call", counting)
    return calls


@pytest.mark.parametrize(("batch", "steps"), [(1, 70), (3, 43), (32, 5), (70, 2), (33, 1)])
@pytest.mark.parametrize("width", [5, 16, 40])
@pytest.mark.parametrize("cell", CELLS)
def test_blocks_of_rows(cell: str, width: int, batch: int, steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which begin and end within a step, at lengths of all kinds."""
    calls = _counted(monkeypatch)
    torch.set_num_threads(1)
    fused, plain = _nets(tmp_path, cell, width)
    x, n = torch.randn(batch, steps, 9, dtype=torch.float64, requires_grad=True), _lengths(batch, steps)
    wanted = _results(plain, x, n)
    _equal(_results(fused, x, n), wanted)
    _equal(_results(fused, x.detach(), n), [wanted[0], *wanted[2:]])
    with torch.no_grad():
        torch.testing.assert_close(fused(x, n), wanted[0], rtol=1e-10, atol=1e-10)
    assert calls == ["scan", "scan_back", "scan", "scan_back", "scan"]


@pytest.mark.parametrize(("cell", "is_scan"), [("Six", True), ("Seven", False)])
def test_as_many_maps_as_registers_hold(cell: str, is_scan: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _counted(monkeypatch)
    torch.set_num_threads(2)
    fused, plain = _nets(tmp_path, cell, 40)
    x, n = torch.randn(7, 11, 9, dtype=torch.float64, requires_grad=True), _lengths(7, 11)
    _equal(_results(fused, x, n), _results(plain, x, n))
    assert bool(calls) == is_scan


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_have_tiles_of_their_own(threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bits however many there are; where there are more of them than tiles, a library's product is shared by all."""
    calls = _counted(monkeypatch)
    fused, _ = _nets(tmp_path, "MinGRU", 40)
    x, n = torch.randn(5, 30, 9, dtype=torch.float64), _lengths(5, 30)
    torch.set_num_threads(1)
    alone = _results(fused, x, n)
    torch.set_num_threads(threads)
    for mine, one in zip(_results(fused, x, n), alone, strict=True):
        assert torch.equal(mine, one)
    assert len(calls) == 4
    torch.set_num_threads(4)
    _equal(_results(fused, x, n), alone)
    assert len(calls) == 4


def test_from_a_state_of_ones_own_and_backwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _counted(monkeypatch)
    torch.set_num_threads(1)
    text = """from std.recurrent import MinGRU
model Net(x: [B, T, 9], n: int[B], h: [B, 16]) {
    y, last = recur(MinGRU(16), length=n, init=h, reverse=true)(x)
    return y, last.h
}
"""
    path = tmp_path / "net.arch"
    path.write_text(text)
    fused, plain = (archc.load(path, fused=fused).double() for fused in (True, False))
    plain.load_state_dict(fused.state_dict())
    x, n = torch.randn(4, 12, 9, dtype=torch.float64, requires_grad=True), _lengths(4, 12)
    h = torch.randn(4, 16, dtype=torch.float64, requires_grad=True)

    def results(net: nn.Module) -> list[Tensor]:
        y, last = net(x, n, h)
        return [y, last, *torch.autograd.grad(y.square().sum() + (last * last.cos()).sum(), [x, h, *net.parameters()])]

    _equal(results(fused), results(plain))
    assert calls == ["scan", "scan_back"]


def test_inputs_as_they_lie(tmp_path: Path) -> None:
    """Steps first, every second column, and one row for all examples."""
    torch.set_num_threads(1)
    fused, plain = _nets(tmp_path, "MinGRU", 16)
    n, dtype = _lengths(6, 9), torch.float64
    for x in (
        torch.randn(9, 6, 9, dtype=dtype).transpose(0, 1),
        torch.randn(6, 9, 18, dtype=dtype)[..., ::2],
        torch.randn(9, 9, dtype=dtype).expand(6, 9, 9),
    ):
        _equal(_results(fused, x, n), _results(plain, x, n))


def test_derivatives_of_the_derivative(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    fused, _ = _nets(tmp_path, "MinGRU", 3)
    x, n = torch.randn(4, 8, 9, dtype=torch.float64, requires_grad=True), _lengths(4, 8)
    assert torch.autograd.gradcheck(lambda x: fused(x, n), [x])
    (slope,) = torch.autograd.grad(fused(x, n).square().sum(), [x], create_graph=True)
    (twice,) = torch.autograd.grad(slope.square().sum(), [x])
    step = 1e-6 * torch.randn_like(x)
    ends = []
    for sign in (1, -1):
        moved = (x + sign * step).detach().requires_grad_()
        (there,) = torch.autograd.grad(fused(moved, n).square().sum(), [moved])
        ends.append(there.square().sum())
    torch.testing.assert_close((ends[0] - ends[1]) / 2, (twice * step).sum(), rtol=1e-5, atol=1e-9)


def test_float32_to_its_digits(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    fused, _ = _nets(tmp_path, "MinGRU", 64)
    single, _ = _nets(tmp_path, "MinGRU", 64)
    single.load_state_dict(fused.state_dict())
    x, n = torch.randn(9, 50, 9, dtype=torch.float64), _lengths(9, 50)
    for mine, exact in zip(_results(single.float(), x.float(), n), _results(fused, x, n), strict=True):
        torch.testing.assert_close(mine.double(), exact, rtol=1e-5, atol=1e-5 * exact.abs().max().item())


def test_few_rows_are_not_worth_a_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _counted(monkeypatch)
    torch.set_num_threads(1)
    fused, plain = _nets(tmp_path, "MinGRU", 16)
    x, n = torch.randn(3, 10, 9, dtype=torch.float64, requires_grad=True), _lengths(3, 10)
    _equal(_results(fused, x, n), _results(plain, x, n))
    assert not calls

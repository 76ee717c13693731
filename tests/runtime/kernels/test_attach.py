"""Kernels from the equations of cells: what they compute is what the steps one by one compute, in numbers and in all gradients."""

import copy
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor, nn

import archc
from archc.runtime.kernels import build, layer, operator
from archc.runtime.kernels.attach import Fused

SPEC = """from std.recurrent import {cell}
model Net(x: [B, T, 5], n: int[B]) -> [B, T, {out}] {{
    y = {over}({cell}({width}), length=n{more})(x)
    return y
}}
"""
ODD = """cell Odd(width)(x: [B, D]) {
    state h: [B, width] = 0.5
    state c: [B, width] = learned
    param v: [width] = ones
    gate a = sigmoid(dense(width, bias=false)(x, c) + v * h)
    u = relu(dense(width)(h) * 0.5 - sin(dense(width)(x)))
    c' = a * c + (1 - a) * silu(u) / (1 + abs(c))
    h' = clip(exp(-u) * tanh(c') + cos(h), min=-0.9, max=0.9)
    return h', c'
}
model Net(x: [B, T, 5], n: int[B]) -> [B, T, 19] {
    y, z = recur(Odd(19), length=n)(x)
    return y + z
}
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHC_KERNELS", str(tmp_path_factory.getbasetemp() / "kernels"))


def both(path: Path, text: str, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, nn.Module]:
    """The network step by step, and the same with kernels."""
    path = path / "net.arch"
    path.write_text(text)
    fused = archc.load(path, fused=True).to(dtype)
    plain = archc.load(path).to(dtype)
    plain.load_state_dict(fused.state_dict())
    return plain, fused


def results(net: nn.Module, x: Tensor, n: Tensor) -> list[Tensor]:
    """The output, then the gradients of the input and of all weights."""
    x = x.clone().requires_grad_()
    y = net(x, n)
    weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return [y, *torch.autograd.grad((y * weight).sum(), [x, *net.parameters()])]


STANDARD = (
    *("RNN", "LSTM", "GRU", "PeepholeLSTM", "CoupledLSTM", "MinGRU", "MinLSTM", "IndRNN", "JANET"),
    *("OriginalGRU", "LayerNormLSTM", "SRU", "SLSTM"),
)
STAGED = """cell Staged(width, out)(x: [B, D], memory: [B, M]) {
    state h: [B, width]
    state m: [B, out] = learned
    param a: [width] = ones
    param k: [1] = ones
    i, f = dense(2 * width)(x, memory, h) -> chunk(2)
    s = softmax(i * h + a)
    u = rms_norm(h) * k - log_softmax(h + dense(width)(x))
    v = u - max(u, dim=-1, keepdim=true) + var(h, dim=-1, keepdim=true) + logsumexp(s, dim=-1, keepdim=true)
    gate g = sigmoid(dense(1)(concat(s, m)))
    h' = g * tanh(dense(width)(u, m) + layer_norm(h * s) + mean(s, dim=-1, keepdim=true)) * tanh(v) + sigmoid(f) * softmin(h)
    m' = tanh(dense(out, bias=false)(h' * s) + std(m, dim=-1, keepdim=true) + min(m, dim=-1, keepdim=true) * k)
    return m', dense(4)(h')
}
model Net(x: [B, T, 5], n: int[B]) -> [B, T, 11] {
    y, z = recur(Staged(19, 7), memory=x[:, 0], length=n)(x)
    return concat(y, z)
}
"""
CASES = {
    "staged": STAGED,
    "original": SPEC.format(cell="OriginalGRU", over="bidirectional", width=18, out=36, more=""),
    "normed": SPEC.format(cell="LayerNormLSTM", over="recur", width=17, out=17, more=", reverse=true"),
    "lstm": SPEC.format(cell="LSTM", over="bidirectional", width=17, out=34, more=""),
    "gru": SPEC.format(cell="GRU", over="recur", width=7, out=7, more=", reverse=true"),
    "mingru": SPEC.format(cell="MinGRU", over="recur", width=33, out=33, more=""),
    "odd": ODD,
}


SLOW = ("lstm", "mingru", "original")


@pytest.mark.parametrize(
    "name", ["gru", "odd", "staged", "normed", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-10), (torch.float32, 2e-4)])
def test_kernels_compute_what_the_steps_do(name: str, dtype: torch.dtype, near: float, tmp_path: Path) -> None:
    plain, fused = both(tmp_path, CASES[name], dtype)
    torch.manual_seed(1)
    x, n = torch.randn(11, 6, 5, dtype=dtype), torch.tensor([6, 1, 3, 6, 2, 5, 4, 6, 1, 2, 6])
    before = operator.ran.total()
    pairs = list(zip(results(plain, x, n), results(fused, x, n), strict=True))
    assert operator.ran.total() - before == (2 if "bidirectional" in CASES[name] else 1)
    for want, got in pairs:
        torch.testing.assert_close(got, want, rtol=near, atol=near)


@pytest.mark.parametrize("cell", STANDARD)
def test_every_kernel_passes_gradcheck(cell: str, tmp_path: Path) -> None:
    """In the inputs and in the weights, of both directions, with lengths."""
    text = SPEC.format(cell=cell, over="bidirectional", width=3, out=6, more="").replace("-> [B, T, 6]", "")
    text = text.replace("[B, T, 5]", "[B, T, 3]")  # SRU is as wide as its input
    _, fused = both(tmp_path, text)
    torch.manual_seed(0)
    x = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)

    def run(x: Tensor, *_: Tensor) -> Tensor:  # the weights are those of the network, which gradcheck moves in place
        made = fused(x, torch.tensor([3, 2]))
        return cast("Tensor", made[0] if isinstance(made, tuple) else made)

    before = operator.ran.total()
    assert torch.autograd.gradcheck(run, (x, *fused.parameters()))
    assert operator.ran.total() > before


def test_copies_and_pickles_run_in_kernels_of_their_own_weights(tmp_path: Path) -> None:
    _, fused = both(tmp_path, CASES["gru"])
    x, n = torch.randn(2, 3, 5, dtype=torch.float64), torch.tensor([3, 2])
    for other in (copy.deepcopy(fused), pickle.loads(pickle.dumps(fused))):
        assert torch.equal(other(x, n), fused(x, n))
        cell = other.get_submodule("recur1")
        assert isinstance(cell.forward, Fused)
        assert cell.forward.cell is cell


def test_a_cell_without_a_kernel_runs_as_before_and_says_so(tmp_path: Path) -> None:
    text = "cell Sorted(width)(x: [B, D]) {\n    state h: [B, width]\n    h', at = sort(dense(width)(x, h))\n    return h'\n}\n"
    text += "model Net(x: [B, T, 5], n: int[B]) { return recur(Sorted(7), length=n)(x) }\n"
    with pytest.warns(UserWarning, match="recur1 runs step by step: its sort has no kernel"):
        plain, fused = both(tmp_path, text)
    x, n = torch.randn(2, 3, 5, dtype=torch.float64), torch.tensor([3, 2])
    assert torch.equal(plain(x, n), fused(x, n))


def test_without_a_compiler_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    text = "extern"
    with pytest.raises(build.CannotBuild, match="no g\\+\\+"):
        build.library(text)


def test_nothing_is_loaded_from_where_others_can_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv("ARCHC_KERNELS", str(shared))
    with pytest.raises(build.CannotBuild, match="others can write to"):
        build.library("int unused;")


def test_a_library_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHC_KERNELS", str(tmp_path / "own"))
    build.library.cache_clear()
    text = 'extern "C" int seven() { return 7; }'
    assert build.library(text).seven() == 7
    (made,) = (tmp_path / "own").glob("*.so")
    when = made.stat().st_mtime_ns
    build.library.cache_clear()
    assert build.library(text).seven() == 7
    assert made.stat().st_mtime_ns == when


def test_of_two_processes_one_builds(tmp_path: Path) -> None:
    """Both want the library at once; the compiler, which counts its calls, is called once."""
    real = shutil.which("g++")
    (tmp_path / "bin").mkdir()
    compiler = tmp_path / "bin" / "g++"
    calls = tmp_path / "calls"
    compiler.write_text(f'#!/bin/sh\n[ "$1" = --version ] || {{ echo one >> {calls}; sleep 0.5; }}\nexec {real} "$@"\n')
    compiler.chmod(0o755)
    script = "from archc.runtime.kernels.build import library\nprint(library('extern \"C\" int eight() { return 8; }').eight())\n"
    path = f"{compiler.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "ARCHC_KERNELS": str(tmp_path / "own"), "PATH": path}
    command = [sys.executable, "-c", script]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in both] == ["8\n", "8\n"]
    assert calls.read_text().splitlines() == ["one"]


@pytest.mark.parametrize("name", ["gru", "odd", "staged"])
def test_derivatives_have_derivatives(name: str, tmp_path: Path) -> None:
    """As a penalty on a gradient takes them."""
    plain, fused = both(tmp_path, CASES[name])
    given = torch.randn(3, 4, 5, dtype=torch.float64)

    def second(net: nn.Module) -> list[Tensor]:
        x = given.clone().requires_grad_()
        (slope,) = torch.autograd.grad(net(x, torch.tensor([4, 2, 3])).square().sum(), x, create_graph=True)
        return list(torch.autograd.grad(slope.square().sum(), [x, *net.parameters()]))

    before = operator.ran.total()
    for want, got in zip(second(plain), second(fused), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-10)
    assert operator.ran.total() == before + 1


@pytest.mark.parametrize("name", ["gru", "odd", "staged"])
@pytest.mark.parametrize("steps", [1, 6, 64, 71])
def test_without_gradients_time_goes_in_chunks(name: str, steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer, "CHUNK", 20_000)
    plain, fused = both(tmp_path, CASES[name])
    x, n = torch.randn(3, steps, 5, dtype=torch.float64), torch.tensor([steps, 1, max(1, steps - 3)])
    with torch.no_grad():
        torch.testing.assert_close(fused(x, n), plain(x, n), rtol=1e-10, atol=1e-10)
        cells, same = [net.get_submodule("recur1") for net in (fused, plain)], (x[:, 0],) if name == "staged" else ()
        for got, want in zip(*(cell(x, *same, length=n) for cell in cells), strict=True):
            torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


def test_torch_compile_sees_one_node(tmp_path: Path) -> None:
    _, fused = both(tmp_path, CASES["gru"])
    seen: list[str] = []

    def looked(graph: torch.fx.GraphModule, _: list[Tensor]) -> torch.fx.GraphModule:
        seen.extend(str(node.target) for node in graph.graph.nodes if node.op == "call_function")
        return graph

    x, n = torch.randn(2, 3, 5, dtype=torch.float64), torch.tensor([3, 2])
    want = fused(x, n)  # builds the kernel of this dtype, which cannot be done while it is traced
    compiled = torch.compile(fused, backend=looked, fullgraph=True)
    torch.testing.assert_close(compiled(x, n), want, rtol=1e-12, atol=1e-12)
    assert sum("archc.recurrence" in name for name in seen) == 1


def test_an_export_is_of_pytorch_alone(tmp_path: Path) -> None:
    _, fused = both(tmp_path, CASES["gru"])
    x, n = torch.randn(2, 3, 5, dtype=torch.float64), torch.tensor([3, 2])
    program = torch.export.export(fused, (x, n))
    assert not any("archc" in str(node.target) for node in program.graph.nodes)
    torch.testing.assert_close(program.module()(x, n), fused(x, n), rtol=1e-12, atol=1e-12)


def test_zoneout_keeps_what_its_masks_say_and_forgets_them_in_evaluation(tmp_path: Path) -> None:
    """Against the equations, with the masks drawn in the order in which the text has them."""
    plain, fused = both(tmp_path, SPEC.format(cell="ZoneoutLSTM", over="recur", width=6, out=6, more=""))
    torch.manual_seed(2)
    x, n = torch.randn(3, 4, 5, dtype=torch.float64), torch.tensor([4, 4, 4])
    cell = fused.get_submodule("recur1")
    torch.manual_seed(3)
    before = operator.ran.total()
    got = fused(x, n)
    assert operator.ran.total() == before + 1
    torch.manual_seed(3)
    ones = torch.ones(4, 3, 6, dtype=torch.float64)
    masks = [cell.get_submodule(name)(ones) for name in ("dropout1", "dropout2")]
    h = c = torch.zeros(3, 6, dtype=torch.float64)
    for t in range(4):
        xh = torch.cat((x[:, t], h), dim=-1)
        i, f, o = (torch.sigmoid(cell.get_submodule(name)(xh)) for name in ("dense1", "dense2", "dense3"))
        m = f * c + i * torch.tanh(cell.get_submodule("dense4")(xh))
        c = c + (m - c) * masks[0][t] * 0.5
        h = h + (o * torch.tanh(m) - h) * masks[1][t] * 0.95
        torch.testing.assert_close(got[:, t], h, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(fused.eval()(x, n), plain.eval()(x, n), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("autocast", [False, True])
def test_bfloat16_is_computed_in_float32(autocast: bool, tmp_path: Path) -> None:
    """As near to the steps in float32 as the rounding of inputs, weights and outputs to eight bits lets it be."""
    exact, fused = both(tmp_path, CASES["gru"], torch.float32)
    torch.manual_seed(1)
    x, n = torch.randn(3, 6, 5), torch.tensor([6, 1, 3])
    if not autocast:
        x = x.bfloat16().float()
        fused = fused.bfloat16()
        exact.load_state_dict(fused.state_dict())
    want = results(exact, x, n)
    before = operator.ran.total()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        got = results(fused, x if autocast else x.bfloat16(), n)
    assert operator.ran.total() == before + 1
    assert {g.dtype for g in got} == {torch.float32 if autocast else torch.bfloat16}
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one.float(), other, rtol=4e-2, atol=4e-2)

"""Kernels for a GPU, on a CPU: their text, and what launches them, where PyTorch runs the text; and where Triton is installed, its
interpreter runs the text and its compiler takes it. None of this has run on a GPU."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import archc
from archc.compiler.recurrence.terms import Equations
from archc.compiler.recurrence.triton import step_kernels, unfit
from archc.dsl.source import Source
from archc.runtime.compiling import Wanted, compiled
from archc.runtime.executable import executable
from archc.runtime.kernels import attention, gpu, operator
from archc.runtime.kernels.attach import Fused
from archc.runtime.kernels.build import CannotBuild
from archc.runtime.kernels.graphs import MOST, Graphs
from archc.runtime.loader import build
from archc.runtime.train.setup import with_kernels

from .mimic import install
from .test_attach import CASES, SPEC
from .test_drawn import drawn, results

TEXTS = {
    **{name: CASES[name] for name in ("lstm", "gru", "mingru", "odd")},
    "peephole": SPEC.format(cell="PeepholeLSTM", over="bidirectional", width=5, out=10, more=""),
}


def equations_of(text: str) -> Equations:
    found = compiled(Source("net.arch", text), Wanted()).plan.model.recurrences[0].equations
    assert found is not None
    return found


def mimicked(equations: Equations) -> gpu.Launch:
    """Kernels whose text PyTorch runs."""
    with pytest.MonkeyPatch.context() as patch:
        install(patch)
        module = gpu.loaded(step_kernels(equations))
    return gpu.Triton(module, equations.width)


def both(path: Path, text: str, dtype: torch.dtype, launch: gpu.Launch) -> tuple[nn.Module, nn.Module, Graphs]:
    """The network step by step, and the same run by the driver of GPUs; where it records, it keeps what to call."""
    path = path / "net.arch"
    path.write_text(text)
    plain, driven = archc.load(path).to(dtype), archc.load(path).to(dtype)
    plain.load_state_dict(driven.state_dict())
    plan = archc.compile(path).plan.model.recurrences[0]
    assert plan.equations is not None
    name, graphs = operator.name_of(plan.equations, dtype, "test"), Graphs(record=lambda body: body)
    operator._kernels[name] = gpu.StepKernel(plan.equations, launch, graphs)
    at = driven.get_submodule(plan.path)
    for cell in [at._modules["forward"], at._modules["backward"]] if plan.both else [at]:
        assert cell is not None
        cell.forward = Fused(cell, plan.equations, plan.stepped, {(dtype, "cpu"): name})
    return plain, driven, graphs


# Text -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gru", "odd"])
def test_the_text_of_kernels(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"triton/{name}.py.txt", step_kernels(equations_of(TEXTS[name])))


# What launches --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(TEXTS))
def test_the_driver_computes_what_the_steps_do(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times: called, recorded and replayed; and without gradients. Programs are small, so that there are several."""
    monkeypatch.setattr(gpu, "BLOCK", 16)
    plain, driven, graphs = both(tmp_path, TEXTS[name], torch.float64, mimicked(equations_of(TEXTS[name])))
    for seed in range(3):
        torch.manual_seed(seed)
        x, n = torch.randn(5, 4, 5, dtype=torch.float64), torch.tensor([4, 1, 3, 4, 2])
        for want, got in zip(results(plain, x, n), results(driven, x, n), strict=True):
            torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)
        with torch.no_grad():
            torch.testing.assert_close(driven(x, n), plain(x, n), rtol=1e-10, atol=1e-10)
    assert sum(recording is not None for recording in graphs.known.values()) == 3  # forward, backward, and without gradients


@pytest.mark.parametrize("count", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_the_driver_of_drawn_cells(count: int, tmp_path: Path) -> None:
    _compare_drawn(count, tmp_path, mimicked)


def test_steps_in_chunks(tmp_path: Path) -> None:
    """An odd number of them, longer than a chunk, each chunk replayed from the third on; and without lengths."""
    plain, driven, _ = both(tmp_path, TEXTS["odd"], torch.float64, mimicked(equations_of(TEXTS["odd"])))
    x, n = torch.randn(3, 135, 5, dtype=torch.float64), torch.tensor([135, 2, 99])
    with torch.no_grad():
        torch.testing.assert_close(driven(x, n), plain(x, n), rtol=1e-10, atol=1e-10)
        cells = [net.get_submodule("recur1") for net in (driven, plain)]
        for got, want in zip(*(cell(x) for cell in cells), strict=True):
            torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


def _compare_drawn(count: int, path: Path, launch: Callable[[Equations], gpu.Launch]) -> None:
    x, n = torch.randn(3, 3, 3, dtype=torch.float64), torch.tensor([3, 1, 2])
    ran = 0
    for text in drawn(count):
        found = compiled(Source("net.arch", text), Wanted()).plan.model.recurrences[0].equations
        if found is None or unfit(found):
            continue
        plain, driven, _ = both(path, text, torch.float64, launch(found))
        for want, got in zip(results(plain, x, n), results(driven, x, n), strict=True):
            assert torch.allclose(got, want, rtol=1e-9, atol=1e-10), f"{float((got - want).abs().max())}\n{text}"
        ran += 1
    assert ran >= 0.4 * count  # the others read whole rows, or take several rounds


def test_a_kernel_is_tried_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a step with and without lengths, forward and backward; what is not there or fails is told."""
    with pytest.raises(CannotBuild, match="takes more than one round of products, or reads whole rows"):
        gpu.kernel(equations_of(CASES["staged"]), torch.float32, "cpu")
    odd = equations_of(CASES["odd"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(CannotBuild, match="no triton on this machine"):
            gpu.kernel(odd, torch.float32, "cpu")
    install(monkeypatch)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    made = gpu.kernel(odd, torch.float32, "cpu")
    assert [key[0] for key in made.graphs.known] == [("forward", True), "backward"] * 2  # type: ignore[index]

    def fails(*_: Any) -> None:
        raise ValueError("ptxas is too old\nat line 1")

    monkeypatch.setattr(gpu.Triton, "__call__", fails)
    with pytest.raises(CannotBuild, match=r"does not work on this GPU \(ptxas is too old\)"):
        gpu.kernel(odd, torch.float32, "cpu")


# Graphs ---------------------------------------------------------------------------------------------------------------


def doubled(reads: list[Tensor], writes: list[Tensor]) -> None:
    torch.mul(reads[0], 2, out=writes[0])


def test_a_graph_is_recorded_the_second_time_and_replayed_on_its_own_memory() -> None:
    recorded: list[Callable[[], None]] = []

    def record(body: Callable[[], None]) -> Callable[[], None]:
        body()
        recorded.append(body)
        return body

    graphs, made = Graphs(record), torch.empty(3)
    for number in range(4):
        graphs.run("doubled", doubled, [torch.full((3,), float(number))], [made])
        assert made.tolist() == [2.0 * number] * 3
        assert len(recorded) == min(number, 1)
    graphs.run("doubled", doubled, [torch.ones(2)], [torch.empty(2)])
    assert len(recorded) == 1  # other shapes, the first time


def test_what_cannot_be_recorded_is_called() -> None:
    def refuse(body: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("operation not permitted when stream is capturing")

    graphs, made = Graphs(refuse), torch.empty(3)
    for number in range(3):
        graphs.run("doubled", doubled, [torch.full((3,), float(number))], [made])
        assert made.tolist() == [2.0 * number] * 3
    assert graphs.refused


def test_only_the_last_shapes_are_kept() -> None:
    graphs = Graphs(lambda body: body)
    for size in [*range(1, 2 * MOST), 1, 1]:
        graphs.run("doubled", doubled, [torch.ones(size)], [torch.empty(size)])
    assert len(graphs.known) == MOST


# Triton's interpreter -------------------------------------------------------------------------------------------------

HAS_TRITON = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Equations], gpu.Launch]:
    """Kernels that Triton's interpreter runs, with numpy in place of the functions that a GPU has of its own."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    tl, TensorHandle = import_module("triton.language"), import_module("triton.runtime.interpreter").TensorHandle  # noqa: N806

    def lanewise(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*blocks: Any) -> Any:
            with np.errstate(all="ignore"):  # a choice computes both sides
                data = function(*(block.handle.data for block in blocks))
            return tl.core.tensor(TensorHandle(data.astype(blocks[0].handle.data.dtype), blocks[0].handle.dtype), blocks[0].type)

        return run

    names = {"pow": "power", "atan": "arctan"}
    functions = {
        name: getattr(np, names.get(name, name)) for name in ("exp", "tanh", "sqrt", "log", "sin", "cos", "atan", "expm1")
    }
    functions |= {name: getattr(np, names.get(name, name)) for name in ("log1p", "pow", "floor", "ceil", "rint")}
    functions["erf"] = lambda x: torch.erf(torch.from_numpy(x)).numpy()
    stand_in = SimpleNamespace(**{name: lanewise(function) for name, function in functions.items()})

    def launch(equations: Equations) -> gpu.Launch:
        module = gpu.loaded(step_kernels(equations))
        module.__dict__["libdevice"] = stand_in
        return gpu.Triton(module, equations.width)

    return launch


@HAS_TRITON
@pytest.mark.parametrize("name", list(TEXTS))
@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-10), (torch.float32, 2e-4)])
def test_interpreted_kernels_compute_what_the_steps_do(
    name: str, dtype: torch.dtype, near: float, tmp_path: Path, interpreted: Callable[[Equations], gpu.Launch]
) -> None:
    plain, driven, _ = both(tmp_path, TEXTS[name], dtype, interpreted(equations_of(TEXTS[name])))
    torch.manual_seed(1)
    x, n = torch.randn(5, 4, 5, dtype=dtype), torch.tensor([4, 1, 3, 4, 2])
    for want, got in zip(results(plain, x, n), results(driven, x, n), strict=True):
        torch.testing.assert_close(got, want, rtol=near, atol=near)
    with torch.no_grad():
        torch.testing.assert_close(driven(x, n), plain(x, n), rtol=near, atol=near)


@HAS_TRITON
@pytest.mark.parametrize("name", ["gru", "odd"])
@pytest.mark.parametrize("dtype", ["fp32", "fp64"])
def test_kernels_compile_for_a_gpu(name: str, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the code of one, which is then not run."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    triton, GPUTarget = import_module("triton"), import_module("triton.backends.compiler").GPUTarget  # noqa: N806
    ASTSource = import_module("triton.compiler").ASTSource  # noqa: N806

    equations = equations_of(TEXTS[name])
    module = gpu.loaded(step_kernels(equations))
    for kernel in (module.forward_step, module.backward_step):
        kinds = {"t": "i32", "B": "i32", "H": "constexpr", "BLOCK": "constexpr", "length": "*i64"}
        signature = {name: kinds.get(name, f"*{dtype}") for name in kernel.arg_names}
        constants = {"H": equations.width, "BLOCK": gpu.BLOCK}
        made = triton.compile(ASTSource(kernel, signature, constants), target=GPUTarget("cuda", 80, 32))
        assert made.asm["cubin"]


@HAS_TRITON
@pytest.mark.parametrize("count", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_interpreted_kernels_of_drawn_cells(count: int, tmp_path: Path, interpreted: Callable[[Equations], gpu.Launch]) -> None:
    _compare_drawn(count, tmp_path, interpreted)


# Runs -----------------------------------------------------------------------------------------------------------------

SPELLED = """from std.recurrent import GRU
attention Near(heads = 2)(x: [B, T, D]) {
    mask[i, j] = j <= i and i - j < 3
    return attend(x, x, x, heads=heads, mask=mask)
}
model Net(x: [B, 4, 32]) -> [B, 2] {
    y, last = x -> Near -> recur(GRU(7))
    return last.h -> dense(2)
}
data rows = npz("rows.npz") { }
train Net on rows {
    loss      cross_entropy(output, label)
    optimizer adam
    epochs    1
    batch     4
}
"""


def test_a_run_on_a_gpu_has_kernels_for_cells_and_attentions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settled as for a GPU, with its network on the CPU."""
    monkeypatch.setenv("ARCHC_KERNELS", str(tmp_path / "kernels"))
    monkeypatch.setattr(attention, "_want_working", lambda: None)
    path = tmp_path / "net.arch"
    path.write_text(SPELLED)
    np.savez(tmp_path / "rows.npz", x=np.zeros((8, 4, 32), "float32"), label=np.zeros(8, "int64"))
    exe = executable(archc.compile(path, program=True))
    assert exe.plan.train is not None
    for only, want in ((None, {"near1", "recur1"}), (["near1"], {"near1"})):
        made = build(exe)
        found = with_kernels(exe, exe.plan.train, made, torch.device("cuda"), only)
        assert found is not None
        assert set(found) == want
        assert isinstance(made.get_submodule("near1").forward, attention.OnDevice)
        made(torch.zeros(2, 4, 32))
    penalized = replace(exe, program=f"{exe.program}# autograd.grad(…, create_graph=True)\n")
    made = build(exe)
    found = with_kernels(penalized, exe.plan.train, made, torch.device("cuda"), None)
    assert found is not None
    assert set(found) == {"recur1"}
    assert cast("Any", made.get_submodule("recur1").forward).known is None

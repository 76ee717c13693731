"""Cells that PyTorch has itself are found under any names, and PyTorch's functions on their weights give what their steps give."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from archc.compiler.recurrence.known import known
from archc.dsl.source import Source
from archc.runtime.compiling import Wanted, compiled
from archc.runtime.kernels import attach, build, operator
from archc.runtime.kernels import known as functions
from archc.runtime.kernels.attach import Fused

from .test_attach import SPEC, both, results

OWN = """cell Own(width)(x: [B, D]) {{
{body}
}}
model Net(x: [B, T, 5], n: int[B]) -> [B, T, 7] {{
    return recur(Own(7), length=n)(x)
}}
"""
RENAMED = OWN.format(
    body="""    state memory: [B, width] = 0.5
    state seen: [B, width] = learned
    new = tanh(dense(width, bias=false)(seen, x))
    gate write = sigmoid(dense(width)(x) + dense(width)(seen))
    gate read = sigmoid(dense(width)(x, seen))
    memory' = write * new + memory * sigmoid(dense(width)(x, seen))
    seen' = tanh(memory') * read
    return seen'"""
)
TOWARDS = OWN.format(
    body="""    state h: [B, width]
    gate z = sigmoid(dense(width)(x, h))
    n = tanh(sigmoid(dense(width)(x, h)) * dense(width, bias=false)(h) + dense(width)(x))
    h' = n + z * (h - n)
    return h'"""
)
FOUND = {
    "LSTM": (SPEC.format(cell="LSTM", over="bidirectional", width=7, out=14, more=""), "LSTM"),
    "GRU": (SPEC.format(cell="GRU", over="recur", width=7, out=7, more=", reverse=true"), "GRU"),
    "RNN": (SPEC.format(cell="RNN", over="recur", width=7, out=7, more=""), "RNN_TANH"),
    "relu": (OWN.format(body="    state s: [B, width]\n    s' = relu(dense(width)(s, x))\n    return s'"), "RNN_RELU"),
    "renamed": (RENAMED, "LSTM"),
    "towards": (TOWARDS, "GRU"),
}
OTHERS = {
    "coupled": SPEC.format(cell="CoupledLSTM", over="recur", width=7, out=7, more=""),
    "peephole": SPEC.format(cell="PeepholeLSTM", over="recur", width=7, out=7, more=""),
    "mingru": SPEC.format(cell="MinGRU", over="recur", width=7, out=7, more=""),
    "jordan": RENAMED.replace("return seen'", "return memory'"),
    "swapped": TOWARDS.replace("n + z * (h - n)", "n + z * (n - h)"),
    "two maps": RENAMED.replace("dense(width)(x, seen))\n    memory'", "dense(width)(x, memory))\n    memory'"),
}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHC_KERNELS", str(tmp_path_factory.getbasetemp() / "kernels"))


def kind_of(text: str) -> str | None:
    (plan,) = compiled(Source("net.arch", text), Wanted()).plan.model.recurrences
    assert plan.equations is not None
    found = known(plan.equations)
    return None if found is None else found.kind


@pytest.mark.parametrize("name", list(OTHERS))
def test_other_cells_are_not_taken_for_one(name: str) -> None:
    assert kind_of(OTHERS[name]) is None


@pytest.mark.parametrize("name", list(FOUND))
def test_they_compute_what_the_steps_do(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU, where PyTorch's functions are its own loop; examples of no step at all too. No kernel is built."""
    text, kind = FOUND[name]
    assert kind_of(text) == kind
    monkeypatch.setattr(attach, "KNOWN_ON", ("cpu",))
    monkeypatch.setattr(operator, "register", None)
    ran: list[str] = []

    def watched(*given: Any) -> Any:
        ran.append(given[0].kind)
        return functions.over_time(*given)

    monkeypatch.setattr(attach, "over_time", watched)
    plain, fused = both(tmp_path, text)
    torch.manual_seed(1)
    x = torch.randn(6, 5, 5, dtype=torch.float64)
    for n in (torch.tensor([5, 1, 3, 0, 2, 4]), torch.tensor([1, 2, 3, 4, 3, 2])):
        for got, want in zip(results(fused, x, n), results(plain, x, n), strict=True):
            torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)
    assert ran == [kind] * (4 if name == "LSTM" else 2)


def test_states_and_whole_sequences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From given states, without lengths, and without gradients."""
    monkeypatch.setattr(attach, "KNOWN_ON", ("cpu",))
    plain, fused = both(tmp_path, RENAMED)
    cells = [net.get_submodule("recur1") for net in (fused, plain)]
    assert isinstance(cells[0].forward, Fused)
    x, states = torch.randn(3, 4, 5, dtype=torch.float64), [torch.randn(3, 7, dtype=torch.float64) for _ in range(2)]

    def run(cell: torch.nn.Module) -> tuple[Tensor, ...]:
        made: tuple[Tensor, ...] = cell(x, *states, reverse=True)
        return made

    with torch.no_grad():
        for got, want in zip(*map(run, cells), strict=True):
            torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["GRU", "RNN", "renamed"])
def test_without_a_compiler_they_run_in_pytorch_and_derivatives_have_derivatives(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An LSTM only where nothing learns: PyTorch cannot differentiate its derivative."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    build.library.cache_clear()  # of another test in this process
    monkeypatch.setattr(operator, "_kernels", {})
    ran: list[str] = []

    def watched(*given: Any) -> Any:
        ran.append(given[0].kind)
        return functions.over_time(*given)

    monkeypatch.setattr(attach, "over_time", watched)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an LSTM says that it trains step by step
        plain, fused = both(tmp_path, FOUND[name][0])
    x, n = torch.randn(3, 4, 5, dtype=torch.float64), torch.tensor([4, 2, 3])
    with torch.no_grad():
        torch.testing.assert_close(fused(x, n), plain(x, n), rtol=1e-10, atol=1e-10)
    assert ran == [FOUND[name][1]]
    seconds = []
    for net in (fused, plain):
        given = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(net(given, n).square().sum(), given, create_graph=True)
        seconds.append(torch.autograd.grad(slope.square().sum(), [given, *net.parameters()]))
    for got, want in zip(*seconds, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-10)
    assert len(ran) == (1 if FOUND[name][1] == "LSTM" else 2)

"""Cells in one node of autograd: what each thread keeps between calls never shows in a result, and gradients are those of the parts."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import archc
from archc.compiler.recurrence.joined import joined
from archc.runtime.kernels.attach import Fused
from archc.runtime.kernels.layout import INPUTS, layout

SPEC = """from std.recurrent import GRU, LSTM, MinGRU
cell Chunked(width)(x: [B, D], z: [B, E]) {{
    state h: [B, width]
    state c: [B, width]
    i, f, o, g = dense(4 * width)(x, z, h) -> chunk(4)
    c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h' = sigmoid(o) * tanh(c')
    return h'
}}
cell Bare(width)(x: [B, D], z: [B, E]) {{
    state h: [B, width]
    h' = tanh(dense(width, bias=false)(x, z, h))
    return h'
}}
model Net(x: [B, T, 6], z: [B, T, 3]) -> [B, T, {width}] {{
    y = recur({cell}({width}))({inputs})
    return y
}}
"""
INPUTS_OF = {"LSTM": "concat(x, z)", "GRU": "concat(x, z)", "MinGRU": "concat(x, z)", "Chunked": "x, z", "Bare": "x, z"}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHC_KERNELS", str(tmp_path_factory.getbasetemp() / "kernels"))


def _net(folder: Path, cell: str, width: int, *, fused: bool = True) -> nn.Module:
    path = folder / "net.arch"
    path.write_text(SPEC.format(cell=cell, width=width, inputs=INPUTS_OF[cell]))
    net: nn.Module = archc.load(path, fused=fused).double()
    return net


def _inputs(batch: int, steps: int) -> list[Tensor]:
    return [torch.randn(batch, steps, size, dtype=torch.float64, requires_grad=True) for size in (6, 3)]


def _results(net: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
    y = net(*inputs)
    wanted = [*inputs, *(w for w in net.parameters() if w.requires_grad)]
    return [y, *torch.autograd.grad(y.square().sum(), wanted)]


@pytest.mark.parametrize("width", [16, 5])
@pytest.mark.parametrize("cell", list(INPUTS_OF))
def test_gradients_of_whole_weights(cell: str, width: int, tmp_path: Path) -> None:
    """With padding and without, at sizes that come and go in one thread, and with some weights that do not learn."""
    fused, plain = _net(tmp_path, cell, width), _net(tmp_path, cell, width, fused=False)
    plain.load_state_dict(fused.state_dict())
    for batch, steps in ((1, 4), (3, 2), (2, 7), (1, 4)):
        inputs = _inputs(batch, steps)
        for mine, other in zip(_results(fused, inputs), _results(plain, inputs), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-11)
        with torch.no_grad():
            torch.testing.assert_close(fused(*inputs), plain(*inputs), rtol=1e-10, atol=1e-11)
        for net in (fused, plain):
            next(net.parameters()).requires_grad_(batch == 2)


@pytest.mark.parametrize("cell", ["LSTM", "MinGRU"])
def test_many_steps(cell: str, tmp_path: Path) -> None:
    """More than stay in the cache, so that they are taken in parts; their gradients are sums of many rows, of narrow weights."""
    fused, plain = _net(tmp_path, cell, 64), _net(tmp_path, cell, 64, fused=False)
    plain.load_state_dict(fused.state_dict())
    inputs = _inputs(30, 160)
    for mine, other in zip(_results(fused, inputs), _results(plain, inputs), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-10)
    with torch.no_grad():
        torch.testing.assert_close(fused(*inputs), plain(*inputs), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("cell", ["LSTM", "MinGRU"])
def test_memory_of_inference_mode_serves_outside_of_it(cell: str, tmp_path: Path) -> None:
    net, inputs = _net(tmp_path, cell, 64), [x.detach() for x in _inputs(8, 5)]
    with torch.inference_mode():
        inside = net(*inputs)
    with torch.no_grad():
        assert torch.equal(net(*inputs), inside)


def test_of_an_lstm_two_products_give_all_gradients_of_its_weights(tmp_path: Path) -> None:
    _net(tmp_path, "LSTM", 16)
    (recurrence,) = archc.compile(tmp_path / "net.arch").plan.model.recurrences
    assert recurrence.equations is not None
    found = layout(recurrence.equations, recurrence.stepped, joined(recurrence.equations).starts)
    assert found is not None
    assert [(run.source, run.maps, run.columns) for run in found.runs] == [(INPUTS, 4, 9), (0, 4, 16)]


@pytest.mark.parametrize("cell", ["LSTM", "MinGRU"])
def test_threads_call_one_kernel_at_once(cell: str, tmp_path: Path) -> None:
    """Two networks of the same equations, so of one kernel, at several sizes."""
    nets = [_net(tmp_path, cell, 64) for _ in range(2)]
    cases = [(nets[k % 2], _inputs(1 + k % 3, 40 + k)) for k in range(12)]
    wanted = [_results(net, inputs) for net, inputs in cases]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            found = list(pool.map(lambda case: _results(*case), cases))
            for mine, other in zip(found, wanted, strict=True):
                assert all(torch.equal(a, b) for a, b in zip(mine, other, strict=True))


def test_what_is_kept_between_calls_is_not_what_was_given(tmp_path: Path) -> None:
    """Weights changed where autograd does not see it count in the next call, and results are memory of their own."""
    net, inputs = _net(tmp_path, "LSTM", 16), _inputs(1, 5)
    with torch.no_grad():
        before = net(*inputs)
        copy = before.clone()
        for weight in net.parameters():
            weight.data.mul_(0.5)
        after = net(*inputs)
    assert torch.equal(before, copy)
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, net(*inputs).detach())


def test_the_first_states_after_inference_mode(tmp_path: Path) -> None:
    net, inputs = _net(tmp_path, "GRU", 16), _inputs(2, 3)
    with torch.inference_mode():
        first = net(*inputs)
    assert torch.equal(_results(net, inputs)[0], first)


def test_a_weight_of_another_shape_runs_in_parts(tmp_path: Path) -> None:
    """A layer of one's own, whose weight is wider than its equations read."""
    net, inputs = _net(tmp_path, "LSTM", 16), _inputs(2, 3)
    (cell,) = [module for module in net.modules() if isinstance(module.__dict__.get("forward"), Fused)]
    wanted, old = net(*inputs), cell.get_submodule("dense1")
    assert isinstance(old, nn.Linear)
    wide = nn.Linear(40, 16).double()
    with torch.no_grad():
        wide.weight[:, : old.weight.shape[1]] = old.weight
        wide.bias.copy_(old.bias)
    cell.dense1 = wide
    torch.testing.assert_close(net(*inputs), wanted, rtol=1e-12, atol=1e-12)


def test_states_of_another_number_of_rows_are_not_read_past_their_end(tmp_path: Path) -> None:
    """One row for all examples, as a step in PyTorch takes it too."""
    net, (x, z) = _net(tmp_path, "LSTM", 16), _inputs(3, 4)
    (cell,) = [module for module in net.modules() if isinstance(module.__dict__.get("forward"), Fused)]
    row, inputs = torch.randn(1, 16, dtype=torch.float64), torch.cat((x, z), dim=-1)
    wanted = cell(inputs, *(row.expand(3, 16) for _ in range(2)))
    for mine, other in zip(cell(inputs, row, row), wanted, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)

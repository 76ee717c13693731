"""The products of kernels: what they begin with, what stands in their place for the derivative, and any number of rows at once."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import archc
from archc.compiler.recurrence.joined import joined, kept_values
from archc.compiler.recurrence.terms import Equations, Slice
from archc.runtime.kernels import operator
from archc.runtime.kernels.pieces import Pieces, cuts

SPEC = """from std.recurrent import GRU, LSTM
cell Twice(width)(x: [B, D]) {{
    state h: [B, width]
    mapped = dense(width)(x)
    gate a = sigmoid(mapped + dense(width, bias=false)(h))
    u = relu(dense(width)(x, h)) + exp(-abs(dense(width)(h)))
    h' = a * h + (1 - a) * tanh(mapped + u)
    return h'
}}
model Net(x: [B, T, 6], n: int[B]) -> [B, T, {width}] {{
    y = recur({cell}({width}), length=n)(x)
    return y
}}
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHC_KERNELS", str(tmp_path_factory.getbasetemp() / "kernels"))


def _net(folder: Path, cell: str, width: int = 20, *, fused: bool = False) -> nn.Module:
    path = folder / "net.arch"
    path.write_text(SPEC.format(cell=cell, width=width))
    net: nn.Module = archc.load(path, fused=fused)
    return net


def _equations(folder: Path, cell: str) -> Equations:
    path = folder / "net.arch"
    path.write_text(SPEC.format(cell=cell, width=20))
    (recurrence,) = archc.compile(path).plan.model.recurrences
    assert recurrence.equations is not None
    return recurrence.equations


def test_a_product_begins_with_what_is_added_to_it_and_read_by_nothing_else(tmp_path: Path) -> None:
    assert joined(_equations(tmp_path, "LSTM")).starts == (0, 1, 2, 3)
    gru = joined(_equations(tmp_path, "GRU"))
    assert sorted(start is None for start in gru.starts) == [
        False,
        False,
        True,
    ]  # of the new state the reset gate scales the product alone
    twice = _equations(tmp_path, "Twice")
    apart = [g for g, start in enumerate(joined(twice).starts) if start is None]
    assert len(apart) == 2  # what is read again stays as it is, and one product meets no input


def test_the_values_of_gates_stand_in_the_place_of_their_products(tmp_path: Path) -> None:
    for cell, count in (("LSTM", 4), ("GRU", 2), ("Twice", 0)):
        found = joined(_equations(tmp_path, cell)).equations
        kept = kept_values(found)
        assert len(set(kept.values())) == len(kept) == count, cell
        assert {found.terms[number].op for number in kept} <= {"sigmoid", "tanh"}


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "Twice"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_number_of_rows(tmp_path: Path, cell: str, dtype: torch.dtype) -> None:
    plain, fused = _net(tmp_path, cell).to(dtype), _net(tmp_path, cell, fused=True).to(dtype)
    plain.load_state_dict(fused.state_dict())
    for batch in (1, 2, 3, 5, 7, 8, 11, 14, 20, 33):
        x, n = torch.randn(batch, 4, 6, dtype=dtype), torch.randint(0, 5, (batch,))
        found, wanted = [_results(net, x, n) for net in (fused, plain)]
        for mine, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(
                mine, other, rtol=1e-4 if dtype == torch.float32 else 1e-10, atol=2e-5 if dtype == torch.float32 else 1e-11
            )


def _results(net: nn.Module, x: Tensor, n: Tensor) -> list[Tensor]:
    """The output and all gradients, from derivatives whose steps lie last in memory."""
    x = x.clone().requires_grad_()
    y = net(x, n)
    slopes = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape[0], y.shape[2], y.shape[1]).transpose(1, 2)
    return [y, *torch.autograd.grad(y, [x, *net.parameters()], slopes)]


def test_what_nothing_watches_goes_past_the_dispatcher_to_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, x, n = _net(tmp_path, "GRU", fused=True), torch.randn(3, 4, 6), torch.tensor([4, 0, 2])
    past = _results(net, x, n)
    monkeypatch.setattr(operator, "is_watched", lambda _: True)
    watched = _results(net, x, n)
    assert torch.equal(past[0], watched[0])
    for mine, other in zip(past, watched, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-6)


def test_a_tensor_of_another_kind_is_watched() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    assert not operator.is_watched(torch.ones(1))
    with FakeTensorMode():
        assert operator.is_watched(torch.ones(1))
    seen: list[bool] = []

    def look(x: Tensor) -> Tensor:
        seen.append(operator.is_watched(x))
        return x.sum()

    torch.func.grad(look)(torch.ones(1))
    assert seen == [True]


def test_pieces_of_a_weight_may_lie_inside_each_other(tmp_path: Path) -> None:
    equations = _equations(tmp_path, "LSTM")
    key = equations.recurrent[0].key
    weight = nn.Parameter(torch.randn(20, 26))
    at = {key: ([0, 5, 20], [0, 6, 9, 26])}
    pieces = Pieces(equations, {key: weight}, at)
    inside, whole = pieces.of(Slice(key, 0, 6, 26)), pieces.of(Slice(key, 0, 0, 26))
    assert torch.equal(inside, weight[:, 6:])
    assert torch.equal(whole, weight)
    (slope,) = torch.autograd.grad(inside.sum() + whole.sum(), weight)
    assert torch.equal(slope, torch.where(torch.arange(26) < 6, 1.0, 2.0).expand(20, 26))
    assert set(cuts(equations, {p.key: torch.empty(20, 26) for p in equations.recurrent})) == {p.key for p in equations.recurrent}


def test_a_layer_put_in_place_of_another_is_used(tmp_path: Path) -> None:
    net, x, n = _net(tmp_path, "GRU", fused=True), torch.randn(3, 4, 6), torch.tensor([4, 1, 2])
    net(x, n)
    (cell,) = [module for module in net.modules() if type(module).__name__ == "GRU"]
    key, old = next((key, module) for key, module in cell.named_children() if isinstance(module, nn.Linear))
    new = nn.Linear(old.in_features, old.out_features)
    setattr(cell, key, new)
    plain = _net(tmp_path, "GRU")
    plain.load_state_dict(net.state_dict())
    torch.testing.assert_close(net(x, n), plain(x, n), rtol=1e-5, atol=1e-6)

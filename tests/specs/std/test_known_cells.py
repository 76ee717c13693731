"""The cells that torch.nn has: outputs, last states and gradients, with lengths, in both directions, deep, and from a given state."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .running import Model, cell_of, gradients, of, sequences

WIDTH = 4
GATES = {"LSTM": (1, 2, 4, 3), "GRU": (1, 2), "RNN": (1,)}  # the dense layers of our cells in the order of torch.nn's gates
STATES = {"LSTM": ("h", "c"), "GRU": ("h",), "RNN": ("h",)}


def fill(peer: nn.RNNBase, cell: Any, kind: str, layer: int = 0, way: str = "") -> None:
    """The weights of `cell` in the places where torch.nn has them."""
    dense = [getattr(cell, f"dense{i}") for i in GATES[kind]]
    own = f"_l{layer}{way}"
    size = dense[0].weight.shape[1] - WIDTH
    with torch.no_grad():
        ih = [d.weight[:, :size] for d in dense]
        hh = [d.weight[:, size:] for d in dense]
        bias, second = [d.bias for d in dense], [torch.zeros_like(d.bias) for d in dense]
        if kind == "GRU":
            ih, hh = [*ih, cell.dense3.weight], [*hh, cell.dense4.weight]
            bias, second = [*bias, cell.dense3.bias], [*second, cell.dense4.bias]
        for name, parts in {"weight_ih": ih, "weight_hh": hh, "bias_ih": bias, "bias_hh": second}.items():
            getattr(peer, name + own).copy_(torch.cat(parts))


HALVES = """layer cell = LSTM(4)
    _, last = x[:, :3] -> recur(cell)
    y = x[:, 3:] -> recur(cell, init=last)"""


def peer_of(kind: str, size: int = 3, **options: int | bool) -> nn.RNNBase:
    return getattr(nn, kind)(size, WIDTH, batch_first=True, dtype=torch.float64, **options)  # type: ignore[no-any-return]


def run(peer: nn.RNNBase, x: Tensor, length: Tensor, start: object = None) -> tuple[Tensor, ...]:
    """Outputs and last states of torch.nn on packed sequences."""
    packed = pack_padded_sequence(x, length, batch_first=True, enforce_sorted=False)
    made, last = peer(packed, start)
    y, _ = pad_packed_sequence(made, batch_first=True, total_length=x.shape[1])
    return (y, *(last if isinstance(last, tuple) else (last,)))


def returned(kind: str) -> str:
    return ", ".join(["y", *(f"last.{name}" for name in STATES[kind])])


@pytest.mark.parametrize("kind", GATES)
def test_equal_to_torch(kind: str) -> None:
    net = of(f"y, last = x -> recur({kind}({WIDTH}), length=length)", returns=returned(kind), cells=kind)
    peer = peer_of(kind)
    fill(peer, cell_of(net), kind)
    x, length = sequences(3)
    x.requires_grad_()
    ours, theirs = net(x, length), run(peer, x, length)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other.reshape(mine.shape), rtol=0, atol=1e-12)
    (mine,), (other,) = (
        gradients(tuple(o.reshape(m.shape) for m, o in zip(ours, made, strict=True)), [x]) for made in (ours, theirs)
    )
    torch.testing.assert_close(mine, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", GATES)
def test_both_directions(kind: str) -> None:
    net = of(f"y, last = x -> bidirectional({kind}({WIDTH}), length=length)", returns=returned(kind), cells=kind)
    both = cell_of(net)
    peer = peer_of(kind, bidirectional=True)
    fill(peer, both._modules["forward"], kind)
    fill(peer, both._modules["backward"], kind, way="_reverse")
    x, length = sequences(3)
    ours, theirs = net(x, length), run(peer, x, length)
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=1e-12)
    for mine, other in zip(ours[1:], theirs[1:], strict=True):
        torch.testing.assert_close(mine, torch.cat(tuple(other), dim=-1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", GATES)
def test_deep(kind: str) -> None:
    net = of(f"y = x -> stack 3 {{ recur({kind}({WIDTH})) }}", cells=kind)
    peer = peer_of(kind, num_layers=3)
    for layer in range(3):
        fill(peer, net.stack1[layer], kind, layer)
    x, length = sequences(3)
    torch.testing.assert_close(net(x, length), peer(x)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", GATES)
def test_from_a_given_state(kind: str) -> None:
    names = STATES[kind]
    init = "a" if len(names) == 1 else "(a, b)"
    given = ", ".join(f"{name}: [B, {WIDTH}]" for name in ("a", "b")[: len(names)])
    net = of(f"y = x -> recur({kind}({WIDTH}), init={init})", given=given, cells=kind)
    peer = peer_of(kind)
    fill(peer, cell_of(net), kind)
    x, length = sequences(3)
    start = tuple(torch.randn(1, x.shape[0], WIDTH, dtype=torch.float64) for _ in names)
    theirs = peer(x, start if len(start) > 1 else start[0])[0]
    torch.testing.assert_close(net(x, length, *(s[0] for s in start)), theirs, rtol=0, atol=1e-12)


def test_one_half_after_the_other_is_the_whole() -> None:
    """The last state of a sequence starts the next."""
    whole: Model = of("y = x -> recur(LSTM(4))", cells="LSTM")
    halves: Model = of(HALVES, cells="LSTM")
    halves.load_state_dict({name.replace("recur1", "cell"): value for name, value in whole.state_dict().items()})
    x, length = sequences(3)
    torch.testing.assert_close(halves(x, length), whole(x, length)[:, 3:], rtol=0, atol=1e-12)


def test_reverse_is_inside_the_length() -> None:
    ahead, back = (
        of(f"y, last = x -> recur(GRU(4), length=length{way})", returns="y, last.h", cells="GRU")
        for way in ("", ", reverse=true")
    )
    back.load_state_dict(ahead.state_dict())
    x, length = sequences(3)
    for row in range(len(length)):
        n = int(length[row])
        y, h = ahead(x[row : row + 1, :n].flip(1), length[row : row + 1])
        mine, last = back(x, length)
        torch.testing.assert_close(mine[row, :n], y[0].flip(0), rtol=0, atol=1e-12)
        torch.testing.assert_close(last[row], h[0], rtol=0, atol=1e-12)
        assert not mine[row, n:].any(), "past the length are zeros"

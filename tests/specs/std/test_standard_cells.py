"""Every cell of the standard library against its equations, written here step by step in PyTorch, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from .running import cell_of, gradients, of, sequences

Step = Callable[[Any, Tensor, list[Tensor]], tuple[Tensor, list[Tensor]]]
W = 4


def d(cell: Any, i: int, *parts: Tensor) -> Tensor:
    """The affine map number i of what it reads, side by side."""
    layer = getattr(cell, f"dense{i}")
    made: Tensor = F.linear(torch.cat(parts, dim=-1), layer.weight, layer.bias)
    return made


def rnn(act: Callable[[Tensor], Tensor]) -> Step:
    def step(cell: Any, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        h = act(d(cell, 1, x, state[0]))
        return h, [h]

    return step


def original_gru(cell: Any, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    (h,) = state
    r, z = d(cell, 1, x, h).sigmoid(), d(cell, 2, x, h).sigmoid()
    h = (1 - z) * d(cell, 3, x, r * h).tanh() + z * h
    return h, [h]


def peephole(cell: Any, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    h, c = state
    i, f = (d(cell, 1, x, h) + cell.wi * c).sigmoid(), (d(cell, 2, x, h) + cell.wf * c).sigmoid()
    c = f * c + i * d(cell, 3, x, h).tanh()
    h = (d(cell, 4, x, h) + cell.wo * c).sigmoid() * c.tanh()
    return h, [h, c]


def coupled(cell: Any, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    h, c = state
    f, o = d(cell, 1, x, h).sigmoid(), d(cell, 2, x, h).sigmoid()
    c = f * c + (1 - f) * d(cell, 3, x, h).tanh()
    h = o * c.tanh()
    return h, [h, c]


def layer_norm_lstm(cell: Any, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    h, c = state

    def pre(k: int) -> Any:
        def normal(part: Tensor, i: int) -> Any:
            norm = getattr(cell, f"layer_norm{i}")
            z = part @ getattr(cell, f"dense{i}").weight.T
            z = (z - z.mean(-1, keepdim=True)) / (z.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
            return z * norm.weight + norm.bias

        return normal(x, 2 * k + 1) + normal(h, 2 * k + 2)

    i, f, o, g = pre(0).sigmoid(), pre(1).sigmoid(), pre(2).sigmoid(), pre(3).tanh()
    c = f * c + i * g
    norm = cell.layer_norm9
    h = o * F.layer_norm(c, (W,), norm.weight, norm.bias).tanh()
    return h, [h, c]


def conv_lstm(cell: Any, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    h, c = state
    xh = torch.cat((x, h), dim=1)
    i, f, o, g = (F.conv2d(xh, conv.weight, conv.bias, padding=1) for conv in (cell.conv1, cell.conv2, cell.conv3, cell.conv4))
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    return h, [h, c]


def min_gru(cell: Any, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    z = d(cell, 1, x).sigmoid()
    h = (1 - z) * state[0] + z * d(cell, 2, x)
    return h, [h]


def min_lstm(cell: Any, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    f, i = d(cell, 1, x).sigmoid(), d(cell, 2, x).sigmoid()
    h = f / (f + i) * state[0] + i / (f + i) * d(cell, 3, x)
    return h, [h]


def sru(cell: Any, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    (c,) = state
    f, r = (d(cell, 1, x) + cell.vf * c).sigmoid(), (d(cell, 2, x) + cell.vr * c).sigmoid()
    c = f * c + (1 - f) * d(cell, 3, x)
    return r * c + (1 - r) * x, [c]


def ind_rnn(cell: Any, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    h = (d(cell, 1, x) + cell.u * state[0]).relu()
    return h, [h]


def slstm(cell: Any, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    h, c, n, m = state
    i, f, o = d(cell, 1, x, h), F.logsigmoid(d(cell, 2, x, h)), d(cell, 3, x, h).sigmoid()
    top = torch.maximum(f + m, i)
    enter, stay = (i - top).exp(), (f + m - top).exp()
    c = stay * c + enter * d(cell, 4, x, h).tanh()
    n = stay * n + enter
    h = o * c / n.clamp(min=1e-6)
    return h, [h, c, n, top]


def janet(cell: Any, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    s = d(cell, 1, x, state[0])
    c = s.sigmoid() * state[0] + (1 - (s - 1.0).sigmoid()) * d(cell, 2, x, state[0]).tanh()
    return c, [c]


def zoneout(cell: Any, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """In evaluation a unit keeps what it had in the mean."""
    h, c = state
    i, f, o, g = d(cell, 1, x, h).sigmoid(), d(cell, 2, x, h).sigmoid(), d(cell, 3, x, h).sigmoid(), d(cell, 4, x, h).tanh()
    m = f * c + i * g
    return 0.05 * h + 0.95 * o * m.tanh(), [0.05 * h + 0.95 * o * m.tanh(), 0.5 * c + 0.5 * m]


CELLS: dict[str, tuple[str, Step, tuple[int, ...], int]] = {
    "RNN": (f"RNN({W})", rnn(torch.tanh), (3,), 1),
    "RNN-relu": (f"RNN({W}, act=relu)", rnn(torch.relu), (3,), 1),
    "OriginalGRU": (f"OriginalGRU({W})", original_gru, (3,), 1),
    "PeepholeLSTM": (f"PeepholeLSTM({W})", peephole, (3,), 2),
    "CoupledLSTM": (f"CoupledLSTM({W})", coupled, (3,), 2),
    "LayerNormLSTM": (f"LayerNormLSTM({W})", layer_norm_lstm, (3,), 2),
    "ConvLSTM": (f"ConvLSTM({W})", conv_lstm, (2, 5, 6), 2),
    "MinGRU": (f"MinGRU({W})", min_gru, (3,), 1),
    "MinLSTM": (f"MinLSTM({W})", min_lstm, (3,), 1),
    "SRU": (f"SRU({W})", sru, (W,), 1),
    "IndRNN": (f"IndRNN({W})", ind_rnn, (3,), 1),
    "SLSTM": (f"SLSTM({W})", slstm, (3,), 4),
    "JANET": (f"JANET({W})", janet, (3,), 1),
    "ZoneoutLSTM": (f"ZoneoutLSTM({W})", zoneout, (3,), 2),
}


@pytest.mark.parametrize("back", [False, True], ids=["ahead", "back"])
@pytest.mark.parametrize("name", CELLS)
def test_equal_to_its_equations(name: str, back: bool) -> None:
    use, step, shape, states = CELLS[name]
    way = "reverse=true, " if back else ""
    frames = f"[B, T, {', '.join(map(str, shape))}]"
    net = of(f"y = x -> recur({use}, {way}length=length)", frames=frames, cells=name.partition("-")[0]).eval()
    cell = cell_of(net)
    torch.manual_seed(2)
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.3)
    x, length = sequences(*shape)
    x.requires_grad_()
    size = (x.shape[0], W, *shape[1:])
    state = [x.new_zeros(size) for _ in range(states)]
    outputs: list[Tensor] = []
    steps = range(x.shape[1])
    for t in reversed(steps) if back else steps:
        on = (t < length).view(-1, *[1] * (len(size) - 1))
        y, after = step(cell, x[:, t], state)
        outputs.insert(0 if back else t, torch.where(on, y, 0.0))
        state = [torch.where(on, new, old) for new, old in zip(after, state, strict=True)]
    ours, theirs = net(x, length), torch.stack(outputs, dim=1)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)
    wanted = [x, *net.parameters()]
    for mine, other in zip(gradients((ours,), wanted), gradients((theirs,), wanted), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-10)


def test_zoneout_keeps_what_it_had() -> None:
    """In training, about half of the memory stays as it was at each step."""
    torch.manual_seed(0)
    net = of("_, last = x -> recur(ZoneoutLSTM(2000, keep_h=0.0))", returns="last.c", cells="ZoneoutLSTM")
    x, length = sequences(3, batch=1, steps=1)
    kept = (net.train()(x, length) == 0).double().mean()
    assert 0.45 < kept < 0.55

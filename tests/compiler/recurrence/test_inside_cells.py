"""What a cell may hold beside gates: cells, penalties, buffers; and how far back a gradient goes. Each beside steps written by hand."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archc.dsl.source import Source
from archc.runtime.compiling import Wanted, compiled
from archc.runtime.kernels.attach import attach
from archc.runtime.loader import build

IMPORTS = "from std.recurrent import GRU, LSTM, ConvLSTM\n\n"
SIZES = [(None, False), (True, False), (None, True), (True, True)]


def net(text: str, *, fused: bool = False) -> Any:
    torch.manual_seed(0)
    found = compiled(Source("net.arch", IMPORTS + text), Wanted())
    model = build(found).double()
    if fused:
        assert attach(model, found.plan.model.recurrences).kernels
    return model


def sequence(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def same_slopes(model: nn.Module, one: Tensor, other: Tensor) -> None:
    weights = list(model.parameters())
    slopes = [torch.autograd.grad(value, weights, retain_graph=True) for value in (one, other)]
    for found, wanted in zip(*slopes, strict=True):
        close(found, wanted)


# Chunks -----------------------------------------------------------------------------------------------------------------


def in_chunks(cell: Any, x: Tensor, size: int, length: list[int], *, reverse: bool) -> tuple[Tensor, Tensor]:
    """Outputs and last states of a GRU, one example after another; every `size` steps the state is cut off from what made it."""
    outputs, last = torch.zeros(x.shape[0], x.shape[1], 4, dtype=x.dtype), []
    for row, steps in enumerate(length):
        h, made = torch.zeros(1, 4, dtype=x.dtype), []
        for t in range(steps):
            at = steps - 1 - t if reverse else t
            y, h = cell.step(x[row : row + 1, at], h.detach() if t % size == 0 else h)
            made.append((at, y[0]))
        last.append(h[0])
        for at, y in made:
            outputs = outputs.index_put((torch.tensor(row), torch.tensor(at)), y)
    return outputs, torch.stack(last)


@pytest.mark.parametrize("fused", [False, True], ids=["in PyTorch", "in a kernel"])
@pytest.mark.parametrize(("ragged", "reverse"), SIZES)
def test_no_gradient_goes_back_into_the_chunk_before(ragged: bool, reverse: bool, fused: bool) -> None:
    options = ("" if not ragged else ", length=length") + (", reverse=true" if reverse else "")
    model = net(
        "model Net(x: [B, T, 3], length: int[B]) -> ([B, T, 4], [B, 4]) {\n"
        f"    y, last = x -> recur(GRU(4), chunk=3{options})\n    h = last.h\n    return y, h\n}}\n",
        fused=fused,
    )
    x, length = sequence(3, 8, 3), torch.tensor([8, 2, 5])
    found = model(x, length)
    wanted = in_chunks(model.recur1, x, 3, length.tolist() if ragged else [8] * 3, reverse=reverse)
    for one, other in zip(found, wanted, strict=True):
        close(one, other)
        same_slopes(model, one.pow(2).sum(), other.pow(2).sum())
    whole = net("model Net(x: [B, T, 3]) -> [B, T, 4] {\n    return x -> recur(GRU(4))\n}\n")
    assert not torch.equal(
        *(torch.autograd.grad(y[:, 7].sum(), m.recur1.dense1.weight)[0] for m, y in ((model, found[0]), (whole, whole(x))))
    )


def test_chunks_both_ways() -> None:
    model = net(
        "model Net(x: [B, T, 3], length: int[B]) -> [B, T, 8] {\n    return x -> bidirectional(GRU(4), chunk=2, length=length)\n}\n"
    )
    x, length = sequence(3, 5, 3), torch.tensor([5, 1, 4])
    both = model.bidirectional1
    cells = [(both._modules["forward"], False), (both.backward, True)]
    wanted = torch.cat([in_chunks(cell, x, 2, length.tolist(), reverse=way)[0] for cell, way in cells], dim=-1)
    found = model(x, length)
    close(found, wanted)
    same_slopes(model, found.pow(2).sum(), wanted.pow(2).sum())


def test_the_start_that_is_given_has_its_gradient() -> None:
    model = net("model Net(x: [B, T, 3], h: [B, 4]) -> [B, T, 4] {\n    return x -> recur(GRU(4), chunk=2, init=h)\n}\n")
    x, h = sequence(2, 4, 3), sequence(2, 4).requires_grad_()
    found = model(x, h)
    (slope,) = torch.autograd.grad(found[:, 1].sum(), h, retain_graph=True)
    assert slope.abs().min() > 0
    assert not torch.autograd.grad(found[:, 2].sum(), h)[0].any()


# Penalties --------------------------------------------------------------------------------------------------------------

CALM = """cell Calm(width)(x: [B, D]) {
    state h: [B, width]
    h' = dense(width)(x, h) -> tanh
    penalty change = (h' - h) ** 2
    return h'
}

"""


@pytest.mark.parametrize("way", ["recur", "bidirectional"])
@pytest.mark.parametrize("ragged", [False, True])
def test_a_penalty_is_the_mean_over_examples_and_their_steps(way: str, ragged: bool) -> None:
    option = ", length=length" if ragged else ""
    model = net(
        CALM + f"model Net(x: [B, T, 3], length: int[B]) -> [B, T, {8 if way == 'bidirectional' else 4}] {{\n"
        f"    return x -> {way}(Calm(4){option})\n}}\n"
    )
    x, length = sequence(3, 5, 3), torch.tensor([5, 1, 4]) if ragged else torch.tensor([5, 5, 5])
    found, penalties = model.with_penalties(x, length)
    changes = []
    for half, reverse in ((found[..., :4], False), (found[..., 4:], True))[: 2 if way == "bidirectional" else 1]:
        for y, steps in zip(half, length.tolist(), strict=True):
            inside = y[:steps].flip(0) if reverse else y[:steps]
            changes.append((inside - torch.cat((torch.zeros(1, 4), inside[:-1]))).pow(2).mean(1))
    wanted = torch.cat(changes).mean()
    close(penalties["change"], wanted)
    same_slopes(model, penalties["change"], wanted)


OF_PARTS = """block Small(x: [B, D]) -> [B, D] {
    y = tanh(x)
    penalty size = mean(y ** 2)
    return y
}

block Twice(x: [B, D]) -> [B, D] {
    return x -> stack 2 { Small } as halves
}

cell Inner(width)(x: [B, D]) {
    state h: [B, width]
    h' = dense(width)(x, h) -> Small
    return h'
}

cell Calm(width)(x: [B, D]) {
    state h: [B, width]
    inner, last = Inner(width)(x)
    h' = dense(width)(inner, h) -> Twice
    penalty size = h' ** 2
    penalty change = (h' - h) ** 2
    return h'
}

"""


@pytest.mark.parametrize("way", ["recur", "bidirectional"])
def test_penalties_of_parts_count_at_every_step(way: str) -> None:
    """One name in a part, in a part of a part, in an inner cell, in the cell itself, and in a part outside of it: their sum."""
    width = 8 if way == "bidirectional" else 4
    model = net(
        OF_PARTS
        + f"model Net(x: [B, T, 3]) -> [B, T, {width}] {{\n    return x -> {way}(Calm(4)) -> reshape(T, {width}) -> Small3\n}}\n"
        "block Small3(x: [B, T, D]) -> [B, T, D] {\n    penalty size = mean(x)\n    return x\n}\n"
    )
    x = sequence(3, 5, 3)
    found, penalties = model.with_penalties(x)
    sizes, changes, outputs = [], [], []
    module = getattr(model, f"{way}1")
    for cell, order in ((module._modules["forward"], 1), (module.backward, -1)) if way == "bidirectional" else ((module, 1),):
        inner, h, made = torch.zeros(3, 4, dtype=x.dtype), torch.zeros(3, 4, dtype=x.dtype), []
        for t in range(5)[::order]:
            own = cell.inner1
            inner = torch.tanh(own.dense1(torch.cat((x[:, t], inner), 1)))
            first = torch.tanh(cell.dense1(torch.cat((inner, h), 1)))
            after = torch.tanh(first)
            sizes.append(inner.pow(2).mean() + first.pow(2).mean() + 2 * after.pow(2).mean())
            changes.append((after - h).pow(2).mean())
            h = after
            made.append(h)
        outputs.append(torch.stack(made[::order], 1))
    wanted = torch.cat(outputs, -1)
    close(found, wanted)
    close(penalties["size"], torch.stack(sizes).mean() + wanted.mean())
    close(penalties["change"], torch.stack(changes).mean())
    same_slopes(model, penalties["size"], torch.stack(sizes).mean() + wanted.mean())


# Cells inside -----------------------------------------------------------------------------------------------------------

INSIDE = """cell Learned(width)(x: [B, D]) {
    state h: [B, width] = learned
    h' = dense(width)(x, h) -> tanh
    return h'
}

cell Two(width)(x: [B, D]) {
    state s: [B, width]
    y, inner = x -> LSTM(width)
    s' = dense(width)(y, s, inner.c) -> tanh
    return s' -> Learned(width)
}

model Net(x: [B, T, 3], length: int[B]) -> ([B, T, 4], [B, 4]) {
    y, last = x -> recur(Two(4), length=length)
    c = last.lstm1_c
    return y, c
}
"""


def test_a_cell_inside_a_cell_is_one_step_of_it() -> None:
    model = net(INSIDE)
    two = model.recur1
    torch.nn.init.normal_(two.learned1.h)
    x, length = sequence(2, 4, 3), torch.tensor([4, 2])
    outputs, memory = model(x, length)
    for row, steps in enumerate(length.tolist()):
        h = c = s = torch.zeros(1, 4, dtype=x.dtype)
        u = two.learned1.h.expand(1, 4)
        for t in range(steps):
            y, h, c = two.lstm1.step(x[row : row + 1, t], h, c)
            s = torch.tanh(two.dense1(torch.cat((y, s, c), dim=-1)))
            u = torch.tanh(two.learned1.dense1(torch.cat((s, u), dim=-1)))
            close(outputs[row : row + 1, t], u)
        assert not outputs[row, steps:].any()
        close(memory[row : row + 1], c)
    slopes = torch.autograd.grad(outputs.sum(), list(model.parameters()))
    assert all(slope.any() for slope in slopes)
    assert {"recur1.learned1.h", "recur1.lstm1.dense1.weight", "recur1.dense1.weight"} <= model.state_dict().keys()


def test_a_cell_that_is_shared_has_states_for_each_use() -> None:
    model = net(
        "cell Twice(width)(x: [B, D]) {\n    layer f = GRU(width)\n    state s: [B, width]\n"
        "    s' = (x -> dense(width) -> f) + (s -> f)\n    return s'\n}\n\n"
        "model Net(x: [B, T, 3]) -> [B, T, 4] {\n    return x -> recur(Twice(4))\n}\n"
    )
    x, cell = sequence(2, 4, 3), model.recur1
    s = first = second = torch.zeros(2, 4, dtype=x.dtype)
    for t, found in enumerate(model(x).unbind(1)):
        (y, first), (z, second) = cell.f.step(cell.dense1(x[:, t]), first), cell.f.step(s, second)
        s = y + z
        close(found, s)


# Buffers ----------------------------------------------------------------------------------------------------------------


CENTRED = """cell Centred(width)(x: [B, D]) {
    state h: [B, width]
    buffer m: [width]
    h' = dense(width)(x, h - m) -> tanh
    m' = 0.5 * m + 0.5 * mean(h', dim=0)
    return h'
}

model Net(x: [B, T, 3]) -> [B, T, 4] {
    return x -> recur(Centred(4))
}
"""


def test_a_buffer_of_a_cell_goes_on_at_every_step() -> None:
    model = net(CENTRED)
    x, cell = sequence(2, 4, 3), model.recur1
    h, m = torch.zeros(2, 4, dtype=x.dtype), torch.zeros(4, dtype=x.dtype)
    found, wanted = model(x), []
    for t in range(4):
        h = torch.tanh(cell.dense1(torch.cat((x[:, t], h - m), dim=-1)))
        wanted.append(h)
        m = 0.5 * m + 0.5 * h.detach().mean(0)
    close(found, torch.stack(wanted, dim=1))
    close(cell.m, m)
    same_slopes(model, found.pow(2).sum(), torch.stack(wanted).pow(2).sum())
    before = cell.m.clone()
    model.eval()(x)
    assert torch.equal(cell.m, before)

"""`step(x, state)`: every network with cells gives, step by step, what it gives of the whole; one that cannot says why."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archc

IMPORTS = "from std.recurrent import LSTM, GRU, MinGRU, ConvLSTM, SLSTM, RNN\n\n"
OWN = {
    "mingru": "model Net(x: [B, T, 5]) -> [B, T, 3] {\n    return x -> stack 2 { recur(MinGRU(6)) -> layer_norm } -> dense(3)\n}\n",
    "four states, of two stacks": """
block Layer(x: [B, T, D]) -> [B, T, D] {
    return x + (x -> recur(SLSTM(4)) -> dense(D))
}

model Net(x: [B, T, 5]) -> [B, 3] {
    h = x -> stack 2 { Layer } -> stack 2 { recur(RNN(5)) }
    return h[:, -1] -> dense(3)
}
""",
    "two outputs": """
model Net(x: [B, T, 5]) -> ([B, T, 4], [B, 4]) {
    y, last = x -> recur(LSTM(4))
    out = y -> relu
    twice = last.c * 2
    return out, twice
}
""",
    "a learned start": """
cell Own(width)(x: [B, D]) {
    state h: [B, width] = learned
    h' = dense(width)(x, h) -> tanh
    return h'
}

model Net(x: [B, T, 5]) -> [B, T, 4] {
    return x -> recur(Own(4))
}
""",
}
TWO = """cell Both(width)(u: [B, D], v: [B, E], memory: [B, M]) {
    state h: [B, width] = dense(width)(memory)
    h' = dense(width)(u, v) + dense(width)(h, memory) -> tanh
    return h'
}

model Net(u: [B, T, 5], v: [B, T, 3], memory: [B, 2]) -> [B, T, 4] {
    m = memory -> dense(6) -> relu
    return (u, v) -> recur(Both(4), memory=m)
}
"""
CONV = """model Net(frames: [B, T, 3, H, W]) -> [B, T, 4] {
    return frames -> stack 2 { recur(ConvLSTM(4)) } -> mean(dim=[3, 4])
}
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., nn.Module]:
    def loaded(text: str, **options: Any) -> nn.Module:
        path = tmp_path / "net.arch"
        path.write_text(IMPORTS + text)
        return archc.load(path, **options)

    return loaded


def equal_in_steps(net: Any, *inputs: Tensor, **others: Any) -> None:
    """At each step what is said of all steps up to it, and the last of it where it is said of each step."""
    net.double().eval()
    state = net.initial_state(len(inputs[0]), **others)
    given = [value for value in others.values() if isinstance(value, Tensor)]
    for t in range(inputs[0].shape[1]):
        now, state = net.step(*(x[:, t] for x in inputs), state)
        whole = net(*(x[:, : t + 1] for x in inputs), *given)
        for y, want in zip(now, whole, strict=True) if isinstance(now, tuple) else [(now, whole)]:
            torch.testing.assert_close(y, want[:, t] if want.dim() > y.dim() else want, rtol=0, atol=1e-10)


def sequence(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "peephole", "deep_rnn"])
def test_specs_that_read_digits(name: str) -> None:
    equal_in_steps(archc.load(name), sequence(3, 5, 8))


def test_the_text_and_the_forecast() -> None:
    equal_in_steps(archc.load("char_rnn", width=16), torch.randint(256, (2, 5)))
    equal_in_steps(archc.load("forecast"), sequence(3, 6))


@pytest.mark.parametrize("case", OWN, ids=str)
def test_networks_of_many_kinds(load: Callable[..., nn.Module], case: str) -> None:
    equal_in_steps(load(OWN[case]), sequence(3, 5, 5))


def test_states_that_are_images_are_asked_for_their_size(load: Callable[..., nn.Module]) -> None:
    net: Any = load(CONV)
    equal_in_steps(net, sequence(2, 4, 3, 5, 6), H=5, W=6)
    with pytest.raises(archc.Stopped, match="wants the size of H"):
        net.initial_state(2)


def test_inputs_that_are_stepped_together_beside_one_that_is_not(load: Callable[..., nn.Module]) -> None:
    net: Any = load(TWO)
    equal_in_steps(net, sequence(3, 4, 5), sequence(3, 4, 3), memory=sequence(3, 2))
    with pytest.raises(archc.Stopped, match="wants memory too"):
        net.initial_state(3)


def test_with_kernels_too(load: Callable[..., nn.Module]) -> None:
    equal_in_steps(load(OWN["two outputs"], fused=True), sequence(3, 5, 5))


def test_a_state_is_a_value(load: Callable[..., nn.Module]) -> None:
    net: Any = load(OWN["two outputs"])
    x, start = torch.randn(2, 5), net.initial_state(2)
    first, after = net.step(x, start)
    net.step(x, after)
    again, _ = net.step(x, start)
    assert torch.equal(first[0], again[0])
    assert [[tuple(t.shape) for t in states] for states in start] == [[(2, 4), (2, 4)]]
    assert not any(t.any() for states in start for t in states)


def test_copies_and_pickles_step_with_weights_of_their_own(load: Callable[..., nn.Module]) -> None:
    net: Any = load(OWN["two outputs"])
    x = torch.randn(2, 5)
    before = net.step(x, net.initial_state(2))[0][0].detach()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other.step(x, other.initial_state(2))[0][0], before)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(1)
        assert torch.equal(other.step(x, other.initial_state(2))[0][0], before)
        assert not torch.equal(net.step(x, net.initial_state(2))[0][0], before)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.sub_(1)


def test_gradients_go_through_steps(load: Callable[..., nn.Module]) -> None:
    net: Any = load(OWN["a learned start"]).double()
    x = sequence(2, 4, 5)
    state = net.initial_state(2)
    total = torch.zeros((), dtype=torch.float64)
    for t in range(4):
        y, state = net.step(x[:, t], state)
        total = total + y.pow(2).sum()
    found = torch.autograd.grad(total, list(net.parameters()))
    wanted = torch.autograd.grad(net(x).pow(2).sum(), list(net.parameters()))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


REFUSED = {
    "bidirectional(GRU(4)) -> dense(3)": "a recurrence that begins at the end",
    "recur(GRU(4), reverse=true) -> dense(3)": "a recurrence that begins at the end",
    "transpose(1, 2) -> conv(4, 3, padding=1) -> transpose(1, 2) -> recur(GRU(4)) -> dense(3)": "conv mixes what stands at different",
    "recur(GRU(4)) -> softmax(dim=1) -> dense(3)": "softmax runs over all tokens",
    "recur(GRU(4)) -> flip(1) -> dense(3)": "mixes what stands at different tokens",
}


@pytest.mark.parametrize("flow", REFUSED)
def test_what_cannot_be_computed_step_by_step(load: Callable[..., nn.Module], flow: str) -> None:
    net: Any = load(f"model Net(x: [B, T, 5]) -> [B, T, 3] {{\n    return x -> {flow}\n}}\n")
    with pytest.raises(archc.Stopped, match=REFUSED[flow]):
        net.initial_state(2)
    with pytest.raises(archc.Stopped, match=REFUSED[flow]):
        net.step(torch.zeros(2, 5), ())


def test_the_last_state_brought_back_to_all_steps_is_refused(load: Callable[..., nn.Module]) -> None:
    net: Any = load(
        "model Net(x: [B, T, 5]) -> [B, T, 5] {\n    y, last = x -> recur(GRU(5))\n    return y + last.h[:, none]\n}\n"
    )
    with pytest.raises(archc.Stopped, match="brings what is told of the last step back"):
        net.initial_state(2)


def test_calls_that_are_wrong(load: Callable[..., nn.Module]) -> None:
    net: Any = load(OWN["two outputs"])
    x = torch.zeros(2, 5)
    for given in ((x,), (x, x, net.initial_state(2)), (x, None), (x, ()), (x, net.initial_state(2) * 2)):
        with pytest.raises(archc.Stopped, match="E0993"):
            net.step(*given)


def test_a_network_without_cells_has_no_step() -> None:
    assert not hasattr(archc.load("lenet"), "step")

"""Stacks and parallels: all their forms, as graphs, and run beside networks written by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from archc.compiler.graph import Repeat

from ..spec import body, compiled, graph, keys, messages, network, shape, shapes, steps


def levels(text: str) -> list[str]:
    (node,) = [node for node in graph(text).nodes if isinstance(node.op, Repeat)]
    assert isinstance(node.op, Repeat)
    return [str(level.count) for level in node.op.levels]


@pytest.mark.parametrize(
    ("lines", "runs", "out"),
    [
        ("y = x -> stack 12 { dense(64) -> relu }", ["12"], "[B, 64]"),
        ("y = x -> stack 12 { dense(32) -> relu }", ["1", "11"], "[B, 32]"),
        ("y = x -> stack 12 tied { dense(64) }", ["12"], "[B, 64]"),
        ("y = x -> stack w in [32, 16] { dense(w) }", ["1", "1"], "[B, 16]"),
        ("y = x -> stack i in 0..3 { dense(2 ** i) }", ["1", "1", "1"], "[B, 4]"),
        ("y = x -> stack i in range(1, 3) { dense(i) }", ["1", "1"], "[B, 2]"),
        ("y = x -> stack i, w in enumerate([8, 4]) { dense(w + i) }", ["1", "1"], "[B, 5]"),
        ("y = x -> stack a, b in zip([8, 4], [1, 2]) { dense(a * b) }", ["1", "1"], "[B, 8]"),
        ("y = x -> stack w in reverse([8, 4]) { dense(w) }", ["1", "1"], "[B, 8]"),
        ("y = stack 3 from h = x {\n    h' = h -> dense(64) -> relu\n}", ["3"], "[B, 64]"),
        ("y, t = stack 3 from h = x, s = x {\n    h' = h + s\n    s' = s -> dense(64)\n}", ["3"], "[B, 64]"),
        ("z, ys = stack 3 from h = x {\n    g = h -> dense(64)\n    h' = g\n    return g\n}\ny = ys[-1] + z", ["3"], "[B, 64]"),
        (
            "z, ys = stack w in [8, 4] from h = x {\n    h' = h -> dense(w)\n    return h'\n}\ny = concat(ys[0], ys[1])",
            ["1", "1"],
            "[B, 12]",
        ),
        ("ys = x -> parallel 3 { dense(5) }\ny = concat(ys)", ["3"], "[B, 15]"),
        ("ys = x -> parallel w in [5, 6] { dense(w) }\ny = concat(ys)", ["1", "1"], "[B, 11]"),
    ],
)
def test_forms(lines: str, runs: list[str], out: str) -> None:
    assert levels(body(lines)) == runs
    assert shape(body(lines)) == out


def test_no_levels_are_the_identity() -> None:
    assert shape(body("y = x -> stack 0 { dense(3) }")) == "[B, 64]"
    assert shape(body("y = x -> stack n { dense(3) }", hypers="n = 0")) == "[B, 64]"
    assert shape(body("y = x -> stack w in [] { dense(w) }")) == "[B, 64]"
    assert shape(body("y, ys = stack 0 from h = x {\n    h' = h -> relu\n    return h\n}")) == "[B, 64]"


def test_stacks_nest() -> None:
    text = body("y = x -> stack 3 { stack 2 { dense(64) -> relu } -> layer_norm }")
    assert keys(graph(text)) == ["stack1 x3", "stack1.*.stack1 x2", "stack1.*.stack1.*.dense1", "stack1.*.layer_norm1"]


def test_what_is_read_from_outside_comes_in() -> None:
    text = body("g = x -> dense(64) -> sigmoid\ny = stack 3 from h = x {\n    h' = (h -> dense(64)) * g + x\n}")
    (node,) = steps(graph(text), "stack")
    assert isinstance(node.op, Repeat)
    assert (node.op.carried, node.op.captured, len(node.inputs)) == (1, 2, 3)


def test_a_layer_from_outside_is_shared_by_all_levels() -> None:
    text = body("layer f = dense(64)\ny = x -> f -> stack 3 { f -> relu -> dense(64) }")
    assert [tuple(p.shape) for p in network(compiled(text)).parameters()] == [(64, 64), (64,)] * 4


SAME = {
    "levels": ("y = x -> stack 3 { dense(64) -> tanh }", 3),
    "the first differs": ("y = x -> stack 3 { dense(5) -> tanh }", 3),
    "tied": ("y = x -> stack 3 tied { dense(64) -> tanh }", 1),
    "carried": ("y = stack 3 from h = x {\n    h' = h -> dense(64) -> tanh\n}", 3),
    "listed": ("y = x -> stack w in [9, 8, 7] { dense(w) -> tanh }", 3),
    "shared": ("layer f = dense(64) -> tanh\ny = x -> f -> f -> f", 1),
    "shared in levels": ("layer f = dense(64) -> tanh\ny = x -> stack 3 { f }", 1),
    "shared flow and uses": ("layer f = dense(64) -> tanh\ny = f(f(f(x)))", 1),
    "shared stack": ("layer f = stack 3 { dense(64) -> tanh }\ny = x -> f", 3),
    "recipe": ("f = dense(64) -> tanh\ny = x -> f -> f -> f", 3),
    "recipe of one layer": ("f = dense(64)\ny = x -> f -> tanh -> f -> tanh -> f -> tanh", 3),
}


@pytest.mark.parametrize("case", SAME)
def test_run_beside_plain_layers(case: str) -> None:
    """Each is three times dense and tanh, with three sets of weights or one."""
    lines, sets = SAME[case]
    torch.manual_seed(0)
    module = network(compiled(body(lines)))
    weights = list(module.state_dict().values())
    assert len(weights) == 2 * sets
    x = torch.randn(3, 64)
    expected = x
    for step in range(3):
        weight, bias = weights[2 * (step % sets) : 2 * (step % sets) + 2]
        expected = torch.tanh(nn.functional.linear(expected, weight, bias))
    assert torch.allclose(module(x), expected, atol=1e-6)


def test_a_shared_stack_used_twice_has_one_set_of_weights() -> None:
    module = network(compiled(body("layer f = stack 2 { dense(64) -> tanh }\ny = f(f(x))")))
    assert len(module.state_dict()) == 4
    x = torch.randn(3, 64)
    a, b = (nn.functional.linear, torch.tanh)
    w = list(module.state_dict().values())
    h = x
    for _ in range(2):
        h = b(a(b(a(h, w[0], w[1])), w[2], w[3]))
    assert torch.allclose(module(x), h, atol=1e-6)


def test_walked_tensors() -> None:
    text = """
model Net(image: [B, 3, 16, 16]) {
    deep, skips = stack w in [4, 8] from h = image {
        skip = h -> conv(w, 3, padding=1)
        h' = skip -> max_pool(2)
        return skip
    }
    y = stack w, skip in zip([8, 4], reverse(skips)) from h = deep {
        h' = concat(skip, h -> conv_transpose(w, 2, stride=2), dim=1)
    }
    return y
}
"""
    made = compiled(text)
    assert shapes(made.graph) == ["[B, 8, 16, 16]"]
    assert network(made)(torch.randn(2, 3, 16, 16)).shape == (2, 8, 16, 16)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("y = x -> stack -1 { dense(3) }", "E0501: a stack of -1 levels cannot be"),
        ("y = x -> stack 3 tied { dense(3) }", "E0502: the levels of a tied stack share their weights"),
        ("y = stack 3 from h = x {\n    g = h\n}", "E0503: each level must give h its next value"),
        ("y = stack 3 { dense(3) } from h = x", "E01"),
        ("y = x -> stack 2.5 { dense(3) }", "E0409: the number of levels is a whole number, but this is the number 2.5"),
        ("y = x -> stack i in 3 { dense(3) }", "E0505: a list is wanted here, but this is the number 3"),
        ("y = x -> parallel 3 { dense(3) } -> relu", "E0407"),
    ],
)
def test_what_is_refused(lines: str, said: str) -> None:
    assert messages(body(lines))[0].startswith(said)

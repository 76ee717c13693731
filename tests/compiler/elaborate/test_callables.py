"""Callables given to parts, mapped over a dim, shared; the module that comes out against the same network written by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ..spec import body, compiled, messages, network

TWICE = "block Twice(f)(x: [B, D]) {\n    return x -> f -> f\n}\n"


def made(text: str) -> Any:
    torch.manual_seed(0)
    return network(compiled(text))


def linear(x: Tensor, module: Any, key: str) -> Tensor:
    state = module.state_dict()
    return F.linear(x, state[f"{key}.weight"], state[f"{key}.bias"])


def keys(module: Any) -> list[str]:
    return [key.removesuffix(".weight") for key in module.state_dict() if key.endswith(".weight")]


# Given to a part ------------------------------------------------------------------------------------------------------


def test_each_use_of_a_composed_callable_owns_weights() -> None:
    module = made(body("y = x -> Twice(relu -> dense(64))", parts=TWICE))
    assert keys(module) == ["twice1.f1.dense1", "twice1.f2.dense1"]
    x = torch.randn(3, 64)
    h = linear(F.relu(x), module, "twice1.f1.dense1")
    assert torch.allclose(module(x), linear(F.relu(h), module, "twice1.f2.dense1"), atol=1e-6)


def test_a_built_layer_that_is_given_is_one() -> None:
    module = made(body("y = x -> Twice(dense(64))", parts=TWICE))
    assert keys(module) == ["twice1.f"]
    x = torch.randn(3, 64)
    assert torch.allclose(module(x), linear(linear(x, module, "twice1.f"), module, "twice1.f"), atol=1e-6)


def test_a_stack_that_is_given() -> None:
    module = made(body("y = x -> Twice(stack 2 { dense(64) })", parts=TWICE))
    assert keys(module) == [f"twice1.f{i}.{j}" for i in (1, 2) for j in (0, 1)]
    x = h = torch.randn(3, 64)
    for key in keys(module):
        h = linear(h, module, key)
    assert torch.allclose(module(x), h, atol=1e-6)


def test_a_shared_layer_stays_where_it_was_declared() -> None:
    module = made(body("layer g = dense(64)\ny = x -> Twice(g) -> relu -> g", parts=TWICE))
    assert keys(module) == ["g"]
    x = torch.randn(3, 64)
    h = linear(F.relu(linear(linear(x, module, "g"), module, "g")), module, "g")
    assert torch.allclose(module(x), h, atol=1e-6)


def test_a_shared_layer_is_handed_through_parts_stacks_and_callables() -> None:
    outer = "block Outer(f, w)(x: [B, D]) {\n    return x -> Twice(f -> dense(w)) -> stack 2 { Twice(f) }\n}\n"
    module = made(body("layer g = dense(w)\ny = x -> Outer(g, w) -> Outer(dense(w), w)", parts=TWICE + outer, hypers="w = 64"))
    assert keys(module) == [
        "g",
        *(f"outer1.twice1.f{i}.dense1" for i in (1, 2)),
        "outer2.f",
        *(f"outer2.twice1.f{i}.dense1" for i in (1, 2)),
    ]
    x = h = torch.randn(3, 64)
    for part, f in (("outer1", "g"), ("outer2", "outer2.f")):
        for i in (1, 2):
            h = linear(linear(h, module, f), module, f"{part}.twice1.f{i}.dense1")
        for _ in range(4):
            h = linear(h, module, f)
    assert torch.allclose(module(x), h, atol=1e-5)


def test_weights_of_a_shared_layer_are_read_where_it_was_given() -> None:
    part = "block Tied(emb)(x: [B, T, D]) {\n    return x @ transpose(emb.weight)\n}\n"
    module = made(body("layer emb = embedding(10, 8)\ny = x -> emb -> Tied(emb)", x="int[B, T]", parts=part))
    assert keys(module) == ["emb"]
    x, w = torch.randint(0, 10, (2, 5)), module.state_dict()["emb.weight"]
    assert torch.allclose(module(x), F.embedding(x, w) @ w.T, atol=1e-6)


def test_a_shared_stack_inside_another_stack() -> None:
    module = made(body("layer s = stack 2 { dense(64) -> relu }\ny = x -> s -> stack 3 { s }"))
    assert keys(module) == ["s.0.dense1", "s.1.dense1"]
    x = h = torch.randn(3, 64)
    for _ in range(4):
        for level in (0, 1):
            h = F.relu(linear(h, module, f"s.{level}.dense1"))
    assert torch.allclose(module(x), h, atol=1e-6)


def test_lists_parts_and_defaults_as_hyperparameters() -> None:
    parts = (
        "block Bottleneck(w)(x: [B, D]) {\n    return x -> dense(w)\n}\n"
        "block Wrap(inner, act = gelu)(x: [B, D]) {\n    return x -> inner(8) -> act -> inner(D)\n}\n"
        "block Chain(fs)(x: [B, D]) {\n    return x -> stack f in fs { f } -> fs[0]\n}\n"
    )
    module = made(body("y = x -> Wrap(inner = Bottleneck) -> Wrap(dense, tanh) -> Chain([dense(64), relu])", parts=parts))
    assert len(keys(module)) == 6
    x = torch.randn(3, 64)
    w = [(module.state_dict()[f"{key}.weight"], module.state_dict()[f"{key}.bias"]) for key in keys(module)]
    h = F.linear(F.gelu(F.linear(x, *w[0])), *w[1])
    h = F.linear(torch.tanh(F.linear(h, *w[2])), *w[3])
    assert torch.allclose(module(x), F.linear(F.relu(F.linear(h, *w[4])), *w[5]), atol=1e-6)


def test_names_of_a_callable_mean_what_they_meant_where_it_was_written() -> None:
    part = "block Wide(f, w = 7)(x: [B, D]) {\n    return x -> dense(w) -> f\n}\n"
    module = made(
        body("f = relu -> dense(w)\ny = x -> stack w in [3, 4] { f } -> Wide(relu -> dense(w))", parts=part, hypers="w = 5")
    )
    assert module(torch.randn(2, 64)).shape == (2, 5)
    assert [tuple(module.state_dict()[f"{key}.weight"].shape) for key in keys(module)] == [(5, 64), (5, 5), (7, 5), (5, 7)]


def test_one_class_serves_equal_callables() -> None:
    source = compiled(body("y = x -> Twice(relu -> dense(64)) -> Twice(relu -> dense(64))", parts=TWICE)).source
    assert source.count("class TwiceF") == 2  # one for each place of the text
    source = compiled(body("f = relu -> dense(64)\ny = x -> Twice(f) -> Twice(f)", parts=TWICE)).source
    assert source.count("class Twice") == 2


# Over a dim -----------------------------------------------------------------------------------------------------------


def test_over_shares_weights_along_the_dim() -> None:
    frame = "block Frame(x: [B, C, H, W]) {\n    return x -> conv(8, 3) -> relu -> global_avg_pool\n}\n"
    module = made(body("y = x -> over(T, Frame)", x="[B, T, 3, H, W]", parts=frame))
    conv = nn.Conv2d(3, 8, 3)
    conv.load_state_dict({key.rpartition(".")[2]: value for key, value in module.state_dict().items()})
    x = torch.randn(2, 5, 3, 6, 7)
    expected = torch.stack([F.relu(conv(x[:, t])).mean(dim=(2, 3)) for t in range(5)], dim=1)
    assert torch.allclose(module(x), expected, atol=1e-5)


def test_over_a_dim_that_is_not_the_second_puts_it_back() -> None:
    module = made(body("layer f = over(S, dense(3) -> softmax(dim=-1))\ny = x -> f", x="[B, H, S, 4]"))
    x = torch.randn(2, 3, 5, 4)
    key = keys(module)[0]
    expected = torch.stack([F.softmax(linear(x[:, :, s], module, key), dim=-1) for s in range(5)], dim=2)
    assert torch.allclose(module(x), expected, atol=1e-6)


def test_over_of_several_tensors_and_of_batch_norm() -> None:
    part = "block Add(a: [B, D], b: [B, D]) {\n    return a * b -> batch_norm\n}\n"
    module = made(body("y = (x, x + 1) -> over(T, Add)", x="[B, T, 4]", parts=part)).train()
    x = torch.randn(6, 5, 4)
    flat = (x * (x + 1)).flatten(0, 1)
    expected = F.batch_norm(flat, None, None, training=True).reshape(6, 5, 4)
    assert torch.allclose(module(x), expected, atol=1e-5), "statistics are over the batch and the dim together"


MIXERS = [
    "mean(dim=0)",
    "softmax(dim=0)",
    "permute(1, 0)",
    "flatten(0)",
    "transpose",
    "flip(0)",
    "concat(z, dim=0)",
    "sum",
    "cumsum(dim=0)",
]


@pytest.mark.parametrize("mixer", [m for m in MIXERS if "z" not in m])
def test_over_refuses_what_mixes_examples(mixer: str) -> None:
    found = messages(body(f"y = x -> over(T, {mixer})", x="[B, T, 4]"))
    assert len(found) == 1
    assert found[0].startswith("E0424"), found


@pytest.mark.parametrize("lines", ["x - mean(x, dim=0)", "x[0] + x", "x @ transpose(x)", 'einsum("b i, c i -> b c")(x, x)'])
def test_over_looks_into_parts(lines: str) -> None:
    part = f"block Mix(x: [B, D]) {{\n    return {lines}\n}}\n"
    found = messages(body("y = x -> over(T, Mix)", x="[B, T, 4]", parts=part))
    assert [message[:5] for message in found] == ["E0424"], found


# Records --------------------------------------------------------------------------------------------------------------


def test_records_are_built_read_passed_and_returned() -> None:
    part = "block Split(x: [B, D]) {\n    a = x -> dense(3)\n    return {small: a, large: x -> dense(9)}\n}\n"
    text = body("r = x -> Split\nq = {inner: r, n: 2}\nreturn {one: q.inner.small, two: r.large * q.n}", parts=part)
    made_ = compiled(text)
    assert made_.plan.model.outputs == ["one", "two"]
    module = network(made_)
    x = torch.randn(3, 64)
    one, two = module(x)
    assert torch.allclose(one, linear(x, module, "split1.dense1"), atol=1e-6)
    assert torch.allclose(two, linear(x, module, "split1.dense2") * 2, atol=1e-6)


# Tensors by name ------------------------------------------------------------------------------------------------------

MIX = (
    "block Mix(scale = 2)(x: [B, D], memory: [B, D] = none, keep: bool[B] = none) {\n"
    "    y = x * scale if memory == none else x * scale + memory\n"
    "    return y if keep == none else where(keep[:, none], y, x)\n}\n"
)


def mix(x: Tensor, memory: Any = None, keep: Any = None, scale: Any = 2) -> Any:
    y = x * scale if memory is None else x * scale + memory
    return y if keep is None else torch.where(keep[:, None], y, x)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("Mix(scale=4)(x, memory=m)", {"memory": "m", "scale": 4}),
        ("Mix(x, keep=none)", {}),
        ("Mix(x, none, k)", {"keep": "k"}),
        ("x -> Mix(memory=m)", {"memory": "m"}),
        ("x -> Mix(3)(keep=k, memory=m)", {"memory": "m", "keep": "k", "scale": 3}),
        ("Mix(memory=m, x=x)", {"memory": "m"}),
        ("x -> f(keep=k)", {"keep": "k"}),
    ],
)
def test_tensors_are_given_by_name(call: str, arguments: dict[str, Any]) -> None:
    head = "model Net(x: [B, 4], m: [B, 4], k: bool[B]) {\n    layer f = Mix\n"
    module = made(f"{MIX}{head}    return {call}\n}}\n")
    given = {"m": torch.randn(3, 4), "k": torch.tensor([True, False, True])}
    x = torch.randn(3, 4)
    expected = mix(x, **{name: given[value] if isinstance(value, str) else value for name, value in arguments.items()})
    assert torch.equal(module(x, given["m"], given["k"]), expected)


@pytest.mark.parametrize(
    "call", ["Mix(3, memory=m)(x)", "Mix(x, scale=3)", "x -> Mix(scale=3, memory=m)", "dense(4, x)", "dense(x, 4)"]
)
def test_a_mixture_is_one_error(call: str) -> None:
    found = messages(f"{MIX}model Net(x: [B, 4], m: [B, 4]) {{\n    return {call}\n}}\n")
    assert len(found) == 1, found
    assert found[0].startswith("E0422"), found


# Dims by name ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        ("mean(x, dim=[T, B])", lambda x: x.mean(dim=(1, 0))),
        ("x -> permute(T, B, D)", lambda x: x.permute(1, 0, 2)),
        ("x -> permute([T, B, D])", lambda x: x.permute(1, 0, 2)),
        ("x -> transpose(B, T)", lambda x: x.transpose(0, 1)),
        ("x -> flatten(T)", lambda x: x.flatten(1)),
        ("x -> concat(x, dim=T)", lambda x: torch.cat((x, x), dim=1)),
        ("x -> roll(1, T)", lambda x: x.roll(1, 1)),
        ("softmax(x, dim=T)", lambda x: x.softmax(dim=1)),
        ("x -> sum(T)", lambda x: x.sum(dim=1)),
    ],
)
def test_dims_are_named(op: str, expected: Any) -> None:
    block = f"block Op(x: [B, T, D]) {{\n    return {op}\n}}\n"
    x = torch.randn(4, 4, 4)
    module = made(body("y = x -> Op", x="[N, N, 4]", parts=block))
    assert torch.allclose(module(x), expected(x), atol=1e-6), "by symbol, not by size: all are 4"


def test_a_dim_of_the_caller_does_not_answer_to_the_name_of_a_parts() -> None:
    block = "block Op(x: [B, S, T]) {\n    return mean(x, dim=T)\n}\n"
    x = torch.randn(2, 3, 5)
    assert torch.allclose(made(body("y = x -> Op", x="[B, T, U]", parts=block))(x), x.mean(dim=2), atol=1e-6)


# Gates ----------------------------------------------------------------------------------------------------------------

GATES = ["sigmoid(h)", "1 - sigmoid(h)", "tanh(h) * sigmoid(h) + 0.5", "exp(h) * relu(x)", "clip(h, -1, 2)", "maximum(h, 0)"]
GATES += [
    "where(h > 0, tanh(x), 0.5)",
    "softmax(h, dim=-1)[:, :2]",
    "mean(sigmoid(h), dim=-1)",
    "h ** 2",
    "abs(h) / (1 + exp(x))",
]
GATES += ["minimum(maximum(h, -1), 1)", "x -> Hidden", "sigmoid(h) / 2 - tanh(h) ** 3 * 0 if true else h"]
OPEN = [
    "h",
    "1 - exp(h)",
    "sigmoid(h) * h",
    "exp(h) - relu(h)",
    "clip(h, 0) - 1 + h",
    "minimum(h, 1)",
    "log(sigmoid(h))",
    "relu(h) - 2",
]
HIDDEN = "block Hidden(x: [B, D]) {\n    return x -> dense(D) -> sigmoid\n}\n"


@pytest.mark.parametrize("gate", GATES)
def test_gates_that_are_bounded_or_never_negative(gate: str) -> None:
    assert not messages(body(f"h = x -> dense(64)\ngate g = {gate}\ny = x + 0 * mean(g)", parts=HIDDEN))


@pytest.mark.parametrize("gate", OPEN)
def test_gates_that_are_not(gate: str) -> None:
    found = messages(body(f"h = x -> dense(64)\ngate g = {gate}\ny = x * g"))
    assert [message[:5] for message in found] == ["E0425"], found


def test_a_gate_is_marked_and_drawn_as_one() -> None:
    made_ = compiled(body("gate g = x -> dense(64) -> sigmoid\ny = x * g"))
    assert [node.op.title for node in made_.graph.nodes if node.gate] == ["sigmoid"]


def test_a_name_given_anew_keeps_what_it_meant_in_a_callable() -> None:
    """`act` in the callable is the `act` before it; and so in a circle of two."""
    once = network(compiled(body("act = relu\nact = act -> sigmoid\ny = x -> act", x="[B, 4]")))
    x = torch.randn(3, 4)
    assert torch.equal(once(x), x.relu().sigmoid())
    circle = network(compiled(body("g = relu\nf = g -> tanh\ng = f -> sigmoid\ny = x -> g", x="[B, 4]")))
    assert torch.equal(circle(x), x.relu().tanh().sigmoid())

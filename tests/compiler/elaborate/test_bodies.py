"""Bodies: sharing, parameters, names and keys, tuples and outputs, types, facts, optional tensors."""

from __future__ import annotations

import pytest
import torch

from ..spec import body, check, compiled, graph, keys, messages, network, shape, shapes

MERGE = "block Merge(a: [B, D], b: [B, D]) -> [B, D] {\n    return a + b\n}\n"
PAIR = "block Pair(x: [B, D]) -> ([B, D], [B, 3]) {\n    a = x -> relu\n    b = x -> dense(3)\n    return a, b\n}\n"


# Keys -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("y = x -> dense(3) -> relu -> dense(4)", ["dense1", "dense2"]),
        ("y = x -> dense(3) -> batch_norm -> dropout(0.1) -> dense(4)", ["dense1", "batch_norm1", "dropout1", "dense2"]),
        ("y = x -> dense(3) as head -> dense(4)", ["head", "dense2"]),
        ("layer head = dense(3)\ny = x -> dense(64) -> head", ["dense2", "head"]),
        ("if 1 > 2 {\n    y = x -> dense(3)\n} else {\n    y = x -> dense(4)\n}\ny = y -> dense(5)", ["dense2", "dense3"]),
        ("y = x -> dense(3) if 1 > 2 else x -> dense(4)\ny = y -> dense(5)", ["dense2", "dense3"]),
        (
            "y = (x -> stack 2 { dense(64) }) + (x -> stack 3 { dense(64) })",
            ["stack1 x2", "stack1.*.dense1", "stack2 x3", "stack2.*.dense1"],
        ),
        ("f = dense(3)\ny = f(x) + f(x)", ["f1", "f2"]),
        ("f = dense(64) -> relu\ny = x -> f -> f", ["dense1", "dense2"]),
        (
            "f = dense(64) -> relu\ny = x -> f -> dense(3) -> dense(64) -> f -> dense(4)",
            ["dense1", "dense2", "dense3", "dense5", "dense4"],
        ),
        ("layer f = dense(64)\ny = x -> f -> f", ["f", "f"]),
        ("param w: [64]\ny = x * w -> dense(3)", ["w", "dense1"]),
    ],
)
def test_keys_are_kind_and_ordinal(lines: str, expected: list[str]) -> None:
    assert keys(graph(body(lines))) == expected


def test_a_key_does_not_move_when_a_number_changes() -> None:
    text = body(
        "if deep {\n    y = x -> dense(3)\n} else {\n    y = x\n}\ny = y -> dense(width)", hypers="deep = true, width = 4"
    )
    assert keys(graph(text)) == ["dense1", "dense2"]
    assert keys(graph(text, deep=False, width=9)) == ["dense2"]


def test_parts_are_called_by_their_names() -> None:
    assert keys(graph(body("y = x -> Pair -> Pair as last", parts=PAIR))) == ["pair1", "pair1.dense1", "last", "last.dense1"]


# Sharing --------------------------------------------------------------------------------------------------------------


def test_a_composed_callable_used_twice_has_two_sets_of_weights() -> None:
    module = network(compiled(body("f = dense(64) -> relu -> dense(64)\ny = f(x) + f(x)")))
    assert len(module.state_dict()) == 8
    x = torch.randn(3, 64)
    a, b = (torch.nn.functional.linear, torch.relu)
    w = list(module.state_dict().values())
    expected = a(b(a(x, w[0], w[1])), w[2], w[3]) + a(b(a(x, w[4], w[5])), w[6], w[7])
    assert torch.allclose(module(x), expected, atol=1e-6)


def test_weights_of_a_shared_layer_can_be_read() -> None:
    text = body("layer emb = embedding(100, 16)\nh = x -> emb\ny = h @ transpose(emb.weight)", x="int[B, T]")
    assert shape(text) == "[B, T, 100]"
    assert len(network(compiled(text)).state_dict()) == 1


@pytest.mark.parametrize(
    ("layer", "refused"),
    [
        ("dense(10)", True),
        ("dense(10) -> relu", True),
        ("Wide(10)", True),
        ("Wide(10) -> relu", True),
        ("stack 1 { dense(10) }", False),
        ("relu -> mean(dim=-1)", False),
    ],
)
def test_uses_of_a_shared_layer_agree(layer: str, refused: bool) -> None:
    wide = "block Wide(w)(x: [B, D]) -> [B, w] {\n    return x -> dense(w)\n}\n"
    text = body(f"layer f = {layer}\ny = f(x)\nz = x -> dense(32) -> f\ny = y + z", parts=wide)
    found = messages(text)
    assert found[0].startswith("E0303: all uses of the shared") if refused else not found, found


def test_what_a_dim_of_a_shared_part_may_be() -> None:
    """A dim that no weight depends on may differ between the uses."""
    part = "block Scale(x: [B, T, 8]) -> [B, T, 8] {\n    return x -> dense(8)\n}\n"
    text = body(
        "layer f = Scale\na = f(x)\nb = f(x[:, :3])\ny = (a -> mean(dim=T)) + (b -> mean(dim=1))", x="[B, T, 8]", parts=part
    )
    assert shape(text) == "[B, 8]"


# Parameters -----------------------------------------------------------------------------------------------------------


def test_parameters_and_buffers() -> None:
    module = network(compiled(body("param w: [64, 8] = normal(std=0.02)\nparam b: [8]\nbuffer q: [8] = ones\ny = x @ w + b * q")))
    assert {name: tuple(value.shape) for name, value in module.named_parameters()} == {"w": (64, 8), "b": (8,)}
    assert [name for name, _ in module.named_buffers()] == ["q"]
    assert module.q.tolist() == [1.0] * 8
    assert module.b.tolist() == [0.0] * 8
    assert 0.01 < module.w.std().item() < 0.03


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("param w: [B]\ny = x", "E0307"),
        ("param w: [wide]\ny = x", "E0201"),
        ("param w: [64] = 3\ny = x", "E0404: the start of the param w wants an initialiser"),
        ("layer f = 3\ny = x", "E0406: the number 3 cannot be called"),
        ("layer f = dense(3)\ny = x + f.weight", "E0420: the layer f has no weight, whose shape is not known"),
        ("y = x.weight", "E0420: a tensor [B, 64] has no weight"),
        ("layer f = dense(3)\ny = f()", "E0405"),
        ("assert x > 3\ny = x", "E0408"),
        ("h = x\ny = h(x)", "E0406"),
        ("y = x -> dense(3)(x)", "E04"),
    ],
)
def test_what_is_refused(lines: str, said: str) -> None:
    assert messages(body(lines))[0].startswith(said)


# Tuples and outputs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "out"),
    [
        ("y = Merge(x, x -> relu)", "[B, 64]"),
        ("y = Merge(a=x, b=x)", "[B, 64]"),
        ("y = (x, x -> relu) -> Merge -> relu", "[B, 64]"),
        ("y = (x, x) -> concat", "[B, 128]"),
        ("y = x -> concat(x, dim=-1)", "[B, 128]"),
        ("a, b = x -> Pair\ny = b", "[B, 3]"),
        ("a = x -> Pair\ny = a", "[B, 64]"),
        ("y = x -> Pair -> dense(7)", "[B, 7]"),
        ("a, b, c = x -> chunk(4)\ny = c", "[B, 16]"),
        ("y = dense(5)(x, x -> dense(3))", "[B, 5]"),
        ("y = x[:, :11]", "[B, 11]"),
        ("y = x[:, :99]", "[B, 64]"),
        ("y = x[:, -1]", "[B]"),
        ("y = x[:, none, 2:4]", "[B, 1, 2]"),
        ("y = x[..., 0]", "[B]"),
        ("y = layer_norm(x)", "[B, 64]"),
        ("y = where(x > 0, x, -x)", "[B, 64]"),
        ("y = x if x > 0 else 0", "[B, 64]"),
        ("y = 1 < x < 2 and not (x == 1)", "bool[B, 64]"),
        ("y = max(x, dim=-1) + sum([1, 2])", "[B]"),
    ],
)
def test_values(lines: str, out: str) -> None:
    assert shape(body(lines, parts=MERGE + PAIR)) == out


def test_several_outputs_have_names() -> None:
    made = graph(body("a, b = x -> Pair\nreturn b, a, x -> dense(4) as last, x -> dense(9)", parts=PAIR))
    assert [output.name for output in made.outputs] == ["b", "a", "last", "output"]
    assert shapes(made) == ["[B, 3]", "[B, 64]", "[B, 4]", "[B, 9]"]


OPTIONAL = """
block Mix(x: [B, D], y: [B, D] = none) -> [B, D] {
    if y == none {
        return x -> dense(D)
    }
    return x + y
}
"""


def test_a_tensor_may_be_left_out() -> None:
    assert keys(graph(body("y = Mix(x)", parts=OPTIONAL))) == ["mix1", "mix1.dense1"]
    assert keys(graph(body("y = Mix(x, x) -> Mix", parts=OPTIONAL))) == ["mix1", "mix2", "mix2.dense1"]
    assert shape(body("y = Mix(x, y=x)", parts=OPTIONAL)) == "[B, 64]"
    assert shape(body("y = Mix(x, none)", parts=OPTIONAL)) == "[B, 64]"


# Dims and facts -------------------------------------------------------------------------------------------------------

REST = "block FeedForward(inner)(x: [..., D]) -> [..., D] {\n    return x -> dense(inner) -> relu -> dense(D)\n}\n"


@pytest.mark.parametrize("x", ["[B, 64]", "[B, T, 64]", "[B, H, W, 64]"])
def test_any_run_of_dims(x: str) -> None:
    assert shape(body("y = x -> FeedForward(128)", x=x, parts=REST)) == x


def test_one_run_of_dims_throughout_a_signature() -> None:
    part = "block Both(a: [..., D], b: [..., E]) -> [..., D] {\n    return a + (b -> dense(D))\n}\n"
    assert shape(body("y = Both(x, x -> dense(3))", x="[B, T, 64]", parts=part)) == "[B, T, 64]"
    assert messages(body("y = Both(x, x[:, 0])", x="[B, T, 64]", parts=part))


def test_the_run_of_the_signature_stands_in_types_of_the_body() -> None:
    cell = "cell C(width)(x: [..., D]) {\n    state h: [..., width]\n    h' = dense(width)(x, h) -> tanh\n    return h'\n}\n"
    graph = compiled(cell + "model Net(x: [B, T, N, 8]) {\n    return x -> recur(C(4))\n}\n").graph
    assert str(graph.type_of(graph.outputs[0].ref)) == "[B, T, N, 4]"


@pytest.mark.parametrize(
    ("x", "lines", "out"),
    [
        ("[B, 3, H, W]", "y = x -> conv(8, 3, stride=2, padding=1)", "[B, 8, (H + 1) // 2, (W + 1) // 2]"),
        ("[B, T, 64]", "y = x -> reshape(2 * T, 32)", "[B, 2 * T, 32]"),
        ("[B, T, 64]", 'y = x -> rearrange("b t (h d) -> b h t d", h=8)', "[B, 8, T, 8]"),
        ("[B, T, 64]", "y = concat(x, x, dim=1)[:, 1:]", "[B, 2 * T - 1, 64]"),
        ("[B, H, 64]", "assert H % 16 == 0\ny = x -> reshape(H / 4, 256)", "[B, H // 4, 256]"),
        ("[B, H, 64]", "assert H % 16 == 0\ny = (x -> reshape(H / 4, 256)) + (x -> reshape(H / 8 * 2, 256))", "[B, H // 4, 256]"),
        ("[B, T, 64]", "assert T <= 10\nparam w: [10, 64]\ny = x + w[:T]", "[B, T, 64]"),
        ("[B, T, 64]", "assert T == 10\nparam w: [10, 64]\ny = x + w", "[B, T, 64]"),
    ],
)
def test_arithmetic_on_dims(x: str, lines: str, out: str) -> None:
    assert shape(body(lines, x=x)) == out


HALVES = "down = x -> conv(8, 3, padding=1)\ndeep = down -> max_pool(2) -> conv_transpose(8, 2, stride=2)\ny = concat(down, deep, dim=1)"


def test_a_promise_makes_halves_fit() -> None:
    assert messages(body(HALVES, x="[B, 3, H, W]"))[0].startswith("E0303")
    promised = body(f"assert H % 2 == 0 and W % 2 == 0\n{HALVES}", x="[B, 3, H, W]")
    assert shape(promised) == "[B, 16, H, W]"
    module = network(compiled(promised))
    assert module(torch.randn(1, 3, 6, 4)).shape == (1, 16, 6, 4)
    with pytest.raises(ValueError, match="assert H % 2 == 0 and W % 2 == 0: H = 5, W = 4"):
        module(torch.randn(1, 3, 5, 4))


def test_a_promise_not_kept_is_told_when_the_model_runs() -> None:
    text = body(
        'assert T <= context, "the text is too long"\nparam w: [context, 64]\ny = x + w[:T]',
        x="[B, T, 64]",
        hypers="context = 10",
    )
    module = network(compiled(text))
    assert module(torch.randn(2, 10, 64)).shape == (2, 10, 64)
    with pytest.raises(ValueError, match="the text is too long"):
        module(torch.randn(2, 11, 64))


@pytest.mark.parametrize(
    ("signature", "given"),
    [("int[B, T]", "[B, T]"), ("bool[B, T]", "int[B, T]"), ("[B, T]", "bool[B, T]")],
)
def test_dtypes_are_types(signature: str, given: str) -> None:
    part = f"block Part(t: {signature}) {{\n    return t\n}}\n"
    assert shape(body("y = x -> Part", x=signature, parts=part)) == signature
    assert messages(body("y = x -> Part", x=given, parts=part))[0].startswith("E0302")


def test_a_dim_of_the_signature_binds_anew_at_each_use() -> None:
    assert shape(body("y = Merge(x, x) -> dense(3)\ny = Merge(y, y)", parts=MERGE)) == "[B, 3]"


# Imports --------------------------------------------------------------------------------------------------------------

FILES = {
    "blocks.arch": """
from "deep.arch" import Deep

block Outer(w)(x: [B, D]) -> [B, w] {
    return x -> Deep(w) -> Own
}

block Own(x: [B, D]) {
    return x -> relu
}
""",
    "deep.arch": """
block Deep(w)(x: [B, D]) -> [B, w] {
    return x -> dense(w)
}
""",
    "faulty.arch": """
block Faulty(x: [B, D]) {
    return x -> dens(3)
}
""",
}


def test_parts_of_other_files() -> None:
    text = 'from "./blocks.arch" import Outer\n' + body("y = x -> Outer(5)")
    assert shape(text, FILES) == "[B, 5]"
    assert keys(graph(text, FILES)) == ["outer1", "outer1.deep1", "outer1.deep1.dense1", "outer1.own1"]


def test_a_name_of_another_file_is_not_seen_unless_imported() -> None:
    text = 'from "./blocks.arch" import Outer\n' + body("y = x -> Own")
    assert messages(text, FILES) == ["E0201: nothing here is called Own"]


def test_a_fault_of_another_file_has_its_place_there() -> None:
    report = check('from "faulty.arch" import Faulty\n' + body("y = x -> Faulty"), FILES)
    assert [(d.code, d.span.source, d.span.start.line) for d in report.errors] == [("E0201", "faulty.arch", 3)]


def test_a_file_imported_twice_is_read_once() -> None:
    text = 'from "deep.arch" import Deep\nfrom "blocks.arch" import Outer\n' + body("y = x -> Deep(3) -> Outer(4)")
    assert shape(text, FILES) == "[B, 4]"


def test_a_declaration_may_bear_the_name_of_a_layer() -> None:
    text = body("y = x -> dense", parts="block dense(x: [B, D]) {\n    return x -> relu\n}\n")
    assert keys(graph(text)) == ["dense1"]


def test_a_missing_import_is_told_once() -> None:
    text = 'from "gone.arch" import A, C\n' + body("y = x -> A(3) -> C -> stack 2 { A }")
    assert messages(text) == ["E0204: gone.arch is not there"]

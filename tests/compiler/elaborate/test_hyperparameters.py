"""Hyperparameters: types, defaults, values from outside, callables and parts as values, and what is decided by them."""

from __future__ import annotations

import pytest

from ..spec import body, check, compiled, graph, keys, messages, shape

PART = "block Part(width, rate = 0.5)(x: [B, D]) -> [B, width] {\n    return x -> dense(width) -> dropout(rate)\n}\n"


def test_a_default_may_use_the_ones_before() -> None:
    text = body("y = x -> dense(inner) -> dense(width)", hypers="width = 32, inner = 4 * width, rate = 1 / width")
    assert [(h.name, str(h.value)) for h in graph(text).hypers] == [("width", "32"), ("inner", "128"), ("rate", "0.03125")]
    made = graph(text, width=8)
    assert [(h.name, str(h.value)) for h in made.hypers] == [("width", "8"), ("inner", "32"), ("rate", "0.125")]
    assert "E0201" in messages(body("y = x", hypers="inner = width, width = 3"))[0]


@pytest.mark.parametrize(
    ("hyper", "given", "shown"),
    [
        ("width = 64", "32", "32"),
        ("width = 64", "2 ** 5 + 1", "33"),
        ("width = 64", 16, "16"),
        ("rate = 0.1", "1", "1"),
        ("rate = 0.1", 1, "1"),
        ("rate: float = 1", "0.25", "0.25"),
        ("wide = true", "false", "False"),
        ("wide = true", False, "False"),
        ('name = "a"', "b", "b"),
        ("window = none", "none", "None"),
        ("window = none", "3", "3"),
    ],
)
def test_values_from_outside(hyper: str, given: object, shown: str) -> None:
    name = hyper.split(" ")[0].rstrip(":")
    made = compiled(body("y = x -> dense(3)", hypers=hyper), hypers={name: given}).graph
    assert str(made.hypers[0].value) == shown


@pytest.mark.parametrize("given", ["[1, 1]", "[ 1, 2 - 1 ]", [1, 1], (1, 1)])
def test_a_list_from_outside(given: object) -> None:
    text = body("y = x -> stack w in widths { dense(w) }", hypers="widths = [64, 32, 16]")
    assert shape(text) == "[B, 16]"
    assert shape(text, widths=given) == "[B, 1]"


def test_a_list_of_lists_from_outside() -> None:
    text = body("y = x -> stack stage in plan { stack w in stage { dense(w) } }", hypers="plan = [[64], [32, 16]]")
    assert shape(text) == "[B, 16]"
    assert shape(text, plan="[[5]]") == "[B, 5]"


def test_callables_are_values() -> None:
    text = body("y = x -> dense(32) -> act -> dense(3)", hypers="act = relu")
    assert keys(graph(text)) == ["dense1", "dense2"]
    assert "F.gelu" in compiled(text, hypers={"act": "gelu"}).source
    assert "leaky_relu" in compiled(text, hypers={"act": "leaky_relu(0.2)"}).source


def test_a_bare_callable_builds_anew_and_a_built_one_is_one() -> None:
    twice = "block Twice(f)(x: [B, D]) -> [B, D] {\n    return x -> f -> f\n}\n"
    assert keys(graph(body("y = x -> Twice(batch_norm)", parts=twice))) == ["twice1", "twice1.f1", "twice1.f2"]
    assert keys(graph(body("y = x -> Twice(dense(64))", parts=twice))) == ["twice1", "twice1.f", "twice1.f"]


def test_parts_are_values() -> None:
    text = body("y = x -> Wrap(Part(32), 3) -> Wrap(Part(16, rate=0.1), 3)", parts=PART + WRAP)
    assert shape(text) == "[B, 3]"
    assert keys(graph(text))[:4] == ["wrap1", "wrap1.inner", "wrap1.inner.dense1", "wrap1.inner.dropout1"]


WRAP = "block Wrap(inner, out)(x: [B, D]) -> [B, out] {\n    return x -> inner -> dense(out)\n}\n"


def test_a_block_is_elaborated_for_each_set_of_values() -> None:
    made = graph(body("y = x -> Part(32) -> Part(32) -> Part(16)", parts=PART))
    graphs = [node.op.graph for node in made.nodes if node.op.title == "Part"]  # type: ignore[attr-defined]
    assert len(graphs) == 3
    assert str(graphs[2].type_of(graphs[2].outputs[0].ref)) == "[B, 16]"


@pytest.mark.parametrize(
    ("condition", "width"),
    [
        ("depth > 4", "2"),
        ("depth == 3", "1"),
        ("not wide", "2"),
        ("wide and depth == 3", "1"),
        ("wide or depth > 4", "1"),
        ('kind == "plain"', "1"),
        ('kind != "plain"', "2"),
        ("window == none", "1"),
        ("window != none and depth > 100", "2"),
        ("2 < depth <= 3", "1"),
        ("depth % 2 == 1", "1"),
        ("len(widths) == 2", "1"),
        ("max(widths) > 32", "1"),
    ],
)
def test_if_is_decided(condition: str, width: str) -> None:
    hypers = 'depth = 3, wide = true, kind = "plain", window = none, widths = [64, 32]'
    text = body(f"if {condition} {{\n    y = x -> dense(1)\n}} else {{\n    y = x -> dense(2)\n}}\ny = y -> relu", hypers=hypers)
    assert shape(text) == f"[B, {width}]"
    inline = body(f"y = x -> dense(1 if {condition} else 2)", hypers=hypers)
    assert shape(inline) == f"[B, {width}]"


def test_what_if_decides_is_fixed() -> None:
    text = body("if deep > 2 {\n    y = x -> dense(width)\n} else {\n    y = x\n}\ny = y -> relu", hypers="deep = 3, width = 32")
    made = compiled(text)
    assert list(made.plan.model.arguments) == ["width"]
    assert "deep > 2" in made.graph.decided


def test_an_assert_is_told_at_the_use() -> None:
    part = 'block Heads(heads)(x: [B, D]) {\n    assert D % heads == 0, "heads do not fit"\n    return x -> dense(D / heads)\n}\n'
    text = body("a = x -> Heads(8)\nb = x -> Heads(7)\ny = a", parts=part)
    (diagnostic,) = check(text).errors
    assert diagnostic.message == "heads do not fit: D = 64, heads = 7"
    assert diagnostic.span.start.line == 8
    assert shape(body("y = x -> Heads(8)", parts=part)) == "[B, 8]"


def test_a_root_keeps_only_what_its_text_is_right_for() -> None:
    made = compiled(body("y = x -> dense(width) -> stack depth { dense(width) -> relu }", hypers="width = 8, depth = 3"))
    assert made.plan.model.arguments == {"width": 8, "depth": 3}
    made = compiled(body("y = x -> stack w in widths { dense(w) }", hypers="widths = [3, 4]"))
    assert made.plan.model.arguments == {}


def test_what_nobody_uses_is_looked_at_without_guessing() -> None:
    library = (
        "block Tower(depth)(x: [B, D]) {\n    return x -> stack depth { dense(D / 2) }\n}\n"
        "block Pick(deep)(x: [B, D]) {\n    if deep {\n        return x -> dense(10)\n    }\n    return x\n}\n"
        "block Apply(f)(x: [B, D]) {\n    return x -> f -> stack 2 { f }\n}\n"
        "block Walk(widths)(x: [..., D]) {\n    return x -> stack w in widths { dense(w) }\n}\n"
        "block Join(a: [B, D], b: [B, E]) {\n    return a + b\n}\n"
    )
    assert messages(library) == []
    assert messages("block Bad(n)(x: [B, D]) {\n    return x -> conv(n, 3)\n}\n")[0].startswith("E0301")
    assert messages("block Bad(n)(x: [B, D]) {\n    return x -> dense(n, biass=true)\n}\n")[0].startswith("E0401")

"""Rules of the generated source, one by one."""

from __future__ import annotations

import ast
import re

import pytest
import torch
from torch import nn

from archc.compiler.emit.torch import Function, emit_functions, emit_module
from archc.compiler.emit.torch.lines import docstring, interpolated, quoted, wrapped
from archc.compiler.emit.torch.names import Names, camel, identifier
from archc.compiler.emit.torch.program import Source
from archc.compiler.keys import RESERVED_KEYS, is_reserved_key
from archc.compiler.passes.pin import pin, pinned

from .running import executed, graph_of, network


def text_of(spec: str) -> str:
    return emit_module(graph_of(spec), "spec.arch").text


def lines_of(spec: str, of: str = "forward") -> list[str]:
    """The last body of that name, comments left out."""
    text = text_of(spec)
    body = text[text.rindex(f"def {of}(") :].splitlines()[1:]
    return [line.split("  #")[0].strip() for line in body]


# Names ----------------------------------------------------------------------------------------------------------------


def test_reserved_keys_are_those_of_a_module() -> None:
    module = nn.Module()
    taken = {name for name in {*dir(module), *vars(module)} if not name.startswith("__")}
    taken -= {
        name for name in taken if not getattr(getattr(module, name), "__module__", "torch").startswith("torch")
    }  # others patch
    assert taken <= RESERVED_KEYS
    assert all(is_reserved_key(key) for key in ("forward", "__x", "class", "T_destination"))
    assert not is_reserved_key("conv1")


@pytest.mark.parametrize(
    ("name", "safe"), [("x", "x"), ("torch", "torch_"), ("lambda", "lambda_"), ("__x", "v__x"), ("a'b", "a_b"), ("2", "v2")]
)
def test_names_are_made_safe(name: str, safe: str) -> None:
    assert identifier(name) == safe


def test_names_are_given_once() -> None:
    names = Names()
    assert [names.new("d"), names.new("d"), names.new("d")] == ["d", "d_", "d__"]
    assert [names.numbered("Block"), names.numbered("Block"), names.numbered("Stack1"), names.numbered("Stack1")] == [
        "Block",
        "Block2",
        "Stack1",
        "Stack1_2",
    ]
    assert camel("my_stack1") == "MyStack1"


# Words of strangers ---------------------------------------------------------------------------------------------------

HOSTILE = [
    '"""',
    "\\",
    'ends in "',
    '"begins" with one',
    '"',
    '""two',
    '"Text"\nand more',
    "{x} {",
    "\x00\x1b[2J",
    "new\nline",
    "'\"",
    '"""\nimport os\n"""',
    "\\N{DASH}",
    "\u202e",
]


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_stay_words(words: str) -> None:
    shown = "\n".join(docstring([words])) or '""'
    assert ast.literal_eval(shown).strip() == "\n".join(" ".join(line.split()) for line in words.strip().splitlines())
    assert ast.literal_eval(quoted(words)) == words
    made = eval(interpolated(f"{words}: ", ["{7}", " != 0"]))
    assert made == f"{words}: 7 != 0"


@pytest.mark.parametrize("words", ['"Text" of a paper', '"', '""two', '"Text" of a paper\nand more', '  "Text"'])
def test_a_docstring_that_begins_with_a_quote_has_three_quotes(words: str) -> None:
    shown = "\n".join(docstring([words]))
    assert shown.startswith('"""\\"')
    spec = f"## {words.splitlines()[0]}\nmodel M(n = 2)(x: [B, n]) {{\n    return x -> dense(n)\n}}\n"
    made = executed(emit_module(graph_of(spec), "quotes.arch"))
    assert (made.__doc__ or "").startswith(words.strip().splitlines()[0])


def test_hostile_docs_and_messages_run() -> None:
    spec = '## """ \\ {x}\nmodel M(n = 2)(x: [B, n]) {\n    assert n % 2 == 0, "{n} % \'n\' {"\n    return x -> dense(n)\n}\n'
    made = executed(emit_module(graph_of(spec), '"""\nimport os'))
    with pytest.raises(ValueError, match=re.escape("{n} % 'n' {: 3 % 2 != 0")):
        made(n=3)


def test_long_lines_are_broken_at_brackets() -> None:
    assert wrapped("f(a, b)", 20) == ["f(a, b)"]
    assert wrapped("x = f(aaaa, bbbb)", 16) == ["x = f(", "    aaaa, bbbb", ")"]
    assert wrapped("x = f(aaaaaaa, '(, ' + b)", 16) == ["x = f(", "    aaaaaaa,", "    '(, ' + b,", ")"]


# Structure ------------------------------------------------------------------------------------------------------------


def test_a_part_with_one_structure_is_one_class() -> None:
    spec = """
block P(n, k = 3)(x: [B, D]) { return x -> dense(n) -> dense(k) }
model M(n = 4)(x: [B, 8]) { return x -> P(n) -> P(2 * n) }
"""
    text = text_of(spec)
    assert text.count("class P") == 1
    assert "def __init__(self, n: int, d: int):" in text  # k is 3 in both
    assert "self.dense2 = nn.Linear(n, 3)" in text


def test_another_structure_is_another_class() -> None:
    spec = """
block P(deep)(x: [B, D]) {
    if deep { y = x -> dense(D) } else { y = x }
    return y -> relu
}
model M(x: [B, 8]) { return x -> P(true) -> P(false) -> P(true) }
"""
    text = text_of(spec)
    assert text.index("class P(") < text.index("class P2(") < text.index("class M(")
    assert '"""Where deep."""' in text
    assert '"""Where not (deep)."""' in text


def test_a_number_handed_on_becomes_an_argument() -> None:
    spec = """
block P(stride)(x: [B, C, H, W]) { return x -> conv(C, 3, stride=stride, padding=1) }
model M(x: [B, 4, H, W]) { return x -> stack i in 0..3 { P(2 if i == 1 else 1) -> relu } }
"""
    text = text_of(spec)
    assert text.count("class MLevel") == 1
    assert "MLevel(channels, stride) for" in text or "for stride in (1, 2, 1)" in text


def test_free_dims_of_forward_are_read() -> None:
    spec = "model M(x: [B, T, 4]) { return x * T }"
    assert lines_of(spec) == ["T = x.shape[1]", "return x * T"]


def test_a_size_known_at_run_time_is_handed_to_the_part() -> None:
    spec = """
block Take(n)(x: [B, T, 4]) { return x[:, :n] }
model M(x: [B, T, 4], y: [B, S, 4]) {
    assert S < T
    return x -> Take(S)
}
"""
    module = network(graph_of(spec))
    assert module(torch.zeros(2, 5, 4), torch.zeros(2, 3, 4)).shape == (2, 3, 4)
    with pytest.raises(ValueError, match="5 >= 5"):
        module(torch.zeros(2, 5, 4), torch.zeros(2, 5, 4))


# Order and sharing ----------------------------------------------------------------------------------------------------


def test_a_value_read_twice_is_computed_once() -> None:
    assert lines_of("model M(x: [B, 4]) { return (x -> relu) * 2 + (x -> tanh) }") == ["return F.relu(x) * 2 + torch.tanh(x)"]
    twice = lines_of("model M(x: [B, 4]) {\n    f = x -> dense(4)\n    return f * f\n}")
    assert twice == ["f = self.dense1(x)", "return f * f"]


def test_draws_keep_their_order() -> None:
    spec = """
model M(x: [B, 64]) {
    a = x -> dropout(0.5)
    b = (x -> relu -> dropout(0.5)) + (a -> dropout(0.3))
    return (b -> dropout(0.2)) - (a -> relu)
}
"""
    module = network(graph_of(spec)).train()
    x = torch.rand(3, 64)
    torch.manual_seed(7)
    ours = module(x)
    torch.manual_seed(7)
    drop = nn.functional.dropout
    a = drop(x, 0.5)
    first = drop(x.relu(), 0.5)
    b = first + drop(a, 0.3)
    assert torch.equal(ours, drop(b, 0.2) - a.relu())


def test_a_name_given_anew_does_not_lose_the_old_value() -> None:
    spec = "model M(x: [B, 4]) {\n    h = x * 2\n    old = h + 1\n    h = h * 3\n    x = h + old\n    return x + h + old\n}"
    module = network(graph_of(spec))
    x = torch.rand(2, 4)
    h, old = x * 6, x * 2 + 1
    torch.testing.assert_close(module(x), h + old + h + old)


# Pinning --------------------------------------------------------------------------------------------------------------


def test_what_an_if_looked_at_is_fixed() -> None:
    spec = """
model M(n = 2, width = 4, names = [1, 2], flag = true)(x: [B, width]) {
    if n > 1 { y = x -> dense(width) } else { y = x }
    if flag { y = y -> relu }
    return y -> stack w in names { dense(w) }
}
"""
    graph = graph_of(spec)
    assert pinned(graph) == {"n", "names", "flag"}
    assert [hyper.name for hyper in pin(graph).hypers] == ["width"]
    assert "Fixed: n=2, names=[1, 2], flag=true." in text_of(spec)


def test_what_is_asserted_stays_free() -> None:
    head = "model M(width = 8, heads = 2)(x: [B, T, width]) {\n"
    body = "    return x -> reshape(T, heads, width / heads) -> flatten(2) -> dense(width)\n}\n"
    assert pinned(graph_of(f"{head}    assert width % heads == 0\n{body}")) == frozenset()
    assert pinned(graph_of(f"{head}{body}")) == {"width", "heads"}


# Functions ------------------------------------------------------------------------------------------------------------


def test_functions_are_plain() -> None:
    graph = graph_of("model loss(a: [B, 4], b: [B, 4]) { return mean((a - b) ** 2, dim=-1) }")
    made = emit_functions([Function("loss", "Squared.", graph)], None, "spec.arch")
    assert 'def loss(a: Tensor, b: Tensor) -> Tensor:\n    """Squared."""\n    return ((a - b) ** 2).mean(dim=-1)' in made.text
    scope: dict[str, object] = {}
    exec(made.text, scope)


def test_columns_read_rows_and_give_a_dict() -> None:
    graph = graph_of(
        "model digits(images: [B, 4], centre: [4]) {\n    image = (images - centre) / 16\n    flat = image * 2\n    return image, flat\n}"
    )
    sources: dict[str, Source] = {"centre": ("fitted", 'images "mean"')}
    made = emit_functions([Function("columns", None, graph, "columns", sources)], None, "spec.arch")
    scope: dict[str, object] = {}
    exec(made.text, scope)
    columns = scope["columns"]
    assert callable(columns)
    found = columns({"images": torch.ones(2, 4) * 17}, {'images "mean"': torch.ones(4)})
    assert {name: tensor.shape for name, tensor in found.items()} == {"image": (2, 4), "flat": (2, 4)}


def test_a_function_owns_no_weights() -> None:
    graph = graph_of("model loss(a: [B, 4]) { return a -> dense(3) }")
    with pytest.raises(ValueError, match="owns weights"):
        emit_functions([Function("loss", None, graph)], None, "spec.arch")

"""The text of diagrams: what is opened, what is said, what is escaped, how large it gets. Rendering is tested in `test_diagram_drawn`."""

from __future__ import annotations

import re

import pytest

from archc.compiler.emit.diagram import dot_of, scene_of
from archc.compiler.emit.diagram.scene import Group, Item
from archc.compiler.emit.diagram.words import Voice, amount
from archc.compiler.graph import Graph
from archc.compiler.pipeline import compile_source
from archc.compiler.shapes import Dim
from archc.dsl.source import Source

from .graphs import Draft, chain, doubling, level_of, residual, size, tower


def items(graph: Graph, depth: int | None = None) -> list[Item]:
    return _all(scene_of(graph, depth).main.children)


def _all(children: tuple[Item | Group, ...]) -> list[Item]:
    return [item for child in children for item in (_all(child.children) if isinstance(child, Group) else [child])]


def names(graph: Graph, depth: int | None = None) -> list[str]:
    return [strip.name for item in items(graph, depth) for strip in item.strips]


def test_the_same_graph_gives_the_same_text() -> None:
    assert dot_of(tower(12)) == dot_of(tower(12))


def test_a_stack_is_one_group_with_its_count() -> None:
    (group,) = [child for child in scene_of(tower(12)).main.children if isinstance(child, Group)]
    assert (group.title.name, group.title.times) == ("Residual", "×12")
    assert group.title.cost == "51.5 k"  # 12 × (64 × 64 + 64 + 2 × 64)
    assert "×12" in dot_of(tower(12))


def test_ten_thousand_levels_are_drawn_as_ten() -> None:
    assert len(items(tower(10_000))) == len(items(tower(10)))
    assert "×10000" in dot_of(tower(10_000))


def test_a_tied_stack_says_that_it_has_one_set_of_weights() -> None:
    (group,) = [child for child in scene_of(tower(12, tied=True)).main.children if isinstance(child, Group)]
    assert group.title.size == "one set of weights"
    assert group.title.cost == "4.29 k"


def test_depth_says_how_far_blocks_are_opened() -> None:
    assert names(tower(3), 0) == ["x", "Residual", "dense", "logits"]
    assert names(tower(3), 1) == ["x", "x", "layer_norm", "dense", "+", "dense", "logits"]


def test_a_block_that_stays_closed_is_drawn_beside_it() -> None:
    draft = Draft("Many")
    x = draft.input("x", "B", 64)
    for number in range(24):
        x = draft.use(residual(), x, key=f"residual{number}")
    scene = scene_of(draft.graph(y=x))
    assert [frame.title.name for frame, _ in scene.panels] == ["Residual"]
    assert scene_of(draft.graph(y=x), 0).panels == ()


def test_two_looks_of_one_block_have_letters() -> None:
    other = Draft("Residual", "block")
    plain = other.graph(output=other.layer("dense", other.input("x", "B", 64), key="dense1", out_features=64))
    draft = Draft("Many")
    x = draft.input("x", "B", 64)
    for number in range(24):
        x = draft.use(residual() if number % 2 else plain, x, key=f"residual{number}")
    scene = scene_of(draft.graph(y=x))
    assert [frame.title.name for frame, _ in scene.panels] == ["Residual A", "Residual B"]
    assert {strip.name for item in _all(scene.main.children) for strip in item.strips} >= {"Residual A", "Residual B"}


def test_steps_that_change_no_shape_share_a_box() -> None:
    draft = Draft("Net")
    x = draft.layer("conv", draft.input("x", "B", 3, 8, 8), key="conv1", out_channels=4, kernel_size=3, padding=1)
    x = draft.layer("relu", draft.layer("batch_norm", x, key="batch_norm1"))
    (box,) = [item for item in items(draft.graph(y=x)) if item.kind == "box"]
    assert [strip.name for strip in box.strips] == ["conv", "batch_norm", "relu"]
    assert [strip.size for strip in box.strips] == ["3×3, 4", "", ""]
    assert [strip.cost for strip in box.strips] == ["112", "8", ""]


def test_a_step_that_two_read_keeps_a_box_of_its_own() -> None:
    draft = Draft("Net")
    x = draft.layer("dense", draft.input("x", "B", 3), key="dense1", out_features=4)
    graph = draft.graph(a=draft.layer("relu", x), b=x)
    assert [len(item.strips) for item in items(graph) if item.kind == "box"] == [1, 1]


def test_shapes_stand_where_they_are_new() -> None:
    draft = Draft("Net")
    x = draft.layer("dense", draft.input("x", "B", 3), key="dense1", out_features=4)
    x = draft.layer(
        "dense",
        draft.layer("mean", draft.layer("dense", x, key="dense2", out_features=4), dim=size(0)),
        key="dense3",
        out_features=4,
    )
    labels = [wire.label for wire in scene_of(draft.graph(y=x)).main.wires]
    assert labels == ["", "[B, 4]", "", "[4]", ""]


def test_a_skip_is_lighter_than_the_line_it_passes() -> None:
    wires = scene_of(residual()).main.wires
    assert sum(wire.kind == "skip" for wire in wires) == 1


def test_shared_weights_are_dashed_and_say_so() -> None:
    draft = Draft("Shared")
    x = draft.input("x", "B", 8)
    x = draft.layer("dense", draft.layer("dense", x, key="f", out_features=8), key="f", out_features=8)
    graph = draft.graph(y=x)
    assert [item.dashed for item in items(graph) if item.kind == "box"] == [False, True]
    assert [wire.label for wire in scene_of(graph).main.wires if wire.kind == "shared"] == ["same weights"]
    assert scene_of(graph).title.size == "72 parameters"


def test_a_layer_outside_a_stack_is_one_for_all_levels() -> None:
    text = "model Net(x: [B, 8]) {\n    layer f = dense(8)\n    return f(x) -> stack 4 { f -> dense(8) }\n}\n"
    compiled, report = compile_source(Source("net.arch", text))
    assert compiled is not None, report.diagnostics
    scene = scene_of(compiled.graph)
    assert scene.title.size == "360 parameters"
    assert [item.dashed for item in _all(scene.main.children) if item.strips[0].name == "f"] == [False, True]
    assert [wire.kind for wire in scene.main.wires].count("shared") == 1

    only = text.replace("f(x) -> stack", "x -> stack")
    compiled, report = compile_source(Source("net.arch", only))
    assert compiled is not None, report.diagnostics
    (box,) = [item for item in _all(scene_of(compiled.graph).main.children) if item.strips[0].name == "f"]
    assert box.strips[0].size == "dense 8 → 8, one set of weights"


def test_weights_read_as_a_tensor_are_tied_to_their_layer() -> None:
    draft = Draft("Tied")
    x = draft.layer("dense", draft.input("x", 8, 8), key="f", out_features=8)
    graph = draft.graph(y=draft.layer("matmul", x, draft.weight("f", "weight", 8, 8)))
    assert "f.weight" in names(graph)
    assert [wire.kind for wire in scene_of(graph).main.wires].count("shared") == 1


def test_arithmetic_is_a_circle_or_a_formula() -> None:
    draft = Draft("Sums")
    x = draft.input("x", "B", 8)
    y = draft.layer("**", draft.layer("-", x, draft.layer("relu", x)), size(2))
    shown = {(item.kind, item.strips[0].name) for item in items(draft.graph(y=draft.layer("*", y, size(3))))}
    assert {("circle", "−"), ("box", "x²"), ("box", "x × 3")} <= shown


def test_a_very_long_body_says_what_it_leaves_out() -> None:
    drawn = names(chain(10_000))
    assert len(drawn) < 200
    assert "… 9,880 more steps" in drawn


def test_a_very_long_list_says_what_it_leaves_out() -> None:
    draft = Draft("Long")
    x = draft.input("x", "B", 64)
    plain = Draft("Residual", "block")
    other = plain.graph(output=plain.layer("dense", plain.input("x", "B", 64), key="dense1", out_features=64))
    levels = [(level_of(residual()), 1), (level_of(other), 1)] * 5_000
    drawn = names(draft.graph(y=draft.stack(*levels, inputs=(x,))), 1)
    assert len(drawn) < 200
    assert "… 9,990 more levels" in drawn


def test_blocks_within_blocks_do_not_explode() -> None:
    graph = doubling(40)
    assert len(items(graph)) < 400
    assert len(items(graph, 40)) < 700
    assert scene_of(graph).title.size == "79.2 T parameters"  # 72 × 2 to the 40


def test_what_a_spec_says_is_only_ever_text() -> None:
    hostile = '</table>"<script>alert(1)</script>\\N\\E & \x07\x00\ud800 ]; evil [shape=box'
    draft = Draft("Net", doc=hostile)
    x = draft.input("x", "B", 8)
    graph = draft.graph(y=draft.layer("dense", x, key=hostile, out_features=8))
    text = dot_of(graph, sources={"hand.arch": Source("hand.arch", "\n" * 2 + hostile + "\n")})
    text.encode()
    assert "<script>" not in text
    assert "\x07" not in text
    assert "\\N" not in re.sub(r"label=<.*?>[,;]", "", text)
    assert len(re.findall(r'(?<!\\)"', text)) % 2 == 0


def test_tips_quote_the_spec() -> None:
    text = "model Net(x: [B, 8]) {\n    y = x\n      -> dense(10)  # ten <of> them\n}\n"
    draft = Draft("Net", doc="Ten of them.")
    graph = draft.graph(y=draft.layer("dense", draft.input("x", "B", 8), key="dense1", out_features=10))
    tips = [item.tip for item in _all(scene_of(graph, sources={"hand.arch": Source("hand.arch", text)}).main.children)]
    assert "hand.arch:3  -> dense(10)  # ten <of> them" in "\n".join(tips)
    assert "&lt;of&gt;" in dot_of(graph, sources={"hand.arch": Source("hand.arch", text)})
    assert scene_of(graph).subtitle == "Ten of them."


def test_every_family_of_layers_can_be_drawn() -> None:
    from archc.compiler.emit.diagram.palette import HUES, hue_of
    from archc.compiler.layers import registry

    for layer in registry().values():
        assert hue_of(object.__new__(layer)) in HUES


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0"),
        (156, "156"),
        (999, "999"),
        (1000, "1.00 k"),
        (13_349, "13.3 k"),
        (999_600, "1.00 M"),
        (25_557_032, "25.6 M"),
        (124_439_808, "124 M"),
    ],
)
def test_amounts(number: int, words: str) -> None:
    assert amount(number) == words


@pytest.mark.parametrize(
    ("dim", "words"),
    [
        (Dim.of(7), "7"),
        (4 * Dim.of("width"), "4·width"),
        ((Dim.of("H") + 3) // 4, "H/4"),
        (Dim.of("H") // 2, "H // 2"),
        (2 * ((Dim.of("H") + 1) // 2), "2·(H/2)"),
        ((Dim.of("H") - 1) // Dim.of("stride") + 1, "H/stride"),
        (Dim.of("T") - 4, "T - 4"),
    ],
)
def test_sizes(dim: Dim, words: str) -> None:
    assert Voice().dim(dim) == words


def test_an_index_is_drawn_as_it_is_written() -> None:
    text = "model Net(n = 3)(x: [B, 12, 8]) {\n    a = x[:, -1]\n    b = x[:, 2:n * 2, none]\n    return a, b\n}\n"
    compiled, report = compile_source(Source("net.arch", text))
    assert compiled is not None, report.diagnostics
    sizes = [
        strip.size for item in _all(scene_of(compiled.graph).main.children) for strip in item.strips if strip.name == "index"
    ]
    assert sizes == ["[:, -1]", "[:, 2:6, none]"]


def test_long_labels_are_broken_and_not_cut() -> None:
    hypers = [f"hyperparameter_{i}" for i in range(8)]
    text = (
        f"block Part({', '.join(hypers)})(x: [B, 4]) -> [B, 4] {{\n    return x * ({' + '.join(hypers)}) + (x -> dense(4))\n}}\n"
        f"model Net(x: [B, 4]) {{\n    return x -> Part({', '.join(str(i) for i in range(8))})\n}}\n"
    )
    compiled, _ = compile_source(Source("net.arch", text))
    assert compiled is not None
    title = next(line for line in dot_of(compiled.graph, depth=2).split("\n") if "<b>Part</b>" in line)
    lines = re.sub(r"<br[^>]*>", "\n", title)
    shown = [re.sub(r"<[^>]*>", "", line).strip() for line in lines.split("\n")]
    assert shown[0].split("  ")[0].endswith("Part")
    assert shown[1:5] == [f"hyperparameter_{i} {i}, hyperparameter_{i + 1} {i + 1}{',' if i < 6 else ''}" for i in range(0, 8, 2)]
    assert "…" not in title

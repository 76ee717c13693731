"""Levels of a stack in diagrams: those that are drawn alike are one drawing with its ×N, all others are drawn apart."""

from __future__ import annotations

from archc.compiler.emit.diagram import dot_of, scene_of
from archc.compiler.emit.diagram.scene import Group, Item, Scene, Strip
from archc.compiler.graph import Graph
from archc.compiler.pipeline import compile_source
from archc.dsl.source import Source

VARIANTS = """
block MBConv(width, stride = 1)(x: [B, C, H, W]) {
    h = x -> conv(width, 3, stride=stride, padding=1) -> batch_norm -> relu
    if stride == 1 and C == width { h = h + x }
    return h
}
"""
MLP = """
block Mlp(width)(x: [B, C]) {
    return x -> dense(width) -> relu
}
"""


def graph_of(text: str) -> Graph:
    compiled, report = compile_source(Source("net.arch", text))
    assert compiled is not None, report.diagnostics
    return compiled.graph


def scene(text: str, depth: int | None = None) -> Scene:
    return scene_of(graph_of(text), depth)


def titles(children: tuple[Item | Group, ...]) -> list[tuple[str, str, str]]:
    """Name, ×N and sizes of what stands in a picture, closed or opened, without what is inside."""
    strips: list[Strip] = [child.title if isinstance(child, Group) else child.strips[0] for child in children]
    return [(strip.name, strip.times, strip.size) for strip in strips]


def one_way(drawn: Scene) -> list[tuple[str, str]]:
    return [(wire.tail, wire.head) for wire in drawn.main.wires]


def test_levels_of_two_variants_are_drawn_apart() -> None:
    text = (
        VARIANTS + "model Net(n = 4)(x: [B, 3, H, W]) { return x -> stack i in 0..n { MBConv(16, stride=2 if i == 0 else 1) } }\n"
    )
    closed = scene(text, 0)
    assert titles(closed.main.children)[1:-1] == [("MBConv", "", "width 16, stride 2"), ("MBConv", "×3", "width 16")]
    assert len(one_way(closed)) == 3
    assert [wire.label for wire in closed.main.wires] == ["", "[B, 16, H/2, W/2]", ""]
    opened = [child for child in scene(text).main.children if isinstance(child, Group)]
    assert titles(tuple(opened)) == [("MBConv", "", "width 16, stride 2"), ("MBConv", "×3", "width 16")]
    assert [any(isinstance(item, Item) and item.kind == "circle" for item in group.children) for group in opened] == [False, True]
    assert dot_of(graph_of(text), 0).count("×3") == 1


def test_a_variant_in_the_middle_parts_the_runs() -> None:
    text = VARIANTS + "model Net(x: [B, 16, H, W]) { return x -> stack i in 0..7 { MBConv(16, stride=2 if i == 3 else 1) } }\n"
    assert [(name, times) for name, times, _ in titles(scene(text, 0).main.children)[1:-1]] == [
        ("MBConv", "×3"),
        ("MBConv", ""),
        ("MBConv", "×3"),
    ]


def test_variants_have_panels_with_letters() -> None:
    calls = "".join(f"             -> stack i in 0..3 {{ MBConv({16 * n}, stride=2 if i == 0 else 1) }}\n" for n in range(1, 15))
    text = VARIANTS + "model Net(x: [B, 3, H, W]) {\n    return x -> relu\n" + calls + "}\n"
    drawn = scene(text)
    assert [frame.title.name for frame, _ in drawn.panels] == ["MBConv A", "MBConv B"]
    assert titles(drawn.main.children)[2:6] == [
        ("MBConv A", "", "width 16, stride 2"),
        ("MBConv B", "×2", "width 16"),
        ("MBConv A", "", "width 32, stride 2"),
        ("MBConv B", "×2", "width 32"),
    ]
    assert [any(isinstance(item, Item) and item.kind == "circle" for item in panel.children) for _, panel in drawn.panels] == [
        False,
        True,
    ]


def test_variants_that_differ_inside_a_part_of_theirs_are_told_apart() -> None:
    text = VARIANTS + (
        "block Outer(stride = 1)(x: [B, C, H, W]) { return x -> MBConv(16, stride=stride) -> MBConv(16) }\n"
        "model Net(x: [B, 16, H, W]) { return x -> stack i in 0..3 { Outer(2 if i == 0 else 1) } }\n"
    )
    assert titles(scene(text, 0).main.children)[1:-1] == [("Outer", "", "stride 2"), ("Outer", "×2", "")]


def test_variants_that_differ_in_their_lines_only_are_told_apart() -> None:
    text = (
        "block Mix(late)(x: [B, 8]) {\n    a = x -> dense(8)\n    b = a -> dense(8)\n"
        "    if late { c = a + b } else { c = x + b }\n    return c\n}\n"
        "model Net(x: [B, 8]) { return x -> stack i in 0..3 { Mix(i > 0) } }\n"
    )
    assert titles(scene(text, 0).main.children)[1:-1] == [("Mix", "", "no late"), ("Mix", "×2", "late")]


def test_numbers_that_differ_are_listed() -> None:
    text = MLP + "model Net(widths = [64, 128])(x: [B, 3]) { return x -> stack w in widths { Mlp(w) } }\n"
    (level,) = titles(scene(text, 0).main.children)[1:-1]
    assert level == ("Mlp", "×2", "width 64, 128")
    opened = titles(scene(text).main.children)[1:-1]
    assert opened == [("Mlp", "", "width 64"), ("Mlp", "", "width 128")]


def test_what_is_listed_is_bounded() -> None:
    text = MLP + "model Net(x: [B, 3]) { return x -> stack i in 0..100 { Mlp(8 + i) } }\n"
    (level,) = titles(scene(text, 0).main.children)[1:-1]
    assert level == ("Mlp", "×100", "width 8, 9, …, 107")
    assert "… 90 more levels" in [name for name, _, _ in titles(scene(text, 1).main.children)]


def test_equal_numbers_are_said_once() -> None:
    text = MLP + "model Net(x: [B, 3]) { return x -> stack i in 0..3 { Mlp(64) } }\n"
    (level,) = titles(scene(text, 0).main.children)[1:-1]
    assert level == ("Mlp", "×3", "width 64")
    assert titles(scene(text, 1).main.children)[1:-1] == [("Mlp", "", "width 64"), ("Mlp", "×2", "width 64")]  # 3 → 64, 64 → 64


def test_a_list_is_a_hyperparameter_like_others() -> None:
    text = (
        "block Sizes(sizes)(x: [B, C]) { return x -> dense(sizes[0]) -> dense(sizes[1]) }\n"
        "model Net(x: [B, 3]) { return x -> stack s in [[8, 16], [32, 64]] { Sizes(s) } }\n"
    )
    for depth in (0, 1):
        assert [size for _, _, size in titles(scene(text, depth).main.children)[1:-1]] == ["sizes [8, 16]", "sizes [32, 64]"]


def test_equal_levels_of_a_list_without_a_name_say_which_they_are() -> None:
    text = "model Net(x: [B, 8]) { return x -> stack i in 0..4 { dense(16 if i == 0 else 8) -> relu -> dense(8) } }\n"
    assert titles(scene(text).main.children)[1:-1] == [("level 1 of 4", "", "i = 0"), ("levels 2–4 of 4", "×3", "i = 1, 2, 3")]


def test_levels_that_walk_over_tensors_are_fed_all_of_them() -> None:
    text = (
        "model Net(x: [B, 8]) {\n    h, skips = stack i in 0..3 from h = x {\n        h' = h -> dense(8)\n        return h'\n    }\n"
        "    return stack s in skips from h = h { h' = s + h -> dense(8) }\n}\n"
    )
    for depth in (None, 0, 1, 2):
        drawn = scene(text, depth)
        known = {item.id for item in _all(drawn.main.children)}
        assert {end for wire in one_way(drawn) for end in wire} <= known


def _all(children: tuple[Item | Group, ...]) -> list[Item]:
    return [item for child in children for item in (_all(child.children) if isinstance(child, Group) else [child])]

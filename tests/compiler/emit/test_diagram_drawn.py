"""The pictures of the shipped specs, as they come out of a renderer: golden text, names, ×N and shapes in place, nothing over anything."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

from archc.compiler.emit.diagram import dot_of
from archc.compiler.graph import Graph
from archc.compiler.pipeline import compile_source
from archc.dsl.source import Source
from archc.runtime import diagram
from archc.runtime.diagram import DrawingFailed, Format, render

from .graphs import Draft, tower
from .pictures import Box, boxes

SPECS = Path(__file__).parents[3] / "specs"
NAMES = ("mlp", "lenet", "resnet", "autoencoder")
RENDERERS = ("dot", "pure")

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="there is no dot program here")


@cache
def compiled(name: str) -> tuple[Graph, Source]:
    source = Source(f"{name}.arch", (SPECS / f"{name}.arch").read_text(encoding="utf-8"))
    made, report = compile_source(source)
    assert made is not None, report.diagnostics
    return made.graph, source


@cache
def text_of(name: str, depth: int | None = None) -> str:
    graph, source = compiled(name)
    return dot_of(graph, depth, {source.name: source})


@cache
def drawn(name: str, renderer: str, depth: int | None = None) -> list[Box]:
    return boxes(drawn_by(renderer, text_of(name, depth), "svg"))


def drawn_by(renderer: str, text: str, format: Format) -> bytes:
    if renderer == "dot":
        return diagram._with_dot(text, format)
    program = diagram._pure_program()
    assert program is not None
    return diagram._with_pure(program, text, format)


@pytest.fixture(params=[pytest.param("dot", marks=needs_dot), "pure"])
def renderer(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", NAMES)
def test_the_text_is_as_it_was(name: str, golden: Callable[[str | Path, str], None]) -> None:
    golden(f"diagrams/{name}.dot", text_of(name))


@pytest.mark.parametrize(("name", "depth"), [*((name, None) for name in NAMES), ("resnet", 0), ("resnet", 2), ("autoencoder", 0)])
def test_no_two_boxes_overlap(name: str, depth: int | None, renderer: str) -> None:
    nodes = [box for box in drawn(name, renderer, depth) if box.kind == "node" and box.right > box.left]
    for one, other in combinations(nodes, 2):
        assert not one.meets(other), f"{one.words} lies over {other.words}"


@pytest.mark.parametrize("name", NAMES)
def test_groups_hold_or_avoid_each_other(name: str, renderer: str) -> None:
    groups = [box for box in drawn(name, renderer) if box.kind == "cluster"]
    for one, other in combinations(groups, 2):
        assert one.holds(other) or other.holds(one) or not one.meets(other)


@pytest.mark.parametrize("name", NAMES)
def test_words_stay_in_their_boxes(name: str, renderer: str) -> None:
    for box in drawn(name, renderer):
        if box.kind == "node" and box.right > box.left:
            for text in box.texts:
                assert box.left - 1 <= text.left, f"{text.words!r} begins before its box"
                assert text.right <= box.right + 1, f"{text.words!r} runs out of its box"


@pytest.mark.parametrize("name", NAMES)
def test_words_do_not_run_into_each_other(name: str, renderer: str) -> None:
    for box in drawn(name, renderer):
        for one, other in combinations(box.texts, 2):
            if abs(one.base - other.base) < 4 and other.words.strip() and one.words.strip():
                assert one.right <= other.left + 1 or other.right <= one.left + 1, f"{one.words!r} and {other.words!r}"


def words(name: str, renderer: str) -> str:
    return "\n".join(box.words for box in drawn(name, renderer))


def test_lenet_says_everything(renderer: str) -> None:
    said = words("lenet", renderer)
    for line in (
        "image [B, 1, 8, 8]",
        "conv 5×5, 6 156 tanh",
        "[B, 6, 8, 8]",
        "avg_pool 2×2",
        "conv 3×3, 16 880",
        "[B, 16, 2, 2]",
    ):
        assert line in said
    for line in ("flatten dense 64 → 120 7.80 k tanh", "dense 120 → 84 10.2 k", "dense 84 → 10 850", "logits [B, 10]"):
        assert line in said


def test_resnet_shows_its_stages(renderer: str) -> None:
    said = words("resnet", renderer)
    for times in (2, 3, 5):
        assert f"Bottleneck B ×{times}" in said
    assert [line for line in said.split("\n") if line.startswith("level ")] == [
        "level 1 of 4 i = 0, n = 3 216 k",
        "level 2 of 4 i = 1, n = 4 1.22 M",
        "level 3 of 4 i = 2, n = 6 7.10 M",
        "level 4 of 4 i = 3, n = 3 15.0 M",
    ]
    for shape in ("[B, 64, H/2, W/2]", "[B, 256, H/4, W/4]", "[B, 2048, H/32, W/32]", "[B, 1000]"):
        assert shape in said
    assert "conv 1×1, 4·width, stride" in said
    assert "25.6 M parameters" in text_of("resnet")


def test_resnet_shows_its_skip(renderer: str) -> None:
    assert len(re.findall(r'color="#9fb4cc", weight=0', text_of("resnet"))) == 1
    assert words("resnet", renderer).split("\n").count("+") == 2


def test_autoencoder_shows_its_parts_and_outputs(renderer: str) -> None:
    said = words("autoencoder", renderer)
    for line in ("Encoder code 8 2.50 k", "Decoder width 30 2.53 k", "rebuilt [B, 30]", "z [B, 8]", "anomaly [B]", "x²"):
        assert line in said


def test_tips_quote_the_spec(renderer: str) -> None:
    tips = [box.tip for box in drawn("lenet", renderer)]
    assert any("features = image -> conv(6, 5, padding=2)" in tip for tip in tips)


@pytest.mark.parametrize("format", ["svg", "png", "pdf"])
def test_every_format_is_drawn(format: Format, renderer: str) -> None:
    begins = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF-1."}
    for name in ("lenet", "resnet"):
        assert drawn_by(renderer, text_of(name), format).startswith(begins[format])


def test_dot_is_the_text_itself() -> None:
    assert render(text_of("lenet"), "dot").decode() == text_of("lenet")


@pytest.mark.parametrize("format", ["svg", "png", "pdf"])
def test_without_a_dot_program(format: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert len(render(text_of("lenet"), format)) > 1000


def test_without_any_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(diagram, "_pure_program", lambda: None)
    with pytest.raises(DrawingFailed) as failed:
        render(text_of("lenet"), "svg")
    (fault,) = failed.value.report.diagnostics
    assert (fault.code, fault.message) == ("E0790", "the svg picture could not be made: there is no renderer")
    assert "graphviz" in fault.helps[0].text
    assert render(text_of("lenet"), "dot")


def test_a_renderer_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slow = tmp_path / "graphviz-pure"
    slow.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(30)\n")
    slow.chmod(0o755)
    monkeypatch.setattr(diagram, "PATIENCE", 0.2)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(diagram, "_pure_program", lambda: str(slow))
    with pytest.raises(DrawingFailed, match="took longer than"):
        render("digraph {}", "svg")


@needs_dot
def test_a_broken_dot_gives_way_to_the_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "dot"
    broken.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert render(text_of("lenet"), "svg").startswith(b"<?xml")


def test_what_a_spec_says_is_only_ever_text(renderer: str) -> None:
    hostile = '</table>"<script>alert(1)</script>\\N & &lt; ]; evil [label=x]'
    draft = Draft("Net", doc=hostile)
    graph = draft.graph(y=draft.layer("dense", draft.input("x", "B", 8), key=hostile, out_features=8))
    found = drawn_by(renderer, dot_of(graph, sources={"hand.arch": Source("hand.arch", f"\n\n{hostile}\n")}), "svg")
    assert b"<script" not in found
    assert [box.words for box in boxes(found) if box.kind == "node"] == ["x [B, 8]", "dense 8 → 8 72", "y [B, 8]"]
    assert hostile.replace("\\", "∖") in "".join(box.tip for box in boxes(found))


def test_large_graphs_are_drawn_in_time(renderer: str) -> None:
    assert "×10000" in "\n".join(box.words for box in boxes(drawn_by(renderer, dot_of(tower(10_000)), "svg")))


def test_the_picture_of_the_readme_is_of_today() -> None:
    """The words in it, at least: renderers place them each in their own way."""
    file = Path(__file__).parents[3] / "docs" / "pictures" / "lenet.svg"
    kept = {box.words for box in boxes(file.read_bytes()) if box.kind == "node"}
    assert kept == {box.words for box in drawn("lenet", "pure") if box.kind == "node"}

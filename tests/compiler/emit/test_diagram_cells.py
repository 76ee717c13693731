"""Cells in pictures: one step, with its gates by name, and what it keeps led back to where it is read."""

from collections.abc import Callable, Iterator
from pathlib import Path

from archc.compiler.emit.diagram import dot_of, scene_of
from archc.compiler.emit.diagram.scene import Group, Item
from archc.compiler.graph import Graph
from archc.compiler.pipeline import compile_source
from archc.dsl.source import Source

CELLS = (Path(__file__).parents[3] / "specs" / "std" / "recurrent.arch").read_text(encoding="utf-8")
SPEAKER = """
model Speaker(frames: [B, T, 12], length: int[B]) {
    h = frames -> bidirectional(LSTM(64), length=length)
    _, last = h -> recur(GRU(64), length=length)
    return last.h -> dense(9)
}
"""


def speaker() -> Graph:
    made, report = compile_source(Source("speaker.arch", CELLS + SPEAKER), read=lambda *_: "is not there", schema=lambda _: None)
    assert made is not None, report.diagnostics
    return made.graph


def test_the_whole_picture(golden: Callable[[str, str], None]) -> None:
    golden("diagrams/speaker.dot", dot_of(speaker(), 2))


def test_states_are_led_back_in_each_cell() -> None:
    scene = scene_of(speaker(), 2)
    groups = [child for child in scene.main.children if isinstance(child, Group)]
    assert [group.title.size for group in groups] == ["width 64, over time, both ways", "width 64, over time"]
    led_back = [wire for wire in scene.main.wires if wire.kind == "next"]
    assert [wire.label for wire in led_back] == ["next h", "next c", "next h"]


def test_gates_have_their_names() -> None:
    said = [strip.name for item in _items(scene_of(speaker(), 2).main.children) for strip in item.strips if strip.hue == "gate"]
    assert said == ["i", "f", "o", "r", "z"]


def _items(children: tuple[Item | Group, ...]) -> Iterator[Item]:
    for child in children:
        yield from _items(child.children) if isinstance(child, Group) else [child]


def test_gates_are_circles_with_their_symbols() -> None:
    gates = [item for item in _items(scene_of(speaker(), 2).main.children) if item.kind == "gate"]
    assert [(item.strips[0].name, item.strips[0].size) for item in gates] == [(name, "σ") for name in "iforz"]


def test_the_line_of_a_state_runs_through_the_step() -> None:
    """c of an LSTM and h of a GRU go through a product and a sum; h of an LSTM is made anew, and has no line."""
    scene = scene_of(speaker(), 2)
    said = {item.id: item.strips[0].name for item in _items(scene.main.children)}
    lines = [(said[wire.tail], said[wire.head]) for wire in scene.main.wires if wire.kind == "state"]
    assert lines == [("c", "×"), ("×", "+"), ("h", "×"), ("×", "+")]


def test_the_step_back_in_time_is_marked_and_so_are_directions() -> None:
    assert dot_of(speaker(), 2).count("z⁻¹") == 3
    groups = [child for child in scene_of(speaker(), 2).main.children if isinstance(child, Group)]
    assert [group.title.times for group in groups] == ["⇄", ""]

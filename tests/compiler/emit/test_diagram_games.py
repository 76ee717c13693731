"""Games in pictures: a hue for each player, a box for each objective, and a line back to the weights that it moves."""

from __future__ import annotations

import re
from pathlib import Path

from archc.compiler.emit.diagram import scene_of
from archc.compiler.emit.diagram.dot import write
from archc.compiler.emit.diagram.scene import Group, Item, Scene
from archc.compiler.pipeline import compile_source
from archc.dsl.source import Source

SPECS = Path(__file__).parents[3] / "specs"


def scene(name: str) -> Scene:
    compiled, report = compile_source(Source(f"{name}.arch", (SPECS / f"{name}.arch").read_text()))
    assert compiled is not None, [d.message for d in report.diagnostics]
    return scene_of(compiled.graph)


def drawn(children: tuple[Item | Group, ...]) -> dict[str, Item | Group]:
    """Everything of the main sketch by its id."""
    found: dict[str, Item | Group] = {}
    for child in children:
        found[child.id] = child
        if isinstance(child, Group):
            found |= drawn(child.children)
    return found


def test_each_player_has_a_hue_of_its_own_wherever_it_stands() -> None:
    found = drawn(scene("cyclegan").main.children)
    titles = [item.title if isinstance(item, Group) else item.strips[0] for item in found.values()]
    hues = {strip.name: {other.hue for other in titles if other.name == strip.name} for strip in titles if ": " in strip.name}
    assert sorted(hues) == ["OfBoard: Discriminator", "OfPaper: Discriminator", "ToBoard: Translator", "ToPaper: Translator"]
    assert all(len(kinds) == 1 for kinds in hues.values())
    assert len({hue for kinds in hues.values() for hue in kinds}) == 4


def test_an_objective_is_a_box_that_leads_back_to_the_weights_it_moves() -> None:
    """Of aae the first moves two players; the encoder is opened, and the line ends at its frame."""
    picture = scene("aae")
    found = drawn(picture.main.children)
    lines = [wire for wire in picture.main.wires if wire.kind == "moves"]
    told = []
    for wire in lines:
        box = found[wire.tail]
        assert isinstance(box, Item)
        goal = found[wire.into] if wire.into else found[wire.head]
        title = goal.title if isinstance(goal, Group) else goal.strips[0]
        told.append(([strip.name for strip in box.strips], title.name.partition(":")[0], title.hue == wire.hue))
    both = ["E minimizes", "R minimizes"]
    assert told == [(both, "E", True), (both, "R", True), (["D minimizes"], "D", True), (["E minimizes"], "E", True)]
    assert len(re.findall(r"moves [ERD]>", write(picture))) == 4


def test_a_draw_of_plain_numbers_comes_from_nothing() -> None:
    picture = scene("gan")
    draw = next(
        id for id, item in drawn(picture.main.children).items() if isinstance(item, Item) and item.strips[0].hue == "draw"
    )
    assert all(wire.head != draw for wire in picture.main.wires)


def test_modules_that_hand_up_stand_side_by_side() -> None:
    assert "rankdir=LR" in write(scene("dsn"))
    assert all("rankdir=TB" in write(scene(name)) for name in ("unet", "densenet", "dbn"))

"""Energies in pictures: units face to face, and in a stack of them only the topmost two without a direction."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from archc.compiler.emit.diagram import dot_of
from archc.compiler.pipeline import compile_source
from archc.dsl.source import Source

SPECS = Path(__file__).parents[3] / "specs"
ENERGY = """
energy RBM(hidden)(v: binary[B, D]) {
    latent h: binary[B, hidden]
    param W: [D, hidden] = normal(std=0.1)
    return -sum((v @ W) * h, dim=-1)
}
"""
STACK = """
model Stack(pixels: [B, 64]) {
    code = pixels -> RBM(32) -> RBM(16)
    return code -> dense(10)
}
"""
SEVERAL = """
energy Several(v: binary[B, 3], y: onehot[B, 3], u: [B, 2]) {
    latent h: binary[B, 2]
    param W: [3, 2] = normal(std=1.0)
    param A: [2, 2] = normal(std=1.0)
    return -sum((v @ W + y @ W + u @ A) * h, dim=-1) - sum(v * y, dim=-1)
}
"""


def drawing(text: str) -> str:
    compiled, report = compile_source(Source("m.arch", text))
    assert compiled is not None, [d.message for d in report.diagnostics]
    return dot_of(compiled.graph)


def test_only_the_topmost_pair_of_a_stack_has_no_direction() -> None:
    found = drawing(ENERGY + STACK)
    assert len(re.findall(r"dir=back", found)) == 1
    assert len(re.findall(r"dir=none", found)) == 1
    assert found.index("dir=back") < found.index("dir=none"), "the lower one points down"
    assert "binary 32" in found
    assert "binary 16" in found


@pytest.mark.parametrize(
    ("flow", "down", "levels"),
    [
        ("stack n in [32, 16, 16] { RBM(n) }", 2, 3),
        ("stack 4 { RBM(64) }", 1, 2),  # three are one drawing
        ("RBM(32) -> stack n in [16, 8] { RBM(n) }", 2, 3),
        ("stack n in [32, 16] { RBM(n) } -> RBM(8)", 2, 3),
    ],
)
def test_a_stack_of_energies_is_directed_but_for_its_top(flow: str, down: int, levels: int) -> None:
    found = drawing(ENERGY + STACK.replace("RBM(32) -> RBM(16)", flow))
    assert len(re.findall(r"dir=back", found)) == down
    assert len(re.findall(r"dir=none", found)) == 1
    assert max(m.start() for m in re.finditer("dir=back", found)) < found.index("dir=none")
    assert found.count("RBM") >= levels


@pytest.mark.parametrize("name", ["dbn", "dsn"])
def test_the_pictures_of_what_is_trained_in_stages(name: str, golden: Callable[[str | Path, str], None]) -> None:
    golden(f"diagrams/{name}.dot", drawing((SPECS / f"{name}.arch").read_text(encoding="utf-8")))


def test_hidden_units_that_meet_face_each_other() -> None:
    found = drawing("""
energy Deep(v: binary[B, 4]) {
    latent h: binary[B, 3]
    latent g: binary[B, 2]
    param W: [4, 3] = normal(std=1.0)
    param U: [3, 2] = normal(std=1.0)
    return -sum((v @ W) * h, dim=-1) - sum((h @ U) * g, dim=-1)
}
""")
    assert len(re.findall(r"dir=none", found)) == 2, "v h, h g"


def test_blocks_that_meet_have_a_line_and_what_is_given_an_arrow() -> None:
    found = drawing(SEVERAL)
    assert len(re.findall(r"dir=none", found)) == 3, "v h, y h, v y"
    assert len(re.findall(r" -> ", found)) == 3 + 2 + 1 + 1, "the lines, v and y given, u to h, and h out"

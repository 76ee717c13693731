"""Energies in pictures: units face to face, and in a stack of them only the topmost two without a direction."""

from __future__ import annotations

import re

from archc.compiler.emit.diagram import dot_of
from archc.compiler.pipeline import compile_source
from archc.dsl.source import Source

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


def test_blocks_that_meet_have_a_line_and_what_is_given_an_arrow() -> None:
    found = drawing(SEVERAL)
    assert len(re.findall(r"dir=none", found)) == 3, "v h, y h, v y"
    assert len(re.findall(r" -> ", found)) == 3 + 2 + 1 + 1, "the lines, v and y given, u to h, and h out"

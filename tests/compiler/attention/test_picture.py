"""The small picture of a mask, and where it stands in a diagram."""

import pytest

from archc.compiler.attention.picture import picture
from archc.compiler.graph import Graph
from archc.compiler.layers.attention import Attend
from archc.dsl.source import Source
from archc.runtime.compiling import Wanted, compiled

TEXT = """
attention Own(x: [B, T, D], keep: bool[B, T]) -> [B, T, D] {
    MASK
    return attend(x -> dense(D), x -> dense(8), x -> dense(8), heads=4, kv_heads=2GIVEN)
}
model Net(x: [B, T, 16], keep: bool[B, T]) -> [B, T, 16] {
    return Own(x, keep)
}
"""


def attend_of(graph: Graph) -> Attend:
    found = [node.op for _, inner in graph.children() for node in inner.nodes if isinstance(node.op, Attend)]
    return found[0]


def spec(mask: str) -> str:
    return TEXT.replace("MASK", f"mask[i, j] = {mask}" if mask else "").replace("GIVEN", ", mask=mask" if mask else "")


@pytest.mark.parametrize(
    ("mask", "rows"),
    [
        ("", ("####",) * 4),
        ("j <= i", ("#...", "##..", "###.", "####")),
        ("not (j > i)", ("#...", "##..", "###.", "####")),
        ("abs(i - j) < 2", ("##..", "###.", ".###", "..##")),
        ("j <= i and i - j < 200", ("#...", "##..", ".##.", "..##")),
        ("i // 2 == j // 2", ("##..", "##..", "..##", "..##")),
        ("j < 2 or j <= i", ("##..", "##..", "###.", "####")),
        ("keep[0, j] and j <= i", ("?...", "??..", "???.", "????")),
    ],
)
def test_a_mask_is_drawn_as_what_is_seen(mask: str, rows: tuple[str, ...]) -> None:
    graph = compiled(Source("net.arch", spec(mask)), Wanted()).graph
    assert picture(attend_of(graph).mask, 4) == rows


def test_the_diagram_shows_mask_and_heads() -> None:
    dot = compiled(Source("net.arch", spec("j <= i")), Wanted()).diagram(depth=3).dot
    assert "4 heads of 4, 2 key heads, each for 2" in dot
    assert dot.count('width="5" height="5"') == 64
    svg = compiled(Source("net.arch", spec("j <= i")), Wanted()).diagram(depth=3).svg
    assert "4 heads of 4" in svg

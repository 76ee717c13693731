"""Rules of the passes, one by one."""

from __future__ import annotations

import time

import torch

from archc.compiler.emit.torch import emit_module
from archc.compiler.graph import Graph, Repeat
from archc.compiler.passes.drop_unused import DropUnused
from archc.compiler.passes.fold import FURTHEST, Fold
from archc.compiler.passes.fold_norms import fold_norms, folded_state
from archc.compiler.passes.order import PASSES

from ..emit.torch.running import graph_of
from .running import after, assert_equal, batch, network, run

THREE = """
block Three(x: [B, D]) {
    a = x -> dense(D)
    b = a * 2
    c = b + a
    return a, b, c
}
"""


def titles(graph: Graph) -> list[str]:
    return [node.op.title for node in graph.nodes]


def test_a_graph_with_nothing_to_do_is_the_same_object() -> None:
    graph = graph_of("model M(x: [B, 8]) { return x -> stack 3 { dense(8) -> relu } -> dense(2) }")
    assert PASSES.run(graph) is graph


def test_a_part_used_twice_stays_one_graph() -> None:
    spec = "block P(x: [B, D]) { return x * 1 -> dense(D) }\nmodel M(x: [B, 8]) {\n    layer p = P\n    return p(x) + p(x * 2)\n}"
    graph = after(graph_of(spec), *PASSES.passes)
    parts = [part for _, part in graph.children()]
    assert len(parts) == 2
    assert parts[0] is parts[1]
    assert titles(parts[0]) == ["input", "dense"]


def test_a_part_that_another_user_reads_whole_returns_all() -> None:
    spec = f"{THREE}model M(x: [B, 8]) {{\n    a, b, c = x -> Three\n    d = c -> Three\n    return a + b + d\n}}"
    graph = after(graph_of(spec), *PASSES.passes)
    assert [len(part.outputs) for _, part in graph.children()] == [3, 3]
    assert emit_module(graph, "spec.arch").text.count("class Three") == 1


def test_a_level_of_one_call_gives_the_first_of_what_it_gives() -> None:
    middle = "    h, both = stack 2 from h = x {\n        a, b, c = h -> Three\n        h' = a\n        return b, c\n    }\n"
    for read in (0, 1):
        end = f"    first = both[0]\n    chosen, _other = first\n    return h + {'chosen' if read == 0 else '_other'}\n"
        old = graph_of(f"{THREE}model M(x: [B, 8]) {{\n{middle}{end}}}")
        new = after(old, DropUnused())
        assert_equal(network(old), network(new), batch(old))
        (stack,) = (node.op for node in new.nodes if isinstance(node.op, Repeat))
        assert stack.collects == (1 if read == 0 else 2)


def test_what_is_dropped_inside_a_part_drops_what_came_into_it() -> None:
    spec = f"""{THREE}
block Outer(x: [B, D], y: [B, D]) {{
    a, b, c = x -> Three
    s = stack 2 from h = a {{ h' = h + y * 0.5 }}
    return s, b, c * y
}}
model M(x: [B, 8], y: [B, 8]) {{
    s, _b, _c = (x, y) -> Outer
    return s
}}
"""
    old = graph_of(spec)
    new = after(old, *PASSES.passes)
    (outer,) = (part for _, part in new.children())
    assert len(outer.outputs) == 1
    assert titles(outer) == ["input", "input", "Three", "stack"]
    assert [len(part.outputs) for _, part in outer.children()] == [1, 1]
    assert_equal(network(old), network(new), batch(old))


def test_a_long_chain_is_looked_at_in_bounded_time() -> None:
    chain = " -> ".join(["unsqueeze(1)"] * 300 + ["squeeze(dim=1)"] * 300)
    start = time.process_time()
    graph = graph_of(f"model M(x: [B, 8]) {{ return x -> {chain} }}")
    elaborated = time.process_time()
    assert titles(after(graph, Fold(), DropUnused())) == ["input"]
    assert time.process_time() - elaborated < 2 * (elaborated - start) + 0.2
    assert FURTHEST < 600


def test_norms_of_a_part_that_is_shared_by_levels() -> None:
    spec = """
block Normed(x: [B, C, H, W]) { return x -> conv(C, 1) -> batch_norm }
model M(x: [B, 4, H, W]) {
    layer f = Normed
    layer g = conv(4, 1)
    h = x -> stack 2 { f -> g -> batch_norm -> Normed }
    return f(h)
}
"""
    graph = graph_of(spec)
    new, foldings = fold_norms(graph)
    assert [folding.layer for folding in foldings] == ["f.conv1", "stack1.0.normed1.conv1", "stack1.1.normed1.conv1"]
    trained, exported = network(graph).eval(), network(new).eval()
    exported.load_state_dict(folded_state(trained.state_dict(), foldings))
    given = batch(graph)
    torch.testing.assert_close(run(exported, given)[0], run(trained, given)[0], rtol=1e-9, atol=1e-9)


HAND = "block Hand(x: [B, D]) { return x * 1 }\n"


def test_parts_and_stacks_that_hand_on_what_they_get_go_away() -> None:
    for flow in ("Hand", "stack 3 { Hand }", "stack 2 { dropout(0) }", "stack 2 { permute(0, 1) }", "stack 3 tied { Hand }"):
        graph = graph_of(f"{HAND}model M(x: [B, 8]) {{ return x -> {flow} -> dense(2) }}")
        assert titles(after(graph, *PASSES.passes)) == ["input", "dense"], flow


def test_copies_that_hand_on_go_away_side_by_side() -> None:
    graph = graph_of("model M(x: [B, 8]) { return sum(x -> parallel 3 { dropout(0) }) -> dense(2) }")
    new = after(graph, *PASSES.passes)
    assert "parallel" not in titles(new)
    assert_equal(network(graph), network(new), batch(graph))


def test_values_that_change_places_are_not_handed_on() -> None:
    spec = """
model M(x: [B, 8], y: [B, 8]) {
    a, b, seen = stack 3 from a = x, b = y {
        a' = b
        b' = a
        return a
    }
    first = seen[0] + 0
    last = seen[2] * 1
    return a - b, first, last
}
"""
    graph = graph_of(spec)
    new = after(graph, *PASSES.passes)
    assert "stack" in titles(new)
    assert_equal(network(graph), network(new), batch(graph))


def test_what_the_text_names_draws_or_checks_stays() -> None:
    spec = """
block Checked(x: [B, D]) {
    assert B > 1
    return x * 1
}
block Noisy(x: [B, D]) { return x -> dropout(0.5) }
model M(x: [B, 8]) {
    layer named = dropout(0)
    y = x -> dropout(0) as quiet -> dense(8)
    unread = y -> Checked
    drawn = y -> Noisy
    gone = y -> relu -> dropout(0)
    return named(y)
}
"""
    assert titles(after(graph_of(spec), *PASSES.passes)) == ["input", "dropout", "dense", "Checked", "Noisy", "dropout"]


def test_levels_of_one_type_cost_the_passes_nothing() -> None:
    def cost(levels: int) -> float:
        graph = graph_of(f"model M(x: [B, 8]) {{ return x -> stack {levels} {{ dense(8) -> relu -> relu }} -> dense(2) }}")
        start = time.process_time()
        for _ in range(20):
            PASSES.run(graph)
        return time.process_time() - start

    assert cost(10_000) < 3 * cost(10) + 0.05

"""Drawn programs: with all passes and without, the same keys, outputs, gradients and buffers; and the passes leave nothing to do."""

from __future__ import annotations

import pytest

from archc.compiler.passes.order import PASSES

from ..emit.torch.running import graph_of
from .drawn import Program
from .running import assert_equal, batch, network


def look_at(seed: int) -> None:
    text = Program(seed).text()
    graph = graph_of(text)
    rewritten = PASSES.run(graph)
    try:
        assert_equal(network(graph), network(rewritten), batch(graph))
        assert PASSES.run(rewritten) is rewritten
    except AssertionError as error:
        raise AssertionError(f"program {seed}:\n{text}") from error


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_nothing_changes(start: int) -> None:
    for seed in range(start, start + 10):
        look_at(seed)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 2000, 100))
def test_nothing_changes_in_a_thousand(start: int) -> None:
    for seed in range(start, start + 100):
        look_at(seed)


def test_there_is_something_to_do() -> None:
    """Most programs are rewritten, and by each pass but those of experts and images, which are not drawn and have tests of their own."""
    graphs = [graph_of(Program(seed).text()) for seed in range(20)]
    for step in (step for step in PASSES.passes if step.name not in ("route", "channels-last")):
        assert sum(step.run(graph) is not graph for graph in graphs) >= 10, step.name

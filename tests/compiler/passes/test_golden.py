"""Each pass as text, before and after, and both texts executed: the same outputs, gradients and keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from archc.compiler.emit.torch import emit_module
from archc.compiler.graph import Graph
from archc.compiler.passes.base import Pass
from archc.compiler.passes.channels_last import ChannelsLast
from archc.compiler.passes.drop_unused import DropUnused
from archc.compiler.passes.fold import Fold
from archc.compiler.passes.fold_norms import fold_norms, folded_state
from archc.compiler.passes.order import PASSES
from archc.compiler.passes.share import Share

from ..emit.torch.running import HERE, graph_of
from .running import after, assert_equal, batch, network, run

GOLDEN = HERE / "golden" / "passes"
DROP = DropUnused()
STEPS: dict[str, tuple[Pass, ...]] = {
    "fold": (Fold(), DROP),
    "share": (Share(), DROP),
    "drop_unused": (DROP,),
    "channels_last": (ChannelsLast(),),
    "all": PASSES.passes,
}
FILES = sorted(GOLDEN.glob("*.arch"))
TRAINED = [file for file in FILES if not file.stem.startswith("fold_norms")]
EXPORTED = [file for file in FILES if file.stem.startswith("fold_norms")]


def graphs(file: Path) -> tuple[Graph, Graph]:
    """The graph of a spec before and after the passes that its name begins with."""
    graph = graph_of(file.read_text(), file.name)
    if file in EXPORTED:
        return graph, fold_norms(graph)[0]
    return graph, after(graph, *next(steps for name, steps in STEPS.items() if file.stem.startswith(name)))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_text(file: Path, golden: Callable[[str, str], None]) -> None:
    for name, graph in zip(("before", "after"), graphs(file), strict=True):
        golden(f"passes/{file.stem}.{name}.py.txt", emit_module(graph, file.name).text)


@pytest.mark.parametrize("file", TRAINED, ids=lambda file: file.stem)
def test_nothing_else_changes(file: Path) -> None:
    old, new = graphs(file)
    assert_equal(network(old), network(new), batch(old))


@pytest.mark.parametrize("file", TRAINED, ids=lambda file: file.stem)
def test_a_second_time_nothing_is_left_to_do(file: Path) -> None:
    for step in PASSES.passes:
        new = after(graph_of(file.read_text(), file.name), *PASSES.passes)
        assert step.run(new) is new


@pytest.mark.parametrize("file", EXPORTED, ids=lambda file: file.stem)
def test_norms_folded_into_trained_weights(file: Path) -> None:
    graph = graph_of(file.read_text(), file.name)
    new, foldings = fold_norms(graph)
    trained, exported = network(graph).eval(), network(new).eval()
    state = folded_state(trained.state_dict(), foldings)
    exported.load_state_dict(state, strict=True)
    assert len(foldings) == len({folding.norm for folding in foldings}) == 13
    given = batch(graph)
    expected, expected_gradients = run(trained, given)
    found, gradients = run(exported, given)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    for name in ("input 0", "input 1"):
        torch.testing.assert_close(gradients[name], expected_gradients[name], rtol=1e-9, atol=1e-9)


def test_other_hyperparameters_are_right_after_folding() -> None:
    graph = graph_of((GOLDEN / "fold_by_text.arch").read_text())
    new = after(graph, *PASSES.passes)
    x, t = batch(graph)
    wide = torch.cat((x, x), dim=1).detach().requires_grad_()
    other = {"scale": 3, "shift": 0.5, "width": 16}
    assert_equal(network(graph, **other), network(new, **other), [wide, t])

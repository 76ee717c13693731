"""The kinds of recurrence: what waits for the step before, in how many rounds, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc.compiler.emit.summary import summarise
from archc.compiler.graph import Graph, Node, Penalty, Recur, Ref, State
from archc.compiler.recurrence.stages import Stages, stages
from archc.dsl.span import NOWHERE

from ..spec import graph

CELLS = (Path(__file__).parents[3] / "specs" / "std" / "recurrent.arch").read_text(encoding="utf-8")


def model(cell: str) -> Graph:
    return graph(f"{CELLS}\nmodel Net(x: [B, T, 8]) {{\n    y, last = x -> recur({cell})\n    return y\n}}\n")


def step(cell: str) -> Graph:
    """The step of a cell of the standard library."""
    (found,) = (node.op for node in model(cell).nodes if isinstance(node.op, Recur))
    return found.graph


def own(body: str) -> Stages:
    """The kind of a cell with one state `h`, as wide as its input."""
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    text = f"cell Own(x: [B, D]) {{\n    state h: [B, D]\n{lines}\n    return h'\n}}\n"
    made = graph(f"{text}model Net(x: [B, T, 8]) {{\n    y, last = x -> recur(Own())\n    return y\n}}\n")
    (found,) = (node.op for node in made.nodes if isinstance(node.op, Recur))
    return stages(found.graph)


@pytest.mark.parametrize(
    ("cell", "kind", "fused"),
    [
        ("RNN(8)", "elementwise", [1]),
        ("LSTM(8)", "elementwise", [4]),
        ("GRU(8)", "elementwise", [3]),
        ("PeepholeLSTM(8)", "elementwise", [4]),
        ("CoupledLSTM(8)", "elementwise", [3]),
        ("SLSTM(8)", "elementwise", [4]),
        ("JANET(8)", "elementwise", [2]),
        ("IndRNN(8)", "elementwise", []),
        ("SRU(8)", "elementwise", []),
        ("MinGRU(8)", "linear", []),
        ("MinLSTM(8)", "linear", []),
        ("OriginalGRU(8)", "staged", [2, 1]),
        ("LayerNormLSTM(8)", "staged", [4]),
        ("ZoneoutLSTM(8)", "elementwise", [4]),
    ],
)
def test_the_cells_of_the_literature(cell: str, kind: str, fused: list[int]) -> None:
    found = stages(step(cell))
    assert (found.kind, [len(product.nodes) for stage in found.stages for product in stage.products]) == (kind, fused)


@pytest.mark.parametrize("cell", ["LSTM(8)", "SRU(8)", "OriginalGRU(8)", "LayerNormLSTM(8)", "MinGRU(8)"])
def test_each_node_is_in_one_place_and_reads_what_is_there(cell: str) -> None:
    made = step(cell)
    found = stages(made)
    ready = {n for n, node in enumerate(made.nodes) if not node.refs or isinstance(node.op, State)}
    placed = list(found.ahead)
    assert not {n for n, node in enumerate(made.nodes) if isinstance(node.op, State)} & made.ancestors(set(found.ahead))
    for n in found.ahead:
        assert {ref.node for ref in made.nodes[n].refs} <= ready
        ready.add(n)
    for stage in found.stages:
        products = {n for product in stage.products for n in product.nodes}
        for product in stage.products:
            assert {ref.node for ref in product.operands} <= ready
        for n in sorted({*products, *stage.rows, *stage.lanes}):
            assert {ref.node for ref in made.nodes[n].refs} <= ready
            ready.add(n)
        placed += [*products, *stage.rows, *stage.lanes]
    assert len(placed) == len(set(placed))
    assert {output.ref.node for output in made.outputs} <= ready


def test_products_of_one_operand_are_one_and_others_are_not() -> None:
    found = own("c = dense(8)(x, h) * dense(8)(h)\nh' = c + dense(8)(h * c)")
    assert [[len(product.nodes) for product in stage.products] for stage in found.stages] == [[2], [1]]
    assert (found.kind, found.reason) == ("staged", "2 rounds a step")


def test_a_product_that_no_state_leads_to_is_computed_ahead() -> None:
    found = own("h' = tanh(dense(8)(relu(dense(8)(x))) + h)")
    assert (len(found.ahead), found.kind, found.reason) == (3, "elementwise", "no product of states")


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        ("h' = h * sigmoid(x) + x", "linear", "no factor of a state reads one"),
        ("h' = h * h + x", "elementwise", "no product of states"),
        ("h' = h / (1 + exp(x)) - x", "linear", "no factor of a state reads one"),
        ("h' = x / (1 + exp(h))", "elementwise", "no product of states"),
        ("h' = softmax(h) + x", "staged", "it reads whole rows of a state"),
        ("h' = softmax(h, dim=0) + x", "plain", "softmax is no function of units or rows"),
        ("h' = dropout(0.5)(h) + x", "linear", "no factor of a state reads one"),
        ("h' = alpha_dropout(0.5)(h) + x", "plain", "alpha_dropout is not the same each time"),
        ("h' = h + alpha_dropout(0.5)(x)", "plain", "alpha_dropout is not the same each time"),
    ],
)
def test_what_decides(body: str, kind: str, reason: str) -> None:
    found = own(body)
    assert (found.kind, found.reason) == (kind, reason)
    assert bool(found.stages) == (kind != "plain")


def test_a_state_of_images_is_plain() -> None:
    made = graph(f"{CELLS}\nmodel Net(x: [B, T, 3, 8, 8]) {{\n    y, last = x -> recur(ConvLSTM(4))\n    return y\n}}\n")
    (found,) = (node.op for node in made.nodes if isinstance(node.op, Recur))
    assert (stages(found.graph).kind, stages(found.graph).reason) == ("plain", "a state has 4 dims")


def test_a_step_that_does_more_than_compute_its_outputs_is_plain() -> None:
    made = step("MinGRU(8)")
    extra = Node(op=Penalty(name="small"), inputs=(Ref(0),), outputs=(), span=NOWHERE)
    found = stages(made.model_copy(update={"nodes": (*made.nodes, extra)}))
    assert (found.kind, found.reason) == ("plain", "it has a penalty of its own")


def test_the_summary_says_so() -> None:
    rows = summarise(model("GRU(8)")).rows
    (at,) = (n for n, row in enumerate(rows) if row.layer == "GRU")
    assert (rows[at].note, rows[at + 1].layer, rows[at + 1].note) == (
        "over time",
        "elementwise",
        "3 products of states in 1; a kernel on a CPU; on a GPU cuDNN's GRU, which has not been run there yet",
    )

"""The table of a graph: what is counted, how often, and as which formula."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from archc.compiler.emit.costs import Costs
from archc.compiler.emit.summary import Row, Summary, summarise
from archc.compiler.graph import Graph
from archc.compiler.pipeline import compile_source
from archc.compiler.shapes import Dim
from archc.dsl.source import Source

from .graphs import Draft, chain, doubling, tower

SPECS = Path(__file__).parents[3] / "specs"


def small() -> Graph:
    draft = Draft("Small")
    x = draft.layer(
        "conv", draft.input("image", "B", 3, "H", "W"), key="conv1", out_channels=8, kernel_size=3, padding=1, bias=False
    )
    x = draft.layer("relu", draft.layer("batch_norm", x, key="batch_norm1"))
    x = draft.layer("global_avg_pool", x)
    return draft.graph(logits=draft.layer("dense", x, key="dense1", out_features=10))


def row(summary: Summary, layer: str) -> Row:
    return next(found for found in summary.rows if found.layer == layer)


def test_rows_stand_in_the_order_of_the_text() -> None:
    summary = summarise(small())
    assert [found.layer for found in summary.rows] == ["input", "conv", "batch_norm", "relu", "global_avg_pool", "dense"]
    assert [found.path for found in summary.rows] == ["image", "conv1", "batch_norm1", "", "", "dense1"]
    assert row(summary, "conv").arguments == "8, 3, padding=1, bias=false"
    assert row(summary, "conv").shape == "[B, 8, H, W]"


def test_parameters_are_learned_and_buffers_are_apart() -> None:
    summary = summarise(small())
    assert summary.parameters == 8 * 3 * 9 + 16 + 90
    assert row(summary, "batch_norm").buffers == summary.buffers == 17  # two statistics, and how many batches there were


def test_costs_are_formulae() -> None:
    summary = summarise(small())
    b, h, w = (Dim.of(name) for name in ("B", "H", "W"))
    assert row(summary, "conv").multiply_adds == 216 * b * h * w
    assert summary.multiply_adds == 216 * b * h * w + 80 * b
    assert summary.flops == 2 * summary.multiply_adds
    assert summary.activation_bytes == 4 * (3 * 8 * b * h * w + 8 * b + 10 * b)
    assert summary.dims == ("B", "H", "W")


def test_numbers_are_put_in() -> None:
    summary = summarise(small()).at({"B": 2, "H": 8})
    assert summary.dims == ("W",)
    assert row(summary, "conv").shape == "[2, 8, 8, W]"
    full = summary.at({"W": 4})
    assert full.multiply_adds == 216 * 2 * 8 * 4 + 160
    assert full.parameters == summarise(small()).parameters


def test_a_name_that_is_no_free_dim_is_refused() -> None:
    with pytest.raises(KeyError):
        summarise(small()).at({"Q": 2})


def test_a_stack_counts_its_levels() -> None:
    one, twelve = summarise(tower(1)), summarise(tower(12))
    head, level = 64 * 10 + 10, 64 * 64 + 64 + 128
    assert one.parameters == head + level
    assert twelve.parameters == head + 12 * level
    stack = row(twelve, "stack")
    assert (stack.count, stack.parameters, stack.path) == (Dim.of(12), 12 * level, "stack1")
    assert row(twelve, "Residual").path == "stack1.0-11.residual"
    assert row(twelve, "Residual").parameters == level


def test_a_tied_stack_counts_its_weights_once_and_its_work_each_time() -> None:
    tied, free = summarise(tower(12, tied=True)), summarise(tower(12))
    assert tied.parameters == summarise(tower(1)).parameters
    assert tied.multiply_adds == free.multiply_adds
    assert row(tied, "stack").note == "one set of weights"


def test_shared_weights_count_once() -> None:
    draft = Draft("Shared")
    x = draft.input("x", "B", 8)
    x = draft.layer("dense", draft.layer("dense", x, key="f", out_features=8), key="f", out_features=8)
    summary = summarise(draft.graph(y=x))
    assert summary.parameters == 72
    assert summary.multiply_adds == 128 * Dim.of("B")
    assert [found.note for found in summary.rows] == ["", "", "same weights as f"]


def test_parameters_and_buffers_of_a_body() -> None:
    draft = Draft("Own")
    x = draft.input("x", "B", 8)
    draft.param("queue", 100, 8, learned=False)
    summary = summarise(draft.graph(y=draft.layer("+", x, draft.param("shift", 8))))
    assert (summary.parameters, summary.buffers) == (8, 800)
    assert [found.layer for found in summary.rows] == ["input", "buffer", "param", "+"]


def test_views_take_no_memory() -> None:
    draft = Draft("View")
    graph = draft.graph(y=draft.layer("flatten", draft.input("x", "B", 3, 4)))
    assert summarise(graph).activation_bytes == 0


def test_json_says_the_totals() -> None:
    told = json.loads(json.dumps(summarise(small()).json_object()))
    assert told["parameters"] == 322
    assert told["flops"] == "432 * B * H * W + 160 * B"
    assert told["layers"][1]["outputs"] == [{"dtype": "float", "shape": ["B", 8, "H", "W"]}]
    numbers = summarise(small()).at({"B": 1, "H": 8, "W": 8}).json_object()
    assert (numbers["flops"], numbers["activation_bytes"]) == (432 * 64 + 160, 4 * (24 * 64 + 18))


def test_blocks_within_blocks_are_counted_in_time() -> None:
    summary = summarise(doubling(40))
    assert summary.parameters == 72 * 2**40
    assert len(summary.rows) <= 5001
    assert summary.rows[-1].note.startswith("the table ends after 5000 rows")


def test_ten_thousand_levels_cost_what_ten_do() -> None:
    assert len(summarise(tower(10_000)).rows) == len(summarise(tower(10)).rows)


def test_deep_nesting_does_not_recurse() -> None:
    graph = chain(1)
    for number in range(3000):
        draft = Draft(f"Floor{number}")
        graph = draft.graph(y=draft.use(graph, draft.input("x", "B", 8), key="inner"))
    assert Costs(graph).of(graph).total == 72


SHARED = """\
model Net(depth = 3)(x: [B, 8]) -> [B, 8] {
    layer f = dense(8)
    return f(x) -> stack depth { f -> dense(8) -> batch_norm } -> stack 2 { dense(8) } -> stack 2 tied { dense(8) }
}
"""


@pytest.mark.parametrize("name", ["mlp", "lenet", "resnet", "autoencoder", "shared"])
def test_numbers_and_keys_are_those_of_pytorch(name: str) -> None:
    text = SHARED if name == "shared" else (SPECS / f"{name}.arch").read_text(encoding="utf-8")
    compiled, report = compile_source(Source(name, text))
    assert compiled is not None, report.diagnostics
    made: dict[str, Any] = {}
    exec(compile(compiled.source, name, "exec"), made)
    model = made[compiled.plan.model.class_name](**compiled.plan.model.arguments)
    summary = summarise(compiled.graph)
    assert summary.parameters == sum(tensor.numel() for tensor in model.parameters())
    assert summary.buffers == sum(tensor.numel() for tensor in model.buffers())
    leaves = {found.path for found in summary.rows if found.layer in ("conv", "dense", "batch_norm")}
    assert {path for leaf in leaves for path in each_level(leaf)} == {key.rpartition(".")[0] for key in model.state_dict()}


def each_level(path: str) -> list[str]:
    """`stack1.0-1.conv1` is two keys."""
    found = re.fullmatch(r"(.*?\.)?(\d+)-(\d+)(\..*)?", path)
    if found is None:
        return [path]
    before, first, last, after = found.groups(default="")
    return [key for level in range(int(first), int(last) + 1) for key in each_level(f"{before}{level}{after}")]


def test_resnet_50() -> None:
    """As its paper, and every count since, has it: 25.6 M parameters, 4.09 G multiply-adds for one image."""
    compiled, _ = compile_source(Source("resnet.arch", (SPECS / "resnet.arch").read_text(encoding="utf-8")))
    assert compiled is not None
    summary = summarise(compiled.graph).at({"B": 1, "H": 224, "W": 224})
    assert summary.json_object()["parameters"] == 25_557_032
    assert summary.multiply_adds == 4_089_184_256


def test_the_table_says_it_in_words() -> None:
    from io import StringIO

    from rich.console import Console

    from archc.runtime.summary_table import table

    out = StringIO()
    console = Console(file=out, width=140)
    console.print(table(summarise(tower(12))))
    console.print(table(summarise(small()).at({"B": 32, "H": 64, "W": 64})))
    text = out.getvalue()
    assert "×12" in text
    assert "650" in text
    assert "28.3 M" in text  # 216 × 32 × 64 × 64, and 2,560
    assert "[32, 8, 64, 64]" in text

"""A pass that breaks the graph is caught by the pipeline, and named."""

from typing import ClassVar

import pytest

from archc.compiler.graph import Graph, Output, Ref
from archc.compiler.passes import PASSES, Pass, Pipeline
from archc.compiler.pipeline import compile_source
from archc.compiler.verify import BrokenGraph
from archc.dsl.source import Source

SPEC = """
block Part(width)(x: [B, D]) -> [B, width] {
    return x -> dense(width) -> relu
}

model M(x: [B, 8]) -> [B, 4] {
    unused = relu(x)
    h = x -> Part(16) -> stack 3 { dense(16) -> tanh }
    return h -> dense(4)
}
"""


def graph() -> Graph:
    compiled, report = compile_source(Source("m.arch", SPEC))
    assert compiled is not None, report.diagnostics
    return compiled.graph


class Backwards(Pass):
    """Makes the last node read itself."""

    name: ClassVar[str] = "backwards"

    def apply(self, graph: Graph) -> Graph:
        last = len(graph.nodes) - 1
        node = graph.nodes[last].model_copy(update={"inputs": (Ref(last),)})
        return graph.model_copy(update={"nodes": (*graph.nodes[:-1], node)})


class Forgetful(Pass):
    """Loses an output."""

    name: ClassVar[str] = "forgetful"

    def apply(self, graph: Graph) -> Graph:
        return graph.model_copy(update={"outputs": (Output(name="gone", ref=Ref(len(graph.nodes))),)})


@pytest.mark.parametrize("step", [Backwards(), Forgetful()])
def test_the_pass_that_broke_the_graph_is_named(step: Pass) -> None:
    with pytest.raises(BrokenGraph, match=f"after the pass {step.name}"):
        Pipeline(passes=(step,)).run(graph())


def test_what_nobody_reads_is_gone_and_nothing_else() -> None:
    kept = graph()
    assert [node.op.title for node in kept.nodes] == ["input", "Part", "stack", "dense"]
    assert PASSES.run(kept).nodes == kept.nodes

"""A pass that breaks the graph is caught by the pipeline, and named."""

from typing import ClassVar

import pytest

from archc.compiler.graph import Graph, Output, Ref, Repeat
from archc.compiler.passes.base import Pass, Pipeline
from archc.compiler.passes.order import PASSES
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


class Widened(Pass):
    """Gives a stack something that none of its levels takes."""

    name: ClassVar[str] = "widened"

    def apply(self, graph: Graph) -> Graph:
        nodes = [
            node.model_copy(update={"inputs": (*node.inputs, Ref(0)), "op": node.op.model_copy(update={"captured": 1})})
            if isinstance(node.op, Repeat)
            else node
            for node in graph.nodes
        ]
        return graph.model_copy(update={"nodes": tuple(nodes)})


class Silenced(Pass):
    """Lets the levels of a stack return nothing."""

    name: ClassVar[str] = "silenced"

    def apply(self, graph: Graph) -> Graph:
        return graph.model_copy(update={"outputs": ()}) if graph.kind == "level" else graph


@pytest.mark.parametrize("step", [Widened(), Silenced()])
def test_levels_that_do_not_fit_their_stack_are_found(step: Pass) -> None:
    with pytest.raises(BrokenGraph, match=rf"after the pass {step.name}.*node \d+ \(stack\)"):
        Pipeline(passes=(step,)).run(graph())


def test_what_nobody_reads_is_gone_and_nothing_else() -> None:
    kept = PASSES.run(graph())
    assert [node.op.title for node in graph().nodes] == ["input", "relu", "Part", "stack", "dense"]
    assert [node.op.title for node in kept.nodes] == ["input", "Part", "stack", "dense"]
    assert PASSES.run(kept) is kept


def test_a_copy_forgets_what_was_worked_out_of_the_old_fields() -> None:
    first = graph()
    assert len(first.inputs) == 1
    assert first.model_copy(update={"nodes": ()}).inputs == ()
    assert not first.is_free
    assert first.model_copy(update={"nodes": first.nodes[:2]}).is_free

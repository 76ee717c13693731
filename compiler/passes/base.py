"""What a pass is, and the pipeline that runs them and verifies the graph between any two."""

from __future__ import annotations

from typing import ClassVar

from ..graph import Frozen, Graph, Repeat, Use
from ..verify import verify


class Pass(Frozen):
    """One rewriting of graphs: options as fields, one method. The pipeline takes it through all parts, inner ones first."""

    name: ClassVar[str]

    def apply(self, graph: Graph) -> Graph:
        """The graph, rewritten; its parts are done already."""
        raise NotImplementedError


class Pipeline(Frozen):
    passes: tuple[Pass, ...]

    def run(self, root: Graph) -> Graph:
        """The root after all passes; a pass that breaks the graph is a bug in archc and is named."""
        verify(root, "the elaborator")
        for step in self.passes:
            root = _everywhere(step, root, {})
            verify(root, f"the pass {step.name}")
        return root


def _everywhere(step: Pass, graph: Graph, done: dict[int, Graph]) -> Graph:
    """The pass on a graph and all its parts; a part that is used twice stays one object."""
    if id(graph) not in done:
        nodes = []
        for node in graph.nodes:
            if isinstance(node.op, Use):
                op = node.op.model_copy(update={"graph": _everywhere(step, node.op.graph, done)})
                nodes.append(node.model_copy(update={"op": op}))
            elif isinstance(node.op, Repeat):
                levels = tuple(
                    level.model_copy(update={"graph": _everywhere(step, level.graph, done)}) for level in node.op.levels
                )
                nodes.append(node.model_copy(update={"op": node.op.model_copy(update={"levels": levels})}))
            else:
                nodes.append(node)
        done[id(graph)] = step.apply(graph.model_copy(update={"nodes": tuple(nodes)}))
    return done[id(graph)]

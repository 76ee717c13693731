"""What is computed once before all steps, taken out of the graph of a step.

Comes in: the root, and the root as a step, with where its values are now. Goes out: the graph of what no step changes and another input
has a part in (an encoder, and the keys and values made from it), and the step, which is given the results.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Axis, Graph, Input, Node, Output, Parameter, Ref, Weight
from ..passes.base import without
from ..shapes import Dim
from ..values import Truth, names_of
from .ops import Memory


@dataclass(frozen=True)
class Rewritten:
    """A graph of steps; along which dim each output moves; whether it takes the cache; and where the old values are."""

    graph: Graph
    moving: tuple[int | None, ...]
    cached: bool
    place: dict[Ref, Ref]
    still: frozenset[Ref]  # values of the old graph that no step changes


@dataclass(frozen=True)
class Streamed:
    """`step` reads the input that grows and the cache; before all steps `before` gives what it also reads, from all other inputs.

    `passed` are the names of the outputs of `before`, which are the first inputs of `step`, in order. `moving` has for each output of the
    root the dim of the tokens, or `NOW`; none where no token has a part in it.
    """

    step: Graph
    moving: tuple[int | None, ...]
    before: Graph | None = None
    passed: tuple[str, ...] = ()


def split(root: Graph, done: Rewritten, target: str, symbol: str) -> Streamed:
    """Takes out of the root what is computed once: what no step changes and another input has a part in."""
    others = {i for i, node in enumerate(root.nodes) if isinstance(node.op, Input) and node.op.name != target}
    back = {new: old for old, new in done.place.items()}
    given = {old for old in done.still if _is_made(root, old, others)}
    crossing: dict[Ref, None] = {}
    for number, node in enumerate(done.graph.nodes):
        if back.get(Ref(number)) not in given:
            crossing |= {back[ref]: None for ref in node.refs if back.get(ref) in given}
    if not crossing:
        return Streamed(_trimmed(done.graph), done.moving)
    names = tuple(root.nodes[ref.node].outputs[ref.output].name or f"given{k}" for k, ref in enumerate(crossing))
    outputs = tuple(Output(name=name, ref=ref) for name, ref in zip(names, crossing, strict=True))
    before = _trimmed(root.model_copy(update={"outputs": outputs, "assertions": _about(root, symbol)}))
    return Streamed(_given(done, crossing, names), done.moving, before, names)


def _is_made(root: Graph, ref: Ref, inputs: set[int]) -> bool:
    if isinstance(root.nodes[ref.node].op, Parameter | Weight):
        return False
    return bool(({ref.node} | root.ancestors({ref.node})) & inputs)


def _about(root: Graph, symbol: str) -> tuple[object, ...]:
    return tuple(
        a for a in root.assertions if symbol not in names_of(a.condition.text if isinstance(a.condition, Truth) else a.condition)
    )


def _given(done: Rewritten, crossing: dict[Ref, None], names: tuple[str, ...]) -> Graph:
    """The step with what was computed before as its first inputs."""
    graph = done.graph
    nodes: list[Node] = []
    move: dict[Ref, Ref] = {}
    for ref, name in zip(crossing, names, strict=True):
        old = graph.nodes[done.place[ref].node]
        edge = old.outputs[done.place[ref].output].model_copy(update={"name": name})
        move[done.place[ref]] = Ref(len(nodes))
        nodes.append(Node(op=Input(name=name), inputs=(), outputs=(edge,), span=old.span))
    shift = len(nodes)

    def moved(ref: Ref) -> Ref:
        return move.get(ref, Ref(ref.node + shift, ref.output))

    for node in graph.nodes:
        inputs = tuple(moved(x) if isinstance(x, Ref) else x for x in node.inputs)
        nodes.append(node.model_copy(update={"inputs": inputs}))
    outputs = tuple(Output(name=o.name, ref=moved(o.ref)) for o in graph.outputs)
    dims = {name: Axis(axis.input + shift, axis.axis) for name, axis in graph.dims.items()}
    whole = graph.model_copy(update={"nodes": tuple(nodes), "outputs": outputs, "dims": dims, "assertions": ()})
    return _trimmed(whole)


def _trimmed(graph: Graph) -> Graph:
    """The graph with what its outputs need alone; dims that no input shows any more are read from one that does."""
    needed = {output.ref.node for output in graph.outputs}
    needed |= graph.ancestors(needed)
    idle = {i for i in range(len(graph.nodes)) if i not in needed and not isinstance(graph.nodes[i].op, Memory)}
    kept = without(graph, idle)
    dims = dict(kept.dims)
    for name in graph.dims:
        for number, node in enumerate(kept.inputs):
            axes = [k for k, size in enumerate(node.type.shape) if size.value == Dim.of(name)]
            if name not in dims and axes:
                dims[name] = Axis(number, axes[0])
    return kept.model_copy(update={"dims": dims})

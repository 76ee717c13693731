"""What is particular to games in the source: a method for each objective, which computes that objective and nothing else.

Comes in: a game. Goes out: the graph of each method. The draws of a round come first, in `draw_round`, since all updates of a round share
them; a draw that depends on weights is made where it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...graph import Game, Graph, Input, Node, Operand, Output, Ref
from ...layers.draws import Draw

GRADIENT_PENALTY = '''
def gradient_penalty(score: nn.Module, real: Tensor, fake: Tensor, *given: Tensor) -> Tensor:
    """How far the slope of a score is from 1, squared, at a point drawn between real and fake (Gulrajani et al., 2017). [B]"""
    share = torch.rand(len(real), *(1,) * (real.dim() - 1), device=real.device, dtype=real.dtype)
    with torch.enable_grad():
        point = torch.lerp(real, fake, share).detach().requires_grad_()
        (slope,) = torch.autograd.grad(score(point, *given).sum(), point, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1) ** 2
'''


class Method(NamedTuple):
    """A graph cut out of that of a game. `places` are its nodes' numbers in the game."""

    name: str
    doc: str
    graph: Graph
    places: tuple[int, ...]


def methods(graph: Game) -> Iterator[Method]:
    """The methods of the class beside `forward`, which gives all objectives. Each takes the inputs, and the objectives the draws too."""
    inputs = [n for n, node in enumerate(graph.nodes) if isinstance(node.op, Input)]
    draws = [n for n, node in enumerate(graph.nodes) if isinstance(node.op, Draw) and {r.node for r in node.refs} <= {*inputs}]
    if draws:
        outputs = [Output(name=graph.nodes[n].outputs[0].name or "draw", ref=Ref(n)) for n in draws]
        yield _cut(graph, "draw_round", "What the updates of a round share.", inputs, outputs)
    made = graph.outputs[len(graph.objectives) :]
    if made:
        yield _cut(graph, "make", "What the players make, in the order of the outputs.", [*inputs, *draws], list(made))
    for objective, output in zip(graph.objectives, graph.outputs, strict=False):
        doc = f"What {' and '.join(objective.players)} minimize{'s' if len(objective.players) == 1 else ''}."
        yield _cut(graph, f"objective_{objective.name}", doc, [*inputs, *draws], [output])


def _cut(graph: Game, name: str, doc: str, given: list[int], outputs: list[Output]) -> Method:
    results = {output.ref.node for output in outputs}
    needed = _needed(graph, results, {*given} - results)
    kept = (*given, *(n for n in needed if n not in given)) if not results <= {*given} else (*given,)
    place = {old: new for new, old in enumerate(kept)}
    as_inputs = {*given} - results
    nodes = tuple(_moved(graph.nodes[old], place, old in as_inputs) for old in kept)
    moved = tuple(Output(name=output.name, ref=Ref(place[output.ref.node], output.ref.output)) for output in outputs)
    plain = {field: getattr(graph, field) for field in Graph.model_fields}
    return Method(name, doc, Graph.model_construct(**{**plain, "nodes": nodes, "outputs": moved}), kept)


def _needed(graph: Game, results: set[int], given: set[int]) -> list[int]:
    """These nodes and all that they are computed from, as far as it is not given."""
    found, pending = set(results), list(results)
    while pending:
        for ref in graph.nodes[pending.pop()].refs:
            if ref.node not in found and ref.node not in given:
                found.add(ref.node)
                pending.append(ref.node)
    return sorted(found)


def _moved(node: Node, place: dict[int, int], given: bool) -> Node:
    if given:
        name = node.op.name if isinstance(node.op, Input) else node.outputs[0].name or "draw"
        return node.model_copy(update={"op": Input.model_construct(name=name), "inputs": (), "key": None})
    operands: tuple[Operand, ...] = tuple(Ref(place[o.node], o.output) if isinstance(o, Ref) else o for o in node.inputs)
    return node.model_copy(update={"inputs": operands})

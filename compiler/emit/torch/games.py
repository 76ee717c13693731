"""What is particular to games in the source: a method for each objective, which computes that objective and nothing else.

Comes in: a game. Goes out: the graph of each method. The draws of a round come first, in `draw_round`, since all updates of a round share
them; a draw that depends on weights is made where it is read. What several objectives share has a method of its own, and is given to them.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import NamedTuple

from ...game.shared import drawn_first, sharing
from ...graph import Edge, Game, Graph, Input, Node, Operand, Output, Ref

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
    """The methods of the class beside `forward`, which gives all objectives.

    Each takes the inputs, the objectives the draws too and then what they share with others.
    """
    inputs = [n for n, node in enumerate(graph.nodes) if isinstance(node.op, Input)]
    draws = drawn_first(graph)
    if draws:
        outputs = [Output(name=graph.nodes[n].outputs[0].name or "draw", ref=Ref(n)) for n in draws]
        yield _cut(graph, "draw_round", "What the updates of a round share.", inputs, {}, outputs)
    made = graph.outputs[len(graph.objectives) :]
    if made:
        doc = "What the players make, in the order of the outputs."
        yield _cut(graph, "make", doc, [*inputs, *draws], {}, list(made))
    found = sharing(graph)
    for part in found.shared:
        names = [f"objective_{graph.objectives[user].name}" for user in part.users]
        doc = f"What {', '.join(names[:-1])} and {names[-1]} share; the last alone may learn through it."
        given = {ref: found.name(part.users[0], ref) for ref in part.given}
        outputs = [Output(name=name, ref=ref) for ref, name in part.values.items()]
        yield _cut(graph, part.method, doc, [*inputs, *draws], given, outputs)
    for k, (objective, output) in enumerate(zip(graph.objectives, graph.outputs, strict=False)):
        doc = f"What {' and '.join(objective.players)} minimize{'s' if len(objective.players) == 1 else ''}."
        given = {ref: found.name(k, ref) for ref in found.given[k]}
        yield _cut(graph, f"objective_{objective.name}", doc, [*inputs, *draws], given, [output])


def _cut(graph: Game, name: str, doc: str, free: list[int], shared: dict[Ref, str], outputs: list[Output]) -> Method:
    """What the outputs are computed from: the nodes `free`, and the values `shared` under the names that they have here."""
    results = [output.ref for output in outputs]
    given = [n for n in free if Ref(n) not in results]
    needed = [n for n in _needed(graph, results, {*given}, shared) if n not in given]
    kept = (*given, *(ref.node for ref in shared), *needed)
    place = {Ref(old, k): Ref(new, k) for new, old in enumerate(kept) for k in range(len(graph.nodes[old].outputs))}
    place |= {ref: Ref(len(given) + number) for number, ref in enumerate(shared)}
    nodes = [_as_input(graph.nodes[n], graph.nodes[n].outputs[0], None) for n in given]
    nodes += [_as_input(graph.nodes[ref.node], graph.nodes[ref.node].outputs[ref.output], me) for ref, me in shared.items()]
    nodes += [_moved(graph.nodes[n], place) for n in needed]
    moved = tuple(Output(name=output.name, ref=place[output.ref]) for output in outputs)
    plain = {field: getattr(graph, field) for field in Graph.model_fields}
    return Method(name, doc, Graph(**{**plain, "nodes": tuple(nodes), "outputs": moved}), kept)


def _needed(graph: Game, results: list[Ref], given: set[int], shared: Container[Ref]) -> list[int]:
    """The nodes of these values and all that they are computed from, as far as it is not given."""
    found: set[int] = set()
    pending = list(results)
    while pending:
        ref = pending.pop()
        if ref not in shared and ref.node not in found and ref.node not in given:
            found.add(ref.node)
            pending.extend(graph.nodes[ref.node].refs)
    return sorted(found)


def _as_input(node: Node, edge: Edge, name: str | None) -> Node:
    called = name or (node.op.name if isinstance(node.op, Input) else edge.name or "draw")
    made = {"op": Input(name=called), "inputs": (), "outputs": (edge,), "key": None}
    return node.model_copy(update=made)


def _moved(node: Node, place: dict[Ref, Ref]) -> Node:
    operands: tuple[Operand, ...] = tuple(place[o] if isinstance(o, Ref) else o for o in node.inputs)
    return node.model_copy(update={"inputs": operands})

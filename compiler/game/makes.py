"""What a game makes: the values that it names and that are such as one of its inputs, as `fake = G(z)` beside `image`."""

from __future__ import annotations

from ..graph import Game, Graph, Input, Made, Output, Ref, TensorType
from ..layers.draws import Draw


def outputs(graph: Graph, last: dict[str, Ref]) -> tuple[Output, ...]:
    """The named values that depend on weights and are of the type of a float input. `last` has what each name stands for in the end."""
    types = [node.type for node in graph.inputs if node.type.dtype == "float" and node.type.rank > 1]
    found = []
    for name, ref in last.items():
        node = graph.nodes[ref.node]
        if isinstance(node.op, Input | Draw) or not any(_alike(graph.type_of(ref), type_) for type_ in types):
            continue
        if any(graph.nodes[number].key for number in (ref.node, *graph.ancestors({ref.node}))):
            found.append(Output(name=name, ref=ref))
    return tuple(found)


def made(game: Game) -> tuple[Made, ...]:
    """The same of a game that is done, with the players that made each, what it is like, and whether draws and labels suffice for it."""
    inputs = [node for node in game.inputs if node.type.dtype == "float" and node.type.rank > 1]
    found = []
    for output in game.outputs[len(game.objectives) :]:
        needed = _computed_from(game, output.ref.node)
        followed = {average.key: average.source for average in game.averages}
        keys = {followed.get(key, key) for number in needed if (key := game.nodes[number].key) is not None}
        like = next(node for node in inputs if _alike(game.type_of(output.ref), node.type))
        free = not any(node in (game.nodes[number] for number in needed) for node in game.inputs if node.type.dtype == "float")
        players = tuple(player for player in game.players if player in keys)
        assert isinstance(like.op, Input)
        found.append(Made(name=output.name, like=like.op.name, players=players, drawn=free))
    return tuple(found)


def _computed_from(graph: Graph, start: int) -> set[int]:
    """What a value is computed from; a draw reads a tensor for its device alone, where it is of plain numbers."""
    found, pending = {start}, [start]
    while pending:
        node = graph.nodes[pending.pop()]
        if isinstance(node.op, Draw) and not node.op.given:
            continue
        for ref in node.refs:
            if ref.node not in found:
                found.add(ref.node)
                pending.append(ref.node)
    return found


def _alike(one: TensorType, other: TensorType) -> bool:
    shapes = zip(one.shape, other.shape, strict=False)
    return one.dtype == other.dtype and one.rank == other.rank and all(a.value == b.value for a, b in shapes)

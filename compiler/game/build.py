"""From the statements of a game to its graph, with what must hold between players and objectives checked."""

from __future__ import annotations

from ...dsl import ast
from ...dsl.span import Span
from ..elaborate.body import Body
from ..elaborate.expressions import advice_on_tensors, evaluate, one
from ..elaborate.values import POISON, Poison, Recipe, Shared, Tensor, describe
from ..energy.build import Builder
from ..errors.calls import NotATensor, NotCallable
from ..errors.games import (
    EmptyGame,
    GameReturns,
    NobodysWeights,
    NotAPlayer,
    ObjectiveWithoutPlayer,
    OutsideOfGame,
    PlayerWithoutObjective,
    SharedWeights,
)
from ..errors.shapes import WrongDtype
from ..graph import Game, Graph, Node, Objective, Output, Use
from ..layers.base import Refusal
from . import makes


def in_game(body: Body, what: str, span: Span) -> None:
    """Refuses what only the body of a game has."""
    if body.declared is None or body.declared.node.kind != "adversarial":
        raise Refusal(OutsideOfGame(span, what))


def player(body: Body, node: ast.PlayerDef) -> None:
    """`player G = Generator(latent)`: a callable with weights of its own, kept under its name."""
    name = node.name.text
    in_game(body, f"the player {name}", node.span)
    body.players[name] = node.name.span
    value = evaluate(body, node.value)
    if isinstance(value, Poison):
        body.scope.names[name] = POISON
    elif isinstance(value, Shared):
        raise Refusal(SharedWeights(node.value.span, name, value.key, value.span))
    elif isinstance(value, Recipe):
        body.scope.names[name] = Shared(name, value, body, node.span)
    else:
        raise Refusal(NotCallable(node.value.span, describe(value)))


def objective(body: Body, node: ast.Minimizes) -> None:
    """`D minimizes expr`; what is not a scalar is averaged."""
    in_game(body, "an objective", node.span)
    for written in node.players:
        if written.text not in body.players:
            raise Refusal(NotAPlayer(written.span, written.text, tuple(body.players)))
    names = tuple(dict.fromkeys(written.text for written in node.players))
    body.minimizing.update(names)
    value = one(evaluate(body, node.objective))
    span = node.objective.span
    if isinstance(value, Poison):
        body.poisoned = True
        return
    if not isinstance(value, Tensor):
        raise Refusal(NotATensor(span, describe(value), advice_on_tensors(value)))
    if value.type.dtype != "float":
        raise Refusal(WrongDtype(span, "an objective", "float", value.type.dtype))
    scalar = Builder(body, span).apply("mean", value) if value.type.rank else body.local(value)
    body.objectives.append((names, scalar, span))


def game(body: Body, node: ast.Declaration, returned: list[tuple[object, ast.Expr]] | None) -> Game | None:
    """The graph of a game whose statements are done; none where something is wrong, which is told."""
    if returned:
        body.report(GameReturns(returned[0][1].span, node.name.text))
    if not body.players and not body.poisoned:
        body.report(EmptyGame(node.name.span, node.name.text))
    for name, span in body.players.items():
        if name not in body.minimizing and not body.poisoned:
            body.report(PlayerWithoutObjective(span, name))
    if body.poisoned:
        return None
    made: list[Objective] = []
    outputs: list[Output] = []
    for names, tensor, span in body.objectives:
        moves = "_".join(names)
        before = sum(known.players == names for known in made)
        name = moves if before == 0 else f"{moves}_{before + 1}"
        made.append(Objective(name=name, players=names, span=span))
        outputs.append(Output(name=f"objective_{name}", ref=tensor.ref))
    graph: Graph = body.elaborator.graph(body, node, tuple(outputs))
    values = {name: body.local(value).ref for name, value in body.scope.names.items() if isinstance(value, Tensor)}
    graph = graph.model_copy(update={"outputs": (*graph.outputs, *makes.outputs(graph, values))})
    _check_owners(body, graph)
    for told, output in zip(made, outputs, strict=True):
        needed = graph.ancestors({output.ref.node})
        keys = {graph.nodes[number].key for number in needed}
        for name in told.players:
            if name not in keys:
                body.report(ObjectiveWithoutPlayer(told.span, name, body.players[name]))
    if body.poisoned:
        return None
    fields = {name: getattr(graph, name) for name in Graph.model_fields}
    return Game(**fields, players=tuple(body.players), objectives=tuple(made))


def _check_owners(body: Body, graph: Graph) -> None:
    """Every weight is of one player, or follows one."""
    followed = {average.key: average.source for average in graph.averages}
    for node in graph.nodes:
        if node.key is None or followed.get(node.key) in body.players:
            continue
        if node.key not in body.players:
            body.report(NobodysWeights(node.span, _called(node)))
        elif isinstance(node.op, Use) and node.op.graph.reach > 0:
            body.report(SharedWeights(body.players[node.key], node.key, "another player"))


def _called(node: Node) -> str:
    return getattr(node.op, "name", "") or node.op.title

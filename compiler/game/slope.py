"""`gradient_penalty(D, image, fake)`: the slope of a player's score, held near 1 between two tensors (Gulrajani et al., 2017)."""

from __future__ import annotations

from ...dsl import ast
from ...dsl.span import Span
from ..elaborate.applying import apply
from ..elaborate.body import Body, LayerChecker
from ..elaborate.expressions import advice_on_tensors, one
from ..elaborate.values import POISON, Outputs, Poison, Shared, Tensor, Value, describe
from ..errors.calls import NotATensor, UnknownArgument, WrongTensorCount
from ..errors.games import NoSlope
from ..errors.shapes import DimsDisagree, WrongDtype
from ..graph import Edge, SlopePenalty, TensorType, Use
from ..layers.base import Refusal
from .build import in_game

NAME = "gradient_penalty"
Given = list[tuple[Value, Span]]


def gradient_penalty(body: Body, given: Given, named: dict[str, tuple[Value, Span]], node: ast.Call) -> Value:
    """`[B]`: for each example, the square of how far from 1 the slope of `D` is at a point drawn between the two tensors.

    What else the player takes follows: `gradient_penalty(D, image, fake, label)`.
    """
    in_game(body, NAME, node.span)
    if named:
        raise Refusal(UnknownArgument(next(iter(named.values()))[1], NAME, next(iter(named)), ()))
    if len(given) < 3:
        raise Refusal(WrongTensorCount(node.span, NAME, "a player and two tensors", len(given)))
    (player, place), *rest = given
    if not isinstance(player, Shared) or player.key not in body.players:
        raise Refusal(NoSlope(place, f"this is {describe(player)}", tuple(body.players)))
    real, fake, *_ = tensors = [_tensor(value, span) for value, span in rest]
    _check_alike(body, real, fake, rest[0][1], rest[1][1])
    values: tuple[Value, ...] = (real, *tensors[2:])
    scored = apply(body, player, values, {}, node.span, {i: s for i, (_, s) in enumerate([rest[0], *rest[2:]])})
    if isinstance(scored, Poison):
        return POISON
    if isinstance(scored, Outputs) or not isinstance(scored, Tensor):
        raise Refusal(NoSlope(place, f"{player.key} gives {'several tensors' if isinstance(scored, Outputs) else 'no tensor'}"))
    return _at_a_point_between(body, player, scored, fake, place, node.span)


def _tensor(value: Value, span: Span) -> Tensor:
    found = one(value)
    if not isinstance(found, Tensor):
        raise Refusal(NotATensor(span, describe(found), advice_on_tensors(found)))
    return found


def _check_alike(body: Body, real: Tensor, fake: Tensor, left: Span, right: Span) -> None:
    """Between two tensors there are points only where they are of one shape, an example a row."""
    for tensor, span in ((real, left), (fake, right)):
        if tensor.type.dtype != "float":
            raise Refusal(WrongDtype(span, f"a tensor of {NAME}", "float", tensor.type.dtype))
    shapes = real.type.shape, fake.type.shape
    if len(shapes[0]) < 2 or len(shapes[0]) != len(shapes[1]) or not all(map(body.same, *shapes)):
        rule = f"{NAME} looks between two tensors of one shape, each with a row for an example"
        checker = LayerChecker(body, (real, fake), {0: left, 1: right}, right)
        unlike = next((i for i, (a, b) in enumerate(zip(*shapes, strict=False)) if not body.same(a, b)), 0)
        origin, other = (checker.origin(k, unlike) if unlike < len(shapes[k]) else left for k in (0, 1))
        raise Refusal(DimsDisagree(right, rule, f"the first is {real.type}", f"the second is {fake.type}", origin, other))


def _at_a_point_between(body: Body, player: Shared, scored: Tensor, fake: Tensor, place: Span, span: Span) -> Tensor:
    """The application of the player that stands last becomes one that looks at its slope."""
    number = body.local(scored).ref.node
    node = body.nodes[number]
    if type(node.op) is not Use:
        raise Refusal(NoSlope(place, f"{player.key} is {describe(player.recipe)}"))
    (other,) = body.operands((fake,))
    op = SlopePenalty(**{name: getattr(node.op, name) for name in Use.model_fields})
    type_ = TensorType("float", node.type.shape[:1], span)
    first, *further = node.inputs
    made = {"op": op, "inputs": (first, other, *further), "outputs": (Edge(type=type_),)}
    body.nodes[number] = node.model_copy(update=made)
    return body.tensor(number)

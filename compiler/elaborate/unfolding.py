"""Parts and stacks in functions (losses, metrics, columns): a function has no modules, so their steps stand in it one by one.

Comes in: a graph, what its names and inputs are. Goes out: the tensors it gives, made by steps of the body. What owns weights, or is
otherwise one thing in training and another in evaluation, has no place in a function and is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...dsl.span import Span
from ..errors.calls import TooLarge
from ..errors.draws import OnlyWhenRun
from ..errors.training import OwnsWeights
from ..graph import Graph, Input, Machine, Node, Operand, Penalty, Recur, Ref, Repeat, Use
from ..layers.base import Layer, Refusal
from ..layers.draws import Choice, Draw
from ..passes.pin import Texts, renamed, texts
from .body import Body
from .values import Tensor

MAX_STEPS = 10_000


def unfold(body: Body, graph: Graph, given: Sequence[Tensor], names: Texts, span: Span) -> tuple[Tensor, ...]:
    """The outputs of `graph`, used at `span`, whose inputs are `given` and whose names mean `names` in the text of the body."""
    _bounded(_steps(graph, {}), span)
    return _unfolded(body, graph, given, names, span, graph.name)


def unfold_levels(body: Body, repeat: Repeat, operands: Sequence[Operand], span: Span) -> tuple[Tensor, ...]:
    """The outputs of a stack, one level after another."""
    _bounded(_repeated(repeat, {}), span)
    return _levels(body, repeat, [_tensor(body, operand) for operand in operands], span, repeat.kind)


def _bounded(steps: int, span: Span) -> None:
    if steps > MAX_STEPS:
        raise Refusal(
            TooLarge(span, f"what a loss, a metric or a column computes has at most {MAX_STEPS:,} steps, this {steps:,}")
        )


def _steps(graph: Graph, known: dict[int, int]) -> int:
    """How many steps a graph unfolds into; one that only hands on counts too, for it takes its time."""
    if id(graph) not in known:
        known[id(graph)] = max(1, sum(_node_steps(node, known) for node in graph.nodes if not isinstance(node.op, Input)))
    return known[id(graph)]


def _node_steps(node: Node, known: dict[int, int]) -> int:
    if isinstance(node.op, Repeat):
        return _repeated(node.op, known)
    return _steps(node.op.graph, known) if isinstance(node.op, Use) else 1


def _repeated(repeat: Repeat, known: dict[int, int]) -> int:
    return sum((level.count.number or 0) * _steps(level.graph, known) for level in repeat.levels)


def _unfolded(body: Body, graph: Graph, given: Sequence[Tensor], names: Texts, span: Span, of: str) -> tuple[Tensor, ...]:
    """`of` is the part that it all belongs to."""
    if isinstance(graph, Machine):
        raise Refusal(OwnsWeights(span, f"the energy {graph.name}"))
    graph = renamed(graph, names)
    waiting = iter(given)
    made: dict[Ref, Tensor] = {}
    for number, node in enumerate(graph.nodes):
        operands = [made[operand] if isinstance(operand, Ref) else operand for operand in node.inputs]
        outputs = (next(waiting),) if isinstance(node.op, Input) else _step(body, node, operands, span, of)
        made |= {Ref(number, i): tensor for i, tensor in enumerate(outputs)}
    body.assertions.extend(assertion for assertion in graph.assertions if assertion.condition is not True)
    return tuple(made[output.ref] for output in graph.outputs)


def _step(body: Body, node: Node, operands: Sequence[Tensor | Operand], span: Span, of: str) -> tuple[Tensor, ...]:
    """What a node gives, as steps of the body."""
    op = node.op
    tensors = [operand for operand in operands if isinstance(operand, Tensor)]
    if isinstance(op, Repeat):
        return _levels(body, op, tensors, span, of)
    if isinstance(op, Use) and not isinstance(op, Recur):
        return _unfolded(body, op.graph, tensors, texts(op.arguments, op.dims), span, of)
    if isinstance(op, Choice):
        raise Refusal(OnlyWhenRun(span, "what a loss, a metric or a column computes"))
    if node.key is not None or not getattr(op, "pure", True):
        moded = isinstance(op, Penalty) or (isinstance(op, Layer) and not op.owns)
        why = "draws" if isinstance(op, Draw) else "acts in training alone" if moded else "is learned"
        raise Refusal(OwnsWeights(span, f"{op.title} in {of}", why))
    types = tuple(edge.type for edge in node.outputs)
    number = body.add(op, body.operands(tuple(operands)), types, node.span)
    for i, edge in enumerate(node.outputs):
        if edge.name is not None:
            body.label(number, i, edge.name)
    return tuple(body.tensor(number, i) for i in range(len(types)))


def _levels(body: Body, repeat: Repeat, operands: Sequence[Tensor], span: Span, of: str) -> tuple[Tensor, ...]:
    carried, captured = list(operands[: repeat.carried]), operands[repeat.carried : repeat.carried + repeat.captured]
    walked = iter(operands[repeat.carried + repeat.captured :])
    collected: list[Tensor] = []
    for level in repeat.levels:
        own = len(level.graph.inputs) - repeat.carried - repeat.captured
        for _ in range(level.count.number or 0):
            given = [*carried, *captured, *(next(walked) for _ in range(own))]
            outputs = _unfolded(body, level.graph, given, texts(level.arguments, level.dims), span, of)
            if repeat.kind == "stack":
                carried, outputs = list(outputs[: repeat.carried]), outputs[repeat.carried :]
            collected += outputs
    return (*(carried if repeat.kind == "stack" else ()), *collected)


def _tensor(body: Body, operand: Operand) -> Tensor:
    assert isinstance(operand, Ref)
    return body.tensor(operand.node, operand.output)

"""The energy where all hidden units are 0: what does not hold them stays as it is written, what vanishes with them goes.

Comes in: the node of the energy, the hidden blocks. Goes out: a tensor, or none where nothing is left.
"""

from __future__ import annotations

from ..elaborate.values import Tensor
from ..graph import Node, Operand, Ref
from .build import Builder
from .slope import dependents
from .units import Block

VANISHES = frozenset(
    {"*", "@", "matmul", "neg", "square", "sum", "mean", "flatten", "reshape", "squeeze", "unsqueeze", "transpose", "permute"}
)


def without_hidden(build: Builder, energy: Ref, hidden: tuple[Block, ...]) -> Tensor | None:
    """The energy with the hidden units 0."""
    body = build.body
    active = set().union(*(dependents(body, block.tensor.ref.node) for block in hidden))
    values: dict[int, Tensor | None] = {block.tensor.ref.node: None for block in hidden}
    for number in sorted(n for n in active if n <= energy.node and n not in values):
        values[number] = _step(build, body.nodes[number], number, values)
    return values[energy.node] if energy.node in values else body.tensor(energy.node)


def _step(build: Builder, node: Node, number: int, values: dict[int, Tensor | None]) -> Tensor | None:
    """The step with what its operands have become; none for zero."""
    name = str(getattr(node.op, "name", ""))
    gone = [isinstance(operand, Ref) and operand.node in values and values[operand.node] is None for operand in node.inputs]
    if all(gone):
        return None
    if (any(gone) and name in VANISHES and not (name == "sum" and len(gone) > 1)) or (gone[0] and name in ("/", "**")):
        return None
    if name in ("+", "-") and any(gone):
        left, right = (_now(build, operand, values) for operand in node.inputs)
        kept = right if gone[0] else left
        if isinstance(kept, Tensor) and kept.type.shape == node.type.shape:
            return build.negative(kept) if name == "-" and gone[0] else kept
    operands = tuple(_operand(build, operand, values) for operand in node.inputs)
    made = build.body.add(
        node.op, operands, tuple(e.type for e in node.outputs), build.span, node.key, named=node.named, owner=node.owner
    )
    return build.body.tensor(made)


def _now(build: Builder, operand: Operand, values: dict[int, Tensor | None]) -> Tensor | None:
    """A tensor as it has become; none for zero and for numbers."""
    if not isinstance(operand, Ref):
        return None
    return values[operand.node] if operand.node in values else build.body.tensor(operand.node, operand.output)


def _operand(build: Builder, operand: Operand, values: dict[int, Tensor | None]) -> Operand:
    if not isinstance(operand, Ref) or operand.node not in values:
        return operand
    value = values[operand.node]
    return value.ref if value is not None else build.zeros(build.body.tensor(operand.node)).ref

"""A result with something else in place of units, 0 above all: what does not hold them stays as it is, what vanishes with them goes."""

from __future__ import annotations

from ..elaborate.values import Tensor
from ..graph import Node, Operand, Ref
from .affine import vanishes
from .build import Builder
from .slope import dependents
from .units import Block

VANISHES = frozenset(
    {"*", "@", "matmul", "neg", "square", "sum", "mean", "flatten", "reshape", "squeeze", "unsqueeze", "transpose", "permute"}
)


def without_hidden(build: Builder, energy: Ref, hidden: tuple[Block, ...]) -> Tensor | None:
    """The energy with the hidden units 0."""
    return with_units(build, build.body.tensor(energy.node, energy.output), {block.tensor.ref.node: None for block in hidden})


def with_units(build: Builder, result: Tensor, units: dict[int, Tensor | None]) -> Tensor | None:
    """A result with what is given in place of units, by their nodes: none is 0. None where nothing is left of it."""
    body, last = build.body, result.ref.node
    active = set().union(*(dependents(body, number) for number in units)) if units else set()
    values = dict(units)
    for number in sorted(n for n in active if n <= last and n not in values):
        values[number] = _step(build, body.nodes[number], number, values)
    return values.get(last, result)


def _step(build: Builder, node: Node, number: int, values: dict[int, Tensor | None]) -> Tensor | None:
    """The step with what its operands have become; none for zero."""
    name = str(getattr(node.op, "name", ""))
    gone = [isinstance(operand, Ref) and operand.node in values and values[operand.node] is None for operand in node.inputs]
    if all(gone) and (name in VANISHES or name in ("+", "-", "/", "**")):
        return None
    if all(gone) and vanishes(node):
        return None
    if name == "addmm" and any(gone[1:]):
        row = _now(build, node.inputs[0], values)
        return None if row is None else build.expanded(row, node.type.shape)
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

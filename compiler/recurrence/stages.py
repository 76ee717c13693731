"""What kind of recurrence a cell is: which of its steps wait for the step before, in how many rounds, and so what may compute it.

Comes in: the graph of a step. Goes out: `Stages`, frozen, with the numbers of the graph's nodes in it:

- `ahead`: nodes that no state leads to. They may be computed for all steps before the first.
- `stages`: the others, by rounds. A round begins with what reads whole rows: `products`, the maps of states, those of one operand
  together since their weights may be one matrix; and `rows`, reductions and norms. Then `lanes`, where each unit of each example goes by
  itself. The first round of a cell whose states enter no product has lanes alone.
- `kind`, and in `reason` why:
  *linear*: the next states are sums of the states, each times what no state leads to: a scan;
  *elementwise*: at most one round of products, and lanes: one matrix product a step;
  *staged*: several rounds, `dense(width)(r * h)`, or rows, `layer_norm`: a barrier for each;
  *plain*: something that is none of these, which `reason` names; there are no stages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..graph import Graph, Input, Next, Node, Parameter, Penalty, Ref, State, Weight
from ..layers._elementwise import Elementwise
from ..layers.arithmetic import Add, Arithmetic, Divide, Matmul, Multiply, Negate, Subtract
from ..layers.base import LAST, ONE, Layer
from ..layers.comparison import Comparison, Where
from ..layers.dropout import Dropout
from ..layers.functions import Clip
from ..layers.joining import Chunk, Concat, Split
from ..layers.linear import Dense
from ..layers.normalisation import OverLast
from ..layers.reductions import Reduction
from ..layers.softmax import Along

Kind = Literal["linear", "elementwise", "staged", "plain"]
Part = Literal["product", "row", "lane"]
LANES = (Elementwise, Arithmetic, Comparison, Where, Clip, Dropout)
MOVES = (Chunk, Split, Concat)  # along a row


@dataclass(frozen=True, slots=True)
class Fused:
    """Maps of one operand, or of the same ones side by side: the nodes, which one matrix product may compute."""

    operands: tuple[Ref, ...]
    nodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """A round of a step: what needs the rows of the round before, then the units by themselves."""

    products: tuple[Fused, ...]
    rows: tuple[int, ...]
    lanes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stages:
    """See the module."""

    kind: Kind
    reason: str
    ahead: tuple[int, ...] = ()
    stages: tuple[Stage, ...] = ()


def stages(graph: Graph) -> Stages:
    """The rounds of a cell's step."""
    live, late = _live(graph), _late(graph)
    ahead = tuple(n for n in sorted(live - late) if not isinstance(graph.nodes[n].op, Input | Parameter | Weight))
    waiting = [n for n in sorted(live & late) if not isinstance(graph.nodes[n].op, Input)]
    if reason := _obstacle(graph, live, waiting, late):
        return Stages("plain", reason)
    parts = {n: _part(graph, graph.nodes[n], late) for n in waiting}
    rounds: dict[int, int] = {}
    for n in waiting:
        before = max((rounds.get(ref.node, 0) for ref in graph.nodes[n].refs if ref.node in late), default=0)
        rounds[n] = before + (parts[n] != "lane")
    found = tuple(
        _stage(graph, [n for n in waiting if rounds[n] == k], parts, late) for k in range(max(rounds.values(), default=0) + 1)
    )
    found = found if found[0].lanes or len(found) == 1 else found[1:]
    return Stages(*_kind(graph, parts, rounds, late, found), ahead, found)


def _kind(
    graph: Graph, parts: dict[int, Part | None], rounds: dict[int, int], late: set[int], found: tuple[Stage, ...]
) -> tuple[Kind, str]:
    """What the rounds make of the cell, and why."""
    count = sum(isinstance(node.op, State) for node in graph.nodes)
    needed = {output.ref.node for output in graph.outputs[-count:]}
    needed |= {n for n in graph.ancestors(needed) if n in parts}
    if all(_is_affine(graph.nodes[n], late) for n in needed & parts.keys()):
        return "linear", "no factor of a state reads one"
    products = sum(part == "product" for part in parts.values())
    depth = max(rounds.values())
    if depth > 1:
        return "staged", f"{depth} rounds a step"
    if "row" in parts.values():
        return "staged", "it reads whole rows of a state"
    if not products:
        return "elementwise", "no product of states"
    fused = sum(len(stage.products) for stage in found)
    return (
        "elementwise",
        f"{_counted(products, 'product')} of states in {fused}"
        if products > fused
        else f"{_counted(products, 'product')} of states",
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _live(graph: Graph) -> set[int]:
    """The nodes that a step computes its outputs from; not what states start from."""
    pending, live = [output.ref.node for output in graph.outputs], set[int]()
    while pending:
        number = pending.pop()
        if number not in live:
            live.add(number)
            if not isinstance(graph.nodes[number].op, Input):
                pending += [ref.node for ref in graph.nodes[number].refs]
    return live


def _late(graph: Graph) -> set[int]:
    """The states, and all that they lead to."""
    late: set[int] = set()
    for number, node in enumerate(graph.nodes):
        reads = not isinstance(node.op, Input) and any(ref.node in late for ref in node.refs)
        if isinstance(node.op, State) or reads:
            late.add(number)
    return late


def _obstacle(graph: Graph, live: set[int], waiting: list[int], late: set[int]) -> str:
    """What keeps a step from being rounds of products, rows and units; nothing where all is well."""
    for node in graph.nodes:
        if isinstance(node.op, Next | Penalty):
            return f"it has a {'buffer' if isinstance(node.op, Next) else 'penalty'} of its own"
    for number in sorted(live):
        node = graph.nodes[number]
        if isinstance(node.op, State) and node.type.rank != 2:
            return f"a state has {node.type.rank} dims"
        if isinstance(node.op, Layer) and not node.op.pure and not isinstance(node.op, Dropout):
            return f"{node.op.title} is not the same each time"
        if not isinstance(node.op, Layer | Input | Parameter | Weight):
            return f"{node.op.title} is a part with a body of its own"
    for number in waiting:
        if _part(graph, graph.nodes[number], late) is None:
            return f"{graph.nodes[number].op.title} is no function of units or rows"
    return ""


def _part(graph: Graph, node: Node, late: set[int]) -> Part | None:
    """What a node that waits for a state is; none for what has no place in a round."""
    op, given = node.op, [graph.type_of(ref) for ref in node.refs if ref.node in late]
    rows = (
        all(tensor.rank == 2 and tensor.shape[0].value == node.type.shape[0].value for tensor in given)
        if node.type.rank
        else False
    )
    if not rows or node.type.rank > 2:
        return None
    if isinstance(op, Dense):
        return "product"
    if isinstance(op, Matmul):
        left, right = node.inputs
        mapped = isinstance(left, Ref) and left.node in late and isinstance(right, Ref) and right.node not in late
        return "product" if mapped and isinstance(right, Ref) and graph.type_of(right).rank == 2 else None
    if isinstance(op, Reduction):
        return "lane" if len(node.inputs) > 1 else "row" if node.type.rank == 2 else None
    if isinstance(op, Along):
        return "row" if op.dim == LAST else None
    if isinstance(op, OverLast):
        return "row" if op.normalized_shape is None else None
    if isinstance(op, MOVES):
        return "lane" if op.dim in (LAST, ONE) else None
    return "lane" if isinstance(op, LANES) else None


def _is_affine(node: Node, late: set[int]) -> bool:
    """Is it a sum of what comes from states, with factors that do not?"""
    from_states = [isinstance(operand, Ref) and operand.node in late for operand in node.inputs]
    match node.op:
        case Add() | Subtract() | Negate() | Dropout():
            return True
        case Multiply():
            return sum(from_states) == 1
        case Divide():
            return from_states == [True, False]
    return False


def _stage(graph: Graph, members: list[int], parts: dict[int, Part | None], late: set[int]) -> Stage:
    """One round; products of the same operands are put together."""
    fused: dict[tuple[Ref, ...], list[int]] = {}
    for n in members:
        if parts[n] == "product":
            fused.setdefault(tuple(ref for ref in graph.nodes[n].refs if ref.node in late), []).append(n)
    products = tuple(Fused(operands, tuple(nodes)) for operands, nodes in fused.items())
    return Stage(products, *(tuple(n for n in members if parts[n] == part) for part in ("row", "lane")))

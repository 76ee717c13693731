"""Energies as they are drawn: the layers of units face each other, with a line that has no direction between any two that meet.

An energy that hands its hidden units to another one is the lower part of a deep belief network: its units are drawn from those above them,
so the line points down. Comes in: a machine. Goes out: a box for each block of units, and what stands between.
"""

from __future__ import annotations

from typing import NamedTuple

from ...graph import Graph, Input, Machine, Node, Ref, Repeat, Units, Use
from ...shapes import Size
from .alike import Run, many
from .fold import one_part
from .words import Voice


class Meeting(NamedTuple):
    """Two blocks with weights between them, or a tensor that a block depends on."""

    lower: str
    upper: str
    mutual: bool  # both are units


def meetings(machine: Machine) -> list[Meeting]:
    """Which units meet, and what else each block depends on, by names."""
    visible, hidden = ([block.name for block in blocks] for blocks in (machine.visible, machine.hidden))
    order = [*visible, *hidden]
    found = []
    for block in machine.blocks:
        for name in _read(block.mean):
            if name in order:
                if order.index(name) < order.index(block.name):  # each pair once
                    found.append(Meeting(name, block.name, mutual=True))
            else:
                found.append(Meeting(name, block.name, mutual=False))
    return found


def _read(graph: Graph) -> list[str]:
    """The inputs that the outputs depend on."""
    needed = {output.ref.node for output in graph.outputs}
    needed |= graph.ancestors(needed)
    return [node.op.name for n, node in enumerate(graph.nodes) if n in needed and isinstance(node.op, Input)]


def size_of(block: Units, voice: Voice) -> str:
    """`binary 256`."""
    type_ = block.mean.type_of(block.mean.outputs[0].ref)
    return f"{block.kind} {' × '.join(voice.size(size) for size in type_.shape[1:])}"


def is_below(graph: Graph, number: int) -> bool:
    """Does the energy, or the stack of energies, at a node hand its hidden units to another one, and to nothing else?"""
    readers = [node for node in graph.nodes if any(ref.node == number for ref in node.refs)]
    outward = any(output.ref == Ref(number) for output in graph.outputs)
    return bool(readers) and not outward and all(_takes_units(node) for node in readers)


def _takes_units(node: Node) -> bool:
    return (isinstance(node.op, Use) and isinstance(node.op.graph, Machine)) or (
        isinstance(node.op, Repeat) and is_stack(node.op)
    )


def is_stack(repeat: Repeat) -> bool:
    """Is it a stack of nothing but energies, each on the one before it?"""
    part = one_part(repeat)
    return repeat.kind == "stack" and repeat.carried == 1 and part is not None and isinstance(part.graph, Machine)


def topmost_apart(runs: list[Run]) -> list[Run]:
    """The last level as a drawing of its own, since only its two layers are one undirected machine."""
    last = runs[-1]
    if last.number == 1:
        return runs
    *below, top = last.levels
    if many(top) > 1:
        below.append(top.model_copy(update={"count": Size.of(many(top) - 1)}))
        top = top.model_copy(update={"count": Size.of(1)})
    first = Run(tuple(below), last.start, last.places)
    return [*runs[:-1], first, Run((top,), last.start + first.number, last.places[-1:])]

"""Energies as they are drawn: the layers of units face each other, with a line that has no direction between any two that meet.

An energy that hands its hidden units to another one is the lower part of a deep belief network: its units are drawn from those above them,
so the line points down. Comes in: a machine. Goes out: a box for each block of units, and what stands between.
"""

from __future__ import annotations

from typing import NamedTuple

from ...graph import Graph, Input, Machine, Ref, Units, Use
from .words import Voice


class Meeting(NamedTuple):
    """Two blocks with weights between them, or a tensor that a block depends on."""

    lower: str
    upper: str
    mutual: bool  # both are units


def meetings(machine: Machine) -> list[Meeting]:
    """Which visible units meet which hidden ones, and what else each block depends on, by names."""
    visible, hidden = ({block.name for block in blocks} for blocks in (machine.visible, machine.hidden))
    found = []
    for block in machine.blocks:
        for name in _read(block.mean):
            if name in visible and (block.hidden or name < block.name):  # two visible blocks once
                found.append(Meeting(name, block.name, mutual=True))
            elif name not in visible | hidden:
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
    """Does the energy at a node hand its hidden units to another energy, and to nothing else?"""
    readers = [node for node in graph.nodes if any(ref.node == number for ref in node.refs)]
    outward = any(output.ref == Ref(number) for output in graph.outputs)
    return bool(readers) and not outward and all(isinstance(n.op, Use) and isinstance(n.op.graph, Machine) for n in readers)

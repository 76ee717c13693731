"""What computes each recurrence of a model: a kernel made from the equations of its cell, or the steps as PyTorch, and why.

Comes in: the graph of a model. Goes out: for each cell that goes over time, by the path of its submodule, its equations where there can be
a kernel of them, and otherwise the reason why there is none. The runtime builds what is told here, before the first step of a training.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ..graph import Graph, Recur, Repeat, Use
from ..plan import RecurrencePlan
from .equations import Unfit, equations_of

MOST = 1000  # recurrences of one model that may have kernels; the others run as they are written


def recurrences(root: Graph) -> list[RecurrencePlan]:
    """One for each cell with weights of its own, in the order of the text."""
    found: dict[str, RecurrencePlan] = {}
    for path, recur in islice(_below(root, ("",), {}), MOST):
        if path not in found:
            found[path] = chosen(path, recur)
    return list(found.values())


def chosen(path: str, recur: Recur) -> RecurrencePlan:
    """What computes one of them."""
    try:
        return RecurrencePlan(path=path, both=recur.both, stepped=recur.graph.stepped, equations=equations_of(recur.graph))
    except Unfit as reason:
        return RecurrencePlan(path=path, both=recur.both, stepped=recur.graph.stepped, reason=str(reason))


def _below(graph: Graph, bodies: tuple[str, ...], known: dict[int, bool]) -> Iterator[tuple[str, Recur]]:
    """The recurrences in a body; `bodies` are the paths of this body and of those around it, outer ones first."""
    for node in graph.nodes if _goes_over_time(graph, known) else ():
        here = _joined(bodies[-1 - node.owner], node.key)
        if isinstance(node.op, Recur):
            yield here, node.op
        elif isinstance(node.op, Use):
            yield from _below(node.op.graph, (*bodies, here), known)
        elif isinstance(node.op, Repeat):
            yield from _levels(node.op, here, bodies, known)


def _levels(op: Repeat, here: str, bodies: tuple[str, ...], known: dict[int, bool]) -> Iterator[tuple[str, Recur]]:
    number = 0
    for level in op.levels:
        if not _goes_over_time(level.graph, known):
            number += level.count.number or 0
            continue
        for _ in range(1 if op.tied else level.count.number or 0):
            path = here if op.tied else _joined(here, str(number))
            number += 1
            if not op.single:
                yield from _below(level.graph, (*bodies, path), known)
                continue
            for node in level.graph.nodes:  # the body is one call, whose key is the level's own
                if isinstance(node.op, Recur):
                    yield path, node.op
                elif isinstance(node.op, Use):
                    yield from _below(node.op.graph, (*bodies, path), known)


def _goes_over_time(graph: Graph, known: dict[int, bool]) -> bool:
    if id(graph) not in known:
        known[id(graph)] = any(isinstance(node.op, Recur) or _goes_over_time(child, known) for node, child in graph.children())
    return known[id(graph)]


def _joined(path: str, key: str | None) -> str:
    return ".".join(part for part in (path, key) if part)

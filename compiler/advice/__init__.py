"""Advice: what is legal and surely not meant. Comes in: a program without errors, and the graphs of its models. Goes out: warnings.

One file a topic; each is a generator of faults, and none changes anything. The graph says what flows where, the text says whether a
person wrote it so: advice is given only where both agree, never for what another value of a hyperparameter would make right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...dsl import ast
from ...dsl.diagnostic import Fault, Report
from ..graph import Graph
from ..resolve import Program
from .draws import advice as of_draws
from .flow import Flow, reached
from .layers import advice as of_layers
from .losses import inside, of_program
from .text import Texts
from .unused import advice as of_unused

Trained = tuple[ast.Train, Graph]


def advise(program: Program, graphs: Sequence[Graph], trained: Sequence[Trained], report: Report) -> None:
    """Add the advice to `report`: each place once, though a part may be used with several values."""
    if not report.ok:
        return
    told = set()
    for fault in _advice(program, graphs, trained):
        if (fault.code, fault.span) not in told:
            told.add((fault.code, fault.span))
            report.add(fault)


def _advice(program: Program, graphs: Sequence[Graph], trained: Sequence[Trained]) -> Iterator[Fault]:
    texts = Texts(program)
    for graph in reached([*graphs, *(graph for _, graph in trained)]):
        flow = Flow(graph)
        yield from of_layers(flow, texts)
        yield from inside(flow, texts)
    for graph in reached([graph for _, graph in trained]):
        yield from of_draws(graph)
    for node, graph in trained:
        yield from of_program(node, graph, texts)
    yield from of_unused(program.main)

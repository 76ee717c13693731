"""program.py of a checked train program: columns, what is fitted, losses and metrics as functions."""

from __future__ import annotations

from ..emit.torch.module import Emitted
from ..emit.torch.program import Function, Source, emit_functions
from ..graph import Graph
from .program import Checked


def emit_program(checked: Checked, file: str) -> Emitted:
    """The source of the program; every function that the plan names is in it."""
    columns = checked.columns
    assert columns.graph is not None
    functions = []
    if columns.part is not None:
        functions.append(Function("part", "The part of each row.", columns.part, "rows"))
    if columns.fit is not None:
        doc = "What means and standard deviations are taken of, over the training part."
        functions.append(Function("fit", doc, columns.fit, "columns", _sources(columns.fit)))
    functions.append(Function("columns", "The columns of a batch of rows.", columns.graph, "columns", _sources(columns.graph)))
    if columns.altered is not None:
        doc = "The columns of a batch of rows that train, altered by what was drawn for each."
        functions.append(Function("altered", doc, columns.altered, "altered", _sources(columns.altered)))
    if columns.keep is not None:
        functions.append(Function("keep", "Which rows the training part keeps.", columns.keep, "named"))
    for term in checked.terms:
        functions.append(Function(term.term.function, None, term.graph, of_model=term.term.of_model))
        if term.slopes is not None and term.term.slopes is not None:
            doc = "The loss, and its slope in each parameter of the model."
            functions.append(
                Function(term.term.slopes, doc, term.slopes, of_model=True, gives="tuple[Tensor, tuple[Tensor, ...]]")
            )
    return emit_functions(functions, None, file, f"How {checked.node.model.text} is trained on {columns.node.name.text}.")


def _sources(graph: Graph) -> dict[str, Source]:
    """Fitted values come from `fitted`, what was drawn from `draws`, all else from the rows."""
    names = [node.outputs[0].name or "" for node in graph.inputs]
    found: dict[str, Source] = {n: ("fitted", n.removeprefix("fitted.")) for n in names if n.startswith("fitted.")}
    return found | {n: ("draws", n.removeprefix("draws.")) for n in names if n.startswith("draws.")}

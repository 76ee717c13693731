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
    if columns.fit is not None:
        functions.append(Function("fit", "What is fitted on the rows of the training part.", columns.fit, "rows"))
    functions.append(Function("columns", "The columns of a batch of rows.", columns.graph, "columns", _sources(columns.graph)))
    if columns.keep is not None:
        functions.append(Function("keep", "Which rows the training part keeps.", columns.keep, "named"))
    functions.extend(Function(term.term.function, None, term.graph) for term in checked.terms)
    return emit_functions(functions, None, file, f"How {checked.node.model.text} is trained on {columns.node.name.text}.")


def _sources(graph: Graph) -> dict[str, Source]:
    """Fitted values come from `fitted`, all else from the rows."""
    names = [node.outputs[0].name or "" for node in graph.inputs]
    return {name: ("fitted", name.removeprefix("fitted.")) for name in names if name.startswith("fitted.")}

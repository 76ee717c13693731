"""program.py: losses, metrics and column expressions as plain functions.

Comes in: graphs without weights, each with the name of its function. Goes out: a file that imports torch alone (and the model, if asked).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ...graph import Graph, Input
from ...passes.pin import pin_all
from ..code import Show
from .checks import check_lines
from .classes import dim_lines, returns
from .construct import entries
from .forward import Setting, Writer
from .lines import Line, Page, docstring, quoted
from .module import Emitted, finished, function_names, helpers
from .names import identifier
from .wiring import Purity

Source = tuple[Literal["rows", "fitted", "draws", "columns"], str]


@dataclass(frozen=True)
class Function:
    """A function to write.

    Of `tensors`: the graph's inputs are its parameters, in order. Of `columns`: it takes the dicts `rows` and `fitted`, reads each input
    from the place that `sources` names (or from the row's column of its own name), and returns its outputs in a dict by their names.
    Of `altered`: the same, and the dict `draws`. Of `rows`: the same, of the rows alone. Of `named`: it takes the dict
    `columns`, reads each input there, and returns its output. `of_model`: a function of tensors takes the model before them.
    """

    name: str
    doc: str | None
    graph: Graph
    style: Literal["tensors", "columns", "altered", "rows", "named"] = "tensors"
    sources: Mapping[str, Source] = field(default_factory=dict)
    of_model: bool = False  # the model itself comes before the tensors
    gives: str | None = None  # the annotation of what it returns, if that is not one tensor for each output


def emit_functions(functions: Iterable[Function], model_import: str | None, file_name: str, doc: str | None = None) -> Emitted:
    """The source of a program; `model_import` is a class that it takes from `model`."""
    functions = list(functions)
    called = sorted({helper for function in functions for helper in helpers(function.graph)})
    reserved = frozenset((*function_names(called), *(identifier(function.name) for function in functions)))
    page = Page()
    for function in functions:
        if page.lines:
            page.blank(2)
        _write(function, page, reserved)
    head = f"from model import {identifier(model_import)}" if model_import else ""
    return finished(page, doc, file_name, called, head=head)


def _write(function: Function, page: Page, reserved: frozenset[str]) -> None:
    graph = pin_all(function.graph)
    if entries(graph):
        raise ValueError(f"{function.name} owns weights, which a function cannot")
    span = graph.span
    columns = function.style in ("columns", "altered", "rows")
    inputs = {} if function.style == "tensors" else {name: _read(name, function) for name in _names(graph)}
    local = {name: identifier(name) for name in graph.dims}
    used: dict[str, None] = {}

    def named(name: str) -> str:
        used[name] = None
        return local[name]

    writer = Writer(graph, Setting(named, inputs=inputs, taken=_taken(function, local) | reserved, labels=columns), Purity())
    body = writer.write()
    checks = [line for assertion in graph.assertions for line in check_lines(assertion, Show(named))]
    dims = dim_lines(graph, [name for name in graph.dims if name in used], local, writer.parameters)
    if columns:
        fitted = ", fitted: dict[str, Tensor]" if function.style != "rows" else ""
        fitted += ", draws: dict[str, Tensor]" if function.style == "altered" else ""
        head = f"def {identifier(function.name)}(rows: dict[str, Tensor]{fitted}) -> dict[str, Tensor]:"
    elif function.style == "named":
        head = f"def {identifier(function.name)}(columns: dict[str, Tensor]) -> {returns(graph)}:"
    else:
        given = ", ".join([*(["model"] if function.of_model else []), *(f"{name}: Tensor" for name in writer.parameters)])
        head = f"def {identifier(function.name)}({given}) -> {function.gives or returns(graph)}:"
    page.add(Line(head, span))
    for text in docstring([function.doc or ""]):
        page.raw(f"    {text}" if text else "")
    page.add(*(line.moved(1) for line in (*dims, *checks, *body)))


def _names(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes if isinstance(node.op, Input)]


def _read(name: str, function: Function) -> str:
    where, column = function.sources.get(name, ("columns" if function.style == "named" else "rows", name))
    return f"{where}[{quoted(column)}]"


def _taken(function: Function, local: dict[str, str]) -> frozenset[str]:
    if function.of_model:
        return frozenset((*local.values(), "model"))
    return frozenset(local.values() if function.style == "tensors" else (*local.values(), "rows", "fitted", "draws", "columns"))

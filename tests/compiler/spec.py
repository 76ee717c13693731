"""What the tests of the checker share: specs as texts to reports, graphs and networks; the files and columns they may speak of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archc.compiler.graph import Graph, Node, Repeat, Use
from archc.compiler.pipeline import Compiled, check_source, compile_source
from archc.compiler.plan import SourceCall
from archc.compiler.resolve import Reader
from archc.compiler.training.columns import Schema
from archc.dsl.diagnostic import Report
from archc.dsl.render import render_report
from archc.dsl.source import Source

NAME = "spec.arch"
Files = Mapping[str, str]

COLUMNS: dict[str, Schema] = {
    "digits": {"data": ("float", (64,)), "images": ("float", (8, 8)), "target": ("int", ())},
    "people": {
        "first name": ("text", ()),
        "age": ("float", ()),
        "height": ("int", ()),
        "city": ("text", ()),
        "fold": ("int", ()),
        "steps": ("float", ("T", 3)),
        "tags": ("int", ("T",)),
        "photo": ("int", (3, 8, 8)),
    },
    "cells": {"data": ("float", (30,)), "target": ("int", ()), "kind": ("text", ())},
}


def columns_of(call: SourceCall) -> Schema | None:
    """The columns of the sources that tests speak of; none is known of any other."""
    return COLUMNS.get(str(call.args[0])) if call.args else None


def reader(files: Files) -> Reader:
    """Imports from a table of texts; `./` says nothing there."""

    def read(module: str, is_file: bool, importer: str) -> Source | str:
        name = module.removeprefix("./")
        return Source(name, files[name]) if name in files else "is not there"

    return read


def check(text: str, files: Files | None = None, name: str = NAME) -> Report:
    return check_source(Source(name, text), read=reader({**(files or {}), name: text}), schema=columns_of)


def messages(text: str, files: Files | None = None) -> list[str]:
    """The errors of a spec, each as code and message, in the order of the text."""
    return [f"{d.code}: {d.message}" for d in check(text, files).ordered() if d.severity == "error"]


def compiled(text: str, files: Files | None = None, **options: Any) -> Compiled:
    """A spec that compiles; the test fails with its diagnostics if it does not."""
    made, report = compile_source(Source(NAME, text), read=reader(files or {}), schema=columns_of, **options)
    assert made is not None, "\n" + render_report(report)
    return made


def refused(text: str, files: Files | None = None, **options: Any) -> Report:
    """A spec that does not compile."""
    made, report = compile_source(Source(NAME, text), read=reader(files or {}), schema=columns_of, **options)
    assert made is None
    assert not report.ok
    return report


def graph(text: str, files: Files | None = None, **hypers: object) -> Graph:
    """The graph of the first model, with hyperparameters from outside."""
    return compiled(text, files, hypers=hypers).graph


def body(lines: str, x: str = "[B, 64]", hypers: str = "", parts: str = "") -> str:
    """A model with these lines; `y` is what it returns unless they return something themselves."""
    inner = "\n".join(f"    {line}" for line in lines.strip("\n").split("\n"))
    end = "" if "return" in lines.rsplit("\n", 1)[-1] else "\n    return y"
    head = f"{parts}\n" if parts else ""
    return f"{head}model Net{f'({hypers})' if hypers else ''}(x: {x}) {{\n{inner}{end}\n}}\n"


def shapes(made: Graph) -> list[str]:
    """The types of the outputs, as people read them."""
    return [str(made.type_of(output.ref)) for output in made.outputs]


def shape(text: str, files: Files | None = None, **hypers: object) -> str:
    """The type of the one output."""
    (found,) = shapes(graph(text, files, **hypers))
    return found


def keys(made: Graph, above: str = "") -> list[str]:
    """The keys of all that owns weights or state, in the order of the text; a level's key stands for all its levels."""
    found: list[str] = []
    for node in made.nodes:
        if node.key is None:
            continue
        path = above + node.key
        if isinstance(node.op, Use):
            found += [path, *keys(node.op.graph, f"{path}.")]
        elif isinstance(node.op, Repeat):
            for level in node.op.levels:
                found += [f"{path} x{level.count}", *keys(level.graph, f"{path}.*.")]
        else:
            found.append(path)
    return found


def steps(made: Graph, kind: str) -> list[Node]:
    """The nodes of one kind: `dense`, `stack`, the name of a part."""
    return [node for node in made.nodes if node.op.title == kind]


def network(made: Compiled, **arguments: Any) -> Any:
    """The module of a compiled model, built by its own constructor."""
    scope: dict[str, Any] = {"__name__": "generated"}
    exec(compile(made.source, "generated.py", "exec"), scope)
    return scope[made.plan.model.class_name](**{**made.plan.model.arguments, **arguments})

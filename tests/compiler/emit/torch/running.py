"""Specs to graphs, graphs to classes that run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archc.compiler.elaborate.roots import elaborate_root
from archc.compiler.emit.torch import Emitted, emit_module
from archc.compiler.graph import Graph
from archc.compiler.resolve import resolve
from archc.compiler.shapes import Dim, Size
from archc.compiler.values import Real
from archc.dsl.diagnostic import Report
from archc.dsl.source import Source

HERE = Path(__file__).resolve().parents[3]
GOLDEN = HERE / "golden" / "torch"
SPECS = HERE.parent / "specs"
FREE = {"B": 3, "T": 5, "S": 6, "H": 32, "W": 48, "N": 4}


def graph_of(text: str, name: str = "spec.arch", **hypers: int | float) -> Graph:
    """The typed graph of the first model of a spec."""
    report = Report()
    program = resolve(Source(name, text), report, lambda *_: "is not there")
    given = {key: Size.of(value) if isinstance(value, int) else Real.of(value) for key, value in hypers.items()}
    graph = elaborate_root(program.roots[0], given, report)
    assert graph is not None, [d.message for d in report.errors]
    assert report.ok, [d.message for d in report.errors]
    return graph


def executed(emitted: Emitted) -> type[nn.Module]:
    """The root's class of a generated file."""
    scope: dict[str, Any] = {"__name__": "generated"}
    exec(compile(emitted.text, "generated.py", "exec"), scope)
    found = scope[emitted.class_name]
    assert isinstance(found, type)
    return found


def number(value: Size | Real) -> int | float:
    if isinstance(value, Real):
        return value.value
    assert value.number is not None
    return value.number


def arguments(graph: Graph, emitted: Emitted) -> dict[str, int | float]:
    """What the constructor is given for the hyperparameters in force."""
    values = {hyper.name: hyper.value for hyper in graph.hypers}
    return {emitted.keywords[name]: number(values[name]) for name in emitted.parameters}


def network(graph: Graph, **other: int | float) -> nn.Module:
    """The network of a graph; with other arguments of its constructor, if any."""
    emitted = emit_module(graph, "spec.arch")
    return filled(executed(emitted)(**{**arguments(graph, emitted), **other}))


def filled(module: nn.Module) -> nn.Module:
    """Weights and buffers that depend on their keys alone, variances positive."""
    for key, tensor in sorted(module.state_dict().items()):
        if tensor.is_floating_point():
            generator = torch.Generator().manual_seed(sum(map(ord, key)))
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.4 + 0.1)
    return module


def sizes(shape: tuple[Size, ...]) -> list[int]:
    free = {name: Dim.of(value) for name, value in FREE.items()}
    found = [size.value.substitute(free).constant for size in shape]
    return [size for size in found if size is not None]


def inputs(graph: Graph) -> list[Tensor]:
    """A batch of drawn inputs."""
    generator = torch.Generator().manual_seed(0)
    drawn = []
    for node in graph.inputs:
        shape = sizes(node.type.shape)
        if node.type.dtype == "float":
            drawn.append(torch.randn(shape, generator=generator))
        else:
            whole = torch.randint(0, 2, shape, generator=generator)
            drawn.append(whole.bool() if node.type.dtype == "bool" else whole)
    return drawn


def outputs(module: nn.Module, given: list[Tensor]) -> list[Tensor]:
    with torch.no_grad():
        result = module(*given)
    return list(result) if isinstance(result, tuple) else [result]

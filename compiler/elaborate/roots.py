"""Roots: their inputs, their hyperparameters, and parts that are looked at by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...dsl import ast
from ...dsl.diagnostic import Report
from ...dsl.span import Span
from ..errors.calls import (
    MissingArgument,
)
from ..errors.shapes import RestOfNothing
from ..graph import Graph, TensorType
from ..layers.base import Refusal
from ..resolve import Declared
from ..shapes import Dim, Size
from .body import Body
from .elaborator import Elaborator
from .hypers import hyper_scope
from .limits import too_large
from .signatures import dim_of, dtype_of
from .values import POISON, Value


def root_inputs(declared: Declared, body: Body) -> tuple[TensorType | None, ...] | None:
    """The types of a root's inputs: capital dims are free, the others are computed from the hyperparameters. None for a told fault."""
    types: list[TensorType | None] = []
    for param in declared.node.tensors:
        assert isinstance(param.type, ast.TensorType)
        shape = []
        for dim in param.type.dims:
            if isinstance(dim, ast.Rest):
                if not body.elaborator.standalone:
                    raise Refusal(
                        RestOfNothing(dim.span, f"nothing uses {declared.node.name.text}, which is a {declared.node.kind}")
                    )
                shape.append(Size.of(Dim.of("...")))
                continue
            if isinstance(dim, ast.Name) and dim.id[0].isupper():
                body.scope.names.setdefault(dim.id, Size.of(Dim.of(dim.id)))
            size = dim_of(body, dim)
            if size is None:
                return None
            shape.append(size)
        types.append(TensorType(dtype_of(param.type), tuple(Size.of(size.value) for size in shape), param.span))
    return tuple(types)


def elaborate_root(
    declared: Declared,
    hypers: Mapping[str, Value],
    report: Report,
    *,
    standalone: bool = False,
    required: Sequence[ast.Param] = (),
    place: Span | None = None,
) -> Graph | None:
    """The graph of a model. Faults go to `report`. A part looked at by itself (`standalone`) has symbols for what it requires."""
    elaborator = Elaborator(report, standalone=standalone)
    elaborator.place = place
    if id(declared.node) in declared.unit.broken:
        return None
    if standalone:
        guessed = {param.name.text: _guessed(param) for param in declared.node.hypers if param.default is None}
        hypers = {**hypers, **guessed}
        elaborator.unknown = frozenset(guessed) | (_dims(declared.node) if declared.node.kind != "model" else frozenset())
    elif required:
        names = tuple(param.name.text for param in required)
        what = f"the {declared.node.kind} {declared.node.name.text}"
        elaborator.report(MissingArgument(place or required[0].name.span, what, names))
        return None
    scratch = elaborator.body(declared)
    try:
        hyper_scope(scratch, declared.node, hypers)
        types = root_inputs(declared, scratch)
        part = elaborator.part(declared, hypers, types, None) if types is not None else None
    except Refusal as refusal:
        elaborator.report(refusal.fault)
        return None
    if part is None:
        return None
    large = too_large(part.graph)
    if large is not None:
        elaborator.report(large)
        return None
    defaults = _own_defaults(declared, report)
    hyper_list = tuple(h.model_copy(update={"default": defaults.get(h.name, h.value)}) for h in part.graph.hypers)
    return part.graph.model_copy(update={"hypers": hyper_list})


def _guessed(param: ast.Param) -> Value:
    """What stands for a hyperparameter that nobody has given: a symbol where it may be a number."""
    kind = param.type.name if isinstance(param.type, ast.HyperType) else "int"
    return Size.of(Dim.of(param.name.text)) if kind in ("int", "float") else POISON


def _dims(node: ast.Declaration) -> frozenset[str]:
    """The symbols of a signature."""
    types = [param.type for param in node.tensors if isinstance(param.type, ast.TensorType)]
    return frozenset(dim.id for type_ in types for dim in type_.dims if isinstance(dim, ast.Name))


def _own_defaults(declared: Declared, report: Report) -> dict[str, Value]:
    """The defaults as the text has them, whatever was set."""
    if any(param.default is None for param in declared.node.hypers):
        return {}
    scratch = Elaborator(Report(report.sources)).body(declared)
    try:
        hyper_scope(scratch, declared.node, {})
    except Refusal:
        return {}
    return {name: scratch.scope.names[name] for name in scratch.scope.names}

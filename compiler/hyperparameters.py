"""Hyperparameters from outside: `--set depth=6`, `load(path, depth=6)`, `train Model(depth=6)`, as compile-time values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..dsl import ast
from ..dsl.diagnostic import Report
from ..dsl.parser import parse
from ..dsl.source import Source
from .elaborate.elaborator import Elaborator
from .elaborate.expressions import evaluate, one
from .elaborate.values import Items, Poison, Value, without_text
from .errors.calls import TooManyArguments, UnknownHyperparameter
from .errors.roots import UnreadableValue
from .resolve import Declared
from .shapes import Size
from .values import Real


def from_outside(declared: Declared, given: Mapping[str, object], report: Report) -> dict[str, Value]:
    """Values of a command line (texts) or of Python, for the hyperparameters of `declared`."""
    params = {param.name.text: param for param in declared.node.hypers}
    values: dict[str, Value] = {}
    for name, value in given.items():
        if name not in params:
            report.add(UnknownHyperparameter(declared.node.name.span, name, declared.node.name.text, tuple(params)))
            continue
        read = _text(declared, params[name], value) if isinstance(value, str) else _python(value)
        if isinstance(read, Poison):
            report.add(UnreadableValue(params[name].name.span, name, str(value)))
        else:
            values[name] = read
    return values


def from_train(declared: Declared, args: tuple[ast.Arg, ...], elaborator: Elaborator) -> dict[str, Value]:
    """The hyperparameters of a `train` line."""
    order = [param.name.text for param in declared.node.hypers]
    scratch = elaborator.body(declared)
    values: dict[str, Value] = {}
    for place, arg in enumerate(args):
        name = arg.name.text if arg.name is not None else order[place] if place < len(order) else None
        span = arg.name.span if arg.name is not None else arg.value.span
        if name is None:
            elaborator.report(TooManyArguments(span, declared.node.name.text, len(order), len(args), declared.node.name.span))
        elif name not in order:
            elaborator.report(UnknownHyperparameter(span, name, declared.node.name.text, tuple(order), written=True))
        else:
            value = one(evaluate(scratch, arg.value))
            if not isinstance(value, Poison):
                values[name] = without_text(value)
    return values


def _python(value: object) -> Value:
    match value:
        case bool() | None:
            return value
        case int():
            return Size.of(value)
        case float():
            return Real.of(value)
        case list() | tuple():
            items = tuple(_text_item(item) if isinstance(item, str) else _python(item) for item in value)
            return Poison() if any(isinstance(item, Poison) for item in items) else Items(items)
    return Poison()


def _text_item(item: str) -> Value:
    return item


def _text(declared: Declared, param: ast.Param, text: str) -> Value:
    """A text of the command line: an expression of the language; as it is where a text is wanted."""
    wants_text = isinstance(param.default, ast.String) or (isinstance(param.type, ast.HyperType) and param.type.name == "str")
    if wants_text:
        return text
    report = Report()
    file = parse(Source("<value>", f"model Value(value = ({text}))(x: [B]) {{\n    return x\n}}\n"), report)
    item = file.items[0] if len(file.items) == 1 else None
    if not report.ok or not isinstance(item, ast.Declaration) or len(item.hypers) != 1 or item.hypers[0].default is None:
        return Poison()
    silent = Elaborator(report)
    value = one(evaluate(silent.body(declared), item.hypers[0].default))
    return without_text(value) if report.ok else Poison()


def is_plain(value: Value) -> bool:
    """Can it be given from outside: a number, a truth, a text, none, or a list of such?"""
    if isinstance(value, Items):
        return all(is_plain(item) for item in value.items)
    return value is None or isinstance(value, Size | Real | bool | str)


def as_python(value: Value) -> Any:
    """A plain value for a plan, or for `run.json`."""
    match value:
        case Size():
            return value.number if value.number is not None else str(value)
        case Real():
            return value.value
        case Items():
            return [as_python(item) for item in value.items]
    return value

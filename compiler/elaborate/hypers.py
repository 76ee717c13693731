"""Hyperparameters of a declaration: bound to what is given or to their defaults, and held against their types."""

from __future__ import annotations

from collections.abc import Mapping

from ...dsl import ast
from ...dsl.span import Span
from ..errors.calls import (
    BadHyperparameter,
)
from ..layers.base import Refusal
from ..shapes import Dim, Size
from ..values import Formula, Real, Truth
from .body import Body
from .expressions import evaluate
from .values import (
    CALLABLES,
    POISON,
    Items,
    LayerRecipe,
    PartRecipe,
    Poison,
    Shared,
    Value,
    describe,
)


def hyper_scope(body: Body, declared: ast.Declaration, given: Mapping[str, Value]) -> None:
    """Bind the hyperparameters in `body`: given or default, each under its own name as text. All that do not fit are told."""
    faults = []
    for param in declared.hypers:
        name = param.name.text
        value = given[name] if name in given else evaluate(body, param.default) if param.default is not None else None
        try:
            value = typed(param, value, param.default.span if param.default is not None and name not in given else param.span)
        except Refusal as refusal:
            faults.append(refusal.fault)
            value = POISON
        if name not in given:
            body.defaults[name] = value
        match value:
            case Size():
                value = Size(value.value, Dim.of(name))
            case Real():
                value = Real(value.value, Formula("name", (name,)))
            case Truth():
                value = bool(value.value)
            case LayerRecipe() | PartRecipe() if value.built and _is_one(value):
                value = Shared(name, value, body, param.span)  # a built layer is one, however often it is used
        if not isinstance(value, Size | Real):
            body.constants[name] = value
        body.scope.names[name] = value
    for fault in faults[:-1]:
        body.report(fault)
    if faults:
        raise Refusal(faults[-1])


def _is_one(value: LayerRecipe | PartRecipe) -> bool:
    """Does it own weights as it is? A cell does not: each `recur` makes one of its own."""
    return value.declared.node.kind != "cell" if isinstance(value, PartRecipe) else value.layer.owns


KINDS: dict[str, tuple[type, ...]] = {
    "int": (Size,),
    "float": (Real, Size),
    "bool": (bool, Truth),
    "str": (str,),
    "list": (Items,),
}


def typed(param: ast.Param, value: Value, place: Span) -> Value:
    """The value as the hyperparameter's annotation, or else its default, wants it; `place` is where it was given."""
    wanted = param.type.name if isinstance(param.type, ast.HyperType) else _kind_of_default(param.default)
    if wanted is None or value is None or isinstance(value, Poison):
        return value
    if wanted == "float" and isinstance(value, Size) and value.number is not None:
        return Real(float(value.number), float(value.number))
    fits = isinstance(value, CALLABLES) if wanted == "callable" else isinstance(value, KINDS[wanted])
    if not fits:
        origin = param.span if param.type is None else param.type.span
        raise Refusal(BadHyperparameter(place, param.name.text, _ARTICLES[wanted], describe(value), origin))
    return value


_ARTICLES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "list": "a list",
    "callable": "a layer, an op or a part",
}


def _kind_of_default(default: ast.Expr | None) -> str | None:
    match default:
        case ast.Number(text=text):
            return "int" if text.isdigit() else "float"
        case ast.Literal_(value=bool()):
            return "bool"
        case ast.String():
            return "str"
        case ast.List():
            return "list"
    return None

"""What a program says in constants, as values of the plan: arguments of clauses, the call of a source, places."""

from __future__ import annotations

from collections.abc import Mapping

from ...dsl import ast
from ...dsl.span import Span
from ..elaborate.body import Body
from ..elaborate.elaborator import Elaborator
from ..elaborate.expressions import evaluate, one
from ..elaborate.values import Value, describe
from ..errors.training import BadSource
from ..layers.base import Refusal
from ..plan import Argument, Place, SourceCall
from ..resolve import Unit
from ..shapes import Size
from ..values import Real


def place_of(span: Span) -> Place:
    return Place(file=span.source, line=span.start.line, column=span.start.column)


def source_call(node: ast.Data, unit: Unit, elaborator: Elaborator) -> SourceCall:
    """The source as a name with constant arguments."""
    call = node.source
    name = call.function if isinstance(call, ast.Call) else call
    if not isinstance(name, ast.Name):
        raise Refusal(BadSource(call.span, 'a source is a call such as sklearn("digits")'))
    scratch = Body(elaborator, unit, node.name.text, {})
    args: list[Argument] = []
    kwargs: dict[str, Argument] = {}
    for arg in call.args if isinstance(call, ast.Call) else ():
        value = constant(scratch, arg.value)
        if arg.name is None:
            args.append(value)
        else:
            kwargs[arg.name.text] = value
    return SourceCall(kind=name.id, args=args, kwargs=kwargs, place=place_of(call.span))


def constant(body: Body, node: ast.Expr) -> Argument:
    """A constant of a plan: number, text, truth, none, or a list of them."""
    return _plain(one(evaluate(body, node)), node.span)


def _plain(value: Value, span: Span) -> Argument:
    match value:
        case bool() | str() | None:
            return value
        case Size() if value.number is not None:
            return value.number
        case Real():
            return value.value
        case _ if hasattr(value, "items") and not isinstance(value, Mapping):
            return [_plain(item, span) for item in value.items]  # type: ignore[misc]
    raise Refusal(BadSource(span, f"a constant is wanted here, but this is {describe(value)}"))

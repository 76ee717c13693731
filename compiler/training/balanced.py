"""`weight="balanced"`: what each label counts is fitted on the training part, so that every class counts alike.

A loss of classes with it is read as the weighted mean that it means: each row's loss times the weight of its label, over the sum of those
weights. The engine gives the weights: rows of the training part over classes times rows of the class (scikit-learn's `class_weight`).
"""

from __future__ import annotations

from dataclasses import replace

from ...dsl import ast
from ..errors.training import BadClause
from ..layers.base import Refusal

LOSSES = ("cross_entropy", "nll")
WEIGHT = "weight"


def labels_of(node: ast.Expr) -> tuple[ast.Expr, list[str]]:
    """The expression with balanced losses written out, and the columns whose labels are weighted."""
    found: list[str] = []
    return _written(node, found), found


def weights_name(column: str) -> str:
    """The argument of a loss that holds the weight of each label of a column."""
    return f"{column}_weight"


def _written(node: ast.Expr, found: list[str]) -> ast.Expr:
    match node:
        case ast.Call() if _is_balanced(node):
            return _mean(node, None, found)
        case ast.Flow(steps=(*before, ast.Call() as last)) if _is_balanced(last):
            flow = before[0] if len(before) == 1 else replace(node, steps=tuple(before))
            return _mean(last, flow, found)
        case ast.Binary():
            return replace(node, left=_written(node.left, found), right=_written(node.right, found))
    return node


def _is_balanced(node: ast.Call) -> bool:
    return any(_says(arg) for arg in node.args)


def _says(arg: ast.Arg) -> bool:
    return (
        arg.name is not None and arg.name.text == WEIGHT and isinstance(arg.value, ast.String) and arg.value.value == "balanced"
    )


def _mean(call: ast.Call, flow: ast.Expr | None, found: list[str]) -> ast.Expr:
    said = next(arg for arg in call.args if _says(arg))
    tensors = [arg.value for arg in call.args if arg.name is None]
    if not isinstance(call.function, ast.Name) or call.function.id not in LOSSES:
        raise Refusal(BadClause(said.value.span, f'weight="balanced" is for {" and ".join(LOSSES)}'))
    if not tensors or not isinstance(tensors[-1], ast.Name):
        raise Refusal(
            BadClause(said.value.span, 'weight="balanced" counts the labels of a column: cross_entropy(logits, label, …)')
        )
    label = tensors[-1].id
    if label not in found:
        found.append(label)
    span = call.span
    weights = ast.Name(span=span, id=weights_name(label))
    none = ast.Arg(span=span, value=ast.String(span=span, value="none"), name=ast.Ident(span=span, text="reduction"))
    first = () if flow is None else (ast.Arg(span=span, value=flow),)
    each = replace(call, args=(*first, *(arg for arg in call.args if arg is not said), none))
    return ast.Binary(span=span, op="/", left=_sum(ast.Binary(span=span, op="*", left=each, right=weights)), right=_sum(weights))


def _sum(node: ast.Expr) -> ast.Call:
    return ast.Call(span=node.span, function=ast.Name(span=node.span, id="sum"), args=(ast.Arg(span=node.span, value=node),))

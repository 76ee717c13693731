"""The blocks of units of an energy: the visible ones of its signature, and those that `latent` declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from ...dsl import ast
from ...dsl.span import Span
from ..elaborate.body import Body
from ..elaborate.statements import written_type
from ..elaborate.values import POISON, Tensor
from ..errors.energies import LatentOutside, NoUnits, UnitsOfWhat
from ..graph import Latent, TensorType, UnitKind
from ..layers.base import Refusal

KINDS = ("binary", "real", "onehot")
LEAST = {"binary": 2, "real": 2, "onehot": 2}  # dims: the batch, and the units


@dataclass(frozen=True, eq=False)
class Block:
    """A block of units while its energy is derived."""

    name: str
    kind: UnitKind
    hidden: bool
    tensor: Tensor
    span: Span


def define_latent(body: Body, node: ast.LatentDef) -> None:
    """`latent h: binary[B, K]`: an input of the energy that nobody gives."""
    name = node.name.text
    declared = body.declared
    if declared is None or declared.node.kind != "energy" or body.outer is not None:
        raise Refusal(LatentOutside(node.span, name))
    type_ = written_type(body, node.type)
    if type_ is None:
        body.scope.names[name] = POISON
        return
    if kind_of(node.type) is None or type_.rank < 2 or not _batched(body, type_):
        wanted = "binary[B, …], real[B, …] or onehot[B, …]"
        raise Refusal(UnitsOfWhat(node.type.span, name, body.unit.source.slice(node.type.span), wanted))
    number = body.add(Latent(name=name), (), (type_,), node.span)
    body.label(number, 0, name)
    body.scope.names[name] = body.tensor(number, 0, name)


def kind_of(type_: ast.TensorType) -> UnitKind | None:
    """The kind of units that a type says; none for a tensor that is given as it is."""
    text = None if type_.dtype is None else type_.dtype.text
    return cast("UnitKind", text) if text in KINDS else None


def _batched(body: Body, type_: TensorType) -> bool:
    """Is its first dim that of the inputs?"""
    first = next((node for node in body.nodes if node.outputs[0].type.rank), None)
    return first is not None and body.same(type_.shape[0], first.type.shape[0])


def blocks_of(body: Body, node: ast.Declaration) -> tuple[Block, ...] | None:
    """All blocks, visible ones first; none where there are not both and the fault is told."""
    tensors: dict[str, Tensor] = {}
    for number, made in enumerate(body.nodes):
        if made.outputs[0].name is not None and made.op.__class__.__name__ in ("Input", "Latent"):
            tensors.setdefault(made.outputs[0].name, body.tensor(number, 0, made.outputs[0].name))
    found: list[Block] = []
    for param in node.tensors:
        kind = kind_of(param.type) if isinstance(param.type, ast.TensorType) else None
        if kind is None or param.name.text not in tensors:
            continue
        tensor = tensors[param.name.text]
        if tensor.type.rank < 2:
            wanted = f"{kind}[B, …], a row for each example"
            body.report(UnitsOfWhat(param.span, param.name.text, str(tensor.type), wanted))
            return None
        found.append(Block(param.name.text, kind, False, tensor, param.span))
    visible = len(found)
    for statement in node.body:
        if isinstance(statement, ast.LatentDef) and statement.name.text in tensors:
            kind = kind_of(statement.type)
            assert kind is not None
            found.append(Block(statement.name.text, kind, True, tensors[statement.name.text], statement.span))
    if visible and len(found) > visible:
        return tuple(found)
    if visible:
        body.report(NoUnits(node.name.span, node.name.text, "hidden", "latent h: binary[B, 64]"))
        return None
    first = next((p for p in node.tensors if isinstance(p.type, ast.TensorType) and p.type.dtype is None), None)
    if first is None or first.type is None:
        body.report(NoUnits(node.name.span, node.name.text, "visible", "v: binary[B, D]"))
    else:
        written = body.unit.source.slice(first.type.span)
        example = f"{first.name.text}: real{written}, or binary{written}"
        body.report(NoUnits(node.name.span, node.name.text, "visible", example, first.type.span))
    return None

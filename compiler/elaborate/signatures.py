"""Signatures: the types of a declaration unified with what it is given; its inputs, in its own names.

Comes in: a declaration and the types of tensors. Goes out: an input for each, and a size for each dim that the signature names.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...dsl import ast
from ...dsl.span import NOWHERE, Span
from ..errors.calls import (
    BadArithmetic,
)
from ..errors.shapes import DimsDisagree, RestOfNothing, WrongDtype, WrongRank
from ..graph import Axis, DType, TensorType
from ..layers.base import Refusal
from ..shapes import Dim, Size
from .body import Body, LayerChecker
from .expressions import evaluate, one
from .values import (
    POISON,
    Poison,
    Tensor,
    describe,
)


@dataclass(frozen=True, eq=False)
class Site:
    """Where a part is used, for messages: the tensors given and their places."""

    body: Body
    span: Span
    places: tuple[Span, ...]
    tensors: tuple[Tensor, ...]


def dtype_of(type_: ast.TensorType) -> DType:
    """The dtype that a type says; `binary` are floats from 0 to 1."""
    match None if type_.dtype is None else type_.dtype.text:
        case "int":
            return "int"
        case "bool":
            return "bool"
    return "float"


def bind_inputs(body: Body, declared: ast.Declaration, types: tuple[TensorType | None, ...], call: Site | None) -> bool:
    """Unify the signature with what is given, and make the inputs. False when something does not fit."""
    pairs = list(zip(declared.tensors, types, strict=True))
    given = [(param, type_) for param, type_ in pairs if type_ is not None]
    for number, (param, type_) in enumerate(given):
        if isinstance(param.type, ast.TensorType):
            _bind_symbols(body, param.type, type_, number)
    for param, left_out in pairs:
        if left_out is None:
            body.scope.names[param.name.text] = None
    fits = True
    for number, (param, type_) in enumerate(given):
        assert isinstance(param.type, ast.TensorType)
        local = _local_type(body, param, param.type, type_, number, call)
        fits = fits and local is not None
        body.scope.names[param.name.text] = POISON if local is None else body.input(param.name.text, local, param.span)
    return fits


def split_rest(dims: tuple[ast.Expr | ast.Rest, ...], rank: int) -> tuple[int, int] | None:
    """How many dims stand before `...` and how many it covers; none when the ranks cannot fit."""
    rests = [i for i, dim in enumerate(dims) if isinstance(dim, ast.Rest)]
    if not rests:
        return (rank, 0) if len(dims) == rank else None
    covered = rank - (len(dims) - 1)
    return (rests[0], covered) if covered >= 0 else None


def _aligned(type_: ast.TensorType, rank: int) -> list[tuple[ast.Expr | ast.Rest, int]] | None:
    """Each axis with the dim of the signature that stands for it."""
    split = split_rest(type_.dims, rank)
    if split is None:
        return None
    before, covered = split
    rest = [ast.Rest()] * covered
    if not any(isinstance(dim, ast.Rest) for dim in type_.dims):
        return [(dim, axis) for axis, dim in enumerate(type_.dims)]
    dims: list[ast.Expr | ast.Rest] = [*type_.dims[:before], *rest, *type_.dims[before + 1 :]]
    return [(dim, axis) for axis, dim in enumerate(dims)]


def _bind_symbols(body: Body, signature: ast.TensorType, given: TensorType, number: int) -> None:
    for dim, axis in _aligned(signature, given.rank) or ():
        if isinstance(dim, ast.Name) and dim.id[0].isupper() and dim.id not in body.sizes and body.scope.get(dim.id) is not None:
            size = Size(given.shape[axis].value, Dim.of(dim.id))
            body.sizes[dim.id] = size
            body.dims[dim.id] = Axis(number, axis)
            body.scope.names[dim.id] = size


def _local_type(
    body: Body, param: ast.Param, signature: ast.TensorType, given: TensorType, number: int, call: Site | None
) -> TensorType | None:
    """The type of an input in the part's own names; a fault where it does not fit."""
    place = NOWHERE if call is None else call.places[number]
    what = f"{param.name.text} of {body.name}"
    wanted = body.unit.source.slice(signature.span)
    aligned = _aligned(signature, given.rank)
    split = split_rest(signature.dims, given.rank)
    if aligned is None or split is None or not _fits_rest(body, signature, split[1]):
        if body.rest is not None and any(isinstance(dim, ast.Rest) for dim in signature.dims):
            wanted += f" with {', '.join(map(str, body.rest)) or 'nothing'} as ..."
        body.elaborator.report(WrongRank(place, what, wanted, str(given), given.origin))
        return None
    dtype = dtype_of(signature)
    if dtype != given.dtype:
        body.elaborator.report(WrongDtype(place, what, dtype, str(given), given.origin))
        return None
    shape, run = [], list[Size]()
    for dim, axis in aligned:
        size = given.shape[axis]
        if isinstance(dim, ast.Rest):
            wanted_size = _rest_size(body, size, number, axis) if body.rest is None else body.rest[len(run)]
            run.append(wanted_size)
        else:
            known = dim_of(body, dim)
            if known is None:
                return None
            wanted_size = known
        if wanted_size.value != size.value and not body.elaborator.facts.equal(wanted_size.value, size.value):
            body.elaborator.report(_disagree(body, param, dim, wanted_size, given, axis, place, call, number))
            return None
        if wanted_size.text != size.text and body.dims.get(str(wanted_size.text)) != (number, axis):
            body.signature.append((wanted_size.text, Axis(number, axis)))
        shape.append(wanted_size)
    if any(isinstance(dim, ast.Rest) for dim in signature.dims):
        body.rest = tuple(run)
    return TensorType(given.dtype, tuple(shape), param.span)


def _fits_rest(body: Body, signature: ast.TensorType, covered: int) -> bool:
    """Does `...` cover as many dims here as in the tensors before?"""
    return body.rest is None or len(body.rest) == covered or not any(isinstance(dim, ast.Rest) for dim in signature.dims)


def _rest_size(body: Body, size: Size, number: int, axis: int) -> Size:
    """A dim under `...`: a name of its own, read from the input where the text needs it."""
    name = f"dim{axis}" if number == 0 else f"dim{axis}_{number}"  # of the first tensor that has it
    body.dims.setdefault(name, Axis(number, axis))
    local = Size(size.value, Dim.of(name))
    body.sizes[name] = local
    return local


def _disagree(
    body: Body,
    param: ast.Param,
    dim: ast.Expr | ast.Rest,
    wanted: Size,
    given: TensorType,
    axis: int,
    place: Span,
    call: Site | None,
    number: int,
) -> DimsDisagree:
    origin, other = given.origin, dim.span
    if call is not None:
        see = LayerChecker(call.body, call.tensors, {}, call.span)
        origin = see.origin(number, axis)
        if isinstance(dim, ast.Rest):
            other = see.origin(*body.dims[str(wanted.text)])
    written = body.unit.source.slice(dim.span)
    shown = str(wanted) if written in (str(wanted), "") else f"{written} = {wanted}"
    signature = body.unit.source.slice(param.type.span) if param.type is not None else ""
    return DimsDisagree(
        place,
        f"{param.name.text} of {body.name} is {signature}",
        f"its dim {axis} must be {shown}",
        f"it was given {given}",
        other,
        origin,
        shown,
        str(given.shape[axis]),
    )


def dims_of(body: Body, dims: tuple[ast.Expr | ast.Rest, ...]) -> list[Size | None]:
    """The dims of a type in a body; `...` are those that it stands for in the signature."""
    found: list[Size | None] = []
    for dim in dims:
        if not isinstance(dim, ast.Rest):
            found.append(dim_of(body, dim))
            continue
        rest = body.root().rest
        if rest is None:
            raise Refusal(RestOfNothing(dim.span, f"the signature of {body.root().name} has none"))
        found += rest
    return found


def dim_of(body: Body, dim: ast.Expr) -> Size | None:
    """A dim of a written type as a size; none where its fault is told."""
    value = one(evaluate(body, dim))
    if isinstance(value, Size):
        return value
    if isinstance(value, Poison):
        return None
    raise Refusal(BadArithmetic(dim.span, f"a dim is a whole number, but this is {describe(value)}"))

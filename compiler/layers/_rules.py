"""Rules that many layers share: ranks, dtypes, dims by name or number, sizes that must be known or agree, broadcasting.

Each either gives what the layer asked for, or raises `Refusal` with the place and the origins of what does not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..emit.code import Code, Show
from ..errors.layers import OutOfRange
from ..errors.shapes import BadArgument, DimsDisagree, NoSuchDim, UnknownSize, WrongDtype, WrongRank
from ..graph import DType, TensorType
from ..shapes import Size, apply
from ..values import AxisName, Real
from .base import ONE, Checker, Given, Layer, PerAxis, Refusal, names_dims, per_axis

Dims = AxisName | Size | tuple[AxisName | Size, ...]


MOST_PARTS = 100_000  # tensors that one step may give


def plural(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


# Dtypes and ranks -----------------------------------------------------------------------------------------------------


def want_dtype(see: Checker, layer: str, which: int, tensor: TensorType, *allowed: DType) -> None:
    if tensor.dtype not in allowed:
        raise Refusal(WrongDtype(see.place(which), layer, " or ".join(allowed), str(tensor), tensor.origin))


def want_float(see: Checker, layer: str, *tensors: TensorType) -> None:
    for which, tensor in enumerate(tensors):
        want_dtype(see, layer, which, tensor, "float")


def want_rank(see: Checker, layer: str, which: int, tensor: TensorType, wanted: str, *ranks: int) -> None:
    if tensor.rank not in ranks:
        raise Refusal(WrongRank(see.place(which), layer, wanted, str(tensor), tensor.origin))


def want_at_least(see: Checker, layer: str, which: int, tensor: TensorType, rank: int) -> None:
    if tensor.rank < rank:
        raise Refusal(WrongRank(see.place(which), layer, f"at least {plural(rank, 'dim')}", str(tensor), tensor.origin))


def want_image(see: Checker, layer: str, x: TensorType, which: int = 0) -> tuple[Size, ...]:
    """The spatial sizes of a float `[B, C, *spatial]` with one to three of them."""
    want_rank(see, layer, which, x, "[B, C, *spatial] with one to three spatial dims", 3, 4, 5)
    want_dtype(see, layer, which, x, "float")
    return x.shape[2:]


# Sizes ----------------------------------------------------------------------------------------------------------------


def known(see: Checker, layer: str, tensor: TensorType, axis: int, which: int = 0) -> Size:
    """The size of that dim, which weights are made of."""
    size = tensor.shape[axis]
    if size.number is None:
        advice = f"give {size} a number in the signature" if size.value.symbol else ""
        raise Refusal(UnknownSize(see.span, layer, str(size), str(tensor), see.origin(which, axis % tensor.rank), advice))
    return size


def count(see: Checker, layer: str, argument: str, size: Size) -> int:
    """A number that decides how many tensors there are, or which dims: it must be known, and the text relies on it."""
    if size.number is None or not see.same(size, Size.of(size.number)):
        raise Refusal(BadArgument(see.place(argument), layer, argument, "it must be known at compile time", str(size)))
    return size.number


def parts(see: Checker, layer: str, argument: str, size: Size) -> int:
    """How many tensors one step gives."""
    number = count(see, layer, argument, size)
    if number > MOST_PARTS:
        rule = f"it makes {number:,} parts, and {MOST_PARTS:,} are the most"
        raise Refusal(BadArgument(see.place(argument), layer, argument, rule, str(size)))
    return number


def each_axis(see: Checker, layer: str, argument: str, value: PerAxis, rank: int) -> tuple[Size, ...]:
    """One size for each of `rank` axes."""
    sizes = per_axis(value, rank)
    if len(sizes) != rank:
        rule = f"it must be one number or a list of {rank}, one for each spatial dim"
        raise Refusal(BadArgument(see.place(argument), layer, argument, rule, listed(sizes)))
    return sizes


def listed(sizes: Sequence[object]) -> str:
    return f"[{', '.join(map(str, sizes))}]"


def smaller(left: Size, right: Size) -> Size:
    return Size(apply("min", left.value, right.value), apply("min", left.text, right.text))


def larger(left: Size, right: Size) -> Size:
    return Size(apply("max", left.value, right.value), apply("max", left.text, right.text))


def is_one(see: Checker, size: Size) -> bool:
    return size.number == 1 and see.same(size, ONE)


def product(sizes: Sequence[Size]) -> Size:
    total = ONE
    for size in sizes:
        total = total * size
    return total


# Dims by name or number -----------------------------------------------------------------------------------------------


def _holders(dim: AxisName, tensor: TensorType) -> list[int]:
    """The places of a dim: by the name it has where the text stands, or else by that of the root's dim that it is."""
    found = [at for at, size in enumerate(tensor.shape) if size.text.symbol == dim.name]
    return found or [at for at, size in enumerate(tensor.shape) if dim.symbol is not None and size.value.symbol == dim.symbol]


def axis(
    see: Checker, layer: str, dim: AxisName | Size, tensor: TensorType, *, argument: str = "dim", which: int = 0, more: int = 0
) -> int:
    """The place of a dim, counted from 0; `more` places past the last are allowed (where a dim is put in)."""
    if isinstance(dim, AxisName):
        found = _holders(dim, tensor)
        if len(found) != 1:
            reason = "has it twice: give its number" if found else "has no such dim"
            raise Refusal(NoSuchDim(see.place(argument), layer, dim.name, str(tensor), reason))
        return found[0]
    number, rank = count(see, layer, argument, dim), tensor.rank + more
    if not -rank <= number < rank:
        reason = f"has only {plural(tensor.rank, 'dim')}" if tensor.rank else "has no dims"
        raise Refusal(NoSuchDim(see.place(argument), layer, str(number), str(tensor), reason))
    return number % rank


def axes(see: Checker, layer: str, dims: Dims | None, tensor: TensorType, *, argument: str = "dim") -> tuple[int, ...]:
    """The places of several dims, each once; all where none is said."""
    if dims is None:
        return tuple(range(tensor.rank))
    found = [axis(see, layer, dim, tensor, argument=argument) for dim in (dims if isinstance(dims, tuple) else (dims,))]
    for at in found:
        if found.count(at) > 1:
            raise Refusal(NoSuchDim(see.place(argument), layer, str(at), str(tensor), "is reduced over it twice"))
    return tuple(found)


def axis_text(dim: AxisName | Size, tensor: TensorType) -> str:
    """The dim as a number in Python: as written, or found by its name (the last is -1)."""
    if isinstance(dim, AxisName):
        found = _holders(dim, tensor)[0] if dim.at is None else dim.at
        return "-1" if found == tensor.rank - 1 else str(found)
    return str(dim.number)


def place(dim: AxisName | Size, tensor: TensorType) -> int:
    """The place of a dim that `axis` has checked, counted from 0."""
    return int(axis_text(dim, tensor)) % tensor.rank


def looked_up(layer: Layer, tensor: TensorType) -> Layer:
    """The layer with the places of the dims that it was given by name: names are gone from the text when sizes become numbers."""

    def found(dim: object) -> object:
        if isinstance(dim, tuple):
            return tuple(found(item) for item in dim)
        if not isinstance(dim, AxisName) or len(places := _holders(dim, tensor)) != 1:
            return dim
        return AxisName(dim.name, dim.symbol, places[0])

    given = {name: getattr(layer, name) for name in type(layer).model_fields if names_dims(type(layer), name)}
    update = {name: now for name, value in given.items() if (now := found(value)) != value}
    return layer.model_copy(update=update) if update else layer


def axes_text(dims: Dims, tensor: TensorType) -> str:
    """One dim or a tuple of them in Python."""
    if not isinstance(dims, tuple):
        return axis_text(dims, tensor)
    texts = [axis_text(dim, tensor) for dim in dims]
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"


def spread(show: Show, sizes: Sequence[Size]) -> str:
    """A tuple of sizes in Python."""
    return show(tuple(sizes))


def reach(see: Checker, layer: str, argument: str, index: Size, size: Size, tensor: TensorType, axis: int) -> None:
    """An index must lie inside its dim, counted from either end."""
    low, high = see.holds(">=", index + size, Size.of(0)), see.holds("<", index, size)
    if low is False or high is False:
        raise Refusal(OutOfRange(see.place(argument), layer, str(index), str(size), str(tensor), see.origin(0, axis)))


# Agreement ------------------------------------------------------------------------------------------------------------


class Dim(NamedTuple):
    """A size with where it is: dim `axis` of operand `which`."""

    size: Size
    which: int
    axis: int


def disagree(see: Checker, rule: str, left: Dim, right: Dim, types: Sequence[Given], advice: str = "") -> Refusal:
    """Two sizes of two operands are not one."""
    a, b = types[left.which], types[right.which]
    says = (
        ("", "")
        if left.which == right.which
        else ("one is ", "another is ")
        if len(types) > 2
        else ("the left is ", "the right is ")
    )
    return Refusal(
        DimsDisagree(
            see.place(right.which),
            rule,
            f"{says[0]}{a}",
            f"{says[1]}{b}",
            see.origin(left.which, left.axis),
            see.origin(right.which, right.axis),
            str(left.size),
            str(right.size),
            advice,
            see.place(left.which),
            str(a),
            str(b),
        )
    )


def other_rank(see: Checker, rule: str, which: int, first: TensorType, other: TensorType, advice: str = "") -> Refusal:
    """Two operands have another number of dims."""
    return Refusal(
        DimsDisagree(see.place(which), rule, f"one is {first}", f"another is {other}", first.origin, other.origin, advice=advice)
    )


def same_shape(see: Checker, rule: str, *tensors: TensorType, advice: str = "") -> tuple[Size, ...]:
    """All have one shape."""
    first = tensors[0]
    for which, tensor in enumerate(tensors[1:], 1):
        if tensor.rank != first.rank:
            raise other_rank(see, rule, which, first, tensor, advice)
        for at, (a, b) in enumerate(zip(first.shape, tensor.shape, strict=True)):
            if not see.same(a, b):
                raise disagree(see, rule, Dim(a, 0, at), Dim(b, which, at), tensors, advice)
    return first.shape


def broadcast(see: Checker, rule: str, types: Sequence[Given], skip: int = 0) -> tuple[Size, ...]:
    """The shape of all operands together, as PyTorch broadcasts: from the last dim, sizes are equal or 1. The last `skip` dims stay out."""
    joined: list[Dim] = []
    for which, given in enumerate(types):
        if not isinstance(given, TensorType):
            continue
        dims = [Dim(size, which, at) for at, size in enumerate(given.shape[: given.rank - skip])]
        shorter, longer = sorted((joined, dims), key=len)
        head, tail = longer[: len(longer) - len(shorter)], longer[len(longer) - len(shorter) :]
        pairs = zip(tail, shorter, strict=True) if longer is joined else zip(shorter, tail, strict=True)
        joined = head + [_joined(see, rule, a, b, types) for a, b in pairs]
    return tuple(dim.size for dim in joined)


def _joined(see: Checker, rule: str, a: Dim, b: Dim, types: Sequence[Given]) -> Dim:
    if see.same(a.size, b.size) or is_one(see, b.size):
        return a
    if is_one(see, a.size):
        return b
    raise disagree(see, rule, a, b, types)


# Numbers among tensors ------------------------------------------------------------------------------------------------

_ORDER: tuple[DType, ...] = ("bool", "int", "float")


def kind(given: Given) -> DType:
    """The dtype of a tensor, or of a number among tensors."""
    if isinstance(given, TensorType):
        return given.dtype
    return "bool" if isinstance(given, bool) else "float" if isinstance(given, Real) else "int"


def promoted(*given: Given) -> DType:
    """The dtype that operands have together: bool, then int, then float."""
    return max((kind(one) for one in given), key=_ORDER.index)


def described(given: Given) -> str:
    return str(given).lower() if isinstance(given, bool) else str(given)


def joined_codes(codes: Sequence[Code]) -> str:
    """`(a, b)` or `(a,)`."""
    return f"({codes[0]},)" if len(codes) == 1 else f"({', '.join(map(str, codes))})"


def options(layer: Layer, show: Show, *names: str) -> dict[str, str]:
    """The named arguments of a layer as keyword arguments; those that have their default are left out."""
    fields = type(layer).model_fields
    return show.options(**{name: (getattr(layer, name), fields[name].default) for name in names})


def bad(see: Checker, layer: str, argument: str, rule: str, value: object) -> Refusal:
    """An argument has a value that does not fit."""
    return Refusal(BadArgument(see.place(argument), layer, argument, rule, str(value)))

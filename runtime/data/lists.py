"""Rows that are lists: of one shape, or sequences of different length. The first rows tell which; later rows must keep to it."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...dsl.span import Span
from ..faults.files import VaryingLength, WrongValue
from ..stops import InputFaults
from .table import Array, Dtype, Field, Ragged, Schema, kind_of

SYMBOLS = ("T", "S", "U", "V", "W", "R", "Q", "P")
WANTED = {"float": "a number", "int": "a whole number", "bool": "true or false", "text": "a word"}


class Place(NamedTuple):
    """Where a block of rows comes from, for faults."""

    span: Span
    path: str
    column: str
    rows: Sequence[str]  # how each row of the block is called


def guess(values: Sequence[Any]) -> Field | None:
    """The kind and shape that these rows have in common; none where they are of no kind that is read. None among them does not count."""
    known = [v for v in values if v is not None]
    if not known or not all(isinstance(v, list) == isinstance(known[0], list) for v in known):
        return Field("float", ()) if not known else None
    if not isinstance(known[0], list):
        kinds = {kind_of_value(v) for v in known}
        return None if None in kinds else Field(_joined(kinds), ())
    inner = guess([item for v in known for item in v])
    if inner is None or "T" in inner.shape:
        return None
    lengths = {len(v) for v in known}
    return Field(inner.dtype, (lengths.pop() if len(lengths) == 1 else "T", *inner.shape))


def named_sizes(fields: Schema, lengths: Callable[[str], Hashable]) -> Schema:
    """The fields with a name for each size that varies: one for all columns whose first rows are equally long, then the next."""
    known: dict[Hashable, str] = {}
    found: Schema = {}
    for name, (dtype, shape) in fields.items():
        if shape and isinstance(shape[0], str):
            symbol = known.setdefault(lengths(name), SYMBOLS[len(known) % len(SYMBOLS)])
            found[name] = Field(dtype, (symbol, *shape[1:]))
        else:
            found[name] = Field(dtype, shape)
    return found


def kind_of_value(value: Any) -> Dtype | None:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    return "text" if isinstance(value, str) else None


def _joined(kinds: set[Any]) -> Dtype:
    order = ("bool", "int", "float", "text")
    if "text" in kinds and len(kinds) > 1:
        return "float"  # among numbers, a word is a fault for `converted` to tell
    return max(kinds, key=order.index)


def converted(values: Sequence[Any], field: Field, place: Place) -> tuple[Array | Ragged, Array | None]:
    """These rows as a column of that kind and shape, and which of them are missing."""
    gone = np.array([v is None or (isinstance(v, float) and v != v) for v in values])
    if field.shape and isinstance(field.shape[0], str):
        rows = [[] if away else v for v, away in zip(values, gone.tolist(), strict=True)]
        for i, row in enumerate(rows):
            if not isinstance(row, list):
                raise _wrong(row, "a list", place, i)
        inner = Field(field.dtype, field.shape[1:])
        owners = [i for i, row in enumerate(rows) for _ in row]
        flat = _array([item for row in rows for item in row], inner, place, owners)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(row) for row in rows], dtype=np.int64)])
        return Ragged(flat, offsets, field.shape[0]), gone if gone.any() else None
    stand_in = _stand_in(field)
    filled = [stand_in if away else v for v, away in zip(values, gone.tolist(), strict=True)]
    return _array(filled, field, place, range(len(filled))), gone if gone.any() else None


def _stand_in(field: Field) -> Any:
    value: Any = {"float": 0.0, "int": 0, "bool": False, "text": ""}[field.dtype]
    for size in reversed(field.shape):
        value = [value] * int(size)
    return value


def _array(values: list[Any], field: Field, place: Place, owners: Sequence[int]) -> Array:
    """A list of rows of one shape; `owners` tells the row of the block that each belongs to."""
    shape = tuple(map(int, field.shape))
    empty: Array = np.zeros((0, *shape), {"float": np.float32, "int": np.int64, "bool": np.bool_, "text": np.str_}[field.dtype])
    if not values:
        return empty
    try:
        array = np.array(values)
    except ValueError:
        array = np.zeros(0, object)
    kind = kind_of(array.dtype)
    mixed = field.dtype != "bool" and not shape and bool in {type(v) for v in values}
    if array.shape == (len(values), *shape) and kind is not None and not mixed:
        if kind == field.dtype or (kind == "int" and field.dtype == "float"):
            if kind != "float" or bool((np.abs(array) <= np.finfo(np.float32).max).all()):
                return array
        elif kind == "float" and field.dtype == "int" and bool(np.isfinite(array).all()):
            return array  # the first rows were whole numbers; together they are not
    for value, owner in zip(values, owners, strict=True):
        _refuse(value, field, place, owner)
    raise _wrong(values[0], WANTED[field.dtype], place, owners[0])


def _refuse(value: Any, field: Field, place: Place, row: int) -> None:
    """A fault where one row is not of the shape or the kind."""
    if field.shape:
        if not isinstance(value, list):
            raise _wrong(value, f"a list of {field.shape[0]}", place, row)
        if len(value) != field.shape[0]:
            found = VaryingLength(place.span, place.path, place.rows[row], place.column, str(len(value)), str(field.shape[0]))
            raise InputFaults(found)
        for item in value:
            _refuse(item, Field(field.dtype, field.shape[1:]), place, row)
        return
    kind = kind_of_value(value)
    fits = kind == field.dtype or (kind in ("int", "float") and field.dtype in ("int", "float"))
    if not fits or (kind in ("int", "float") and not abs(value) <= np.finfo(np.float32).max and field.dtype == "float"):
        raise _wrong(value, WANTED[field.dtype], place, row)
    if kind == "int" and not -(2**63) <= value < 2**63:
        raise _wrong(value, "a whole number of 64 bits", place, row)


def _wrong(value: Any, wanted: str, place: Place, row: int) -> InputFaults:
    text = repr(value) if not isinstance(value, str) else f'"{value}"'
    text = {"None": "null", "True": "true", "False": "false"}.get(text, text)
    shown = text if len(text) <= 60 else text[:57] + "…"
    return InputFaults(WrongValue(place.span, place.path, place.rows[row], place.column, shown, wanted))

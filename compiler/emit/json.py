"""The typed graph as plain data, for `--emit graph` and for the hash of a model."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ...dsl.span import Span
from ..graph import Graph, Ref, TensorType
from ..record import Record
from ..shapes import Dim, Size
from ..values import Formula, Real, Truth


def graph_data(graph: Graph, *, places: bool = True) -> dict[str, Any]:
    """The graph as dicts, lists and numbers; without `places`, only what makes the model what it is."""
    result: dict[str, Any] = _data(graph, places)
    return result


def graph_hash(graph: Graph) -> str:
    """Equal for graphs that compute the same with the same keys: places, docs and names of values do not count."""
    return hashlib.sha256(json.dumps(graph_data(graph, places=False), sort_keys=True).encode()).hexdigest()


PROSE = {"doc", "span", "decided", "origin", "reason", "message", "written"}


def _data(value: Any, places: bool) -> Any:
    match value:
        case Size():
            return str(value.value) if value.value == value.text else {"value": str(value.value), "text": str(value.text)}
        case Dim():
            return value.constant if value.constant is not None else str(value)
        case Real() | Truth():
            return value.value
        case Formula():
            return {"op": value.op, "args": [_data(arg, places) for arg in value.args]}
        case TensorType():
            return {"dtype": value.dtype, "shape": [_data(size, places) for size in value.shape]}
        case Span():
            return [value.source, value.start.line, value.start.column, value.end.line, value.end.column]
        case Ref():
            return {"node": value.node, "output": value.output}
        case Record():
            kept = {name: item for name, item in value if places or name not in PROSE}
            named = {"kind_of_node": value.title} if hasattr(value, "title") else {}
            return named | {name: _data(item, places) for name, item in kept.items()}
        case dict():
            return {str(key): _data(item, places) for key, item in value.items()}
        case tuple() | list():
            return [_data(item, places) for item in value]
        case bool() | int() | float() | str() | None:
            return value
    from ..elaborate.values import Items, describe

    return [_data(item, places) for item in value.items] if isinstance(value, Items) else describe(value)

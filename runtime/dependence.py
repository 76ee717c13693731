"""Which of a source's columns a program's columns are made from: found by running the column expressions on tensors that remember."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .loader import load_program
from .run import unpacked_fitted
from .run_folder import SavedRun


class Traced(Tensor):
    """A tensor that knows the names of the source columns it was made from; what is computed from it knows them too."""

    made_from: frozenset[str]

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = super().__torch_function__(func, types, args, dict(kwargs or {}))  # type: ignore[no-untyped-call]
        return _marked(result, _names((args, dict(kwargs or {}))))


def _names(value: Any) -> frozenset[str]:
    if isinstance(value, Traced):
        return getattr(value, "made_from", frozenset())
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return frozenset().union(*(_names(v) for v in value))
    return frozenset()


def _marked(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, Tensor):
        traced = value.as_subclass(Traced)
        traced.made_from = names | getattr(traced, "made_from", frozenset())
        return traced
    if isinstance(value, tuple | list):
        return type(value)([_marked(v, names) for v in value]) if type(value) in (tuple, list) else value
    return value


def read_by(saved: SavedRun, columns: list[str]) -> set[str]:
    """The source's columns that these columns are made from."""
    fitted = unpacked_fitted(saved.record)
    rows = {}
    for name, (dtype, shape) in saved.record["data"]["schema"].items():
        kind = np.int64 if name in fitted.categories else {"float": np.float32, "int": np.int64, "bool": np.bool_}.get(dtype)
        if kind is not None:
            sizes = [1 if isinstance(size, str) else size for size in shape]
            rows[name] = _marked(torch.from_numpy(np.zeros((2, *sizes), kind)), frozenset({name}))
    for derived in saved.plan.data.derived:
        made_from = torch.zeros(2, dtype=torch.bool) if derived.kind == "equals" else torch.ones(2, dtype=torch.int64)
        rows[derived.name] = _marked(made_from, frozenset({derived.column}))
    made = load_program(saved.exe).columns(rows, fitted.values)
    return {name for column in columns for name in _names(made[column])}

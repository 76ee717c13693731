"""Which columns of a source the columns of a data program are made from, read off its declaration: no data is needed."""

from collections.abc import Iterable

from ..compiler.plan import DataPlan
from ..dsl import ast
from ..dsl.diagnostic import Report
from ..dsl.parser import parse
from ..dsl.source import Source
from ..dsl.walk import descendants
from .executable import CompiledLike


def made_from(compiled: CompiledLike, plan: DataPlan, columns: Iterable[str]) -> set[str]:
    """The source's columns that these are made from, also by way of others; a name means the column written above, if there is one."""
    name, text = next(iter(compiled.sources.items()))
    file = parse(Source(name, text), Report())
    data = next(item for item in file.items if isinstance(item, ast.Data) and item.name.text == plan.name)
    origins: dict[str, set[str]] = {}
    for column in data.columns:
        if isinstance(column, ast.Column):
            words = {node.id for node in (column.value, *descendants(column.value)) if isinstance(node, ast.Name)}
            origins[column.name.text] = {o for word in words for o in origins.get(word, {word} & set(plan.reads))}
    return {origin for column in columns for origin in origins.get(column, set())}


def row_size(compiled: CompiledLike) -> str | None:
    """The hyperparameter that is the size of a row of the model's only input, as in `x: [B, features]`; none where there is none such."""
    name, text = next(iter(compiled.sources.items()))
    file = parse(Source(name, text), Report())
    models = [item for item in file.items if isinstance(item, ast.Declaration) and item.name.text == compiled.name]
    if not models or len(models[0].tensors) != 1:
        return None
    (only,) = models[0].tensors
    dims = only.type.dims if isinstance(only.type, ast.TensorType) else ()
    hypers = {param.name.text for param in models[0].hypers}
    size = dims[1] if len(dims) == 2 else None
    return size.id if isinstance(size, ast.Name) and size.id in hypers else None

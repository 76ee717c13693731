"""`split` and `bucket` of a `data`: how rows come into parts, and which rows share a batch."""

from __future__ import annotations

from ...dsl import ast
from ..elaborate.body import Body
from ..elaborate.expressions import evaluate, one
from ..elaborate.values import Poison, Tensor, TextColumn, describe
from ..errors.columns import BadBucket, NoSourceColumn
from ..errors.training import BadSplit
from ..graph import Output
from ..layers.base import Refusal
from ..plan import Argument, SplitPlan
from .columns import Reader, function_graph, pruned, spelled
from .constants import constant

KINDS = ("ordered", "stratified", "grouped")


def read_split(reader: Reader, column: ast.Column) -> None:
    """Fractions, a way with fractions, or a column that says the part of each row."""
    value = column.value
    try:
        if isinstance(value, ast.Call) and isinstance(value.function, ast.Name) and value.function.id in KINDS:
            reader.columns.split = _way(reader, value, value.function.id)
        elif isinstance(value, ast.List | ast.Number | ast.String | ast.Literal_):
            scratch = Body(reader.elaborator, reader.unit, "split", {})
            reader.columns.split = SplitPlan(fractions=_fractions(constant(scratch, value), value))
        else:
            _by_column(reader, value)
    except Refusal as refusal:
        reader.reports(refusal.fault)


def _fractions(value: Argument, node: ast.Expr) -> list[float]:
    fractions = (
        [float(f) for f in value if isinstance(f, int | float) and not isinstance(f, bool)] if isinstance(value, list) else []
    )
    if not isinstance(value, list) or not 2 <= len(fractions) <= 3 or len(fractions) != len(value):
        raise Refusal(BadSplit(node.span, "a list of two or three numbers is wanted"))
    if any(f < 0 for f in fractions) or abs(sum(fractions) - 1) > 1e-6 or fractions[0] == 0:
        raise Refusal(BadSplit(node.span, f"these add up to {sum(fractions):g}" if fractions[0] else "the train part is empty"))
    return fractions


def _way(reader: Reader, call: ast.Call, kind: str) -> SplitPlan:
    """`stratified(0.8, 0.1, 0.1, by=label)`."""
    scratch = Body(reader.elaborator, reader.unit, "split", {})
    numbers: list[Argument] = []
    by: str | None = None
    for arg in call.args:
        if arg.name is None:
            given = constant(scratch, arg.value)
            numbers += given if isinstance(given, list) else [given]
        elif arg.name.text == "by" and kind != "ordered":
            by = _source_name(reader, arg.value, f"by of {kind}")
        else:
            raise Refusal(BadSplit(arg.name.span, f"{kind} takes fractions{'' if kind == 'ordered' else ' and by'}"))
    if kind != "ordered" and by is None:
        if any(arg.name is not None for arg in call.args):
            return SplitPlan(fractions=_fractions(numbers, call))  # type: ignore[arg-type]
        raise Refusal(BadSplit(call.span, f"{kind} wants a column: {kind}(0.8, 0.1, 0.1, by=label)"))
    return SplitPlan(kind=kind, fractions=_fractions(numbers, call), by=by)  # type: ignore[arg-type]


def _source_name(reader: Reader, node: ast.Expr, what: str) -> str | None:
    """The source's column that a name means: itself, or a column that is nothing but it, or its categories."""
    columns = {c.name.text: c.value for c in reader.written}
    if isinstance(node, ast.Name) and node.id in columns:
        value = columns[node.id]
        if (
            isinstance(value, ast.Flow)
            and len(value.steps) == 2
            and isinstance(value.steps[1], ast.Name)
            and value.steps[1].id == "categories"
        ):
            value = value.steps[0]
        if (
            isinstance(value, ast.Call)
            and isinstance(value.function, ast.Name)
            and value.function.id == "categories"
            and value.args
        ):
            value = value.args[0].value
        node = value if isinstance(value, ast.Name) else node
    if reader.schema is None:
        return None
    names = {spelled(name): name for name in reader.schema}
    if not isinstance(node, ast.Name) or node.id not in names:
        got = node.id if isinstance(node, ast.Name) else "an expression"
        raise Refusal(NoSourceColumn(node.span, what, got, tuple(names)))
    name = names[node.id]
    if reader.schema[name][0] == "text":
        reader.columns.words.setdefault(name)
    reader.reads(name)
    return name


def _by_column(reader: Reader, node: ast.Expr) -> None:
    """`split = part`, `split = fold == 3`."""
    from .meanings import Meanings

    reader.current = "split"
    meanings = Meanings(reader)
    body = reader.body(meanings.hooks())
    if reader.schema is None or not reader.names_known(body, node):
        return
    value = one(evaluate(body, node))
    if isinstance(value, Poison):
        return
    if isinstance(value, TextColumn):
        reader.columns.words.setdefault(value.name)
        reader.reads(value.name)
        reader.columns.split = SplitPlan(kind="column", by=value.name)
        return
    if not isinstance(value, Tensor) or value.type.rank != 1 or value.type.dtype == "float" or meanings.fits:
        raise Refusal(
            BadSplit(node.span, f"a column with a bool or a whole number a row is wanted, but this is {describe(value)}")
        )
    outputs = (Output(name="part", ref=body.local(value).ref),)
    reader.columns.part = pruned(function_graph(body, "part", outputs, node.span))
    for read in reader.columns.part.inputs:
        name = read.outputs[0].name or ""
        if name not in reader.columns.derived:
            reader.reads(name)
    reader.columns.split = SplitPlan(kind="column")


def read_bucket(reader: Reader, column: ast.Column) -> None:
    """`bucket = length`."""
    node, names = column.value, tuple(reader.columns.types)
    if not isinstance(node, ast.Name) or node.id not in reader.columns.types:
        name = node.id if isinstance(node, ast.Name) else ""
        reader.reports(BadBucket(node.span, "this is no column" if not name else f"there is no column {name}", name, names))
        return
    type_ = reader.columns.types[node.id]
    if type_ is not None and (type_.rank != 1 or type_.dtype != "int"):
        reader.reports(BadBucket(node.span, f"{node.id} is {type_}"))
        return
    reader.columns.bucket = node.id

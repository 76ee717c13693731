"""`data NAME = source(…) { … }`: column expressions to graphs over the source's columns, one batch at a time.

Expressions speak of one row; the graphs work on a batch, whose first dim is the row (see `elaborate.rows`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ...dsl import ast
from ...dsl.diagnostic import Fault
from ...dsl.span import Span
from ..elaborate.body import Body, Hook
from ..elaborate.elaborator import Elaborator
from ..elaborate.expressions import evaluate, one, operator
from ..elaborate.signatures import dims_of
from ..elaborate.values import POISON, Poison, Scope, Tensor, TextColumn, Value, describe
from ..errors.calls import NotATensor
from ..errors.training import BadClause, ClauseTwice, ColumnType, UnknownColumn
from ..graph import Graph, Node, Output, Ref, TensorType
from ..layers import registry
from ..layers.base import Refusal
from ..plan import ColumnPlan, DataPlan, DerivedPlan, DrawPlan, FitPlan, SourceCall, SplitPlan
from ..resolve import Unit
from ..shapes import Dim, Size
from ..values import Real
from .constants import place_of, source_call

Schema = Mapping[str, tuple[str, tuple[int | str, ...]]]
Schemas = Callable[[SourceCall], Schema | list[Fault] | None]
"""Asks for the columns of a source: their kinds and the shapes of their rows, with a name for a size that varies; faults; or none where it
is not to be opened now."""

BATCH = Size.of(Dim.of("B"))
SETTINGS = ("split", "bucket")


@dataclass(eq=False)
class Columns:
    """Checked data: the plan and its functions. `types` are those of a batch; a type that is not known is none.

    Data without columns of its own has those of its source: all of them, and which they are may not be `known`.
    """

    node: ast.Data
    source: SourceCall
    types: dict[str, TensorType | None] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    known: bool = True
    graph: Graph | None = None
    fit: Graph | None = None
    altered: Graph | None = None
    keep: Graph | None = None
    part: Graph | None = None
    reads: dict[str, None] = field(default_factory=dict)
    categories: dict[str, None] = field(default_factory=dict)
    words: dict[str, None] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)
    sequences: dict[str, str] = field(default_factory=dict)
    derived: dict[str, DerivedPlan] = field(default_factory=dict)
    fits: list[FitPlan] = field(default_factory=list)
    draws: dict[str, DrawPlan] = field(default_factory=dict)
    pads: dict[str, float] = field(default_factory=dict)
    split: SplitPlan | None = None
    bucket: str | None = None

    @property
    def complete(self) -> bool:
        """All types are known, so that the functions could be made."""
        return self.graph is not None and all(self.types.values())

    def plan(self) -> DataPlan:
        columns = [
            ColumnPlan(
                name=name,
                dtype=type_.dtype,
                shape=[_json(s) for s in type_.shape[1:]],
                pad=self.pads.get(name, 0),
                place=place_of(self.spans[name]),
            )
            for name, type_ in self.types.items()
            if type_ is not None
        ]
        return DataPlan(
            name=self.node.name.text,
            source=self.source,
            reads=list(self.reads),
            categories=list(self.categories),
            words=list(self.words),
            gaps=self.gaps,
            sequences={name: symbol for name, symbol in self.sequences.items() if name in self.reads},
            derived=list(self.derived.values()),
            columns=columns,
            fits=self.fits,
            draws=list(self.draws.values()),
            train_where=self.keep is not None,
            split=self.split,
            bucket=self.bucket,
            place=place_of(self.node.span),
        )


def _json(size: Size) -> int | str:
    return str(size.value) if size.number is None else size.number


def check_columns(node: ast.Data, unit: Unit, elaborator: Elaborator, schemas: Schemas) -> Columns | None:
    """The data with its columns checked; none when the source itself is at fault."""
    try:
        source = source_call(node, unit, elaborator)
    except Refusal as refusal:
        elaborator.report(refusal.fault)
        return None
    schema = schemas(source)
    if isinstance(schema, list):
        for fault in schema:
            elaborator.report(fault)
        return None
    return Reader(node, unit, elaborator, Columns(node, source), schema).run()


class Reader:
    """Works through the columns of one `data`."""

    def __init__(self, node: ast.Data, unit: Unit, elaborator: Elaborator, columns: Columns, schema: Schema | None) -> None:
        self.node, self.unit, self.elaborator, self.columns, self.schema = node, unit, elaborator, columns, schema
        self.written = [c for c in node.columns if isinstance(c, ast.Column) and c.name.text not in SETTINGS]
        self.current = ""
        self.source = Body(elaborator, unit, "source", {})

    def run(self) -> Columns:
        from .meanings import Meanings
        from .settings import read_bucket, read_split

        self._names()
        self.columns.sequences = {
            n: shape[0] for n, (_, shape) in (self.schema or {}).items() if shape and isinstance(shape[0], str)
        }
        meanings = Meanings(self)
        body, values = self.expressions(meanings.hooks())
        tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        self._types(values)
        if len(tensors) == len(values):
            self.columns.graph = self._graph(body, tensors, "columns")
        if meanings.fits:
            self.columns.fit = self._graph(body, {name: value for name, (value, _) in meanings.fits.items()}, "fit")
            self.columns.fits = meanings.plans()
        if meanings.alters:
            body, values = self.expressions(Meanings(self, training=True).hooks())
            altered = {name: value for name, value in values.items() if isinstance(value, Tensor)}
            self.columns.altered = self._graph(body, altered, "altered") if len(altered) == len(values) else None
        self._keep()
        for setting in self.node.columns:
            if isinstance(setting, ast.Column) and setting.name.text in SETTINGS:
                (read_split if setting.name.text == "split" else read_bucket)(self, setting)
        return self.columns

    def reports(self, fault: Fault) -> None:
        self.elaborator.report(fault)

    def reads(self, name: str) -> None:
        """Such a column of the source is read."""
        self.columns.reads.setdefault(name)

    def _names(self) -> None:
        seen: dict[str, Span] = {}
        for column in self.node.columns:
            if isinstance(column, ast.Column):
                if column.name.text in seen:
                    self.reports(ClauseTwice(column.name.span, column.name.text, seen[column.name.text]))
                seen.setdefault(column.name.text, column.name.span)
        self.columns.spans = {name: span for name, span in seen.items() if name not in SETTINGS}

    # Bodies -----------------------------------------------------------------------------------------------------------

    def expressions(self, hooks: Mapping[str, Hook]) -> tuple[Body, dict[str, Value]]:
        """All columns in one body; what they read of the source becomes its inputs."""
        body = self.body(hooks)
        if not self.written:
            return body, self._all_of_the_source(body)
        return body, {column.name.text: self._column(body, column) for column in self.written}

    def body(self, hooks: Mapping[str, Hook]) -> Body:
        """A body in which the columns of the source are known, by their names."""
        self.source = Body(self.elaborator, self.unit, "source", {})
        self._bind_source(self.source.scope)
        scope = Scope(self.source.scope)
        return Body(self.elaborator, self.unit, "columns", {}, self.source, scope, function=True, rows=True, hooks=hooks)

    def _bind_source(self, scope: Scope) -> None:
        for name, (dtype, shape) in (self.schema or {}).items():
            value: Value = TextColumn(name)
            if dtype != "text":
                sizes = tuple(Size.of(Dim.of(n) if isinstance(n, str) else n) for n in shape)
                type_ = TensorType(dtype, (BATCH, *sizes), self.node.source.span)  # type: ignore[arg-type]
                value = self.source.input(name, type_, self.node.source.span)
            scope.names[name] = value
            scope.names.setdefault(spelled(name), value)

    def _all_of_the_source(self, body: Body) -> dict[str, Value]:
        """The columns of data that writes none: those of the source that are numbers."""
        self.columns.known = self.schema is not None
        found = {}
        for name, (dtype, _) in (self.schema or {}).items():
            if dtype != "text":
                self.columns.spans[spelled(name)] = self.node.source.span
                found[spelled(name)] = body.local(self.source.scope.names[name])
                self.reads(name)
        return found

    def _column(self, body: Body, column: ast.Column) -> Value:
        self.current = column.name.text
        if self.schema is None or not self.names_known(body, column.value):
            value: Value = POISON
        else:
            value = one(evaluate(body, column.value))
        if isinstance(value, TextColumn | Size | Real) or not isinstance(value, Tensor | Poison):
            self.reports(NotATensor(column.value.span, describe(value)))
            value = POISON
        if isinstance(value, Tensor):
            value = body.local(value)
        body.scope.names[column.name.text] = value
        return value

    def names_known(self, body: Body, expression: ast.Expr, *, own: bool = False) -> bool:
        """Report names that the source does not have."""
        from ...dsl.walk import descendants

        known = True
        for node in descendants(expression):
            if isinstance(node, ast.Name) and not is_known(body, node.id):
                columns, where = (
                    (self.columns.spans, self.node.name.text) if own else (map(spelled, self.schema or ()), "the source")
                )
                self.reports(UnknownColumn(node.span, node.id, tuple(columns), where))
                known = False
        return known

    def _graph(self, body: Body, tensors: Mapping[str, Tensor], name: str) -> Graph:
        """The columns as a function. What it reads is read of the source."""
        outputs = tuple(Output(name=key, ref=body.local(tensor).ref) for key, tensor in tensors.items())
        graph = pruned(function_graph(body, name, outputs, self.node.span))
        for node in graph.inputs:
            read = node.outputs[0].name or ""
            if not read.startswith(INNER) and read not in self.columns.derived:
                self.reads(read)
        return graph

    # Types ------------------------------------------------------------------------------------------------------------

    def _types(self, values: Mapping[str, Value]) -> None:
        if not self.written:
            self.columns.types = {name: value.type for name, value in values.items()}
        for column in self.written:
            value = values[column.name.text]
            type_ = TensorType(value.type.dtype, value.type.shape, column.name.span) if isinstance(value, Tensor) else None
            if column.type is not None:
                declared = self._declared(column.type)
                if type_ is not None and declared is not None and not row_fits(declared, type_):
                    self.reports(ColumnType(column.value.span, column.name.text, row(declared), row(type_), column.type.span))
                type_ = type_ or declared
            self.columns.types[column.name.text] = type_

    def _declared(self, written: ast.TensorType) -> TensorType | None:
        scratch = Body(self.elaborator, self.unit, "a column", {})
        for dim in written.dims:
            if isinstance(dim, ast.Name) and dim.id[0].isupper():
                scratch.scope.names[dim.id] = Size.of(Dim.of(dim.id))
        try:
            sizes = dims_of(scratch, written.dims)
        except Refusal as refusal:
            self.reports(refusal.fault)
            return None
        shape = [size for size in sizes if size is not None]
        if len(shape) != len(sizes):
            return None
        dtype = "float" if written.dtype is None else written.dtype.text
        return TensorType(dtype, (BATCH, *shape), written.span)  # type: ignore[arg-type]

    # Rows that train ----------------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        wheres = [column for column in self.node.columns if isinstance(column, ast.TrainWhere)]
        if not wheres:
            return
        outer = Body(self.elaborator, self.unit, "data", {})
        for name, type_ in self.columns.types.items():
            outer.scope.names[name] = POISON if type_ is None else outer.input(name, type_, self.columns.spans[name])
        body = Body(self.elaborator, self.unit, "keep", {}, outer, Scope(outer.scope), function=True, rows=True)
        kept: Value = None
        for where in wheres:
            value = one(evaluate(body, where.condition)) if self.names_known(body, where.condition, own=True) else POISON
            if isinstance(value, Poison):
                return
            if not (isinstance(value, Tensor) and value.type.dtype == "bool" and value.type.rank == 1):
                self.reports(
                    BadClause(where.condition.span, f"train_where wants one bool for each row, but this is {describe(value)}")
                )
                return
            kept = value if kept is None else operator(body, "and", (kept, value), where.span, (where.span, where.span))
        outputs = (Output(name="keep", ref=body.local(kept).ref),)
        self.columns.keep = function_graph(body, "keep", outputs, self.node.span)


INNER = ("fitted.", "draws.")  # inputs that are no columns of the source


def spelled(name: str) -> str:
    """A column's name as the language can write it: `sepal length (cm)` is sepal_length_cm."""
    made = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "column"
    return f"c{made}" if made[0].isdigit() else made


def pruned(graph: Graph, inputs: int = 0) -> Graph:
    """The graph without the steps that no output needs; the first `inputs` nodes stay."""
    needed: set[int] = set(range(inputs))
    waiting = [output.ref.node for output in graph.outputs]
    while waiting:
        number = waiting.pop()
        if number not in needed:
            needed.add(number)
            waiting += [ref.node for ref in graph.nodes[number].refs]
    places = {number: place for place, number in enumerate(sorted(needed))}

    def moved(operand: object) -> object:
        return Ref(places[operand.node], operand.output) if isinstance(operand, Ref) else operand

    nodes: list[Node] = [
        graph.nodes[n].model_copy(update={"inputs": tuple(moved(o) for o in graph.nodes[n].inputs)}) for n in sorted(needed)
    ]
    outputs = tuple(Output(name=o.name, ref=Ref(places[o.ref.node], o.ref.output)) for o in graph.outputs)
    return graph.model_copy(update={"nodes": tuple(nodes), "outputs": outputs})


def function_graph(body: Body, name: str, outputs: tuple[Output, ...], span: Span) -> Graph:
    """The body as a function without weights."""
    return Graph(
        name=name,
        kind="function",
        dims=body.dims,
        nodes=tuple(body.nodes),
        outputs=outputs,
        assertions=tuple(body.assertions),
        span=span,
    )


def is_known(body: Body, name: str) -> bool:
    """A name that an expression outside of declarations may use."""
    from ..elaborate.values import MISSING
    from ..scopes import CONSTANTS, FUNCTIONS, SPECIAL

    if body.scope.get(name) is not MISSING or name in body.unit.names:
        return True
    return name in registry() or name in FUNCTIONS | CONSTANTS | SPECIAL


def row_fits(wanted: TensorType, given: TensorType) -> bool:
    """Does a batch of `given` do where `wanted` is? Symbols stand for any size, the same one throughout."""
    if wanted.dtype != given.dtype or wanted.rank != given.rank:
        return False
    bound: dict[str, Dim] = {}
    for want, have in zip(wanted.shape, given.shape, strict=True):
        symbol = want.value.symbol
        if symbol is not None:
            if bound.setdefault(symbol, have.value) != have.value:
                return False
        elif want.number is not None and want.number != have.number:
            return False
    return True


def row(type_: TensorType) -> str:
    """The type of one row: `[1, 8, 8]`, `int`."""
    inner = TensorType(type_.dtype, type_.shape[1:])
    if inner.rank:
        return str(inner)
    return {"float": "one number", "int": "one int", "bool": "one bool"}[type_.dtype]

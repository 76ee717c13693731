"""`data NAME = source(…) { … }`: column expressions to graphs over the source's columns, one batch at a time.

Expressions speak of one row; the graphs work on a batch, whose first dim is the row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ...dsl import ast
from ...dsl.diagnostic import Fault
from ...dsl.span import Span
from ..elaborate.body import Body
from ..elaborate.calls import apply_layer
from ..elaborate.elaborator import Elaborator
from ..elaborate.expressions import evaluate, one, operator
from ..elaborate.parts import dim_of
from ..elaborate.values import POISON, LayerRecipe, Poison, Scope, Tensor, TextColumn, Value, describe
from ..errors.calls import NotATensor
from ..errors.training import BadClause, BadSource, BadSplit, ClauseTwice, ColumnType, UnknownColumn
from ..graph import Graph, Output, TensorType
from ..layers import registry
from ..layers.base import Refusal
from ..layers.columns import Spread
from ..plan import Argument, ColumnPlan, DataPlan, Place, SourceCall
from ..resolve import Unit
from ..shapes import Dim, Size
from ..values import Real

Schema = Mapping[str, tuple[str, tuple[int, ...]]]
Schemas = Callable[[SourceCall], Schema | list[Fault] | None]
"""Asks for the columns of a source: their kinds and the shapes of their rows; faults; or none where it is not to be opened now."""

BATCH = Size.of(Dim.of("B"))
SETTINGS = ("split",)


@dataclass(eq=False)
class Columns:
    """Checked data: the plan and its functions. `types` are those of a batch; a type that is not known is none."""

    node: ast.Data
    source: SourceCall
    types: dict[str, TensorType | None] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    graph: Graph | None = None
    fit: Graph | None = None
    keep: Graph | None = None
    reads: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    split: list[float] | None = None

    @property
    def complete(self) -> bool:
        """All types are known, so that the functions could be made."""
        return self.graph is not None and all(self.types.values())

    def plan(self) -> DataPlan:
        columns = [
            ColumnPlan(name=name, dtype=type_.dtype, shape=[_json(s) for s in type_.shape[1:]], place=place_of(self.spans[name]))
            for name, type_ in self.types.items()
            if type_ is not None
        ]
        return DataPlan(
            name=self.node.name.text,
            source=self.source,
            reads=self.reads,
            categories=self.categories,
            columns=columns,
            fitted=self.fit is not None,
            train_where=self.keep is not None,
            split=self.split,
            place=place_of(self.node.span),
        )


def _json(size: Size) -> int | str:
    return str(size.value) if size.number is None else size.number


def place_of(span: Span) -> Place:
    return Place(file=span.source, line=span.start.line, column=span.start.column)


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
    return _Reader(node, unit, elaborator, Columns(node, source), schema).run()


def source_call(node: ast.Data, unit: Unit, elaborator: Elaborator) -> SourceCall:
    """The source as a name with constant arguments."""
    call = node.source
    name = call.function if isinstance(call, ast.Call) else call
    if not isinstance(name, ast.Name):
        raise Refusal(BadSource(call.span, 'a source is a call such as sklearn("digits")'))
    scratch = Body(elaborator, unit, node.name.text, {})
    args: list[Argument] = []
    kwargs: dict[str, Argument] = {}
    for arg in call.args if isinstance(call, ast.Call) else ():
        value = constant(scratch, arg.value)
        if arg.name is None:
            args.append(value)
        else:
            kwargs[arg.name.text] = value
    return SourceCall(kind=name.id, args=args, kwargs=kwargs, place=place_of(call.span))


def constant(body: Body, node: ast.Expr) -> Argument:
    """A constant of a plan: number, text, truth, none, or a list of them."""
    return _plain(one(evaluate(body, node)), node.span)


def _plain(value: Value, span: Span) -> Argument:
    match value:
        case bool() | str() | None:
            return value
        case Size() if value.number is not None:
            return value.number
        case Real():
            return value.value
        case _ if hasattr(value, "items") and not isinstance(value, Mapping):
            return [_plain(item, span) for item in value.items]  # type: ignore[misc]
    raise Refusal(BadSource(span, f"a constant is wanted here, but this is {describe(value)}"))


class _Reader:
    """Works through the columns of one `data`."""

    def __init__(self, node: ast.Data, unit: Unit, elaborator: Elaborator, columns: Columns, schema: Schema | None) -> None:
        self.node, self.unit, self.elaborator, self.columns, self.schema = node, unit, elaborator, columns, schema
        self.current = ""

    def run(self) -> Columns:
        self._names()
        body, values = self._expressions({"standardize": self._standardize, "categories": self._categories})
        tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        self._types(values)
        self._fit(tensors)
        self._keep()
        if len(tensors) == len(values):
            self.columns.graph = self._graph(body, tensors, "columns")
        self.columns.reads = [t.name for t in body.captures if t.name and not t.name.startswith("fitted.")]
        return self.columns

    def _names(self) -> None:
        seen: dict[str, Span] = {}
        for column in self.node.columns:
            if isinstance(column, ast.Column):
                if column.name.text in seen:
                    self.elaborator.report(ClauseTwice(column.name.span, column.name.text, seen[column.name.text]))
                seen.setdefault(column.name.text, column.name.span)
                if column.name.text in SETTINGS:
                    self._split(column)
                else:
                    self.columns.spans[column.name.text] = column.name.span

    def _split(self, column: ast.Column) -> None:
        scratch = Body(self.elaborator, self.unit, "split", {})
        try:
            value = constant(scratch, column.value)
        except Refusal as refusal:
            self.elaborator.report(refusal.fault)
            return
        fractions = (
            [float(f) for f in value if isinstance(f, int | float) and not isinstance(f, bool)] if isinstance(value, list) else []
        )
        if not isinstance(value, list) or not 2 <= len(fractions) <= 3 or len(fractions) != len(value):
            self.elaborator.report(BadSplit(column.value.span, "a list of two or three numbers is wanted"))
        elif any(f < 0 for f in fractions) or abs(sum(fractions) - 1) > 1e-6 or fractions[0] == 0:
            self.elaborator.report(
                BadSplit(column.value.span, f"these add up to {sum(fractions):g}" if fractions[0] else "the train part is empty")
            )
        else:
            self.columns.split = fractions

    # Bodies -----------------------------------------------------------------------------------------------------------

    def _expressions(self, hooks: dict[str, Callable[[Body, Value, Span], Value]]) -> tuple[Body, dict[str, Value]]:
        """All columns in one body; what they read of the source becomes its inputs."""
        self.source = Body(self.elaborator, self.unit, "source", {})
        self._bind_source(self.source.scope)
        body = Body(
            self.elaborator,
            self.unit,
            "columns",
            {},
            self.source,
            Scope(self.source.scope),
            function=True,
            rows=True,
            hooks=hooks,
        )
        values: dict[str, Value] = {}
        for column in self.node.columns:
            if isinstance(column, ast.Column) and column.name.text not in SETTINGS:
                values[column.name.text] = self._column(body, column)
        return body, values

    def _bind_source(self, scope: Scope) -> None:
        for name, (dtype, shape) in (self.schema or {}).items():
            if dtype == "text":
                scope.names[name] = TextColumn(name)
            else:
                type_ = TensorType(dtype, (BATCH, *(Size.of(n) for n in shape)), self.node.source.span)  # type: ignore[arg-type]
                scope.names[name] = self.source.input(name, type_, self.node.source.span)

    def _column(self, body: Body, column: ast.Column) -> Value:
        self.current = column.name.text
        if self.schema is None or not self._known(body, column.value):
            value: Value = POISON
        else:
            value = one(evaluate(body, column.value))
        if isinstance(value, TextColumn | Size | Real) or not isinstance(value, Tensor | Poison):
            self.elaborator.report(NotATensor(column.value.span, describe(value)))
            value = POISON
        if isinstance(value, Tensor):
            value = body.local(value)
        body.scope.names[column.name.text] = value
        return value

    def _known(self, body: Body, expression: ast.Expr, *, own: bool = False) -> bool:
        """Report names that the source does not have."""
        from ..keys import descendants

        known = True
        for node in descendants(expression):
            if isinstance(node, ast.Name) and not is_known(body, node.id):
                columns, where = (self.columns.spans, self.node.name.text) if own else (self.schema or (), "the source")
                self.elaborator.report(UnknownColumn(node.span, node.id, tuple(columns), where))
                known = False
        return known

    def _graph(self, body: Body, tensors: Mapping[str, Tensor], name: str) -> Graph:
        outputs = tuple(Output(name=key, ref=body.local(tensor).ref) for key, tensor in tensors.items())
        return function_graph(body, name, outputs, self.node.span)

    # Types ------------------------------------------------------------------------------------------------------------

    def _types(self, values: Mapping[str, Value]) -> None:
        for column in self.node.columns:
            if not isinstance(column, ast.Column) or column.name.text in SETTINGS:
                continue
            value = values[column.name.text]
            type_ = TensorType(value.type.dtype, value.type.shape, column.name.span) if isinstance(value, Tensor) else None
            if column.type is not None:
                declared = self._declared(column.type)
                if type_ is not None and declared is not None and not row_fits(declared, type_):
                    self.elaborator.report(
                        ColumnType(column.value.span, column.name.text, row(declared), row(type_), column.type.span)
                    )
                type_ = type_ or declared
            self.columns.types[column.name.text] = type_

    def _declared(self, written: ast.TensorType) -> TensorType | None:
        scratch = Body(self.elaborator, self.unit, "type", {})
        for dim in written.dims:
            if isinstance(dim, ast.Name) and dim.id[0].isupper():
                scratch.scope.names[dim.id] = Size.of(Dim.of(dim.id))
        try:
            sizes = [dim_of(scratch, dim) for dim in written.dims]
        except Refusal as refusal:
            self.elaborator.report(refusal.fault)
            return None
        shape = [size for size in sizes if size is not None]
        if len(shape) != len(sizes):
            return None
        dtype = "float" if written.dtype is None else written.dtype.text
        return TensorType(dtype, (BATCH, *shape), written.span)  # type: ignore[arg-type]

    # Fitted steps -----------------------------------------------------------------------------------------------------

    def _standardize(self, body: Body, value: Value, span: Span) -> Value:
        """`(x - mean) / std` with both read from what was fitted."""
        if not isinstance(value, Tensor):
            raise Refusal(NotATensor(span, describe(value)))
        mean, std = (self._fitted(body, f"{self.current}_{what}", value.type, span) for what in ("mean", "std"))
        return _scaled(body, value, mean, std, span)

    def _fitted(self, body: Body, name: str, type_: TensorType, span: Span) -> Tensor:
        taken = {t.name for t in body.captures}
        name = f"fitted.{name}"
        unique = next(n for n in (name, *(f"{name}{i}" for i in range(2, 1000))) if n not in taken)
        assert body.outer is not None
        outer = body.outer.input(unique, TensorType("float", type_.shape[1:]), span)
        return body.local(outer)

    def _categories(self, body: Body, value: Value, span: Span) -> Value:
        if isinstance(value, TextColumn):
            name = value.name
            tensor = self.source.input(name, TensorType("int", (BATCH,)), span)
            self.source.scope.names[name] = tensor
            value = body.local(tensor)
        elif isinstance(value, Tensor) and value.name and value.name in (self.schema or {}) and value.type.dtype == "int":
            name = value.name
        else:
            raise Refusal(
                NotATensor(
                    span, f"{describe(value)}: categories works on a column of the source that holds texts or whole numbers"
                )
            )
        if name is not None and name not in self.columns.categories:
            self.columns.categories.append(name)
        return value

    def _fit(self, tensors: Mapping[str, Tensor]) -> None:
        """A second reading of the columns, in which `standardize` gives what it has to fit."""
        fitted: dict[str, Tensor] = {}

        def standardize(body: Body, value: Value, span: Span) -> Value:
            if not isinstance(value, Tensor):
                return POISON
            body.rows = False
            if value.type.dtype == "int":
                value = operator(body, "/", (value, Size.of(1)), span, (span, span))
            mean = one(
                apply_layer(body, LayerRecipe(registry()["mean"], {"dim": Size.of(0)}, self.node, built=True), (value,), span, {})
            )
            assert isinstance(value, Tensor)
            spread = body.add(Spread(), body.operands((value,)), (TensorType("float", value.type.shape[1:]),), span)
            std = body.tensor(spread)
            body.rows = True
            for what, tensor in (("mean", mean), ("std", std)):
                name = f"{self.current}_{what}"
                fitted[next(n for n in (name, *(f"{name}{i}" for i in range(2, 1000))) if n not in fitted)] = tensor
            return _scaled(body, value, mean, std, span)

        if not any(t.name and t.name.startswith("fitted.") for t in _captures(tensors)):
            return
        body, _ = self._expressions({"standardize": standardize, "categories": self._categories})
        self.columns.fit = self._graph(body, fitted, "fit")

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
            value = one(evaluate(body, where.condition)) if self._known(body, where.condition, own=True) else POISON
            if isinstance(value, Poison):
                return
            if not (isinstance(value, Tensor) and value.type.dtype == "bool" and value.type.rank == 1):
                self.elaborator.report(
                    BadClause(where.condition.span, f"train_where wants one bool for each row, but this is {describe(value)}")
                )
                return
            kept = value if kept is None else operator(body, "and", (kept, value), where.span, (where.span, where.span))
        self.columns.keep = self._graph(body, {"keep": kept}, "keep")


def _captures(tensors: Mapping[str, Tensor]) -> list[Tensor]:
    bodies = {id(tensor.body): tensor.body for tensor in tensors.values()}
    return [capture for body in bodies.values() for capture in body.captures]


def _scaled(body: Body, value: Tensor, mean: Tensor, std: Tensor, span: Span) -> Value:
    centred = operator(body, "-", (value, mean), span, (span, span))
    return operator(body, "/", (centred, std), span, (span, span))


def function_graph(body: Body, name: str, outputs: tuple[Output, ...], span: Span) -> Graph:
    """The body as a function without weights."""
    return Graph(name=name, kind="function", dims=body.dims, nodes=tuple(body.nodes), outputs=outputs, span=span)


def is_known(body: Body, name: str) -> bool:
    """A name that an expression outside of declarations may use."""
    from ..elaborate.values import MISSING
    from ..resolve import CONSTANTS, FUNCTIONS, SPECIAL

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
        elif want.number is not None and have.number is not None and want.number != have.number:
            return False
    return True


def row(type_: TensorType) -> str:
    """The type of one row: `[1, 8, 8]`, `int`."""
    inner = TensorType(type_.dtype, type_.shape[1:])
    if inner.rank:
        return str(inner)
    return {"float": "one number", "int": "one int", "bool": "one bool"}[type_.dtype]

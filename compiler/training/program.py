"""`train NAME: Model(…) on data { … }`: losses and metrics to graphs, clauses to a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from ...dsl import ast
from ...dsl.diagnostic import nearest
from ...dsl.span import Span
from ..elaborate.body import Body
from ..elaborate.calls import apply_layer
from ..elaborate.elaborator import Elaborator, output_name
from ..elaborate.expressions import evaluate, one, operator
from ..elaborate.values import POISON, LayerRecipe, Poison, Scope, Tensor, Value, describe
from ..errors.calls import NotATensor
from ..errors.names import NotCompiledYet
from ..errors.training import (
    BadClause,
    ClauseTwice,
    ColumnType,
    MissingClause,
    MissingColumn,
    NameClash,
    UnknownClause,
    UnknownInProgram,
)
from ..graph import Graph, Node, Output, TensorType
from ..layers import registry
from ..layers.base import Refusal
from ..plan import InputPlan, Term, TrainPlan
from ..resolve import FUNCTIONS, Unit, synonyms
from ..shapes import Dim, Size
from . import clauses
from .columns import Columns, function_graph, is_known, place_of, row, row_fits

BATCH_SIZE = 32
LEAST = {"epochs": 1, "steps": 1, "batch": 1, "early_stop": 1, "seed": 0, "split_seed": 0}
T = TypeVar("T")


@dataclass(eq=False)
class TermGraph:
    term: Term
    graph: Graph


@dataclass(eq=False)
class Checked:
    """A checked train program."""

    node: ast.Train
    columns: Columns
    inputs: list[InputPlan]
    plan: TrainPlan | None  # none when a type is not known, or something is wrong
    terms: list[TermGraph] = field(default_factory=list)


def check_program(
    node: ast.Train, unit: Unit, root: Graph | None, columns: Columns | None, elaborator: Elaborator
) -> Checked | None:
    """Check the program of `root` on `columns`; faults go to the elaborator's report. None when one of the two is at fault itself."""
    if root is None or columns is None:
        check_clauses(node, unit, elaborator)
        return None
    return _Program(node, unit, root, columns, elaborator).run()


class _Program:
    def __init__(self, node: ast.Train, unit: Unit, root: Graph, columns: Columns, elaborator: Elaborator) -> None:
        self.node, self.unit, self.root, self.columns, self.elaborator = node, unit, root, columns, elaborator
        self.names = Body(elaborator, unit, "program", {})
        self.losses: list[TermGraph] = []
        self.metrics: list[TermGraph] = []
        self.once: dict[str, ast.Clause] = {}
        self.functions: set[str] = {"columns", "fit", "keep"}
        self.sizes: dict[str, Dim] = {}  # free dims of the model whose size the columns tell
        self.open: set[str] = set()  # those that columns of unknown type will tell
        self.sound = True

    def run(self) -> Checked:
        inputs = self._bind_inputs()
        self._bind_names()
        for clause in self.node.clauses:
            try:
                self._clause(clause)
            except Refusal as refusal:
                self._report(refusal)
        plan = self._plan()
        return Checked(self.node, self.columns, inputs, plan, [*self.losses, *self.metrics])

    def check_once(self) -> None:
        """The clauses that speak of no tensor."""
        self._optimizer = self._value("optimizer", clauses.optimizer)
        self._schedule = self._value("schedule", clauses.schedule)
        self._numbers = {name: self._whole(name, least) for name, least in LEAST.items()}

    def _report(self, refusal: Refusal) -> None:
        self.sound = False
        self.elaborator.report(refusal.fault)

    # Names ------------------------------------------------------------------------------------------------------------

    def _bind_inputs(self) -> list[InputPlan]:
        """Each input of the model has a column of its name and type."""
        plans = []
        for node in self.root.inputs:
            name, type_ = node.outputs[0].name or "", plain(node.type, self.sizes)
            plans.append(input_plan(node))
            if name not in self.columns.types:
                place = self.node.data.span if self.node.data is not None else self.node.span
                self._report(
                    Refusal(MissingColumn(place, name, self.columns.node.name.text, tuple(self.columns.types), node.span))
                )
                continue
            column = self.columns.types[name]
            if column is None:
                self.open |= {symbol for size in type_.shape for symbol in size.value.symbols()} - {"B"}
            elif not row_fits(type_, column):
                self._report(Refusal(ColumnType(self.columns.spans[name], name, row(type_), row(column), node.span)))
            else:
                for want, have in zip(type_.shape, column.shape, strict=True):
                    if want.value.symbol is not None and have.number is not None:
                        self.sizes[want.value.symbol] = have.value
        self.open -= set(self.sizes)
        return plans

    def _seen(self, name: str, type_: TensorType, span: Span) -> Value:
        """A tensor of the model as the program sees it: its free dims are as large as the columns are."""
        sized = plain(type_, self.sizes)
        if any(size.value.symbols() & self.open for size in sized.shape):
            return POISON
        return self.names.input(name, sized, span)

    def _bind_names(self) -> None:
        """Outputs, then inputs, then columns; an output and a column may not have one name."""
        scope = self.names.scope.names
        for output in self.root.outputs:
            if output.name in self.columns.types and output.name not in {node.outputs[0].name for node in self.root.inputs}:
                made = self.root.nodes[output.ref.node].span
                self._report(Refusal(NameClash(self.columns.spans[output.name], output.name, made)))
            scope[output.name] = self._seen(output.name, self.root.type_of(output.ref), self.node.span)
        for node in self.root.inputs:
            name = node.outputs[0].name or ""
            if name not in scope:
                scope[name] = self._seen(name, node.type, node.span)
        for name, type_ in self.columns.types.items():
            if name not in scope:
                scope[name] = POISON if type_ is None else self.names.input(name, type_, self.columns.spans[name])

    # Clauses ----------------------------------------------------------------------------------------------------------

    def _clause(self, clause: Clause) -> None:
        found = sorted_out(clause, self.once)
        if found is not None:
            for arg in found.args:
                self._term(found.name.text, found, arg)

    def _term(self, kind: str, clause: ast.Clause, arg: ast.Arg) -> None:
        node = arg.value
        if not self._known(node):
            return
        body = Body(self.elaborator, self.unit, kind, {}, self.names, Scope(self.names.scope), function=True)
        value = one(evaluate(body, node))
        if isinstance(value, Poison):
            self.sound = self.sound and not body.poisoned
            return
        if not isinstance(value, Tensor):
            raise Refusal(NotATensor(node.span, describe(value)))
        value = body.local(value)
        made = body.nodes[value.ref.node].op
        value = self._scalar(body, value, node.span)
        name = self._term_name(kind, clause, node)
        function = self._function_name(kind, name)
        graph = function_graph(body, function, (Output(name=name, ref=body.local(value).ref),), node.span)
        term = Term(
            name=name,
            function=function,
            arguments=[str(tensor.name) for tensor in body.captures],
            reduce=getattr(made, "reduce", "mean"),
            better="lower" if kind == "loss" else getattr(made, "better", None),
            place=place_of(node.span),
        )
        (self.losses if kind == "loss" else self.metrics).append(TermGraph(term, graph))

    def _scalar(self, body: Body, value: Tensor, span: Span) -> Value:
        """A loss or metric that is not one number is averaged."""
        if value.type.rank == 0 and value.type.dtype == "float":
            return value
        if value.type.dtype != "float":
            value = operator(body, "/", (value, Size.of(1)), span, (span, span))
        return one(apply_layer(body, LayerRecipe(registry()["mean"], {}, self.node, built=True), (value,), span, {}))

    def _known(self, expression: ast.Expr) -> bool:
        from ..keys import descendants

        known = True
        for node in descendants(expression):
            if isinstance(node, ast.Name) and not is_known(self.names, node.id):
                scope = (*self.names.scope.names, *registry(), *FUNCTIONS)
                fault = UnknownInProgram(
                    node.span, node.id, tuple(n for n in scope if n.isidentifier()), tuple(synonyms().items())
                )
                self._report(Refusal(fault))
                known = False
        return known

    def _term_name(self, kind: str, clause: ast.Clause, node: ast.Expr) -> str:
        """The name before the colon; else that of the call or of the tensor; unique among the terms of its kind."""
        if clause.targets:
            target = clause.targets[0]
            base = target.id if isinstance(target, ast.Name) else kind
        elif kind == "loss":
            base = "loss"
        else:
            callee = node.function if isinstance(node, ast.Call) else None
            base = callee.id if isinstance(callee, ast.Name) else output_name(node)
            base = kind if base == "output" else base
        taken = {term.term.name for term in (self.losses if kind == "loss" else self.metrics)}
        return next(name for name in (base, *(f"{base}{i}" for i in range(2, 10_000))) if name not in taken)

    def _function_name(self, kind: str, name: str) -> str:
        base = name if name.startswith(kind) else f"{kind}_{name}"
        function = next(f for f in (base, *(f"{base}{i}" for i in range(2, 10_000))) if f not in self.functions)
        self.functions.add(function)
        return function

    # The plan ---------------------------------------------------------------------------------------------------------

    def _plan(self) -> TrainPlan | None:
        if any(isinstance(clause, ast.Phase) for clause in self.node.clauses):
            return None  # told already
        self._missing()
        if "epochs" in self.once and "steps" in self.once:
            self._report(Refusal(BadClause(self.once["steps"].span, "epochs and steps both say how long; one of them must go")))
        self.check_once()
        optimizer, numbers = self._optimizer, self._numbers
        if not self.sound or optimizer is None or not self.columns.complete or not self.losses:
            return None
        return TrainPlan(
            name=(self.node.name or self.node.model).text,
            data=self.columns.plan(),
            losses=[term.term for term in self.losses],
            metrics=[term.term for term in self.metrics],
            optimizer=optimizer,
            schedule=self._schedule,
            epochs=numbers["epochs"],
            steps=numbers["steps"],
            batch=numbers["batch"] or BATCH_SIZE,
            early_stop=numbers["early_stop"],
            seed=numbers["seed"] or 0,
            split_seed=numbers["split_seed"] or 0,
            place=place_of(self.node.span),
        )

    def _missing(self) -> None:
        """What must be said and is not; a word that is near to it was meant to say it."""
        said = {clause.name.text for clause in self.node.clauses if isinstance(clause, ast.Clause)}
        said |= {nearest(name, clauses.ALL) or name for name in said}
        missing = {"loss": "loss cross_entropy(logits, label)", "optimizer": "optimizer adam(lr=1e-3)", "epochs": "epochs 20"}
        names = tuple(name for name in missing if name not in said and not (name == "epochs" and "steps" in said))
        if names:
            self._report(Refusal(MissingClause(self.node.model.span, names, tuple(missing[name] for name in names))))

    def _value(self, name: str, read: Callable[[Body, ast.Clause], T]) -> T | None:
        clause = self.once.get(name)
        if clause is None:
            return None
        try:
            return read(Body(self.elaborator, self.unit, name, {}), clause)
        except Refusal as refusal:
            self._report(refusal)
            return None

    def _whole(self, name: str, least: int) -> int | None:
        return self._value(name, lambda body, clause: clauses.whole(body, clause, least=least))


Clause = ast.Clause | ast.Phase | ast.EachMinimizes | ast.EachSolves


def sorted_out(clause: Clause, once: dict[str, ast.Clause]) -> ast.Clause | None:
    """A loss or metric is given back; what can be said once goes into `once`."""
    if not isinstance(clause, ast.Clause):
        raise Refusal(NotCompiledYet(clause.span, "a phase" if isinstance(clause, ast.Phase) else "each"))
    name = clause.name.text
    if name not in clauses.ALL:
        raise Refusal(UnknownClause(clause.name.span, name, clauses.ALL))
    if name in clauses.LATER:
        raise Refusal(NotCompiledYet(clause.name.span, f"the clause {name}"))
    if name in clauses.REPEATED:
        return clause
    clauses.untargeted(clause)
    if name in once:
        raise Refusal(ClauseTwice(clause.name.span, name, once[name].name.span))
    once[name] = clause
    return None


def check_clauses(node: ast.Train, unit: Unit, elaborator: Elaborator) -> None:
    """What can be said of a program whose model or data is at fault."""
    once: dict[str, ast.Clause] = {}
    for clause in node.clauses:
        try:
            sorted_out(clause, once)
        except Refusal as refusal:
            elaborator.report(refusal.fault)
    readers: dict[str, Callable[[Body, ast.Clause], object]] = {"optimizer": clauses.optimizer, "schedule": clauses.schedule}
    for name, least in LEAST.items():
        readers[name] = partial(clauses.whole, least=least)
    for name, clause in once.items():
        try:
            readers[name](Body(elaborator, unit, name, {}), clause)
        except Refusal as refusal:
            elaborator.report(refusal.fault)


def input_plan(node: Node) -> InputPlan:
    """An input of a root; what begins with B is cut into batches."""
    batched = node.type.rank > 0 and str(node.type.shape[0].value) == "B"
    return InputPlan(name=node.outputs[0].name or "", dtype=node.type.dtype, batched=batched)


def plain(type_: TensorType, sizes: Mapping[str, Dim]) -> TensorType:
    """A type of the model outside of it, with the free dims that are known by now: the names of its text mean nothing here."""
    return TensorType(type_.dtype, tuple(Size.of(size.value.substitute(sizes)) for size in type_.shape), type_.origin)

"""Losses, metrics and what is watched: expressions over the model's outputs, its inputs and the columns, as functions of program.py."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ...dsl import ast
from ...dsl.span import Span
from ..elaborate.applying import apply_layer
from ..elaborate.body import Body, Hook
from ..elaborate.elaborator import Elaborator, output_name
from ..elaborate.expressions import evaluate, one, operator
from ..elaborate.values import POISON, LayerRecipe, Poison, Scope, Tensor, Value, describe
from ..errors.calls import NotATensor
from ..errors.training import BadClause, UnknownInProgram
from ..graph import Graph, Operation, Output, TensorType
from ..layers import registry
from ..layers.base import Refusal
from ..plan import Term
from ..resolve import Unit
from ..scopes import FUNCTIONS, synonyms
from ..shapes import Size
from .balanced import labels_of, weights_name
from .columns import function_graph, is_known
from .constants import place_of
from .energies import is_objective, slopes_of


@dataclass(eq=False)
class TermGraph:
    """A term with the graph of its function, and of the one that gives its slopes."""

    term: Term
    graph: Graph
    slopes: Graph | None = None


@dataclass(eq=False)
class Terms:
    """Makes terms; `names` is the body whose scope holds what a program sees. `sound` is false when something was wrong."""

    names: Body
    unit: Unit
    elaborator: Elaborator
    node: ast.Train
    columns: Container[str] = ()
    hooks: Mapping[str, Hook] = field(default_factory=dict)  # of objectives that are of the model as a whole
    made: list[TermGraph] = field(default_factory=list)
    functions: set[str] = field(default_factory=lambda: {"columns", "altered", "fit", "keep", "part"})
    sound: bool = True
    complete: bool = True  # a name that is not known now may not be a column of the source

    def of(self, clause: ast.Clause, taken: set[str]) -> list[Term]:
        """The terms of a clause; their names are none of `taken`, and go into it."""
        found = []
        for arg in clause.args:
            made = self._term(clause.name.text, clause, arg.value, taken)
            if made is not None:
                self.made.append(made)
                found.append(made.term)
        return found

    def _term(self, kind: str, clause: ast.Clause, node: ast.Expr, taken: set[str]) -> TermGraph | None:
        if not self._known(node):
            return None
        node, labels = labels_of(node)
        body = Body(self.elaborator, self.unit, kind, {}, self.names, Scope(self.names.scope), function=True, hooks=self.hooks)
        for label in labels:
            body.scope.names[weights_name(label)] = self._weights(label, node.span)
        value = one(evaluate(body, node))
        if is_objective(value):
            value = apply_layer(body, value, (), node.span, {})
        if isinstance(value, Poison):
            self.sound = self.sound and not body.poisoned
            return None
        if not isinstance(value, Tensor):
            raise Refusal(NotATensor(node.span, describe(value)))
        value = body.local(value)
        made = body.nodes[value.ref.node]
        averaged = getattr(made.op, "averaged", None)
        if averaged is not None:  # the mean over batches is of what stands within: exp(mean) for a perplexity
            body.nodes[value.ref.node] = made.model_copy(update={"op": averaged()})
        matrix = getattr(made.op, "matrix", False)
        value = value if matrix or kind == "target" else self._scalar(body, value, node.span)
        name = _fresh(self._base(kind, clause, node, taken), taken)
        taken.add(name)
        function = _fresh(name if name.startswith(kind) else f"{kind}_{name}", self.functions)
        self.functions.add(function)
        graph = function_graph(body, function, (Output(name=name, ref=body.local(value).ref),), node.span)
        slopes = slopes_of(graph) if kind == "loss" else None
        if slopes is not None:
            self.functions.add(f"{function}_slopes")
        term = Term(
            name=name,
            function=function,
            slopes=None if slopes is None else f"{function}_slopes",
            arguments=[str(tensor.name) for tensor in body.captures],
            reduce="collect" if any(getattr(n.op, "reduce", "mean") == "collect" for n in body.nodes) else "mean",
            finish="exp" if averaged is not None else None,
            balanced=labels,
            of_model=any(getattr(n.op, "family", "") == "energy" for n in body.nodes),
            better=_better(kind, made.op, matrix),
            place=place_of(node.span),
        )
        return TermGraph(term, graph, slopes)

    def _weights(self, label: str, span: Span) -> Value:
        """What each label of a column counts."""
        column = self.names.scope.get(label)
        if not isinstance(column, Tensor):
            return POISON
        if column.type.dtype != "int" or label not in self.columns:
            raise Refusal(
                BadClause(span, f'weight="balanced" counts the labels of a column, and {label} is no column of whole numbers')
            )
        return self.names.input(weights_name(label), TensorType("float", column.type.shape), span)

    def _scalar(self, body: Body, value: Tensor, span: Span) -> Value:
        """A term that is not one number is averaged."""
        if value.type.rank == 0 and value.type.dtype == "float":
            return value
        if value.type.dtype != "float":
            value = operator(body, "/", (value, Size.of(1)), span, (span, span))
        return one(apply_layer(body, LayerRecipe(registry()["mean"], {}, self.node, built=True), (value,), span, {}))

    def _known(self, expression: ast.Expr) -> bool:
        from ...dsl.walk import descendants

        unknown = [node for node in descendants(expression) if isinstance(node, ast.Name) and not is_known(self.names, node.id)]
        if not self.complete:
            self.names.scope.names.update((node.id, POISON) for node in unknown)
            return True
        scope = tuple(n for n in (*self.names.scope.names, *registry(), *FUNCTIONS) if n.isidentifier()) if unknown else ()
        for node in unknown:
            self.elaborator.report(UnknownInProgram(node.span, node.id, scope, tuple(synonyms().items())))
        self.sound = self.sound and not unknown
        return not unknown

    @staticmethod
    def _base(kind: str, clause: ast.Clause, node: ast.Expr, taken: set[str]) -> str:
        """The name before the colon; else that of the call or of the tensor, but for a loss that is the only one."""
        if clause.targets:
            target = clause.targets[0]
            return target.id if isinstance(target, ast.Name) else kind
        if kind in ("loss", "target") and kind not in taken:
            return kind
        callee = node.function if isinstance(node, ast.Call) else None
        base = callee.id if isinstance(callee, ast.Name) else output_name(node)
        return kind if base == "output" else base


def _better(kind: str, op: Operation, matrix: bool) -> Literal["higher", "lower"] | None:
    """Which way is good; of a loss, down, but for those whose value tells nothing (contrastive divergence)."""
    if kind == "loss" and getattr(op, "family", "") != "energy":
        return "lower"
    return None if kind == "watch" or matrix else getattr(op, "better", None)


def _fresh(base: str, taken: set[str]) -> str:
    return next(name for name in (base, *(f"{base}{i}" for i in range(2, 10_000))) if name not in taken)

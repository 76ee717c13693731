"""Phases of `each X minimizes …` and `each X solves LAYER by …`: one phase of the plan for each instance, in the order of the data's flow.

An instance becomes a network of its own, whose inputs are what the model hands to it and whose outputs are those values of its body that
the objective reads. Objectives and targets see the names of that body, then the columns; nothing of the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from ...dsl import ast
from ...dsl.span import Span
from ..elaborate.body import Body
from ..elaborate.elaborator import Elaborator
from ..elaborate.values import POISON, Value
from ..emit.torch import emit_module
from ..errors.stages import BadMethod, NoInstance, NoSolvable, NothingToMove, WholeModel, WrongTarget
from ..graph import Graph, Machine, Node, Ref, TensorType
from ..layers.base import Refusal
from ..passes.order import PASSES
from ..plan import InstancePlan, ModelPlan, SolvePlan, Term
from ..resolve import Unit
from .columns import Columns
from .constants import constant
from .energies import hooks
from .instances import Instance, instances, parts_of
from .targets import nexts_of
from .terms import Terms

METHODS = ("ridge", "least_squares", "logistic")
Each = ast.EachMinimizes | ast.EachSolves
Seen = Callable[[Body, str, TensorType, Span], Value]
FEATURES = "into_"


@dataclass(frozen=True)
class Method:
    """`ridge(TARGET, l2=1e-3)` as written."""

    name: Literal["ridge", "least_squares", "logistic"]
    target: ast.Expr
    l2: float


@dataclass(eq=False)
class Stages:
    """Makes the instances of a phase; `terms` is where the functions of program.py are gathered."""

    node: ast.Train
    unit: Unit
    root: Graph
    columns: Columns
    elaborator: Elaborator
    terms: Terms
    seen: Seen

    def of(self, each: tuple[Each, ...]) -> list[tuple[list[Term], InstancePlan]]:
        """For each instance what it minimizes (nothing where it is solved) and what it is; a refusal where something is wrong."""
        clauses: dict[str, Each] = {}
        for clause in each:
            self._check_part(clause)
            clauses[clause.part.text] = clause
        found = instances(self.root, tuple(clauses), each[0].part.span)
        made = []
        for number, instance in enumerate(found, 1):
            plan = self._made(clauses[instance.graph.name], instance, number, len(found))
            if plan is not None:
                made.append(plan)
        return made

    def _check_part(self, clause: Each) -> None:
        name, parts = clause.part.text, parts_of(self.root)
        if name == self.root.name:
            raise Refusal(WholeModel(clause.part.span, name))
        if name not in parts:
            raise Refusal(NoInstance(clause.part.span, name, self.root.name, parts))

    def _made(self, clause: Each, instance: Instance, number: int, count: int) -> tuple[list[Term], InstancePlan] | None:
        terms = self._terms(instance)
        if isinstance(clause, ast.EachMinimizes):
            term = self._term(terms, clause, "loss", clause.objective)
            if term is None:
                return None
            wanted = self._read(instance, [term])
            graph = instance.alone(wanted)
            if not term.of_model and not any(_learns(node) for node in graph.nodes):
                raise Refusal(NothingToMove(clause.objective.span, instance.graph.name))
            return [term], self._plan(instance, graph, number, count, None)
        method = self._method(clause)
        dense = _solved(clause, instance)
        term = self._term(terms, clause, "target", method.target)
        if term is None:
            return None
        self._check_target(clause, method, instance, dense, terms)
        wanted = {f"{FEATURES}{clause.layer.text}{at}": ref for at, ref in enumerate(dense.refs)}
        wanted |= {name: ref for name, ref in self._read(instance, [term]).items() if name not in wanted}
        graph = instance.alone(wanted)
        solve = SolvePlan(
            layer=clause.layer.text,
            method=method.name,
            l2=method.l2,
            features=len(dense.refs),
            target=term,
        )
        return [], self._plan(instance, graph, number, count, solve)

    # Terms ------------------------------------------------------------------------------------------------------------

    def _terms(self, instance: Instance) -> Terms:
        """Terms that see the names of the instance's body, then the columns."""
        names = Body(self.elaborator, self.unit, "program", {})
        scope = names.scope.names
        for name, ref in instance.names.items():
            type_ = instance.graph.type_of(ref)
            scope[name] = self.seen(names, name, type_, instance.span)
        for name, column in self.columns.types.items():
            if name not in scope:
                scope[name] = POISON if column is None else names.input(name, column, self.columns.spans[name])
        made = Terms(names, self.unit, self.elaborator, self.node, self.columns.types, complete=self.columns.known)
        made.hooks = hooks(instance.graph, names, self.unit)
        made.functions = self.terms.functions
        made.made = self.terms.made
        return made

    def _term(self, terms: Terms, clause: Each, kind: str, value: ast.Expr) -> Term | None:
        word = ast.Ident(kind, span=clause.part.span)
        written = ast.Clause(word, (), (ast.Arg(value=value, name=None, span=value.span),), span=clause.span)
        found = terms.of(written, set())
        self.terms.sound = self.terms.sound and terms.sound
        return found[0] if found else None

    def _read(self, instance: Instance, terms: list[Term]) -> dict[str, Ref]:
        """What the terms read of the body."""
        names = instance.names
        return {name: names[name] for term in terms for name in term.arguments if name in names}

    # Closed forms -----------------------------------------------------------------------------------------------------

    def _method(self, clause: ast.EachSolves) -> Method:
        call = clause.method
        if not isinstance(call, ast.Call) or not isinstance(call.function, ast.Name):
            raise Refusal(BadMethod(call.span, "a layer is solved by ridge, least_squares or logistic, given their target"))
        name, target, l2 = call.function.id, None, 0.0
        if name not in METHODS:
            raise Refusal(BadMethod(call.function.span, f"there is no way to solve a layer that is called {name}", name, METHODS))
        for arg in call.args:
            if arg.name is None and target is None:
                target = arg.value
            elif arg.name is not None and arg.name.text == "l2" and name != "least_squares":
                value = constant(Body(self.elaborator, self.unit, "l2", {}), arg.value)
                if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                    raise Refusal(BadMethod(arg.value.span, "l2 is a number of at least 0"))
                l2 = float(value)
            else:
                takes = "its target" if name == "least_squares" else "its target and l2"
                got = arg.name.text if arg.name is not None else ""
                raise Refusal(BadMethod(arg.span, f"{name} takes {takes}", got, ("l2",) if name != "least_squares" else ()))
        if target is None:
            raise Refusal(BadMethod(call.span, f"{name} needs to know what the layer should give"))
        return Method(cast("Any", name), target, l2)

    def _check_target(self, clause: ast.EachSolves, method: Method, instance: Instance, dense: Node, terms: Terms) -> None:
        graph = terms.made[-1].graph
        got = graph.type_of(graph.outputs[0].ref)
        gives = self.seen(Body(self.elaborator, self.unit, "program", {}), "gives", dense.type, instance.span)
        wanted = getattr(gives, "type", None)
        if wanted is None:
            return
        labels = method.name == "logistic"
        shape = wanted.shape[:-1] if labels else wanted.shape
        fits = len(got.shape) == len(shape) and all(
            a.number is None or b.number is None or a.number == b.number for a, b in zip(got.shape, shape, strict=True)
        )
        if not fits or (labels and got.dtype != "int") or (not labels and got.dtype == "bool"):
            needs = f"{wanted}, so logistic needs {TensorType('int', shape)}" if labels else str(wanted)
            raise Refusal(WrongTarget(method.target.span, clause.layer.text, needs, str(got)))

    # The plan ---------------------------------------------------------------------------------------------------------

    def _plan(self, instance: Instance, graph: Graph, number: int, count: int, solve: SolvePlan | None) -> InstancePlan:
        from .program import input_plan

        module = emit_module(PASSES.run(graph), self.node.span.source)
        model = ModelPlan(
            class_name=module.class_name,
            arguments={},
            inputs=[input_plan(node) for node in graph.inputs],
            outputs=[output.name for output in graph.outputs],
            nexts=nexts_of(graph),
        )
        return InstancePlan(
            part=instance.graph.name,
            path=instance.path,
            index=number,
            count=count,
            source=module.text,
            model=model,
            solve=solve,
        )


def _learns(node: Node) -> bool:
    return node.key is not None


def _solved(clause: ast.EachSolves, instance: Instance) -> Node:
    """The dense layer that is solved for."""
    graph, name = instance.graph, clause.layer.text
    dense = [node for node in graph.nodes if node.key is not None and getattr(node.op, "name", "") == "dense"]
    names = tuple(dict.fromkeys(str(node.key) for node in dense if node.named))

    def refused(reason: str) -> Refusal:
        return Refusal(NoSolvable(clause.layer.span, graph.name, name, reason, names))

    if isinstance(graph, Machine):
        raise refused("an energy has no output that is affine in its weights")
    found = [node for node in graph.nodes if node.key == name]
    if not found:
        raise refused("there is no such layer in its body")
    if found[0] not in dense:
        raise refused("it is not a dense layer, so what it gives is not affine in its weights")
    if len(found) > 1:
        raise refused("it is applied several times")
    if not found[0].named:
        raise refused("it has no name of its own: say layer NAME = dense(…)")
    return found[0]

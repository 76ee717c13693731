"""`train name: Model(…) on data { … }`: names bound, clauses sorted into phases, and all of it to a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...dsl import ast
from ...dsl.nearest import nearest
from ...dsl.span import Span
from ..elaborate.body import Body
from ..elaborate.elaborator import Elaborator
from ..elaborate.values import MISSING, POISON, Value
from ..errors.games import NotInGames
from ..errors.stages import BesideEach
from ..errors.training import (
    BadClause,
    ColumnType,
    MissingClause,
    MissingColumn,
    NameClash,
)
from ..graph import Game, Graph, Node, TensorType, has_gates
from ..layers.base import Refusal
from ..penalties import penalty_terms
from ..plan import EarlyStopPlan, InputPlan, InstancePlan, PhasePlan, Term, TrainPlan, UpdatePlan
from ..resolve import Unit
from ..shapes import Dim, Size
from . import clauses
from .columns import Columns, row, row_fits
from .constants import place_of
from .energies import hooks
from .games import NOT_IN_GAMES, game_updates
from .sorting import Reader, Said, inherited, plainly, sorted_out
from .targets import Targets
from .terms import TermGraph, Terms

BATCH_SIZE = 32
GATES = "gates"  # watched all together by this name
BESIDE = {  # clauses that have no meaning where parts are trained by themselves
    "loss": "each part has an objective of its own",
    "freeze": "only the part that is trained moves",
    "init": "say it in a phase without each, which begins before",
}


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
        reader = Reader(unit, elaborator, None)
        outer, phases = sorted_out(node, reader)
        for said in (outer, *(said for _, said in phases)):
            reader.read_all(said)
        return None
    return _Program(node, unit, root, columns, elaborator).run()


class _Program:
    def __init__(self, node: ast.Train, unit: Unit, root: Graph, columns: Columns, elaborator: Elaborator) -> None:
        self.node, self.unit, self.root, self.columns, self.elaborator = node, unit, root, columns, elaborator
        self.names = Body(elaborator, unit, "program", {})
        self.reader = Reader(unit, elaborator, Targets(root))
        self.penalties = penalty_terms(root)
        self.terms = Terms(self.names, unit, elaborator, node, columns.types, complete=columns.known)
        self.terms.hooks = hooks(root, self.names, unit)
        self.of_clause: dict[int, list[Term]] = {}
        self.sizes: dict[str, Dim] = {}  # free dims of the model whose size the columns tell
        self.open: set[str] = set()  # those that columns of unknown type will tell

    def run(self) -> Checked:
        inputs = self._bind_inputs()
        self._bind_names()
        outer, phases = sorted_out(self.node, self.reader)
        self._read(outer, {})
        for _, said in phases:
            self._read(said, outer)
        made = [plan for phase, said in phases for plan in self._phases(phase.name.text, phase, said, outer)]
        if not phases:
            made = self._phases("", self.node, outer, {})
        return Checked(self.node, self.columns, inputs, self._plan(outer, made), self.terms.made)

    def _report(self, refusal: Refusal) -> None:
        self.reader.report(refusal)

    # Names ------------------------------------------------------------------------------------------------------------

    def _bind_inputs(self) -> list[InputPlan]:
        """Each input of the model has a column of its name and type."""
        plans = []
        for node in self.root.inputs:
            name, type_ = node.outputs[0].name or "", plain(node.type, self.sizes)
            plans.append(input_plan(node))
            if name not in self.columns.types and not self.columns.known:
                self.columns.types[name], self.columns.spans[name] = None, self.columns.node.source.span
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
                    if want.value.symbol is not None and (have.number is not None or have.value.symbol is not None):
                        self.sizes[want.value.symbol] = have.value
        self.open -= set(self.sizes)
        return plans

    def _seen(self, name: str, type_: TensorType, span: Span) -> Value:
        """A tensor of the model as the program sees it: its free dims are as large as the columns are."""
        return self._seen_by(self.names, name, type_, span)

    def _seen_by(self, names: Body, name: str, type_: TensorType, span: Span) -> Value:
        sized = plain(type_, self.sizes)
        if any(size.value.symbols() & self.open for size in sized.shape):
            return POISON
        return names.input(name, sized, span)

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

    def _read(self, said: Said, outer: Said) -> None:
        """All clauses of a program or a phase; what they make is kept by clause."""
        self.reader.read_all(said)
        several = bool(self.penalties) or sum(len(clause.args) for clause in said.get("loss", ())) > 1
        losses = {term.name for term in self.penalties} | ({"loss"} if several else set())  # the name of their sum
        others = {term.name for term in self.penalties}
        others |= {term.name for name in ("metric", "watch") if name not in said for term in self._terms(outer, name)}
        for name in clauses.TERMS:
            for clause in said.get(name, ()):
                try:
                    written = self._without_gates(clause) if name == "watch" else clause
                    self.of_clause[id(clause)] = self.terms.of(written, losses if name == "loss" else others)
                except Refusal as refusal:
                    self._report(refusal)

    def _without_gates(self, clause: ast.Clause) -> ast.Clause:
        """A `watch` clause with what it watches beside the gates."""
        gates = [arg for arg in clause.args if self._means_gates(arg)]
        if gates and isinstance(self.root, Game):
            self._report(Refusal(NotInGames(gates[0].span, "watch gates", "the gates of its players are not looked at")))
        elif gates and not has_gates(self.root):
            wanted = f"{self.root.name} has no gate to watch: in a cell or a block, gate z = … declares one"
            self._report(Refusal(BadClause(gates[0].span, wanted)))
        return replace(clause, args=tuple(arg for arg in clause.args if arg not in gates))

    def _means_gates(self, arg: ast.Arg) -> bool:
        """`watch gates`, where no tensor has that name."""
        return isinstance(arg.value, ast.Name) and arg.value.id == GATES and self.names.scope.get(GATES) is MISSING

    def _watches_gates(self, said: Said) -> bool:
        return any(self._means_gates(arg) for clause in said.get("watch", ()) for arg in clause.args)

    def _terms(self, said: Said, name: str) -> list[Term]:
        return [term for clause in said.get(name, ()) for term in self.of_clause.get(id(clause), ())]

    def _value(self, said: Said, name: str) -> Any:
        """What a clause that is said once says; none where it is not said."""
        return self.reader.read(said[name][0]) if name in said else None

    def _values(self, said: Said, name: str) -> list[Any]:
        found = [self.reader.read(clause) for clause in said.get(name, ())]
        return [value for value in found if value is not None]

    # The plan ---------------------------------------------------------------------------------------------------------

    def _phases(self, name: str, node: ast.Phase | ast.Train, said: Said, outer: Said) -> list[PhasePlan | None]:
        """What a phase is in the plan: itself, or a phase for each instance that it goes through; none where something is wrong."""
        each = tuple(clause for clause in node.clauses if isinstance(clause, ast.EachMinimizes | ast.EachSolves))
        if not each:
            return [self._phase(name, node.span, inherited(outer, said))]
        # An instance is emitted as a network of its own: the emitter is loaded only for who has instances.
        from .stages import Stages

        for word, reason in BESIDE.items():
            for clause in said.get(word, ()):
                self._report(Refusal(BesideEach(clause.span, word, reason)))
        counts = {word: found for word, found in inherited(outer, said).items() if word not in BESIDE}
        if any(isinstance(clause, ast.EachMinimizes) for clause in each):
            self._missing(name, node.span, counts, loss=False)
        if not self.reader.sound:
            return [None]
        stages = Stages(self.node, self.unit, self.root, self.columns, self.elaborator, self.terms, self._seen_by)
        try:
            made = stages.of(each)
        except Refusal as refusal:
            self._report(refusal)
            return [None]
        if not self.terms.sound or not self.columns.complete or not made:
            return [None]
        return [
            self._planned(name, node.span, counts, [UpdatePlan(losses=losses)] if losses else [], instance)
            for losses, instance in made
        ]

    def _phase(self, name: str, span: Span, said: Said) -> PhasePlan | None:
        """A phase with the clauses that count for it; none where something is wrong."""
        self._missing(name, span, said)
        if "epochs" in said and "steps" in said:
            self._report(Refusal(BadClause(said["steps"][0].span, "epochs and steps both say how long; one of them must go")))
        if "ema" in said and "average" in said:
            self._report(
                Refusal(BadClause(said["average"][0].span, "ema and average both say what is kept; one of them must go"))
            )
        losses, metrics = self._terms(said, "loss"), self._terms(said, "metric")
        losses += self.penalties
        updates = [UpdatePlan(losses=losses)]
        if isinstance(self.root, Game):
            updates = game_updates(self.root, self._values(said, "rounds"))
            losses = [term for update in updates for term in update.losses]
            self._fits_game(said)
        self._known_metric(said, [*losses, *metrics])
        optimizers = self._values(said, "optimizer")
        if not self.reader.sound or not self.terms.sound or not self.columns.complete or not losses or not optimizers:
            return None
        return self._planned(name, span, said, updates, None)

    def _planned(self, name: str, span: Span, said: Said, updates: list[UpdatePlan], instance: InstancePlan | None) -> PhasePlan:
        solved = instance is not None and instance.solve is not None
        return PhasePlan(
            name=name,
            updates=updates,
            metrics=self._terms(said, "metric"),
            watch=self._terms(said, "watch"),
            gates=self._watches_gates(said),
            optimizers=[] if solved else self._values(said, "optimizer"),
            instance=instance,
            schedules=self._values(said, "schedule"),
            epochs=None if solved else self._value(said, "epochs"),
            steps=1 if solved else self._value(said, "steps"),
            batch=self._value(said, "batch") or BATCH_SIZE,
            accumulate=self._value(said, "accumulate") or 1,
            clips=self._values(said, "clip"),
            averages=[*self._values(said, "ema"), *self._values(said, "average")],
            early_stop=self._value(said, "early_stop"),
            frozen=self._values(said, "freeze"),
            init=self._values(said, "init"),
            precision=self._value(said, "precision") or "float32",
            place=place_of(span),
        )

    def _fits_game(self, said: Said) -> None:
        """Some clauses do not go together with updates that take turns."""
        for name, found in said.items():
            if name in NOT_IN_GAMES:
                self._report(Refusal(NotInGames(found[0].name.span, name, NOT_IN_GAMES[name])))
        if self._value(said, "precision") == "fp16":
            self._report(
                Refusal(NotInGames(said["precision"][0].span, "precision fp16", "say bf16, which needs no scaled losses"))
            )
        for plan, clause in zip(self._values(said, "optimizer"), said.get("optimizer", ()), strict=False):
            if plan.name == "lbfgs":
                reason = "it looks at the loss several times a step"
                self._report(Refusal(NotInGames(clause.name.span, "optimizer lbfgs", reason)))

    def _known_metric(self, said: Said, terms: list[Term]) -> None:
        """early_stop names a term that there is."""
        stop: EarlyStopPlan | None = self._value(said, "early_stop")
        names = ("loss", *(term.name for term in terms))
        if (
            stop is not None
            and stop.metric is not None
            and self.terms.sound
            and self.columns.complete
            and stop.metric not in names
        ):
            reason = f"early_stop watches {stop.metric}, and there is {', '.join(dict.fromkeys(names))}"
            self._report(Refusal(BadClause(said["early_stop"][0].span, reason)))

    def _plan(self, outer: Said, made: list[PhasePlan | None]) -> TrainPlan | None:
        phases = [phase for phase in made if phase is not None]
        doubled = {phase.precision == "float64" for phase in phases}
        if len(doubled) > 1:
            self._report(Refusal(BadClause(self.node.model.span, "float64 is for the whole program: a phase cannot change it")))
        if len(phases) != len(made) or not self.reader.sound:
            return None
        return TrainPlan(
            name=(self.node.name or self.node.model).text,
            data=self.columns.plan(),
            phases=phases,
            seed=self._value(outer, "seed") or 0,
            split_seed=self._value(outer, "split_seed") or 0,
            place=place_of(self.node.span),
        )

    def _missing(self, phase: str, span: Span, clauses_of: Said, loss: bool = True) -> None:
        """What must be said and is not; a word that is near to it was meant to say it."""
        written = {clause.name.text for clause in plainly(self.node)} - set(clauses.ALL)
        said = set(clauses_of) | {near for name in written if (near := nearest(name, clauses.ALL)) is not None}
        game = isinstance(self.root, Game)
        losses = {} if game else {"loss": "loss cross_entropy(logits, label)"}
        missing = {**losses, "optimizer": "optimizer adam(lr=1e-3)", "epochs": "epochs 20"}
        names = tuple(name for name in missing if name not in said and not (name == "epochs" and "steps" in said))
        names = names if loss else tuple(name for name in names if name != "loss")
        if names:
            where = f"phase {phase}" if phase else "train program"
            place = self.node.model.span if not phase else span
            self._report(Refusal(MissingClause(place, names, tuple(missing[name] for name in names), where)))


def input_plan(node: Node) -> InputPlan:
    """An input of a root; what begins with B is cut into batches."""
    batched = node.type.rank > 0 and str(node.type.shape[0].value) == "B"
    return InputPlan(name=node.outputs[0].name or "", dtype=node.type.dtype, shape=shape_plan(node.type), batched=batched)


def shape_plan(type_: TensorType) -> list[int | str]:
    """Numbers, and formulae of free dims as text."""
    return [size.number if size.number is not None else str(size.value) for size in type_.shape]


def plain(type_: TensorType, sizes: Mapping[str, Dim]) -> TensorType:
    """A type of the model outside of it, with the free dims that are known by now: the names of its text mean nothing here."""
    return TensorType(type_.dtype, tuple(Size.of(size.value.substitute(sizes)) for size in type_.shape), type_.origin)

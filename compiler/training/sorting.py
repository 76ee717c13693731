"""The clauses of a program: sorted by name into those outside of phases and those of each phase, and read once each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...dsl import ast
from ..elaborate.body import Body
from ..elaborate.elaborator import Elaborator
from ..errors.stages import BesideEach
from ..errors.training import BadClause, ClauseTwice, UnknownClause
from ..layers.base import Refusal
from ..resolve import Unit
from . import clauses
from .targets import Targets, dotted

Said = dict[str, list[ast.Clause]]
"""The clauses of a program or of a phase by their names, each in the order of the text."""


@dataclass(eq=False)
class Reader:
    """Reads each clause that speaks of no tensor once, however many phases it counts for."""

    unit: Unit
    elaborator: Elaborator
    targets: Targets | None
    sound: bool = True
    values: dict[int, object] = field(default_factory=dict)

    def report(self, refusal: Refusal) -> None:
        self.sound = False
        self.elaborator.report(refusal.fault)

    def read(self, clause: ast.Clause) -> Any:
        """The clause as a value of the plan; none where it is at fault."""
        if id(clause) not in self.values:
            self.values[id(clause)] = None
            try:
                body = Body(self.elaborator, self.unit, clause.name.text, {})
                self.values[id(clause)] = clauses.read(body, clause, self.targets)
            except Refusal as refusal:
                self.report(refusal)
        return self.values[id(clause)]

    def read_all(self, said: Said) -> None:
        for name, found in said.items():
            if name not in clauses.TERMS:
                for clause in found:
                    self.read(clause)


def inherited(outer: Said, said: Said) -> Said:
    """What counts for a phase: a name that it says itself counts as it says it; one length, and one average, stands for the other."""
    instead = {"epochs": "steps", "steps": "epochs", "ema": "average", "average": "ema"}
    gone = {instead[name] for name in said if name in instead}
    return {**{name: found for name, found in outer.items() if name not in gone}, **said}


def plainly(node: ast.Train) -> list[ast.Clause]:
    inner = [clause for phase in node.clauses if isinstance(phase, ast.Phase) for clause in phase.clauses]
    return [clause for clause in (*node.clauses, *inner) if isinstance(clause, ast.Clause)]


def sorted_out(node: ast.Train, reader: Reader) -> tuple[Said, list[tuple[ast.Phase, Said]]]:
    """The clauses outside of phases, and those of each phase; what is no clause, or said twice, is reported."""
    outer: Said = {}
    phases: list[tuple[ast.Phase, Said]] = []
    for clause in node.clauses:
        if isinstance(clause, ast.Phase):
            named = {phase.name.text: phase for phase, _ in phases}
            if clause.name.text in named:
                first = named[clause.name.text].name.span
                reader.report(Refusal(ClauseTwice(clause.name.span, f"phase {clause.name.text}", first)))
            said: Said = {}
            for inner in clause.clauses:
                if isinstance(inner, ast.Clause):
                    _sort(inner, said, reader, phase=True)
            phases.append((clause, said))
        elif isinstance(clause, ast.Clause):
            _sort(clause, outer, reader, phase=False)
        elif any(isinstance(other, ast.Phase) for other in node.clauses):
            reader.report(Refusal(BesideEach(clause.span, "each outside of a phase", "the program has phases: it stands in one")))
    return outer, phases


def _sort(clause: ast.Clause, said: Said, reader: Reader, *, phase: bool) -> None:
    try:
        name = _checked(clause, said, phase=phase)
    except Refusal as refusal:
        reader.report(refusal)
    else:
        said.setdefault(name, []).append(clause)


def _checked(clause: ast.Clause, said: Said, *, phase: bool) -> str:
    """The name of a clause that may stand here."""
    name = clause.name.text
    if name not in clauses.ALL:
        raise Refusal(UnknownClause(clause.name.span, name, clauses.ALL))
    if phase and name in clauses.OF_PROGRAM:
        raise Refusal(BadClause(clause.name.span, f"{name} is of the whole program: it stands outside of the phases"))
    if name in clauses.ONCE and name in said:
        raise Refusal(ClauseTwice(clause.name.span, name, said[name][0].name.span))
    if name in ("optimizer", "schedule", "clip", "ema"):
        for other in said.get(name, ()):
            if {_written(target) for target in other.targets} & {_written(target) for target in clause.targets} or not (
                other.targets or clause.targets
            ):
                raise Refusal(ClauseTwice(clause.name.span, name, other.name.span))
    return name


def _written(node: ast.Expr) -> str:

    return dotted(node) or ""

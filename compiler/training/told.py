"""What a train program does, phase by phase, in the words of the spec: for people who ask what a model is.

Comes in: a train program as it is parsed, and the graph of its model. Goes out: a line for each phase, and for each part that a phase
trains by itself the places where it stands. Nothing is compiled for it, and no data are read.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...dsl import ast
from ...dsl.source import Source
from ..graph import Game, Graph
from ..layers.base import Refusal
from .instances import instances

Clauses = tuple[ast.Clause | ast.EachMinimizes | ast.EachSolves, ...]


@dataclass(frozen=True)
class Step:
    """One line of a program. `parts` are the submodules that it trains one after another; none: the whole model at once."""

    phase: str
    what: str
    parts: tuple[str, ...]
    length: str


@dataclass(frozen=True)
class Told:
    """A train program: its head, and its phases in order."""

    head: str
    steps: tuple[Step, ...]

    def json_object(self) -> dict[str, Any]:
        return {"program": self.head, "steps": [asdict(step) for step in self.steps]}


def programs(file: ast.File, graph: Graph, source: Source) -> list[Told]:
    """The train programs of a model."""
    found = [item for item in file.items if isinstance(item, ast.Train) and item.model.text == graph.name]
    return [_program(train, graph, source) for train in found]


def _program(train: ast.Train, graph: Graph, source: Source) -> Told:
    name = f"{train.name.text}: " if train.name is not None and train.name.text != train.model.text else ""
    on = f" on {train.data.text}" if train.data is not None else ""
    outer = tuple(clause for clause in train.clauses if not isinstance(clause, ast.Phase))
    phases = [clause for clause in train.clauses if isinstance(clause, ast.Phase)]
    steps = [step for phase in phases for step in _steps(phase.name.text, phase.clauses, outer, graph, source)]
    return Told(f"train {name}{train.model.text}{on}", tuple(steps or _steps("", outer, (), graph, source)))


def _steps(phase: str, clauses: Clauses, outer: Clauses, graph: Graph, source: Source) -> list[Step]:
    """Parts are trained in the order of the data's flow, whatever order their clauses have; each is a line of its own."""
    each = [clause for clause in clauses if isinstance(clause, ast.EachMinimizes | ast.EachSolves)]
    length = _length(clauses) or _length(outer)
    if not each:
        losses = _texts(clauses, "loss", source) or _texts(outer, "loss", source)
        rounds = f"rounds of {', '.join(graph.players)}" if isinstance(graph, Game) else ""
        return [Step(phase, " + ".join(losses) or rounds, (), length)]
    found = []
    for clause in each:
        solved = isinstance(clause, ast.EachSolves)
        spent = "in closed form" if solved else f"{length} each" if length else ""
        found.append(Step(phase, source.slice(clause.span), _places(graph, clause.part.text, clause), spent))
    return found


def _places(graph: Graph, part: str, clause: ast.EachMinimizes | ast.EachSolves) -> tuple[str, ...]:
    try:
        return tuple(instance.path for instance in instances(graph, (part,), clause.span))
    except Refusal:  # `check` says why
        return ()


def _texts(clauses: Clauses, name: str, source: Source) -> list[str]:
    named = [clause for clause in clauses if isinstance(clause, ast.Clause) and clause.name.text == name]
    return [source.slice(arg.span) for clause in named for arg in clause.args]


def _length(clauses: Clauses) -> str:
    """`30 epochs`."""
    for clause in clauses:
        if isinstance(clause, ast.Clause) and clause.name.text in ("epochs", "steps") and clause.args:
            value = clause.args[0].value
            if isinstance(value, ast.Number):
                unit = clause.name.text
                return f"{value.text} {unit[:-1] if value.text == '1' else unit}"
    return ""

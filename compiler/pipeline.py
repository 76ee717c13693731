"""The one sentence of the project: text is parsed, resolved, elaborated, pinned, emitted; or there is a report that says why not.

Pure: what is imported and what a source of data holds is asked for through callbacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from ..dsl import ast
from ..dsl.depth import collector_paused, room
from ..dsl.diagnostic import Report
from ..dsl.source import Source
from ..dsl.span import Span
from .advice import advise
from .elaborate.elaborator import Elaborator
from .elaborate.roots import elaborate_root
from .elaborate.values import Value
from .errors.names import NoRoot
from .errors.training import NoProgram, UnknownData
from .graph import Graph
from .hyperparameters import as_python, from_outside, from_train, is_plain
from .resolve import Declared, Program, Reader, resolve
from .scopes import Shelf

if TYPE_CHECKING:  # what is about training and games is imported where a spec has it
    from .game.shared import Sharing
    from .plan import MadePlan, Plan, SourceCall
    from .training.columns import Columns, Schema, Schemas
    from .training.program import Checked


@dataclass(frozen=True)
class Compiled:
    """A model ready to run: `source` is model.py, `program` is program.py; `spans` map their lines to the spec.

    `graph` is what the spec says, to be drawn and summed up; the source is that of the graph after the passes.
    """

    name: str
    graph: Graph
    source: str
    program: str | None
    plan: Plan
    spans: Mapping[int, Span]
    program_spans: Mapping[int, Span]
    sources: Mapping[str, str]
    hyperparameters: Mapping[str, Any]
    report: Report = field(default_factory=Report)

    @cached_property
    def graph_hash(self) -> str:
        from .emit.json import graph_hash

        return graph_hash(self.graph)


def no_imports(module: str, is_file: bool, importer: str) -> Source | str:
    return "cannot be read from here"


def no_schema(call: SourceCall) -> Schema | None:
    return None


@room()
@collector_paused()
def check_source(source: Source, *, read: Reader = no_imports, shelf: Shelf = dict, schema: Schemas = no_schema) -> Report:
    """Everything that is wrong with a spec.

    Its models at their defaults, its train programs, and its unused parts as far as they can be seen.
    """
    report = Report()
    program = resolve(source, report, read, shelf)
    if not report.ok and any(d.code.startswith("E01") for d in report.diagnostics):
        return report
    seen: set[int] = set()
    graphs: list[Graph] = []
    trained: list[tuple[ast.Train, Graph]] = []
    for declared in program.roots:
        if any(param.default is None for param in declared.node.hypers):
            continue  # it is given a value by a `train` line, or from outside
        graph = _root(declared, {}, report)
        graphs += [graph] if graph is not None else []
        seen |= _reached(declared, graph)
    columns = _all_columns(program, report, schema)
    for node in program.main.items(ast.Train):
        assert isinstance(node, ast.Train)
        checked = _train(program, node, {}, columns, report)
        if checked is not None:
            seen |= _reached(checked[0], checked[1])
            trained += [(node, checked[1])] if checked[1] is not None else []
    _unused_parts(program, seen, report)
    advise(program, graphs, trained, report)
    return report


@dataclass(frozen=True)
class Elaborated:
    """A model of a spec, checked whole: what is drawn and summed up, and what source is written from."""

    parsed: Program
    declared: Declared
    graph: Graph
    checked: Checked | None = None

    @property
    def name(self) -> str:
        return self.declared.node.name.text

    @property
    def sources(self) -> dict[str, str]:
        return {name: unit.source.text for name, unit in self.parsed.units.items()}


class Asked(TypedDict, total=False):
    """What is asked of a spec beside its text, as `elaborate_source` takes it."""

    root: str | None
    train: str | None
    training: bool
    hypers: Mapping[str, object] | None
    read: Reader
    shelf: Shelf
    schema: Schemas


@room()
@collector_paused()
def compile_source(source: Source, **asked: Unpack[Asked]) -> tuple[Compiled | None, Report]:
    """Compile one model of a spec; with `training` (or a program's name) its train program too."""
    found, report = elaborate_source(source, **asked)
    return None if found is None else _emitted(found, report), report


@room()
@collector_paused()
def elaborate_source(
    source: Source,
    *,
    root: str | None = None,
    train: str | None = None,
    training: bool = False,
    hypers: Mapping[str, object] | None = None,
    read: Reader = no_imports,
    shelf: Shelf = dict,
    schema: Schemas = no_schema,
) -> tuple[Elaborated | None, Report]:
    """All that `compile_source` finds and says of a model, before any source is written."""
    report = Report()
    program = resolve(source, report, read, shelf)
    if not report.ok:
        return None, report
    node = _program_node(program, root, train, report) if training or train else None
    if (training or train) and node is None:
        return None, report
    name = root or (node.model.text if node is not None else None)
    declared = _declared_root(program, name, report)
    if declared is None:
        return None, report
    given = from_outside(declared, hypers or {}, report)
    if node is None:
        graph = _root(declared, given, report)
        if graph is None or not report.ok:
            return None, report
        advise(program, [graph], [], report)
        return Elaborated(program, declared, graph), report
    columns = _all_columns(program, report, schema, only=node.data.text if node.data is not None else None)
    checked = _train(program, node, given, columns, report)
    if checked is None or checked[1] is None or not report.ok:
        return None, report
    advise(program, [], [(node, checked[1])], report)
    return Elaborated(program, declared, checked[1], checked[2]), report


# Steps ----------------------------------------------------------------------------------------------------------------


def _program_node(program: Program, root: str | None, train: str | None, report: Report) -> ast.Train | None:
    """The train program asked for: by name, or the first (of the model asked for)."""
    nodes = [node for node in program.main.items(ast.Train) if isinstance(node, ast.Train)]
    names = tuple((node.name or node.model).text for node in nodes)
    fitting = [
        n
        for n, name in zip(nodes, names, strict=True)
        if (train is None or name == train) and (root is None or n.model.text == root)
    ]
    if not fitting:
        report.add(NoProgram(program.main.source.end(), train or "", names))
        return None
    return fitting[0]


def _declared_root(program: Program, name: str | None, report: Report) -> Declared | None:
    """The model of that name, or the first."""
    roots = {declared.node.name.text: declared for declared in program.roots}
    if name is None and roots:
        return next(iter(roots.values()))
    found = roots.get(name or "") or program.main.names.get(name or "")
    if found is None or found.node.kind not in ("model", "adversarial", "energy"):
        report.add(NoRoot(program.main.source.end(), name or "", tuple(roots)))
        return None
    return found


def _root(declared: Declared, given: Mapping[str, Value], report: Report, place: Span | None = None) -> Graph | None:
    required = [param for param in declared.node.hypers if param.default is None and param.name.text not in given]
    return elaborate_root(declared, given, report, required=required, place=place)


def _all_columns(program: Program, report: Report, schema: Schemas, only: str | None = None) -> dict[str, Columns | None]:
    columns: dict[str, Columns | None] = {}
    for node in program.main.items(ast.Data):
        from .training.columns import check_columns

        assert isinstance(node, ast.Data)
        if only is None or node.name.text == only:
            columns[node.name.text] = check_columns(node, program.main, Elaborator(report), schema)
    return columns


def _train(
    program: Program, node: ast.Train, outside: Mapping[str, Value], columns: Mapping[str, Columns | None], report: Report
) -> tuple[Declared, Graph | None, Checked | None] | None:
    """Check one train program; the model's graph with its hyperparameters. What comes from outside wins."""
    declared = program.main.names.get(node.model.text)
    if declared is None or declared.node.kind not in ("model", "adversarial", "energy"):
        if declared is None or not declared.hollow:
            kind = "" if declared is None else f"a{'n' if declared.node.kind[0] in 'ae' else ''} {declared.node.kind}"
            report.add(NoRoot(node.model.span, node.model.text, tuple(d.node.name.text for d in program.roots), kind))
        return None
    elaborator = Elaborator(report)
    if node.data is None:
        report.add(UnknownData(node.model.span, "", tuple(columns)))
        return None
    if node.data.text not in columns:
        report.add(UnknownData(node.data.span, node.data.text, tuple(columns)))
        return None
    hypers = {**from_train(declared, node.hypers, elaborator), **outside}
    graph = _root(declared, hypers, report, node.model.span if node.hypers else None)
    from .training.program import check_program

    return declared, graph, check_program(node, program.main, graph, columns[node.data.text], elaborator)


def _reached(declared: Declared, graph: Graph | None) -> set[int]:
    """The declarations of a graph, by the identity of their nodes; all that a faulty root names, since it was looked at."""
    if graph is None:
        return _named(declared, set())
    found = {id(declared.node)}
    waiting, known = [graph], set()
    names = {other.node.span: id(other.node) for other in declared.unit.names.values()}
    while waiting:
        current = waiting.pop()
        for _, child in current.children():
            if id(child) not in known:
                known.add(id(child))
                waiting.append(child)
                if child.span in names:
                    found.add(names[child.span])
    return found


def _named(declared: Declared, found: set[int]) -> set[int]:
    from ..dsl.walk import descendants

    if id(declared.node) not in found:
        found.add(id(declared.node))
        for statement in declared.node.body:
            for node in descendants(statement):
                if isinstance(node, ast.Name) and node.id in declared.unit.names:
                    _named(declared.unit.names[node.id], found)
    return found


def _unused_parts(program: Program, seen: set[int], report: Report) -> None:
    """Blocks that no root uses, and models that need a value from outside, are looked at by themselves; other parts are for later."""
    for declared in program.main.names.values():
        if declared.unit is not program.main or id(declared.node) in seen:
            continue
        if declared.node.kind in ("block", "cell", "model", "attention", "energy") and not declared.hollow:
            elaborate_root(declared, {}, report, standalone=True)


def _emitted(found: Elaborated, report: Report) -> Compiled:
    from .emit.torch import emit_module
    from .graph import has_machine
    from .passes.order import PASSES
    from .penalties import penalty_names
    from .plan import ModelPlan, Plan
    from .recurrence.ladder import recurrences
    from .training.program import shape_plan
    from .training.targets import nexts_of

    graph, checked = found.graph, found.checked
    file = PurePath(found.parsed.main.source.name).name
    lowered = PASSES.run(graph)
    module = emit_module(lowered, file)
    written = None
    if checked is not None and checked.plan is not None:
        from .training.emit import emit_program

        written = emit_program(checked, file)
    hypers = {hyper.name: as_python(hyper.value) for hyper in graph.hypers if is_plain(hyper.value)}
    model = ModelPlan(
        class_name=module.class_name,
        arguments={module.keywords.get(name, name): hypers[name] for name in module.parameters},
        inputs=checked.inputs if checked is not None else _inputs(graph),
        outputs=[output.name for output in graph.outputs],
        output_shapes=[shape_plan(graph.type_of(output.ref)) for output in graph.outputs],
        penalties=list(penalty_names(graph)),
        nexts=nexts_of(graph),
        recurrences=recurrences(lowered),
        energies=has_machine(graph),
        made=_made(graph),
        **_shared(lowered, module.sharing),
    )
    return Compiled(
        name=found.name,
        graph=graph,
        source=module.text,
        program=written.text if written is not None else None,
        plan=Plan(model=model, train=checked.plan if checked is not None else None),
        spans=module.spans,
        program_spans=written.spans if written is not None else {},
        sources=found.sources,
        hyperparameters=hypers,
        report=report,
    )


def _made(graph: Graph) -> list[MadePlan]:
    """What a game makes."""
    from .graph import Game
    from .plan import MadePlan

    if not isinstance(graph, Game):
        return []
    from .game import made

    return [MadePlan(name=m.name, like=m.like, players=list(m.players), drawn=m.drawn) for m in made(graph)]


def _shared(graph: Graph, sharing: Sharing | None) -> dict[str, Any]:
    """What the objectives of a game have in common, by the names of their methods."""
    from .graph import Game
    from .plan import SharedPlan

    if sharing is None or not isinstance(graph, Game):
        return {}
    methods = [f"objective_{objective.name}" for objective in graph.objectives]
    shared = [
        SharedPlan(
            method=part.method,
            values=[*part.values.values()],
            given=[sharing.name(part.users[0], ref) for ref in part.given],
            users=[methods[user] for user in part.users],
        )
        for part in sharing.shared
    ]
    given = {methods[k]: [sharing.name(k, ref) for ref in refs] for k, refs in enumerate(sharing.given) if refs}
    return {"shared": shared, "given": given}


def _inputs(graph: Graph) -> list[Any]:
    from .training.program import input_plan

    return [input_plan(node) for node in graph.inputs]

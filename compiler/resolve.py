"""Files to declarations: imports are read, every name of every body is looked up.

Comes in: the AST of a file and a reader for what it imports. Goes out: a `Program` of units. After it, no name in an expression is unknown
without having been reported, no two declarations of a file share a name, and no files import each other in a circle.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..dsl import ast
from ..dsl.diagnostic import Report
from ..dsl.parser import parse
from ..dsl.source import Source
from ..dsl.span import Loc, Span
from .errors.names import (
    ImportCycle,
    ImportFailed,
    NameTaken,
)
from .scopes import Names, Shelf

Reader = Callable[[str, bool, str], Source | str]
"""`read(module, is_file, importer)` gives the source of an import, or a sentence that says why not ("is not there")."""

LONGEST_CHAIN = 100
"""So many files may import one the next."""


@dataclass(frozen=True, eq=False)
class Declared:
    """A declaration with the unit whose names it sees. `hollow`: its import failed, so nothing more is said about it."""

    node: ast.Declaration
    unit: Unit
    hollow: bool = False


@dataclass(eq=False)
class Unit:
    """A file: its declarations, imports resolved."""

    file: ast.File
    source: Source
    names: dict[str, Declared] = field(default_factory=dict)
    imported: dict[str, Span] = field(default_factory=dict)  # where the imported ones are named
    broken: set[int] = field(default_factory=set)  # declarations whose names clash, by identity: no more is said about them
    lost: frozenset[str] = frozenset()  # names that lines which could not be read may have given something to

    def items(self, kind: type[ast.Data] | type[ast.Train]) -> list[ast.Item]:
        return [item for item in self.file.items if isinstance(item, kind)]


@dataclass(eq=False)
class Program:
    """A file and all it imports."""

    main: Unit
    units: dict[str, Unit]

    @property
    def roots(self) -> list[Declared]:
        """Models and games of the main file, in order; its energies that a program trains, or all of them where there is no model."""
        own = [d for d in self.main.names.values() if d.unit is self.main]
        models = [d for d in own if d.node.kind in ("model", "adversarial")]
        trained = {item.model.text for item in self.main.items(ast.Train) if isinstance(item, ast.Train)}
        return [d for d in own if d in models or (d.node.kind == "energy" and (not models or d.node.name.text in trained))]


def resolve(source: Source, report: Report, read: Reader, shelf: Shelf = dict) -> Program:
    """Parse `source` and all it imports; look every name up. Faults go to `report`."""
    units: dict[str, Unit] = {}
    main = _unit(source, report, read, shelf, units, ())
    for unit in units.values():
        for item in unit.file.items:
            if isinstance(item, ast.Declaration):
                Names(unit, report, shelf).declaration(item)
    return Program(main, units)


def _unit(source: Source, report: Report, read: Reader, shelf: Shelf, units: dict[str, Unit], chain: tuple[str, ...]) -> Unit:
    report.sources[source.name] = source
    before = len(report.errors)
    unit = Unit(parse(source, report), source)
    if len(report.errors) > before:
        unit.lost = given_names(source.text)
    units[source.name] = unit
    for item in unit.file.items:
        if isinstance(item, ast.Import):
            _import(item, unit, report, read, shelf, units, (*chain, source.name))
    for item in unit.file.items:
        if isinstance(item, ast.Declaration):
            _declare(item, Declared(item, unit), unit, report)
    _check_unique(unit.items(ast.Data), "data", report)
    _check_unique(unit.items(ast.Train), "train program", report)
    return unit


GIVES = re.compile(r"^[ \t]*(?:[a-z]+[ \t]+)?([A-Za-z_]\w*(?:[ \t]*,[ \t]*[A-Za-z_]\w*)*)[ \t]*(?::?=(?!=)|[~:])", re.MULTILINE)
DECLARES = re.compile(r"^[ \t]*(?:model|block|cell|attention|energy|adversarial|def|class)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)


def given_names(text: str) -> frozenset[str]:
    """The names that lines of a text seem to give something to, in a file that could not be read as a whole: what was meant to stand behind
    them is lost, and that is told already."""
    found = [*GIVES.finditer(text), *DECLARES.finditer(text)]
    return frozenset(name.strip() for match in found for name in match[1].split(","))


def _check_unique(items: Iterable[ast.Item], what: str, report: Report) -> None:
    seen: dict[str, Span] = {}
    for item in items:
        name = item.name if isinstance(item, ast.Data) else (item.name or item.model) if isinstance(item, ast.Train) else None
        if name is None:
            continue
        if name.text in seen:
            report.add(NameTaken(name.span, name.text, f"another {what}", seen[name.text]))
        seen.setdefault(name.text, name.span)


def _declare(item: ast.Declaration, declared: Declared, unit: Unit, report: Report) -> None:
    name = item.name.text
    if name in unit.names and not unit.names[name].hollow:
        first = unit.imported.get(name)
        what = "an import" if first is not None else _a(unit.names[name])
        report.add(NameTaken(item.name.span, name, what, first or unit.names[name].node.name.span))
    else:
        unit.names[name] = declared


def _module_place(item: ast.Import, source: Source) -> Span:
    """Where the module or file of an import is named."""
    start = item.span.start
    written = f'"{item.module}"' if item.is_file else item.module
    at = source.line(start.line).find(written, start.column - 1 + len("from"))
    if at < 0:
        return item.span
    return Span(source.name, Loc(start.line, at + 1), Loc(start.line, at + 1 + len(written)))


def _a(declared: Declared) -> str:
    kind = "import" if declared.hollow else declared.node.kind
    return f"{'an' if kind[0] in 'aei' else 'a'} {kind}"


def _import(
    item: ast.Import,
    unit: Unit,
    report: Report,
    read: Reader,
    shelf: Shelf,
    units: dict[str, Unit],
    chain: tuple[str, ...],
) -> None:
    found = read(item.module, item.is_file, unit.source.name)
    if isinstance(found, str):
        modules = () if item.is_file else tuple(sorted(set(shelf().values())))
        report.add(ImportFailed(_module_place(item, unit.source), item.module, found, item.module, modules))
        _poison(item, unit)
        return
    if len(chain) > LONGEST_CHAIN:
        report.add(
            ImportFailed(_module_place(item, unit.source), item.module, f"is imported through more than {LONGEST_CHAIN} files")
        )
        _poison(item, unit)
        return
    if found.name in chain:
        report.add(ImportCycle(_module_place(item, unit.source), (*chain[chain.index(found.name) :], found.name)))
        _poison(item, unit)
        return
    other = units.get(found.name) or _unit(found, report, read, shelf, units, chain)
    for name in item.names:
        declared = other.names.get(name.text)
        if declared is None:
            report.add(ImportFailed(name.span, item.module, f"declares no {name.text}", name.text, tuple(other.names)))
            _poison(item, unit, name.text)
        elif name.text in unit.names and not unit.names[name.text].hollow:
            report.add(NameTaken(name.span, name.text, "another import", unit.imported[name.text]))
        else:
            unit.names[name.text] = declared
            unit.imported[name.text] = name.span


def _poison(item: ast.Import, unit: Unit, only: str = "") -> None:
    """Names of an import that failed: known, so that they are not reported again; the elaborator is silent about them."""
    for name in item.names:
        if not only or name.text == only:
            hollow = ast.Declaration("block", name, (), (), None, (), span=name.span)
            unit.names.setdefault(name.text, Declared(hollow, unit, hollow=True))

"""Files to declarations: imports are read, every name of every body is looked up.

Comes in: the AST of a file and a reader for what it imports. Goes out: a `Program` of units. After it, no name in an expression is unknown
without having been reported, no two declarations of a file share a name, and no files import each other in a circle.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from ..dsl import ast
from ..dsl.diagnostic import Edit, Report
from ..dsl.parser import parse
from ..dsl.source import Source
from ..dsl.span import Loc, Span
from ..dsl.walk import children, descendants
from .errors.names import BoundInOneBranch, ImportCycle, ImportFailed, NameTaken, ReservedKey, UnknownDtype, UnknownName
from .keys import is_reserved_key
from .layers import registry

Reader = Callable[[str, bool, str], Source | str]
"""`read(module, is_file, importer)` gives the source of an import, or a sentence that says why not ("is not there")."""

Shelf = Callable[[], Mapping[str, str]]
"""What the standard library declares, and in which module; asked for a hint only."""

FUNCTIONS = frozenset(
    {"len", "min", "max", "sum", "abs", "sqrt", "log", "exp", "ceil", "floor", "range", "enumerate", "zip", "reverse"}
)
CONSTANTS = frozenset({"inf", "pi"})
SPECIAL = frozenset({"recur", "bidirectional", "over", "training", "ema", "kl", "gradient_penalty"})
"""Names of forms that are no layers of the registry."""
LONGEST_CHAIN = 100
"""So many files may import one the next."""
DTYPES = ("float", "int", "bool", "binary")
LATENTS = ("binary", "real", "onehot")


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
                _Names(unit, report, shelf).declaration(item)
    return Program(main, units)


@cache
def synonyms() -> dict[str, str]:
    """What others call our layers, to what we call them."""
    return registry().synonyms()


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


class _Names:
    """Looks up the names of one declaration, in the order of the text."""

    def __init__(self, unit: Unit, report: Report, shelf: Shelf) -> None:
        self.unit, self.report, self.shelf = unit, report, shelf
        self.bound: list[set[str]] = [set()]
        self.halves: dict[str, Span] = {}  # bound in one branch of an `if` only
        self.fixed = registry().keys() | FUNCTIONS | CONSTANTS | SPECIAL
        self.sound = True  # all its types are of dtypes that there are

    def declaration(self, node: ast.Declaration) -> None:
        self.namespace(node)
        for param in node.hypers:
            if param.default is not None:
                self.expression(param.default)
            self.bound[-1].add(param.name.text)
        for type_ in (*(p.type for p in node.tensors), *(node.result or ())):
            if isinstance(type_, ast.TensorType):
                self.bind_dims(type_)
        dtypes = (*DTYPES, *(kind for kind in LATENTS if kind not in DTYPES)) if node.kind == "energy" else DTYPES
        self.bound[-1].update(param.name.text for param in node.tensors)
        for type_ in (*(p.type for p in node.tensors), *(node.result or ())):
            if isinstance(type_, ast.TensorType):
                self.type(type_, dtypes)
        self.body(node.body)
        if node.kind == "attention":
            self.attends(node)
        if not self.sound:
            self.unit.broken.add(id(node))

    def attends(self, node: ast.Declaration) -> None:
        """An `attention` has an `attend` somewhere in its body."""
        if not any(isinstance(inner, ast.Name) and inner.id == "attend" for part in node.body for inner in descendants(part)):
            from .errors.attention import NoAttend

            self.report.add(NoAttend(node.name.span, node.name.text))
            self.unit.broken.add(id(node))

    def namespace(self, node: ast.Declaration) -> None:
        """Hyperparameters, dims and tensors share one namespace."""
        before = len(self.report.diagnostics)
        seen: dict[str, tuple[Span, str]] = {}
        for param in (*node.hypers, *node.tensors):
            name = param.name
            if name.text in seen:
                self.report.add(NameTaken(name.span, name.text, seen[name.text][1], seen[name.text][0]))
            what = "a tensor" if any(param is tensor for tensor in node.tensors) else "a hyperparameter"
            seen.setdefault(name.text, (name.span, what))
        for param in node.tensors:
            for dim in param.type.dims if isinstance(param.type, ast.TensorType) else ():
                if isinstance(dim, ast.Name) and dim.id in seen and dim.id[0].isupper():
                    self.report.add(NameTaken(dim.span, dim.id, seen[dim.id][1], seen[dim.id][0]))
        if len(self.report.diagnostics) > before:
            self.unit.broken.add(id(node))

    def bind_dims(self, type_: ast.TensorType) -> None:
        for dim in type_.dims:
            if isinstance(dim, ast.Name) and dim.id[0].isupper():
                self.bound[-1].add(dim.id)

    def type(self, type_: ast.TensorType, dtypes: Sequence[str] = DTYPES) -> None:
        if type_.dtype is not None and type_.dtype.text not in dtypes:
            self.report.add(UnknownDtype(type_.dtype.span, type_.dtype.text, tuple(dtypes)))
            self.sound = False
        for dim in type_.dims:
            if not isinstance(dim, ast.Rest):
                self.expression(dim)

    def body(self, statements: Iterable[ast.Statement]) -> None:
        for statement in statements:
            self.statement(statement)

    def statement(self, node: ast.Statement) -> None:
        match node:
            case ast.Assign():
                self.expression(node.value)
                for target in node.targets:
                    self.bind(target.id)
            case ast.LayerDef() | ast.GateDef() | ast.PenaltyDef() | ast.PlayerDef():
                self.expression(node.value)
                self.bind(node.name.text)
                if isinstance(node, ast.LayerDef | ast.PlayerDef):
                    self.key(node.name)
            case ast.ParamDef() | ast.StateDef():
                self.key(node.name)
                self.bind_dims(node.type)
                self.type(node.type)
                if node.init is not None and not (isinstance(node.init, ast.Name) and node.init.id == "learned"):
                    self.expression(node.init)
                self.bind(node.name.text)
            case ast.LatentDef():
                self.type(node.type, LATENTS)
                self.bind(node.name.text)
            case ast.Draw():
                self.expression(node.distribution)
                self.bind(node.name.text)
            case ast.IndexFunction():
                self.bind(node.name.text)
                self.bound.append({index.text for index in node.indices})
                self.expression(node.value)
                self.bound.pop()
            case ast.If():
                self.branches(node)
            case ast.Minimizes():
                self.expression(node.objective)
            case ast.Assert() | ast.Return() | ast.Value():
                for child in children(node):
                    self.expression(child)

    def branches(self, node: ast.If) -> None:
        self.expression(node.condition)
        bound: list[set[str]] = []
        for branch in (node.then, node.otherwise or ()):
            self.bound.append(set())
            self.body(branch)
            bound.append(self.bound.pop())
        for name in bound[0] & bound[1]:
            self.bind(name)
        for name in {name for name in bound[0] ^ bound[1] if not self.sees(name)}:
            self.halves[name] = node.span
            self.bound[-1].add(name)

    def key(self, name: ast.Ident) -> None:
        """A name that becomes one in the state dict."""
        if is_reserved_key(name.text):
            self.report.add(ReservedKey(name.span, name.text))

    def bind(self, name: str) -> None:
        self.bound[-1].add(name)
        self.halves.pop(name, None)

    def sees(self, name: str) -> bool:
        return any(name in bound for bound in self.bound)

    def expression(self, node: object) -> None:
        match node:
            case ast.Name():
                self.name(node)
            case ast.As():
                self.expression(node.value)
                self.bind(node.name.text)
                self.key(node.name)
            case ast.Call():
                self.expression(node.function)
                for arg in node.args:
                    if not (arg.name and arg.name.text == "dim"):  # the name of a dim
                        self.expression(arg.value)
            case ast.Stack():
                self.stack(node)
            case ast.Attribute():
                self.expression(node.base)
            case ast.Node():
                for child in children(node):
                    self.expression(child)

    def stack(self, node: ast.Stack) -> None:
        for inner in (node.count, node.over, *(carry.start for carry in node.carries)):
            self.expression(inner)
        self.bound.append({name.text for name in (*node.names, *(carry.name for carry in node.carries))})
        self.body(node.body)
        self.bound.pop()

    def name(self, node: ast.Name) -> None:
        if node.id in self.halves:
            self.report.add(BoundInOneBranch(node.span, node.id, self.halves[node.id]))
            return
        if (
            not self.sees(node.id)
            and node.id not in self.unit.names
            and node.id not in self.fixed
            and node.id not in self.unit.lost
        ):
            known = set().union(*self.bound) | self.unit.names.keys()
            scope = tuple(sorted(known | {n for n in self.fixed if n.isidentifier()}))
            self.report.add(UnknownName(node.span, node.id, scope, tuple(synonyms().items()), self.shelved(node.id)))
            self.bound[0].add(node.id)  # once is enough

    def shelved(self, name: str) -> tuple[str, Edit] | None:
        """The line that would import `name` from the standard library, if that declares it, and the edit that writes it."""
        module = self.shelf().get(name)
        if module is None:
            return None
        imports = [item for item in self.unit.file.items if isinstance(item, ast.Import)]
        for item in imports:
            if item.module == module and not item.is_file:
                end = item.names[-1].span.end
                return f"from {module} import {name}", Edit(Span(self.unit.source.name, end, end), f", {name}")
        below = Loc(imports[-1].span.end.line + 1 if imports else 1, 1)
        text = f"from {module} import {name}\n" + ("" if imports else "\n")
        return f"from {module} import {name}", Edit(Span(self.unit.source.name, below, below), text)

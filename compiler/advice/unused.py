"""What a file names and never uses. Looks at the text alone, so that a value which one branch of an `if` reads counts as used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from ...dsl import ast
from ...dsl.diagnostic import Edit, Fault
from ...dsl.source import Source
from ...dsl.span import Span
from ...dsl.walk import children, descendants
from ..errors.advice import HidesLayer, UnusedHyperparameter, UnusedImport, UnusedLayer, UnusedParam, UnusedTensor, UnusedValue
from ..layers import registry
from ..resolve import Unit
from .text import whole_lines

ROOTS = ("model", "adversarial", "energy")


def advice(unit: Unit) -> Iterator[Fault]:
    """What the main file does not use."""
    yield from _hiding(unit)
    programs = _said(item for item in unit.file.items if isinstance(item, ast.Train))
    for item in unit.file.items:
        if isinstance(item, ast.Declaration):
            yield from _Body(item, unit.source, programs).faults()
    if any(isinstance(item, ast.Train) or (isinstance(item, ast.Declaration) and item.kind in ROOTS) for item in unit.file.items):
        yield from _imports(unit)


def _hiding(unit: Unit) -> Iterator[Fault]:
    """Declarations and imports that bear the name of a layer."""
    for item in unit.file.items:
        names = [item.name] if isinstance(item, ast.Declaration) else item.names if isinstance(item, ast.Import) else ()
        yield from (HidesLayer(name.span, name.text) for name in names if name.text in registry())


def _said(items: Iterable[ast.Node]) -> set[str]:
    """Every name in a text, bound or read."""
    found = set()
    for item in items:
        for node in descendants(item):
            if isinstance(node, ast.Name | ast.Primed):
                found.add(node.id)
            elif isinstance(node, ast.Ident):
                found.add(node.text)
    return found


# Imports --------------------------------------------------------------------------------------------------------------


def _imports(unit: Unit) -> Iterator[Fault]:
    imports = [item for item in unit.file.items if isinstance(item, ast.Import)]
    used = _said(item for item in unit.file.items if imports and not isinstance(item, ast.Import))
    for item in imports:
        left = [name for name in item.names if name.text not in used]
        for name in left:
            mend = _without(item, name, unit.source, everything=len(left) == len(item.names))
            yield UnusedImport(name.span, name.text, mend)


def _without(item: ast.Import, name: ast.Ident, source: Source, *, everything: bool) -> tuple[Edit, ...]:
    """The import without a name, or the whole line away."""
    if everything:
        return whole_lines(source, item.span)
    at = item.names.index(name)
    if at + 1 < len(item.names):
        return (Edit(Span(name.span.source, name.span.start, item.names[at + 1].span.start), ""),)
    return (Edit(Span(name.span.source, item.names[at - 1].span.end, name.span.end), ""),)


# Declarations ---------------------------------------------------------------------------------------------------------


class _Body:
    """One declaration. Values are followed backwards through the statements: what is alive after one tells whether it counts."""

    def __init__(self, node: ast.Declaration, source: Source, programs: set[str]) -> None:
        self.node, self.source, self.programs = node, source, programs
        self.read = set(programs)
        for statement in node.body:
            self.read |= _reads(statement)
        self.found: list[Fault] = []

    def faults(self) -> Iterator[Fault]:
        yield from self._signature()
        self._alive(self.node.body, self.programs | self._made())
        yield from self.found

    def _made(self) -> set[str]:
        """Of a game, the names of what its players give: to be looked at, also where no objective reads it."""
        players = {line.name.text for line in self.node.body if isinstance(line, ast.PlayerDef)}
        players |= {line.name.text for line in self.node.body if isinstance(line, ast.LayerDef)}  # a slow copy of one
        found = set()
        for line in self.node.body:
            if isinstance(line, ast.Assign) and isinstance(line.value, ast.Call) and _said([line.value.function]) & players:
                found |= _names(line.targets)
        return found

    def _signature(self) -> Iterator[Fault]:
        node, where = self.node, f"the {self.node.kind} {self.node.name.text}"
        if not node.body:
            return
        read = self.read | _names(node.result or ())
        types = {param.name.text: _names([param.type]) for param in node.tensors if param.type is not None}
        dims = Counter(name for names in types.values() for name in names)
        for param in node.tensors:
            alone = {name for name in types.get(param.name.text, ()) if dims[name] == 1}
            if param.name.text not in self.read and not alone & read:
                yield UnusedTensor(param.name.span, param.name.text, where)
        read |= dims.keys() | _names(param.default for param in node.hypers if param.default is not None)
        for param in node.hypers:
            if param.name.text not in read:
                yield UnusedHyperparameter(param.name.span, param.name.text, where)

    # Values -----------------------------------------------------------------------------------------------------------

    def _alive(self, statements: tuple[ast.Statement, ...], after: set[str]) -> set[str]:
        """What is read of the names before the statements, given what is read after them; tells what is not read on the way."""
        alive = after
        for statement in reversed(statements):
            alive = self._before(statement, alive)
        return alive

    def _before(self, node: ast.Statement, alive: set[str]) -> set[str]:
        match node:
            case ast.Assign():
                names = {target.id for target in node.targets if isinstance(target, ast.Name)}
                plain = len(names) == len(node.targets) and not any(name.startswith("_") for name in names)
                if plain and not names & alive:
                    mend = whole_lines(self.source, node.span)
                    self.found.append(
                        UnusedValue(node.targets[0].span, " and ".join(sorted(names)), bool(names & self.read), mend)
                    )
                alive -= names
                alive |= self._uses(node.value)
                return alive
            case ast.IndexFunction():
                if node.name.text not in alive:
                    from ..errors.attention import UnusedIndexFunction

                    mend = whole_lines(self.source, node.span)
                    self.found.append(UnusedIndexFunction(node.name.span, node.name.text, mend))
                alive.discard(node.name.text)
                return alive | (self._uses(node.value) - {index.text for index in node.indices})
            case ast.If():
                then = self._alive(node.then, set(alive))
                otherwise = self._alive(node.otherwise or (), set(alive))
                return then | otherwise | self._uses(node.condition)
            case ast.LayerDef():
                self._named(node, UnusedLayer(node.span, node.name.text, whole_lines(self.source, node.span)))
            case ast.ParamDef():
                mend = whole_lines(self.source, node.span)
                self._named(node, UnusedParam(node.span, node.kind, node.name.text, mend))
            case ast.Draw() | ast.GateDef() if node.name.text not in self.read:
                self.found.append(UnusedValue(node.name.span, node.name.text, False, whole_lines(self.source, node.span)))
        alive |= self._uses(node)
        return alive

    def _named(self, node: ast.LayerDef | ast.ParamDef, fault: Fault) -> None:
        if node.name.text not in self.read:
            self.found.append(fault)

    def _uses(self, node: ast.Node) -> set[str]:
        """The names that an expression reads; the bodies of its stacks are looked through for values of their own."""
        match node:
            case ast.Name() | ast.Primed():
                return {node.id}
            case ast.Stack():
                own = {name.text for name in (*node.names, *(carry.name for carry in node.carries))}
                inside = self._alive(node.body, set(self.programs)) - own
                return inside.union(*(self._uses(n) for n in (node.count, node.over, *(c.start for c in node.carries)) if n))
        return set().union(*(self._uses(child) for child in children(node)))


def _reads(node: ast.Node) -> set[str]:
    """Every name that is read somewhere in a statement: all but what it assigns."""
    found, waiting = set(), [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name | ast.Primed):
            found.add(node.id)
        elif isinstance(node, ast.Assign):
            waiting.append(node.value)
        else:
            waiting.extend(children(node))
    return found


def _names(nodes: Iterable[ast.Node]) -> set[str]:
    return {found.id for node in nodes for found in descendants(node) if isinstance(found, ast.Name)}

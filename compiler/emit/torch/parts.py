"""The classes of a program: one for each structure of a declaration.

Comes in: a root. Goes out: its parts, the root last. Two graphs of one declaration share a part if they are written alike but for
numbers that they hand to the parts inside them; such a number becomes an argument of the class. After this no text depends on which
instance it is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ...graph import Graph, Parameter, Ref, Repeat, Use
from ...layers.base import Layer
from ...passes.pin import texts
from ...shapes import Dim
from ...values import Formula, Text, names_of, number_of
from ..code import Show
from .cells import starts
from .construct import Entry, Site, entries, fillings, goes_both_ways, layer_call, tensor_lines
from .forward import Setting, Writer, shape
from .loops import in_user, inner, is_bare, is_single
from .machines import bodies
from .names import Names, identifier
from .wiring import Purity

Lent = tuple[str, int]  # a module of a body further out: its key, and how many bodies


@dataclass(frozen=True)
class Application:
    """A part at work in a graph: its graph, and what its names stand for there; a level of a stack sees the names around it."""

    site: Site
    graph: Graph
    names: dict[str, Text]
    closure: bool

    def text(self, name: str) -> Text:
        return self.names[name] if name in self.names else Formula("name", (name,))


def applications(graph: Graph) -> Iterator[Application]:
    """All parts at work in a graph, in order; a part that only levels use, but that is of this body, has a site of its own."""
    for entry in entries(graph):
        if isinstance(entry.node.op, Use) and entry.site[1] < -1:
            yield Application(entry.site, entry.node.op.graph, texts(entry.node.op.arguments, entry.node.op.dims), False)
        elif isinstance(entry.node.op, Repeat) and entry.site[1] < -1:
            yield from _levels(entry)
    for i, node in enumerate(graph.nodes):
        if isinstance(node.op, Use):
            yield Application((i, -1), node.op.graph, texts(node.op.arguments, node.op.dims), False)
        elif isinstance(node.op, Repeat):
            yield from _levels(Entry(node.key or "", (i, -1), node, graph))


def _levels(entry: Entry) -> Iterator[Application]:
    """The levels of a stack that are parts."""
    op = entry.node.op
    assert isinstance(op, Repeat)
    if is_bare(op):
        return
    single = is_single(op)
    for run, level in enumerate(op.levels):
        if not single:
            yield Application(entry.level_site(run), level.graph, texts(level.arguments, level.dims), True)
        elif isinstance(use := inner(in_user(level))[1].op, Use):
            yield Application(entry.level_site(run), use.graph, texts(use.arguments, use.dims), False)


@dataclass(eq=False)
class Part:
    """A class of the source. `members` are the graphs it serves; texts are those of the first, `graph`."""

    key: object
    members: list[Graph]
    kids: dict[Site, Part]
    needs: dict[str, None]  # names that its constructor may want, or its `forward` without being able to read them
    lent: tuple[Lent, ...]
    arguments: dict[Site, dict[str, Text]]  # what it gives to the parts inside it, over its own names
    given: dict[int, dict[str, Text]] = field(default_factory=dict)  # for each member, the numbers that became arguments
    vague: frozenset[Ref] = frozenset()
    level_names: tuple[str, ...] = ()  # of the loop, where it is a level of a stack
    name: str = ""

    @property
    def graph(self) -> Graph:
        return self.members[0]

    @property
    def extra_names(self) -> list[str]:
        return list(next(iter(self.given.values()), {}))


@dataclass(eq=False)
class _Draft:
    """A graph as it would be written with its names left open; `holes` are the numbers it hands to the parts inside it."""

    graph: Graph
    key: object
    kids: dict[Site, Part]
    needs: dict[str, None]
    lent: tuple[Lent, ...]
    arguments: dict[Site, dict[str, Text]]
    holes: dict[tuple[Site, str], Text]


class Census:
    """All parts below a root, found from the innermost outwards."""

    def __init__(self, root: Graph) -> None:
        self.purity = Purity()
        self.parts: dict[int, Part] = {}  # by the identity of a graph
        self.alive: list[Graph] = []
        floors: dict[int, list[Graph]] = {}
        self._heights(root, {}, floors)
        for height in sorted(floors):
            self._group([self._draft(graph) for graph in floors[height]])
        self.root = self.parts[id(root)]

    def _heights(self, graph: Graph, known: dict[int, int], floors: dict[int, list[Graph]]) -> int:
        if id(graph) not in known:
            self.alive.append(graph)
            below = [self._heights(child.graph, known, floors) for child in applications(graph)]
            known[id(graph)] = max(below, default=-1) + 1
            floors.setdefault(known[id(graph)], []).append(graph)
        return known[id(graph)]

    # Drafts -----------------------------------------------------------------------------------------------------------

    def _draft(self, graph: Graph) -> _Draft:
        kids = {a.site: self.parts[id(a.graph)] for a in applications(graph)}
        for a in applications(graph):
            if a.closure and not kids[a.site].level_names:
                kids[a.site].level_names = tuple(name for name in a.names if name not in a.graph.dims)
        lent = _lent(graph, kids)
        arguments = {a.site: self._given(a) for a in applications(graph)}
        holes = {(s, n): t for s, given in arguments.items() for n, t in given.items() if number_of(t) is not None}
        needs: dict[str, None] = {}
        read: dict[str, None] = {}
        show = Show(recorder(needs))
        made = [_made(entry, kids, arguments, holes, show) for entry in entries(graph)]
        for site, given in arguments.items():
            if graph.nodes[site[0]].owner == 0:
                needs |= {name: None for text in given.values() for name in sorted(names_of(text))}
        setting = Setting(recorder(read), lending(kids, lent), lent_names(lent))
        writer = Writer(graph, setting, self.purity)
        lines = [line.text for line in writer.write()]
        methods = tuple(line.text for lines in writer.methods.values() for line in lines)
        if graph.kind == "cell":
            lines += [line.text for line in Writer(starts(graph), setting, self.purity).write()]
        lines += [line.text for derived in bodies(graph) for line in Writer(derived, setting, self.purity).write()]
        for assertion in graph.assertions:
            needs |= dict.fromkeys(sorted(names_of(assertion.condition)))
        readable = [name for name in graph.dims if all(name in derived.dims for derived in bodies(graph))]
        needs |= {name: None for name in read if name not in readable}
        checks = tuple((str(a.condition), a.message or a.written) for a in graph.assertions)
        key = (
            graph.name,
            graph.kind,
            graph.stepped,
            graph.span,
            tuple(writer.parameters),
            tuple(lines),
            methods,
            tuple(made),
            checks,
            lent,
        )
        return _Draft(graph, key, kids, needs, lent, arguments, holes)

    def _given(self, application: Application) -> dict[str, Text]:
        """What a part inside is given, by the names that it needs."""
        kid = self.parts[id(application.graph)]
        extra = kid.given.get(id(application.graph), {})
        return {name: extra[name] if name in extra else application.text(name) for name in (*kid.needs, *extra)}

    # Groups -----------------------------------------------------------------------------------------------------------

    def _group(self, drafts: list[_Draft]) -> None:
        groups: dict[object, list[_Draft]] = {}
        for draft in drafts:
            groups.setdefault(draft.key, []).append(draft)
        for group in groups.values():
            self._found(group)

    def _found(self, group: list[_Draft]) -> None:
        first = group[0]
        part = Part(first.key, [d.graph for d in group], first.kids, first.needs, first.lent, first.arguments)
        part.given = {id(d.graph): {} for d in group}
        taken = {*first.needs, *first.graph.dims, *(hyper.name for hyper in first.graph.hypers)}
        known: dict[tuple[str, tuple[str, ...]], str] = {}
        for (site, name), text in first.holes.items():
            values = [d.holes[site, name] for d in group]
            shown = tuple(map(str, values))
            if len(set(shown)) == 1:
                continue
            if (name, shown) not in known:
                known[name, shown] = _fresh(name, taken)
            fresh = known[name, shown]
            part.arguments[site][name] = Dim.of(fresh) if isinstance(text, Dim) else Formula("name", (fresh,))
            for draft, value in zip(group, values, strict=True):
                part.given[id(draft.graph)][fresh] = value
        part.vague = _vague([d.graph for d in group])
        for draft in group:
            self.parts[id(draft.graph)] = part


def recorder(names: dict[str, None]) -> Callable[[str], str]:
    """Writes each name as itself and remembers it."""

    def record(name: str) -> str:
        names[name] = None
        return identifier(name)

    return record


def _fresh(name: str, taken: set[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}{number}"
    taken.add(found)
    return found


def _vague(members: list[Graph]) -> frozenset[Ref]:
    """Outputs whose shapes are not the same text in all members."""
    first = members[0]
    return frozenset(
        Ref(i, k)
        for i, node in enumerate(first.nodes)
        for k in range(len(node.outputs))
        if len({shape(member.nodes[i].outputs[k].type) for member in members}) > 1
    )


def _made(
    entry: Entry, kids: dict[Site, Part], arguments: dict[Site, dict[str, Text]], holes: dict[tuple[Site, str], Text], show: Show
) -> object:
    """What is written for an entry, numbers that may become arguments left out."""

    def part(site: Site) -> object:
        given = tuple((name, "#" if (site, name) in holes else str(text)) for name, text in arguments[site].items())
        return id(kids[site]), given, goes_both_ways(node, site[1])

    node = entry.node
    if isinstance(node.op, Use):
        return entry.key, part(entry.site)
    if isinstance(node.op, Parameter):
        return entry.key, tuple(line.text for line in tensor_lines(entry, show))
    if isinstance(node.op, Layer):
        return entry.key, layer_call(entry.graph, node, show), tuple(fillings(node.op, show, "self"))
    assert isinstance(node.op, Repeat)
    levels = []
    for j, level in enumerate(node.op.levels):
        site = entry.level_site(j)
        made = part(site) if site in kids else _single_layer(node.op, j, show)
        levels.append((show(level.count), made))
    return entry.key, node.op.kind, node.op.tied, is_single(node.op), tuple(levels)


def _single_layer(op: Repeat, run: int, show: Show) -> object:
    graph = in_user(op.levels[run])
    node = inner(graph)[1]
    assert isinstance(node.op, Layer)
    return layer_call(graph, node, show), tuple(fillings(node.op, show, "level"))


# Lending --------------------------------------------------------------------------------------------------------------


def _lent(graph: Graph, kids: dict[Site, Part]) -> tuple[Lent, ...]:
    """The modules that a body uses, or hands on, and does not own."""
    found = {(node.key, node.owner): None for node in graph.nodes if node.owner and node.key is not None}
    found |= {(key, far - 1): None for kid in kids.values() for key, far in kid.lent if far > 1}
    return tuple(found)


def lent_names(pairs: Iterable[Lent]) -> dict[Lent, str]:
    """The parameters of `forward` for modules of bodies further out."""
    names = Names()
    return {pair: names.new(pair[0]) for pair in pairs}


def lending(kids: dict[Site, Part], lent: tuple[Lent, ...]) -> Callable[[int, int], tuple[str, ...]]:
    """The further arguments of each part inside: the modules it is lent."""
    names = lent_names(lent)

    def extras(node: int, level: int) -> tuple[str, ...]:
        kid = kids.get((node, level))
        return tuple(f"self.{key}" if far == 1 else names[key, far - 1] for key, far in (kid.lent if kid is not None else ()))

    return extras

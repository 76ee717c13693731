"""What each name of a part is: a number, an argument of the constructor, or known only when the model runs.

Comes in: the parts below a root. Goes out: a plan for each class. An argument that is one number in all instances is that number
in the text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ...graph import Assertion, Graph, Parameter, Repeat
from ...layers.base import Layer
from ...passes.pin import renamed
from ...shapes import Dim
from ...values import Formula, Real, Text, Truth, names_of, number_of, substitute
from ..code import Show
from .cells import starts
from .construct import Entry, Site, entries, fillings, layer_call, tensor_lines
from .forward import Setting, Writer
from .loops import in_user, inner
from .machines import bodies
from .parts import Census, Part, applications, lent_names, recorder


@dataclass(eq=False)
class Plan:
    """A class about to be written. `graph` has its texts over `parameters`, `runtime` and the dims that it reads from its inputs."""

    part: Part
    graph: Graph
    kids: dict[Site, Plan]
    arguments: dict[Site, dict[str, Text]]
    static: set[str]
    real: set[str]  # names that stand for a real number in some instance
    order: list[str]  # all names, as the constructor would take them
    parameters: list[str] = field(default_factory=list)
    runtime: list[str] = field(default_factory=list)  # further whole numbers that `forward` takes
    checks: list[Assertion] = field(default_factory=list)  # in the constructor
    running_checks: list[Assertion] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)  # parameters that `forward` wants
    read: list[str] = field(default_factory=list)  # dims that `forward` reads from its inputs


@dataclass(eq=False)
class _Names:
    """What is known of the names of a part while its users are looked at."""

    texts: dict[str, list[Text]] = field(default_factory=dict)
    moving: set[str] = field(default_factory=set)  # not known to a constructor
    real: set[str] = field(default_factory=set)


def plans(census: Census, kept: list[str]) -> list[Plan]:
    """The classes from the innermost outwards; `kept` are the hyperparameters of the root's constructor."""
    order = _outermost_first(census.root)
    names = {id(part): _Names() for part in order}
    found: dict[int, Plan] = {}
    for part in order:
        known = names[id(part)]
        constants = {} if part is census.root else _constants(known)
        static = set(kept) if part is census.root else set(known.texts) - known.moving - constants.keys()
        real = {h.name for h in part.graph.hypers if isinstance(h.value, Real) or isinstance(h.default, Real)} | known.real
        plan = found[id(part)] = _plan(part, constants, static, real)
        _tell(part, plan, constants, names)
    for part in reversed(order):
        plan = found[id(part)]
        plan.kids = {site: found[id(kid)] for site, kid in part.kids.items()}
        _settle(plan, census)
    return [found[id(part)] for part in reversed(order)]


def _outermost_first(root: Part) -> list[Part]:
    """Every part after all its users; parts met earlier in the text later, so that reversed they come first."""
    done: list[Part] = []
    seen: set[int] = set()

    def visit(part: Part) -> None:
        if id(part) in seen:
            return
        seen.add(id(part))
        for site in sorted(part.kids):
            visit(part.kids[site])
        done.append(part)

    visit(root)
    return done[::-1]


def _constants(known: _Names) -> dict[str, Text]:
    """Names that are one number in all instances."""
    return {
        name: texts[0]
        for name, texts in known.texts.items()
        if all(number_of(text) is not None and text == texts[0] and type(text) is type(texts[0]) for text in texts)
    }


def _plan(part: Part, constants: dict[str, Text], static: set[str], real: set[str]) -> Plan:
    graph = renamed(part.graph, constants)
    arguments = {
        site: {name: substitute(text, constants) for name, text in given.items()} for site, given in part.arguments.items()
    }
    hypers = [hyper.name for hyper in graph.hypers]
    order = list(dict.fromkeys([*hypers, *part.level_names, *part.extra_names, *graph.dims, *part.needs]))
    return Plan(part, graph, {}, arguments, static, real, order)


def _tell(user: Part, plan: Plan, constants: dict[str, Text], names: dict[int, _Names]) -> None:
    """Tell the parts inside what their names stand for."""
    for member in user.members:
        shared: dict[tuple[str, int, str], Text] = {}
        for application in applications(member):
            kid = user.kids[application.site]
            node = member.nodes[application.site[0]]
            known = names[id(kid)]
            given = plan.arguments[application.site]
            for name in dict.fromkeys((*given, *application.names)):
                text = given[name] if name in given else substitute(application.text(name), constants)
                known.texts.setdefault(name, []).append(text)
                if _is_real(text, plan.real):
                    known.real.add(name)
                if not names_of(text) <= plan.static:
                    known.moving.add(name)
                if node.key is None or isinstance(node.op, Repeat):
                    continue
                if shared.setdefault((node.key, node.owner, name), text) != text:
                    known.moving.add(name)


def _is_real(text: Text, real: set[str]) -> bool:
    if isinstance(text, Dim):
        return text.symbol in real
    return not (isinstance(text, Formula) and text.op == "name" and text.args[0] not in real)


def _settle(plan: Plan, census: Census) -> None:
    """What the constructor and `forward` want, once the parts inside are settled."""
    wanted: dict[str, None] = {}
    read: dict[str, None] = {}
    show = Show(recorder(wanted))
    for entry in entries(plan.graph):
        _record(plan, entry, show)
    for site, kid in plan.kids.items():
        if plan.graph.nodes[site[0]].owner == 0:
            wanted |= {n: None for name in kid.parameters for n in sorted(names_of(plan.arguments[site][name]))}
    lent = lent_names(plan.part.lent)
    writer = Writer(plan.graph, Setting(recorder(read), extras(plan, Show(recorder(read))), lent), census.purity)
    writer.write()
    if plan.graph.kind == "cell":
        Writer(starts(plan.graph), Setting(recorder(read)), census.purity).write()
    derived = bodies(plan.graph)
    for graph in derived:
        Writer(graph, Setting(recorder(read)), census.purity).write()
    readable = [name for name in plan.graph.dims if all(name in graph.dims for graph in derived)]
    for assertion in plan.graph.assertions:
        condition = assertion.condition.text if isinstance(assertion.condition, Truth) else assertion.condition
        if number_of(condition) is not None:
            continue
        static = names_of(condition) <= plan.static
        (plan.checks if static else plan.running_checks).append(assertion)
        (wanted if static else read).update(dict.fromkeys(sorted(names_of(condition))))
    for name in read:
        if name in plan.static and name not in readable:
            wanted[name] = None
    plan.parameters = [name for name in plan.order if name in wanted and name in plan.static]
    plan.stored = [name for name in plan.parameters if name in read]
    plan.read = [name for name in plan.graph.dims if name in read and name not in plan.parameters]
    plan.runtime = [name for name in plan.order if name in read and name not in plan.parameters and name not in plan.graph.dims]


def _record(plan: Plan, entry: Entry, show: Show) -> None:
    """Write an entry for its names."""
    op = entry.node.op
    if isinstance(op, Parameter):
        tensor_lines(entry, show)
    elif isinstance(op, Layer):
        layer_call(entry.graph, entry.node, show)
        fillings(op, show, "self")
    elif isinstance(op, Repeat):
        for j, level in enumerate(op.levels):
            if not op.tied:
                show(level.count)
            if entry.level_site(j) not in plan.kids:
                graph = in_user(level)
                node = inner(graph)[1]
                layer_call(graph, node, show)
                if isinstance(node.op, Layer):
                    fillings(node.op, show, "self")


def extras(plan: Plan, show: Show) -> Callable[[int, int], tuple[str, ...]]:
    """The further arguments of each part inside: numbers known only at run time, then modules it is lent."""

    names = lent_names(plan.part.lent)

    def of(node: int, level: int) -> tuple[str, ...]:
        kid = plan.kids.get((node, level))
        if kid is None:
            return ()
        numbers = tuple(str(show.text(plan.arguments[node, level][name])) for name in kid.runtime)
        lent = tuple(f"self.{key}" if far == 1 else names[key, far - 1] for key, far in kid.part.lent)
        return (*numbers, *lent)

    return of

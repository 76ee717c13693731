"""What a constructor registers: an entry for each key, in the order of the spec.

Comes in: a graph, and for the parts used in it their classes with arguments. Goes out: entries, then the statements that make them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from ...graph import Graph, Level, Node, Parameter, Recur, Ref, Repeat, TensorType, Use
from ...layers.base import Layer
from ...passes.pin import renamed, texts
from ...shapes import Size
from ..code import Show, call
from .lines import Line
from .loops import in_user, inner, is_bare, is_single
from .names import checked_key, identifier

Site = tuple[int, int]  # a node, and the level of a stack or -1
DTYPES = {"int": "torch.long", "bool": "torch.bool"}


@dataclass(frozen=True)
class Entry:
    """A key and what stands there: a layer, a part, a stack or a tensor. `graph` has the types of its operands.

    `site` is the node with -1; or, for what only levels or parts inside use, the node that holds these with -2 and less.
    """

    key: str
    site: Site
    node: Node
    graph: Graph

    def level_site(self, run: int) -> Site:
        """Where the levels of a run stand, for a stack."""
        node, which = self.site
        return (node, run) if which == -1 else (node, which - 1 - run)


def entries(graph: Graph) -> list[Entry]:
    """The keys of a body, each once; layers of this body that only its levels use stand where the stack does."""
    found: dict[str, Entry] = {}
    for i, node in enumerate(graph.nodes):
        made = node.op if isinstance(node.op, Layer | Use | Repeat | Parameter) else None
        if made is None:
            continue
        place = -2
        for key, below, around in _lent(graph, node):
            found.setdefault(key, Entry(key, (i, place), below, around))
            place -= 1 + (len(below.op.levels) if isinstance(below.op, Repeat) else 0)
        empty = isinstance(made, Repeat) and (not made.levels or is_bare(made))
        if node.key is not None and node.owner == 0 and not empty:
            found.setdefault(node.key, Entry(node.key, (i, -1), node, graph))
    return list(found.values())


def _lent(graph: Graph, node: Node, distance: int = 1) -> Iterator[tuple[str, Node, Graph]]:
    """Layers of this body that are used `distance` bodies down, their texts over this body's names."""
    inside: tuple[Level | Use, ...] = (node.op,) if isinstance(node.op, Use) else ()
    for level in node.op.levels if isinstance(node.op, Repeat) else inside:
        if level.graph.reach < distance:
            continue
        around = renamed(level.graph, texts(level.arguments, level.dims))
        for below in around.nodes:
            if below.owner == distance and isinstance(below.op, Layer | Use | Repeat) and below.key is not None:
                yield below.key, below, around
            yield from _lent(around, below, distance + 1)


def operand_types(graph: Graph, node: Node) -> tuple[Any, ...]:
    """What a layer is told of its operands: types, or the numbers that stand among tensors."""
    return tuple(graph.type_of(operand) if isinstance(operand, Ref) else operand for operand in node.inputs)


def layer_call(graph: Graph, node: Node, show: Show) -> str:
    """The constructor call of a layer."""
    assert isinstance(node.op, Layer)
    types = operand_types(graph, node)
    outputs = tuple(edge.type for edge in node.outputs)
    return node.op.module(Show(show.names, f"self.{node.key}", types, outputs), *types)


def fillings(op: Layer, show: Show, me: str) -> list[str]:
    """The statements that fill the tensors of a layer as the spec asks."""
    return [*(init.initialise(show, f"{me}.{tensor}") for tensor, init in op.initialisers.items()), *op.filled(me)]


def tensor_lines(entry: Entry, show: Show) -> list[Line]:
    """A parameter or buffer."""
    op, type_ = entry.node.op, entry.node.type
    assert isinstance(op, Parameter)
    key, span = checked_key(entry.key), entry.node.span
    make = call("torch.empty" if op.init is not None else "torch.zeros", *_sizes(type_, show), **_dtype(type_)).text
    text = f"self.{key} = nn.Parameter({make})" if op.learned else f'self.register_buffer("{key}", {make})'
    fill = [op.init.initialise(show, f"self.{key}")] if op.init is not None else []  # type: ignore[attr-defined]
    return [Line(line, span) for line in (text, *fill)]


def _sizes(type_: TensorType, show: Show) -> list[str]:
    return [show(size) for size in type_.shape] or ["()"]


def _dtype(type_: TensorType) -> dict[str, str]:
    return {"dtype": DTYPES[type_.dtype]} if type_.dtype in DTYPES else {}


def goes_both_ways(node: Node, run: int = -1) -> bool:
    """Is it a cell in both directions, or a stack whose levels `run` are?"""
    if isinstance(node.op, Repeat):
        return run >= 0 and is_single(node.op) and goes_both_ways(inner(node.op.levels[run].graph)[1])
    return isinstance(node.op, Recur) and node.op.both


# Stacks ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """How a level is made: the function, and arguments with their names."""

    function: str
    arguments: tuple[str, ...]
    names: tuple[str, ...]
    count: Size
    one: bool  # exactly one level, whatever the hyperparameters
    both: bool = False  # two of it, one for each direction of time

    @property
    def text(self) -> str:
        return self.of(self.arguments)

    def of(self, arguments: Iterable[str]) -> str:
        made = f"{self.function}({', '.join(arguments)})"
        return f"Bidirectional({made}, {made})" if self.both else made


def level_call(op: Repeat, run: int, part: Made | None, show: Show) -> Made:
    """How the levels of a run are made: as `part` says, or as the single layer that each of them is."""
    level = op.levels[run]
    if part is not None:
        return part
    graph = in_user(level)
    text = layer_call(graph, inner(graph)[1], show)
    function, _, rest = text.partition("(")
    return Made(function, (rest.removesuffix(")"),), (), level.count, level.count.text == 1)


def stack_lines(entry: Entry, made: Mapping[int, Made], show: Show, taken: Set[str]) -> list[Line]:
    """The modules of a stack: a comprehension where all are made alike."""
    op = entry.node.op
    assert isinstance(op, Repeat)
    key, span = checked_key(entry.key), entry.node.span
    calls = [level_call(op, run, made.get(run), show) for run in range(len(op.levels))]
    fills = _level_fillings(op, show)
    if op.tied:
        filled = [f"self.{key} = {calls[0].text}", *(fill.replace("level.", f"self.{key}.", 1) for fill in fills)]
        return [Line(text, span) for text in filled]
    lines = [Line(f"self.{key} = nn.ModuleList({_listed(calls, show, taken)})", span)]
    if fills:
        lines += [Line(f"for level in self.{key}:", span), *(Line(fill, span, 1) for fill in fills)]
    return lines


def _level_fillings(op: Repeat, show: Show) -> list[str]:
    """For single layers with `init=`: the statements for one level, called `level`."""
    if not is_single(op):
        return []
    graph = in_user(op.levels[0])
    layer = inner(graph)[1].op
    return fillings(layer, show, "level") if isinstance(layer, Layer) else []


def _listed(calls: list[Made], show: Show, taken: Set[str]) -> str:
    if len(calls) == 1:
        return f"[{calls[0].text}]" if calls[0].one else f"{calls[0].text} for _ in range({show(calls[0].count)})"
    varied = _varied(calls, taken)
    if varied is not None:
        return varied
    items = [made.text if made.one else f"*({made.text} for _ in range({show(made.count)}))" for made in calls]
    return f"[{', '.join(items)}]"


def _varied(calls: list[Made], taken: Set[str]) -> str | None:
    """Levels of one class whose arguments differ, as a comprehension over them; none where that says no more than a list."""
    first = calls[0]
    if not first.names or any(
        made.both != first.both or made.function != first.function or made.names != first.names or not made.one for made in calls
    ):
        return None
    places = [i for i in range(len(first.names)) if len({made.arguments[i] for made in calls}) > 1]
    if not places:
        return f"{first.text} for _ in range({len(calls)})"
    fixed = " ".join(argument for i, argument in enumerate(first.arguments) if i not in places)
    names = {i: _local(identifier(first.names[i].lower()), taken if fixed else set()) for i in places}
    arguments = [names.get(i, argument) for i, argument in enumerate(first.arguments)]
    rows = [[made.arguments[i] for i in places] for made in calls]
    return f"{first.of(arguments)} for {', '.join(names.values())} in {_rows(rows)}"


def _rows(rows: list[list[str]]) -> str:
    """The values of a comprehension: `range(3)`, `(64, 128)`, `((64, 1), (128, 2))`."""
    if len(rows[0]) == 1 and all(row[0].isdigit() and int(row[0]) == int(rows[0][0]) + i for i, row in enumerate(rows)):
        first, last = rows[0][0], rows[-1][0]
        return f"range({int(last) + 1})" if first == "0" else f"range({first}, {int(last) + 1})"
    return f"({', '.join(row[0] if len(row) == 1 else _tuple(row) for row in rows)})"


def _tuple(items: list[str]) -> str:
    return f"({', '.join(items)})"


def _local(name: str, taken: Set[str]) -> str:
    while name in taken:
        name += "_"
    return name

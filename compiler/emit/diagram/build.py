"""Graph to scene: what is drawn, where, and with which words.

Blocks are opened so many floors deep, each in a group with its inputs as names at its top; what stays closed is one box. The number of
items is bounded whatever the graph: what is left out is said in its place, with its number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ....dsl.span import Span
from ...graph import Graph, Input, Level, Node, Operand, Parameter, Ref, Repeat, TensorType, Use, Weight
from ...layers.base import Layer
from ...shapes import Dim
from ..costs import Cost, Costs, given, sharing
from ..summary import hypers_of
from . import words
from .fold import chains, core, one_part, uses
from .palette import HueName, hue_of
from .scene import Group, Item, ItemKind, Sketch, Strip, Wire
from .tips import Tips
from .wires import Raw, wired

MOST_ITEMS = 300
MOST_STEPS = 120  # of one body
MOST_LEVELS = 10  # of one list
ONE_SET = "one set of weights"


class Port(NamedTuple):
    """Where a tensor comes from in the picture, its shape in words, and the group at whose border lines of it end."""

    item: str
    shape: str
    into: str | None = None


Feeds = Sequence[Port | None]


@dataclass
class Pen:
    """Draws graphs into one sketch; `prefix` keeps the names of several sketches apart.

    `roomy` opens stacks that have no name to be looked up by, at any depth; `shut` are the declarations that stay closed at any depth.
    """

    costs: Costs
    tips: Tips
    voice: words.Voice
    prefix: str = ""
    priced: bool = True  # say what things cost
    roomy: bool = False
    shut: frozenset[Span] = frozenset()
    closed: dict[str, Graph] = field(default_factory=dict)  # the boxes of parts that stay closed
    opened: set[Span] = field(default_factory=set)  # the declarations that were opened
    _raw: list[Raw] = field(default_factory=list)
    _home: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _typed: set[str] = field(default_factory=set)  # items that say their shape themselves
    _entries: set[str] = field(default_factory=set)
    _groups: tuple[str, ...] = ()
    _keys: list[dict[str, Port]] = field(default_factory=list)  # for each body around, where its weights are first drawn
    _count: int = 0
    _drawn: int = 0

    # A whole sketch ---------------------------------------------------------------------------------------------------

    def sketch(self, graph: Graph, floors: int) -> Sketch:
        """The graph from its inputs to its outputs, each with its name and type."""
        children: list[Item | Group] = []
        feeds: list[Port | None] = []
        for node in graph.inputs:
            item = self._end(node.op.name if isinstance(node.op, Input) else "", node.type)
            children.append(item)
            feeds.append(Port(item.id, self.voice.shape(node.type)))
        inside, outs = self._body(graph, feeds, floors)
        children += inside
        for output, port in zip(graph.outputs, outs, strict=True):
            item = self._end(output.name, graph.type_of(output.ref))
            children.append(item)
            self._wire(port, item.id)
        return Sketch(tuple(children), self.wires())

    def wires(self) -> tuple[Wire, ...]:
        return wired(self._raw, self._home, self._typed, self._entries, labelled=not self.voice.own)

    def _end(self, name: str, tensor: TensorType) -> Item:
        item = self._item("name", Strip(name, self.voice.shape(tensor), strong=True))
        self._typed.add(item.id)
        return item

    # Items and wires --------------------------------------------------------------------------------------------------

    def _new(self) -> str:
        self._count += 1
        return f"{self.prefix}{self._count}"

    def _item(self, kind: ItemKind, *strips: Strip, dashed: bool = False, tip: str = "") -> Item:
        item = Item(self._new(), kind, strips, dashed, tip)
        self._home[item.id] = self._groups
        self._drawn += 1
        return item

    def _wire(self, port: Port | None, head: str, into: str | None = None, shared: str = "") -> None:
        if port is not None:
            self._raw.append(Raw(port.item, head, port.shape, port.into or into, shared))

    def _cost(self, cost: Cost) -> str:
        number = cost.parameters.constant
        return words.amount(number) if self.priced and number else ""

    # Bodies -----------------------------------------------------------------------------------------------------------

    def _body(self, graph: Graph, feeds: Feeds, floors: int) -> tuple[list[Item | Group], list[Port | None]]:
        """What is inside a graph, and where its outputs come from."""
        ports: dict[Ref, Port | None] = {}
        self._keys.append({})
        children: list[Item | Group] = []
        inputs = [number for number, node in enumerate(graph.nodes) if isinstance(node.op, Input)]
        for number, feed in zip(inputs, feeds, strict=False):
            ports[Ref(number)] = feed
        again = sharing(graph)
        todo = [chain for chain in chains(graph) if not isinstance(graph.nodes[chain[0]].op, Input)]
        cut = _cut(len(todo), min(MOST_STEPS, max(MOST_ITEMS - self._drawn, 8)))
        for place, chain in enumerate(todo):
            if place == cut.start and cut:
                children.append(self._more(graph, todo[cut.start : cut.stop], ports, "steps"))
            if place in cut:
                continue
            nodes = [graph.nodes[number] for number in chain]
            known = again[chain[0]] or self._known(nodes[0])
            drawn, outs = self._step(graph, nodes, known, lambda operand: _port(ports, operand), floors)
            children += drawn
            for output, port in enumerate(outs):
                ports[Ref(chain[-1], output)] = port
        self._keys.pop()
        return children, [ports.get(output.ref) for output in graph.outputs]

    def _more(self, graph: Graph, left_out: list[list[int]], ports: dict[Ref, Port | None], what: str) -> Item:
        """One item for many that are not drawn; tensors to and from them run to and from it."""
        item = self._item("more", Strip(f"… {len(left_out):,} more {what}"))
        numbers = {number for chain in left_out for number in chain}
        for number in sorted(numbers):
            node = graph.nodes[number]
            for ref in node.refs:
                if ref.node not in numbers:
                    self._wire(ports.get(ref), item.id)
            for output, edge in enumerate(node.outputs):
                ports[Ref(number, output)] = Port(item.id, self.voice.shape(edge.type))
        return item

    def _step(
        self,
        graph: Graph,
        nodes: list[Node],
        again: bool,
        port: Callable[[Operand], Port | None],
        floors: int,
    ) -> tuple[list[Item | Group], list[Port | None]]:
        """One chain of steps, or one part."""
        head = nodes[0]
        feeds = [port(ref) for ref in head.refs]
        match head.op:
            case Use() as use:
                title = Strip(
                    use.graph.name, words.part_size(hypers_of(use.graph, use.arguments), self.voice), strong=True, hue="part"
                )
                title = replace(title, cost="" if again else self._cost(self.costs.alone(graph, head)))
                drawn, outs = self._part(use.graph, title, feeds, floors, again, self.tips.node(head))
            case Repeat() as repeat:
                drawn, outs = self._repeat(graph, head, repeat, feeds, floors)
            case _:
                item = self._box(graph, nodes, again)
                for feed in feeds:
                    self._wire(feed, item.id)
                drawn, outs = [item], [Port(item.id, "")]
        if head.key is not None and drawn:
            self._share(head, drawn[0])
        shapes = [self.voice.shape(edge.type) for edge in nodes[-1].outputs]
        spread = outs if len(outs) == len(shapes) else outs[:1] * len(shapes)
        return drawn, [out and out._replace(shape=shape) for out, shape in zip(spread, shapes, strict=True)]

    def _known(self, node: Node) -> bool:
        """Its weights stand further up, and were drawn there."""
        return 0 < node.owner < len(self._keys) and node.key in self._keys[-1 - node.owner]

    def _share(self, node: Node, drawn: Item | Group) -> None:
        """A dashed line from the first use of a set of weights to every further one, in the same body or in one inside it."""
        key, item = node.key or "", drawn if isinstance(drawn, Item) else _first(drawn)
        if item is None or node.owner >= len(self._keys):
            return
        keys = self._keys[-1 - node.owner]
        if key in keys:
            self._wire(keys[key], item.id, shared="same weights")
        keys.setdefault(key, Port(item.id, ""))

    # Layers -----------------------------------------------------------------------------------------------------------

    def _box(self, graph: Graph, nodes: list[Node], again: bool) -> Item:
        head = nodes[0]
        tip = "\n".join(self.tips.node(node) for node in nodes)
        if isinstance(head.op, Layer):
            symbol = words.SYMBOLS.get(head.op.name)
            if symbol and len(head.refs) == len(head.inputs) == 2 and not head.gate:
                return self._item("circle", Strip(symbol), tip=tip)
        strips = [self._strip(graph, node, again) for node in nodes]
        return self._item("box", *strips, dashed=again or isinstance(head.op, Weight), tip=tip)

    def _strip(self, graph: Graph, node: Node, again: bool) -> Strip:
        hue: HueName = hue_of(node.op, node.gate)
        cost = "" if again else self._cost(self.costs.alone(graph, node))
        match node.op:
            case Parameter(name=name):
                return Strip(name, " × ".join(self.voice.size(size) for size in node.type.shape), cost=cost, hue=hue)
            case Weight(attribute=attribute):
                return Strip(f"{node.key}.{attribute}", hue=hue)
            case Layer() as layer:
                inputs = given(graph, node.inputs)
                formula = words.number_step(layer, inputs, self.voice)
                if formula is not None:
                    return Strip(formula, cost=cost, hue=hue)
                size = words.layer_size(layer, inputs, tuple(edge.type for edge in node.outputs), self.voice)
                size = ", ".join(
                    filter(None, (_also(layer, node, size), ONE_SET if node.owner and layer.owns and not again else ""))
                )
                return Strip(node.key if node.named and node.key else layer.name, size, cost=cost, hue=hue)
        return Strip(node.op.title, cost=cost, hue=hue)

    # Parts ------------------------------------------------------------------------------------------------------------

    def _part(
        self, graph: Graph, title: Strip, feeds: Feeds, floors: int, again: bool = False, tip: str = ""
    ) -> tuple[list[Item | Group], list[Port | None]]:
        """A declared part: opened into a group, or closed in a box."""
        tip = "\n".join(filter(None, (tip, graph.doc)))
        if floors <= 0 or again or graph.span in self.shut or self._drawn >= MOST_ITEMS:
            item = self._item("box", title, dashed=again, tip=tip)
            self.closed[item.id] = graph
            for feed in feeds:
                self._wire(feed, item.id)
            return [item], [Port(item.id, "")]
        self.opened.add(graph.span)
        return self._group(graph, title, feeds, floors - 1, tip)

    def _group(
        self, graph: Graph, title: Strip, feeds: Feeds, floors: int, tip: str, named: bool = True
    ) -> tuple[list[Item | Group], list[Port | None]]:
        name, outside = self._new(), self._groups
        self._groups = (*outside, name)
        entries: list[Item | Group] = []
        ports: list[Port | None] = []
        read = uses(graph)
        for number, feed in enumerate(feeds):
            node = graph.inputs[number]
            text = node.op.name if named and isinstance(node.op, Input) else ""
            if not text and feed and read[Ref(graph.nodes.index(node))] == 1:
                ports.append(feed._replace(into=feed.into or name) if number == 0 else feed)
                continue
            item = self._item("name" if text else "dot", Strip(text))
            self._wire(feed, item.id, into=name)
            self._entries.add(item.id)
            entries.append(item)
            ports.append(Port(item.id, feed.shape if feed else self.voice.shape(node.type)))
        inside, outs = self._body(graph, ports, floors)
        self._groups = outside
        return [Group(name, title, (*entries, *inside), tip=tip)], outs

    # Stacks -----------------------------------------------------------------------------------------------------------

    def _repeat(
        self, graph: Graph, node: Node, repeat: Repeat, feeds: Feeds, floors: int
    ) -> tuple[list[Item | Group], list[Port | None]]:
        tip = self.tips.node(node)
        nameless = self.roomy and one_part(repeat) is None
        if (floors <= 0 and not nameless) or self._drawn >= MOST_ITEMS:
            title = self._closed_stack(repeat, self._cost(self.costs.node(graph, node)))
            item = self._item("box", title, tip=tip)
            inner = one_part(repeat)
            if inner is not None:
                self.closed[item.id] = inner.graph
            for feed in feeds:
                self._wire(feed, item.id)
            return [item], [Port(item.id, "")]
        children: list[Item | Group] = []
        carried, fixed = list(feeds[: repeat.carried]), list(feeds[repeat.carried : repeat.carried + repeat.captured])
        walked = list(feeds[repeat.carried + repeat.captured :])
        collected: list[list[Port | None]] = []
        cut = _cut(len(repeat.levels), MOST_LEVELS)
        for place, level in enumerate(repeat.levels):
            items = walked[place :: len(repeat.levels)] if repeat.walked else []
            if place in cut:
                if place == cut.start:
                    children.append(self._item("more", Strip(f"… {len(cut):,} more levels")))
                    skipped = children[-1]
                    for feed in (*carried, *fixed):
                        self._wire(feed, skipped.id)
                    carried = [port and Port(skipped.id, port.shape) for port in carried]
                for feed in items:
                    self._wire(feed, skipped.id)
                collected.append([Port(skipped.id, "")] * repeat.collects)
                continue
            drawn, outs = self._level(repeat, level, place, [*carried, *fixed, *items], floors, tip)
            children += drawn
            if repeat.kind == "stack":
                carried = outs[: repeat.carried]
            collected.append(outs[repeat.carried :] if repeat.kind == "stack" else outs)
        return children, _outputs(node, repeat, carried, collected)

    def _closed_stack(self, repeat: Repeat, cost: str) -> Strip:
        inner = one_part(repeat)
        name = inner.graph.name if inner else repeat.kind
        size = words.part_size(hypers_of(inner.graph, inner.arguments), self.voice) if inner and len(repeat.levels) == 1 else ""
        size = ", ".join(filter(None, (size, ONE_SET if repeat.tied else "")))
        return Strip(name, size, times=_times(repeat.count.value), cost=cost, strong=True, hue="part")

    def _level(
        self, repeat: Repeat, level: Level, place: int, feeds: Feeds, floors: int, tip: str
    ) -> tuple[list[Item | Group], list[Port | None]]:
        """One run of equal levels: one drawing, with how many there are."""
        inner, times = core(level), _times(level.count.value)
        cost = self._cost(self.costs.level(repeat, level))
        arguments = words.level_size(level.arguments, self.voice)
        tied = ONE_SET if repeat.tied else ""
        if inner is not None and isinstance(inner.op, Use):
            use = inner.op
            size = words.part_size(hypers_of(use.graph, use.arguments), self.voice)
            title = Strip(use.graph.name, ", ".join(filter(None, (size, tied))), times, cost, "part", strong=True)
            return self._part(use.graph, title, feeds, floors, tip=tip)
        if inner is not None and isinstance(inner.op, Layer) and len(inner.outputs) == 1:
            item = self._box(level.graph, [inner], again=False)
            item = replace(item, strips=(replace(item.strips[0], times=times, cost=cost),))
            for feed in feeds:
                self._wire(feed, item.id)
            return [item], [Port(item.id, "")]
        steps = [chain for chain in chains(level.graph) if not isinstance(level.graph.nodes[chain[0]].op, Input)]
        if len(steps) == 1 and not times and not tied and isinstance(level.graph.nodes[steps[0][0]].op, Layer):
            return self._body(level.graph, feeds, 0)  # one box needs no frame
        many = len(repeat.levels) > 1
        name = f"level {place + 1} of {repeat.count.value}" if many else repeat.kind
        title = Strip(name, ", ".join(filter(None, (arguments, tied))), times, cost)
        return self._group(level.graph, title, feeds, max(floors - 1, 0), tip, named=False)


def _cut(number: int, most: int) -> range:
    """Which of so many are left out: none where all fit, else those before the last few."""
    last = max(most // 4, 1)
    return range(0) if number <= most else range(most - last, number - last)


def _times(count: Dim) -> str:
    return "" if count == 1 else f"×{count}"


def _also(layer: Layer, node: Node, size: str) -> str:
    """A step that the text names keeps the name of its layer before its sizes."""
    return f"{layer.name} {size}".rstrip() if node.named and node.key else size


def _port(ports: Mapping[Ref, Port | None], operand: Operand) -> Port | None:
    return ports.get(operand) if isinstance(operand, Ref) else None


def _first(group: Group) -> Item | None:
    for child in group.children:
        found = child if isinstance(child, Item) else _first(child)
        if found is not None:
            return found
    return None


def _outputs(node: Node, repeat: Repeat, carried: Feeds, collected: list[list[Port | None]]) -> list[Port | None]:
    """What the stack gives: the last carried values, then what the levels returned, value by value."""
    outs = list(carried[: len(node.outputs)]) if repeat.kind == "stack" else []
    rest = len(node.outputs) - len(outs)
    runs = [port for value in zip(*collected, strict=False) for port in value] if collected else []
    if rest and runs:
        outs += runs if len(runs) == rest else [runs[min(place * len(runs) // rest, len(runs) - 1)] for place in range(rest)]
    return outs

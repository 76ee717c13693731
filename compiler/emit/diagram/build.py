"""Graph to scene: what is drawn, where, and with which words.

Blocks are opened so many floors deep, each in a group with its inputs as names at its top; what stays closed is one box. The number of
items is bounded whatever the graph: what is left out is said in its place, with its number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ....dsl.span import Span
from ...attention.picture import picture
from ...graph import (
    Game,
    Graph,
    Input,
    Level,
    Machine,
    Next,
    Node,
    Objective,
    Operand,
    Parameter,
    Penalty,
    Recur,
    Ref,
    Repeat,
    State,
    TensorType,
    Use,
    Weight,
)
from ...layers.attention import Attend
from ...layers.base import Layer
from ...layers.draws import Draw
from ..costs import Cost, Costs, given, sharing
from ..summary import hypers_of, way
from . import games, machines, words
from .alike import Drawn, Looks, Run, many, runs_of
from .fold import beginnings, chains, core, one_part, uses
from .palette import PLAYERS, HueName, hue_of
from .ports import NO_FURTHER, Feeds, Further, Port, left_out, outputs_of, rows_of, times_of
from .scene import Group, Item, ItemKind, Sketch, Strip, Wire, WireKind
from .tips import Tips
from .wires import Raw, run_through, wired

MOST_ITEMS = 300
MOST_STEPS = 120  # of one body
MOST_LEVELS = 10  # of one list
ONE_SET = "one set of weights"


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
    looks: Looks = field(default_factory=Looks)
    closed: dict[str, Graph] = field(default_factory=dict)  # the boxes of parts that stay closed
    opened: set[Span] = field(default_factory=set)  # the declarations that were opened
    players: Mapping[str, HueName] = field(default_factory=dict)  # of the game that is drawn, with their hues
    places: dict[str, Port] = field(default_factory=dict)  # where the weights of the root are first drawn, by their keys
    _raw: list[Raw] = field(default_factory=list)
    _home: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _typed: set[str] = field(default_factory=set)  # items that say their shape themselves
    _entries: set[str] = field(default_factory=set)
    _circles: set[str] = field(default_factory=set)  # sums and products of tensors
    _kept: list[tuple[str, str]] = field(default_factory=list)  # states, as they are before the step and after it
    _groups: tuple[str, ...] = ()
    _keys: list[dict[str, Port]] = field(default_factory=list)  # for each body around, where its weights are first drawn
    _below: bool = False  # the energy that is drawn hands its hidden units to another one
    _count: int = 0
    _drawn: int = 0

    # A whole sketch ---------------------------------------------------------------------------------------------------

    def sketch(self, graph: Graph, floors: int) -> Sketch:
        """The graph from its inputs to its outputs, each with its name and type; the states of a cell are led back."""
        children: list[Item | Group] = []
        states: list[Item] = []
        feeds: list[Port | None] = []
        for node in graph.inputs:
            item = self._end(node.op.name if isinstance(node.op, Input) else "", node.type)
            children.append(item)
            states += [item] if isinstance(node.op, State) else []
            feeds.append(Port(item.id, self.voice.shape(node.type)))
        inside, outs = self._body(graph, feeds, floors)
        children += inside
        objectives = graph.objectives if isinstance(graph, Game) else ()
        for objective, port in zip(objectives, outs, strict=False):
            children.append(self._objective(objective, port))
        count = len(outs) - len(states)
        self._lead_back(states, outs[count:])
        for output, port in [*zip(graph.outputs[:count], outs[:count], strict=True)][len(objectives) :]:
            item = self._end(output.name, graph.type_of(output.ref))
            children.append(item)
            self._wire(port, item.id)
        return Sketch(tuple(children), self.wires())

    def _objective(self, objective: Objective, port: Port | None) -> Item:
        """What players minimize, with a line back to the weights of each that it moves."""
        item = self._item("box", *games.objective(objective, self.players))
        self._typed.add(item.id)
        self._wire(port, item.id)
        for player in objective.players:
            if (place := self.places.get(player)) is not None:
                into = next(iter(self._home[place.item]), None)
                self._raw.append(Raw(item.id, place.item, "", into, f"moves {player}", "moves", self.players[player]))
        return item

    def wires(self) -> tuple[Wire, ...]:
        found = wired(self._raw, self._home, self._typed, self._entries, labelled=not self.voice.own)
        through = run_through(found, self._kept, self._circles)
        return tuple(replace(wire, kind="state") if wire in through else wire for wire in found)

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
            self._raw.append(Raw(port.item, head, port.shape, port.into or into, shared, "shared" if shared else "flow"))

    def _cost(self, cost: Cost) -> str:
        number = cost.parameters.constant
        return words.amount(number) if self.priced and number else ""

    # Bodies -----------------------------------------------------------------------------------------------------------

    def _body(self, graph: Graph, feeds: Feeds, floors: int) -> tuple[list[Item | Group], list[Port | None]]:
        """What is inside a graph, and where its outputs come from."""
        if isinstance(graph, Machine):
            return self._machine(graph, feeds)
        ports: dict[Ref, Port | None] = {}
        self._keys.append({})
        children: list[Item | Group] = []
        inputs = [number for number, node in enumerate(graph.nodes) if isinstance(node.op, Input)]
        for number, feed in zip(inputs, feeds, strict=False):
            ports[Ref(number)] = feed
        again = sharing(graph)
        begun = beginnings(graph)
        todo = [c for c in chains(graph) if not isinstance(graph.nodes[c[0]].op, Input) and c[0] not in begun]
        cut = left_out(len(todo), min(MOST_STEPS, max(MOST_ITEMS - self._drawn, 8)))
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
        self.places = self._keys.pop()
        return children, [ports.get(output.ref) for output in graph.outputs]

    def _machine(self, graph: Machine, feeds: Feeds) -> tuple[list[Item | Group], list[Port | None]]:
        """The units of an energy face to face."""
        lines: WireKind = "down" if self._below else "mutual"
        cost = self._cost(self.costs.of(graph))
        given = {node.op.name: feed for node, feed in zip(graph.inputs, feeds, strict=False) if isinstance(node.op, Input)}
        drawn: dict[str, Item] = {}
        for block in graph.blocks:
            strip = Strip(block.name, machines.size_of(block, self.voice), hue="weights" if block.hidden else "plain")
            first = block.hidden and not any(item.strips[0].cost for item in drawn.values())
            drawn[block.name] = self._item("box", replace(strip, cost=cost if first else ""))
            self._typed.add(drawn[block.name].id)
            self._wire(given.get(block.name), drawn[block.name].id)
        for meeting in machines.meetings(graph):
            upper = drawn[meeting.upper].id
            if meeting.mutual:
                self._raw.append(Raw(drawn[meeting.lower].id, upper, "", kind=lines))
            else:
                self._wire(given.get(meeting.lower), upper)
        return [*drawn.values()], [Port(drawn[output.name].id, "") for output in graph.outputs]

    def _more(self, graph: Graph, hidden: list[list[int]], ports: dict[Ref, Port | None], what: str) -> Item:
        """One item for many that are not drawn; tensors to and from them run to and from it."""
        item = self._item("more", Strip(f"… {len(hidden):,} more {what}"))
        numbers = {number for chain in hidden for number in chain}
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
                if head.key is not None and head.key in self.players and len(self._keys) == 1:
                    title = replace(title, name=f"{head.key}: {title.name}", hue=self.players[head.key])
                if isinstance(use, Recur):
                    drawn, outs = self._cell(use, title, feeds, floors, again, self.tips.node(head))
                else:
                    place = next(n for n, node in enumerate(graph.nodes) if node is head)
                    self._below = isinstance(use.graph, Machine) and machines.is_below(graph, place)
                    drawn, outs = self._part(use.graph, title, feeds, floors, again, self.tips.node(head))
                    self._below = False
            case Repeat() as repeat:
                place = next(n for n, node in enumerate(graph.nodes) if node is head)
                below = machines.is_stack(repeat) and machines.is_below(graph, place)
                drawn, outs = self._repeat(graph, head, repeat, feeds, floors, below)
            case Next():
                back = next(n for n, node in enumerate(graph.nodes) if isinstance(node.op, Parameter) and node.key == head.key)
                if (buffer := port(Ref(back))) is not None and feeds[0] is not None:
                    self._raw.append(Raw(feeds[0].item, buffer.item, "", remark="next", kind="next"))
                drawn, outs = [], [None]
            case Penalty(name=name):
                item = self._item("name", Strip(name, "penalty"), tip=self.tips.node(head))
                self._wire(feeds[0], item.id)
                drawn, outs = [item], [None]
            case _:
                item = self._box(graph, nodes, again)
                for feed in (
                    feeds if not isinstance(head.op, Draw) or head.op.given else ()
                ):  # of plain numbers it draws from nothing
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
                item = self._item("circle", Strip(symbol), tip=tip)
                self._circles.add(item.id)
                return item
            symbol = words.number_step(head.op, given(graph, head.inputs), self.voice) or words.GATES.get(head.op.name, symbol)
            if head.gate and symbol and len(nodes) == 1 and head.outputs[0].name:
                return self._item("gate", Strip(head.outputs[0].name, symbol, hue="gate"), tip=tip)
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
                if node.gate and node.outputs[0].name:
                    return Strip(node.outputs[0].name, f"{layer.name} {size}".rstrip(), cost=cost, hue=hue)
                name = node.key if node.named and node.key else layer.title
                return Strip(name, size, cost=cost, hue=hue, mask=picture(layer.mask) if isinstance(layer, Attend) else ())
        return Strip(node.op.title, cost=cost, hue=hue)

    # Parts ------------------------------------------------------------------------------------------------------------

    def _part(
        self,
        graph: Graph,
        title: Strip,
        feeds: Feeds,
        floors: int,
        again: bool = False,
        tip: str = "",
        further: Further = NO_FURTHER,
    ) -> tuple[list[Item | Group], list[Port | None]]:
        """A declared part: opened into a group, or closed in a box."""
        tip = "\n".join(filter(None, (tip, graph.doc)))
        if again or self._stays_closed(graph, floors):
            item = self._item("box", title, dashed=again, tip=tip)
            self.closed[item.id] = graph
            self._feed(item, feeds, further)
            return [item], [Port(item.id, "")]
        self.opened.add(graph.span)
        return self._group(graph, title, feeds, floors - 1, tip, further=further)

    def _stays_closed(self, graph: Graph, floors: int) -> bool:
        return floors <= 0 or graph.span in self.shut or self._drawn >= MOST_ITEMS

    def _feed(self, item: Item, feeds: Feeds, further: Further = NO_FURTHER) -> None:
        for feed in (*feeds, *(port for ports in further.values() for port in ports)):
            self._wire(feed, item.id)

    def _group(
        self,
        graph: Graph,
        title: Strip,
        feeds: Feeds,
        floors: int,
        tip: str,
        named: bool = True,
        further: Further = NO_FURTHER,
    ) -> tuple[list[Item | Group], list[Port | None]]:
        name, outside = self._new(), self._groups
        self._groups = (*outside, name)
        entries: list[Item | Group] = []
        ports: list[Port | None] = []
        read = uses(graph)
        for number, feed in enumerate(feeds):
            node = graph.inputs[number]
            text = node.op.name if named and isinstance(node.op, Input) else ""
            if not text and feed and number not in further and read[Ref(graph.nodes.index(node))] == 1:
                ports.append(feed._replace(into=feed.into or name) if number == 0 else feed)
                continue
            item = self._item("name" if text else "dot", Strip(text))
            for port in (feed, *further.get(number, ())):
                self._wire(port, item.id, into=name)
            self._entries.add(item.id)
            entries.append(item)
            ports.append(Port(item.id, feed.shape if feed else self.voice.shape(node.type)))
        states = [self._state(node.op.name) for node in graph.inputs[len(feeds) :] if isinstance(node.op, State)]
        ports += [Port(item.id, "") for item in states]
        inside, outs = self._body(graph, ports, floors)
        self._lead_back(states, outs[len(outs) - len(states) :])
        self._groups = outside
        hue = title.hue if title.hue in PLAYERS else None
        return [Group(name, title, (*entries, *states, *inside), tip=tip, hue=hue)], outs

    # Cells ------------------------------------------------------------------------------------------------------------

    def _state(self, name: str) -> Item:
        """What a cell keeps, as it is before the step."""
        item = self._item("name", Strip(name))
        self._entries.add(item.id)
        return item

    def _lead_back(self, states: list[Item], after: list[Port | None]) -> None:
        """What each state becomes is what it is a step later."""
        for item, port in zip(states, after, strict=True):
            if port is not None:
                self._raw.append(Raw(port.item, item.id, "", remark=f"next {item.strips[0].name}", kind="next"))
                self._kept.append((item.id, port.item))

    def _cell(
        self, recur: Recur, title: Strip, feeds: Feeds, floors: int, again: bool = False, tip: str = ""
    ) -> tuple[list[Item | Group], list[Port | None]]:
        """A cell over time: one step of it, what it keeps led back."""
        arrow = "⇄" if recur.both else "←" if recur.reverse else ""
        title = replace(title, size=", ".join(filter(None, (title.size, way(recur)))), times=f"{title.times} {arrow}".strip())
        taken = recur.graph.stepped + recur.constants
        drawn, outs = self._part(recur.graph, title, feeds[:taken], floors, again, tip)
        head = drawn[0] if isinstance(drawn[0], Item) else _first(drawn[0])
        if head is not None:
            for feed in feeds[taken:]:
                self._wire(feed, head.id, into=drawn[0].id if isinstance(drawn[0], Group) else None)
        return drawn, outs

    # Stacks -----------------------------------------------------------------------------------------------------------

    def look(self, graph: Graph, own: bool) -> int:
        """Which picture a graph has in its own words, or in the root's numbers: equal where nobody could tell them apart."""
        return self.looks.of(graph, own, self._aside)

    def _aside(self, graph: Graph, own: bool) -> Drawn:
        pen = Pen(self.costs, self.tips, words.Voice(own=own), priced=not own, roomy=True, looks=self.looks)
        return pen.sketch(graph, 0), list(pen.closed.values())

    def runs(self, repeat: Repeat, floors: int) -> list[Run]:
        """Which levels are one drawing: those of a part that stays closed if they share its panel, others if all numbers are equal."""

        def look(level: Level) -> object:
            inner = core(level)
            if inner is not None and isinstance(inner.op, Use) and self._stays_closed(inner.op.graph, floors):
                return inner.op.graph.span, self.look(inner.op.graph, own=True)
            return self.look(level.graph, self.voice.own)

        runs = runs_of(repeat, look)
        return machines.topmost_apart(runs) if machines.is_stack(repeat) else runs

    def _repeat(
        self, graph: Graph, node: Node, repeat: Repeat, feeds: Feeds, floors: int, below: bool
    ) -> tuple[list[Item | Group], list[Port | None]]:
        """`below`: it hands hidden units to another energy."""
        tip, alone = self.tips.node(node), self._cost(self.costs.node(graph, node))
        part = one_part(repeat)
        if part is None and ((floors <= 0 and not self.roomy) or self._drawn >= MOST_ITEMS):
            size = ONE_SET if repeat.tied else ""
            title = Strip(repeat.kind, size, times_of(repeat.count.value), alone, "part", strong=True)
            item = self._item("box", title, tip=tip)
            self._feed(item, feeds)
            return [item], [Port(item.id, "")]
        runs = self.runs(repeat, floors)
        whole = alone if part is not None and len(runs) == 1 and self._stays_closed(part.graph, floors) else None
        children: list[Item | Group] = []
        carried, fixed = list(feeds[: repeat.carried]), list(feeds[repeat.carried : repeat.carried + repeat.captured])
        walked = rows_of(repeat, feeds[repeat.carried + repeat.captured :])
        collected: list[list[Port | None]] = []
        cut = left_out(len(runs), MOST_LEVELS)
        skipped: Item | None = None
        for place, run in enumerate(runs):
            rows = walked[run.start : run.start + run.number]
            if place in cut:
                if skipped is None:
                    hidden = sum(runs[other].number for other in cut)
                    skipped = self._item("more", Strip(f"… {hidden:,} more levels"))
                    children.append(skipped)
                    self._feed(skipped, [*carried, *fixed])
                    carried = [port and Port(skipped.id, port.shape) for port in carried]
                self._feed(skipped, [port for row in rows for port in row])
                collected += [[Port(skipped.id, "")] * repeat.collects] * run.number
                continue
            before = [*carried, *fixed]
            further = {len(before) + at: list(ports)[1:] for at, ports in enumerate(zip(*rows, strict=False))} if rows[1:] else {}
            self._below = machines.is_stack(repeat) and (below or place < len(runs) - 1)
            drawn, outs = self._level(repeat, run, [*before, *(rows[0] if rows else ())], floors, tip, further, whole)
            self._below = False
            children += drawn
            outs = self._shaped(run.levels[-1].graph, outs)
            if repeat.kind == "stack":
                carried = outs[: repeat.carried]
            collected += [outs[repeat.carried :] if repeat.kind == "stack" else outs] * run.number
        return children, outputs_of(node, repeat, carried, collected)

    def _shaped(self, graph: Graph, outs: Feeds) -> list[Port | None]:
        """What comes out of a level: of a box, all of it, with its shapes; in a declaration's own words those of levels are not said."""
        made = outs if len(outs) == len(graph.outputs) else [*outs[:1]] * len(graph.outputs)
        shapes = ["" if self.voice.own else self.voice.shape(graph.type_of(output.ref)) for output in graph.outputs]
        return [port and port._replace(shape=port.shape or shape) for port, shape in zip(made, shapes, strict=False)]

    def _level(
        self, repeat: Repeat, run: Run, feeds: Feeds, floors: int, tip: str, further: Further, whole: str | None
    ) -> tuple[list[Item | Group], list[Port | None]]:
        """One run of levels that are drawn alike: one drawing, with how many there are. `whole` is what they cost if that is known."""
        level = run.first
        inner, times = core(level), times_of(run.count)
        cost = self._cost(sum((self.costs.level(repeat, one) for one in run.levels), Cost())) if whole is None else whole
        tied = ONE_SET if repeat.tied else ""
        if inner is not None and isinstance(inner.op, Use):
            parts = [(use.op, many(one)) for one in run.levels if (use := core(one)) is not None and isinstance(use.op, Use)]
            size = ", ".join(filter(None, (words.parts_size(parts, self.voice), tied)))
            title = Strip(inner.op.graph.name, size, times, cost, "part", strong=True)
            if isinstance(inner.op, Recur):
                given_in = dict(zip(map(Ref, inputs_of(level.graph)), feeds, strict=True))
                return self._cell(inner.op, title, [given_in[ref] for ref in inner.refs], floors, tip=tip)
            return self._part(inner.op.graph, title, feeds, floors, tip=tip, further=further)
        if inner is not None and isinstance(inner.op, Layer) and len(inner.outputs) == 1:
            item = self._box(level.graph, [inner], again=False)
            item = replace(item, strips=(replace(item.strips[0], times=times, cost=cost),))
            self._feed(item, feeds, further)
            return [item], [Port(item.id, "")]
        steps = [chain for chain in chains(level.graph) if not isinstance(level.graph.nodes[chain[0]].op, Input)]
        if len(steps) == 1 and not times and not tied and isinstance(level.graph.nodes[steps[0][0]].op, Layer):
            return self._body(level.graph, feeds, 0)  # one box needs no frame
        name: str = repeat.kind
        if run.count != repeat.count.value:
            last = run.start + run.number
            name = f"{f'level {last}' if run.number == 1 else f'levels {run.start + 1}–{last}'} of {repeat.count.value}"
        arguments = words.levels_size([(one.arguments, many(one)) for one in run.levels], self.voice)
        title = Strip(name, ", ".join(filter(None, (arguments, tied))), times, cost)
        return self._group(level.graph, title, feeds, max(floors - 1, 0), tip, named=False, further=further)


def _also(layer: Layer, node: Node, size: str) -> str:
    """A step that the text names keeps the name of its layer before its sizes."""
    return f"{layer.name} {size}".rstrip() if node.named and node.key else size


def inputs_of(graph: Graph) -> list[int]:
    """The places of the inputs among the nodes."""
    return [number for number, node in enumerate(graph.nodes) if isinstance(node.op, Input)]


def _port(ports: Mapping[Ref, Port | None], operand: Operand) -> Port | None:
    return ports.get(operand) if isinstance(operand, Ref) else None


def _first(group: Group) -> Item | None:
    for child in group.children:
        found = child if isinstance(child, Item) else _first(child)
        if found is not None:
            return found
    return None

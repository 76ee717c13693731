"""Stacks in a `forward`: one loop where all levels are applied alike, one for each run where they are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...graph import Graph, Input, Level, Node, Parameter, Recur, Ref, Repeat, Use, Weight
from ...keys import snake
from ...passes.pin import renamed, texts
from ...shapes import Size
from ..code import Code, Show, call
from .cells import recur_call
from .lines import Line
from .names import identifier
from .wiring import stands_alone

if TYPE_CHECKING:
    from .forward import Writer

ROUTED = '''\
def routed(x: Tensor, gate: Tensor, experts: nn.ModuleList) -> Tensor:
    """The sum of the experts' outputs, each times its gate, `[..., experts]`; an expert runs where its gate is not zero."""
    lead = gate.shape[:-1]
    rows, weights = x.flatten(0, len(lead) - 1), gate.flatten(0, -2)
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or x.is_meta:  # which rows are chosen is not known then
        return sum(expert(x) * gate[..., e].reshape(*lead, *[1] * (x.dim() - len(lead))) for e, expert in enumerate(experts))
    total = None
    for e, expert in enumerate(experts):
        chosen = weights[:, e].nonzero().squeeze(1)
        y = expert(rows[chosen])
        y = y * weights[chosen, e].view(-1, *[1] * (y.dim() - 1))
        total = y.new_zeros(len(rows), *y.shape[1:]) if total is None else total
        total.index_add_(0, chosen, y)
    return total.unflatten(0, lead)
'''


def inner(graph: Graph) -> tuple[int, Node]:
    """The one step of a level that is a single call."""
    return next((i, node) for i, node in enumerate(graph.nodes) if not isinstance(node.op, Input))


def is_single(op: Repeat) -> bool:
    """Is each level one call, so that it is its own submodule? A stack in a stack is none: it is called by no module."""
    return op.single and all(not isinstance(inner(level.graph)[1].op, Repeat) for level in op.levels)


def is_bare(op: Repeat) -> bool:
    """Is each level one op without a submodule, so that the loop needs none?"""
    for level in op.levels:
        work = [(i, node) for i, node in enumerate(level.graph.nodes) if not isinstance(node.op, Input)]
        if (
            len(work) != 1
            or work[0][1].key is not None
            or stands_alone(work[0][1])
            or isinstance(work[0][1].op, Use | Repeat | Parameter | Weight)
        ):
            return False
        if [output.ref for output in level.graph.outputs] != [Ref(work[0][0], k) for k in range(len(level.graph.outputs))]:
            return False
    return bool(op.levels)


def in_user(level: Level) -> Graph:
    """The graph of a level with its texts over the names of the body around it."""
    return renamed(level.graph, texts(level.arguments, level.dims))


@dataclass
class _Loop:
    """A stack about to be written: its variables, and the step that it is."""

    writer: Writer
    i: int
    op: Repeat
    node: Node
    carried: list[str]
    captured: list[Code]
    walked: list[list[object]]  # for each list that is walked, its items
    lists: list[str]

    def argument(self, level: Level, me: str, run: int, items: list[str]) -> str:
        """A level applied."""
        given = (*(Code(name) for name in self.carried), *self.captured, *(Code(item) for item in items))
        if not is_single(self.op) and not is_bare(self.op):
            return call(me, *given, *self.writer.setting.extras(self.i, run)).text
        graph = in_user(level)
        number, node = inner(graph)
        codes = tuple(self._operand(graph, operand, given) for operand in node.inputs)
        types = tuple(graph.type_of(operand) if isinstance(operand, Ref) else operand for operand in node.inputs)
        if isinstance(node.op, Recur):
            text = recur_call(node.op, me, codes, self.writer.setting.extras(self.i, run), self.writer.setting.names).text
        elif isinstance(node.op, Use):
            text = call(me, *codes, *self.writer.setting.extras(self.i, run)).text
        else:
            show = Show(self.writer.setting.names, me, types, tuple(edge.type for edge in node.outputs))
            text = node.op.forward(show, *codes).text  # type: ignore[attr-defined]
        wanted = sum(output.ref.node == number for output in graph.outputs)
        text = text if len(node.outputs) == wanted else f"{text}[0]" if wanted == 1 else f"{text}[:{wanted}]"
        return text if wanted == len(graph.outputs) else f"{text}, {self._zeros(graph, number, given)}"

    def _zeros(self, graph: Graph, number: int, given: tuple[Code, ...]) -> str:
        """The penalties of a level that has none, beside what its one step gives."""
        others = [graph.nodes[output.ref.node] for output in graph.outputs if output.ref.node != number]
        codes = []
        for node in others:
            types = tuple(graph.type_of(ref) for ref in node.refs)
            operands = [self._operand(graph, ref, given) for ref in node.refs]
            codes.append(node.op.forward(Show(self.writer.setting.names, "", types), *operands).text)  # type: ignore[attr-defined]
        return ", ".join(codes)

    def _operand(self, graph: Graph, operand: object, given: tuple[Code, ...]) -> Code:
        if not isinstance(operand, Ref):
            return Show(self.writer.setting.names).code(operand)
        numbers = [i for i, node in enumerate(graph.nodes) if isinstance(node.op, Input)]
        return given[numbers.index(operand.node)]

    def say(self, text: str, indent: int = 0) -> None:
        self.writer.lines.append(Line(text, self.node.span, indent))

    def applied(self, value: str, indent: int) -> None:
        """The line that takes what a level gives."""
        last = self.op.levels[0].graph.outputs[-self.op.collects :] if self.op.collects else ()
        fresh = [self._item(output.name) for output in last]
        kept = [] if self.op.kind == "parallel" else self.carried
        self.say(f"{', '.join([*kept, *fresh])} = {value}", indent)
        for name, item in zip(self.lists, fresh, strict=True):
            self.say(f"{name}.append({item})", indent)

    def _item(self, name: str) -> str:
        """A name for what a level returned, for one line."""
        wanted = identifier(name)
        while not self.writer.is_free(wanted, self.i - 1) or wanted in (*self.carried, *self.lists):
            wanted += "_"
        return wanted


def write_repeat(writer: Writer, i: int) -> None:
    """The lines of a stack, and the variables of what comes out."""
    node = writer.wiring.nodes[i]
    op = node.op
    assert isinstance(op, Repeat)
    if op.routed:
        _write_routed(writer, i, node)
        return
    loop = _prepared(writer, i, node, op)
    me = "" if is_bare(op) else writer.module(node)
    if op.tied:
        loop.say(f"for _ in range({Show(writer.setting.names)(op.count)}):")
        loop.applied(loop.argument(op.levels[0], me, 0, []), 1)
    else:
        _over_levels(loop, me)
    if op.kind == "stack":
        for k, name in enumerate(loop.carried):
            writer.hold(name, Ref(i, k))
    for k, name in enumerate(loop.lists):
        writer.hold(name, Ref(i, -1 - k))


def _write_routed(writer: Writer, i: int, node: Node) -> None:
    """`y = routed(x, gate, self.parallel1)`: see the pass `route`."""
    x, gate = (writer.code(operand) for operand in writer.wiring.operands[i])
    value = call("routed", x, gate, writer.module(node))
    ref = Ref(i)
    writer.lines.append(Line(f"{writer.assign(ref)} = {value}", node.span, comment=writer.comment(i, [ref])))


def _prepared(writer: Writer, i: int, node: Node, op: Repeat) -> _Loop:
    operands = writer.wiring.operands[i]
    given, rest = operands[: op.carried], operands[op.carried :]
    captured, items = rest[: op.captured], rest[op.captured :]
    levels = sum(level.count.number or 0 for level in op.levels)
    per_level = op.walked // levels if op.walked else 0
    walked = [list(items[k::per_level]) for k in range(per_level)]
    loop = _Loop(writer, i, op, node, [], [writer.code(ref) for ref in captured], walked, [])
    if op.kind == "parallel":
        loop.carried = [writer.code(ref).text for ref in given]
    else:
        for k, ref in enumerate(given):
            name = _carried_name(loop, k, ref, operands)
            loop.carried.append(name)
            if (code := writer.code(ref).text) != name:
                loop.say(f"{name} = {code}")
    for output in op.levels[0].graph.outputs[len(op.levels[0].graph.outputs) - op.collects :]:
        loop.lists.append(_new(loop, plural(output.name)))
        if not _is_comprehension(op):
            loop.say(f"{loop.lists[-1]} = []")
    return loop


def _carried_name(loop: _Loop, k: int, ref: object, operands: tuple[object, ...]) -> str:
    """The variable of a carried value: it may be that of what comes in, if nothing else wants that."""
    writer, op = loop.writer, loop.op
    own = loop.node.outputs[k].name if len(loop.node.outputs) > k else None
    before = writer.variables.get(ref) if isinstance(ref, Ref) else None

    def free(name: str) -> bool:
        if name in loop.carried:
            return False
        if name == before and operands.count(ref) == 1 and writer.last.get(writer.slot(ref)[0], -1) <= loop.i:  # type: ignore[arg-type]
            return name not in writer.setting.taken and writer.holders.get(name) == ref
        return writer.is_free(name, loop.i - 1)

    wanted = [own, writer.becomes(Ref(loop.i, k)), op.levels[0].graph.inputs[k].outputs[0].name]
    for name in wanted:
        if name is not None and free(identifier(name)):
            return identifier(name)
    return writer.name_for(Ref(loop.i, k), free)


def _new(loop: _Loop, wanted: str) -> str:
    name, number = identifier(wanted), 1
    while not loop.writer.is_free(name, loop.i - 1) or name in (*loop.carried, *loop.lists):
        number += 1
        name = f"{identifier(wanted)}{number}"
    return name


def plural(name: str) -> str:
    """`skip` to `skips`."""
    return name if name.endswith("s") else f"{name}s"


def _is_comprehension(op: Repeat) -> bool:
    return op.kind == "parallel" and op.collects == 1


def _over_levels(loop: _Loop, me: str) -> None:
    """All levels in one loop where they are applied alike, else run by run."""
    op = loop.op
    name = _new(loop, element_name(op))
    items = [_new(loop, f"{_input_name(op, k)}") for k in range(len(loop.walked))]
    calls = {loop.argument(level, name, run, items) for run, level in enumerate(op.levels)}
    if len(calls) == 1:
        head = _head(loop, me, name, items)
        if _is_comprehension(op):
            loop.say(f"{loop.lists[0]} = [{calls.pop()} {head}]")
        else:
            loop.say(f"{head}:")
            loop.applied(calls.pop(), 1)
        return
    if _is_comprehension(op):
        loop.say(f"{loop.lists[0]} = []")
    _by_runs(loop, me, name)


def _head(loop: _Loop, me: str, name: str, items: list[str]) -> str:
    """`for block in self.stack1`, together with the items that are walked."""
    sources = [_walk(loop, refs) for refs in loop.walked]
    if not is_bare(loop.op):
        sources, items = [me, *sources], [name, *items]
    if not sources:
        return f"for _ in range({Show(loop.writer.setting.names)(loop.op.count)})"
    return f"for {', '.join(items)} in {sources[0] if len(sources) == 1 else _zipped(sources)}"


def _zipped(sources: list[str]) -> str:
    return f"zip({', '.join(sources)})"


def _by_runs(loop: _Loop, me: str, name: str) -> None:
    start = Size.of(0)
    show = Show(loop.writer.setting.names)
    for run, level in enumerate(loop.op.levels):
        end = start + level.count
        items = [loop.writer.code(refs[start.number or 0]).text for refs in loop.walked]
        if level.count.text == 1:
            loop.applied(loop.argument(level, f"{me}[{show(start)}]", run, items), 0)
        else:
            first = "" if start.text == 0 else show(start)
            stop = "" if run == len(loop.op.levels) - 1 else show(end)
            loop.say(f"for {name} in {me}[{first}:{stop}]:")
            loop.applied(loop.argument(level, name, run, items), 1)
        start = end


def element_name(op: Repeat) -> str:
    """What a level is called in the loop."""
    if not is_single(op):
        return "level"
    names = {snake(node.op.title) for _, node in (inner(level.graph) for level in op.levels)}
    return names.pop() if len(names) == 1 else "level"


def _input_name(op: Repeat, k: int) -> str:
    graph = op.levels[0].graph
    return graph.inputs[op.carried + op.captured + k].outputs[0].name or "item"


def _walk(loop: _Loop, refs: list[object]) -> str:
    """The items of a walked list: the list itself where it is one."""
    found = loop.writer.whole_list(tuple(refs))
    if found is not None:
        name = loop.writer.variables[found[0]]
        return f"reversed({name})" if found[1] else name
    codes = [loop.writer.code(ref).text for ref in refs]
    return f"({codes[0]},)" if len(codes) == 1 else f"({', '.join(codes)})"

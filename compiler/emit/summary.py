"""Graph to table: what each step is, what comes out of it, and what it costs. See `costs` for what is counted, and how.

A `Summary` is data: formulae over the root's free dims, which `at` turns into numbers. A row of a block, or of a stack, is the sum of what
is under it, with all `count` levels; the rows under a stack speak of one level, whose key has the range of its levels (`stack1.0-2`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..elaborate.values import CALLABLES, LayerRecipe, PartRecipe, describe
from ..graph import Graph, Hyper, Input, Level, Next, Node, Parameter, Penalty, Recur, Repeat, Start, TensorType, Use
from ..graph import Weight as WeightOf
from ..layers.attention import Attend
from ..layers.base import Layer, positional
from ..record import Record
from ..recurrence.terms import Equations
from ..shapes import Dim, Size
from .costs import Cost, Costs, owns, sharing

MOST_ROWS = 5000  # a table is for people; totals count everything, however long the table
DEEPEST = 60
UNRUN = "which has not been run there yet"


class Row(Record):
    """One step, at nesting `depth`. `count` is how many levels a stack has; its costs are those of all of them."""

    path: str  # its key in the state dict, dotted; the name of the tensor for inputs; else empty
    depth: int
    layer: str
    arguments: str = ""
    outputs: tuple[TensorType, ...] = ()
    parameters: int = 0
    buffers: int = 0
    multiply_adds: Dim = Dim.of(0)
    activation_bytes: Dim = Dim.of(0)
    count: Dim = Dim.of(1)
    note: str = ""
    line: int = 0

    @property
    def flops(self) -> Dim:
        return self.multiply_adds * 2

    @property
    def shape(self) -> str:
        return " ".join(str(tensor) for tensor in self.outputs)


class Summary(Record):
    """The table of one root, with its totals. `dims` are the free dims that the formulae are over."""

    model: str
    doc: str | None
    dims: tuple[str, ...]
    rows: tuple[Row, ...]
    parameters: int
    buffers: int
    multiply_adds: Dim
    activation_bytes: Dim

    @property
    def flops(self) -> Dim:
        """Twice the multiply-adds: a product and a sum each."""
        return self.multiply_adds * 2

    def at(self, dims: Mapping[str, int]) -> Summary:
        """With numbers for some or all of the free dims; `dims` is what is left of them. Names that are no free dim are refused."""
        for name in dims:
            if name not in self.dims:
                raise KeyError(name)
        names = {name: Dim.of(value) for name, value in dims.items()}
        return self.model_copy(
            update={
                "dims": tuple(name for name in self.dims if name not in dims),
                "rows": tuple(_row_at(row, names) for row in self.rows),
                "multiply_adds": self.multiply_adds.substitute(names),
                "activation_bytes": self.activation_bytes.substitute(names),
            }
        )

    def json_object(self) -> dict[str, Any]:
        """What `--json` prints: the totals first, then the rows. A formula is a text; a number is a number."""
        return {
            "model": self.model,
            "dims": list(self.dims),
            "parameters": self.parameters,
            "buffers": self.buffers,
            "multiply_adds": _plain(self.multiply_adds),
            "flops": _plain(self.flops),
            "activation_bytes": _plain(self.activation_bytes),
            "layers": [_row_json(row) for row in self.rows],
        }


def summarise(graph: Graph) -> Summary:
    """The summary of a checked root."""
    costs = Costs(graph)
    total = costs.of(graph)
    rows: list[Row] = []
    for row in _rows(graph, costs, "", 0):
        if len(rows) == MOST_ROWS:
            rows.append(Row(path="", depth=0, layer="…", note=f"the table ends after {MOST_ROWS} rows; the totals count all"))
            break
        rows.append(row)
    return Summary(
        model=graph.name,
        doc=graph.doc,
        dims=tuple(graph.dims),
        rows=tuple(rows),
        parameters=total.total,
        buffers=total.buffers.constant or 0,
        multiply_adds=total.multiply_adds,
        activation_bytes=total.activation_bytes,
    )


def arguments_of(layer: Layer) -> str:
    """The arguments of a layer as the text would give them: those with defaults only where they differ."""
    first, named = [], []
    fields = type(layer).model_fields
    for name in (*positional(type(layer)), *(name for name in ("init", "bias_init") if name in fields)):
        value, field = getattr(layer, name), fields[name]
        if field.required:
            first.append(written(value))
        elif written(value) != written(field.default):
            named.append(f"{name}={written(value)}")
    return ", ".join(first + named)


def hypers_of(graph: Graph, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters given to a part, without those that have their default."""
    defaults: dict[str, Hyper] = {hyper.name: hyper for hyper in graph.hypers}
    return {
        name: value
        for name, value in arguments.items()
        if name not in defaults or defaults[name].required or written(value) != written(defaults[name].default)
    }


def written(value: Any) -> str:
    """A compile-time value as the language writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "none"
        case float():
            return f"{value:g}"
        case str():
            return f'"{value}"'
        case tuple() | list():
            return f"[{', '.join(written(item) for item in value)}]"
        case Layer():
            inner = arguments_of(value)
            return f"{value.name}({inner})" if inner else value.name
        case LayerRecipe(layer=layer, arguments=given):
            return _called(layer.name, given)
        case PartRecipe(declared=declared, arguments=given):
            return _called(declared.node.name.text, given)
    if isinstance(value, CALLABLES):
        return describe(value)
    items = getattr(value, "items", None)
    return written(items) if isinstance(items, tuple) else str(value)


def _called(name: str, given: Mapping[str, Any]) -> str:
    """A callable with what it was given: `relu`, `GatedFeedForward(inner=64)`."""
    return f"{name}({', '.join(f'{key}={written(value)}' for key, value in given.items())})" if given else name


# Rows -----------------------------------------------------------------------------------------------------------------


def _rows(graph: Graph, costs: Costs, prefix: str, depth: int, *, single: bool = False) -> Iterator[Row]:
    """The rows of a body. In a level that is one step, `single`, that step has the level's own key."""
    from ..passes.route import REASON, routes

    routed = routes(graph)
    for number, (node, shared) in enumerate(zip(graph.nodes, sharing(graph), strict=True)):
        cost = costs.node(graph, node)
        path = node.key or ""
        if node.key and not node.owner:
            path = prefix.removesuffix(".") if single else f"{prefix}{node.key}"
        if isinstance(node.op, Input):
            if depth == 0:
                yield Row(path=node.op.name, depth=0, layer="input", outputs=(node.type,), line=node.span.start.line)
            continue
        if isinstance(node.op, Start):
            continue
        note = REASON if number in routed else ""
        if shared:
            note = f"same weights as {path}"
        elif node.owner and owns(node):
            cost, note = costs.alone(graph, node), "one set of weights for all levels"
        elif isinstance(node.op, Attend):
            note = _attention(node.op, *map(graph.type_of, node.refs[:2]))
        yield _row(node, cost, path, depth, note)
        if depth < DEEPEST and not shared:
            yield from _inside(node, costs, path, depth + 1)


def _row(node: Node, cost: Cost, path: str, depth: int, note: str) -> Row:
    arguments, layer, times = "", node.op.title, Dim.of(1)
    match node.op:
        case Layer() as op:
            arguments = arguments_of(op)
            note = note or op.lowering()
        case Use(graph=inner, arguments=given):
            arguments = ", ".join(f"{name}={written(value)}" for name, value in hypers_of(inner, given).items())
            note = note or (way(node.op) if isinstance(node.op, Recur) else "")
        case Repeat(count=count, tied=tied):
            arguments, note = "tied" if tied else "", note or ("one set of weights" if tied else "")
            times = count.value
        case Parameter(learned=learned):
            layer = "param" if learned else "buffer"
        case Next():
            note = "after a training step"
        case Penalty(name=name):
            arguments = name
        case WeightOf(attribute=attribute):
            layer, note = attribute, f"same weights as {path}"
    return Row(
        path=path,
        depth=depth,
        layer=layer,
        arguments=arguments,
        outputs=tuple(edge.type for edge in node.outputs),
        parameters=cost.total,
        buffers=cost.buffers.constant or 0,
        multiply_adds=cost.multiply_adds,
        activation_bytes=cost.activation_bytes,
        count=times,
        note=note,
        line=node.span.start.line,
    )


def _attention(op: Attend, q: TensorType, k: TensorType) -> str:
    """How an attention is computed, here and on a GPU."""
    from ..attention.flex import unfit

    here, there = op.lowering(), "" if unfit(op, q, k) else f"on a GPU FlexAttention, {UNRUN}"
    return "; ".join(said for said in (here, there) if said)


def way(recur: Recur) -> str:
    """How a cell goes over the steps, in words."""
    return "over time, both ways" if recur.both else "over time, in reverse" if recur.reverse else "over time"


def _recurrence(recur: Recur, depth: int, line: int) -> Row:
    """What kind of recurrence a cell is, and what computes it, and why: a row without costs."""
    from ..recurrence.ladder import chosen
    from ..recurrence.stages import stages

    found, choice = stages(recur.graph), chosen("", recur)
    how = _computed(choice.equations) if choice.equations is not None else f"in PyTorch, as {choice.reason}"
    return Row(path="", depth=depth, layer=found.kind, note=f"{found.reason}; {how}", line=line)


def _computed(equations: Equations) -> str:
    """By what, on a CPU and on a GPU."""
    from ..recurrence.known import known
    from ..recurrence.triton import unfit

    theirs = known(equations)
    if theirs is not None:
        there = f"cuDNN's {theirs.kind.partition('_')[0]}, {UNRUN}"
    else:
        there = f"in PyTorch, as {unfit(equations)}" if unfit(equations) else f"a kernel of Triton a step, {UNRUN}"
    return f"a kernel on a CPU; on a GPU {there}"


def _inside(node: Node, costs: Costs, path: str, depth: int) -> Iterator[Row]:
    if isinstance(node.op, Recur):
        yield _recurrence(node.op, depth, node.span.start.line)
    if isinstance(node.op, Use):
        yield from _rows(node.op.graph, costs, f"{path}.", depth)
    elif isinstance(node.op, Repeat):
        many, at = len(node.op.levels) > 1, Dim.of(0)
        for level in node.op.levels:
            key = path if node.op.tied else f"{path}.{_range(at, level.count.value)}"
            if many:
                yield _level(level, costs.level(node.op, level), key, depth)
            yield from _rows(level.graph, costs, f"{key}.", depth + many, single=node.op.single)
            at = at + level.count.value


def _level(level: Level, cost: Cost, key: str, depth: int) -> Row:
    return Row(
        path=key,
        depth=depth,
        layer="level" if level.count.value == 1 else "levels",
        arguments=", ".join(f"{name}={written(value)}" for name, value in level.arguments.items()),
        outputs=tuple(level.graph.type_of(output.ref) for output in level.graph.outputs),
        parameters=cost.total,
        buffers=cost.buffers.constant or 0,
        multiply_adds=cost.multiply_adds,
        activation_bytes=cost.activation_bytes,
        count=level.count.value,
        line=level.graph.span.start.line,
    )


def _range(start: Dim, count: Dim) -> str:
    """Which levels, as they stand in keys: `0`, or `1-3`."""
    return str(start) if count == 1 else f"{start}-{start + count - 1}"


# Numbers --------------------------------------------------------------------------------------------------------------


def _row_at(row: Row, names: Mapping[str, Dim]) -> Row:
    return row.model_copy(
        update={
            "outputs": tuple(_tensor_at(tensor, names) for tensor in row.outputs),
            "multiply_adds": row.multiply_adds.substitute(names),
            "activation_bytes": row.activation_bytes.substitute(names),
            "count": row.count.substitute(names),
        }
    )


def _tensor_at(tensor: TensorType, names: Mapping[str, Dim]) -> TensorType:
    shape = tuple(Size(size.value.substitute(names), size.text) for size in tensor.shape)
    return TensorType(tensor.dtype, shape, tensor.origin)


def _plain(dim: Dim) -> int | str:
    return str(dim) if dim.constant is None else dim.constant


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "path": row.path,
        "depth": row.depth,
        "layer": row.layer,
        "arguments": row.arguments,
        "outputs": [{"dtype": tensor.dtype, "shape": [_plain(size.value) for size in tensor.shape]} for tensor in row.outputs],
        "parameters": row.parameters,
        "buffers": row.buffers,
        "multiply_adds": _plain(row.multiply_adds),
        "flops": _plain(row.flops),
        "activation_bytes": _plain(row.activation_bytes),
        "count": _plain(row.count),
        "note": row.note,
        "line": row.line,
    }

"""The graph of a step, from the graph of the whole: see the package.

Of each value it is known along which dim it moves with the tokens that come, if along any: the one whose size is that of the input that
grows. What moves is computed for the new tokens alone; what does not stands still, and at the root is computed once before all steps. What
is told of the last token alone (`last.h` of a recurrence, `x[:, -1]`) has no such dim, and is new in each step for all that: it is `NOW`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..attention.recognise import Form
from ..graph import (
    Edge,
    Graph,
    Input,
    Next,
    Node,
    Operation,
    Output,
    Penalty,
    Recur,
    Ref,
    Repeat,
    TensorType,
    Use,
)
from ..layers.attention import Attend
from ..layers.base import Layer
from ..layers.indexing import At, Index, Slice
from ..layers.positions import Rotary, SinusoidalPositions
from ..passes.base import returned
from ..shapes import Size
from ..values import AxisName, Truth, names_of
from .ops import Grown, Lookup, Memory, Once, Positions, SinusoidalAt, StreamedAttend, StreamedRecur
from .split import Rewritten, Streamed, split

NAME = "cache"
NOW = -1
MIXES = frozenset({"cumsum", "cumprod", "sort", "argsort", "flip", "roll", "group_norm", "instance_norm", "local_response_norm"})
FAMILIES = frozenset({"convolution", "pooling", "loss", "metric", "distribution", "column"})


class NotStreamed(Exception):
    """The reason why a model cannot be computed token by token."""


def streamed(root: Graph, target: str, *, together: bool = False) -> Streamed:
    """The root in two: what is computed once, and a step. Raises `NotStreamed`. `together`: inputs with as many steps grow with it."""
    place = next(i for i, node in enumerate(root.nodes) if isinstance(node.op, Input) and node.op.name == target)
    grows = root.nodes[place].type.shape[1].value
    if grows.symbol is None:
        raise NotStreamed(f"{target} has a fixed length")

    def moves(node: Node) -> bool:
        also = together and node.type.rank > 1 and node.type.shape[1].value == grows
        return node is root.nodes[place] or also

    flags = tuple(1 if moves(node) else None for node in root.inputs)
    done = _Streaming(grows.symbol).graph(root, flags)
    if not done.cached:
        raise NotStreamed("nothing in it is kept from step to step")
    return split(root, done, target, grows.symbol)


@dataclass
class _Streaming:
    symbol: str
    done: dict[object, tuple[Graph, Rewritten]] = field(default_factory=dict)

    def graph(self, graph: Graph, flags: tuple[int | None, ...]) -> Rewritten:
        """The graph with these of its inputs moving."""
        key = (id(graph), flags)
        if key not in self.done:
            self.done[key] = graph, _Body(self, graph, flags).run()
        return self.done[key][1]

    def axis(self, type_: TensorType) -> int | None:
        """The dim that is as long as the step; refused where there are two, or one that only depends on it."""
        found = [k for k, size in enumerate(type_.shape) if size.value.symbol == self.symbol]
        if len(found) > 1 or any(self.symbol in size.value.symbols() for k, size in enumerate(type_.shape) if k not in found):
            raise NotStreamed(f"a tensor {type_} has more than one place for each token")
        return found[0] if found else None


class _Body:
    """One body being rewritten: its nodes anew, and where each old value is now."""

    def __init__(self, streaming: _Streaming, graph: Graph, flags: tuple[int | None, ...]) -> None:
        self.streaming, self.old, self.flags = streaming, graph, flags
        self.nodes: list[Node] = []
        self.place: dict[Ref, Ref] = {}
        self.moving: dict[Ref, int | None] = {}
        self.cache: Ref | None = None

    def run(self) -> Rewritten:
        self.inputs()
        for number, node in enumerate(self.old.nodes):
            if not isinstance(node.op, Input):
                self.step(number, node)
        update: dict[str, object] = {"assertions": self.assertions()}
        if self.cached:  # else no step needs the cache, and the graph stays what it was
            update["nodes"] = tuple(self.nodes)
            update["outputs"] = tuple(Output(name=o.name, ref=self.place[o.ref]) for o in self.old.outputs)
        moving = tuple(self.moving[output.ref] for output in self.old.outputs)
        still = frozenset(ref for ref, axis in self.moving.items() if axis is None)
        return Rewritten(self.old.model_copy(update=update), moving, self.cached, self.place, still)

    def inputs(self) -> None:
        """The inputs as they are, then the cache."""
        self.cached = False
        for (number, node), flag in zip(
            ((i, n) for i, n in enumerate(self.old.nodes) if isinstance(n.op, Input)), self.flags, strict=True
        ):
            self.place[Ref(number)] = self.add(node)
            self.moving[Ref(number)] = flag
        name = NAME
        taken = {edge.name for node in self.old.nodes for edge in node.outputs} | {hyper.name for hyper in self.old.hypers}
        while name in taken:
            name += "_"
        edge = Edge(type=TensorType("float", ()), name=name)
        self.cache = self.add(Node(op=Memory(name=name), inputs=(), outputs=(edge,), span=self.old.span))

    def assertions(self) -> tuple[object, ...]:
        """Those that do not speak of the length of the text, which a step does not know."""
        inputs = self.old.inputs
        long = {n for n, axis in self.old.dims.items() if self.symbol in inputs[axis.input].type.shape[axis.axis].value.symbols()}

        def speaks(condition: object) -> bool:
            return bool(names_of(condition.text if isinstance(condition, Truth) else condition) & long)  # type: ignore[arg-type]

        return tuple(assertion for assertion in self.old.assertions if not speaks(assertion.condition))

    @property
    def symbol(self) -> str:
        return self.streaming.symbol

    def add(self, node: Node) -> Ref:
        self.nodes.append(node)
        return Ref(len(self.nodes) - 1)

    def made(self, op: Operation, inputs: Iterable[object], edge: Edge, like: Node) -> Ref:
        """A step that the text does not have."""
        update = {"op": op, "inputs": tuple(inputs), "outputs": (edge,), "key": None, "named": False, "owner": 0, "gate": False}
        return self.add(like.model_copy(update=update))

    def remembered(self) -> Ref:
        """The cache, which is wanted."""
        assert self.cache is not None
        self.cached = True
        return self.cache

    # Steps ------------------------------------------------------------------------------------------------------------

    def step(self, number: int, node: Node) -> None:
        moves = any(self.moving[ref] is not None for ref in node.refs)
        if isinstance(node.op, Penalty | Next):
            return  # training alone
        node = node.model_copy(update={"inputs": tuple(self.place[x] if isinstance(x, Ref) else x for x in node.inputs)})
        axes = [self.moving[ref] for ref in self.old.nodes[number].refs]
        if not moves:
            self.still(number, node)
            return
        match node.op:
            case Attend():
                self.attend(number, node)
            case Repeat():
                self.repeat(number, node, axes)
            case Recur():
                self.recur(number, node, axes)
            case Use() if type(node.op) is Use:
                self.use(number, node, axes)
            case Layer():
                self.layer(number, node)
            case _:
                raise NotStreamed(f"{node.op.title} takes all tokens at once")

    def keep(self, number: int, at: Ref, moving: Iterable[int | None]) -> None:
        for k, axis in enumerate(moving):
            self.place[Ref(number, k)] = Ref(at.node, k)
            self.moving[Ref(number, k)] = axis

    def still(self, number: int, node: Node) -> None:
        """What depends on no token: as it is, but for the first places of a table; kept where it has weights and reads an input."""
        axes = [self.streaming.axis(edge.type) for edge in node.outputs]
        if any(axis is not None for axis in axes):
            self.keep(number, self.table(node, axes[0]), axes[:1])
        elif isinstance(node.op, Layer) and node.op.owns and node.key is not None and self.from_input(number):
            inputs = (*node.inputs, self.remembered())
            self.keep(number, self.add(node.model_copy(update={"op": Once(layer=node.op), "inputs": inputs})), axes)
        else:
            self.keep(number, self.add(node), axes)

    def from_input(self, number: int) -> bool:
        """Does it depend on what the body is given?"""
        before = self.old.ancestors({number})
        return any(isinstance(self.old.nodes[i].op, Input) for i in before) and len(self.flags) > 0

    def table(self, node: Node, axis: int | None) -> Ref:
        """`table[:T]`."""
        op = node.op
        if not isinstance(op, Index) or axis is None or len(node.outputs) > 1:
            raise NotStreamed(f"{op.title} makes something for each token at once")
        items = [item for item in op.items if isinstance(item, Slice)]
        whole = Slice()
        plain = len(items) == len(op.items) and all(item == whole for k, item in enumerate(items) if k != axis)
        if not plain or len(items) <= axis or items[axis].start is not None:
            raise NotStreamed(f"{op.title} reads a table in another order than the tokens stand in")
        steps = node.type.shape[axis]
        return self.made(Lookup(axis=axis, steps=steps), (*node.inputs, self.remembered()), node.outputs[0], node)

    def layer(self, number: int, node: Node) -> None:
        op = node.op
        assert isinstance(op, Layer)
        axes = [self.streaming.axis(edge.type) for edge in node.outputs]
        if self.of_now(number) or self.is_last(number, op):
            if any(axis is not None for axis in axes):
                raise NotStreamed(f"{op.title} brings what is told of the last step back to all steps")
            self.keep(number, self.add(node), [NOW] * len(axes))
            return
        if op.family in FAMILIES or getattr(op, "name", "") in MIXES or any(axis is None for axis in axes):
            raise NotStreamed(f"{op.title} mixes what stands at different tokens")
        if "dim" in type(op).model_fields and self.along(number, op):
            raise NotStreamed(f"{op.title} runs over all tokens")
        match op:
            case Rotary() if len(node.inputs) == 1:
                if op.scaling == "dynamic":
                    raise NotStreamed("rotary with dynamic scaling turns earlier keys anew as the text grows")
                node = node.model_copy(update={"inputs": (*node.inputs, self.positions(node))})
            case SinusoidalPositions():
                node = node.model_copy(update={"op": SinusoidalAt(base=op.base), "inputs": (*node.inputs, self.positions(node))})
        self.keep(number, self.add(node), axes)

    def of_now(self, number: int) -> bool:
        """Does it read what is told of the last step, and nothing of each?"""
        flags = {self.moving[ref] for ref in self.old.nodes[number].refs} - {None}
        if NOW in flags and len(flags) > 1:
            raise NotStreamed(f"{self.old.nodes[number].op.title} brings what is told of the last step back to all steps")
        return flags == {NOW}

    def is_last(self, number: int, op: Layer) -> bool:
        """Is it `x[:, -1]`, the last step of a tensor?"""
        ref = self.old.nodes[number].refs[0]
        axis = self.moving[ref]
        if not isinstance(op, Index) or axis is None or len(op.items) <= axis:
            return False
        items = op.items[: axis + 1]
        whole = all(isinstance(item, Slice) and item == Slice() for item in items[:-1])
        return whole and isinstance(items[-1], At) and items[-1].place.number == -1

    def along(self, number: int, op: Layer) -> bool:
        """Does it run along the dim of the tokens, and leave it as long as it was?"""
        if op.name == "unsqueeze":  # its dim is one of those that come out
            return False
        ref = self.old.nodes[number].refs[0]
        axis, given, dim = self.moving[ref], self.old.type_of(ref), getattr(op, "dim", None)
        for one in dim if isinstance(dim, tuple | list) else (dim,):
            if isinstance(one, AxisName) and one.name in {str(given.shape[axis or 0].value), str(given.shape[axis or 0].text)}:
                return axis is not None
            number_of = one.number if isinstance(one, Size) else one
            if isinstance(number_of, int) and axis is not None and number_of % given.rank == axis:
                return True
        return False

    def positions(self, node: Node) -> Ref:
        x = node.refs[0]
        steps = node.type.shape[-2]
        edge = Edge(type=TensorType("int", (steps,)), name=None)
        return self.made(Positions(steps=steps), (x, self.remembered()), edge, node)

    # Attention --------------------------------------------------------------------------------------------------------

    def attend(self, number: int, node: Node) -> None:
        op, old = node.op, self.old.nodes[number]
        assert isinstance(op, Attend)
        q, k, v = (self.moving[ref] for ref in old.refs[:3])
        steps = old.refs[0]
        if q != self.old.type_of(steps).rank - 2 or (k is None) != (v is None) or (k is not None and k != q):
            raise NotStreamed("an attention whose queries are not the tokens that come")
        for equation in op.equations.values():
            if any(isinstance(t.value, Size) and self.symbol in t.value.value.symbols() for t in equation.terms):
                raise NotStreamed(f"{equation.text} depends on the length of the whole text")
        window = self.window(op) if k is not None else None
        inputs, moving = self.read(old, node, op, window)
        made = StreamedAttend(
            **{name: getattr(op, name) for name in Attend.model_fields}, grows=k is not None, window=window, moving=moving
        )
        at = self.add(node.model_copy(update={"op": made, "inputs": (*inputs, self.remembered())}))
        self.keep(number, at, [self.streaming.axis(edge.type) for edge in node.outputs])

    def window(self, op: Attend) -> Size | None:
        """How many keys before itself a query sees, where that is bounded."""
        if op.mask is None:
            return None
        _, above, _ = Form(op.mask).bounds()
        bounds = [bound for bound in above if bound.rest.constant is not None and bound.rest.constant >= 0]
        return Size(bounds[0].rest, bounds[0].text) if bounds else None

    def read(self, old: Node, node: Node, op: Attend, window: Size | None) -> tuple[list[object], tuple[int, ...]]:
        """The operands, with those of each token that are read by `j` kept, as long as their keys; and which of them move."""
        inputs: list[object] = list(node.inputs)
        moving: list[int] = []
        for place in range(3, len(inputs)):
            ref = old.inputs[place]
            if not isinstance(ref, Ref) or self.moving[ref] is None:
                continue
            letters = {
                letter for equation in op.equations.values() for letter in _letters(equation, place, self.moving[ref] or 0)
            }
            if letters == {"j"}:
                inputs[place] = self.grown(inputs[place], self.moving[ref] or 0, node, window)
            elif letters != {"i"}:
                raise NotStreamed("an index function reads a tensor of all tokens at other places than i or j")
            moving.append(place)
        return inputs, tuple(moving)

    def grown(self, ref: object, axis: int, node: Node, window: Size | None) -> Ref:
        assert isinstance(ref, Ref)
        edge = self.nodes[ref.node].outputs[ref.output]
        return self.made(Grown(axis=axis, window=window), (ref, self.remembered()), edge, node)

    # Bodies inside ----------------------------------------------------------------------------------------------------

    def use(self, number: int, node: Node, axes: list[int | None]) -> None:
        assert isinstance(node.op, Use)
        flags = self.flags_of(node.op.graph, list(self.old.nodes[number].inputs))
        done = self.streaming.graph(node.op.graph, flags)
        if not done.cached:
            self.keep(number, self.add(node), done.moving)
            return
        op = node.op.model_copy(update={"graph": done.graph})
        self.keep(number, self.add(node.model_copy(update={"op": op, "inputs": (*node.inputs, self.remembered())})), done.moving)

    def recur(self, number: int, node: Node, axes: list[int | None]) -> None:
        """A cell over the tokens of a step."""
        op = node.op
        assert isinstance(op, Recur)
        stepped = op.graph.stepped
        if op.reverse or op.both:
            raise NotStreamed("a recurrence that begins at the end")
        if (
            op.lengths
            or op.given
            or any(axis != 1 for axis in axes[:stepped])
            or any(axis is not None for axis in axes[stepped:])
        ):
            raise NotStreamed("a recurrence whose start or lengths depend on the tokens")
        made = StreamedRecur(**dict(op))
        at = self.add(node.model_copy(update={"op": made, "inputs": (*node.inputs, self.remembered())}))
        axes = [self.streaming.axis(edge.type) for edge in node.outputs]
        self.keep(number, at, [NOW if axis is None else axis for axis in axes])

    def flags_of(self, graph: Graph, operands: list[object]) -> tuple[int | None, ...]:
        return tuple(self.moving[x] if isinstance(x, Ref) else None for x in operands)

    def repeat(self, number: int, node: Node, axes: list[int | None]) -> None:
        op = node.op
        assert isinstance(op, Repeat)
        if op.walked:
            raise NotStreamed("a stack that walks over tensors")
        flags = list(self.flags_of(op.levels[0].graph, list(self.old.nodes[number].inputs)))
        while True:
            done = [self.streaming.graph(level.graph, tuple(flags)) for level in op.levels]
            after = [next((d.moving[k] for d in done if d.moving[k] is not None), flags[k]) for k in range(op.carried)]
            if op.kind == "parallel" or after == flags[: op.carried]:
                break
            flags[: op.carried] = after
        given = [returned(op, k) for k in range(len(node.outputs))]
        outputs = [next((d.moving[k] for d in done if d.moving[k] is not None), None) for k in given]
        if not any(d.cached for d in done):
            self.keep(number, self.add(node), outputs)
            return
        if not all(d.cached for d in done):
            raise NotStreamed("a stack of which only some levels keep something")
        levels = tuple(level.model_copy(update={"graph": d.graph}) for level, d in zip(op.levels, done, strict=True))
        made = op.model_copy(update={"levels": levels, "captured": op.captured + 1})
        self.keep(number, self.add(node.model_copy(update={"op": made, "inputs": (*node.inputs, self.remembered())})), outputs)


def _letters(equation: object, place: int, axis: int) -> Iterable[str]:
    """By which letters an equation reads a dim of an operand; `?` for anything else."""
    for term in equation.terms:  # type: ignore[attr-defined]
        if term.op == "read" and equation.tensors[term.tensor] == place:  # type: ignore[attr-defined]
            op = equation.terms[term.args[axis]].op if axis < len(term.args) else "?"  # type: ignore[attr-defined]
            yield op if op in ("i", "j") else "?"

"""What is particular to cells in the source: how they are called, what they start from, and what takes them over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ....dsl.span import Span
from ...graph import Graph, Input, Output, Recur, Start, State, Stepped, TensorType
from ...passes.base import without
from ...recurrence.hoist import Hoisted, Product, hoisted
from ...streaming.ops import CACHE, StreamedRecur
from ..code import Code, Show, call, method
from .lines import Line
from .names import Names, identifier

OVER_TIME = '''
def over_time(step, inputs, state, length, reverse):
    """A step of a cell over dim 1 of its inputs: its outputs, then its last states.

    Steps past the length of an example change no state and give zeros; in reverse, the steps inside the length are.
    """
    if reverse:
        inputs = [reversed_steps(x, length) for x in inputs]
    outputs = []
    for t, now in enumerate(zip(*(x.unbind(1) for x in inputs))):
        made = step(*now, *state)
        given, after = made[: -len(state)], made[-len(state) :]
        if length is not None:
            here = [(t < length).view(-1, *[1] * (x.dim() - 1)) for x in made]
            given = [torch.where(keep, x, torch.zeros_like(x)) for keep, x in zip(here, given)]
            after = [torch.where(keep, x, old) for keep, x, old in zip(here[len(given) :], after, state)]
        outputs.append(given)
        state = after
    outputs = [torch.stack(steps, dim=1) for steps in zip(*outputs)]
    if reverse:
        outputs = [reversed_steps(y, length) for y in outputs]
    return *outputs, *state


def reversed_steps(x, length=None):
    """The steps of each example, dim 1, in reverse; those past its length stay where they are."""
    if length is None:
        return x.flip(1)
    t = torch.arange(x.shape[1], device=x.device)
    end = length.clamp(max=x.shape[1])[:, None]
    return x[torch.arange(x.shape[0], device=x.device)[:, None], torch.where(t < end, end - 1 - t, t)]
'''

IN_CHUNKS = '''
def in_chunks(cell, size, inputs, constant=(), state=(), length=None, reverse=False):
    """A cell over `size` steps at a time: it goes on from the states of the chunk before, into which no gradient goes back."""
    if reverse:
        inputs = [reversed_steps(x, length) for x in inputs]
    state = state or cell.initial_state(*(x[:, 0] for x in inputs), *constant)
    chunks = []
    for start in range(0, inputs[0].shape[1], size):
        now, left = [x[:, start : start + size] for x in inputs], None if length is None else length - start
        if start and left is None:
            state = [x.detach() for x in state]
        elif start:  # the last state of an example that has ended is of the chunk in which it ended
            state = [torch.where((left > 0).view(-1, *[1] * (x.dim() - 1)), x.detach(), x) for x in state]
        made = cell(*now, *constant, *state, length=left)
        chunks.append(made[: -len(state)])
        state = made[-len(state) :]
    outputs = [torch.cat(steps, dim=1) for steps in zip(*chunks)]
    if reverse:
        outputs = [reversed_steps(y, length) for y in outputs]
    return *outputs, *state
'''

BIDIRECTIONAL = '''
class Bidirectional(nn.Module):
    """A cell over the steps as they come and another in reverse; all that the two give is concatenated in the last dim."""

    def __init__(self, ahead: nn.Module, back: nn.Module):
        super().__init__()
        self._modules["forward"] = ahead  # as an attribute it would hide the method of that name
        self.backward = back

    def forward(
        self, *inputs: Tensor, state: tuple[Tensor, ...] = (), length: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        halves = [x.chunk(2, dim=-1) for x in state]
        ahead = self._modules["forward"](*inputs, *(half[0] for half in halves), length=length)
        back = self.backward(*inputs, *(half[1] for half in halves), length=length, reverse=True)
        return tuple(torch.cat(pair, dim=-1) for pair in zip(ahead, back))
'''
BIDIRECTIONAL_IN_CHUNKS = '''
def both_in_chunks(both, size, inputs, constant=(), state=(), length=None):
    """The two cells of a bidirectional one, `size` steps at a time."""
    halves = [x.chunk(2, dim=-1) for x in state]
    ahead = in_chunks(both._modules["forward"], size, inputs, constant, [half[0] for half in halves], length)
    back = in_chunks(both.backward, size, inputs, constant, [half[1] for half in halves], length, reverse=True)
    return tuple(torch.cat(pair, dim=-1) for pair in zip(ahead, back))
'''
DTYPES = {"int": "torch.long", "bool": "torch.bool"}


def recur_helpers(op: Recur) -> Iterator[str]:
    """The functions and classes that a recurrence needs beside its cell's class."""
    yield OVER_TIME
    if isinstance(op, StreamedRecur):
        yield CACHE
    if op.both:
        yield BIDIRECTIONAL
    if op.chunk is not None:
        yield IN_CHUNKS
    if op.chunk is not None and op.both:
        yield BIDIRECTIONAL_IN_CHUNKS


def recur_call(op: Recur, me: str, codes: tuple[Code, ...], extras: tuple[str, ...], names: Callable[[str], str]) -> Code:
    """A cell over time: `self.recur1(x, memory, h, c, length=length, reverse=True)`. `names` are what words of the body stand for."""
    if isinstance(op, StreamedRecur):
        *given, cache = codes
        return Code(f"{cache}.carried({op.states}, lambda *state: {call(me, *given, *extras, '*state')})")
    inputs, rest = codes[: op.graph.stepped + op.constants], list(codes[op.graph.stepped + op.constants :])
    named = {"length": str(rest.pop(0))} if op.lengths else {}
    if op.reverse:
        named["reverse"] = "True"
    if op.chunk is not None:
        ahead, constant = map(str, inputs[: op.graph.stepped]), [*map(str, inputs[op.graph.stepped :]), *extras]
        groups = {"constant": constant, "state": [str(code) for code in rest]}
        beside = {name: _tuple(group) for name, group in groups.items() if group}
        function = "both_in_chunks" if op.both else "in_chunks"
        return call(function, me, Show(names)(op.chunk), _tuple(list(ahead)), **beside, **named)
    if not op.both:
        return call(me, *inputs, *extras, *rest, **named)
    state = {"state": f"({', '.join(map(str, rest))}{',' if len(rest) == 1 else ''})"} if rest else {}
    return call(me, *inputs, *extras, **state, **named)


def step_call(op: Stepped, me: str, codes: tuple[Code, ...], extras: tuple[str, ...]) -> Code:
    """A step of a cell inside of another: `self.lstm1.step(x, lstm1_h, lstm1_c)`."""
    kept = sum(isinstance(node.op, State) for node in op.graph.nodes)
    return call(f"{me}.step", *codes[: len(codes) - kept], *extras, *codes[len(codes) - kept :])


def starts(graph: Graph) -> Graph:
    """What a cell's states are before the first step, and nothing of the step."""
    outputs = tuple(Output(name=node.op.name, ref=node.refs[0]) for node in graph.nodes if isinstance(node.op, State))
    needed = {output.ref.node for output in outputs}
    needed |= graph.ancestors(needed)
    idle = {i for i, node in enumerate(graph.nodes) if i not in needed and not isinstance(node.op, Input)}
    return without(graph.model_copy(update={"outputs": outputs}), idle)


def over_time_lines(graph: Graph, further: Mapping[str, str], span: Span) -> list[Line]:
    """`forward`: the steps of a whole sequence."""
    names = [node.op.name for node in graph.inputs if isinstance(node.op, Input)]
    kept = sum(isinstance(node.op, State) for node in graph.inputs)
    tensors = [identifier(name) for name in names[: len(names) - kept]]
    given = ", ".join([*(f"{name}: Tensor" for name in tensors), *(f"{name}: {kind}" for name, kind in further.items())])
    rest = "*state: Tensor, length: Tensor | None = None, reverse: bool = False"
    ahead, constant = tensors[: graph.stepped], [*tensors[graph.stepped :], *further]
    first = f"self.initial_state({', '.join([*(f'{name}[:, 0]' for name in ahead), *constant])})"
    head = Line(f"def forward(self, {given}, {rest}) -> tuple[Tensor, ...]:", span)
    split = hoisted(graph)
    if split is not None:
        states = [identifier(name) for name in names[len(names) - kept :]]
        body = apart(split, graph, ahead, constant, states, first)
    elif constant:
        step = f"lambda {', '.join(ahead)}, *state: self.step({', '.join([*ahead, *constant])}, *state)"
        body = [f"step = {step}", f"return over_time(step, {_tuple(ahead)}, state or {first}, length, reverse)"]
    else:
        body = [f"return over_time(self.step, {_tuple(ahead)}, state or {first}, length, reverse)"]
    said = (text.partition("  # ") for text in body)
    return [head, *(Line(text, span, 1, comment) for text, _, comment in said)]


def start_code(op: Start, show: Show, like: Code) -> Code:
    """A tensor of one number: `x.new_zeros(B, 64)`."""
    type_: TensorType = show.outputs[0]
    sizes, value = [show(size) for size in type_.shape], op.value.value
    if type_.dtype == "float" and show.types[0].dtype == "float":
        if value in (0.0, 1.0):
            return method(like, "new_ones" if value else "new_zeros", *sizes)
        return method(like, "new_full", _tuple(sizes), show(op.value))
    further = {"device": f"{like.at(16)}.device"} | ({} if type_.dtype == "float" else {"dtype": DTYPES[type_.dtype]})
    if value == 0.0:
        return call("torch.zeros", *sizes, **further)
    return call("torch.full", _tuple(sizes), show(op.value), **further)


# A step in two ----------------------------------------------------------------------------------------------------------


def step_lines(split: Hoisted, graph: Graph, further: Mapping[str, str], result: str, span: Span) -> list[Line]:
    """`step`: the products of one step, then the gates."""
    names = [identifier(node.op.name) for node in graph.inputs if isinstance(node.op, Input)]
    kept = sum(isinstance(node.op, State) for node in graph.inputs)
    tensors, states = names[: len(names) - kept], names[len(names) - kept :]
    inputs = {number: identifier(node.op.name) for number, node in enumerate(graph.nodes) if isinstance(node.op, Input)}
    given = [
        *(f"{n}: Tensor" for n in tensors),
        *(f"{n}: {kind}" for n, kind in further.items()),
        *(f"{n}: Tensor" for n in states),
    ]
    taken, joined, lines = Names(names), dict[tuple[int | None, int | None], str](), []
    for product in split.products:
        read = (product.source, product.state)
        if None not in read and read not in joined:
            parts = [inputs[number] for number in read if number is not None]
            joined[read] = taken.new("".join(parts))
            lines.append(f"{joined[read]} = torch.cat(({', '.join(parts)}), dim=-1)")
        elif read not in joined:
            joined[read] = next(inputs[number] for number in read if number is not None)
    made = [f"self.{product.key}({joined[product.source, product.state]})" for product in split.products]
    rest = [*(inputs[n] for n in split.beside), *tensors[graph.stepped :], *further, *(inputs[n] for n in split.states)]
    lines.append(f"return self.gates({', '.join([*made, *rest])})")
    head = Line(f"def step({', '.join(['self', *given])}) -> {result}:", span)
    return [head, *(Line(text, span, 1) for text in lines)]


def apart(split: Hoisted, graph: Graph, ahead: list[str], constant: list[str], states: list[str], first: str) -> list[str]:
    """The body of `forward` where the products of the inputs are taken for all steps at once."""
    inputs = {number: identifier(node.op.name) for number, node in enumerate(graph.nodes) if isinstance(node.op, Input)}
    taken = Names([*ahead, *constant, *states, "state", "length", "reverse", "step"])
    sources = list(dict.fromkeys(p.source for p in split.products if p.source is not None))
    held = list(dict.fromkeys(p.state for p in split.products if p.state is not None))
    if _alike(split.products):
        return _one_product(split, inputs, ahead[0], constant, states, first)
    lines, moving, before = [], dict[int, str](), dict[int, str]()
    sizes = {n: f"{inputs[n]}.shape[-1]" for n in sources}
    for n in sources:
        mine = [p for p in split.products if p.source == n]
        weights = [f"self.{p.key}.weight" + (f"[:, : {sizes[n]}]" if p.state is not None else "") for p in mine]
        bias = [f"self.{p.key}.bias" for p in mine] if mine[0].bias else []
        moving[n] = taken.new(f"{inputs[n]}s" if len(sources) > 1 else "given")
        text = ", ".join([inputs[n], _joined(weights), *([_joined(bias)] if bias else [])])
        lines.append(f"{moving[n]} = F.linear({text})  # of all steps and gates at once")
    for n in held:
        mine = [p for p in split.products if p.state == n]
        weights = [f"self.{p.key}.weight" + (f"[:, {sizes[p.source]} :]" if p.source is not None else "") for p in mine]
        before[n] = taken.new("recurrent" if len(held) == 1 else f"recurrent_{inputs[n]}")
        lines.append(f"{before[n]} = {_joined(weights)}")
    beside = [inputs[number] for number in split.beside]
    stepping = [*moving.values(), *beside]
    lines += ["", f"def step({', '.join([*stepping, *states])}):"]
    made, steps = _step_products(split, inputs, moving, before, taken)
    lines += [f"    {text}" for text in steps]
    lines.append(f"    return self.gates({', '.join([*made, *beside, *constant, *(inputs[n] for n in split.states)])})")
    return [*lines, "", f"return over_time(step, {_tuple(stepping)}, state or {first}, length, reverse)"]


def _alike(products: tuple[Product, ...]) -> bool:
    """All are of one input and one state."""
    return len({(p.source, p.state) for p in products}) == 1 and products[0].state is not None


def _one_product(
    split: Hoisted, inputs: dict[int, str], source: str, constant: list[str], states: list[str], first: str
) -> list[str]:
    """The body of `forward` where one matrix holds all weights, its columns those of the input and those of the state."""
    products, taken = split.products, Names([*inputs.values(), *constant, "state", "length", "reverse", "step"])
    layers, weight, given, recurrent = (taken.new(name) for name in ("layers", "weight", "given", "recurrent"))
    size, beside = f"{source}.shape[-1]", [inputs[n] for n in split.beside]
    if len(products) > 1:
        lines = [
            f"{layers} = ({', '.join(f'self.{p.key}' for p in products)})",
            f"{weight} = torch.cat([layer.weight for layer in {layers}])",
        ]
        bias = f", torch.cat([layer.bias for layer in {layers}])" if products[0].bias else ""
    else:
        lines = [f"{weight} = self.{products[0].key}.weight"]
        bias = f", self.{products[0].key}.bias" if products[0].bias else ""
    state = next(inputs[p.state] for p in products if p.state is not None)
    whole = f"{given} + F.linear({state}, {recurrent})"
    made = f"*({whole}){_pieces(products)}" if len(products) > 1 else whole
    stepping = [given, *beside]
    read = [*beside, *constant, *(inputs[n] for n in split.states)]
    return [
        *lines,
        f"{given} = F.linear({source}, {weight}[:, : {size}]{bias})  # of all steps and gates at once",
        f"{recurrent} = {weight}[:, {size} :]",
        "",
        f"def step({', '.join([*stepping, *states])}):",
        f"    return self.gates({', '.join([made, *read])})",
        "",
        f"return over_time(step, {_tuple(stepping)}, state or {first}, length, reverse)",
    ]


def _step_products(
    split: Hoisted, inputs: dict[int, str], moving: dict[int, str], before: dict[int, str], taken: Names
) -> tuple[list[str], list[str]]:
    """What the gates are given, and the lines of the step that make it."""
    products = split.products
    terms: dict[int, list[str]] = {k: [] for k in range(len(products))}
    lines = []
    for mine, text in (
        *(([k for k, p in enumerate(products) if p.source == n], name) for n, name in moving.items()),
        *(([k for k, p in enumerate(products) if p.state == n], f"F.linear({inputs[n]}, {name})") for n, name in before.items()),
    ):
        if len(mine) == 1:
            terms[mine[0]].append(text)
            continue
        names = [taken.new(f"part{sum(map(len, terms.values())) + i + 1}") for i in range(len(mine))]
        lines.append(f"{', '.join(names)} = {text}{_pieces(tuple(products[k] for k in mine))}")
        for k, name in zip(mine, names, strict=True):
            terms[k].append(name)
    for k, p in enumerate(products):
        if p.source is None and p.bias:
            terms[k].append(f"self.{p.key}.bias")
    return [" + ".join(terms[k]) for k in range(len(products))], lines


def _pieces(products: tuple[Product, ...]) -> str:
    """How a product of several is cut into theirs."""
    if len({p.width.value for p in products}) == 1:
        return f".chunk({len(products)}, dim=-1)"
    return f".split([{', '.join(f'self.{p.key}.out_features' for p in products)}], dim=-1)"


def _joined(weights: list[str]) -> str:
    return weights[0] if len(weights) == 1 else f"torch.cat(({', '.join(weights)}))"


def _tuple(items: list[str]) -> str:
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"

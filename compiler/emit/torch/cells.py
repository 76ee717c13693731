"""What is particular to cells in the source: how they are called, what they start from, and what takes them over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ....dsl.span import Span
from ...graph import Graph, Input, Output, Recur, Start, State, TensorType
from ...passes.base import without
from ...streaming.ops import CACHE, StreamedRecur
from ..code import Code, Show, call, method
from .lines import Line
from .names import identifier

OVER_TIME = '''
def over_time(cell, inputs, constants, state, length, reverse):
    """A cell over dim 1 of its inputs: its outputs, then its last states.

    Steps past the length of an example change no state and give zeros; in reverse, the steps inside the length are.
    """
    if reverse:
        inputs = [reversed_steps(x, length) for x in inputs]
    state = state or cell.initial_state(*(x[:, 0] for x in inputs), *constants)
    outputs = []
    for t, now in enumerate(zip(*(x.unbind(1) for x in inputs))):
        made = cell.step(*now, *constants, *state)
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
    end = length[:, None]
    return x[torch.arange(x.shape[0], device=x.device)[:, None], torch.where(t < end, end - 1 - t, t)]
'''

BIDIRECTIONAL = '''
class Bidirectional(nn.Module):
    """A cell over the steps as they come and another in reverse; all that the two give is concatenated in the last dim."""

    def __init__(self, ahead: nn.Module, back: nn.Module):
        super().__init__()
        self._modules["forward"] = ahead  # as an attribute it would hide the method of that name
        self.backward = back

    def forward(self, *inputs: Tensor, state: tuple[Tensor, ...] = (), length: Tensor | None = None) -> tuple[Tensor, ...]:
        halves = [x.chunk(2, dim=-1) for x in state]
        ahead = self._modules["forward"](*inputs, *(half[0] for half in halves), length=length)
        back = self.backward(*inputs, *(half[1] for half in halves), length=length, reverse=True)
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


def recur_call(op: Recur, me: str, codes: tuple[Code, ...], extras: tuple[str, ...]) -> Code:
    """A cell over time: `self.recur1(x, memory, h, c, length=length, reverse=True)`."""
    if isinstance(op, StreamedRecur):
        *given, cache = codes
        return Code(f"{cache}.carried({op.states}, lambda *state: {call(me, *given, *extras, '*state')})")
    inputs, rest = codes[: op.graph.stepped + op.constants], list(codes[op.graph.stepped + op.constants :])
    named = {"length": str(rest.pop(0))} if op.lengths else {}
    if op.reverse:
        named["reverse"] = "True"
    if not op.both:
        return call(me, *inputs, *extras, *rest, **named)
    state = {"state": f"({', '.join(map(str, rest))}{',' if len(rest) == 1 else ''})"} if rest else {}
    return call(me, *inputs, *extras, **state, **named)


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
    return [
        Line(f"def forward(self, {given}, {rest}) -> tuple[Tensor, ...]:", span),
        Line(f"return over_time(self, {_tuple(ahead)}, {_tuple(constant)}, state, length, reverse)", span, 1),
    ]


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


def _tuple(items: list[str]) -> str:
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"

"""The Python of a streamed model: a module for a step, and one for what is computed before all steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..emit.torch.module import Emitted, emit_module
from ..graph import Graph, Input, Node
from ..passes.order import PASSES
from .ops import CACHE, Memory, Once, StreamedAttend
from .rewrite import NotStreamed, streamed


@dataclass(frozen=True)
class StreamedSource:
    """The texts. `step` is called with what `before` gives, the new tokens, and a `Cache` of its own module."""

    step: Emitted
    before: Emitted | None


def streamed_source(root: Graph, target: str, file_name: str) -> StreamedSource:
    """A root whose input `target` comes token by token. Raises `NotStreamed` where it cannot."""
    found = streamed(PASSES.run(root), target)
    return StreamedSource(
        emit_module(found.step, file_name), None if found.before is None else emit_module(found.before, file_name)
    )


@dataclass(frozen=True)
class SteppedSource:
    """A network with cells, a step at a time: `text.step` keeps the states of its recurrences alone. `stepped` are the inputs that come
    step by step, `others` those that are the same at all steps; `moving` is as in `Streamed`."""

    text: StreamedSource
    stepped: tuple[str, ...]
    others: tuple[str, ...]
    moving: tuple[int | None, ...]


def stepped_source(root: Graph, file_name: str) -> SteppedSource:
    """A root with cells. Raises `NotStreamed` where what it says at a step depends on later ones, or on more than states."""
    root = PASSES.run(root)
    names = [node.op.name for node in root.inputs if isinstance(node.op, Input) and node.type.rank > 1]
    if not names:
        raise NotStreamed("none of its inputs has steps")
    refused: list[NotStreamed] = []
    for target in names:
        try:
            found = streamed(root, target, together=True)
        except NotStreamed as reason:
            refused.append(reason)
            continue
        if any(_keeps_more(node) for node in _below(found.step)):
            raise NotStreamed("it keeps more than the states of its cells: attention, or the places of steps")
        stepped = _input_names(found.step)[len(found.passed) :]
        others = () if found.before is None else _input_names(found.before)
        before = None if found.before is None else emit_module(found.before, file_name)
        return SteppedSource(StreamedSource(emit_module(found.step, file_name), before), stepped, others, found.moving)
    raise refused[0]


def _input_names(graph: Graph) -> tuple[str, ...]:
    return tuple(node.op.name for node in graph.inputs if isinstance(node.op, Input) and not isinstance(node.op, Memory))


def _below(graph: Graph) -> Iterator[Node]:
    """The nodes of a graph and of those inside."""
    yield from graph.nodes
    for _, child in graph.children():
        yield from _below(child)


def _keeps_more(node: Node) -> bool:
    return isinstance(node.op, StreamedAttend | Once) or getattr(node.op, "helper", "") == CACHE

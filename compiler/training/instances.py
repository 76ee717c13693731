"""The instances of declared parts in a model, in the order of the data's flow, and each as a network of its own.

An instance is the graph of its declaration with everything about it known, the path of its submodule in the state dict, and nothing of its
caller: `alone` turns it into a root whose outputs are what somebody wants to read of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...dsl.span import Span
from ..errors.stages import NotApart
from ..graph import Graph, Machine, Node, Output, Recur, Ref, Repeat, Use
from ..layers.base import Refusal
from ..passes.pin import pin_all, renamed
from .columns import pruned


@dataclass(frozen=True)
class Instance:
    """A part at its place; `path` is that of its submodule, numbers of levels and all."""

    path: str
    graph: Graph
    span: Span

    @property
    def names(self) -> dict[str, Ref]:
        """What the text of its body names, inputs first; a name that is given anew means its last value."""
        return {
            edge.name: Ref(number, at)
            for number, node in enumerate(self.graph.nodes)
            for at, edge in enumerate(node.outputs)
            if edge.name and edge.name.isidentifier()
        }

    def alone(self, wanted: dict[str, Ref]) -> Graph:
        """The part as a root without hyperparameters that gives `wanted`, and computes nothing else.

        An energy stays whole, since its objectives are of all of it.
        """
        graph = self.graph
        if not isinstance(graph, Machine):
            inputs = len(graph.inputs)
            outputs = tuple(Output(name=name, ref=ref) for name, ref in wanted.items())
            graph = pruned(graph.model_copy(update={"outputs": outputs}), inputs)
        sizes = {
            name: graph.inputs[axis.input].type.shape[axis.axis].value
            for name, axis in graph.dims.items()
            if graph.inputs[axis.input].type.shape[axis.axis].number is not None
        }
        dims = {name: axis for name, axis in graph.dims.items() if name not in sizes}
        return pin_all(renamed(graph, sizes).model_copy(update={"dims": dims}))


def parts_of(root: Graph) -> tuple[str, ...]:
    """The declarations that the model uses, outer ones first."""
    found: dict[str, None] = {}
    waiting = [root]
    while waiting:
        for node, child in waiting.pop(0).children():
            waiting.append(child)
            if not isinstance(node.op, Repeat):
                found.setdefault(child.name)
    return tuple(found)


def instances(root: Graph, parts: Sequence[str], at: Span) -> list[Instance]:
    """All instances of the parts, in the order of the data's flow; a refusal where one cannot be trained by itself."""
    found = list(_below(root, "", frozenset(parts), at))
    seen: dict[str, Instance] = {}
    for instance in found:
        if instance.path in seen:
            raise Refusal(NotApart(at, instance.graph.name, "its weights are used in several places", instance.span))
        seen[instance.path] = instance
    return found


def _below(graph: Graph, path: str, parts: frozenset[str], at: Span) -> Iterator[Instance]:
    for node in graph.nodes:
        if isinstance(node.op, Use):
            here = _joined(path, node.key)
            if node.op.graph.name in parts:
                yield _instance(node, node.op.graph, here, at, inside=isinstance(node.op, Recur))
            elif isinstance(node.op, Recur):
                _refuse_within(node.op.graph, node, parts, at)
            else:
                yield from _below(node.op.graph, here, parts, at)
        elif isinstance(node.op, Repeat):
            yield from _levels(node, node.op, path, parts, at)


def _levels(node: Node, op: Repeat, path: str, parts: frozenset[str], at: Span) -> Iterator[Instance]:
    here, number = _joined(path, node.key), 0
    for level in op.levels:
        named = {child.name for _, child in _everywhere(level.graph)}
        if op.tied and named & parts and (op.count.number or 2) > 1:
            raise Refusal(NotApart(at, sorted(named & parts)[0], "all levels of a tied stack are one part", node.span))
        for _ in range(level.count.number or 0) if named & parts else ():
            place = here if op.tied else _joined(here, str(number))
            number += 1
            if op.single:  # the body is one call, whose key is the level's own
                inner = next((n for n in level.graph.nodes if isinstance(n.op, Use)), None)
                if inner is None or not isinstance(inner.op, Use):
                    continue
                if inner.op.graph.name in parts:
                    yield _instance(inner, inner.op.graph, place, at, inside=isinstance(inner.op, Recur))
                else:
                    yield from _below(inner.op.graph, place, parts, at)
            else:
                yield from _below(level.graph, place, parts, at)
        if not named & parts:
            number += level.count.number or 0


def _instance(node: Node, graph: Graph, path: str, at: Span, *, inside: bool) -> Instance:
    if inside or graph.kind == "cell":
        raise Refusal(NotApart(at, graph.name, "it is one step of a recurrence", node.span))
    if node.owner:
        raise Refusal(NotApart(at, graph.name, "its weights are shared by the levels of a stack", node.span))
    if graph.reach:
        raise Refusal(NotApart(at, graph.name, "it uses weights that stand outside of it", node.span))
    return Instance(path, graph, node.span)


def _refuse_within(graph: Graph, node: Node, parts: frozenset[str], at: Span) -> None:
    for _, child in _everywhere(graph):
        if child.name in parts:
            raise Refusal(NotApart(at, child.name, "it stands within a recurrence", node.span))


def _everywhere(graph: Graph) -> Iterator[tuple[Node, Graph]]:
    for node, child in graph.children():
        yield node, child
        yield from _everywhere(child)


def _joined(path: str, key: str | None) -> str:
    return ".".join(part for part in (path, key) if part)

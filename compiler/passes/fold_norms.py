"""For export: a convolution or dense layer that only a batch norm reads takes the norm into its weights.

Comes in: the graph of a root, all its numbers known. Goes out: a graph that computes in evaluation what the first one does, without those
norms, and what to do with the weights of a trained network so that they fit it. Not among `PASSES`: in training a norm is what it is.
A layer that is used twice, shared with a stack, or whose weight is read by others, keeps its norm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, Self

from ..graph import Graph, Level, Node, Ref, Repeat, Use
from ..layers.base import Layer
from ..layers.convolution import Conv, ConvTranspose, Depthwise
from ..layers.linear import Dense
from ..layers.normalisation import BatchNorm
from ..record import Record
from .base import everywhere, redirected, redirected_outputs, without

CHANNELS: dict[type[Layer], int] = {Conv: 0, Depthwise: 0, Dense: 0, ConvTranspose: 1}
"""The dim of the weight that the channels that come out stand in."""


class Folding(Record):
    """The norm at path `norm` of the state dict goes into the layer at path `layer`."""

    layer: str
    norm: str
    eps: float
    dim: int  # of the weight, where the channels that come out stand


class Tensor(Protocol):
    """As much of a tensor as the arithmetic below wants."""

    ndim: int

    def __add__(self, other: Any, /) -> Self: ...
    def __sub__(self, other: Any, /) -> Self: ...
    def __mul__(self, other: Any, /) -> Self: ...
    def __truediv__(self, other: Any, /) -> Self: ...
    def __pow__(self, other: Any, /) -> Self: ...
    def reshape(self, *shape: int) -> Self: ...


def fold_norms(root: Graph) -> tuple[Graph, tuple[Folding, ...]]:
    """The graph to export, and what becomes of the weights."""
    return everywhere(folded, root), tuple(dict.fromkeys(foldings(root)))


def folded_state(state: Mapping[str, Any], foldings: tuple[Folding, ...]) -> dict[str, Any]:
    """The state dict of the trained network as the folded one wants it."""
    into = {folding.layer: folding for folding in foldings}
    gone = tuple(f"{folding.norm}." for folding in foldings)
    found: dict[str, Any] = {}
    for key, tensor in state.items():
        path, _, name = key.rpartition(".")
        if key.startswith(gone) or (path in into and name == "bias"):
            continue
        if path in into and name == "weight":
            found[key], found[f"{path}.bias"] = _scaled(state, into[path], tensor)
        else:
            found[key] = tensor
    return found


def _scaled(state: Mapping[str, Any], folding: Folding, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The weight and the bias of the layer with the norm in them."""
    mean, variance = state[f"{folding.norm}.running_mean"], state[f"{folding.norm}.running_var"]
    scale = (variance + folding.eps) ** -0.5
    if f"{folding.norm}.weight" in state:
        scale = scale * state[f"{folding.norm}.weight"]
    bias = (state[f"{folding.layer}.bias"] - mean) * scale if f"{folding.layer}.bias" in state else mean * scale * -1
    if f"{folding.norm}.bias" in state:
        bias = bias + state[f"{folding.norm}.bias"]
    shape = [1] * weight.ndim
    shape[folding.dim] = -1
    return weight * scale.reshape(*shape), bias


# Predicates -----------------------------------------------------------------------------------------------------------


def lent_keys(graph: Graph, distance: int = 1) -> Iterator[str]:
    """The keys of this body that levels of its stacks use."""
    for node in graph.nodes:
        if isinstance(node.op, Repeat):
            for level in node.op.levels:
                yield from (below.key for below in level.graph.nodes if below.owner == distance and below.key is not None)
                yield from lent_keys(level.graph, distance + 1)


def own_keys(graph: Graph) -> set[str]:
    """The keys that one step of the body uses, and nothing else."""
    used = Counter(node.key for node in graph.nodes if node.key is not None and node.owner == 0)
    used.update(lent_keys(graph))
    return {key for key, times in used.items() if times == 1}


def takes_norm(node: Node) -> bool:
    """Can it take a factor for each channel that comes out? Those of dense are the last dim, those of a norm the second."""
    if isinstance(node.op, ConvTranspose):
        return node.op.groups.text == 1
    return type(node.op) in CHANNELS and not (isinstance(node.op, Dense) and node.type.rank != 2)


def pairs(graph: Graph) -> dict[int, int]:
    """For each layer that a norm goes into, that norm."""
    owned = own_keys(graph)
    readers = Counter(ref for node in graph.nodes for ref in node.refs)
    readers.update(output.ref for output in graph.outputs)

    def is_own(node: Node) -> bool:
        return node.key in owned and not node.owner

    found = {}
    for number, node in enumerate(graph.nodes):
        if not isinstance(node.op, BatchNorm) or not node.op.track_running_stats or not is_own(node):
            continue
        before = graph.nodes[node.refs[0].node]
        if takes_norm(before) and is_own(before) and not before.gate and readers[node.refs[0]] == 1:
            found[node.refs[0].node] = number
    return found


# Rewriting ------------------------------------------------------------------------------------------------------------


def folded(graph: Graph) -> Graph:
    """The body without the norms that its layers take."""
    found = pairs(graph)
    if not found:
        return graph
    instead = {Ref(norm): Ref(layer) for layer, norm in found.items()}
    nodes = [redirected(node, instead) for node in graph.nodes]
    for layer, norm in found.items():
        update = {"op": nodes[layer].op.model_copy(update={"bias": True}), "outputs": nodes[norm].outputs}
        nodes[norm] = nodes[norm].model_copy(update={"inputs": ()})
        nodes[layer] = nodes[layer].model_copy(update=update)
    facts = tuple(f"{graph.nodes[norm].key} is folded into {graph.nodes[layer].key}" for layer, norm in found.items())
    rewritten = {"nodes": tuple(nodes), "outputs": redirected_outputs(graph, instead), "decided": (*graph.decided, *facts)}
    return without(graph.model_copy(update=rewritten), set(found.values()))


# Paths ----------------------------------------------------------------------------------------------------------------


def foldings(graph: Graph, bodies: tuple[str, ...] = ("",), single: bool = False) -> Iterator[Folding]:
    """All foldings below a body, before it is rewritten; `bodies` are the paths of the bodies around it, its own last."""
    for layer, norm in pairs(graph).items():
        into, gone = graph.nodes[layer], graph.nodes[norm]
        assert isinstance(into.op, Layer)
        assert isinstance(gone.op, BatchNorm)
        paths = {"layer": f"{bodies[-1]}{into.key}", "norm": f"{bodies[-1]}{gone.key}"}
        yield Folding(**paths, eps=gone.op.eps.value, dim=CHANNELS[type(into.op)])
    for node in graph.nodes:
        if isinstance(node.op, Use):
            path = bodies[-1] if single else f"{bodies[-1 - node.owner]}{node.key}."
            yield from foldings(node.op.graph, (*bodies, path))
        elif isinstance(node.op, Repeat):
            for place, level in _levels(node.op):
                path = f"{bodies[-1]}{node.key}.{place}"
                yield from foldings(level.graph, (*bodies, path), node.op.single)


def _levels(op: Repeat) -> Iterator[tuple[str, Level]]:
    """Each level with what stands before its keys: `0.`, `1.`; nothing where all are one."""
    if op.tied:
        yield "", op.levels[0]
        return
    place = 0
    for level in op.levels:
        for _ in range(level.count.number or 0):
            yield f"{place}.", level
            place += 1

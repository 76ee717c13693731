"""The weights of a network of 1x1 and grouped convolutions lie in memory with their channels last.

Comes in: any graph. Goes out: the root says so where three of five of its convolutions over images, or more, are of these kinds. A 1x1
convolution is then one product of matrices, and a grouped one runs along the channels; PyTorch lets whatever follows lie as the weights
do. Values and shapes are what they were, and so is what a seed draws: dropout, which draws number by number as they lie, gets them in the
usual order. `benchmarks/passes.py` measures it, and networks of other convolutions, where it does not pay.
"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from ..emit.code import Code, Show, method
from ..graph import Graph, Node, Parameter, Repeat, Use
from ..layers.base import per_axis
from ..layers.convolution import Conv, ConvTranspose, Depthwise, Sliding
from ..layers.draws import Draw
from ..layers.dropout import AlphaDropout, Dropout
from ..layers.rarer_activations import Rrelu
from .base import Pass, everywhere


class DropoutInOrder(Dropout):
    """Dropout of an image whose channels lie last: it draws as if they did not."""

    def forward(self, show: Show, x: Code) -> Code:
        return super().forward(show, method(x, "contiguous"))


class ChannelsLast(Pass):
    name: ClassVar[str] = "channels-last"

    def run(self, root: Graph) -> Graph:
        counts = _counted(root, {})
        if (
            root.channels_last
            or 5 * counts["narrow"] < 3 * counts["all"]
            or not counts["all"]
            or counts["volumes"]
            or counts["draws"]
        ):
            return root
        said = f"{counts['narrow']} of {counts['all']} convolutions are 1x1 or grouped"
        return everywhere(self.apply, root).model_copy(update={"channels_last": said})

    def apply(self, graph: Graph) -> Graph:
        nodes = tuple(_in_order(node) if isinstance(node.op, Dropout) and node.type.rank == 4 else node for node in graph.nodes)
        return graph if nodes == graph.nodes else graph.model_copy(update={"nodes": nodes})


def _in_order(node: Node) -> Node:
    assert isinstance(node.op, Dropout)
    return node.model_copy(update={"op": DropoutInOrder(p=node.op.p)})


def _counted(graph: Graph, done: dict[int, Counter[str]]) -> Counter[str]:
    """The convolutions over images, those of them that gain, tensors over volumes, for which there is no such order, and draws."""
    if id(graph) in done:
        return done[id(graph)]
    counts: Counter[str] = Counter()
    for node in graph.nodes:
        if isinstance(node.op, Repeat):
            for level in node.op.levels:
                times = 1 if node.op.tied else level.count.number or 1
                counts.update({kind: times * count for kind, count in _counted(level.graph, done).items()})
        elif isinstance(node.op, Use):
            counts.update(_counted(node.op.graph, done))
        else:
            counts.update(_kinds(graph, node))
    done[id(graph)] = counts
    return counts


def _kinds(graph: Graph, node: Node) -> Counter[str]:
    """What one step adds to the counts."""
    if isinstance(node.op, Parameter):
        return Counter(volumes=int(node.type.rank == 5))
    if isinstance(node.op, AlphaDropout | Rrelu | Draw):
        return Counter(draws=int(node.type.rank == 4))
    if not isinstance(node.op, Sliding | ConvTranspose):
        return Counter()
    rank = graph.type_of(node.refs[0]).rank
    if rank != 4:
        return Counter(volumes=int(rank == 5))
    sizes = [size.number for size in per_axis(node.op.kernel_size, 2)]
    narrow = isinstance(node.op, Depthwise) or (isinstance(node.op, Conv) and (node.op.groups.number != 1 or sizes == [1, 1]))
    return Counter(all=1, narrow=int(narrow))

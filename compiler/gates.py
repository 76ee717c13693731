"""A network that shows its gates as it computes: the same weights under the same keys, and each `gate` handed to who looks.

Comes in: a root. Goes out: its source with a call of `seen(part, name, gate, low, high)` at each gate, which lies between `low` and `high`
(`None`: no bound). `seen` gives the gate back; who looks puts a function of his own in its place.
"""

import math
from typing import ClassVar

from .elaborate.ranges import Ranges
from .emit.code import Code, Show, call
from .emit.torch.lines import quoted
from .emit.torch.module import Emitted, emit_module
from .graph import Graph, Node, Output, Ref
from .layers.base import Family, Layer
from .passes.base import everywhere
from .passes.order import PASSES

SEEN = '''
def seen(part: nn.Module, name: str, gate: Tensor, low: float | None, high: float | None) -> Tensor:
    """Hands a gate of a part on to who looks, and gives it back."""
    return gate
'''


class Seen(Layer):
    """Itself, and seen by who looks."""

    name: ClassVar[str] = "seen"
    family: ClassVar[Family] = "arithmetic"
    pure: ClassVar[bool] = False
    helper: ClassVar[str] = SEEN
    called_as: str
    low: float
    high: float

    def forward(self, show: Show, x: Code) -> Code:
        bounds = [f"{bound:.9g}" if math.isfinite(bound) else "None" for bound in (self.low, self.high)]
        return call("seen", "self", quoted(self.called_as), x, *bounds)


def watched_source(root: Graph, file_name: str) -> Emitted:
    """The source of a root that shows its gates."""
    return emit_module(everywhere(_shown, PASSES.run(root)), file_name)


def _shown(graph: Graph) -> Graph:
    """A graph whose gates are read through `seen`."""
    if not any(node.gate for node in graph.nodes):
        return graph
    ranges = Ranges(graph.nodes)
    nodes: list[Node] = []
    place: dict[Ref, Ref] = {}
    for number, node in enumerate(graph.nodes):
        moved = tuple(place[operand] if isinstance(operand, Ref) else operand for operand in node.inputs)
        nodes.append(node.model_copy(update={"inputs": moved}))
        place |= {Ref(number, k): Ref(len(nodes) - 1, k) for k in range(len(node.outputs))}
        if node.gate:
            found, edge = ranges.of(Ref(number)), node.outputs[0]
            op = Seen(called_as=edge.name or f"gate{number}", low=found.low, high=found.high)
            nodes[-1] = nodes[-1].model_copy(update={"outputs": (edge.model_copy(update={"name": None}), *node.outputs[1:])})
            nodes.append(Node(op=op, inputs=(Ref(len(nodes) - 1),), outputs=(edge,), span=node.span))
            place[Ref(number)] = Ref(len(nodes) - 1)
    outputs = tuple(Output(name=output.name, ref=place[output.ref]) for output in graph.outputs)
    return graph.model_copy(update={"nodes": tuple(nodes), "outputs": outputs})

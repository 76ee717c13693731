"""How large a network may be: counted over the checked graph, stacks by their counts, so that no number of levels takes time."""

from __future__ import annotations

from collections.abc import Sequence

from ...dsl.diagnostic import Fault
from ..errors.calls import TooLarge
from ..graph import Graph, Node, Parameter, Recur, Repeat, Use
from ..layers.base import Layer, elements
from ..shapes import Dim, Size
from ..values import Real

MAX_WEIGHTS = 1 << 40


def too_large(root: Graph) -> Fault | None:
    """A fault at the step with the most weights, where the network has more than 2^40."""
    known: dict[int, int] = {}
    total = weights_of(root, known)
    if total <= MAX_WEIGHTS:
        return None
    heaviest = max(root.nodes, key=lambda node: _node_weights(root, node, known))
    return TooLarge(heaviest.span, f"{root.name} has {total:,} weights, more than 2^40, most of them here")


def weights_of(graph: Graph, known: dict[int, int]) -> int:
    """Learned numbers of a graph; a layer that is used several times counts once."""
    if id(graph) not in known:
        owned = {node.key: node for node in graph.nodes if node.key is not None and node.owner == 0}
        known[id(graph)] = sum(_node_weights(graph, node, known) for node in owned.values())
    return known[id(graph)]


def _node_weights(graph: Graph, node: Node, known: dict[int, int]) -> int:
    match node.op:
        case Recur():
            return weights_of(node.op.graph, known) * node.op.cells
        case Use():
            return weights_of(node.op.graph, known)
        case Repeat():
            counts = [1 if node.op.tied else level.count.number or 0 for level in node.op.levels]
            return sum(count * weights_of(level.graph, known) for count, level in zip(counts, node.op.levels, strict=True))
        case Parameter():
            return elements(node.type).constant or 0
        case Layer() if node.op.owns:
            types = [o if isinstance(o, Size | Real | bool) else graph.type_of(o) for o in node.inputs]
            return sum(_elements(weight.shape) for weight in node.op.weights(*types).values() if weight.learned)
    return 0


def tensors_of(nodes: Sequence[Node], above: str = "") -> dict[str, tuple[Dim, ...]]:
    """The shapes of all that nodes own, by where it is: `dense1.weight`, `stack1.0.dense1.weight` for a first run of levels."""
    found: dict[str, tuple[Dim, ...]] = {}
    for node in nodes:
        if node.key is None or node.owner:
            continue
        match node.op:
            case Recur(both=True):
                for way in ("forward", "backward"):
                    found |= tensors_of(node.op.graph.nodes, f"{above}{node.key}.{way}.")
            case Use():
                found |= tensors_of(node.op.graph.nodes, f"{above}{node.key}.")
            case Repeat():
                for run, level in enumerate(node.op.levels):
                    found |= tensors_of(level.graph.nodes, f"{above}{node.key}.{run}.")
            case Parameter():
                found[above + node.key] = tuple(size.value for size in node.type.shape)
            case Layer() if node.op.owns:
                types = [o if isinstance(o, Size | Real | bool) else nodes[o.node].outputs[o.output].type for o in node.inputs]
                for name, weight in node.op.weights(*types).items():
                    found[f"{above}{node.key}.{name}"] = tuple(size.value for size in weight.shape)
    return found


def _elements(shape: tuple[Size, ...]) -> int:
    total = Dim.of(1)
    for size in shape:
        total = total * size.value
    return total.constant or 0

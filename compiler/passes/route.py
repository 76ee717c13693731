"""Experts under a gate that leaves most of them out are computed only where their weight is not zero.

Comes in: any graph. Goes out: where a `weighted_sum` of `parallel` copies is weighted by the choice of a `top_k` or `argmax`, one step that
gives each copy the rows which chose it. The result and all gradients stay what they were: a weight of zero here is the work of a choice,
through which no gradient flows, and the copies treat each row by itself.

Found is what the graph says, in whatever words: `one_hot(place, n) * softmax(value)[..., none]` summed over the choices, a softmax over
`where(score >= least, score, -inf)`, `where(chosen, weight, 0)`, any of them times or divided by something.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

from ..graph import Graph, Input, Node, Operand, Parameter, Ref, Repeat, TensorType, Use
from ..layers._elementwise import Elementwise
from ..layers.base import Layer
from ..shapes import Size
from ..values import AxisName, Real
from .base import Pass, without

CHOICES = frozenset({"top_k", "argmax", "argmin"})
COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "and", "or", "not"})
BY_PLACE = frozenset({"+", "-", "*", "/", "**", "maximum", "minimum", "where"})
BY_ROW = frozenset({"dense", "layer_norm", "rms_norm", "dropout"})
REASON = "each copy runs only on the rows where its weight is not zero"


class Route(Pass):
    name: ClassVar[str] = "route"

    def apply(self, graph: Graph) -> Graph:
        found = routes(graph)
        return _routed(graph, found) if found else graph


def routes(graph: Graph) -> dict[int, int]:
    """For each weighted sum over experts that a choice leaves out, the step that runs the experts."""
    if not any(isinstance(node.op, Repeat) and node.op.kind == "parallel" for node in graph.nodes):
        return {}
    readers = Counter(number for node in graph.nodes for number in {ref.node for ref in node.refs})
    readers.update({output.ref.node for output in graph.outputs})
    gates = _Gates(graph)
    found = {}
    for number, node in enumerate(graph.nodes):
        if _name(node) != "weighted_sum" or len(node.refs) != len(node.inputs):
            continue
        *items, weight = node.refs
        experts = items[0].node
        op = graph.nodes[experts].op
        alone = items == [Ref(experts, k) for k in range(len(graph.nodes[experts].outputs))] and readers[experts] == 1
        if isinstance(op, Repeat) and alone and _are_experts(op) and gates.leave_out(weight):
            found[number] = experts
    return found


def chosen(graph: Graph) -> dict[int, int]:
    """For each step that runs experts under a choice, how many of them run on a row, where that is known."""
    found = {}
    for number, experts in routes(graph).items():
        above = graph.ancestors({graph.nodes[number].refs[-1].node})
        ops = [graph.nodes[i].op for i in above if _name(graph.nodes[i]) in CHOICES]
        sizes: list[Size] = [getattr(op, "k", Size.of(1)) for op in ops]
        counts = [size.number for size in sizes if size.number is not None]
        if len(counts) == len(sizes) > 0:
            found[experts] = max(counts)
    return found


def _name(node: Node) -> str:
    return node.op.name if isinstance(node.op, Layer) and hasattr(node.op, "name") else ""


def _routed(graph: Graph, found: Mapping[int, int]) -> Graph:
    """The experts where their sum was, with the weights as their last input."""
    nodes = list(graph.nodes)
    for number, experts in found.items():
        node, old = nodes[number], nodes[experts]
        assert isinstance(old.op, Repeat)
        update = {"op": old.op.model_copy(update={"routed": True}), "inputs": (*old.inputs, node.refs[-1])}
        nodes[number] = old.model_copy(update={**update, "outputs": node.outputs, "span": node.span})
        nodes[experts] = old.model_copy(update={"inputs": ()})
    return without(graph.model_copy(update={"nodes": tuple(nodes)}), set(found.values()))


# Experts ----------------------------------------------------------------------------------------------------------------


def _are_experts(op: Repeat) -> bool:
    """Copies of one part that gets one tensor, gives one of its shape but for the last dim, and treats each row by itself."""
    if op.kind != "parallel" or len(op.levels) != 1 or op.tied or not op.single:
        return False
    if (op.carried, op.captured, op.walked, op.collects) != (1, 0, 0, 1):
        return False
    graph = op.levels[0].graph
    given, made = graph.inputs[0].type, graph.type_of(graph.outputs[0].ref)
    return given.rank == made.rank > 1 and _is_by_row(graph) and _is_called(graph)


def _is_called(graph: Graph) -> bool:
    """Is the one step of a level a module that is called?"""
    return any(isinstance(node.op, Use) or _name(node) == "dense" for node in graph.nodes)


def _is_by_row(graph: Graph) -> bool:
    """Does it treat each place of the dims before the last by itself?"""
    return not graph.assertions and all(_treats_rows(graph, node) for node in graph.nodes)


def _treats_rows(graph: Graph, node: Node) -> bool:
    match node.op:
        case Input():
            return node.owner == 0
        case Parameter():
            return node.type.rank <= 1
        case Use():
            return type(node.op) is Use and node.owner == 0 and _is_by_row(node.op.graph)
        case Repeat():
            return node.op.kind == "stack" and node.owner == 0 and all(_is_by_row(level.graph) for level in node.op.levels)
        case Elementwise():
            return True
        case Layer():
            return node.owner == 0 and _is_layer_by_row(graph, node)
    return False


def _is_layer_by_row(graph: Graph, node: Node) -> bool:
    name = _name(node)
    if name in BY_PLACE:
        return all(graph.type_of(ref).rank in (node.type.rank, 0, 1) for ref in node.refs)
    if name in ("layer_norm", "rms_norm"):
        over = getattr(node.op, "normalized_shape", None)
        return over is None or len(over) == 1
    return name in BY_ROW


# Gates ------------------------------------------------------------------------------------------------------------------


class _Gates:
    """Which weights a choice makes zero along their last dim, with no gradient through the zeros."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known: dict[Ref, bool] = {}

    def leave_out(self, ref: Ref) -> bool:
        """Is it zero where something was not chosen?"""
        if ref not in self.known:
            self.known[ref] = False  # nothing depends on itself
            self.known[ref] = self._leaves_out(ref)
        return self.known[ref]

    def _leaves_out(self, ref: Ref) -> bool:
        node = self.graph.nodes[ref.node]
        operands = node.inputs
        match _name(node):
            case "one_hot":
                return self._is_chosen(node.refs[0])
            case "*":
                return any(self._spans(operand, node.type) and self._out(operand) for operand in operands)
            case "/" | "dropout" | "stop_gradient" | "float":
                return self._spans(operands[0], node.type) and (self._out(operands[0]) or self._marks(operands[0]))
            case "sum":
                return len(node.refs) == 1 and self._keeps_last(node) and self.leave_out(node.refs[0])
            case "where":
                return self._marks(operands[0]) and self._spans(operands[0], node.type) and _is(operands[2], 0.0)
            case "softmax":
                return _is_last(getattr(node.op, "dim", None), node.type) and self._hides(node.refs[0])
        return False

    def _out(self, operand: Operand) -> bool:
        return isinstance(operand, Ref) and self.leave_out(operand)

    def _hides(self, ref: Ref) -> bool:
        """Is it minus infinity where something was not chosen?"""
        node = self.graph.nodes[ref.node]
        if _name(node) != "where" or not _is(node.inputs[2], float("-inf")):
            return False
        return self._marks(node.inputs[0]) and self._spans(node.inputs[0], node.type)

    def _marks(self, operand: Operand) -> bool:
        """Is it the truth of a comparison with what was chosen?"""
        if not isinstance(operand, Ref) or _name(self.graph.nodes[operand.node]) not in COMPARISONS:
            return False
        return any(self._is_chosen(ref) or self._marks(ref) for ref in self.graph.nodes[operand.node].refs)

    def _is_chosen(self, ref: Ref) -> bool:
        """Does it come from a choice?"""
        numbers = {ref.node, *self.graph.ancestors({ref.node})}
        return any(_name(self.graph.nodes[number]) in CHOICES for number in numbers)

    def _spans(self, operand: Operand, whole: TensorType) -> bool:
        """Has it an entry of its own for each place of the last dim?"""
        if not isinstance(operand, Ref):
            return False
        own = self.graph.type_of(operand)
        return own.rank > 0 and own.shape[-1].value == whole.shape[-1].value

    def _keeps_last(self, node: Node) -> bool:
        dims = getattr(node.op, "dim", None)
        given = self.graph.type_of(node.refs[0])
        listed = dims if isinstance(dims, tuple) else (dims,)
        return dims is not None and not any(_is_last(dim, given) for dim in listed)


def _is(operand: Operand, number: float) -> bool:
    if isinstance(operand, Size):
        return operand.number == number
    return isinstance(operand, Real) and operand.value == number


def _is_last(dim: object, given: TensorType) -> bool:
    """Does it name the last dim? A name that cannot be told counts as the last where that is asked of what is left."""
    if isinstance(dim, AxisName):
        return dim.name in (str(given.shape[-1].value), str(given.shape[-1].text))
    return isinstance(dim, Size) and dim.number in (-1, given.rank - 1)

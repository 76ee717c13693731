"""Which products of a cell's step need not wait for it: those of its inputs are taken for all steps at once.

Comes in: the graph of a step. Goes out: its affine maps of inputs and states, and the graph of what is left, the gates. An affine map of an
input and a state, `dense(width)(x, h)`, is the sum of two products; the first does not depend on the step before, and those of all steps
and gates are one matrix product. Those of the states are one product a step. (Appleyard et al., 2016, "Optimizing Performance of Recurrent
Neural Networks on GPUs".)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..graph import Axis, Edge, Graph, Input, Next, Node, Output, Penalty, Ref, State
from ..layers.linear import Dense
from ..shapes import Size


@dataclass(frozen=True)
class Product:
    """An affine map of an input, of a state, or of both, in this order: each the place of a node in the graph of the step."""

    key: str
    source: int | None
    state: int | None
    width: Size
    bias: bool


@dataclass(frozen=True)
class Hoisted:
    """The graph of the step in two: `products`, and the `gates` that read them first, then the inputs that are read beside them."""

    products: tuple[Product, ...]
    gates: Graph
    beside: tuple[int, ...]  # the stepped inputs that the gates read themselves
    states: tuple[int, ...]  # the states that they read


def hoisted(graph: Graph) -> Hoisted | None:
    """The step of a cell in two; none where nothing would be gained."""
    if any(isinstance(node.op, Next | Penalty) for node in graph.nodes):
        return None
    stepped = [number for number, node in enumerate(graph.nodes) if isinstance(node.op, Input)][: graph.stepped]
    uses = Counter((node.key, node.owner) for node in graph.nodes)
    products: dict[int, Product] = {}
    for number, node in enumerate(graph.nodes):
        if isinstance(node.op, Dense) and uses[node.key, node.owner] == 1 and not node.owner:
            product = _product(graph, node, stepped)
            if product is not None:
                products[number] = product
    sources = {product.source for product in products.values()} - {None}
    if not sources or any(len(_biased(products, source)) > 1 for source in sources):
        return None
    return Hoisted(tuple(products.values()), *_gates(graph, products, stepped))


def _biased(products: dict[int, Product], source: int | None) -> set[bool]:
    return {product.bias for product in products.values() if product.source == source}


def _product(graph: Graph, node: Node, stepped: list[int]) -> Product | None:
    """The product that a node is, if it reads nothing but an input of the step and a state as it was before."""
    assert isinstance(node.op, Dense)
    assert node.key is not None
    if len(node.refs) != len(node.inputs) or any(graph.type_of(ref).rank != 2 for ref in node.refs):
        return None
    read = [ref.node for ref in node.refs]
    source = read.pop(0) if read[0] in stepped else None
    state = read.pop(0) if read and isinstance(graph.nodes[read[0]].op, State) else None
    return None if read else Product(node.key, source, state, node.type.shape[-1], node.op.bias)


def _gates(graph: Graph, products: dict[int, Product], stepped: list[int]) -> tuple[Graph, tuple[int, ...], tuple[int, ...]]:
    """What is left of the step, and the inputs and the states that it reads beside the products."""
    live = _live(graph, products)
    left = [n for n, node in enumerate(graph.nodes) if n not in products and (n in live or isinstance(node.op, Input))]
    read = {ref.node for n in left if not isinstance(graph.nodes[n].op, Input) for ref in graph.nodes[n].refs}
    read |= {output.ref.node for output in graph.outputs}
    beside = tuple(number for number in stepped if number in read)
    inputs = [number for number, node in enumerate(graph.nodes) if isinstance(node.op, Input)]
    states = tuple(number for number in inputs if isinstance(graph.nodes[number].op, State) and number in read)
    constants = [n for n in inputs if n not in stepped and not isinstance(graph.nodes[n].op, State)]
    order = [*products, *beside, *constants, *states, *(n for n in left if n not in inputs)]
    place = {old: new for new, old in enumerate(order)}
    names = _names(graph, products)
    nodes = []
    for number in order:
        node = graph.nodes[number]
        if number in products:
            edge = Edge(type=node.type, name=names[number])
            node = Node(op=Input(name=names[number]), outputs=(edge,), span=node.span)
        elif isinstance(node.op, State):
            node = node.model_copy(update={"inputs": ()})  # what it starts from is no part of a step
        else:
            moved = (Ref(place[x.node], x.output) if isinstance(x, Ref) else x for x in node.inputs)
            node = node.model_copy(update={"inputs": tuple(moved)})
        nodes.append(node)
    outputs = tuple(Output(name=o.name, ref=Ref(place[o.ref.node], o.ref.output)) for o in graph.outputs)
    dims = {}
    for name, axis in graph.dims.items():
        number = inputs[axis.input]
        if number in place:
            dims[name] = Axis(place[number], axis.axis)
        elif axis.axis == 0:
            dims[name] = Axis(0, 0)  # the batch, which the products have too
    made = graph.model_copy(
        update={"nodes": tuple(nodes), "outputs": outputs, "dims": dims, "stepped": len(products) + len(beside)}
    )
    return made, beside, states


def _live(graph: Graph, products: dict[int, Product]) -> set[int]:
    """The nodes that the outputs of the step are computed from, the products without what they read."""
    pending, live = [output.ref.node for output in graph.outputs], set[int]()
    while pending:
        number = pending.pop()
        if number not in live:
            live.add(number)
            node = graph.nodes[number]
            if number not in products and not isinstance(node.op, Input):
                pending += [ref.node for ref in node.refs]
    return live


def _names(graph: Graph, products: dict[int, Product]) -> dict[int, str]:
    """A product is called as itself, or as the first value with a name that it alone becomes."""
    readers: dict[int, list[int]] = {}
    for number, node in enumerate(graph.nodes):
        for ref in node.refs:
            readers.setdefault(ref.node, []).append(number)
    names: dict[int, str] = {}
    for number, product in products.items():
        at, name = number, graph.nodes[number].outputs[0].name
        while name is None and len(readers.get(at, ())) == 1:
            at = readers[at][0]
            name = graph.nodes[at].outputs[0].name
        names[number] = name if name is not None and name not in names.values() else product.key
    return names

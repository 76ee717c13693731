"""Next values of buffers in the generated source: at the end of a `forward`, in training only, without gradients.

Comes in: a root. Goes out: the same with, in every body, the steps that only next values need moved behind all others, so that they can be
written where the buffers are set. All other steps see the values from before.
"""

from __future__ import annotations

from ...graph import Graph, Next, Node, Output, Ref, Repeat, Use


def updates_last(root: Graph) -> Graph:
    """The root and all its parts with what is done for next values at the end."""
    return _everywhere(root, {})


def _everywhere(graph: Graph, done: dict[int, tuple[Graph, Graph]]) -> Graph:
    if id(graph) not in done:
        nodes = tuple(_inside(node, done) for node in graph.nodes)
        changed = any(new is not old for new, old in zip(nodes, graph.nodes, strict=True))
        made = graph.model_copy(update={"nodes": nodes}) if changed else graph
        done[id(graph)] = graph, _last(made)
    return done[id(graph)][1]


def _inside(node: Node, done: dict[int, tuple[Graph, Graph]]) -> Node:
    match node.op:
        case Use(graph=inner) as use:
            made = _everywhere(inner, done)
            return node if made is inner else node.model_copy(update={"op": use.model_copy(update={"graph": made})})
        case Repeat(levels=levels) as repeat:
            graphs = [_everywhere(level.graph, done) for level in levels]
            if all(made is level.graph for made, level in zip(graphs, levels, strict=True)):
                return node
            pairs = zip(levels, graphs, strict=True)
            rewritten = tuple(level.model_copy(update={"graph": made}) for level, made in pairs)
            return node.model_copy(update={"op": repeat.model_copy(update={"levels": rewritten})})
    return node


def late_steps(graph: Graph) -> set[int]:
    """The steps that nothing but next values needs, and those that set them."""
    read = {output.ref.node for output in graph.outputs}
    late: set[int] = set()
    wanted: set[int] = set()  # by late steps
    for number in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[number]
        is_late = isinstance(node.op, Next) or (number in wanted and number not in read and is_free(node))
        (wanted if is_late else read).update(ref.node for ref in node.refs)
        if is_late:
            late.add(number)
    return late


def _last(graph: Graph) -> Graph:
    """The body with its late steps last; only steps without weights move, so keys stay in the order of the text."""
    if not any(isinstance(node.op, Next) for node in graph.nodes):
        return graph
    late = late_steps(graph)
    kept = [n for n in range(len(graph.nodes)) if n not in late]
    steps = [n for n in range(len(graph.nodes)) if n in late and not isinstance(graph.nodes[n].op, Next)]
    nexts = [n for n in range(len(graph.nodes)) if isinstance(graph.nodes[n].op, Next)]
    order = [*kept, *steps, *nexts]
    place = {old: new for new, old in enumerate(order)}

    def moved(ref: Ref) -> Ref:
        return Ref(place[ref.node], ref.output)

    nodes = []
    for number in order:
        node = graph.nodes[number]
        inputs = tuple(moved(operand) if isinstance(operand, Ref) else operand for operand in node.inputs)
        nodes.append(node.model_copy(update={"inputs": inputs}))
    outputs = tuple(Output(name=output.name, ref=moved(output.ref)) for output in graph.outputs)
    return graph.model_copy(update={"nodes": tuple(nodes), "outputs": outputs})


def is_free(node: Node) -> bool:
    """May it be computed only where it is wanted: no weights, no draw, nothing kept, and no input?"""
    return node.key is None and bool(getattr(node.op, "pure", False)) and bool(node.inputs)

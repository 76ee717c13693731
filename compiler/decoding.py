"""The part of a model that goes from its draws to what it gives: the decoder of a variational autoencoder, with the prior in front.

Comes in: a typed root that draws. Goes out: a root with the same weights under the same keys, which draws from the priors; it takes how
many examples there are to be, and what else the decoder reads. The text says what a prior is where it says what a draw should not stray
from: for `z ~ q` it is the p of `kl(q, p)`; a draw from numbers alone, such as `z ~ normal(0, 1)[B, 8]`, has no other. What has no part in
that is gone: the encoder, penalties, what training leaves behind.
"""

from __future__ import annotations

from dataclasses import dataclass

from .graph import Axis, Edge, Game, Graph, Input, Node, Output, Ref, TensorType
from .layers.draws import Choice, Divergence, Draw
from .passes.base import redirected, redirected_outputs, without
from .shapes import Size

COUNT = "examples"


@dataclass(frozen=True)
class Decoder:
    """`graph` takes `[B]` numbers, which say no more than how many examples are wanted, and gives one output. `given` are the further
    inputs it has, which stand behind the first, as the model names them."""

    graph: Graph
    given: tuple[Input, ...]


def decoder(root: Graph) -> Decoder | None:
    """What a model makes of its priors: the first output that they decide alone, else the first that they do together with inputs.

    None where no output depends on a draw that has a prior; one that reads nothing but draws from numbers and inputs (noise upon an image)
    is no decoder either.
    """
    if isinstance(root, Game):
        return None  # its outputs are objectives
    priors = {n: p for n, node in enumerate(root.nodes) if (p := prior(root, node)) is not None}
    latent = {n for n in priors if root.nodes[n].op.given}  # type: ignore[attr-defined]
    batch = root.inputs[0].type.shape[0] if root.inputs and root.inputs[0].type.shape else None
    if batch is None or batch.number is not None:
        return None
    cut = evaluated(root, priors, latent)
    found: Decoder | None = None
    for output in cut.outputs:
        needed = {output.ref.node} | cut.ancestors({output.ref.node})
        inputs = [n for n in needed if isinstance(cut.nodes[n].op, Input)]
        type_ = cut.type_of(output.ref)
        if type_.dtype != "float" or type_.shape[:1] != (batch,) or needed.isdisjoint(latent if inputs else priors):
            continue
        if not inputs:
            return _alone(cut, output, needed, batch)
        found = found or _alone(cut, output, needed, batch)
    return found


def prior(root: Graph, node: Node) -> Draw | None:
    """What a draw comes from when nothing is known; none where the text does not say it, or by more than numbers."""
    if not isinstance(node.op, Draw) or not node.type.shape:
        return None
    if not node.op.given:
        return node.op.model_copy(update={"shape": node.type.shape})
    parameters = node.inputs[: len(node.op.given)]
    for other in root.nodes:
        op = other.op
        if not isinstance(op, Divergence) or op.other or other.inputs[: len(op.given)] != parameters:
            continue
        if op.left == node.op.distribution and op.given == node.op.given:
            return Draw(distribution=op.right, given=(), shape=node.type.shape)
    return None


def evaluated(root: Graph, priors: dict[int, Draw], latent: set[int]) -> Graph:
    """The model with draws from its priors, as it is in evaluation; where training alone reads a latent draw, as it is in training: a code
    that an evaluation takes the mean of is drawn here."""
    instead: dict[Ref, Ref] = {}
    nodes: list[Node] = []
    for number, old in enumerate(root.nodes):
        node = redirected(old, instead)
        if number in priors:
            node = node.model_copy(update={"op": priors[number], "inputs": ()})
        nodes.append(node)
        if isinstance(node.op, Choice):
            training, otherwise = reversed(node.inputs) if node.op.negated else node.inputs
            drawn = isinstance(training, Ref) and ({training.node} | root.ancestors({training.node})) & latent
            chosen = training if drawn else otherwise
            if isinstance(chosen, Ref):
                instead[Ref(number)] = chosen
    return root.model_copy(update={"nodes": tuple(nodes), "outputs": redirected_outputs(root, instead)})


def _alone(cut: Graph, output: Output, needed: set[int], batch: Size) -> Decoder:
    """What one output needs, behind an input that says how many examples there are."""
    kept = without(cut.model_copy(update={"outputs": (output,)}), set(range(len(cut.nodes))) - needed)
    name = COUNT
    while any(name == edge.name for node in kept.nodes for edge in node.outputs) or any(name == h.name for h in kept.hypers):
        name += "_"
    count = Node(op=Input(name=name), outputs=(Edge(type=TensorType("float", (batch,)), name=name),), span=cut.span)
    nodes = [count]
    for node in kept.nodes:
        inputs = tuple(Ref(x.node + 1, x.output) if isinstance(x, Ref) else x for x in node.inputs)
        if isinstance(node.op, Draw) and not node.op.given:
            inputs = (Ref(0),)  # where it is to lie
        nodes.append(node.model_copy(update={"inputs": inputs}))
    given = tuple(node.op for node in kept.inputs if isinstance(node.op, Input))
    dims = {n: Axis(axis.input + 1, axis.axis) for n, axis in kept.dims.items()} | {str(batch.text): Axis(0, 0)}
    outputs = (Output(name=output.name, ref=Ref(kept.outputs[0].ref.node + 1, kept.outputs[0].ref.output)),)
    update = {"nodes": tuple(nodes), "outputs": outputs, "dims": dims, "assertions": (), "averages": ()}
    return Decoder(kept.model_copy(update=update), given)

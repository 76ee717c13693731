"""Objectives of energies in a train program: `loss contrastive_divergence(k=1)` is applied to what the trained energy is given.

They are written without tensors, since they are of the energy as a whole. `hooks` is what the bodies of terms know of them.
"""

from typing import ClassVar

from ...dsl.span import Span
from ..elaborate.body import Body, Hook
from ..elaborate.building import build
from ..elaborate.values import POISON, LayerRecipe, Tensor, Value
from ..emit.code import Code, Show, call
from ..errors.energies import ChainsOfOthers, NeedsEnergy, NoFreeEnergy, ObjectiveOfUnits
from ..graph import Graph, Input, Machine, TensorType
from ..layers._divergence import APART, KNOWN, WITH
from ..layers.base import Checker, Family, Layer, Refusal
from ..layers.energies import ContrastiveDivergence, OfEnergy
from ..resolve import Unit

NAMES = ("contrastive_divergence", "ratio_matching", "score_matching", "pseudo_likelihood", "reconstruction_error")


class Objective(Layer):
    """An objective at work on what an energy is given.

    `visible` tells which of that are its visible units; `derived`, whether the energy's class has `statistics`; `crossed`, whether its
    hidden units meet; `two`, whether it is derived and all that there is is one block of visible units and one of hidden ones. With
    `slopes` those in the parameters come out too.
    """

    name: ClassVar[str] = "objective"
    family: ClassVar[Family] = "energy"
    tensors: ClassVar[int | None] = None
    pure: ClassVar[bool] = False

    of: OfEnergy
    visible: tuple[int, ...]
    derived: bool
    crossed: bool
    two: bool
    slopes: bool = False

    @property
    def title(self) -> str:
        return self.of.title

    @property
    def better(self) -> str | None:
        """Which way is good."""
        return self.of.better

    @property
    def has_slopes(self) -> bool:
        """Are its slopes known without autograd?"""
        return self.derived and isinstance(self.of, ContrastiveDivergence)

    def called(self) -> str:
        text = self.of.text(derived=self.derived, crossed=self.crossed, two=self.two)
        return APART.join([text, KNOWN, WITH]) if self.has_slopes and not self.slopes else text

    def infer(self, see: Checker, *inputs: TensorType) -> TensorType:
        return TensorType("float", ())

    def forward(self, show: Show, *inputs: Code) -> Code:
        at = f"({self.visible[0]},)" if len(self.visible) == 1 else str(self.visible)
        way, named = self.of.way(two=self.two), self.of.given(show)
        if not (self.two and self.has_slopes):
            named["visible"] = at
        called = [way] if self.slopes or not self.has_slopes else ["with_slopes", way]
        return call(*called, "model", *inputs, **named)


def hooks(root: Graph | None, names: Body, unit: Unit) -> dict[str, Hook]:
    """What the objectives mean where `root` is trained; `names` has what it is given in its scope."""

    def applied(body: Body, values: tuple[Value, ...], span: Span, recipe: LayerRecipe) -> Value:
        return _applied(root, names, unit, body, span, recipe)

    return dict.fromkeys(NAMES, applied)


def slopes_of(graph: Graph) -> Graph | None:
    """A loss that gives its slopes in the parameters too; none where they are left to autograd."""
    (output,) = graph.outputs
    op = graph.nodes[output.ref.node].op
    if not isinstance(op, Objective) or not op.has_slopes:
        return None
    nodes = list(graph.nodes)
    nodes[output.ref.node] = nodes[output.ref.node].model_copy(update={"op": op.model_copy(update={"slopes": True})})
    return graph.model_copy(update={"nodes": tuple(nodes)})


def is_objective(value: Value) -> bool:
    """Is it an objective of energies without its parentheses?"""
    return isinstance(value, LayerRecipe) and value.layer.family == "energy"


def _applied(root: Graph | None, names: Body, unit: Unit, body: Body, span: Span, recipe: LayerRecipe) -> Value:
    layer = build(body, recipe, {})
    assert isinstance(layer, OfEnergy)
    if root is None:
        return POISON
    if not isinstance(root, Machine):
        energies = tuple(name for name, declared in unit.names.items() if declared.node.kind == "energy")
        raise Refusal(NeedsEnergy(span, layer.name, root.name, energies))
    for block in root.visible:
        if block.kind not in layer.units:
            raise Refusal(ObjectiveOfUnits(span, layer.name, " or ".join(layer.units), block.name, block.kind))
    if root.crossing is not None and layer.summed:
        crossing = root.crossing
        raise Refusal(NoFreeEnergy(span, layer.name, root.name, crossing.one, crossing.other, crossing.term))
    given = [node.op.name for node in root.inputs if isinstance(node.op, Input)]
    further = [name for name in given if all(name != block.name for block in root.visible)]
    if further and getattr(layer, "persistent", False):
        raise Refusal(ChainsOfOthers(span, root.name, further[0]))
    tensors = [names.scope.get(name) for name in given]
    if not all(isinstance(tensor, Tensor) for tensor in tensors):
        return POISON
    places = tuple(at for at, name in enumerate(given) if name not in further)
    operands = tuple(body.local(tensor).ref for tensor in tensors if isinstance(tensor, Tensor))
    derived, crossed = root.statistics is not None, root.crossing is not None
    two = derived and not crossed and len(given) == len(root.visible) == len(root.hidden) == 1
    objective = Objective(of=layer, visible=places, derived=derived, crossed=crossed, two=two)
    made = body.add(objective, operands, (TensorType("float", ()),), span)
    return body.tensor(made)

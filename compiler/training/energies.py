"""Objectives of energies in a train program: `loss contrastive_divergence(k=1)` is applied to what the trained energy is given.

They are written without tensors, since they are of the energy as a whole. `hooks` is what the bodies of terms know of them.
"""

from __future__ import annotations

from ...dsl.span import Span
from ..elaborate.body import Body, Hook
from ..elaborate.building import build
from ..elaborate.values import POISON, LayerRecipe, Tensor, Value
from ..errors.energies import ChainsOfOthers, NeedsEnergy, ObjectiveOfUnits
from ..graph import Graph, Input, Machine, TensorType
from ..layers.base import Refusal
from ..resolve import Unit

NAMES = ("contrastive_divergence", "ratio_matching", "score_matching", "pseudo_likelihood", "reconstruction_error")


def hooks(root: Graph | None, names: Body, unit: Unit) -> dict[str, Hook]:
    """What the objectives mean where `root` is trained; `names` has what it is given in its scope."""

    def applied(body: Body, values: tuple[Value, ...], span: Span, recipe: LayerRecipe) -> Value:
        return _applied(root, names, unit, body, span, recipe)

    return dict.fromkeys(NAMES, applied)


def is_objective(value: Value) -> bool:
    """Is it an objective of energies without its parentheses?"""
    return isinstance(value, LayerRecipe) and value.layer.family == "energy"


def _applied(root: Graph | None, names: Body, unit: Unit, body: Body, span: Span, recipe: LayerRecipe) -> Value:
    layer = build(body, recipe, {})
    if root is None:
        return POISON
    if not isinstance(root, Machine):
        energies = tuple(name for name, declared in unit.names.items() if declared.node.kind == "energy")
        raise Refusal(NeedsEnergy(span, layer.name, root.name, energies))
    for block in root.visible:
        if block.kind not in layer.units:  # type: ignore[attr-defined]
            raise Refusal(ObjectiveOfUnits(span, layer.name, " or ".join(layer.units), block.name, block.kind))  # type: ignore[attr-defined]
    given = [node.op.name for node in root.inputs if isinstance(node.op, Input)]
    further = [name for name in given if all(name != block.name for block in root.visible)]
    if further and getattr(layer, "persistent", False):
        raise Refusal(ChainsOfOthers(span, root.name, further[0]))
    tensors = [names.scope.get(name) for name in given]
    if not all(isinstance(tensor, Tensor) for tensor in tensors):
        return POISON
    places = tuple(at for at, name in enumerate(given) if name not in further)
    operands = tuple(body.local(tensor).ref for tensor in tensors if isinstance(tensor, Tensor))
    made = body.add(layer.model_copy(update={"visible": places}), operands, (TensorType("float", ()),), span)
    return body.tensor(made)

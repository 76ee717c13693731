"""The slope of an energy in a block of its units. Every step that cannot be seen through is a fault at its place."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors.energies import TermBends
from ..graph import Ref
from ..layers.base import Refusal
from .affine import through_conv, through_dense
from .build import Builder
from .slope import RULES, Rule, Slope
from .units import Block


class SlopeInUnits(Slope):
    """Differentiates in a block of units; what it cannot see through stands in the way of their conditional."""

    def __init__(self, build: Builder, energy: Ref, block: Block) -> None:
        super().__init__(build, energy, block.tensor)
        self.block = block

    def bends(self, number: int, term: str) -> Exception:
        return Refusal(TermBends(self.body.nodes[number].span, self.block.name, self.block.kind, term, self.block.span))

    @property
    def rules(self) -> Mapping[str, Rule]:
        return OF_UNITS


OF_UNITS: dict[str, Rule] = RULES | {"conv": through_conv, "dense": through_dense}

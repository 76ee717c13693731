"""Which values are written inside the expression that reads them, and which get a line and a name.

Comes in: the wiring of a body and how each step is written. Goes out: the steps that stand inside their only reader. Every value
is computed once; what draws or keeps something runs in the order of the spec; an expression stays short enough to read.
"""

from __future__ import annotations

import re
from typing import Protocol

from ...graph import Node, Ref, Use
from ..code import ATOM, Code
from .wiring import RETURN, Wiring, is_atom, stands_alone

DEEPEST, WIDEST, STAGE = 5, 92, 3


class Expresser(Protocol):
    """Writes one step over given operands."""

    def __call__(self, node: int, operands: tuple[Code, ...]) -> Code: ...


def _is_named(node: Node) -> bool:
    """Does the spec name the value? A name given to a layer by `as` is that of its submodule, which the text shows anyway."""
    return any(edge.name is not None and edge.name != node.key for edge in node.outputs)


class Fusion:
    """`inside` holds the steps that stand inside their only reader."""

    def __init__(self, wiring: Wiring, express: Expresser) -> None:
        self.wiring, self.express = wiring, express
        self.order: dict[int, tuple[int, ...]] = {}
        self.inside = {i for i in wiring.steps() if self._may(i)}
        self._keep_order()
        for i in [*wiring.steps()]:
            if i not in self.inside:
                self._break(i)
        for ref in wiring.returned:
            if ref.node in self.inside:
                self._break(ref.node)

    # What may stand inside --------------------------------------------------------------------------------------------

    def _may(self, i: int) -> bool:
        node, reader = self.wiring.nodes[i], self.wiring.only_reader(i)
        if reader is None or stands_alone(node) or _is_named(node):
            return False
        user, place = reader
        if user == RETURN:
            return True
        if stands_alone(self.wiring.nodes[user]):
            return False
        return self.places(user).count(place) == 1

    def places(self, i: int) -> tuple[int, ...]:
        """The operands of a step in the order, and as often, as its text evaluates them."""
        if i not in self.order:
            count = len(self.wiring.operands[i])
            text = self.express(i, tuple(Code(f"_{place}_") for place in range(count))).text
            self.order[i] = tuple(int(found) for found in re.findall(r"(?<!\w)_(\d+)_(?!\w)", text))
        return self.order[i]

    # Order ------------------------------------------------------------------------------------------------------------

    def _keep_order(self) -> None:
        """What is not pure runs in the order of the spec: a step that would run too late gets a line of its own."""
        while (late := self._late()) is not None:
            self.inside.discard(late)

    def _late(self) -> int | None:
        latest = -1
        for i in self._evaluated():
            if self.wiring.purity.node(self.wiring.nodes[i]):
                continue
            if i < latest:
                return i
            latest = i
        return None

    def _evaluated(self) -> list[int]:
        """The steps in the order in which the text computes them."""
        steps: list[int] = []
        for i in self.wiring.steps():
            if i not in self.inside:
                self._visit(i, steps)
        for ref in self.wiring.returned:
            if ref.node in self.inside:
                self._visit(ref.node, steps)
        return steps

    def _visit(self, i: int, steps: list[int]) -> None:
        pending: list[tuple[int, bool]] = [(i, False)]
        while pending:
            node, ready = pending.pop()
            if ready:
                steps.append(node)
                continue
            pending.append((node, True))
            pending.extend((below, False) for below in reversed(self.below(node)))

    def below(self, i: int) -> list[int]:
        """The steps that stand directly inside step `i`."""
        if stands_alone(self.wiring.nodes[i]):
            return []
        operands = self.wiring.operands[i]
        places = dict.fromkeys(place for place in self.places(i) if place < len(operands))
        refs = [operands[place] for place in places]
        return [ref.node for ref in refs if isinstance(ref, Ref) and ref.node in self.inside]

    # Length -----------------------------------------------------------------------------------------------------------

    def _break(self, root: int) -> None:
        """Give lines to steps inside `root` until what is left is short, at the layers where a person would."""
        steps: list[int] = []
        self._visit(root, steps)
        if len(steps) <= 4 * DEEPEST:
            whole = _Sizes(self)
            for i in steps:
                whole.measure(i)
            if whole.depths[root] <= DEEPEST and whole.widths[root] <= WIDEST:
                return
        sizes = _Sizes(self)
        for i in steps:
            for below in self.below(i):
                if sizes.depths[below] >= STAGE and self._begins(i):
                    self.inside.discard(below)
            sizes.measure(i)
            while (inside := self.below(i)) and (sizes.depths[i] > DEEPEST or sizes.widths[i] > WIDEST):
                self.inside.discard(max(inside, key=lambda n: (sizes.depths[n], sizes.widths[n])))
                sizes.measure(i)

    def _begins(self, i: int) -> bool:
        """Does a new stage begin here: a layer that mixes, or a part?"""
        op = self.wiring.nodes[i].op
        return isinstance(op, Use) or (bool(getattr(op, "owns", False)) and getattr(op, "family", "") != "normalisation")


class _Sizes:
    """How deep calls nest in the expression of each step, and how wide it is."""

    def __init__(self, fusion: Fusion) -> None:
        self.fusion = fusion
        self.depths: dict[int, int] = {}
        self.widths: dict[int, int] = {}
        self.codes: dict[int, Code] = {}

    def measure(self, i: int) -> None:
        """Step `i`, after those inside it."""
        wiring = self.fusion.wiring
        if stands_alone(wiring.nodes[i]):
            self.depths[i], self.widths[i] = 0, 0
            return
        code = self.fusion.express(i, tuple(self._operand(operand) for operand in wiring.operands[i]))
        below = max((self.depths[n] for n in self.fusion.below(i)), default=0)
        self.codes[i], self.widths[i] = code, len(code.text)
        self.depths[i] = below + (1 if code.level == ATOM else 0)

    def _operand(self, operand: object) -> Code:
        if not isinstance(operand, Ref):
            return Code("0.5")
        if operand.node in self.fusion.inside and operand.node in self.codes:
            return self.codes[operand.node]
        node = self.fusion.wiring.nodes[operand.node]
        return Code("self.weight" if is_atom(node) and node.key else node.outputs[operand.output].name or "x")

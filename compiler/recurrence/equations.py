"""The step of a cell as equations of numbers: what one lane (one unit of one example) computes from what is ready before it.

Everything that reads the inputs alone is left outside, to be computed for all steps at once; everything that reads a state through a
dense map is one recurrent product. What remains is elementwise, and is a list of `Term`s in order of computation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite

from ..graph import Graph, Input, Operand, Parameter, Ref, State
from ..layers.base import Layer
from ..layers.functions import Clip
from ..layers.linear import Dense
from ..shapes import Size
from ..values import Real
from .lanes import RULES, lane
from .terms import Equations, Given, Slice, Term, Vector


class Unfit(Exception):
    """Why a cell has no kernel, as the end of the sentence "it runs step by step: …"."""


def equations_of(graph: Graph) -> Equations:
    """The equations of a cell whose step is elementwise but for dense maps of its inputs and its states; raises `Unfit`."""
    return _Reading(graph).read()


@dataclass
class _Reading:
    graph: Graph
    terms: list[Term] = field(default_factory=list)
    seen: dict[Term, int] = field(default_factory=dict)
    at: dict[int, int] = field(default_factory=dict)  # node of the graph -> its term
    given: list[Given] = field(default_factory=list)
    recurrent: list[Slice] = field(default_factory=list)
    vectors: list[Vector] = field(default_factory=list)

    def read(self) -> Equations:
        graph = self.graph
        inputs = [i for i, node in enumerate(graph.nodes) if isinstance(node.op, Input) and not isinstance(node.op, State)]
        states = [i for i, node in enumerate(graph.nodes) if isinstance(node.op, State)]
        self.inputs, self.states = {n: k for k, n in enumerate(inputs)}, {n: k for k, n in enumerate(states)}
        if len(inputs) != graph.stepped:
            raise Unfit("it reads tensors that are the same at every step")
        if graph.assertions:
            raise Unfit("it checks an assert at every step")
        self.width = self._width(states)
        needed = {output.ref.node for output in graph.outputs}
        needed |= graph.ancestors(needed)
        starts = {ref.node for n in states for ref in graph.nodes[n].refs}
        starts |= graph.ancestors(starts)
        for number, node in enumerate(graph.nodes):
            if number in needed and (number not in starts or isinstance(node.op, Input)):
                self.at[number] = self._node(number)
            elif number not in needed and not node.is_free and not isinstance(node.op, Dense | Parameter):
                raise Unfit(f"its {node.op.title} does more than compute a value")
        ends = [self._leaf(output.ref) for output in graph.outputs]
        return Equations(
            self.width,
            len(states),
            tuple(self.terms),
            tuple(self.given),
            tuple(self.recurrent),
            tuple(self.vectors),
            tuple(ends[len(ends) - len(states) :]),
            tuple(ends[: len(ends) - len(states)]),
        )

    def _width(self, states: list[int]) -> int:
        shapes = {tuple(size.number for size in self.graph.nodes[n].type.shape[1:]) for n in states}
        dtypes = {self.graph.nodes[n].type.dtype for n in states}
        shape = shapes.pop() if len(shapes) == 1 else ()
        if len(shape) != 1 or shape[0] is None or dtypes != {"float"}:
            raise Unfit("its states are not float vectors of one width")
        return shape[0]

    def _node(self, number: int) -> int:
        node = self.graph.nodes[number]
        if node.owner:
            raise Unfit(f"its {node.op.title} has weights from outside the cell")
        match node.op:
            case State():
                return self.term("state", index=self.states[number])
            case Input():
                return -1  # a term only where it is read as it is
            case Parameter():
                if [size.number for size in node.type.shape] != [self.width] or node.key is None:
                    raise Unfit(f"its {node.op.name} is no vector of the width of its states")
                return self._vector(Vector(node.key))
            case Dense():
                return self._dense(number, node.op)
            case Clip():
                return self._clip(number, node.op)
            case Layer() if node.op.name in RULES:
                found = lane(self, node.op, [self._operand(operand) for operand in node.inputs])
                if found is not None:
                    return found
        raise Unfit(f"its {node.op.title} has no kernel")

    def _dense(self, number: int, op: Dense) -> int:
        node = self.graph.nodes[number]
        if op.out_features.number != self.width or node.type.rank != 2 or node.key is None:
            raise Unfit("a dense map is not as wide as its states")
        parts: list[Slice] = []
        term, place = -1, 0
        recurrent: list[Slice] = []
        for ref in node.refs:
            size = self.graph.type_of(ref).shape[-1].number or 0
            if ref.node in self.inputs:
                parts.append(Slice(node.key, self.inputs[ref.node], place, place + size))
            elif ref.node in self.states:
                recurrent.append(Slice(node.key, self.states[ref.node], place, place + size))
            else:
                raise Unfit("a dense map reads what the step has computed")
            place += size
        if parts:
            self.given.append(Given(node.key, tuple(parts), op.bias))
            term = self.term("given", index=len(self.given) - 1)
        elif op.bias:
            term = self._vector(Vector(node.key, bias=True))
        for piece in recurrent:
            self.recurrent.append(piece)
            product = self.term("recurrent", index=len(self.recurrent) - 1)
            term = product if term < 0 else self.term("+", term, product)
        return term

    def _clip(self, number: int, op: Clip) -> int:
        x = self._operand(self.graph.nodes[number].inputs[0])
        for bound, name in ((op.min, "maximum"), (op.max, "minimum")):
            if bound is not None:
                x = self.term(name, x, self._operand(bound))
        return x

    def _operand(self, operand: Operand) -> int:
        match operand:
            case Ref():
                return self._leaf(operand)
            case Real() if isfinite(operand.value):
                return self.term("number", value=float(operand.value))
            case Size() if operand.number is not None:
                return self.term("number", value=float(operand.number))
        raise Unfit("it computes with a number that is not finite, or known only when it runs")

    def _leaf(self, ref: Ref) -> int:
        if ref.node in self.inputs:
            type_ = self.graph.type_of(ref)
            if type_.dtype != "float" or [size.number for size in type_.shape[1:]] != [self.width]:
                raise Unfit("it uses an input of another width than its states number by number")
            given = Given(None, source=self.inputs[ref.node])
            if given not in self.given:
                self.given.append(given)
            return self.term("given", index=self.given.index(given))
        if ref.node not in self.at or ref.output:
            raise Unfit("it reads what its states start from")
        return self.at[ref.node]

    def _vector(self, vector: Vector) -> int:
        if vector not in self.vectors:
            self.vectors.append(vector)
        return self.term("vector", index=self.vectors.index(vector))

    def term(self, op: str, *terms: int, index: int = 0, value: float = 0.0) -> int:
        term = Term(op, terms, index, value)
        if term not in self.seen:
            self.seen[term] = len(self.terms)
            self.terms.append(term)
        return self.seen[term]

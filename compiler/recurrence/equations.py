"""The step of a cell as equations of numbers: what one lane (one unit of one example) computes from what is ready before it.

Dense maps of the inputs are left outside, to be computed for all steps at once; a dense map of a state, or of what the step has computed,
is a product of its rows; a norm or a softmax becomes sums over rows. What remains is elementwise. All is a list of `Term`s in order of
computation.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import isfinite
from typing import NamedTuple

from ..graph import Assertion, Graph, Input, Node, Operand, Parameter, Ref, State
from ..layers.base import LAST, ONE, Layer
from ..layers.dropout import Dropout
from ..layers.functions import Clip
from ..layers.joining import Chunk, Concat, Split
from ..layers.linear import Dense
from ..layers.normalisation import OverLast
from ..layers.reductions import Reduction
from ..layers.softmax import Along
from ..shapes import Dim, Size
from ..values import Real, Text, Truth, number_of, substitute
from . import rows
from .lanes import RULES, lane
from .terms import REDUCTIONS, ROW, Equations, Given, Slice, Term, Vector

CONSTANTS = ("number", "count", "epsilon")


class Unfit(Exception):
    """Why a cell has no kernel, as the end of the sentence "it runs step by step: …"."""


def equations_of(graph: Graph) -> Equations:
    """The equations of a cell whose states are rows, and whose step is made of dense maps, sums over rows and functions of single units;
    raises `Unfit`."""
    return _Reading(graph).read()


class _Cut(NamedTuple):
    """So many results of a dense map, from `first` on."""

    first: int
    size: int


@dataclass
class _Reading:
    graph: Graph
    terms: list[Term] = field(default_factory=list)
    seen: dict[Term, int] = field(default_factory=dict)
    at: dict[Ref, int] = field(default_factory=dict)  # tensor of the graph -> its term
    given: list[Given] = field(default_factory=list)
    recurrent: list[Slice] = field(default_factory=list)
    vectors: list[Vector] = field(default_factory=list)
    computed: list[int] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)

    def read(self) -> Equations:
        graph = self.graph
        inputs = [i for i, node in enumerate(graph.nodes) if isinstance(node.op, Input) and not isinstance(node.op, State)]
        states = [i for i, node in enumerate(graph.nodes) if isinstance(node.op, State)]
        self.inputs, self.states = {n: k for k, n in enumerate(inputs)}, {n: k for k, n in enumerate(states)}
        if not all(_holds(graph, assertion) for assertion in graph.assertions):
            raise Unfit("it checks an assert when it runs")
        held = tuple(self._width_of_state(graph.nodes[n]) for n in states)
        needed = {output.ref.node for output in graph.outputs}
        needed |= graph.ancestors(needed)
        starts = {ref.node for n in states for ref in graph.nodes[n].refs}
        starts |= graph.ancestors(starts)
        self.cut = self._cut_only()
        rows = [
            node for node in graph.nodes if node.type.rank == 2 and (isinstance(node.op, State) or not isinstance(node.op, Input))
        ]
        self.several = len({node.type.shape[1].number for node in rows}) > 1
        for number, node in enumerate(graph.nodes):
            if number in needed and number not in starts and not isinstance(node.op, Input | Concat) and number not in self.cut:
                self._node(number)
            elif number not in needed and not node.is_free and not isinstance(node.op, Dense | Parameter):
                raise Unfit(f"its {node.op.title} does more than compute a value")
        ends = [self._end(output.ref) for output in graph.outputs]
        return self._made(held, tuple(ends[len(ends) - len(states) :]), tuple(ends[: len(ends) - len(states)]))

    def _made(self, held: tuple[int, ...], after: tuple[int, ...], results: tuple[int, ...]) -> Equations:
        return Equations(
            self.widths[0],
            len(held),
            tuple(self.terms),
            tuple(self.given),
            tuple(self.recurrent),
            tuple(self.vectors),
            after,
            results,
            further=tuple(self.widths[1:]),
            held=held,
            computed=tuple(self.computed),
            constants=len(self.inputs) - self.graph.stepped,
        )

    def _cut_only(self) -> set[int]:
        """The dense maps of which only parts are read, by chunk or split."""
        readers: dict[int, list[Node]] = {}
        for node in self.graph.nodes:
            for ref in node.refs:
                readers.setdefault(ref.node, []).append(node)
        out = {output.ref.node for output in self.graph.outputs}
        return {
            number
            for number, node in enumerate(self.graph.nodes)
            if isinstance(node.op, Dense)
            and number not in out
            and readers.get(number)
            and all(isinstance(reader.op, Chunk | Split) and _is_last(reader.op.dim, 2) for reader in readers[number])
        }

    # Widths -------------------------------------------------------------------------------------------------------------

    def _width_of_state(self, node: Node) -> int:
        if node.type.rank != 2 or node.type.dtype != "float":
            raise Unfit(f"a state is no row of floats: {node.type}")
        return self._width(node.type.shape[1])

    def _width(self, size: Size) -> int:
        """Which of the widths it is."""
        if size.number is None:
            raise Unfit("a width is known only when it runs")
        if size.number not in self.widths:
            self.widths.append(size.number)
        return self.widths.index(size.number)

    def _end(self, ref: Ref) -> int:
        """The term of an output, whose row is written."""
        type_ = self.graph.type_of(ref)
        if type_.rank != 2 or type_.dtype != "float":
            raise Unfit(f"an output is no row of floats: {type_}")
        width, term = self._width(type_.shape[1]), self._leaf(ref)
        if self.terms[term].width not in (width, ROW) or (self.terms[term].width == ROW and self.widths[width] != 1):
            raise Unfit("an output is wider than what it is computed from")
        return term

    # Nodes --------------------------------------------------------------------------------------------------------------

    def _node(self, number: int) -> None:
        node = self.graph.nodes[number]
        if node.owner:
            raise Unfit(f"its {node.op.title} has weights from outside the cell")
        match node.op:
            case Parameter():
                self.at[Ref(number)] = self._parameter(node)
            case Dense():
                self.at[Ref(number)] = self._dense(node)
            case Chunk() | Split() if node.refs[0].node in self.cut:
                self._parts(number, node)
            case Dropout():
                self.at[Ref(number)] = self._dropout(node)
            case Clip():
                self.at[Ref(number)] = self._clip(number, node.op)
            case Layer():
                self.at[Ref(number)] = self._layer(node, node.op)
            case _:
                raise Unfit(f"its {node.op.title} has no kernel")

    def _layer(self, node: Node, op: Layer) -> int:
        found = None
        if self._reads_rows(node, op):
            x = self._row_operand(node)
            found = x if self.terms[x].width == ROW else rows.row(self, op, x, self.terms[x].width, self._owned(node, x))
        elif op.name in RULES and node.type.rank <= 2:
            found = lane(self, op, [self._operand(operand) for operand in node.inputs])
        if found is None:
            raise Unfit(f"its {op.title} has no kernel")
        return found

    def _reads_rows(self, node: Node, op: Layer) -> bool:
        """Is it a function of whole rows, which gives a row or, kept as a dim, one number?"""
        if len(node.inputs) != 1 or not node.refs or self.graph.type_of(node.refs[0]).rank != 2 or node.type.rank != 2:
            return False
        match op:
            case Along():
                return _is_last(op.dim, 2)
            case OverLast():
                return op.normalized_shape is None
            case Reduction():
                return node.type.shape[1].number == 1 and self.graph.type_of(node.refs[0]).dtype == "float"
        return False

    def _row_operand(self, node: Node) -> int:
        x = self._leaf(node.refs[0])
        size = self.graph.type_of(node.refs[0]).shape[1]
        if self.terms[x].width == ROW and size.number != 1:
            raise Unfit(f"its {node.op.title} reads one number as a row")
        if self.terms[x].width == ROW and not isinstance(node.op, Reduction):
            raise Unfit(f"its {node.op.title} is of one number")
        return x

    def _owned(self, node: Node, x: int) -> rows.Learned:
        """The weights of a norm, as terms."""
        width, key = self.terms[x].width, node.key or ""

        def learned(name: str) -> int:
            return self._vector(Vector(key, name == "bias", width, "" if name == "bias" else name))

        return learned

    def _parameter(self, node: Node) -> int:
        sizes = [size.number for size in node.type.shape]
        if len(sizes) > 1 or None in sizes or node.key is None or node.type.dtype != "float":
            raise Unfit(f"its {getattr(node.op, 'name', 'parameter')} is no vector")
        one = sizes in ([], [1])
        return self._vector(Vector(node.key, width=ROW if one else self._width(node.type.shape[0]), one=one))

    def _dropout(self, node: Node) -> int:
        x = self._operand(node.inputs[0])
        if node.op.idle if isinstance(node.op, Dropout) else False:
            return x
        if node.key is None or self.terms[x].width == ROW:
            raise Unfit("its dropout is of one number")
        self.given.append(Given(node.key, width=self.terms[x].width, noise=True))
        return self.term("*", x, self._leaf_term("given", len(self.given) - 1, self.terms[x].width))

    def _parts(self, number: int, node: Node) -> None:
        dense, first = self.graph.nodes[node.refs[0].node], 0
        for output, edge in enumerate(node.outputs):
            size = edge.type.shape[-1].number
            if size is None:
                raise Unfit("a width is known only when it runs")
            self.at[Ref(number, output)] = self._dense(dense, _Cut(first, size))
            first += size

    def _dense(self, node: Node, cut: _Cut | None = None) -> int:
        """The map, or so many of its results."""
        op = node.op
        if not isinstance(op, Dense) or node.type.rank != 2 or node.key is None or node.owner:
            raise Unfit("a dense map is of no row, or has weights from outside the cell")
        width, first = self._width(Size.of(cut.size) if cut else op.out_features), cut.first if cut else 0
        parts: list[Slice] = []
        steps: list[Slice] = []
        place = 0
        for ref in self._flat(node.refs):
            size = self.graph.type_of(ref).shape[-1].number or 0
            if ref.node in self.inputs:
                parts.append(Slice(node.key, self.inputs[ref.node], place, place + size, width, first))
            else:
                steps.append(Slice(node.key, self._source(ref), place, place + size, width, first))
            place += size
        term = -1
        if parts:
            self.given.append(Given(node.key, tuple(parts), op.bias, width=width, first=first))
            term = self._leaf_term("given", len(self.given) - 1, width)
        elif op.bias:
            term = self._vector(Vector(node.key, True, width, first=first))
        for piece in steps:
            self.recurrent.append(piece)
            product = self._leaf_term("recurrent", len(self.recurrent) - 1, width)
            term = product if term < 0 else self.term("+", term, product)
        return term

    def _flat(self, refs: tuple[Ref, ...]) -> list[Ref]:
        """What is joined side by side, one by one."""
        found: list[Ref] = []
        for ref in refs:
            node = self.graph.nodes[ref.node]
            if isinstance(node.op, Concat) and _is_last(node.op.dim, 2):
                found += self._flat(node.refs)
            else:
                found.append(ref)
        return found

    def _source(self, ref: Ref) -> int:
        """The number of a row that enters a product."""
        if ref.node in self.states:
            return self.states[ref.node]
        term = self._leaf(ref)
        if self.terms[term].width == ROW:
            self._width(ONE)
        if term not in self.computed:
            self.computed.append(term)
        return len(self.states) + self.computed.index(term)

    def _clip(self, number: int, op: Clip) -> int:
        x = self._operand(self.graph.nodes[number].inputs[0])
        for bound, name in ((op.min, "maximum"), (op.max, "minimum")):
            if bound is not None:
                x = self.term(name, x, self._operand(bound))
        return x

    # Terms --------------------------------------------------------------------------------------------------------------

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
        node = self.graph.nodes[ref.node]
        if ref.node in self.states:
            return self._leaf_term("state", self.states[ref.node], self._width(node.type.shape[1]))
        if ref.node in self.inputs:
            if node.type.rank != 2:
                raise Unfit(f"it reads an input that is no row: {node.type}")
            one = node.type.shape[1].number == 1
            width = ROW if one else self._width(node.type.shape[1])
            return self._ready(Given(None, source=self.inputs[ref.node], width=width, one=one))
        if ref not in self.at:
            raise Unfit(
                f"its {node.op.title} is no operand of a dense map"
                if isinstance(node.op, Concat)
                else "it reads what its states start from"
            )
        return self.at[ref]

    def _ready(self, given: Given) -> int:
        if given not in self.given:
            self.given.append(given)
        return self._leaf_term("given", self.given.index(given), given.width)

    def _vector(self, vector: Vector) -> int:
        if vector not in self.vectors:
            self.vectors.append(vector)
        return self._leaf_term("vector", self.vectors.index(vector), vector.width)

    def _leaf_term(self, op: str, index: int, width: int) -> int:
        return self._put(Term(op, index=index, width=width))

    def term(self, op: str, *terms: int, index: int = 0, value: float = 0.0) -> int:
        """A term of others, as wide as they are; what is one number wide serves any width."""
        if op in CONSTANTS:
            return self._put(Term(op, index=index, value=value, width=ROW))
        wide = {self.terms[n].width for n in terms} - {ROW}
        if len(wide) > 1:
            terms = tuple(self._one(n) for n in terms)
            wide = {self.terms[n].width for n in terms} - {ROW}
            if len(wide) > 1:
                raise Unfit("it computes with rows of different widths, unit by unit")
        if wide and self.several and op not in REDUCTIONS:
            terms = tuple(self._spread(n, *wide) for n in terms)
        return self._put(Term(op, terms, index, value, ROW if op in REDUCTIONS or not wide else wide.pop()))

    def _one(self, number: int) -> int:
        """A row of one number as a number for any row."""
        width = self.terms[number].width
        return self._put(Term("sum", (number,), width=ROW)) if width != ROW and self.widths[width] == 1 else number

    def _spread(self, number: int, width: int) -> int:
        """A number as a row of this width, where it is given or learned: its adjoint is then summed over this row alone."""
        term = self.terms[number]
        if term.width != ROW or term.op in (*CONSTANTS, *REDUCTIONS):
            return number
        if term.op == "vector":
            return self._vector(replace(self.vectors[term.index], width=width, one=True))
        if term.op == "given":
            return self._ready(replace(self.given[term.index], width=width, one=True))
        return self._put(replace(term, terms=tuple(self._spread(n, width) for n in term.terms), width=width))

    def _put(self, term: Term) -> int:
        if term not in self.seen:
            self.seen[term] = len(self.terms)
            self.terms.append(term)
        return self.seen[term]


def _holds(graph: Graph, assertion: Assertion) -> bool:
    """Is it true with the sizes that the cell has here?"""
    known: dict[str, Text] = {}
    for name, axis in graph.dims.items():
        number = graph.inputs[axis.input].type.shape[axis.axis].number
        known |= {name: Dim.of(number)} if number is not None else {}
    for hyper in graph.hypers:
        if isinstance(hyper.value, Size) and hyper.value.number is not None:
            known[hyper.name] = Dim.of(hyper.value.number)
        elif isinstance(hyper.value, Real):
            known[hyper.name] = hyper.value.value
    condition = assertion.condition
    return number_of(substitute(condition.text if isinstance(condition, Truth) else condition, known)) is True


def _is_last(dim: object, rank: int) -> bool:
    return dim == LAST or dim == Size.of(rank - 1)

"""The slope of an energy in a block of its units, as a sum of terms: reverse-mode differentiation on the graph, step by step.

Comes in: the node of the energy and a block. Goes out: the terms of -dE/dx, each a number times a tensor (or times nothing: a number
everywhere). A tensor broadcasts to what it is the slope of, so the slope of a sum is 1, not a tensor of ones; that keeps the text short.
What the derivation cannot see through is a fault at its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ..elaborate.body import Body, LayerChecker
from ..elaborate.values import Tensor
from ..graph import Node, Operand, Ref
from ..layers._rules import axes
from ..layers.reductions import Reduction
from ..shapes import Size
from ..values import Real, as_real
from .build import Builder, items, over, plus, times


@dataclass(frozen=True, eq=False)
class Term:
    """`factor * value`, or `factor` everywhere; `source` is the step of the energy that it comes from."""

    factor: Real
    value: Tensor | None
    source: int


class Slope:
    """Differentiates one energy in one tensor, `what`."""

    def __init__(self, build: Builder, energy: Ref, what: Tensor) -> None:
        self.build, self.body, self.what, self.energy = build, build.body, what, energy
        self.active = dependents(self.body, what.ref.node)

    @property
    def rules(self) -> Mapping[str, Rule]:
        return RULES

    def seed(self) -> Term:
        """The slope of what is differentiated in the energy."""
        return Term(Real.of(-1.0), None, self.energy.node)

    def terms(self) -> list[Term]:
        """The terms of -dE/dx; none where the energy does not hold x."""
        x = self.what.ref
        found: dict[int, list[Term]] = {self.energy.node: [self.seed()]}
        for number in range(self.energy.node, x.node, -1):
            if number not in self.active or number not in found:
                continue
            node = self.body.nodes[number]
            for term in self._gathered(found.pop(number), number):
                for operand, handed in self._through(number, node, term):
                    found.setdefault(operand.node, []).append(handed)
        return alike(found.get(x.node, []))

    def _gathered(self, terms: list[Term], number: int) -> list[Term]:
        """Few terms, so that a value that is read often stays one: several tensors are summed first."""
        terms = alike(terms)
        tensors = [term for term in terms if term.value is not None]
        if len(tensors) < 2:
            return terms
        source = max(term.source for term in terms)
        return [Term(Real.of(1.0), total(self.build, terms), source)]

    # One step ---------------------------------------------------------------------------------------------------------

    def _through(self, number: int, node: Node, term: Term) -> Iterator[tuple[Ref, Term]]:
        """What the step hands on to those of its operands that depend on the block."""
        name = str(getattr(node.op, "name", node.op.title))
        rule = self.rules.get(name)
        if rule is None:
            raise self.bends(number, f"{self.what.name} goes through {node.op.title} here")
        for place, operand in enumerate(node.inputs):
            if not self.holds(operand):
                continue
            assert isinstance(operand, Ref)
            given = self.body.tensor(operand.node, operand.output)
            handed = rule(self, number, node, place, term)
            if name in BROADCASTS:
                handed = self.summed(number, given, node, handed)
            yield operand, handed

    def summed(self, number: int, given: Tensor, node: Node, term: Term) -> Term:
        """The slope of what was broadcast: summed over the dims along which it was the same."""
        shape = node.type.shape
        if given.type.rank != len(shape):
            raise self.bends(number, f"{self.what.name} is broadcast here, from {given.type} to {node.type}")
        gone = [at for at, size in enumerate(given.type.shape) if not self.body.same(size, shape[at])]
        if not gone:
            return term
        if term.value is None:
            factor = term.factor
            for at in gone:
                factor = times(factor, self.factor(number, shape[at]))
            return Term(factor, None, term.source)
        value = term.value
        if value.type.rank != len(shape) or not _full(self, value, node):
            value = self.build.expanded(value, shape)
        dims = items(tuple(Size.of(at) for at in gone))
        return Term(term.factor, self.build.apply("sum", value, dim=dims, keepdim=True), number)

    def holds(self, operand: Operand) -> bool:
        return isinstance(operand, Ref) and operand.node in self.active

    def bends(self, number: int, term: str) -> Exception:
        """What is raised at a step that has no rule."""
        raise NotImplementedError

    def filled(self, term: Term, node: Node) -> Tensor:
        """The slope in the shape of the step that it is the slope in."""
        assert term.value is not None
        return (
            term.value if same_shape(self.body, term.value, node.type.shape) else self.build.expanded(term.value, node.type.shape)
        )

    def factor(self, number: int, operand: Operand) -> Real:
        """A number among operands."""
        real = as_real(operand) if isinstance(operand, Size | Real) else None
        if real is None:
            raise self.bends(number, f"{self.what.name} meets a number that is known only when the model runs")
        return real

    def tensor(self, operand: Operand) -> Tensor:
        assert isinstance(operand, Ref)
        return self.body.tensor(operand.node, operand.output)


def alike(terms: list[Term]) -> list[Term]:
    """Terms of one tensor as one."""
    found: dict[Ref | None, Term] = {}
    for term in terms:
        ref = None if term.value is None else term.value.ref
        known = found.get(ref)
        found[ref] = term
        if known is not None:
            found[ref] = Term(plus(known.factor, term.factor), known.value, max(known.source, term.source))
    return [term for term in found.values() if term.factor.text != 0.0]


def total(build: Builder, terms: list[Term]) -> Tensor:
    """The sum of terms, of which one at least has a tensor: what is added first."""
    ordered = sorted(terms, key=lambda term: (term.value is None, term.factor.text == -1.0))
    first = ordered[0]
    assert first.value is not None
    result = scaled(build, first)
    for term in ordered[1:]:
        if term.value is None:
            result = build.operate("+", result, term.factor)
        elif term.factor.text == -1.0:
            result = build.operate("-", result, term.value)
        else:
            result = build.added(result, scaled(build, term))
    return result


def scaled(build: Builder, term: Term) -> Tensor:
    assert term.value is not None
    if term.factor.text == 1.0:
        return term.value
    if term.factor.text == -1.0:
        return build.negative(term.value)
    return build.operate("*", term.value, term.factor)


def dependents(body: Body, number: int) -> set[int]:
    """The nodes that depend on one, itself among them."""
    found = {number}
    for later in range(number + 1, len(body.nodes)):
        if any(ref.node in found for ref in body.nodes[later].refs):
            found.add(later)
    return found


# Rules ----------------------------------------------------------------------------------------------------------------

Rule = Callable[[Slope, int, Node, int, Term], Term]


def _same(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    return term


def _minus(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    return term if place == 0 and len(node.inputs) == 2 else Term(times(term.factor, Real.of(-1.0)), term.value, term.source)


def _product(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    other = node.inputs[1 - place]
    if not isinstance(other, Ref):
        return Term(times(term.factor, slope.factor(number, other)), term.value, term.source)
    value = slope.tensor(other)
    value = value if term.value is None else slope.build.operate("*", term.value, value)
    return Term(term.factor, value, number)


def _quotient(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    other = node.inputs[1]
    if place == 1 or slope.holds(other):
        raise slope.bends(number, f"{slope.what.name} is divided by here")
    if not isinstance(other, Ref):
        factor = slope.factor(number, other)
        if factor.value == 0:
            raise slope.bends(number, f"{slope.what.name} is divided by 0 here")
        return Term(over(term.factor, factor), term.value, term.source)
    value = slope.build.operate("/", term.value if term.value is not None else Real.of(1.0), slope.tensor(other))
    return Term(term.factor, value, number)


def _power(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    exponent = node.inputs[1]
    if place == 1 or isinstance(exponent, Ref) or slope.factor(number, exponent).value != 2:
        raise slope.bends(number, f"{slope.what.name} is raised to a power other than 2 here")
    return _square(slope, number, node, place, term)


def _square(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    base = slope.tensor(node.inputs[0])
    value = base if term.value is None else slope.build.operate("*", term.value, base)
    return Term(times(term.factor, Real.of(2.0)), value, number)


def _matmul(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    left, right = (slope.tensor(operand) for operand in node.inputs)
    build, g = slope.build, term.value
    if g is not None and not _full(slope, g, node):
        g = slope.build.expanded(g, node.type.shape)
    if place == 0 and right.type.rank == 1:
        value = right if g is None else build.operate("*", build.apply("unsqueeze", g, dim=Size.of(-1)), right)
    elif place == 0:
        value = build.apply("sum", right, dim=Size.of(-1)) if g is None else build.operate("@", g, build.turned(right))
    elif left.type.rank > 2 and right.type.rank == left.type.rank:
        ones = build.apply("sum", left, dim=Size.of(-2)) if g is None else None
        value = build.apply("unsqueeze", ones, dim=Size.of(-1)) if ones is not None else build.operate("@", build.turned(left), g)
    else:
        raise slope.bends(number, f"{slope.what.name} is the right side of a matrix product that mixes examples here")
    return Term(term.factor, value, number)


def _sum(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    if len(node.inputs) > 1:
        return term
    assert isinstance(node.op, Reduction)
    x = slope.tensor(node.inputs[0])
    gone = sorted(axes(LayerChecker(slope.body, (x,), {}, node.span), "sum", node.op.dim, x.type))
    value, factor = term.value, term.factor
    if str(node.op.name) == "mean":
        for at in gone:
            factor = over(factor, slope.factor(number, x.type.shape[at]))
    if value is not None and not node.op.keepdim:
        if value.type.rank != node.type.rank:
            value = slope.build.expanded(value, node.type.shape)
        for at in gone:
            value = slope.build.apply("unsqueeze", value, dim=Size.of(at))
    return Term(factor, value, term.source)


def _still(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    """The same numbers in another shape: the slope goes back into the old one."""
    if term.value is None:
        return term
    x, g = slope.tensor(node.inputs[0]), term.value
    if not _full(slope, g, node):
        g = slope.build.expanded(g, node.type.shape)
    return Term(term.factor, slope.build.apply("reshape", g, sizes=items(x.type.shape[1:])), term.source)


def _moved(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    """The dims in another order: back to the old one."""
    if term.value is None:
        return term
    x, g = slope.tensor(node.inputs[0]), term.value
    order = node.op.order(x.type)  # type: ignore[attr-defined]
    if order[0] != 0:
        raise slope.bends(number, f"the examples of {slope.what.name} are moved here")
    if not _full(slope, g, node):
        g = slope.build.expanded(g, node.type.shape)
    back = tuple(Size.of(order.index(at)) for at in range(len(order)))
    return Term(term.factor, slope.build.apply("permute", g, dims=items(back)), term.source)


def _full(slope: Slope, g: Tensor, node: Node) -> bool:
    """Has the slope as many numbers along each dim but the first, or fewer dims (which broadcast)?"""
    shape, own = node.type.shape, g.type.shape
    return bool(own) and all(slope.body.same(a, b) for a, b in zip(own[::-1], shape[::-1], strict=False))


def same_shape(body: Body, value: Tensor, shape: tuple[Size, ...]) -> bool:
    return value.type.rank == len(shape) and all(body.same(a, b) for a, b in zip(value.type.shape, shape, strict=True))


BROADCASTS = frozenset({"+", "-", "*", "/"})
RULES: dict[str, Rule] = {
    "+": _same,
    "-": _minus,
    "neg": lambda slope, number, node, place, term: Term(times(term.factor, Real.of(-1.0)), term.value, term.source),
    "*": _product,
    "/": _quotient,
    "**": _power,
    "square": _square,
    "@": _matmul,
    "matmul": _matmul,
    "sum": _sum,
    "mean": _sum,
    "flatten": _still,
    "reshape": _still,
    "squeeze": _still,
    "unsqueeze": _still,
    "transpose": _moved,
    "permute": _moved,
}

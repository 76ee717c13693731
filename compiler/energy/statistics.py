"""What each parameter of an energy meets: the slope of -energy in it, summed over the examples, each with a weight of its own.

    energy                        of W      of a    of b
    -v@a - h@b - (v@W * h).sum()  v^T w h   v^T w   h^T w      (w: the weights)

Comes in: the body of an energy, and the energy's node. Goes out: the sum of the weighted -energies, then its slope in each parameter, in
the order of the text; none where a step of the energy has no rule here, and autograd has to see to it. An energy that is linear in its
parameters is the sum of them, each times its slope. Contrastive divergence is such statistics: those of the data have
positive weights, those of the chains negative ones. Where hidden units stand as their means they are those of the free energy too,
because the energy is affine in each block (but for the squares of real units, which hold no parameter).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce

from ..elaborate.body import Body
from ..elaborate.values import Tensor
from ..graph import Input, Latent, Node, Parameter, Ref, TensorType
from ..layers.base import Owner
from ..shapes import Size
from ..values import Real
from .build import Builder, items, times
from .slope import RULES, Rule, Slope, Term, dependents, same_shape, total

WEIGHT = "weight"
SAME_DEGREE = frozenset({"neg", "sum", "mean", "flatten", "reshape", "squeeze", "unsqueeze", "transpose", "permute", "expand"})


class _NoRule(Exception):
    """A step that is not differentiated here."""


def statistics(build: Builder, energy: Ref, first: Tensor) -> tuple[Tensor, list[tuple[str, Tensor]]] | None:
    """The weights of the examples, `[B]`; then the weighted sum of -energy and its slopes by parameter.

    `first` is a tensor of the examples.
    """
    body = build.body
    owned = [n for n, node in enumerate(body.nodes) if isinstance(node.op, Parameter) and node.op.learned]
    if any(isinstance(node.op, Owner) for node in body.nodes):
        return None  # their weights are left to autograd
    if not owned or any(energy.node not in dependents(body, number) for number in owned):
        return None
    weight = _weight(build, first)
    try:
        slopes = [(str(body.nodes[n].key), _of(build, energy, weight, body.tensor(n))) for n in owned]
    except _NoRule:
        return None
    if _is_linear(body, energy):
        parts = [_product(build, body.tensor(n), slope) for n, (_, slope) in zip(owned, slopes, strict=True)]
        value = reduce(lambda left, right: build.operate("+", left, right), parts)
    else:
        value = build.operate("@", build.negative(weight), body.tensor(energy.node, energy.output))
    return weight, [("total", value), *slopes]


def _product(build: Builder, parameter: Tensor, slope: Tensor) -> Tensor:
    """What all numbers of a parameter, each times its slope, come to."""
    flat = [x if x.type.rank == 1 else build.apply("flatten", x, start_dim=Size.of(0)) for x in (parameter, slope)]
    return build.operate("@", *flat)


def _is_linear(body: Body, energy: Ref) -> bool:
    """Is each term of the energy a parameter times what holds none? Then the energy is the sum of the parameters, each times its slope."""
    degrees: list[int | None] = []
    for node in body.nodes[: energy.node + 1]:
        name = str(getattr(node.op, "name", ""))
        given = [degrees[o.node] if isinstance(o, Ref) else 0 for o in node.inputs]
        if isinstance(node.op, Parameter):
            degrees.append(1)
        elif isinstance(node.op, Input) or not any(given):
            degrees.append(0 if None not in given else None)
        else:
            degrees.append(_degree(name, given))
    return degrees[energy.node] == 1


def _degree(name: str, given: list[int | None]) -> int | None:
    """How often a step's result has parameters as factors, if that is one number."""
    known = [degree for degree in given if degree is not None]
    if len(known) < len(given):
        return None
    if name in ("*", "@", "matmul"):
        return sum(known)
    if name in ("+", "-") or (name == "sum" and len(known) > 1):
        return known[0] if len(set(known)) == 1 else None
    if name == "/":
        return known[0] if known[1] == 0 else None
    return known[0] if name in SAME_DEGREE else None


def _weight(build: Builder, first: Tensor) -> Tensor:
    body = build.body
    taken = _taken(body)
    name = next(name for name in (WEIGHT, *(f"{WEIGHT}_{n}" for n in range(2, len(taken) + 3))) if name not in taken)
    number = body.add(Latent(name=name), (), (TensorType("float", first.type.shape[:1]),), build.span)
    body.label(number, 0, name)
    return body.tensor(number, 0, name)


def _taken(body: Body) -> set[str | None]:
    return {edge.name for node in body.nodes for edge in node.outputs} | {node.key for node in body.nodes}


def _of(build: Builder, energy: Ref, weight: Tensor, parameter: Tensor) -> Tensor:
    """The statistic of one parameter, in its shape."""
    found, shape = total(build, _Meeting(build, energy, weight, parameter).terms()), parameter.type.shape
    found = found if same_shape(build.body, found, shape) else build.expanded(found, shape)
    name = f"d{build.body.nodes[parameter.ref.node].key}"
    if name not in _taken(build.body):
        build.body.label(found.ref.node, found.ref.output, name)
    return found


class _Meeting(Slope):
    """Differentiates one energy in one parameter, which all examples share."""

    def __init__(self, build: Builder, energy: Ref, weight: Tensor, parameter: Tensor) -> None:
        super().__init__(build, energy, parameter)
        self.weight = weight

    @property
    def rules(self) -> Mapping[str, Rule]:
        return OF_PARAMETERS

    def seed(self) -> Term:
        return Term(Real.of(-1.0), self.weight, self.energy.node)

    def bends(self, number: int, term: str) -> Exception:
        return _NoRule(term)

    def summed(self, number: int, given: Tensor, node: Node, term: Term) -> Term:
        """The slope of what was broadcast: further dims come first, as the examples do."""
        assert term.value is not None
        shape, value = node.type.shape, term.value
        more = len(shape) - given.type.rank
        gone = [at for at, size in enumerate(given.type.shape) if not self.body.same(size, shape[more + at])]
        if not more and not gone:
            return term
        if not same_shape(self.body, value, shape):
            value = self.build.expanded(value, shape)
        if gone:
            value = self.build.apply("sum", value, dim=_dims(more + at for at in gone), keepdim=True)
        if more:
            value = self.build.apply("sum", value, dim=_dims(range(more)))
        return Term(term.factor, value, number)


def _dims(places: Iterable[int]) -> object:
    found = tuple(Size.of(at) for at in places)
    return found[0] if len(found) == 1 else items(found)


def _matmul(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    """The slope of a matrix product in either side. A vector is a row on the left and a column on the right."""
    left, right = (slope.tensor(operand) for operand in node.inputs)
    g = slope.filled(term, node)
    if left.type.rank == 1:
        return Term(term.factor, _of_row(slope, number, place, (left, right), g), number)
    value = _in_left(slope, right, g) if place == 0 else _in_right(slope, left, right, g)
    more = value.type.rank - (left, right)[place].type.rank
    value = slope.build.apply("sum", value, dim=_dims(range(more))) if more else value
    return Term(term.factor, value, number)


def _of_row(slope: Slope, number: int, place: int, sides: tuple[Tensor, Tensor], g: Tensor) -> Tensor:
    """A vector times a vector, or times a matrix."""
    left, right = sides
    if right.type.rank == 1:
        return slope.build.operate("*", g, sides[1 - place])
    if right.type.rank > 2:
        raise slope.bends(number, "a vector times several matrices")
    if place == 0:
        return slope.build.operate("@", right, g)
    return slope.build.operate("*", slope.build.apply("unsqueeze", left, dim=Size.of(1)), g)


def _in_left(slope: Slope, right: Tensor, g: Tensor) -> Tensor:
    build = slope.build
    if right.type.rank == 1:
        return build.operate("*", build.apply("unsqueeze", g, dim=Size.of(g.type.rank)), right)
    return build.operate("@", g, build.turned(right))


def _in_right(slope: Slope, left: Tensor, right: Tensor, g: Tensor) -> Tensor:
    build = slope.build
    if left.type.rank == 2 and g.type.rank == 1:
        return build.operate("@", g, left)
    if left.type.rank == 2:
        return build.operate("@", *_weighted(slope, left, g))
    if right.type.rank > 1:
        return build.operate("@", build.turned(left), g)
    column = build.apply("unsqueeze", g, dim=Size.of(g.type.rank))
    return build.apply("squeeze", build.operate("@", build.turned(left), column), dim=Size.of(-1))


def _weighted(slope: Slope, left: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """The sides of `left^T (w * h)`, or of `(left^T * w) h` where `left` is narrower than h."""
    build, made = slope.build, slope.body.nodes[g.ref.node]
    plain = build.turned(left), g
    if str(getattr(made.op, "name", "")) != "*" or g.type.rank != 2 or not all(isinstance(o, Ref) for o in made.inputs):
        return plain
    column, other = (slope.tensor(operand) for operand in made.inputs)
    before = slope.body.nodes[column.ref.node]
    narrow, wide = left.type.shape[1].number, g.type.shape[1].number
    if (
        narrow is None
        or wide is None
        or narrow >= wide
        or str(getattr(before.op, "name", "")) != "unsqueeze"
        or column.type.shape[1:] != (Size.of(1),)
        or not same_shape(slope.body, other, g.type.shape)
    ):
        return plain
    return build.operate("*", plain[0], slope.tensor(before.inputs[0])), other


def _turned_back(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    """The dims in another order: back to the old one."""
    order = node.op.order(slope.tensor(node.inputs[0]).type)  # type: ignore[attr-defined]
    g = slope.filled(term, node)
    if order == (1, 0):
        return Term(term.factor, slope.build.turned(g), term.source)
    back = tuple(Size.of(order.index(at)) for at in range(len(order)))
    return Term(term.factor, slope.build.apply("permute", g, dims=items(back)), term.source)


def _still(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    """The same numbers in another shape."""
    x, g = slope.tensor(node.inputs[0]), slope.filled(term, node)
    name = str(getattr(node.op, "name", ""))
    if name == "unsqueeze":
        return Term(term.factor, slope.build.apply("squeeze", g, dim=node.op.dim), term.source)  # type: ignore[attr-defined]
    if not slope.body.same(x.type.shape[0], node.type.shape[0]):
        raise slope.bends(number, "the first dim changes")
    return Term(term.factor, slope.build.apply("reshape", g, sizes=items(x.type.shape[1:])), term.source)


def _exp(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    return _times(slope, number, term, slope.body.tensor(number))


def _tanh(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    square = slope.build.operate("**", slope.body.tensor(number), Size.of(2))
    return _times(slope, number, term, slope.build.operate("-", Size.of(1), square))


def _sigmoid(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    y = slope.body.tensor(number)
    return _times(slope, number, term, slope.build.operate("*", y, slope.build.operate("-", Size.of(1), y)))


def _softplus(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    if getattr(node.op, "beta", Real.of(1.0)).value != 1:
        raise slope.bends(number, "another beta")
    return _times(slope, number, term, slope.build.apply("sigmoid", slope.tensor(node.inputs[0])))


def _square(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    found = _times(slope, number, term, slope.tensor(node.inputs[0]))
    return Term(times(found.factor, Real.of(2.0)), found.value, number)


def _quotient(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    """In the denominator too: -x / y^2."""
    if place == 0:
        return (
            RULES["/"](slope, number, node, place, term) if not slope.holds(node.inputs[1]) else _ratio(slope, number, node, term)
        )
    quotient = slope.build.operate("/", slope.body.tensor(number), slope.tensor(node.inputs[1]))
    found = _times(slope, number, term, quotient)
    return Term(times(found.factor, Real.of(-1.0)), found.value, number)


def _ratio(slope: Slope, number: int, node: Node, term: Term) -> Term:
    return Term(term.factor, slope.build.operate("/", slope.filled(term, node), slope.tensor(node.inputs[1])), number)


def _times(slope: Slope, number: int, term: Term, value: Tensor) -> Term:
    assert term.value is not None
    return Term(term.factor, slope.build.operate("*", term.value, value), number)


OF_PARAMETERS: dict[str, Rule] = RULES | {
    "@": _matmul,
    "matmul": _matmul,
    "/": _quotient,
    "transpose": _turned_back,
    "permute": _turned_back,
    "flatten": _still,
    "reshape": _still,
    "squeeze": _still,
    "unsqueeze": _still,
    "exp": _exp,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "square": _square,
}

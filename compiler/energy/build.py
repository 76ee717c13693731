"""Steps that the derivation adds to the body of an energy, with their types checked as those of the text are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ...dsl import ast
from ...dsl.span import Span
from ..elaborate.applying import apply_layer
from ..elaborate.body import Body
from ..elaborate.expressions import one, operator
from ..elaborate.values import Items, LayerRecipe, Tensor
from ..emit.code import Code, Show, call
from ..graph import Input, Latent, Node, Ref, Start, TensorType, Weight
from ..layers import registry
from ..layers.arithmetic import Matmul
from ..layers.base import Checker, Family, Layer, Owner, elements
from ..shapes import Dim, Size
from ..values import Formula, Real, Text, formula


class AddMatmul(Layer):
    """`row + x @ y`. Inputs: the row, then the matrices."""

    name: ClassVar[str] = "addmm"
    family: ClassVar[Family] = "linear"

    def infer(self, see: Checker, row: TensorType, x: TensorType, y: TensorType) -> TensorType:
        return TensorType(x.dtype, (x.shape[0], y.shape[1]))

    def forward(self, show: Show, row: Code, x: Code, y: Code) -> Code:
        return call("torch.addmm", row, x, y)

    def cost(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return elements(outputs[0]) * inputs[1].shape[1].value


class Builder:
    """Adds nodes to a body; all stand at one place of the text. A step that is there is not made again."""

    def __init__(self, body: Body, span: Span) -> None:
        self.body, self.span = body, span
        self.known: dict[object, Tensor] = {}

    def apply(self, name: str, *operands: Any, **arguments: Any) -> Tensor:
        """A layer of the registry at work: `apply("sum", x, dim=-1)`."""
        key = (name, tuple(_same(o) for o in operands), str(arguments))
        if key not in self.known:
            recipe = LayerRecipe(registry()[name], arguments, ast.Name(name, span=self.span), built=True)
            self.known[key] = self._tensor(one(apply_layer(self.body, recipe, operands, self.span, {})))
        return self.known[key]

    def operate(self, op: str, left: Any, right: Any) -> Tensor:
        key = (op, _same(left), _same(right))
        if key not in self.known:
            self.known[key] = self._tensor(one(operator(self.body, op, (left, right), self.span, (self.span, self.span))))
        return self.known[key]

    def added(self, left: Tensor, right: Tensor) -> Tensor:
        """The sum; of a matrix product and a row in one."""
        product, row = (left, right) if right.type.rank == 1 else (right, left)
        made = self.body.nodes[product.ref.node]
        matrices = isinstance(made.op, Matmul) and all(self.body.tensor(ref.node).type.rank == 2 for ref in made.refs)
        if not matrices or row.type.rank != 1 or not self.body.same(row.type.shape[0], product.type.shape[1]):
            return self.operate("+", left, right)
        key = ("addmm", product.ref, row.ref)
        if key not in self.known:
            number = self.body.add(AddMatmul(), (row.ref, *made.refs), (product.type,), self.span)
            self.known[key] = self.body.tensor(number)
        return self.known[key]

    def negative(self, x: Tensor) -> Tensor:
        return self.apply("neg", x)

    def expanded(self, x: Tensor, shape: tuple[Size, ...]) -> Tensor:
        """The same numbers along dims that it has not, or has as 1."""
        return self.apply("expand", x, sizes=items(shape))

    def turned(self, x: Tensor) -> Tensor:
        """The last two dims the other way round."""
        return self.apply("transpose", x)

    def made(self, op: Layer, operands: tuple[Tensor, ...], type_: TensorType) -> Tensor:
        """A step whose type is known."""
        key = (op, tuple(operand.ref for operand in operands))
        if key not in self.known:
            self.known[key] = self.body.tensor(self.body.add(op, tuple(operand.ref for operand in operands), (type_,), self.span))
        return self.known[key]

    def weight(self, node: Node) -> Tensor:
        """The weight of a layer of this body, which is at work at a node."""
        assert isinstance(node.op, Owner)
        key = ("weight", node.key)
        if key not in self.known:
            shape = node.op.weights(*(self.body.tensor(ref.node, ref.output).type for ref in node.refs))["weight"].shape
            op, type_ = Weight(attribute="weight"), TensorType("float", shape)
            self.known[key] = self.body.tensor(self.body.add(op, (), (type_,), self.span, node.key, named=True))
        return self.known[key]

    def ones(self, like: Tensor) -> Tensor:
        """A tensor of that type, as `zeros`."""
        return self.operate("+", self.zeros(like), Real.of(1.0))

    def zeros(self, like: Tensor) -> Tensor:
        """A tensor of that type, on the device of the first one that the energy is given, which is no hidden unit."""
        first = next(
            n for n, node in enumerate(self.body.nodes) if isinstance(node.op, Input) and not isinstance(node.op, Latent)
        )
        number = self.body.add(Start(value=Real.of(0.0)), (Ref(first),), (like.type,), self.span)
        return self.body.tensor(number)

    def over_units(self, name: str, x: Tensor) -> Tensor:
        """A reduction over all dims but the first."""
        dims = [Size.of(at) for at in range(1, x.type.rank)] if x.type.rank > 2 else [Size.of(-1)]
        return self.apply(name, x, dim=Items(tuple(dims)) if len(dims) > 1 else dims[0])

    @staticmethod
    def _tensor(value: Any) -> Tensor:
        assert isinstance(value, Tensor)
        return value


def items(sizes: Iterable[Size]) -> Items:
    """Sizes as the list of an argument."""
    return Items(tuple(sizes))


def _same(operand: Any) -> object:
    return operand.ref if isinstance(operand, Tensor) else str(operand)


def times(left: Real, right: Real) -> Real:
    """The product of two numbers, with its text."""
    return Real(left.value * right.value, _plain(formula("*", left.text, right.text)))


def over(left: Real, right: Real) -> Real:
    """The quotient of two numbers, with its text."""
    return Real(left.value / right.value, _plain(formula("/", left.text, right.text)))


def plus(left: Real, right: Real) -> Real:
    """The sum of two numbers, with its text."""
    return Real(left.value + right.value, _plain(formula("+", left.text, right.text)))


def _plain(text: Text) -> Text:
    """Numbers as floats."""
    if isinstance(text, Formula):
        return text
    number = text.constant if isinstance(text, Dim) else text
    return text if number is None else float(number)

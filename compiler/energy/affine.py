"""Layers with weights that an energy may hold: those that are affine in what they are given, so that the slope goes back through them.

`conv` goes back by the transposed convolution with the same weights, `dense` by the product with them.
"""

from typing import ClassVar

from ..emit.code import Code, Show, call
from ..graph import Node, TensorType
from ..layers.base import ONE, Checker, Family, Layer, Positive, PositivePerAxis, per_axis
from ..layers.convolution import Conv
from ..layers.linear import Dense
from ..shapes import Size
from .slope import Slope, Term


def is_affine(node: Node) -> bool:
    """Is it a layer with weights of this body, through which a slope can go back?"""
    op = node.op
    if node.owner != 0 or node.key is None:
        return False
    if isinstance(op, Dense):
        return len(node.inputs) == 1
    return isinstance(op, Conv) and op.padding_mode == "zeros" and padding_of(op) is not None


def vanishes(node: Node) -> bool:
    """Does it give 0 for 0?"""
    return isinstance(node.op, Dense | Conv) and not node.op.biased


class ConvBack(Layer):
    """The slope of a convolution in what it is given. Inputs: the slope in what it gives, its weight."""

    name: ClassVar[str] = "conv back"
    family: ClassVar[Family] = "convolution"

    stride: PositivePerAxis = ONE
    padding: tuple[Size, ...]
    more: tuple[Size, ...]
    groups: Positive = ONE
    dilation: PositivePerAxis = ONE
    shape: tuple[Size, ...]

    def infer(self, see: Checker, g: TensorType, weight: TensorType) -> TensorType:
        return TensorType("float", self.shape)

    def forward(self, show: Show, g: Code, weight: Code) -> Code:
        rank = len(self.padding)
        given = show.options(
            stride=(self.stride, ONE),
            padding=(_one(self.padding), Size.of(0)),
            output_padding=(_one(self.more), Size.of(0)),
            groups=(self.groups, ONE),
            dilation=(self.dilation, ONE),
        )
        return call(f"F.conv_transpose{rank}d", g, weight, **given)


def through_dense(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    g = slope.filled(term, node) if term.value is not None else slope.build.ones(slope.body.tensor(number))
    return Term(term.factor, slope.build.operate("@", g, slope.build.weight(node)), number)


def through_conv(slope: Slope, number: int, node: Node, place: int, term: Term) -> Term:
    op = node.op
    assert isinstance(op, Conv)
    x = slope.tensor(node.inputs[0])
    g = slope.filled(term, node) if term.value is not None else slope.build.ones(slope.body.tensor(number))
    padding, more = padding_of(op), _rest(slope, node, x.type)
    rank = x.type.rank - 2
    if padding is None or more is None:
        raise slope.bends(number, "the sizes of this convolution are known only when the model runs")
    made = ConvBack(
        stride=op.stride,
        padding=padding if len(padding) == rank else padding * rank,
        more=more,
        groups=op.groups,
        dilation=op.dilation,
        shape=x.type.shape,
    )
    return Term(term.factor, slope.build.made(made, (g, slope.build.weight(node)), x.type), number)


def padding_of(op: Conv) -> tuple[Size, ...] | None:
    """The padding of each axis, or of all; none where its two sides differ."""
    padding = op.padding
    if isinstance(padding, Size):
        return (padding,)
    if padding == "same":
        axes = max(len(each) if isinstance(each, tuple) else 1 for each in (op.kernel_size, op.dilation))
        both = zip(per_axis(op.kernel_size, axes), per_axis(op.dilation, axes), strict=True)
        around = [None if k.number is None or d.number is None else (k.number - 1) * d.number for k, d in both]
        even = all(one is not None and one % 2 == 0 for one in around)
        return tuple(Size.of(int(one) // 2) for one in around if one is not None) if even else None
    if isinstance(padding, tuple) and all(isinstance(side, Size) for side in padding):
        return tuple(side for side in padding if isinstance(side, Size))
    return None


def _rest(slope: Slope, node: Node, x: TensorType) -> tuple[Size, ...] | None:
    """The rows that a stride leaves over at the end of each axis; none where that cannot be known."""
    op = node.op
    assert isinstance(op, Conv)
    rank = x.rank - 2
    padding = padding_of(op)
    assert padding is not None
    found = []
    for at, stride in enumerate(per_axis(op.stride, rank)):
        if stride.number == 1:
            found.append(Size.of(0))
            continue
        values = [
            x.shape[at + 2].number,
            per_axis(op.kernel_size, rank)[at].number,
            per_axis(op.dilation, rank)[at].number,
            (padding if len(padding) == rank else padding * rank)[at].number,
            stride.number,
        ]
        if any(value is None for value in values):
            return None
        size, kernel, dilation, border, step = (int(value) for value in values if value is not None)
        found.append(Size.of((size + 2 * border - dilation * (kernel - 1) - 1) % step))
    return tuple(found)


def _one(sizes: tuple[Size, ...]) -> Size | tuple[Size, ...]:
    """One number where all axes have the same."""
    return sizes[0] if all(size == sizes[0] for size in sizes) else sizes

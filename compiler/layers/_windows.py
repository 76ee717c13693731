"""Windows that slide: the arithmetic of convolutions and poolings, on symbolic sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from ..emit.code import Code, Show, call
from ..errors.shapes import WindowTooLarge
from ..graph import TensorType
from ..shapes import Size
from ._arguments import Check
from ._rules import bad, each_axis, listed, smaller
from .base import ONE, ZERO, Checker, PerAxis, Refusal

Sides = tuple[Size, Size]  # before and after


def _padding(value: object) -> object:
    if value in ("same", "valid"):
        return value
    items = value if isinstance(value, list | tuple) else [value]
    sizes = [_sides(item) if isinstance(item, list | tuple) else _border(item) for item in items]
    return tuple(sizes) if isinstance(value, list | tuple) else sizes[0]


def _border(value: object) -> Size:
    size = value if isinstance(value, Size) else None
    if isinstance(value, int) and not isinstance(value, bool):
        size = Size.of(value)
    if size is None:
        raise ValueError('a whole number, a list of them, a list of pairs [before, after] or "same" is wanted')
    if size.number is not None and size.number < 0:
        raise ValueError("it must be at least 0")
    return size


def _sides(value: Sequence[object]) -> Sides:
    if len(value) != 2:
        raise ValueError("the padding of a dim is a number or a pair [before, after]")
    return _border(value[0]), _border(value[1])


Padding = Annotated[Literal["same", "valid"] | Size | tuple[Size | Sides, ...], Check(_padding)]
PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]


def is_per_side(padding: object) -> bool:
    """It names what comes before and after a dim, which PyTorch's layers cannot: the text pads first."""
    return isinstance(padding, tuple) and any(isinstance(item, tuple) for item in padding)


def borders(see: Checker, layer: str, padding: str | Size | tuple[Size | Sides, ...], rank: int) -> tuple[Sides, ...]:
    """What is added before and after each spatial dim; nothing for "same", which keeps the size by itself."""
    if isinstance(padding, str):
        return ((ZERO, ZERO),) * rank
    items = padding if isinstance(padding, tuple) else (padding,) * rank
    if len(items) != rank:
        rule = f"it must be one number or a list of {rank}, one for each spatial dim"
        raise bad(see, layer, "padding", rule, listed([listed(item) if isinstance(item, tuple) else item for item in items]))
    return tuple(item if isinstance(item, tuple) else (item, item) for item in items)


def check_mode(see: Checker, layer: str, mode: str, sides: Sequence[Sides], x: TensorType, argument: str = "padding") -> None:
    """Reflected and circular borders are made of the tensor itself and cannot be larger than it."""
    op = {"reflect": "<", "circular": "<="}.get(mode)
    for (before, after), size in zip(sides, x.shape[x.rank - len(sides) :], strict=True):
        for border in (before, after):
            if op and see.holds(op, border, size) is False:
                raise bad(
                    see,
                    layer,
                    argument,
                    f'with "{mode}" it must {"be less than" if op == "<" else "not be more than"} {size}',
                    border,
                )


def pad_first(show: Show, x: Code, sides: Sequence[Sides], mode: str) -> Code:
    """`F.pad(x, (left, right, top, bottom))`: PyTorch counts the dims from the last."""
    flat = tuple(border for pair in reversed(sides) for border in pair)
    return call("F.pad", x, show(flat), **({} if mode == "zeros" else {"mode": f'"{mode}"'}))


def reach_of(kernel: Size, dilation: Size) -> Size:
    """How much of the tensor a window covers."""
    return dilation * (kernel - 1) + 1


def fits(see: Checker, layer: str, window: Sequence[Size], padded: Sequence[Size], x: TensorType) -> None:
    """Every window must fit at least once."""
    for at, (reach, size) in enumerate(zip(window, padded, strict=True)):
        if see.holds(">=", size, reach) is False:
            windows, sizes = (listed(window), listed(padded)) if len(window) > 1 else (str(reach), str(size))
            origin = see.origin(0, x.rank - len(window) + at)
            raise Refusal(WindowTooLarge(see.span, layer, windows, sizes, str(x), origin))


def slid(size: Size, reach: Size, stride: Size) -> Size:
    """How often a window fits into a padded size."""
    return (size - reach) // stride + 1


def slid_over(see: Checker, size: Size, before: Size, reach: Size, stride: Size) -> Size:
    """The same with `ceil_mode`: a last window may hang over the end, but must start inside the tensor or its first border."""
    padded = size + before * 2
    rounded_up = (padded - reach + stride - 1) // stride + 1
    starts_inside = (size + before - 1) // stride + 1
    decided = see.holds("<=", stride + before, reach)
    return smaller(rounded_up, starts_inside) if decided is None else rounded_up if decided else starts_inside


def pooled(
    see: Checker,
    layer: str,
    x: TensorType,
    kernel_size: PerAxis,
    stride: PerAxis | None,
    padding: PerAxis,
    dilation: PerAxis,
    ceil_mode: bool,
) -> tuple[Size, ...]:
    """The spatial sizes that come out of a pooling.

    With `ceil_mode` a window may be larger than what it slides over; but means over volumes must fit without the padding.
    """
    rank = x.rank - 2
    kernels = each_axis(see, layer, "kernel_size", kernel_size, rank)
    strides = kernels if stride is None else each_axis(see, layer, "stride", stride, rank)
    sides = each_axis(see, layer, "padding", padding, rank)
    reaches = [reach_of(k, d) for k, d in zip(kernels, each_axis(see, layer, "dilation", dilation, rank), strict=True)]
    for border, reach in zip(sides, reaches, strict=True):
        if see.holds("<=", border, reach // 2) is False:
            raise bad(see, layer, "padding", f"it must not be more than half of the window of {reach}", border)
    padded = [size + border * 2 for size, border in zip(x.shape[2:], sides, strict=True)]
    if rank == 3 and layer != "max_pool":
        fits(see, layer, reaches, x.shape[2:], x)
    elif not ceil_mode:
        fits(see, layer, reaches, padded, x)
    if not ceil_mode:
        return tuple(slid(*one) for one in zip(padded, reaches, strides, strict=True))
    found = tuple(slid_over(see, *one) for one in zip(x.shape[2:], sides, reaches, strides, strict=True))
    for size, window, whole in zip(found, reaches, padded, strict=True):
        if see.holds(">=", size, ONE) is False:
            raise Refusal(WindowTooLarge(see.span, layer, str(window), str(whole), str(x), x.origin))
    return found

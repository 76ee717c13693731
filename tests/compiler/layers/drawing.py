"""What the generic test of the layers draws: arguments and operands, for each layer of the registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from archc.compiler.graph import DType, TensorType
from archc.compiler.shapes import Dim, Size
from archc.compiler.values import Real

Given = TensorType | Size | Real | bool


@dataclass(frozen=True)
class Draw:
    """One case. `high` bounds the ints of int tensors; `values` gives operands that must be special, as nested lists.

    `stricter` is the reason why we may refuse what PyTorch takes.
    """

    operands: tuple[Given, ...]
    arguments: dict[str, Any] = field(default_factory=dict)
    high: int = 2
    values: dict[int, Any] = field(default_factory=dict)
    stricter: str = ""


Drawer = Callable[[Random], Draw]
DRAWERS: dict[str, Drawer] = {}


def draws(*names: str) -> Callable[[Drawer], Drawer]:
    """The decorated function draws for the layers of these names."""

    def register(drawer: Drawer) -> Drawer:
        for name in names:
            assert name not in DRAWERS
            DRAWERS[name] = drawer
        return drawer

    return register


def tensor(*shape: int, dtype: DType = "float") -> TensorType:
    return TensorType(dtype, tuple(Size.of(size) for size in shape))


def shape(r: Random, least: int = 0, most: int = 4, sizes: tuple[int, ...] = (1, 2, 3, 4)) -> list[int]:
    return [r.choice(sizes) for _ in range(r.randint(least, most))]


def dtype(r: Random, floats: float = 0.8) -> DType:
    return "float" if r.random() < floats else r.choice(("int", "bool"))


def image(
    r: Random, channels: tuple[int, ...] = (1, 2, 3, 4, 6, 8), sizes: tuple[int, ...] = (1, 3, 4, 5, 7, 8), strange: float = 0.06
) -> list[int]:
    """`[B, C, *spatial]`, now and then with another number of dims."""
    rank = r.choice((0, 4)) if r.random() < strange else r.randint(1, 3)
    return [r.choice((1, 2, 3)), r.choice(channels), *(r.choice(sizes) for _ in range(rank))]


def dim(r: Random, rank: int, wild: float = 0.1) -> int:
    """A dim's number, now and then one that is not there."""
    if r.random() < wild:
        return r.choice((-rank - 1, rank, rank + 1))
    return r.randrange(-rank, rank) if rank else 0


def dims(r: Random, rank: int) -> int | list[int]:
    """One dim, or a list of different ones, now and then with a mistake."""
    if not rank or r.random() < 0.4:
        return dim(r, rank)
    chosen = [at - rank * r.randint(0, 1) for at in r.sample(range(rank), r.randint(1, rank))]
    return [*chosen, chosen[0]] if r.random() < 0.08 else chosen


def each(r: Random, rank: int, *choices: int, strange: float = 0.05) -> int | list[int]:
    """A number for all axes, or a list with one for each; now and then one too many."""
    if r.random() < 0.6:
        return r.choice(choices)
    return [r.choice(choices) for _ in range(rank + (r.random() < strange))]


def some(r: Random, **arguments: Any) -> dict[str, Any]:
    """Some of the arguments; those that are none are never given."""
    return {name: value for name, value in arguments.items() if value is not None and r.random() < 0.6}


def broadcastable(r: Random, like: list[int], wrong: float = 0.1) -> list[int]:
    """A shape that broadcasts with another, most of the time."""
    taken = like[r.randint(0, len(like)) :] if r.random() < 0.4 else list(like)
    found = [1 if r.random() < 0.25 else size for size in taken]
    return [size + 1 if r.random() < wrong else size for size in found]


def symbolic(given: Given) -> Given:
    """The same operand with a symbol for each different size but 1, which broadcasts."""
    if not isinstance(given, TensorType):
        return given
    sizes = [size if size.number == 1 else Size.of(Dim.of(f"s{size}")) for size in given.shape]
    return TensorType(given.dtype, tuple(sizes))

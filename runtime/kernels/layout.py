"""Where the weights of a cell have the maps of its inputs and the products of its steps.

Comes in: equations whose inputs all enter by maps of one kind. Goes out: which columns of which layers these maps are, and which products
of adjoints give the gradients of whole weights, each written where it belongs; none where weights are read in another way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from ...compiler.recurrence.terms import Equations, Given, Slice
from .calls import padded_width
from .frame import Matrices

INPUTS = -1  # as the row that a product reads: the inputs, joined


class Block(NamedTuple):
    """Of a layer, by its number: the first row and the first column of a map, how many it has, how many columns the weight has, and the
    place of the first number in it."""

    layer: int
    row: int
    column: int
    rows: int
    columns: int
    apart: int
    at: int


class Run(NamedTuple):
    """One product of adjoints and rows: it gives the gradient of maps next to each other. The adjoints lie in the tensor of products of
    their own (`apart`) or in that of what is given, from map `place` on; the gradient begins at `at`, and `pitch` divides its rows."""

    source: int
    apart: bool
    place: int
    maps: int
    rows: int
    columns: int
    at: int
    pitch: int


class Places(NamedTuple):
    """Of blocks: their layers with the places in the weights of these, and how many numbers their rows are apart."""

    begins: tuple[tuple[int, int], ...]
    apart: tuple[int, ...]

    @staticmethod
    def of(blocks: Sequence[Block]) -> "Places":
        return Places(tuple((block.layer, block.at) for block in blocks), tuple(block.apart for block in blocks))

    def matrices(self, weights: Sequence[int], size: int) -> Matrices:
        """Where they lie, by the addresses of the weights and the bytes of a number."""
        return Matrices([weights[layer] + at * size for layer, at in self.begins], self.apart)


@dataclass(frozen=True)
class Layout:
    """`keys` are those of the layers, whose weights have `shapes`; `maps` and `products` the blocks of what is given and of products. By
    layer the maps whose biases are those of its rows, none where it is without."""

    keys: tuple[str, ...]
    shapes: tuple[tuple[int, int], ...]
    inputs: tuple[int, ...]
    maps: tuple[Block, ...]
    products: tuple[Block, ...]
    biased: tuple[tuple[int, ...], ...]
    runs: tuple[Run, ...]
    columns: int  # of the tensors of its kernel

    @property
    def is_padded(self) -> bool:
        return self.maps[0].rows != self.columns

    @property
    def depth(self) -> int:
        """How many columns the inputs have, joined."""
        return self.maps[0].columns

    @cached_property
    def rows(self) -> int:
        """How many rows the maps have, joined."""
        return len(self.maps) * self.columns

    @cached_property
    def of_maps(self) -> "Places":
        return Places.of(self.maps)

    @cached_property
    def of_products(self) -> "Places":
        return Places.of(self.products)

    @cached_property
    def begins(self) -> tuple[int, ...]:
        """Where the gradient of each weight begins, in one piece of memory for all."""
        return tuple(accumulate((rows * columns for rows, columns in self.shapes), initial=0))[:-1]

    @cached_property
    def size(self) -> int:
        return sum(rows * columns for rows, columns in self.shapes)

    @cached_property
    def parameters(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the weights, then of the biases."""
        return *self.shapes, *((shape[0],) for shape, order in zip(self.shapes, self.biased, strict=True) if order)

    @cached_property
    def biases(self) -> tuple[tuple[int, int], ...]:
        """Of each map which of the biases it has, of those that there are, and from which row on."""
        layers = [layer for layer, order in enumerate(self.biased) if order]
        return tuple((layers.index(block.layer), block.row) for block in self.maps)


def layout(equations: Equations, stepped: int, starts: Sequence[int | None]) -> Layout | None:
    """Of equations whose products begin with `starts`."""
    givens = equations.given
    if not alike(givens, stepped):
        return None
    pieces = [_whole(given) for given in givens]
    if None in pieces:
        return None
    slices = [*(piece for piece in pieces if piece is not None), *equations.recurrent]
    keys = tuple(dict.fromkeys(piece.key for piece in slices))
    ends = [[(s.first + equations.widths[s.width], s.stop) for s in slices if s.key == key] for key in keys]
    shapes = [(max(row for row, _ in end), max(column for _, column in end)) for end in ends]
    numbers = [keys.index(s.key) for s in slices]
    blocks = [
        Block(n, s.first, s.start, equations.widths[s.width], s.stop - s.start, shapes[n][1], s.first * shapes[n][1] + s.start)
        for n, s in zip(numbers, slices, strict=True)
    ]
    maps, products = blocks[: len(givens)], blocks[len(givens) :]
    biased = [_biased(maps, n) if givens[0].bias else () for n in range(len(keys))]
    if not all(_tiles([b for b in blocks if b.layer == n], shape) for n, shape in enumerate(shapes)):
        return None
    if any(order and sum(maps[c].rows for c in order) != shapes[n][0] for n, order in enumerate(biased)):
        return None
    padded = padded_width(max(equations.widths))
    inputs, runs = tuple(part.source for part in givens[0].parts), _runs(equations, starts, blocks, shapes, padded)
    return Layout(keys, tuple(shapes), inputs, tuple(maps), tuple(products), tuple(biased), tuple(runs), padded)


def alike(columns: Sequence[Given], stepped: int) -> bool:
    """Are they all maps of the same inputs, which go step by step, and as wide, so that one product gives them?"""
    first = columns[0] if columns else None
    return first is not None and all(
        given.key is not None
        and not given.noise
        and (given.bias, given.width) == (first.bias, first.width)
        and [part.source for part in given.parts] == [part.source for part in first.parts]
        and all(part.source < stepped for part in given.parts)
        for given in columns
    )


def _whole(given: Given) -> Slice | None:
    """The parts of a map of several inputs as one, where they lie side by side."""
    first, *others = given.parts
    stop = first.stop
    for part in others:
        if part.start != stop or (part.key, part.first) != (first.key, first.first):
            return None
        stop = part.stop
    return Slice(first.key, first.source, first.start, stop, first.width, first.first)


def _biased(maps: Sequence[Block], layer: int) -> tuple[int, ...]:
    """The maps of a layer from its first row on."""
    return tuple(sorted((c for c, block in enumerate(maps) if block.layer == layer), key=lambda c: maps[c].row))


def _tiles(blocks: Sequence[Block], shape: tuple[int, int]) -> bool:
    """Is each number of a weight in one of the blocks, and in no other?"""
    apart = all(
        a.row + a.rows <= b.row or b.row + b.rows <= a.row or a.column + a.columns <= b.column or b.column + b.columns <= a.column
        for n, a in enumerate(blocks)
        for b in blocks[:n]
    )
    return apart and sum(b.rows * b.columns for b in blocks) == shape[0] * shape[1]


def _runs(
    equations: Equations, starts: Sequence[int | None], blocks: Sequence[Block], shapes: Sequence[tuple[int, int]], padded: int
) -> list[Run]:
    """As few as there may be: maps whose adjoints lie side by side, without padding between them, and whose gradients lie below each other
    are of one."""
    places = [(INPUTS, False, c) for c in range(len(equations.given))]
    for g, (piece, start) in enumerate(zip(equations.recurrent, starts, strict=True)):
        places.append((piece.source, start is None, starts[:g].count(None) if start is None else start))
    begins = list(accumulate((rows * columns for rows, columns in shapes), initial=0))
    single = [Run(*place, 1, b.rows, b.columns, begins[b.layer] + b.at, b.apart) for place, b in zip(places, blocks, strict=True)]
    found: list[Run] = []
    for run in sorted(single):
        last = found[-1] if found and run.rows == padded else None
        if last and run == last._replace(place=last.place + last.maps, maps=1, at=last.at + last.maps * run.rows * run.pitch):
            found[-1] = last._replace(maps=last.maps + 1)
        else:
            found.append(run)
    return found

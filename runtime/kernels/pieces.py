"""The parts of a cell's weights that its equations read.

A weight is split once into all its parts, since the derivative of that is one concatenation; that of a part taken by itself is as large as
the whole weight, and as many of these would be added up as there are parts.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ...compiler.recurrence.terms import Equations, Slice

Cuts = tuple[Sequence[int], Sequence[int]]  # the rows and the columns of a weight at which parts begin or end


def cuts(equations: Equations, weights: Mapping[str, Tensor]) -> dict[str, Cuts]:
    """Of each layer with a weight, from 0 to the end."""
    found = {key: ({0, weight.shape[0]}, {0, weight.shape[1]}) for key, weight in weights.items()}
    for piece in (*equations.recurrent, *(part for given in equations.given for part in given.parts)):
        rows, columns = found[piece.key]
        rows |= {piece.first, piece.first + equations.widths[piece.width]}
        columns |= {piece.start, piece.stop}
    return {key: (sorted(rows), sorted(columns)) for key, (rows, columns) in found.items()}


class Pieces:
    """The weights of a cell as they are now, by the keys of their layers."""

    def __init__(self, equations: Equations, weights: Mapping[str, Tensor], at: Mapping[str, Cuts]):
        self.widths = equations.widths
        self.found: dict[tuple[str, int, int, int, int], Tensor] = {}  # by the first and the last row and column
        for key, (rows, columns) in at.items():
            for top, end, part in _split(weights[key], rows, 0):
                for start, stop, piece in _split(part, columns, 1):
                    self.found[key, top, end, start, stop] = piece

    def of(self, piece: Slice) -> Tensor:
        """[to, from], to the unit that reads from the unit that is read: put together where others begin or end inside it."""
        key, top, end = piece.key, piece.first, piece.first + self.widths[piece.width]
        if (found := self.found.get((key, top, end, piece.start, piece.stop))) is not None:
            return found
        columns = range(piece.start, piece.stop)
        inside = sorted(at for at in self.found if at[0] == key and top <= at[1] < end and at[3] in columns)
        rows = dict.fromkeys(at[1] for at in inside)
        return torch.cat([torch.cat([self.found[at] for at in inside if at[1] == row], dim=1) for row in rows])


def _split(tensor: Tensor, at: Sequence[int], dim: int) -> Iterable[tuple[int, int, Tensor]]:
    """The parts between some places along a dimension, each with its own."""
    if len(at) == 2:
        return [(at[0], at[1], tensor)]
    parts = torch.split_with_sizes(tensor, [stop - start for start, stop in pairwise(at)], dim)
    return [(start, stop, part) for (start, stop), part in zip(pairwise(at), parts, strict=True)]

"""The step of a cell as equations of numbers, as data: what `equations` reads from its graph and `cpp` writes as C++."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

ROW = -1  # in place of a width: one number for the whole row of an example
LEAVES = ("given", "recurrent", "vector", "state")
REDUCTIONS = ("sum", "largest")


@dataclass(frozen=True, slots=True)
class Term:
    """`given`, `recurrent`, `vector` and `state` read entry `index` of what the step is given; `number` is `value`; `sum` and `largest`
    read the whole row of their term; others compute unit by unit. `width` says which of the widths there are, or `ROW`."""

    op: str
    terms: tuple[int, ...] = ()
    index: int = 0
    value: float = 0.0
    width: int = 0


@dataclass(frozen=True, slots=True)
class Slice:
    """Columns `start` to `stop` of the weight of the dense layer at `key`, which meet the input, or the row, `source`.

    As part of a product in a step a source is a state, or, from the number of the states on, what the step has computed. `width` is that of
    the result, and the rows of the weight are those from `first` on, so many of them.
    """

    key: str
    source: int
    start: int
    stop: int
    width: int = 0
    first: int = 0


@dataclass(frozen=True, slots=True)
class Given:
    """What is ready for all steps at once: the dense map `key` of some inputs, or, where `key` is none, input `source` itself.

    Where it is `noise`, it is what the dropout at `key` makes of ones.
    """

    key: str | None
    parts: tuple[Slice, ...] = ()
    bias: bool = False
    source: int = 0
    width: int = 0
    noise: bool = False
    first: int = 0
    one: bool = False  # it is one number, which stands for as many as the width


@dataclass(frozen=True, slots=True)
class Vector:
    """A parameter of as many numbers as the width: the cell's own at `key`, or `attribute`, such as the bias, of the layer there."""

    key: str
    bias: bool = False
    width: int = 0
    attribute: str = ""
    first: int = 0
    one: bool = False


@dataclass(frozen=True)
class Equations:
    """A step. `after` are the terms of the next states, `results` those of the outputs.

    Tensors have `width` columns, or one of the `further` widths, which `Term.width` and the others count from 1. `computed` are the terms
    whose rows enter products of this same step. Of the inputs the last ones, `constants`, are the same at every step.
    """

    width: int
    states: int
    terms: tuple[Term, ...]
    given: tuple[Given, ...]
    recurrent: tuple[Slice, ...]
    vectors: tuple[Vector, ...]
    after: tuple[int, ...]
    results: tuple[int, ...]
    further: tuple[int, ...] = ()
    held: tuple[int, ...] = ()  # the widths of the states; none where all are of the first
    computed: tuple[int, ...] = ()
    constants: int = 0

    @property
    def widths(self) -> tuple[int, ...]:
        return (self.width, *self.further)

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """The terms that read whole rows."""
        return tuple(number for number, term in enumerate(self.terms) if term.op in REDUCTIONS)

    @cached_property
    def is_elementwise(self) -> bool:
        """Is a step nothing but one round of products of states, then single units, all of one width, and nothing drawn?"""
        whole = not any(piece.first for piece in self.recurrent) and not any(
            v.first or v.attribute or v.one for v in self.vectors
        )
        ready = not any(given.first or given.noise or given.one for given in self.given)
        return whole and ready and not (self.further or self.computed or self.constants or self.rows)

"""The step of a cell as equations of numbers, as data: what `equations` reads from its graph and `cpp` writes as C++."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Term:
    """`given`, `recurrent`, `vector` and `state` read entry `index` of what the step is given; `number` is `value`; others compute."""

    op: str
    terms: tuple[int, ...] = ()
    index: int = 0
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Slice:
    """Columns `start` to `stop` of the weight of the dense layer at `key`, which meet the input or the state `source`."""

    key: str
    source: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Given:
    """What is ready for all steps at once: the dense map `key` of some inputs, or, where `key` is none, input `source` itself."""

    key: str | None
    parts: tuple[Slice, ...] = ()
    bias: bool = False
    source: int = 0


@dataclass(frozen=True, slots=True)
class Vector:
    """A parameter of `width` numbers: the cell's own at `key`, or the bias of the dense layer there."""

    key: str
    bias: bool = False


@dataclass(frozen=True, slots=True)
class Equations:
    """A step. `after` are the terms of the next states, `results` those of the outputs; every tensor has `width` columns."""

    width: int
    states: int
    terms: tuple[Term, ...]
    given: tuple[Given, ...]
    recurrent: tuple[Slice, ...]
    vectors: tuple[Vector, ...]
    after: tuple[int, ...]
    results: tuple[int, ...]

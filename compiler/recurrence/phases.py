"""In what order the units of a step are computed: phases, each of which needs whole rows of those before it.

Comes in: the equations of a step. Goes out: its schedule. A phase begins with products, of rows that are there before it. Then follow its
segments, each of which but the last ends in sums over rows. A phase that has or reads sums is computed row by row, any other in tiles of
some rows and some units. What a segment reads of earlier ones are leaves, sums and what was saved; other terms it computes anew from those.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from .terms import LEAVES, REDUCTIONS, ROW, Equations, Term

Ends = tuple[
    tuple[str, int, int], ...
]  # what is written (`sum`, `saved`, `state`, `result`), its number, and the term that it is


@dataclass(frozen=True, slots=True)
class Segment:
    """What one loop over the units of a row, or of a tile, makes."""

    ends: Ends
    terms: tuple[int, ...]  # in order of computation; those that are read are among them
    read: frozenset[int]  # of these those that are neither leaves nor computed here: sums and what was saved


@dataclass(frozen=True, slots=True)
class Phase:
    """`by_row`: its segments go row by row. The last phase makes the next states and the outputs."""

    products: tuple[int, ...]
    segments: tuple[Segment, ...]
    by_row: bool
    last: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """`saved` are the terms whose rows are kept: those that enter products, in the order of `Equations.computed`, then what is summed and
    read later."""

    phases: tuple[Phase, ...]
    saved: tuple[int, ...]


@cache
def schedule(equations: Equations) -> Schedule:
    """The phases of a step, in order; there is always a last one."""
    when = _when(equations)
    final = max((phase for phase, _ in when), default=0)
    found = tuple(dict.fromkeys((*equations.computed, *_summed_and_read_later(equations, when))))
    phases = []
    for number in range(final + 1):
        products = tuple(t.index for n, t in enumerate(equations.terms) if t.op == "recurrent" and when[n] == (number, 0))
        depth = max((segment for phase, segment in when if phase == number), default=0)
        segments = [_segment(equations, when, found, (number, place), final, depth) for place in range(depth + 1)]
        segments = [segment for segment in segments if segment.ends]
        if products or segments:
            summing = any(equations.terms[n].op in REDUCTIONS for segment in segments for n in segment.read)
            by_row = summing or any(kind == "sum" for segment in segments for kind, _, _ in segment.ends)
            phases.append(Phase(products, tuple(segments), by_row, number == final))
    return Schedule(tuple(phases), found)


def width_of(equations: Equations, number: int) -> int:
    """Which of the widths a term has where it is written into a row."""
    width = equations.terms[number].width
    return width if width != ROW else equations.widths.index(1)


def _segment(
    equations: Equations,
    when: list[tuple[int, int]],
    saved: tuple[int, ...],
    here: tuple[int, int],
    final: int,
    depth: int,
) -> Segment:
    phase, place = here
    ends = [("sum", r, equations.terms[n].terms[0]) for r, n in enumerate(equations.rows) if when[n] == (phase, place + 1)]
    ends += [("saved", k, n) for k, n in enumerate(saved) if when[n] == here]
    if here == (final, depth):
        ends += [("state", s, n) for s, n in enumerate(equations.after)]
        ends += [("result", o, n) for o, n in enumerate(equations.results)]
    cut = {*equations.rows, *(n for n in saved if when[n] != here)}
    terms = _needed(equations, (n for _, _, n in ends), cut)
    return Segment(tuple(ends), tuple(sorted(terms)), frozenset(terms & cut))


def _needed(equations: Equations, ends: Iterable[int], cut: set[int]) -> set[int]:
    """The terms that `ends` are computed from, themselves included, as far as the leaves and the `cut`."""
    pending, found = list(ends), set[int]()
    while pending:
        number = pending.pop()
        if number not in found:
            found.add(number)
            pending += () if number in cut else equations.terms[number].terms
    return found


def _summed_and_read_later(equations: Equations, when: list[tuple[int, int]]) -> list[int]:
    """What a loop computes for a sum, and a later one would compute again."""
    sums = set(equations.rows)
    worth = {equations.terms[n].terms[0] for n in sums}
    worth = {n for n in worth if equations.terms[n].op not in (*LEAVES, "number")}
    ends = {equations.terms[n].terms[0]: (when[n][0], when[n][1] - 1) for n in sums} | {n: when[n] for n in equations.computed}
    ends |= dict.fromkeys((*equations.after, *equations.results), (len(when) + 1, 0))
    return sorted({n for end, place in ends.items() for n in _needed(equations, [end], sums) & worth if when[n] < place})


def _when(equations: Equations) -> list[tuple[int, int]]:
    """Of each term the first phase, and the segment there, in which it can be computed."""
    when: list[tuple[int, int]] = []
    for term in equations.terms:
        when.append(_after(term, equations, when))
    return when


def _after(term: Term, equations: Equations, when: list[tuple[int, int]]) -> tuple[int, int]:
    if term.op == "recurrent":
        source = equations.recurrent[term.index].source - equations.states
        return (1 if source < 0 else when[equations.computed[source]][0] + 1, 0)
    phase, segment = max((when[operand] for operand in term.terms), default=(0, 0))
    return (phase, segment + 1) if term.op in REDUCTIONS else (phase, segment)

"""What forward and backward have in common: how the terms of a segment are read, and loops over tiles and rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .joined import joined, kept_values
from .phases import Phase, Schedule, Segment, schedule, width_of
from .terms import LEAVES, Equations

TEXTS = {
    "given": "given[{k} * apart + l]",
    "recurrent": "product[{k} * P + l]",
    "vector": "vectors[{k} * P + l]",
    "state": "state{k}[l]",
    "count": "T(c.widths[{k}])",
    "epsilon": "std::numeric_limits<T>::epsilon()",
}


@dataclass(frozen=True)
class Cell:
    """The equations of a step with their schedule, and the names that things have in the text."""

    equations: Equations
    schedule: Schedule
    starts: tuple[int | None, ...]  # what is given that each product begins with
    kept: Mapping[int, int]  # terms that are kept in the place of a product, and its number

    @staticmethod
    def of(equations: Equations) -> Cell:
        found = joined(equations)
        order = schedule(found.equations)
        once = len(order.phases) == 1 and len(order.phases[0].segments) == 1
        return Cell(found.equations, order, found.starts, kept_values(found.equations) if once else {})

    @property
    def phases(self) -> tuple[Phase, ...]:
        return self.schedule.phases

    @property
    def counts(self) -> str:
        e = self.equations
        apart = [start for start in self.starts if start is None]
        sizes = {"C": e.given, "G": e.recurrent, "A": apart, "V": e.vectors, "R": e.rows, "K": self.schedule.saved}
        return ", ".join(
            [*(f"{name} = {len(items)}" for name, items in sizes.items()), f"S = {e.states}", f"O = {len(e.results)}"]
        )

    def reading(self, segment: Segment, *, backward: bool = False) -> Callable[[int], str]:
        """The text that reads a term in a segment; none for what is computed there."""
        equations = self.equations

        def text(number: int) -> str:
            term = equations.terms[number]
            if backward and number in self.kept:
                return TEXTS["recurrent"].format(k=self.kept[number])
            if number in segment.read:
                return (
                    f"saved{self.schedule.saved.index(number)}[l]" if number in self.schedule.saved else f"q{self.sum_of(number)}"
                )
            return TEXTS.get(term.op, "").format(k=term.index)

        return text

    def sum_of(self, number: int) -> int:
        """Which of the sums over rows a term is."""
        return self.equations.rows.index(number)

    def is_read(self, segment: Segment) -> Callable[[int], bool]:
        """Is a term read in a segment, not computed?"""
        return lambda number: number in segment.read or self.equations.terms[number].op in LEAVES

    def ends(self, segment: Segment, width: int) -> list[tuple[str, int, int]]:
        """What a loop of this width makes of a segment."""
        return [end for end in segment.ends if width_of(self.equations, end[2]) == width]

    def terms(self, segment: Segment, ends: Iterable[tuple[str, int, int]]) -> list[int]:
        """Of the terms of a segment those that some of its ends need."""
        pending, found, inside = [term for _, _, term in ends], set[int](), set(segment.terms)
        while pending:
            number = pending.pop()
            if number not in found:
                found.add(number)
                pending += () if number in segment.read else self.equations.terms[number].terms
        return sorted(found & inside)

    def products(self, phase: Phase, width: int) -> list[int]:
        """The products of a phase that are so wide."""
        return [g for g in phase.products if self.equations.recurrent[g].width == width]

    def adjoint(self, product: int) -> tuple[str, int]:
        """Where the adjoint of a product is: that of what it begins with, or one of its own, and its number there."""
        start = self.starts[product]
        return ("given", start) if start is not None else ("product", self.starts[:product].count(None))

    def source(self, product: int) -> tuple[str, int]:
        """The row that a product reads: a state, or what was saved, and its number."""
        source = self.equations.recurrent[product].source
        states = self.equations.states
        return ("state", source) if source < states else ("saved", source - states)

    def source_width(self, product: int) -> int:
        kind, number = self.source(product)
        return self.held(number) if kind == "state" else width_of(self.equations, self.schedule.saved[number])

    def held(self, state: int) -> int:
        """Which of the widths a state has."""
        return self.equations.held[state] if self.equations.held else 0

    @property
    def widths(self) -> range:
        return range(len(self.equations.widths))

    def needs_barrier(self, phase: Phase, after: Phase, joins: bool) -> bool:
        """Must all threads be done with a phase before one begins the next, which `joins` rows that others have made?"""
        apart = phase.by_row == after.by_row and (phase.by_row or len(self.phases) == 1)
        return joins or not apart


def unit_loop(lines: Sequence[str]) -> str:
    """Over the units of a tile."""
    return "\n".join(["#pragma GCC ivdep", "for (int l = 0; l < W; l++) {", *(f"  {line}" for line in lines), "}"])


def row_loop(lines: Sequence[str], width: int, sums: Sequence[str]) -> str:
    """Over the units of a row; `sums` are the clauses of what is summed on the way."""
    pragma = " ".join(["#pragma omp simd", *sums])
    head = f"for (long l = 0; l < c.widths[{width}]; l++) {{"
    return "\n".join([pragma, head, *(f"  {line}" for line in lines), "}"])


def indented(text: str, depth: int) -> str:
    return "\n".join(f"{'  ' * depth}{line}" for line in text.split("\n"))


def tiles(name: str, width: int, rows: str) -> str:
    """All tiles of a width, shared by the threads in blocks of rows; `name` is a function of its rows, its first unit, and t."""
    return f"""    {{ constexpr int M = {rows};
      const long blocks = (c.B + M - 1) / M, work = c.pad({width}) / W * blocks, end = work * (id + 1) / n;
      for (long w = work * id / n; w < end;) {{
        const long first = w % blocks, last = std::min(blocks, first + end - w);
        {name}(c, first * M, std::min(last * M, c.B), w / blocks * W, t);
        w += last - first;
      }} }}
"""


def along_rows(name: str, width: int) -> str:
    """As `tiles`, of units that no product makes: one after the other as they lie in memory. `name` is a function of its row, its first
    unit, and t."""
    return f"""    {{ const long tiles = c.pad({width}) / W, work = c.B * tiles, end = work * (id + 1) / n;
      for (long w = work * id / n; w < end;) {{
        const long b = w / tiles, first = w % tiles, last = std::min(tiles, first + end - w);
        for (long j = first; j < last; j++) {name}(c, b, j * W, t);
        w += last - first;
      }} }}
"""


def rows_in_blocks(call: str, rows: str) -> str:
    """A function of so many rows, `call` with the number as `#`, over rows `lo` to `hi`; of eight last ones it takes twice four rather than
    six and two, which are too few to keep the processor busy."""
    return f"""{{ long r = lo;
  for (; r + {rows} <= hi && !({rows} == 6 && hi - r == 8); r += {rows}) {call.replace("#", rows)}
  if constexpr ({rows} > 4) for (; r + 4 <= hi; r += 4) {call.replace("#", "4")}
  for (; r + 2 <= hi; r += 2) {call.replace("#", "2")}
  if (r < hi) {call.replace("#", "1")} }}"""


def each_row(name: str) -> str:
    return f"    for (long b = c.B * id / n; b < c.B * (id + 1) / n; b++) {name}(c, b, t);\n"


BARRIER = '    _Pragma("omp barrier")\n'

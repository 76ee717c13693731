"""The derivative of the steps of a cell, as C++: last step first, and in a step the last phase first.

A phase computes its terms anew from what it reads. What products have made of a row comes back to it before the phase that made the row
(for a state that is the last phase of the step before): the adjoints of the products times their weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from .adjoint import adjoints, values
from .loops import BARRIER, Cell, along_rows, each_row, indented, row_loop, rows_in_blocks, tiles, unit_loop
from .phases import Phase, Segment, width_of
from .terms import REDUCTIONS, ROW

End = tuple[str, int, int]


@dataclass(frozen=True)
class Loop:
    """One loop over units, in the order in which they run: `first` is the first of its width, which writes what the others add to."""

    phase: int
    segment: int
    width: int
    ends: tuple[End, ...]
    first: bool


def backward(cell: Cell) -> str:
    """The function `backward`."""
    loops, offsets = loops_of(cell), _offsets(cell)
    functions = [_tile(cell, n, width, loops, offsets) for n in range(len(cell.phases)) for width in cell.widths]
    functions += [_row(cell, n, loops) for n, phase in enumerate(cell.phases) if phase.by_row]
    return "".join([*functions, _steps(cell, loops, offsets)])


def loops_of(cell: Cell) -> list[Loop]:
    found: list[Loop] = []
    for n in reversed(range(len(cell.phases))):
        segments = cell.phases[n].segments
        for place in reversed(range(len(segments))):
            for width in cell.widths:
                if ends := cell.ends(segments[place], width):
                    first = all(loop.width != width for loop in found)
                    found.append(Loop(n, place, width, tuple(ends), first))
    return found


def _rows_made(cell: Cell, phase: Phase, width: int) -> list[tuple[str, int]]:
    """The rows of a phase to which adjoints come from products, and the states, to which they come from the step after."""
    return [
        (kind, number)
        for segment in phase.segments
        for kind, number, _ in cell.ends(segment, width)
        if kind == "state" or (kind == "saved" and number < len(cell.equations.computed))
    ]


def _readers(cell: Cell, phase: Phase, width: int) -> list[int]:
    """The products that read the rows which a phase makes."""
    made = _rows_made(cell, phase, width)
    return [g for g in range(len(cell.equations.recurrent)) if cell.source(g) in made]


def _offsets(cell: Cell) -> dict[tuple[int, int], str]:
    at, found = ["0"], {}
    for n, phase in enumerate(cell.phases):
        for width in cell.widths:
            if readers := _readers(cell, phase, width):
                found[n, width] = " + ".join(at)
                at.append(f"c.pad({width}) * ({_depth(cell, readers)})")
    return found


def _depth(cell: Cell, products: list[int]) -> str:
    """How many rows the panels of these products have."""
    return " + ".join(f"c.widths[{cell.equations.recurrent[g].width}]" for g in products) or "0"


def _has_tile(cell: Cell, phase: Phase, width: int) -> bool:
    if phase.by_row:
        return bool(_readers(cell, phase, width))
    return any(cell.ends(segment, width) for segment in phase.segments)


def _tile(cell: Cell, n: int, width: int, loops: list[Loop], offsets: dict[tuple[int, int], str]) -> str:
    """Some rows of `W` units: what comes back from products, then the adjoints of the equations."""
    phase = cell.phases[n]
    if not _has_tile(cell, phase, width):
        return ""
    if _is_along_rows(cell, n, width, loops):
        return _units(cell, n, width, loops)
    functions, body = [], []
    if not _touched(cell, n, width, loops):
        saved = [k for kind, k in _rows_made(cell, phase, width) if kind == "saved"]
        clears = [f"std::memset(c.dsaved[{k}] + b * c.P + j, 0, W * sizeof(T));" for k in saved]
        body += [f"for (long b = lo; b < hi; b++) {{ {' '.join(clears)} }}"] if saved else []
    readers = _readers(cell, phase, width)
    for i, g in enumerate(readers):
        name = f"back_product_{n}_{g}"
        panel = f"c.panels + {offsets[n, width]} + j * ({_depth(cell, readers)}) + ({_depth(cell, readers[:i])}) * VL"
        functions.append(_back_product(cell, name, g, panel, f"({_depth(cell, readers)}) * VL"))
        there = "t + 1 < c.N" if cell.source(g)[0] == "state" else "t >= 0"
        call = f"{name}<#>(c, r, j, t);"
        if i == 0 and not phase.by_row:
            functions.append(_ahead(cell, n, width, loops))
            call = f"{{ if (t >= 0) for (int m = 0; m < #; m++) back_ahead_{n}_{width}(c, r + m, j, t); {call} }}"
        body.append(f"if ({there}) {rows_in_blocks(call, 'rows_of(J)')}")
    if not phase.by_row:
        functions.append(_units(cell, n, width, loops))
        body += ["if (t < 0) return;"] if phase.last else []
        body.append(f"for (long b = lo; b < hi; b++) back_units_{n}_{width}(c, b, j, t);")
    return f"""{"".join(functions)}INLINE void back_tile_{n}_{width}(const Call& c, long lo, long hi, long j, long t) {{
{indented(chr(10).join(body), 1)}
}}
"""


def _is_along_rows(cell: Cell, n: int, width: int, loops: list[Loop]) -> bool:
    """Is a tile nothing but units, to which no product gives an adjoint?"""
    phase = cell.phases[n]
    saved = any(kind == "saved" for kind, _ in _rows_made(cell, phase, width))
    return not (phase.by_row or _readers(cell, phase, width) or (saved and not _touched(cell, n, width, loops)))


def _units(cell: Cell, n: int, width: int, loops: list[Loop]) -> str:
    """The units of a tile, row `b` of it, by themselves."""
    mine = [loop for loop in loops if (loop.phase, loop.width) == (n, width)]
    body = [*_pointers(cell, "j"), f"if (c.past(b, t)) {{ {past(cell, mine, 'W')} return; }}"]
    body += [unit_loop(lanes(cell, cell.phases[n].segments[loop.segment], loop, n)[0]) for loop in mine]
    return f"""INLINE void back_units_{n}_{width}(const Call& c, long b, long j, long t) {{
  const long P = c.P, B = c.B, apart = P;
{indented(chr(10).join(body), 1)}
}}
"""


def _ahead(cell: Cell, n: int, width: int, loops: list[Loop]) -> str:
    """Fetches what the units of a tile, row `b` of it, will read and write."""
    e = cell.equations
    mine = [loop for loop in loops if (loop.phase, loop.width) == (n, width)]
    lines = [
        f"FETCH(dgiven + {k} * P);" + (f" FETCH(given + {k} * P);" if k not in cell.starts else "")
        for k, g in enumerate(e.given)
        if g.width in (width, ROW)
    ]
    lines += [f"FETCH(product + {g} * P);" for g, piece in enumerate(e.recurrent) if piece.width == width]
    lines += [
        f"FETCH(dproduct + {cell.adjoint(g)[1]} * P);"
        for g, piece in enumerate(e.recurrent)
        if piece.width == width and cell.starts[g] is None
    ]
    for kind, number in dict.fromkeys((kind, number) for loop in mine for kind, number, _ in loop.ends if kind != "sum"):
        lines += [f"FETCH(d{kind}{number});"] + ([f"FETCH({kind}{number});"] if kind != "result" else [])
    return f"""INLINE void back_ahead_{n}_{width}(const Call& c, long b, long j, long t) {{
  const long P = c.P, B = c.B;
{indented(chr(10).join([*_pointers(cell, "j"), *lines]), 1)}
}}
"""


def _touched(cell: Cell, n: int, width: int, loops: list[Loop]) -> bool:
    """Has a loop of this width run before those of this phase?"""
    return any(loop.width == width and loop.phase > n for loop in loops)


def _many(kind: str) -> str:
    return "states" if kind == "state" else kind


def _back_product(cell: Cell, name: str, g: int, panel: str, apart: str) -> str:
    """The adjoints of a product times its weights, added to those of its row; those of states are of the step after."""
    kind, number = cell.source(g)
    adjoint, place = cell.adjoint(g)
    many = "C" if adjoint == "given" else "A"
    return f"""template <int M> INLINE void {name}(const Call& c, long r0, long j, long t) {{
  const long P = c.P, B = c.B, apart = {apart};
  const T* panel = {panel};
  const T* from = c.d{adjoint} + (({"t + 1" if kind == "state" else "t"}) * B + r0) * {many} * P + {place} * P;
  T* to = c.d{_many(kind)}[{number}] + r0 * P + j;
  vt acc[M][J];
  for (int m = 0; m < M; m++) for (int i = 0; i < J; i++) acc[m][i] = *(const vt*)(to + m * P + i * VL);
  const long width = c.widths[{cell.equations.recurrent[g].width}];
  long k = 0;
  if constexpr (M == 1) {{ // of one row the sums are too few to keep the processor busy
    vt part[4][J] = {{}};
    for (; k + 4 <= width; k += 4, panel += 4 * VL)
      for (int q = 0; q < 4; q++) for (int i = 0; i < J; i++) part[q][i] += from[k + q] * *(const vt*)(panel + q * VL + i * apart);
    for (int i = 0; i < J; i++) acc[0][i] += (part[0][i] + part[1][i]) + (part[2][i] + part[3][i]);
  }}
  for (; k < width; k++, panel += VL) {{
    vt w[J];
    for (int i = 0; i < J; i++) {{ vt one = *(const vt*)(panel + i * apart); HOLD(one); w[i] = one; }}
    for (int m = 0; m < M; m++) for (int i = 0; i < J; i++) acc[m][i] += from[m * {many} * P + k] * w[i];
  }}
  for (int m = 0; m < M; m++) for (int i = 0; i < J; i++) *(vt*)(to + m * P + i * VL) = acc[m][i];
}}
"""


def _pointers(cell: Cell, unit: str) -> list[str]:
    """Where the row `b`, from `unit` on, lies in each tensor."""
    found = [
        f"const T* given = c.given + (t * B + b) * C * P + {unit};",
        f"const T* product = c.product + (t * B + b) * G * P + {unit};",
        f"const T* vectors = c.vectors + {unit};",
        "const T* sums = c.sums + (t * B + b) * R;",
        f"T* dgiven = c.dgiven + (t * B + b) * C * P + {unit};",
        f"T* dproduct = c.dproduct + (t * B + b) * A * P + {unit};",
        f"T* dvectors = c.dvectors + b * V * P + {unit};",
        "T* dsums = c.dsums + b * R;",
    ]
    for s in range(cell.equations.states):
        found += [f"const T* state{s} = c.states[{s}] + (t * B + b) * P + {unit};"]
        found += [f"T* dstate{s} = c.dstates[{s}] + b * P + {unit};"]
    for k in range(len(cell.schedule.saved)):
        found += [f"const T* saved{k} = c.saved[{k}] + (t * B + b) * P + {unit};"]
        found += [f"T* dsaved{k} = c.dsaved[{k}] + b * P + {unit};"]
    return [
        *found,
        *(
            f"const T* dresult{o} = c.dresults[{o}] + t * c.result_steps[{o}] + b * c.result_rows[{o}] + {unit};"
            for o in range(len(cell.equations.results))
        ),
    ]


def _leaves(cell: Cell, loop: Loop, n: int) -> list[tuple[str, str, int]]:
    """The adjoints that the first loop of a width writes: their texts, and the kind and the number of what they belong to."""
    e, width = cell.equations, loop.width
    home = {number for kind, number, _ in loop.ends if kind == "saved"}
    own = [(c, given) for c, given in enumerate(e.given) if c not in cell.starts]
    found = [(f"dgiven[{c} * apart + l]", "given", c) for c, given in own if given.width in (width, ROW)]
    places = [(cell.adjoint(g), g) for g, piece in enumerate(e.recurrent) if piece.width == width]
    found += [(f"d{kind}[{place} * P + l]", "recurrent", g) for (kind, place), g in places]
    return found + [
        (f"dsaved{k}[l]", "saved", k)
        for k, term in enumerate(cell.schedule.saved)
        if k not in home and width_of(e, term) == width
    ]


def past(cell: Cell, loops: list[Loop], size: str) -> str:
    """Past the length of an example: no adjoints, and those of states as they were."""
    lines = []
    for loop in loops:
        if loop.first:
            for text, _, _ in _leaves(cell, loop, loop.phase):
                lines.append(f"std::memset(&{text.replace('+ l]', ']').replace('[l]', '[0]')}, 0, {size} * sizeof(T));")
    return " ".join(lines)


def lanes(cell: Cell, segment: Segment, loop: Loop, n: int) -> tuple[list[str], list[int]]:
    """One unit: the terms, their adjoints, and what is written of them. Beside it the sums over rows whose adjoints are summed."""
    e, ends = cell.equations, loop.ends
    numbers = cell.terms(segment, ends)
    lines = values(e.terms, numbers, cell.reading(segment, backward=True))
    seeds = [(term, _seed(kind, number)) for kind, number, term in ends if not _is_largest(cell, kind, number)]
    back, found = adjoints(e.terms, numbers, cell.is_read(segment), seeds)
    lines += back
    slopes: dict[tuple[str, int], str] = {}
    summed = []
    for number, name in found.items():
        term = e.terms[number]
        if number in cell.schedule.saved and number in segment.read:
            slopes["saved", cell.schedule.saved.index(number)] = name
        elif term.op in REDUCTIONS:
            summed.append(cell.sum_of(number))
            lines.append(f"e{cell.sum_of(number)} += {name};")
        else:
            slopes[term.op, term.index] = name
    for text, kind, number in _leaves(cell, loop, n):
        if loop.first and (kind, number) not in _rows_made(cell, cell.phases[n], loop.width):
            lines.append(f"{text} = {slopes.get((kind, number), 'T(0)')};")
        elif (kind, number) in slopes:
            lines.append(f"{text} += {slopes[kind, number]};")
    lines += [f"dvectors[{number} * P + l] += {name};" for (kind, number), name in slopes.items() if kind == "vector"]
    written = {number for kind, number, _ in ends if kind == "state"}
    for number in range(e.states):
        if number in written:
            lines.append(f"dstate{number}[l] = {slopes.get(('state', number), 'T(0)')};")
        elif ("state", number) in slopes:
            lines.append(f"dstate{number}[l] += {slopes['state', number]};")
    return lines, summed


def _seed(kind: str, number: int) -> str:
    return f"g{number}" if kind == "sum" else f"d{kind}{number}[l]"


def _is_largest(cell: Cell, kind: str, number: int) -> bool:
    return kind == "sum" and cell.equations.terms[cell.equations.rows[number]].op == "largest"


def _row(cell: Cell, n: int, loops: list[Loop]) -> str:
    """All units of one row, the last segment first."""
    phase, mine = cell.phases[n], [loop for loop in loops if loop.phase == n]
    body = _pointers(cell, "0")
    if n == max(k for k, other in enumerate(cell.phases) if other.by_row):
        body.append("for (int k = 0; k < R; k++) dsums[k] = T(0);")
    skipped = " ".join(past(cell, [loop], f"c.pad({loop.width})") for loop in mine)
    body.append(f"if (c.past(b, t)) {{ {skipped} return; }}")
    for loop in mine:
        body += ["{", *_row_segment(cell, phase.segments[loop.segment], loop, n), "}"]
    return f"""INLINE void back_row_{n}(const Call& c, long b, long t) {{
  const long P = c.P, B = c.B, apart = P;
{indented(chr(10).join(body), 1)}
}}
"""


def _row_segment(cell: Cell, segment: Segment, loop: Loop, n: int) -> list[str]:
    e = cell.equations
    units, summed = lanes(cell, segment, loop, n)
    read = sorted(cell.sum_of(k) for k in cell.terms(segment, loop.ends) if k in segment.read and e.terms[k].op in REDUCTIONS)
    lines = [f"const T q{number} = sums[{number}];" for number in read]
    lines += [f"const T g{number} = dsums[{number}];" for kind, number, _ in loop.ends if kind == "sum"]
    lines += [f"T e{number} = T(0);" for number in summed]
    lines.append(row_loop(units, loop.width, [f"reduction(+:e{number})" for number in summed]))
    return [*lines, *(f"dsums[{number}] += e{number};" for number in summed)]


def _pack(cell: Cell, offsets: dict[tuple[int, int], str]) -> list[str]:
    """The weights in the order in which the products of the adjoints read them."""
    found = []
    for (n, width), offset in offsets.items():
        readers = _readers(cell, cell.phases[n], width)
        for i, g in enumerate(readers):
            to = cell.equations.recurrent[g].width
            found.append(f"""#pragma omp for nowait
for (long j = 0; j < c.pad({width}); j += VL) {{
  T* panel = c.panels + {offset} + j * ({_depth(cell, readers)}) + ({_depth(cell, readers[:i])}) * VL;
  for (long k = 0; k < c.widths[{to}]; k++) for (int l = 0; l < VL; l++)
    panel[k * VL + l] = j + l < c.widths[{width}] ? c.weights[{g}][k * c.strides[{g}] + j + l] : T(0);
}}""")
    return found


def _steps(cell: Cell, loops: list[Loop], offsets: dict[tuple[int, int], str]) -> str:
    """The loop over the steps, from the last to before the first, where the adjoints of the first states are."""
    phases, body = cell.phases, []
    for n in reversed(range(len(phases))):
        phase, before = phases[n], phases[n - 1]
        widths = [width for width in cell.widths if _has_tile(cell, phase, width)]
        beside = [width for width in widths if _is_along_rows(cell, n, width, loops)]
        body += [tiles(f"back_tile_{n}_{width}", width, "rows_of(J)") for width in widths if width not in beside]
        if phase.last:
            body.append("    if (t < 0) break;\n")
        body += [along_rows(f"back_units_{n}_{width}", width) for width in beside]
        if phase.by_row:
            body += [BARRIER] if widths else []
            body.append(each_row(f"back_row_{n}"))
        joins = any(_readers(cell, before, width) for width in cell.widths)
        body += [BARRIER] if cell.needs_barrier(phase, before, joins) else []
    return f"""void backward(const Call& c) {{
  #pragma omp parallel num_threads(c.threads)
  {{
    const long id = omp_get_thread_num(), n = omp_get_num_threads();
{indented(chr(10).join(_pack(cell, offsets)), 2)}
{indented(BARRIER.strip(), 2)}
    for (long t = c.N - 1; t >= -1; t--) {{
{indented("".join(body).rstrip(chr(10)), 1)}
    }}
  }}
}}
"""

"""The steps of a cell forward, as C++."""

from __future__ import annotations

from .adjoint import values
from .loops import BARRIER, Cell, along_rows, each_row, indented, row_loop, rows_in_blocks, tiles, unit_loop
from .phases import Phase, Segment
from .terms import ROW

End = tuple[str, int, int]


def forward(cell: Cell) -> str:
    """The functions `pack` and `forward`."""
    offsets = _offsets(cell)
    functions = [_tile(cell, n, width, offsets) for n in range(len(cell.phases)) for width in cell.widths]
    functions += [_row(cell, n) for n, phase in enumerate(cell.phases) if phase.by_row]
    return "".join([*functions, _pack(cell, offsets), _steps(cell)])


def _offsets(cell: Cell) -> dict[tuple[int, int, int], str]:
    """Where the panels begin of the products of a phase and a width that read rows of one width."""
    at, found = ["0"], {}
    for n, phase in enumerate(cell.phases):
        for width in cell.widths:
            for source, group in _groups(cell, phase, width).items():
                found[n, width, source] = " + ".join(at)
                at.append(f"c.pad({width}) * c.widths[{source}] * {len(group)}")
    return found


def _groups(cell: Cell, phase: Phase, width: int) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = {}
    for g in cell.products(phase, width):
        groups.setdefault(cell.source_width(g), []).append(g)
    return groups


def _has_tile(cell: Cell, phase: Phase, width: int) -> bool:
    lanes = not phase.by_row and any(cell.ends(segment, width) for segment in phase.segments)
    return lanes or bool(cell.products(phase, width))


def _rows_of_tile(cell: Cell, phase: Phase, width: int) -> str:
    groups = _groups(cell, phase, width).values()
    return f"rows_of({max(len(group) for group in groups)})"


def _tile(cell: Cell, n: int, width: int, offsets: dict[tuple[int, int, int], str]) -> str:
    """Some rows of `W` units: the products, then the equations."""
    phase = cell.phases[n]
    if not _has_tile(cell, phase, width):
        return ""
    if not cell.products(phase, width):
        return _units(cell, n, width)
    functions, body = [], []
    groups = _groups(cell, phase, width)
    if groups and not phase.by_row:
        functions.append(_ahead(cell, n, width))
    for source, group in groups.items():
        name = f"product_{n}_{width}_{source}"
        functions.append(_product(cell, name, group, offsets[n, width, source], source))
        call = f"{name}<#>(c, r, lo, hi, j + i * VL, t, k, end);"
        if source == next(iter(groups)) and not phase.by_row:
            call = f"{{ if (k == 0 && i == 0) for (int m = 0; m < #; m++) ahead_{n}_{width}(c, r + m, r + m + #, j, t); {call} }}"
        body += [
            f"for (long k = 0; k < c.widths[{source}]; k += chunk_of({len(group)})) {{",
            f"  const long end = std::min(k + chunk_of({len(group)}), c.widths[{source}]);",
            "  for (int i = 0; i < J; i++)",
            indented(rows_in_blocks(call, f"rows_of({len(group)})"), 2),
            "}",
        ]
    if not phase.by_row:
        functions.append(_units(cell, n, width))
        body.append(f"for (long b = lo; b < hi; b++) units_{n}_{width}(c, b, j, t);")
    return f"""{"".join(functions)}INLINE void tile_{n}_{width}(const Call& c, long lo, long hi, long j, long t) {{
{indented(chr(10).join(body), 1)}
}}
"""


def _product(cell: Cell, name: str, group: list[int], offset: str, source: int) -> str:
    """Some columns of the weights of products of rows of one width, which go through their panels side by side: added to what they begin
    with, or to what is there. In a step the fewer of weights and rows are held in registers and the others pass through one, so that with
    the accumulators all have one; a fetch each brings the panel that comes next, which a row alone reads too fast for that."""
    count = len(group)
    names = {row: f"row{i}" for i, row in enumerate(dict.fromkeys(cell.source(g) for g in group))}
    begins = {"state": "c.states[{k}] + (now * B + r0) * P", "saved": "c.saved[{k}] + (row * B + r0) * P"}
    rows = [f"const T* {row} = {begins[kind].format(k=number)};" for (kind, number), row in names.items()]
    each = range(count)
    starts = [cell.starts[g] for g in group]
    begin = ["vt{}" if start is None else f"*(const vt*)(given + (m * C + {start}) * P)" for start in starts]
    loads = [f"acc[m][{i}] = first ? {begin[i]} : *(const vt*)(to + (m * G + {group[i]}) * P);" for i in each]
    held_weights = [f"vt w{i} = *(const vt*)(panel + {i} * VL); HOLD(w{i});" for i in each]
    streamed_rows = [
        f"x = {row}[m * P + k] - vt{{}};"
        + "".join(f" acc[m][{i}] += x * w{i};" for i in each if names[cell.source(group[i])] == row)
        for row in names.values()
    ]
    held_rows = [f"vt x_{row}[M]; for (int m = 0; m < M; m++) x_{row}[m] = {row}[m * P + k] - vt{{}};" for row in names.values()]
    streamed_weights = [
        f"w = *(const vt*)(panel + {i} * VL); HOLD(w); for (int m = 0; m < M; m++) acc[m][{i}] += x_{names[cell.source(group[i])]}[m] * w;"
        for i in each
    ]
    of = [names[cell.source(g)] for g in group]
    pair = [f"acc[0][{i}] += {of[i]}[k] * *(const vt*)(panel + {i} * VL);" for i in each]
    pair += [f"odd[{i}] += {of[i]}[k + 1] * *(const vt*)(panel + {count + i} * VL);" for i in each]
    stores = [f"*(vt*)(to + (m * G + {group[i]}) * P) = acc[m][{i}];" for i in each]
    return f"""template <int M> INLINE void {name}(const Call& c, long r0, long lo, long hi, long j, long t, long k, long end) {{
{_steps_of_states()}
{indented(chr(10).join(rows), 1)}
  const T* panel = c.packed + {offset} + (j * c.widths[{source}] + k * VL) * {count};
  const T* given = c.given + (t * B + r0) * C * P + j;
  T* to = c.product + (row * B + r0) * G * P + j;
  const bool first = k == 0;
  vt acc[M][{count}];
  for (int m = 0; m < M; m++) {{ {" ".join(loads)} }}
  const long step = ({count} * VL * M + hi - lo - 1) / (hi - lo);
  const T* next = panel + (end - k) * ({count} * VL + (r0 - lo) / M * step);
  if constexpr (M == 1) {{ // of one row the sums are too few to keep the processor busy
    vt odd[{count}] = {{}};
    for (; k + 2 <= end; k += 2, panel += 2 * {count} * VL) {{
{indented(chr(10).join(pair), 3)}
    }}
    for (int i = 0; i < {count}; i++) acc[0][i] += odd[i];
  }}
  for (; k < end; k++, panel += {count} * VL, next += step) {{
    if constexpr (M > 1) FETCH(next);
    if constexpr ({count} < M * {len(names)}) {{
{indented(chr(10).join(held_weights), 3)}
      for (int m = 0; m < M; m++) {{ vt {" ".join(streamed_rows)} }}
    }} else {{
      vt w;
{indented(chr(10).join([*held_rows, *streamed_weights]), 3)}
    }}
  }}
  for (int m = 0; m < M; m++) {{ {" ".join(stores)} }}
}}
"""


def _units(cell: Cell, n: int, width: int) -> str:
    """The units of a tile, row `b` of it, by themselves."""
    phase = cell.phases[n]
    ends = [end for segment in phase.segments for end in cell.ends(segment, width)]
    body = [*_pointers(cell, "j"), f"if (c.past(b, t)) {{ {past(cell, ends, 'W')} return; }}"]
    body += [unit_loop(lanes(cell, segment, cell.ends(segment, width))) for segment in phase.segments]
    return f"""INLINE void units_{n}_{width}(const Call& c, long b, long j, long t) {{
{_steps_of_states()}
{indented(chr(10).join(body), 1)}
}}
"""


def _ahead(cell: Cell, n: int, width: int) -> str:
    """Fetches what the units of a tile, row `b` of it, will read and write, and what products of row `next` begin with."""
    ends = [end for segment in cell.phases[n].segments for end in cell.ends(segment, width)]
    given = [
        (k, "next * C" if k in cell.starts else "b * C") for k, g in enumerate(cell.equations.given) if g.width in (width, ROW)
    ]
    lines = [f"FETCH(c.given + (t * B * C + {row} + {k}) * P + j);" for k, row in given]
    lines += [f"FETCH({'next' if kind == 'state' else kind}{number});" for kind, number, _ in ends if kind != "sum"]
    return f"""INLINE void ahead_{n}_{width}(const Call& c, long b, long next, long j, long t) {{
{_steps_of_states()}
{indented(chr(10).join([*_pointers(cell, "j"), *lines]), 1)}
}}
"""


def _steps_of_states() -> str:
    """Where the states before and after a step are, and what else is kept of it."""
    return """  const long P = c.P, B = c.B, apart = P, row = c.kept ? t : 0;
  const long now = c.kept ? t : t & 1, then = c.kept ? t + 1 : (t + 1) & 1;"""


def _pointers(cell: Cell, unit: str) -> list[str]:
    """Where the row `b`, from `unit` on, lies in each tensor."""
    found = [
        f"const T* given = c.given + (t * B + b) * C * P + {unit};",
        f"T* product = c.product + (row * B + b) * G * P + {unit};",
        f"const T* vectors = c.vectors + {unit};",
        "T* sums = c.sums + (row * B + b) * R;",
    ]
    for s in range(cell.equations.states):
        found += [f"T* state{s} = c.states[{s}] + (now * B + b) * P + {unit};"]
        found += [f"T* next{s} = c.states[{s}] + (then * B + b) * P + {unit};"]
    found += [f"T* saved{k} = c.saved[{k}] + (row * B + b) * P + {unit};" for k in range(len(cell.schedule.saved))]
    found += [f"T* result{o} = c.results[{o}] + (t * B + b) * P + {unit};" for o in range(len(cell.equations.results))]
    return found


def past(cell: Cell, ends: list[End], size: str) -> str:
    """What there is past the length of an example: states as they were, and nothing else."""
    lines = []
    for kind, number, _ in ends:
        if kind == "state":
            lines.append(f"std::memcpy(next{number}, state{number}, {size} * sizeof(T));")
        elif kind == "sum":
            lines.append(f"sums[{number}] = T(0);")
        else:
            lines.append(f"std::memset({kind}{number}, 0, {size} * sizeof(T));")
    return " ".join(lines)


def lanes(cell: Cell, segment: Segment, ends: list[End]) -> list[str]:
    """One unit: all terms, then what is written of them."""
    lines = values(cell.equations.terms, cell.terms(segment, ends), cell.reading(segment))
    lines += [f"product[{g} * P + l] = n{term};" for term, g in cell.kept.items() if term in segment.terms]
    for kind, number, term in ends:
        if kind == "sum":
            largest = cell.equations.terms[cell.equations.rows[number]].op == "largest"
            lines.append(f"s{number} = s{number} > n{term} ? s{number} : n{term};" if largest else f"s{number} += n{term};")
        else:
            lines.append(f"{'next' if kind == 'state' else kind}{number}[l] = n{term};")
    return lines


def _row(cell: Cell, n: int) -> str:
    """All units of one row, segment by segment."""
    phase = cell.phases[n]
    body = [*_pointers(cell, "0"), f"if (c.past(b, t)) {{ {_past_row(cell, phase)} return; }}"]
    for segment in phase.segments:
        for width in cell.widths:
            if ends := cell.ends(segment, width):
                body += ["{", *_row_segment(cell, segment, ends, width), "}"]
    return f"""INLINE void row_{n}(const Call& c, long b, long t) {{
{_steps_of_states()}
{indented(chr(10).join(body), 1)}
}}
"""


def _past_row(cell: Cell, phase: Phase) -> str:
    return " ".join(
        past(cell, cell.ends(segment, width), f"c.pad({width})") for segment in phase.segments for width in cell.widths
    )


def _row_segment(cell: Cell, segment: Segment, ends: list[End], width: int) -> list[str]:
    rows, clauses = cell.equations.rows, []
    read = sorted(cell.sum_of(n) for n in cell.terms(segment, ends) if n in rows and n in segment.read)
    lines = [f"const T q{number} = sums[{number}];" for number in read]
    made = [number for kind, number, _ in ends if kind == "sum"]
    for number in made:
        largest = cell.equations.terms[rows[number]].op == "largest"
        lines.append(f"T s{number} = {'-std::numeric_limits<T>::infinity()' if largest else 'T(0)'};")
        clauses.append(f"reduction({'max' if largest else '+'}:s{number})")
    lines.append(row_loop(lanes(cell, segment, ends), width, clauses))
    return [*lines, *(f"sums[{number}] = s{number};" for number in made)]


def _pack(cell: Cell, offsets: dict[tuple[int, int, int], str]) -> str:
    """The weights in the order in which the products read them."""
    blocks = []
    for (n, width, source), offset in offsets.items():
        group = _groups(cell, cell.phases[n], width)[source]
        for i, g in enumerate(group):
            blocks.append(f"""  #pragma omp for nowait
  for (long j = 0; j < c.pad({width}); j += VL) {{
    T* panel = c.panels + {offset} + j * c.widths[{source}] * {len(group)} + {i} * VL;
    for (long k0 = 0; k0 < c.widths[{source}]; k0 += 64) // a block of a panel stays in the first cache while its columns are written
      for (int l = 0; l < VL; l++) {{
        const T* from = c.weights[{g}] + (j + l) * c.strides[{g}];
        const long end = std::min(k0 + 64, c.widths[{source}]);
        for (long k = k0; k < end; k++) panel[k * {len(group)} * VL + l] = j + l < c.widths[{width}] ? from[k] : T(0);
      }} }}
""")
    inside = "".join(blocks)
    return f"""void pack(const Call& c) {{
  #pragma omp parallel num_threads(c.threads)
  {{
{inside}{_join(cell)}  }}
}}
"""


def _join(cell: Cell) -> str:
    """The maps of inputs below each other, and their biases; what pads them is 0."""
    lines = [
        f"""    if (c.joined) {{
      T* to = c.joined + {c} * c.P * c.D; const long width = c.widths[{max(given.width, 0)}];
      #pragma omp for nowait
      for (long j = 0; j < c.P; j++) {{
        if (j < width) std::memcpy(to + j * c.D, c.maps[{c}] + j * c.map_strides[{c}], c.D * sizeof(T));
        else std::memset(to + j * c.D, 0, c.D * sizeof(T));
        if (c.bias) c.bias[{c} * c.P + j] = j < width ? c.biases[{c}][j] : T(0);
      }}
    }}
"""
        for c, given in enumerate(cell.equations.given)
    ]
    return "".join(lines)


def _steps(cell: Cell) -> str:
    """The loop over the steps."""
    body = []
    for n, phase in enumerate(cell.phases):
        for width in cell.widths:
            if cell.products(phase, width):
                body.append(tiles(f"tile_{n}_{width}", width, _rows_of_tile(cell, phase, width)))
            elif _has_tile(cell, phase, width):
                body.append(along_rows(f"units_{n}_{width}", width))
        if phase.by_row:
            body += [BARRIER] if phase.products else []
            body.append(each_row(f"row_{n}"))
        after = cell.phases[(n + 1) % len(cell.phases)]
        body += [BARRIER] if cell.needs_barrier(phase, after, bool(after.products)) else []
    inside = indented("".join(body).rstrip("\n"), 1)
    return f"""void forward(const Call& c) {{
  const long size = c.B * c.P;
  if (c.begins) for (int s = 0; s < S; s++) std::memcpy(c.states[s], c.starts[s], size * sizeof(T));
  #pragma omp parallel num_threads(c.threads)
  {{
    const long id = omp_get_thread_num(), n = omp_get_num_threads();
    for (long t = 0; t < c.N; t++) {{
{inside}
    }}
  }}
  const long last = c.kept ? c.N : c.N & 1;
  if (c.ends) for (int s = 0; s < S; s++) std::memcpy(c.lasts[s], c.states[s] + last * size, size * sizeof(T));
}}
"""

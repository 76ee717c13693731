"""A cell whose steps multiply nothing, as C++: the maps of its inputs are taken within the scan over the steps, and backward the gradients
of their weights are summed within it, while what is multiplied is near. A library's product for all steps at once would write to memory
what the steps then read, and back. A tile of `W` units reads no other: each thread has its own, for all steps.

All rows (a step's row of an example: t * B + b) pass a tile in blocks, forward from the first and backward from the last.
"""

from __future__ import annotations

from . import backward, forward
from .loops import Cell, indented, rows_in_blocks, unit_loop

ROWS = 64  # of a block: so many of what is given, of the inputs and of the gradients of their maps stay in the first cache
OWN_TILES = """    const long id = omp_get_thread_num(), n = omp_get_num_threads(), tiles = c.P / W;
    const long first = tiles * id / n * W, stop = tiles * (id + 1) / n * W;"""
MOST_MAPS = 6  # with more of them the accumulators of two rows do not fit into the registers


def scans(cell: Cell) -> bool:
    """Are its units all of one loop and one width, and no product among them?"""
    (phase, *others), e = cell.phases, cell.equations
    alone = not others and not phase.by_row and len(phase.segments) == 1 and len(e.widths) == 1
    return alone and not e.recurrent and 0 < len(e.given) <= MOST_MAPS


def scan(cell: Cell) -> str:
    """The functions `scan` and `scan_back`."""
    return "".join(
        [
            _begin(cell),
            _enter(cell),
            _units(cell),
            _block(),
            _scan(cell),
            _leave(),
            _units_back(cell),
            _block_back(),
            _scan_back(cell),
        ]
    )


def _begin(cell: Cell) -> str:
    """The maps of a tile in the order in which its rows read them, their biases, and the first states."""
    maps = "".join(
        f"""
  for (int l = 0; l < W; l++) {{
    T* to = c.joined + j * c.D * C + l / VL * c.D * C * VL + {i} * VL + l % VL;
    const bool inside = j + l < c.widths[0];
    const T* from = c.maps[{i}] + (j + l) * c.map_strides[{i}];
    for (long k = 0; k < c.D; k++) to[k * C * VL] = inside ? from[k] : T(0);
    c.bias[j * C + {i} * W + l] = inside && c.biases[{i}] ? c.biases[{i}][j + l] : T(0);
  }}"""
        for i in range(len(cell.equations.given))
    )
    return f"""INLINE long span_of(const Call& c) {{ return c.kept ? c.N + 1 : 2; }} // of how many steps there are states
INLINE void find_inputs(const Call& c, long lo, long hi, const T** x_of) {{
  long t = lo / c.B, b = lo % c.B;
  for (long r = lo; r < hi; r++, b = b + 1 == c.B ? t++, 0 : b + 1) x_of[r - lo] = c.x + t * c.x_step + b * c.x_row;
}}
INLINE void scan_begin(const Call& c, long j) {{{maps}
  for (int s = 0; s < S; s++) for (long b = 0; b < c.B; b++)
    std::memcpy(c.states[s] + j * span_of(c) * c.B + b * W, c.starts[s] + b * c.P + j, W * sizeof(T));
}}
INLINE void scan_end(const Call& c, long j) {{
  const long last = c.kept ? c.N : c.N & 1;
  for (int s = 0; s < S; s++) for (long b = 0; b < c.B; b++)
    std::memcpy(c.lasts[s] + b * c.P + j, c.states[s] + (j * span_of(c) + last * W) * c.B + b * W, W * sizeof(T));
}}
"""


def _enter(cell: Cell) -> str:
    """What is given to some rows. The fewer of weights and rows are held in registers, and the others pass through one."""
    each = range(len(cell.equations.given))
    held_weights = [f"vt w{i} = *(const vt*)(panel + {i} * VL); HOLD(w{i});" for i in each]
    streamed_rows = " ".join(["x = row[m][k] - vt{};", *(f"acc[m][{i}] += x * w{i};" for i in each)])
    streamed_weights = [
        f"w = *(const vt*)(panel + {i} * VL); HOLD(w); for (int m = 0; m < M; m++) acc[m][{i}] += x[m] * w;" for i in each
    ]
    return f"""template <int M> INLINE void enter(const Call& c, const T* const* x_of, const T* panel, const T* bias, T* to) {{
  vt acc[M][C];
  const T* row[M];
  for (int m = 0; m < M; m++) row[m] = x_of[m];
  for (int m = 0; m < M; m++) for (int i = 0; i < C; i++) acc[m][i] = *(const vt*)(bias + i * W);
  for (long k = 0; k < c.D; k++, panel += C * VL) {{
    if constexpr (C < M) {{
{indented(chr(10).join(held_weights), 3)}
      for (int m = 0; m < M; m++) {{ vt {streamed_rows} }}
    }} else {{
      vt w, x[M]; for (int m = 0; m < M; m++) x[m] = row[m][k] - vt{{}};
{indented(chr(10).join(streamed_weights), 3)}
    }}
  }}
  for (int m = 0; m < M; m++) for (int i = 0; i < C; i++) *(vt*)(to + (m * C + i) * W) = acc[m][i];
}}
"""


def _units(cell: Cell) -> str:
    segment, e = cell.phases[0].segments[0], cell.equations
    ends = cell.ends(segment, 0)
    pointers = ["const T* vectors = c.vectors + j;"]
    for s in range(e.states):
        pointers += [
            f"T* state{s} = c.states[{s}] + (at + now * W) * B + b * W;",
            f"T* next{s} = c.states[{s}] + (at + then * W) * B + b * W;",
        ]
    pointers += [f"T* result{o} = c.results[{o}] + (t * B + b) * P + j;" for o in range(len(e.results))]
    pointers += [f"__builtin_prefetch(result{o} + B * P, 1, 2);" for o in range(len(e.results))]
    body = [
        *pointers,
        f"if (c.past(b, t)) {{ {forward.past(cell, ends, 'W')} return; }}",
        unit_loop(forward.lanes(cell, segment, ends)),
    ]
    return f"""INLINE void scan_units(const Call& c, long t, long b, long j, const T* given) {{
  const long P = c.P, B = c.B, at = j * span_of(c), now = c.kept ? t : t & 1, then = c.kept ? t + 1 : (t + 1) & 1, apart = W;
{indented(chr(10).join(body), 1)}
}}
"""


def _block() -> str:
    """What is given is kept where it is needed again, else it is of these rows."""
    call = """for (int i = 0; i < J; i++)
    enter<#>(c, x_of + r - lo, c.joined + (j + i * VL) * c.D * C, c.bias + j * C + i * VL, given + (r - lo) * C * W + i * VL);"""
    return f"""INLINE void scan_block(const Call& c, const T* const* x_of, long lo, long hi, long j, T* near) {{
  T* given = c.kept ? c.given + (j * c.N * c.B + lo * W) * C : near;
{indented(rows_in_blocks(call, "rows_of(C)"), 1)}
  long t = lo / c.B, b = lo % c.B;
  for (long r = lo; r < hi; r++, b = b + 1 == c.B ? t++, 0 : b + 1) scan_units(c, t, b, j, given + (r - lo) * C * W);
}}
"""


def _scan(cell: Cell) -> str:
    return f"""void scan(const Call& c) {{
  const long rows = c.N * c.B;
  #pragma omp parallel num_threads(c.threads)
  {{
{OWN_TILES}
    for (long j = first; j < stop; j += W) scan_begin(c, j);
    alignas(64) T near[{ROWS} * C * W];
    const T* x_of[{ROWS}];
    for (long lo = 0; lo < rows; lo += {ROWS}) {{
      const long hi = std::min(lo + {ROWS}, rows);
      find_inputs(c, lo, hi, x_of);
      for (long j = first; j < stop; j += W) scan_block(c, x_of, lo, hi, j, near);
    }}
    for (long j = first; j < stop; j += W) scan_end(c, j);
  }}
}}
"""


def _leave() -> str:
    """Adds to the gradients of some columns of a map, whose rows are those of a tile, what some rows bring."""
    return f"""template <int M> INLINE void leave(const Call& c, const T* const* x_of, const T* d, long rows, long k, T* to) {{
  vt acc[M][J];
  for (int m = 0; m < M; m++) for (int i = 0; i < J; i++) acc[m][i] = *(const vt*)(to + m * C * W + i * VL);
  for (long r = 0; r < rows; r++, d += C * W) {{
    const T* x = x_of[r] + k;
    vt w[J];
    for (int i = 0; i < J; i++) {{ vt one = *(const vt*)(d + i * VL); HOLD(one); w[i] = one; }}
    for (int m = 0; m < M; m++) for (int i = 0; i < J; i++) acc[m][i] += x[m] * w[i];
  }}
  for (int m = 0; m < M; m++) for (int i = 0; i < J; i++) *(vt*)(to + m * C * W + i * VL) = acc[m][i];
}}
INLINE void leave_map(const Call& c, const T* const* x_of, const T* d, long rows, T* to) {{
  const long lo = 0, hi = c.D;
{indented(rows_in_blocks("leave<#>(c, x_of, d, rows, r, to + r * C * W);", "rows_of(J)"), 1)}
}}
"""


def _units_back(cell: Cell) -> str:
    (loop,), e = backward.loops_of(cell), cell.equations
    pointers = ["const T* vectors = c.vectors + j;", "T* dvectors = c.dvectors + b * V * P + j;"]
    for s in range(e.states):
        pointers += [
            f"const T* state{s} = c.states[{s}] + (j * (c.N + 1) + t * W) * B + b * W;",
            f"T* dstate{s} = c.dstates[{s}] + b * P + j;",
        ]
    for o in range(len(e.results)):
        pointers += [f"const T* dresult{o} = c.dresults[{o}] + t * c.result_steps[{o}] + b * c.result_rows[{o}] + j;"]
        pointers += [f"if (t) FETCH(dresult{o} - c.result_steps[{o}]);"]
    body = [*pointers, f"if (c.past(b, t)) {{ {backward.past(cell, [loop], 'W')} return; }}"]
    body += [unit_loop(backward.lanes(cell, cell.phases[0].segments[0], loop, 0)[0])]
    return f"""INLINE void scan_units_back(const Call& c, long t, long b, long j, const T* given, T* dgiven) {{
  const long P = c.P, B = c.B, apart = W;
{indented(chr(10).join(body), 1)}
}}
"""


def _block_back() -> str:
    return """INLINE void scan_block_back(const Call& c, const T* const* x_of, long lo, long hi, long j, T* near) {
  long t = (hi - 1) / c.B, b = (hi - 1) % c.B;
  for (long r = hi - 1; r >= lo; r--, b = b == 0 ? t--, c.B - 1 : b - 1)
    scan_units_back(c, t, b, j, c.given + (j * c.N * c.B + r * W) * C, near + (r - lo) * C * W);
  if (c.dgiven) for (long r = lo; r < hi; r++) for (int i = 0; i < C; i++)
    std::memcpy(c.dgiven + (r * C + i) * c.P + j, near + ((r - lo) * C + i) * W, W * sizeof(T));
  for (int i = 0; i < C; i++) leave_map(c, x_of, near + i * W, hi - lo, c.joined + j * c.D * C + i * W);
  T* bias = c.bias + j * C;
  for (long r = lo; r < hi; r++) for (int l = 0; l < C * W; l++) bias[l] += near[(r - lo) * C * W + l];
}
"""


def _scan_back(cell: Cell) -> str:
    """The gradients of maps and biases are summed by tile, then written where they belong."""
    return f"""INLINE void scan_back_end(const Call& c, long j) {{
  const long width = std::min<long>(W, c.widths[0] - j);
  for (int i = 0; i < C; i++) for (long l = 0; l < width; l++) {{
    const T* from = c.joined + j * c.D * C + i * W + l;
    T* to = c.dmaps[i] + (j + l) * c.map_strides[i];
    for (long k = 0; k < c.D; k++) to[k] = from[k * C * W];
    if (c.dbiases[i]) c.dbiases[i][j + l] = c.bias[j * C + i * W + l];
  }}
}}
void scan_back(const Call& c) {{
  #pragma omp parallel num_threads(c.threads)
  {{
{OWN_TILES}
    alignas(64) T near[{ROWS} * C * W];
    if (first < stop) std::memset(c.joined + first * c.D * C, 0, (stop - first) * c.D * C * sizeof(T));
    if (first < stop) std::memset(c.bias + first * C, 0, (stop - first) * C * sizeof(T));
    const T* x_of[{ROWS}];
    for (long hi = c.N * c.B; hi > 0; hi -= {ROWS}) {{
      const long lo = std::max(hi - {ROWS}, 0L);
      find_inputs(c, lo, hi, x_of);
      for (long j = first; j < stop; j += W) scan_block_back(c, x_of, lo, hi, j, near);
    }}
    for (long j = first; j < stop; j += W) scan_back_end(c, j);
  }}
}}
"""

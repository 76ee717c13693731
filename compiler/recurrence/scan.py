"""A cell whose steps multiply nothing, as C++: the maps of its inputs are taken within the scan over the steps, and backward the gradients
of their weights are summed within it, while what is multiplied is near. A library's product for all steps at once would write to memory
what the steps then read, and back. A tile of `W` units reads no other: each thread has its own, for all steps.

All rows (that of example b at step t is t * B + b) pass a tile in blocks, forward from the first and backward from the last.
"""

from __future__ import annotations

from . import backward, forward
from .loops import Cell, indented, rows_in_blocks, unit_loop

MOST_MAPS = 6  # with more of them the accumulators of two rows do not fit into the registers

# Of a block so many of what is given, of the inputs and of the gradients of their maps stay in the first cache.
BEGIN = """constexpr int ROWS = 64;
INLINE long span_of(const Call& c) { return c.kept ? c.N + 1 : 2; } // of how many steps there are states
INLINE void find_inputs(const Call& c, long lo, long hi, const T** x_of) {
  long t = lo / c.B, b = lo % c.B;
  for (long r = lo; r < hi; r++, b = b + 1 == c.B ? t++, 0 : b + 1) x_of[r - lo] = c.x + t * c.x_step + b * c.x_row;
}
"""

# The maps of a tile in the order in which its rows read them, their biases, and the first states; what some rows are given, where the fewer
# of weights and rows are held in registers and the others pass through one, while the places of their outputs, which lie all over memory,
# are fetched; and the last states.
ENTER = f"""INLINE void scan_begin(const Call& c, long j) {{
  for (int i = 0; i < C; i++) for (int l = 0; l < W; l++) {{
    T* to = c.joined + (j + l / VL * VL) * c.D * C + i * VL + l % VL;
    const bool inside = j + l < c.widths[0];
    const T* from = c.maps[i] + (j + l) * c.map_strides[i];
    for (long k = 0; k < c.D; k++) to[k * C * VL] = inside ? from[k] : T(0);
    c.bias[j * C + i * W + l] = inside && c.biases[i] ? c.biases[i][j + l] : T(0);
  }}
  for (int s = 0; s < S; s++) for (long b = 0; b < c.B; b++)
    std::memcpy(c.states[s] + j * span_of(c) * c.B + b * W, c.starts[s] + b * c.P + j, W * sizeof(T));
}}
template <int M> INLINE void enter(const Call& c, const T* const* x_of, const T* panel, const T* bias, T* to) {{
  vt acc[M][C];
  const T* row[M];
  for (int m = 0; m < M; m++) row[m] = x_of[m];
  for (int m = 0; m < M; m++) for (int i = 0; i < C; i++) acc[m][i] = *(const vt*)(bias + i * W);
  for (long k = 0; k < c.D; k++, panel += C * VL) {{
    if constexpr (C < M) {{
      vt w[C];
      for (int i = 0; i < C; i++) {{ vt one = *(const vt*)(panel + i * VL); HOLD(one); w[i] = one; }}
      for (int m = 0; m < M; m++) {{ const vt x = row[m][k] - vt{{}}; for (int i = 0; i < C; i++) acc[m][i] += x * w[i]; }}
    }} else {{
      vt x[M];
      for (int m = 0; m < M; m++) x[m] = row[m][k] - vt{{}};
      for (int i = 0; i < C; i++) {{ vt w = *(const vt*)(panel + i * VL); HOLD(w); for (int m = 0; m < M; m++) acc[m][i] += x[m] * w; }}
    }}
  }}
  for (int m = 0; m < M; m++) for (int i = 0; i < C; i++) *(vt*)(to + (m * C + i) * W) = acc[m][i];
}}
template <int M> INLINE void enter_rows(const Call& c, const T* const* x_of, long begin, long r, long j, T* given) {{
  for (int o = 0; o < O; o++) for (int m = 0; m < M; m++) __builtin_prefetch(c.results[o] + (begin + r + m) * c.P + j, 1);
  for (int i = 0; i < W; i += VL)
    enter<M>(c, x_of + r, c.joined + (j + i) * c.D * C, c.bias + j * C + i, given + r * C * W + i);
}}
INLINE void enter_block(const Call& c, const T* const* x_of, long begin, long rows, long j, T* given) {{
  const long lo = 0, hi = rows;
{indented(rows_in_blocks("enter_rows<#>(c, x_of, begin, r, j, given);", "rows_of(C)"), 1)}
}}
INLINE void scan_end(const Call& c, long j) {{
  const long last = c.kept ? c.N : c.N & 1;
  for (int s = 0; s < S; s++) for (long b = 0; b < c.B; b++)
    std::memcpy(c.lasts[s] + b * c.P + j, c.states[s] + (j * span_of(c) + last * W) * c.B + b * W, W * sizeof(T));
}}
"""

# What is given is kept where it is needed again, else it is of the rows of a block.
SCAN = """void scan(const Call& c) {
  const long rows = c.N * c.B, tiles = c.P / W;
  #pragma omp parallel num_threads(c.threads)
  {
    const long id = omp_get_thread_num(), n = omp_get_num_threads(), first = tiles * id / n * W, stop = tiles * (id + 1) / n * W;
    alignas(64) T near[ROWS * C * W];
    const T* x_of[ROWS];
    for (long j = first; j < stop; j += W) scan_begin(c, j);
    for (long lo = 0; lo < rows; lo += ROWS) {
      const long hi = std::min(lo + ROWS, rows);
      find_inputs(c, lo, hi, x_of);
      for (long j = first; j < stop; j += W) {
        T* given = c.kept ? c.given + (j * rows + lo * W) * C : near;
        enter_block(c, x_of, lo, hi - lo, j, given);
        for (long r = lo, t = lo / c.B, b = lo % c.B, many; r < hi; r += many, t++, b = 0) {
          many = std::min(hi - r, c.B - b);
          scan_units(c, t, b, b + many, j, given + (r - lo) * C * W);
        }
      }
    }
    for (long j = first; j < stop; j += W) scan_end(c, j);
  }
}
"""

# The gradients of a tile's maps and biases: to those of some columns of a map is added what the rows of a block bring; at the end they are
# written where they belong.
LEAVE = f"""template <int M> INLINE void leave(const Call& c, const T* const* x_of, const T* d, long rows, long k, T* to) {{
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
INLINE void leave_block(const Call& c, const T* const* x_of, long rows, long j, const T* d) {{
  for (int i = 0; i < C; i++) leave_map(c, x_of, d + i * W, rows, c.joined + j * c.D * C + i * W);
  T* bias = c.bias + j * C;
  for (long r = 0; r < rows; r++) for (int l = 0; l < C * W; l++) bias[l] += d[r * C * W + l];
}}
INLINE void scan_back_end(const Call& c, long j) {{
  const long width = std::min<long>(W, c.widths[0] - j);
  for (int i = 0; i < C; i++) for (long l = 0; l < width; l++) {{
    const T* from = c.joined + j * c.D * C + i * W + l;
    T* to = c.dmaps[i] + (j + l) * c.map_strides[i];
    for (long k = 0; k < c.D; k++) to[k] = from[k * C * W];
    if (c.dbiases[i]) c.dbiases[i][j + l] = c.bias[j * C + i * W + l];
  }}
}}
"""

SCAN_BACK = """void scan_back(const Call& c) {
  const long rows = c.N * c.B, tiles = c.P / W;
  #pragma omp parallel num_threads(c.threads)
  {
    const long id = omp_get_thread_num(), n = omp_get_num_threads(), first = tiles * id / n * W, stop = tiles * (id + 1) / n * W;
    alignas(64) T near[ROWS * C * W];
    const T* x_of[ROWS];
    std::fill(c.joined + first * c.D * C, c.joined + stop * c.D * C, T(0));
    std::fill(c.bias + first * C, c.bias + stop * C, T(0));
    for (long hi = rows; hi > 0; hi -= ROWS) {
      const long lo = std::max(hi - ROWS, 0L);
      find_inputs(c, lo, hi, x_of);
      for (long j = first; j < stop; j += W) {
        for (long r = hi, t = (hi - 1) / c.B, b = hi - t * c.B, many; r > lo; r -= many, t--, b = c.B) {
          many = std::min(r - lo, b);
          scan_units_back(c, t, b - many, b - 1, j, c.given + (j * rows + (r - 1) * W) * C, near + (r - 1 - lo) * C * W);
        }
        if (c.dgiven) for (long r = lo; r < hi; r++) for (int i = 0; i < C; i++)
          std::memcpy(c.dgiven + (r * C + i) * c.P + j, near + ((r - lo) * C + i) * W, W * sizeof(T));
        leave_block(c, x_of, hi - lo, j, near);
      }
    }
    for (long j = first; j < stop; j += W) scan_back_end(c, j);
  }
}
"""


def scans(cell: Cell) -> bool:
    """Are its units all of one loop and one width, and no product among them?"""
    (phase, *others), e = cell.phases, cell.equations
    alone = not others and not phase.by_row and len(phase.segments) == 1 and len(e.widths) == 1
    return alone and not e.recurrent and 0 < len(e.given) <= MOST_MAPS


def scan(cell: Cell) -> str:
    """The functions `scan` and `scan_back`."""
    return "".join([BEGIN, ENTER, _units(cell), SCAN, LEAVE, _units_back(cell), SCAN_BACK])


def _units(cell: Cell) -> str:
    """The units of a tile, some rows of a step."""
    segment, e = cell.phases[0].segments[0], cell.equations
    ends, pointers, steps = cell.ends(segment, 0), ["const T* vectors = c.vectors + j;"], ["given += C * W"]
    for s in range(e.states):
        pointers.append(
            f"T *state{s} = c.states[{s}] + (at + now * W) * B + b * W, *next{s} = c.states[{s}] + (at + then * W) * B + b * W;"
        )
        steps.append(f"state{s} += W, next{s} += W")
    for o in range(len(e.results)):
        pointers.append(f"T* result{o} = c.results[{o}] + (t * B + b) * P + j;")
        steps.append(f"result{o} += P")
    body = [f"if (c.past(b, t)) {{ {forward.past(cell, ends, 'W')} continue; }}", unit_loop(forward.lanes(cell, segment, ends))]
    return f"""INLINE void scan_units(const Call& c, long t, long b, long stop, long j, const T* given) {{
  const long P = c.P, B = c.B, at = j * span_of(c), now = c.kept ? t : t & 1, then = c.kept ? t + 1 : (t + 1) & 1, apart = W;
{indented(chr(10).join(pointers), 1)}
  for (; b < stop; b++, {", ".join(steps)}) {{
{indented(chr(10).join(body), 2)}
  }}
}}
"""


def _units_back(cell: Cell) -> str:
    """The derivative of `_units`, the last row first, as all of memory is gone through; what lies all over it is fetched a step ahead."""
    (loop,), e = backward.loops_of(cell), cell.equations
    pointers, steps = ["const T* vectors = c.vectors + j;", "T* dvectors = c.dvectors + b * V * P + j;"], ["dvectors -= V * P"]
    for s in range(e.states):
        pointers.append(f"const T* state{s} = c.states[{s}] + (j * (c.N + 1) + t * W) * B + b * W;")
        pointers.append(f"T* dstate{s} = c.dstates[{s}] + b * P + j;")
        steps.append(f"state{s} -= W, dstate{s} -= P")
    for o in range(len(e.results)):
        pointers.append(f"const T* dresult{o} = c.dresults[{o}] + t * c.result_steps[{o}] + b * c.result_rows[{o}] + j;")
        steps.append(f"dresult{o} -= c.result_rows[{o}]")
    body = [f"if (t) FETCH(dresult{o} - c.result_steps[{o}]);" for o in range(len(e.results))]
    body.append(f"if (c.past(b, t)) {{ {backward.past(cell, [loop], 'W')} continue; }}")
    body.append(unit_loop(backward.lanes(cell, cell.phases[0].segments[0], loop, 0)[0]))
    return f"""INLINE void scan_units_back(const Call& c, long t, long first, long b, long j, const T* given, T* dgiven) {{
  const long P = c.P, B = c.B, apart = W;
{indented(chr(10).join(pointers), 1)}
  for (; b >= first; b--, given -= C * W, dgiven -= C * W, {", ".join(steps)}) {{
{indented(chr(10).join(body), 2)}
  }}
}}
"""

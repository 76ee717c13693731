"""The steps of a cell as one C++ translation unit with a plain C interface: forward and backward over the whole sequence.

One parallel region and one barrier a step; the recurrent weights are packed once a call into panels of `VL` columns, and what the
matrix product leaves in its accumulators goes straight into the equations. All widths are padded to a multiple of `VL` columns; what
stands in the padding is never read across columns, so that no number of it (not even NaN) reaches the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from .adjoint import adjoints, values
from .terms import Equations

LANES = 16

PRELUDE = r"""#include <omp.h>
#include <cmath>
#include <cstring>
#include <vector>
#define VL 16
#define INLINE static inline __attribute__((always_inline))
// exp and tanh of float as polynomials (Cephes, Eigen), which the compiler vectorises.
INLINE float f_exp(float x) {
  x = x < -87.3f ? -87.3f : (x > 88.3f ? 88.3f : x);
  const float n = __builtin_rintf(x * 1.44269504088896341f);
  float r = x - n * 0.693359375f; r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f; p = p * r + 1.3981999507e-3f; p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f; p = p * r + 1.6666665459e-1f; p = p * r + 5.0000001201e-1f; p = p * r * r + r + 1.f;
  const int k = ((int)n + 127) << 23; float s; std::memcpy(&s, &k, 4); return p * s; }
INLINE float f_tanh(float y) {
  const float x = y < -7.9053111f ? -7.9053111f : (y > 7.9053111f ? 7.9053111f : y), z = x * x;
  float p = -2.76076847742355e-16f; p = p * z + 2.00018790482477e-13f; p = p * z - 8.60467152213735e-11f;
  p = p * z + 5.12229709037114e-08f; p = p * z + 1.48572235717979e-05f; p = p * z + 6.37261928875436e-04f;
  p = p * z + 4.89352455891786e-03f; p = p * x;
  float q = 1.19825839466702e-06f; q = q * z + 1.18534705686654e-04f; q = q * z + 2.26843463243900e-03f;
  q = q * z + 4.89352518554385e-03f; return p / q; }
INLINE float f_sigmoid(float x) { return 1.f / (1.f + f_exp(-x)); }
INLINE float f_logsigmoid(float x) { // min(x, 0) - log1p(e^-|x|), log1p(e) = 2 atanh(e / (2 + e))
  const float e = f_exp(x < 0.f ? x : -x), q = e / (2.f + e), z = q * q;
  float p = 1.f / 15; p = p * z + 1.f / 13; p = p * z + 1.f / 11; p = p * z + 1.f / 9; p = p * z + 1.f / 7;
  p = p * z + 0.2f; p = p * z + 1.f / 3; p = p * z + 1.f; return (x < 0.f ? x : 0.f) - 2.f * q * p; }
INLINE double f_exp(double x) { return std::exp(x); }
INLINE double f_tanh(double x) { return std::tanh(x); }
INLINE double f_sigmoid(double x) { return 1. / (1. + std::exp(-x)); }
INLINE double f_logsigmoid(double x) { return (x < 0 ? x : 0) - std::log1p(std::exp(x < 0 ? x : -x)); }
template <class T> INLINE T f_relu(T x) { return x < T(0) ? T(0) : x; }
template <class T> INLINE T f_abs(T x) { return x < T(0) ? -x : x; }
template <class T> INLINE T f_sqrt(T x) { return std::sqrt(x); }
template <class T> INLINE T f_log(T x) { return std::log(x); }
template <class T> INLINE T f_sin(T x) { return std::sin(x); }
template <class T> INLINE T f_cos(T x) { return std::cos(x); }
template <class T> INLINE T f_atan(T x) { return std::atan(x); }
template <class T> INLINE T f_erf(T x) { return std::erf(x); }
template <class T> INLINE T f_expm1(T x) { return std::expm1(x); }
template <class T> INLINE T f_log1p(T x) { return std::log1p(x); }
template <class T> INLINE T f_pow(T x, T y) { return std::pow(x, y); }
template <class T> INLINE T f_floor(T x) { return std::floor(x); }
template <class T> INLINE T f_ceil(T x) { return std::ceil(x); }
template <class T> INLINE T f_round(T x) { return std::nearbyint(x); } // a half goes to the even number
template <class T> INLINE T f_sign(T x) { return T(x > T(0)) - T(x < T(0)); }
template <class T> struct Lanes;
template <> struct Lanes<float> { typedef float t __attribute__((vector_size(64), aligned(4))); };
template <> struct Lanes<double> { typedef double t __attribute__((vector_size(128), aligned(8))); };
"""

# given [T, B, C, P], product [T, B, G, P], vectors [V, P], states S of [T + 1, B, P], results O of [T, B, P], weights G of [H, H], whose
# rows are `strides[g]` apart: column k of weights[g] holds what unit k of the source of product g gives to each unit. P is H padded.
# Where nothing is `kept` for a derivative, product is [1, B, G, P] and states are of [2, B, P], which take turns.
FORWARD = r"""
template <class T, int M> INLINE void tile(long r0, long j, long t, long H, long P, long B, const T* given, T* product,
    const T* vectors, T* const* states, T* const* results, const T* panel, const long* length, long kept) {
  typedef typename Lanes<T>::t vt;
  const long now = kept ? t : t & 1, then = kept ? t + 1 : (t + 1) & 1, row_of = kept ? t : 0;
  vt acc[M][G + 1] = {};
  if (G) for (long k = 0; k < H; k++) {
    const T* row = panel + k * G * VL;
    for (int m = 0; m < M; m++) for (int g = 0; g < G; g++)
      acc[m][g] += states[SOURCE[g]][(now * B + r0 + m) * P + k] * *(const vt*)(row + g * VL);
  }
  for (int m = 0; m < M; m++) {
    const long b = r0 + m, at = (now * B + b) * P + j, next = (then * B + b) * P + j, out = (t * B + b) * P + j;
    T* pr = product + (row_of * B + b) * G * P + j;
    if (length && t >= length[b]) {
      for (int s = 0; s < S; s++) std::memcpy(states[s] + next, states[s] + at, VL * sizeof(T));
      for (int o = 0; o < O; o++) std::memset(results[o] + out, 0, VL * sizeof(T));
      for (int g = 0; g < G; g++) std::memset(pr + g * P, 0, VL * sizeof(T));
      continue;
    }
    for (int g = 0; g < G; g++) *(vt*)(pr + g * P) = acc[m][g];
    step(given + (t * B + b) * C * P + j, pr, vectors + j, P, at, next, out, states, results);
  }
}
template <class T> void pack(T* packed, const T* const* weights, const long* strides, long threads, long H, long P) {
  #pragma omp parallel for num_threads(threads)
  for (long jt = 0; jt < P / VL; jt++) for (int g = 0; g < G; g++) for (int l = 0; l < VL; l++) for (long k = 0; k < H; k++)
    packed[((jt * H + k) * G + g) * VL + l] = jt * VL + l < H ? weights[g][(jt * VL + l) * strides[g] + k] : T(0);
}
template <class T> void forward(const T* given, T* product, const T* vectors, const T* packed, T* const* states,
    T* const* results, const long* length, long kept, long threads, long Tn, long B, long H, long P) {
  constexpr int M = G < 1 ? 8 : (G > 12 ? 2 : (24 / G > 8 ? 8 : 24 / G));
  const long tiles = P / VL, blocks = (B + M - 1) / M, work = tiles * blocks;
  #pragma omp parallel num_threads(threads)
  {
    const long id = omp_get_thread_num(), n = omp_get_num_threads();
    for (long t = 0; t < Tn; t++) {
      for (long w = work * id / n; w < work * (id + 1) / n; w++) {
        const long jt = w / blocks, first = w % blocks * M;
        const T* panel = packed + jt * H * G * VL;
        long r = first;
        if (r + M <= B) {
          tile<T, M>(r, jt * VL, t, H, P, B, given, product, vectors, states, results, panel, length, kept);
          continue;
        }
        for (; r + 2 <= B; r += 2)
          tile<T, 2>(r, jt * VL, t, H, P, B, given, product, vectors, states, results, panel, length, kept);
        if (r < B) tile<T, 1>(r, jt * VL, t, H, P, B, given, product, vectors, states, results, panel, length, kept);
      }
      if (G) {
        #pragma omp barrier
      }
    }
  }
}
"""

# The adjoints have the shapes of what they belong to; those of the states are carried in S of [B, P], those of the vectors in [B, V, P].
BACKWARD = r"""
template <class T, int M> INLINE void back_tile(long r0, long j, long t, long Tn, long H, long P, long B, const T* given,
    const T* product, const T* vectors, T* const* states, const T* const* dresults, T* const* dstates, T* dgiven, T* dproduct,
    T* dvectors, const T* panel, const long* length) {
  typedef typename Lanes<T>::t vt;
  vt acc[M][S];
  for (int m = 0; m < M; m++) for (int s = 0; s < S; s++) acc[m][s] = *(const vt*)(dstates[s] + (r0 + m) * P + j);
  if (t + 1 < Tn) for (int g = 0; g < G; g++) for (long k = 0; k < H; k++) {
    const vt row = *(const vt*)(panel + (g * H + k) * VL);
    for (int m = 0; m < M; m++) acc[m][SOURCE[g]] += dproduct[(((t + 1) * B + r0 + m) * G + g) * P + k] * row;
  }
  for (int m = 0; m < M; m++) {
    const long b = r0 + m, at = (t * B + b) * P + j;
    for (int s = 0; s < S; s++) *(vt*)(dstates[s] + b * P + j) = acc[m][s];
    if (t < 0) continue;
    T* dg = dgiven + (t * B + b) * C * P + j;
    T* dp = dproduct + (t * B + b) * G * P + j;
    if (length && t >= length[b]) {
      for (int c = 0; c < C; c++) std::memset(dg + c * P, 0, VL * sizeof(T));
      for (int g = 0; g < G; g++) std::memset(dp + g * P, 0, VL * sizeof(T));
      continue;
    }
    back_step(given + (t * B + b) * C * P + j, product + (t * B + b) * G * P + j, vectors + j, P, at, b * P + j,
      (const T* const*)states, dresults, dstates, dg, dp, dvectors + b * V * P + j);
  }
}
template <class T> void backward(const T* given, const T* product, const T* vectors, const T* const* weights,
    const long* strides, T* const* states, const T* const* dresults, T* const* dstates, T* dgiven, T* dproduct, T* dvectors,
    const long* length, long threads, long Tn, long B, long H, long P) {
  constexpr int M = S > 3 ? 4 : 8;
  std::vector<T> packed((size_t)G * H * P + 1);
  const long tiles = P / VL, blocks = (B + M - 1) / M, work = tiles * blocks;
  #pragma omp parallel num_threads(threads)
  {
    const long id = omp_get_thread_num(), n = omp_get_num_threads();
    for (long jt = tiles * id / n; jt < tiles * (id + 1) / n; jt++)
      for (int g = 0; g < G; g++) for (long k = 0; k < H; k++) for (long l = 0; l < VL; l++)
        packed[((jt * G + g) * H + k) * VL + l] = jt * VL + l < H ? weights[g][k * strides[g] + jt * VL + l] : T(0);
    #pragma omp barrier
    for (long t = Tn - 1; t >= -1; t--) {
      for (long w = work * id / n; w < work * (id + 1) / n; w++) {
        const long jt = w / blocks, first = w % blocks * M;
        const T* panel = packed.data() + jt * G * H * VL;
        if (first + M <= B)
          back_tile<T, M>(first, jt * VL, t, Tn, H, P, B, given, product, vectors, states, dresults, dstates, dgiven,
            dproduct, dvectors, panel, length);
        else for (long r = first; r < B; r++)
          back_tile<T, 1>(r, jt * VL, t, Tn, H, P, B, given, product, vectors, states, dresults, dstates, dgiven,
            dproduct, dvectors, panel, length);
      }
      if (G) {
        #pragma omp barrier
      }
    }
  }
}
"""

INTERFACE = r"""
extern "C" void pack_weights_@(T* packed, const T* const* weights, const long* strides, long threads, long H, long P) {
  cell_@::pack<T>(packed, weights, strides, threads, H, P); }
extern "C" void forward_steps_@(const T* given, T* product, const T* vectors, const T* packed, T* const* states, T* const* results,
    const long* length, long kept, long threads, long Tn, long B, long H, long P) {
  cell_@::forward<T>(given, product, vectors, packed, states, results, length, kept, threads, Tn, B, H, P); }
extern "C" void backward_steps_@(const T* given, const T* product, const T* vectors, const T* const* weights, const long* strides,
    T* const* states, const T* const* dresults, T* const* dstates, T* dgiven, T* dproduct, T* dvectors, const long* length,
    long threads, long Tn, long B, long H, long P) {
  cell_@::backward<T>(given, product, vectors, weights, strides, states, dresults, dstates, dgiven, dproduct, dvectors, length, threads,
    Tn, B, H, P); }
"""


def translation_unit(cells: Sequence[Equations], dtype: Literal["float", "double"]) -> str:
    """The whole C++ text, the functions of each cell named by its number. It depends on the equations and the dtype alone, not on widths,
    the batch or the number of steps."""
    return "".join([PRELUDE, f"typedef {dtype} T;\n", *(_cell(equations, number) for number, equations in enumerate(cells))])


def _cell(equations: Equations, number: int) -> str:
    sources = ", ".join(str(piece.source) for piece in equations.recurrent) or "0"
    counts = {
        "C": len(equations.given),
        "G": len(equations.recurrent),
        "V": len(equations.vectors),
        "S": equations.states,
        "O": len(equations.results),
    }
    constants = ", ".join(f"{name} = {count}" for name, count in counts.items())
    head = f"namespace {{ namespace cell_{number} {{\nconstexpr int {constants};\nconstexpr int SOURCE[] = {{{sources}}};\n"
    code = [head, _step(equations), _back_step(equations), FORWARD, BACKWARD, "} }\n"]
    return "".join([*code, INTERFACE.replace("@", str(number))])


def _step(equations: Equations) -> str:
    read = {"given": "given[{k} * P + l]", "recurrent": "product[{k} * P + l]", "vector": "vectors[{k} * P + l]"}
    lines = values(equations.terms, read | {"state": "states[{k}][at + l]"})
    lines += [f"states[{s}][next + l] = n{term};" for s, term in enumerate(equations.after)]
    lines += [f"results[{o}][out + l] = n{term};" for o, term in enumerate(equations.results)]
    return _loop(
        "step",
        "const T* given, const T* product, const T* vectors, long P, long at, long next, long out, T* const* states,\n"
        "    T* const* results",
        lines,
    )


def _back_step(equations: Equations) -> str:
    read = {"given": "given[{k} * P + l]", "recurrent": "product[{k} * P + l]", "vector": "vectors[{k} * P + l]"}
    lines = values(equations.terms, read | {"state": "states[{k}][at + l]"})
    seeds = [(term, f"dstates[{s}][carried + l]") for s, term in enumerate(equations.after)]
    seeds += [(term, f"dresults[{o}][at + l]") for o, term in enumerate(equations.results)]
    back, leaves = adjoints(equations.terms, seeds)
    lines += back
    lines += [f"dgiven[{c} * P + l] = {leaves.get(('given', c), 'T(0)')};" for c in range(len(equations.given))]
    lines += [f"dproduct[{g} * P + l] = {leaves.get(('recurrent', g), 'T(0)')};" for g in range(len(equations.recurrent))]
    lines += [f"dvectors[{v} * P + l] += {leaves.get(('vector', v), 'T(0)')};" for v in range(len(equations.vectors))]
    lines += [f"dstates[{s}][carried + l] = {leaves.get(('state', s), 'T(0)')};" for s in range(equations.states)]
    return _loop(
        "back_step",
        "const T* given, const T* product, const T* vectors, long P, long at, long carried, const T* const* states,\n"
        "    const T* const* dresults, T* const* dstates, T* dgiven, T* dproduct, T* dvectors",
        lines,
    )


def _loop(name: str, parameters: str, lines: list[str]) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    head = f"template <class T> INLINE void {name}({parameters}) {{\n  #pragma GCC ivdep\n  for (int l = 0; l < VL; l++) {{\n"
    return f"{head}{body}\n  }}\n}}\n"

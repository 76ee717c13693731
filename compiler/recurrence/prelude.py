"""What all kernels begin with, as C++: functions of numbers that the compiler can vectorise, and what a kernel is called with."""

LANES = 16  # the units of a tile: all widths are padded to a multiple of so many

PRELUDE = r"""#include <omp.h>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#define INLINE static inline __attribute__((always_inline))
// exp and tanh of float as polynomials (Cephes, Eigen), which the compiler vectorises. Their limits are no constants to it: it would
// compute what follows of them beside what follows of x and choose between those, in place of a least and a largest number.
__attribute__((visibility("hidden"))) float exp_least = -87.3f, exp_most = 88.3f, tanh_least = -7.9053111f, tanh_most = 7.9053111f;
INLINE float f_exp(float x) {
  x = exp_least > x ? exp_least : x; x = exp_most < x ? exp_most : x; // NaN stays
  const float n = __builtin_rintf(x * 1.44269504088896341f);
  float r = x - n * 0.693359375f; r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f; p = p * r + 1.3981999507e-3f; p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f; p = p * r + 1.6666665459e-1f; p = p * r + 5.0000001201e-1f; p = p * r * r + r + 1.f;
  const int k = ((int)n + 127) << 23; float s; std::memcpy(&s, &k, 4); return p * s; }
INLINE float f_tanh(float x) {
  x = tanh_least > x ? tanh_least : x; x = tanh_most < x ? tanh_most : x;
  const float z = x * x;
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
template <class T> INLINE T f_where(bool c, T x, T y) { return c ? x : y; }
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
// A register holds VL units. FREE of the registers may be accumulators: the others hold what those are made of.
#if defined(__AVX512F__)
#define BYTES 64
#define FREE 24
#elif defined(__AVX__)
#define BYTES 32
#define FREE 12
#else
#define BYTES 16
#define FREE 12
#endif
// Keeps in a register what would else be read from memory by each instruction that uses it.
#if defined(__x86_64__)
#define HOLD(x) asm("" : "+v"(x))
#else
#define HOLD(x)
#endif
#define FETCH(x) __builtin_prefetch(x, 0, 2)
constexpr int rows_of(int side) { return FREE / side > 8 ? 8 : FREE / side < 2 ? 2 : FREE / side; } // accumulators: rows times side
// So many rows of a panel stay in the second cache while all rows of a tile pass.
constexpr long chunk_of(int products) { return 65536 / (products * BYTES) < 32 ? 32 : 65536 / (products * BYTES); }
"""

# given [T, B, C, P], product [T, B, G, P], sums [T, B, R], vectors [V, P]; states, saved and results are so many pointers to [T + 1, B, P],
# [T, B, P] and [T, B, P]; the adjoints of results have steps and rows as far apart as is said of each. weights are matrices [to, from]
# whose rows are `strides` apart: there is room for them in `panels`, and forward they are `packed`. P is the largest width, padded; in
# `Call` the number of steps is N. The maps of inputs, D columns of weights whose rows are `map_strides` apart, become one matrix `joined`
# [C * P, D], and their biases one row [C * P], where there is any. States begin with `starts` and end in `lasts`, [B, P] each, where a
# call says so. A product holds what it begins with, and, once the units are computed, what is kept of it.
# In a scan the inputs x, whose steps and rows are as far apart as is said, enter within the steps, and what is of a tile lies together:
# given is [tiles, T, B, C, W], states are [tiles, T + 1, B, W], `joined` [tiles, W / VL, D, C, VL], or [tiles, D, C, W] for the gradients,
# which are then written into `dmaps`, with rows as far apart as those of the maps, and `dbiases`. Where no adjoint of the inputs is wanted,
# `dgiven` is none.
# Where nothing is `kept` for a derivative, product, sums and saved are of one step, and states of two, which take turns.
# The adjoints have the shapes of what they belong to; those of states and of what was saved are carried in [B, P], those of sums in [B, R],
# those of vectors in [B, V, P].
CALL = r"""
constexpr int VL = BYTES / sizeof(T), W = 16, J = W / VL; // a tile is W units wide
typedef T vt __attribute__((vector_size(BYTES), aligned(sizeof(T))));
struct Call {
  const T *x, *vectors, *packed; T *given, *panels, *product, *sums; T* const* states; T* const* saved; T* const* results;
  const T* const* starts; T* const* lasts; T *dgiven, *dproduct, *dsums, *dvectors; T* const* dstates; T* const* dsaved;
  const T* const* dresults; const T* const* weights; const long* strides; const T* const* maps; const long* map_strides;
  const T* const* biases; T* const* dmaps; T* const* dbiases; T *joined, *bias; const long *widths, *result_steps, *result_rows, *length;
  long kept, threads, N, B, P, D, begins, ends, x_step, x_row;
  long pad(int width) const { return (widths[width] + W - 1) / W * W; }
  bool past(long b, long t) const { return length && t >= length[b]; }
};
"""

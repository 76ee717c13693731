"""Binary units drawn on a CPU by numbers of many streams at once. One at a time, as PyTorch makes its numbers, they take a fifth of the
time of an update of an RBM.

The streams are those of xoshiro128++ (Blackman & Vigna, "Scrambled linear pseudorandom number generators", 2021), one a lane. Each call
starts them anew, by splitmix64, from a number of PyTorch's generator, so that its state is all that a checkpoint has to keep.
"""

import ctypes
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from . import build

NAME = "binary_draw"  # of the function in the generated text, and of its kernel in the record of a run
FUNCTIONS = {torch.float32: "draw_float", torch.float64: "draw_double"}
TEXT = """
#include <cstdint>

constexpr int LANES = 32;

static inline uint64_t splitmix(uint64_t &state) {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static inline uint32_t rotated(uint32_t x, int by) { return (x << by) | (x >> (32 - by)); }

template <class T> static void draw(const T *mean, T *drawn, long count, uint64_t seed) {
    uint32_t s[4][LANES];
    for (int part = 0; part < 4; part++)
        for (int lane = 0; lane < LANES; lane++) s[part][lane] = uint32_t(splitmix(seed) >> 32);
    for (long begin = 0; begin < count; begin += LANES) {
        T number[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            uint32_t a = s[0][lane], b = s[1][lane], c = s[2][lane], d = s[3][lane];
            uint32_t bits = rotated(a + d, 7) + a, t = b << 9;
            c ^= a, d ^= b, b ^= c, a ^= d, c ^= t, d = rotated(d, 11);
            s[0][lane] = a, s[1][lane] = b, s[2][lane] = c, s[3][lane] = d;
            number[lane] = T(int32_t(bits >> 8)) * T(0x1p-24);  // below 1
        }
        if (count - begin >= LANES)
            for (int lane = 0; lane < LANES; lane++) drawn[begin + lane] = number[lane] < mean[begin + lane];
        else
            for (long i = begin; i < count; i++) drawn[i] = number[i - begin] < mean[i];
    }
}

extern "C" void draw_float(const float *mean, float *drawn, long count, const uint64_t *seed) { draw(mean, drawn, count, *seed); }
extern "C" void draw_double(const double *mean, double *drawn, long count, const uint64_t *seed) { draw(mean, drawn, count, *seed); }
"""


def identity() -> str:
    """That from which the bits of the kernel follow; raises `CannotBuild`."""
    build.library(TEXT)
    return build.identity(TEXT)


def modules_that_draw(models: Iterable[nn.Module]) -> list[ModuleType]:
    """Those of the generated modules of some networks whose text draws binary units."""
    names = dict.fromkeys(type(model).__module__ for model in models)
    return [sys.modules[name] for name in names if hasattr(sys.modules[name], NAME)]


@contextmanager
def drawn_by_kernel(models: Iterable[nn.Module]) -> Iterator[None]:
    """Within, the binary units of these networks are drawn by the kernel; raises `CannotBuild`."""
    plain = {module: getattr(module, NAME) for module in modules_that_draw(models)}
    for module, function in plain.items():
        setattr(module, NAME, _draw(function))
    try:
        yield
    finally:
        for module, function in plain.items():
            setattr(module, NAME, function)


def _draw(plain: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """What draws as `plain` does, from means of any shape."""
    library = build.library(TEXT)
    functions: dict[torch.dtype, Any] = {}
    for dtype, name in FUNCTIONS.items():
        functions[dtype] = getattr(library, name)
        functions[dtype].argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long, ctypes.c_void_p)
        functions[dtype].restype = None

    seed = torch.empty((), dtype=torch.int64)
    place = seed.data_ptr()

    def draw(mean: Tensor) -> Tensor:
        function = functions.get(mean.dtype)
        if function is None or not mean.is_cpu:
            return plain(mean)
        if not mean.is_contiguous():
            mean = mean.contiguous()
        drawn = torch.empty_like(mean)
        seed.random_()
        function(mean.data_ptr(), drawn.data_ptr(), drawn.numel(), place)
        return drawn

    return draw

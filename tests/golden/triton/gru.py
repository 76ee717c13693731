"""A step of a cell: every lane computes one unit of one example. Written by archc."""

import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit
def sigmoid(x):
    return 1.0 / (1.0 + libdevice.exp(-x))


@triton.jit(do_not_specialize=["t", "B"])
def forward_step(given, product, vectors, length, state0, next0, result0, t, B, H: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < B * H
    b = at // H
    h = at % H
    T = vectors.dtype.element_ty
    here = inside
    if length is not None:
        here = t < tl.load(length + b, mask=inside, other=0)
    n0 = tl.load(state0 + at, mask=inside)
    n1 = tl.load(given + (b * 3 + 0) * H + h, mask=inside)
    n2 = tl.load(product + (b * 3 + 0) * H + h, mask=inside)
    n3 = n1 + n2
    n4 = sigmoid(n3)
    n5 = tl.load(given + (b * 3 + 1) * H + h, mask=inside)
    n6 = tl.load(product + (b * 3 + 1) * H + h, mask=inside)
    n7 = n5 + n6
    n8 = sigmoid(n7)
    n9 = tl.load(given + (b * 3 + 2) * H + h, mask=inside)
    n10 = tl.load(vectors + 0 * H + h, mask=inside)
    n11 = tl.load(product + (b * 3 + 2) * H + h, mask=inside)
    n12 = n10 + n11
    n13 = n4 * n12
    n14 = n9 + n13
    n15 = libdevice.tanh(n14)
    n16 = tl.full([BLOCK], 1.0, T)
    n17 = n16 - n8
    n18 = n17 * n15
    n19 = n8 * n0
    n20 = n18 + n19
    tl.store(next0 + at, tl.where(here, n20, tl.load(state0 + at, mask=inside)), mask=inside)
    tl.store(result0 + at, tl.where(here, n20, 0.0), mask=inside)


@triton.jit(do_not_specialize=["t", "B"])
def backward_step(given, product, vectors, length, state0, d_result0, d_state0, d_given, d_product, d_vectors, t, B, H: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < B * H
    b = at // H
    h = at % H
    T = vectors.dtype.element_ty
    here = inside
    if length is not None:
        here = t < tl.load(length + b, mask=inside, other=0)
    one = tl.full([BLOCK], 1.0, T)
    n0 = tl.load(state0 + at, mask=inside)
    n1 = tl.load(given + (b * 3 + 0) * H + h, mask=inside)
    n2 = tl.load(product + (b * 3 + 0) * H + h, mask=inside)
    n3 = n1 + n2
    n4 = sigmoid(n3)
    n5 = tl.load(given + (b * 3 + 1) * H + h, mask=inside)
    n6 = tl.load(product + (b * 3 + 1) * H + h, mask=inside)
    n7 = n5 + n6
    n8 = sigmoid(n7)
    n9 = tl.load(given + (b * 3 + 2) * H + h, mask=inside)
    n10 = tl.load(vectors + 0 * H + h, mask=inside)
    n11 = tl.load(product + (b * 3 + 2) * H + h, mask=inside)
    n12 = n10 + n11
    n13 = n4 * n12
    n14 = n9 + n13
    n15 = libdevice.tanh(n14)
    n16 = tl.full([BLOCK], 1.0, T)
    n17 = n16 - n8
    n18 = n17 * n15
    n19 = n8 * n0
    n20 = n18 + n19
    d20 = tl.load(d_state0 + at, mask=inside) + tl.load(d_result0 + at, mask=inside)
    d19 = (d20)
    d18 = (d20)
    d17 = (d18 * n15)
    d15 = (d18 * n17)
    d14 = (d15 * (one - n15 * n15))
    d13 = (d14)
    d12 = (d13 * n4)
    d11 = (d12)
    d10 = (d12)
    d9 = (d14)
    d8 = (d19 * n0) + (-d17)
    d7 = (d8 * n8 * (one - n8))
    d6 = (d7)
    d5 = (d7)
    d4 = (d13 * n12)
    d3 = (d4 * n4 * (one - n4))
    d2 = (d3)
    d1 = (d3)
    d0 = (d19 * n8)
    tl.store(d_given + (b * 3 + 0) * H + h, tl.where(here, d1, 0.0), mask=inside)
    tl.store(d_given + (b * 3 + 1) * H + h, tl.where(here, d5, 0.0), mask=inside)
    tl.store(d_given + (b * 3 + 2) * H + h, tl.where(here, d9, 0.0), mask=inside)
    tl.store(d_product + (b * 3 + 0) * H + h, tl.where(here, d2, 0.0), mask=inside)
    tl.store(d_product + (b * 3 + 1) * H + h, tl.where(here, d6, 0.0), mask=inside)
    tl.store(d_product + (b * 3 + 2) * H + h, tl.where(here, d11, 0.0), mask=inside)
    tl.store(d_vectors + (b * 1 + 0) * H + h, tl.load(d_vectors + (b * 1 + 0) * H + h, mask=inside) + tl.where(here, d10, 0.0), mask=inside)
    tl.store(d_state0 + at, tl.where(here, d0, tl.load(d_state0 + at, mask=inside)), mask=inside)



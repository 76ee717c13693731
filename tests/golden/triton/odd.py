"""A step of a cell: every lane computes one unit of one example. Written by archc."""

import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit
def sigmoid(x):
    return 1.0 / (1.0 + libdevice.exp(-x))


@triton.jit
def relu(x):
    return tl.where(x < 0.0, 0.0, x)


@triton.jit(do_not_specialize=["t", "B"])
def forward_step(given, product, vectors, length, state0, state1, next0, next1, result0, result1, t, B, H: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < B * H
    b = at // H
    h = at % H
    T = vectors.dtype.element_ty
    here = inside
    if length is not None:
        here = t < tl.load(length + b, mask=inside, other=0)
    n0 = tl.load(state0 + at, mask=inside)
    n1 = tl.load(state1 + at, mask=inside)
    n2 = tl.load(vectors + 0 * H + h, mask=inside)
    n3 = tl.load(given + (b * 2 + 0) * H + h, mask=inside)
    n4 = tl.load(product + (b * 2 + 0) * H + h, mask=inside)
    n5 = n3 + n4
    n6 = n2 * n0
    n7 = n5 + n6
    n8 = sigmoid(n7)
    n9 = tl.load(vectors + 1 * H + h, mask=inside)
    n10 = tl.load(product + (b * 2 + 1) * H + h, mask=inside)
    n11 = n9 + n10
    n12 = tl.full([BLOCK], 0.5, T)
    n13 = n11 * n12
    n14 = tl.load(given + (b * 2 + 1) * H + h, mask=inside)
    n15 = libdevice.sin(n14)
    n16 = n13 - n15
    n17 = relu(n16)
    n18 = n8 * n1
    n19 = tl.full([BLOCK], 1.0, T)
    n20 = n19 - n8
    n21 = sigmoid(n17)
    n22 = n17 * n21
    n23 = n20 * n22
    n24 = tl.abs(n1)
    n25 = n19 + n24
    n26 = n23 / n25
    n27 = n18 + n26
    n28 = -n17
    n29 = libdevice.exp(n28)
    n30 = libdevice.tanh(n27)
    n31 = n29 * n30
    n32 = libdevice.cos(n0)
    n33 = n31 + n32
    n34 = tl.full([BLOCK], -0.9, T)
    n35 = tl.where(n33 >= n34, n33, n34)
    n36 = tl.full([BLOCK], 0.9, T)
    n37 = tl.where(n35 <= n36, n35, n36)
    tl.store(next0 + at, tl.where(here, n37, tl.load(state0 + at, mask=inside)), mask=inside)
    tl.store(next1 + at, tl.where(here, n27, tl.load(state1 + at, mask=inside)), mask=inside)
    tl.store(result0 + at, tl.where(here, n37, 0.0), mask=inside)
    tl.store(result1 + at, tl.where(here, n27, 0.0), mask=inside)


@triton.jit(do_not_specialize=["t", "B"])
def backward_step(given, product, vectors, length, state0, state1, d_result0, d_result1, d_state0, d_state1, d_given, d_product, d_vectors, t, B, H: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < B * H
    b = at // H
    h = at % H
    T = vectors.dtype.element_ty
    here = inside
    if length is not None:
        here = t < tl.load(length + b, mask=inside, other=0)
    zero = tl.full([BLOCK], 0.0, T)
    one = tl.full([BLOCK], 1.0, T)
    n0 = tl.load(state0 + at, mask=inside)
    n1 = tl.load(state1 + at, mask=inside)
    n2 = tl.load(vectors + 0 * H + h, mask=inside)
    n3 = tl.load(given + (b * 2 + 0) * H + h, mask=inside)
    n4 = tl.load(product + (b * 2 + 0) * H + h, mask=inside)
    n5 = n3 + n4
    n6 = n2 * n0
    n7 = n5 + n6
    n8 = sigmoid(n7)
    n9 = tl.load(vectors + 1 * H + h, mask=inside)
    n10 = tl.load(product + (b * 2 + 1) * H + h, mask=inside)
    n11 = n9 + n10
    n12 = tl.full([BLOCK], 0.5, T)
    n13 = n11 * n12
    n14 = tl.load(given + (b * 2 + 1) * H + h, mask=inside)
    n15 = libdevice.sin(n14)
    n16 = n13 - n15
    n17 = relu(n16)
    n18 = n8 * n1
    n19 = tl.full([BLOCK], 1.0, T)
    n20 = n19 - n8
    n21 = sigmoid(n17)
    n22 = n17 * n21
    n23 = n20 * n22
    n24 = tl.abs(n1)
    n25 = n19 + n24
    n26 = n23 / n25
    n27 = n18 + n26
    n28 = -n17
    n29 = libdevice.exp(n28)
    n30 = libdevice.tanh(n27)
    n31 = n29 * n30
    n32 = libdevice.cos(n0)
    n33 = n31 + n32
    n34 = tl.full([BLOCK], -0.9, T)
    n35 = tl.where(n33 >= n34, n33, n34)
    n36 = tl.full([BLOCK], 0.9, T)
    n37 = tl.where(n35 <= n36, n35, n36)
    d37 = tl.load(d_state0 + at, mask=inside) + tl.load(d_result0 + at, mask=inside)
    d35 = (tl.where(n35 < n36, d37, tl.where(n35 == n36, d37 * one, zero)))
    d33 = (tl.where(n33 > n34, d35, tl.where(n33 == n34, d35 * one, zero)))
    d32 = (d33)
    d31 = (d33)
    d30 = (d31 * n29)
    d29 = (d31 * n30)
    d28 = (d29 * n29)
    d27 = tl.load(d_state1 + at, mask=inside) + tl.load(d_result1 + at, mask=inside) + (d30 * (one - n30 * n30))
    d26 = (d27)
    d25 = (-d26 * n26 / n25)
    d24 = (d25)
    d23 = (d26 / n25)
    d22 = (d23 * n20)
    d21 = (d22 * n17)
    d20 = (d23 * n22)
    d18 = (d27)
    d17 = (-d28) + (d22 * n21) + (d21 * n21 * (one - n21))
    d16 = (tl.where(n16 > zero, d17, zero))
    d15 = (-d16)
    d14 = (d15 * libdevice.cos(n14))
    d13 = (d16)
    d11 = (d13 * n12)
    d10 = (d11)
    d9 = (d11)
    d8 = (-d20) + (d18 * n1)
    d7 = (d8 * n8 * (one - n8))
    d6 = (d7)
    d5 = (d7)
    d4 = (d5)
    d3 = (d5)
    d2 = (d6 * n0)
    d1 = (tl.where(n1 > zero, d24, tl.where(n1 < zero, -d24, zero))) + (d18 * n8)
    d0 = (-d32 * libdevice.sin(n0)) + (d6 * n2)
    tl.store(d_given + (b * 2 + 0) * H + h, tl.where(here, d3, 0.0), mask=inside)
    tl.store(d_given + (b * 2 + 1) * H + h, tl.where(here, d14, 0.0), mask=inside)
    tl.store(d_product + (b * 2 + 0) * H + h, tl.where(here, d4, 0.0), mask=inside)
    tl.store(d_product + (b * 2 + 1) * H + h, tl.where(here, d10, 0.0), mask=inside)
    tl.store(d_vectors + (b * 2 + 0) * H + h, tl.load(d_vectors + (b * 2 + 0) * H + h, mask=inside) + tl.where(here, d2, 0.0), mask=inside)
    tl.store(d_vectors + (b * 2 + 1) * H + h, tl.load(d_vectors + (b * 2 + 1) * H + h, mask=inside) + tl.where(here, d9, 0.0), mask=inside)
    tl.store(d_state0 + at, tl.where(here, d0, tl.load(d_state0 + at, mask=inside)), mask=inside)
    tl.store(d_state1 + at, tl.where(here, d1, tl.load(d_state1 + at, mask=inside)), mask=inside)



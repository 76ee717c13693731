"""Energies: from the energy of a state to what can be computed with it.

Comes in: the body of an `energy`, elaborated. Goes out: a `Machine`, whose graphs are the energy, the free energy, and the mean of each
block of units given all else; every one of them made of ordinary layers. After this an energy is a layer like any other, and what is
sampled or trained needs no derivation. Everything is symbolic: the slope of the energy in a block (`slope`, `in_units`; `affine` for
layers with weights), the energy without hidden units (`zero`), the slopes in the parameters (`statistics`), and the graphs cut out of the
body (`slices`).

    p(x | rest) is proportional to exp(-E), so with f = -dE/dx
    binary   affine in x:           p(x_j = 1 | rest) = sigmoid(f_j)        -log Z = -softplus(f_j), summed
    onehot   affine in x:           p(x = e_k | rest) = softmax(f)_k        -log Z = -logsumexp(f)
    real     x^2/2 and affine else: x | rest ~ N(m, 1), f = m - x           -log Z = -m^2/2 - log(2 pi)/2, summed

    Hidden blocks that meet in no term: F(v) = E(v, h = 0) - the sum of their log Z. Where some meet there is no F, and their means are
    those of mean field.
"""

from .machine import machine

__all__ = ["machine"]

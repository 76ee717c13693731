"""The step of a cell as two Triton kernels, forward and backward: what is left of a step once the products of its states are there.

Each lane computes one unit of one example. The products, the steps in their order and the gradients of the weights belong to what
launches them (`runtime.kernels.gpu`). The text is Python, which Triton compiles for the GPU it finds; it has not run on one yet, only in
Triton's interpreter.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .adjoint import adjoints, values
from .terms import LEAVES, Equations

LINE = "{name} = {text}"

HEAD = '''\
"""A step of a cell: every lane computes one unit of one example. Written by archc."""

import triton
import triton.language as tl
from triton.language.extra import libdevice
'''

HELPERS = {
    "sigmoid": "return 1.0 / (1.0 + libdevice.exp(-x))",
    "logsigmoid": "return tl.where(x < 0.0, x, 0.0) - libdevice.log1p(libdevice.exp(-tl.abs(x)))",
    "relu": "return tl.where(x < 0.0, 0.0, x)",
    "sign": "return tl.where(x > 0.0, 1.0, tl.where(x < 0.0, -1.0, x * 0.0))",
}
FUNCTIONS = {
    **{f"f_{name}": name for name in HELPERS},
    **{
        f"f_{name}": f"libdevice.{name}" for name in ("exp", "tanh", "sqrt", "log", "sin", "cos", "atan", "erf", "expm1", "log1p")
    },
    **{f"f_{name}": f"libdevice.{name}" for name in ("pow", "floor", "ceil")},
    "f_round": "libdevice.rint",  # a half goes to the even number
    "f_abs": "tl.abs",
    "f_where": "tl.where",
}

# given [B, C, H], product [B, G, H], vectors [V, H], and each state and result [B, H] are those of one step.
PLACES = """\
at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
inside = at < B * H
b = at // H
h = at % H
T = vectors.dtype.element_ty
here = inside
if length is not None:
    here = t < tl.load(length + b, mask=inside, other=0)"""


def step_kernels(equations: Equations) -> str:
    """The whole text: `forward_step` and `backward_step`. It depends on the equations alone, not on the dtype or the batch.

    `forward_step(given, product, vectors, length, *states, *next_states, *results, t, B, H, BLOCK)` writes into the next states and the
    results. `backward_step(given, product, vectors, length, *states, *d_results, *d_states, d_given, d_product, d_vectors, t, B, H,
    BLOCK)` has the adjoints of the next states in d_states and puts those of the states there, as far as they do not come by way of the
    products; d_vectors [B, V, H] is added to. A step `t` at or past its `length` (int[B], or none) changes no state and gives zeros.
    """
    kernels = _forward(equations) + _backward(equations)
    helpers = [
        f"@triton.jit\ndef {name}(x):\n    {body}\n" for name, body in HELPERS.items() if re.search(rf"\b{name}\(", kernels)
    ]
    return "\n\n".join([HEAD, *helpers, kernels])


def unfit(equations: Equations) -> str:
    """Why there are no such kernels of a step, as the end of a sentence; empty where there are."""
    several = equations.further or equations.computed or equations.rows
    return (
        "its step takes more than one round of products, or reads whole rows, for which a GPU has no kernel yet"
        if several
        else ""
    )


def _reading(equations: Equations) -> Callable[[int], str]:
    """The text that reads a term; none for what is computed."""
    c, g = len(equations.given), len(equations.recurrent)
    texts = {
        "given": f"tl.load(given + (b * {c} + {{k}}) * H + h, mask=inside)",
        "recurrent": f"tl.load(product + (b * {g} + {{k}}) * H + h, mask=inside)",
        "vector": "tl.load(vectors + {k} * H + h, mask=inside)",
        "state": "tl.load(state{k} + at, mask=inside)",
        "number": "tl.full([BLOCK], {number!r}, T)",
    }

    def text(number: int) -> str:
        term = equations.terms[number]
        return texts.get(term.op, "").format(k=term.index, number=term.value)

    return text


def _forward(equations: Equations) -> str:
    lines = values(equations.terms, range(len(equations.terms)), _reading(equations), LINE)
    for s, term in enumerate(equations.after):
        lines.append(f"tl.store(next{s} + at, tl.where(here, n{term}, tl.load(state{s} + at, mask=inside)), mask=inside)")
    lines += [f"tl.store(result{o} + at, tl.where(here, n{term}, 0.0), mask=inside)" for o, term in enumerate(equations.results)]
    states, results = range(equations.states), range(len(equations.results))
    tensors = [*(f"state{s}" for s in states), *(f"next{s}" for s in states), *(f"result{o}" for o in results)]
    return _kernel("forward_step", tensors, lines)


def _backward(equations: Equations) -> str:
    terms, numbers = equations.terms, range(len(equations.terms))
    lines = values(terms, numbers, _reading(equations), LINE)
    seeds = [(term, f"tl.load(d_state{s} + at, mask=inside)") for s, term in enumerate(equations.after)]
    seeds += [(term, f"tl.load(d_result{o} + at, mask=inside)") for o, term in enumerate(equations.results)]
    back, slopes = adjoints(terms, numbers, lambda number: terms[number].op in LEAVES, seeds, LINE)
    leaves = {(terms[number].op, terms[number].index): slope for number, slope in slopes.items()}
    lines += back
    for name, kind, count in (("d_given", "given", len(equations.given)), ("d_product", "recurrent", len(equations.recurrent))):
        for k in range(count):
            slope = leaves.get((kind, k), "0.0")
            lines.append(f"tl.store({name} + (b * {count} + {k}) * H + h, tl.where(here, {slope}, 0.0), mask=inside)")
    for (kind, v), slope in sorted(leaves.items()):
        if kind == "vector":
            place = f"d_vectors + (b * {len(equations.vectors)} + {v}) * H + h"
            lines.append(f"tl.store({place}, tl.load({place}, mask=inside) + tl.where(here, {slope}, 0.0), mask=inside)")
    for s in range(equations.states):
        slope, old = leaves.get(("state", s), "0.0"), f"tl.load(d_state{s} + at, mask=inside)"
        lines.append(f"tl.store(d_state{s} + at, tl.where(here, {slope}, {old}), mask=inside)")
    states, results = range(equations.states), range(len(equations.results))
    tensors = [*(f"state{s}" for s in states), *(f"d_result{o}" for o in results), *(f"d_state{s}" for s in states)]
    return _kernel("backward_step", [*tensors, "d_given", "d_product", "d_vectors"], lines)


def _kernel(name: str, tensors: list[str], lines: list[str]) -> str:
    body = [re.sub(r"\bT\(([-\d.e]+)\)|\bf_\w+", _python, line) for line in lines]
    parameters = ", ".join(
        ["given", "product", "vectors", "length", *tensors, "t", "B", "H: tl.constexpr", "BLOCK: tl.constexpr"]
    )
    constants = {"zero": "tl.full([BLOCK], 0.0, T)", "one": "tl.full([BLOCK], 1.0, T)"}
    used = [f"{key} = {value}" for key, value in constants.items() if any(re.search(rf"\b{key}\b", line) for line in body)]
    text = "\n".join(f"    {line}" for line in [*PLACES.splitlines(), *used, *body])
    return f'@triton.jit(do_not_specialize=["t", "B"])\ndef {name}({parameters}):\n{text}\n\n\n'


def _python(found: re.Match[str]) -> str:
    """A number or a function of the rules as Triton has it: 0 and 1 in the dtype of the kernel, since they are also values of terms."""
    if found[1] is None:
        return FUNCTIONS[found[0]]
    number = float(found[1])
    return {0.0: "zero", 1.0: "one"}.get(number, repr(number))

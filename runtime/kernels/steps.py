"""The steps of a cell in PyTorch, term by term: what a kernel computes, with derivatives of every order."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ...compiler.recurrence.terms import Equations

OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "/": torch.div,
    "neg": torch.neg,
    **{name: getattr(torch, name) for name in ("sigmoid", "tanh", "relu", "exp", "log", "sqrt", "abs", "sin", "cos")},
    **{name: getattr(torch, name) for name in ("maximum", "minimum")},
    **{name: getattr(torch, name) for name in ("atan", "erf", "pow", "expm1", "log1p", "floor", "ceil", "round", "sign")},
    "logsigmoid": functional.logsigmoid,
    "<": lambda a, b: (a < b).to(a.dtype),
    "<=": lambda a, b: (a <= b).to(a.dtype),
    ">": lambda a, b: (a > b).to(a.dtype),
    ">=": lambda a, b: (a >= b).to(a.dtype),
    "==": lambda a, b: (a == b).to(a.dtype),
    "!=": lambda a, b: (a != b).to(a.dtype),
    "where": lambda chosen, a, b: torch.where(chosen != 0, a, b),
    "stop": lambda a: a.detach(),
}


def steps(
    equations: Equations, given: Tensor, vectors: Tensor, weights: Tensor, states: Sequence[Tensor], length: Tensor | None
) -> list[Tensor]:
    """All steps. Shapes as those of the operator; returns the last states [B, P], then the outputs [T, B, P]."""
    carried, results = list(states), list[list[Tensor]]()
    for t, now in enumerate(given.unbind(0)):
        after, outputs = _step(equations, now, vectors, weights, carried)
        if length is not None:
            here = (t < length)[:, None]
            after = [torch.where(here, new, old) for new, old in zip(after, carried, strict=True)]
            outputs = [torch.where(here, x, torch.zeros_like(x)) for x in outputs]
        carried = after
        results.append(outputs)
    return [*carried, *(torch.stack(column) for column in zip(*results, strict=True))]


def _step(
    equations: Equations, given: Tensor, vectors: Tensor, weights: Tensor, states: list[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """The next states and the outputs."""
    width, padding = equations.width, states[0].shape[-1] - equations.width
    products = [
        functional.pad(functional.linear(states[piece.source][:, :width], weights[g]), (0, padding))
        for g, piece in enumerate(equations.recurrent)
    ]
    read: dict[str, Callable[[int], Tensor]] = {
        "given": lambda index: given[:, index],
        "recurrent": lambda index: products[index],
        "vector": lambda index: vectors[index].expand_as(states[0]),
        "state": lambda index: states[index],
    }
    values: list[Any] = []
    for term in equations.terms:
        if term.op in read:
            values.append(read[term.op](term.index))
        elif term.op == "number":
            values.append(states[0].new_full((), term.value))
        else:
            values.append(OPERATIONS[term.op](*(values[operand] for operand in term.terms)))
    whole = [value.expand_as(states[0]) for value in values]
    return [whole[term] for term in equations.after], [whole[term] for term in equations.results]

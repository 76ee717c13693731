"""The steps of a cell in PyTorch, term by term: what a kernel computes, with derivatives of every order."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ...compiler.recurrence.terms import ROW, Equations, Term

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
    "sum": lambda a: a.sum(-1, keepdim=True),
    "largest": lambda a: a.detach().amax(-1, keepdim=True),
}


def steps(
    equations: Equations,
    given: Tensor,
    vectors: Tensor,
    weights: Sequence[Tensor],
    states: Sequence[Tensor],
    length: Tensor | None,
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


def adjoints(made: Sequence[Tensor], leaves: Sequence[Tensor], slopes: Sequence[Tensor | None]) -> list[Tensor]:
    """Of the leaves, from those of what was made of them, and differentiable again; 0 where there is none."""
    pairs = zip(slopes, made, strict=True)
    found = torch.autograd.grad(made, leaves, [_or_zeros(*pair) for pair in pairs], create_graph=True, allow_unused=True)
    return [_or_zeros(*pair) for pair in zip(found, leaves, strict=True)]


def _or_zeros(adjoint: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if adjoint is None else adjoint


def _step(
    equations: Equations, given: Tensor, vectors: Tensor, weights: Sequence[Tensor], states: list[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """The next states and the outputs."""
    widths, padded = equations.widths, states[0].shape[-1]
    values: list[Tensor] = []

    def product(index: int) -> Tensor:
        source = equations.recurrent[index].source - equations.states
        row = states[source + equations.states] if source < 0 else values[equations.computed[source]]
        return functional.linear(_whole(row, padded)[:, : weights[index].shape[1]], weights[index])

    def width(term: Term) -> int:
        return widths[term.width] if term.width != ROW else padded

    read: dict[str, Callable[[Term], Tensor]] = {
        "given": lambda term: given[:, term.index, : width(term)],
        "recurrent": lambda term: product(term.index),
        "vector": lambda term: vectors[term.index, : width(term)],
        "state": lambda term: states[term.index][:, : width(term)],
        "number": lambda term: given.new_full((), term.value),
        "count": lambda term: given.new_full((), float(widths[term.index])),
        "epsilon": lambda _: given.new_full((), torch.finfo(given.dtype).eps),
    }
    for term in equations.terms:
        value = read[term.op](term) if term.op in read else OPERATIONS[term.op](*(values[operand] for operand in term.terms))
        values.append(value[..., :1] if term.width == ROW and value.dim() else value)
    size = (len(given), padded)
    whole = [_whole(value, padded).expand(size) for value in values]
    return [whole[term] for term in equations.after], [whole[term] for term in equations.results]


def _whole(value: Tensor, padded: int) -> Tensor:
    """A row padded to the width that all have."""
    return functional.pad(value, (0, padded - value.shape[-1])) if value.dim() and value.shape[-1] != padded else value

"""Cells that PyTorch has itself: nn.LSTM, nn.GRU and nn.RNN, whatever a cell calls its gates and in whatever order it writes them.

Comes in: the equations of a step. Goes out: which of its products belong to the gates of PyTorch's cell, in the order that it keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Literal

from .terms import Equations, Term

Kind = Literal["LSTM", "GRU", "RNN_TANH", "RNN_RELU"]
Bound = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Gate:
    """What a gate sums: a map of the inputs, the product of the hidden state, and perhaps a vector beside that."""

    given: int
    product: int
    vector: int | None


@dataclass(frozen=True, slots=True)
class Known:
    """`gates` are in PyTorch's order; `hidden` and `memory` (of an LSTM) are the numbers of the states."""

    kind: Kind
    gates: tuple[Gate, ...]
    hidden: int
    memory: int = -1


# A pattern is a variable, which stands for one term, or an operation and the patterns of its operands.
_H, _C = ("state", "hidden"), ("state", "memory")
_Z, _N = ("sigmoid", "z"), ("tanh", "n")
_MEMORY = ("+", ("*", ("sigmoid", "f"), _C), ("*", ("sigmoid", "i"), ("tanh", "g")))
_GRU = (
    ("+", ("*", ("-", 1.0, _Z), _N), ("*", _Z, _H)),
    ("+", _N, ("*", _Z, ("-", _H, _N))),
)
_RESET = ("+", "x", ("*", ("sigmoid", "r"), "u"))


def known(equations: Equations) -> Known | None:
    """The cell of PyTorch that it is; none where it is another."""
    found = _lstm(equations) or _gru(equations) or _rnn(equations)
    if found is None or not equations.is_elementwise or any(term != equations.after[found.hidden] for term in equations.results):
        return None
    used = [gate.given for gate in found.gates], [gate.product for gate in found.gates]
    everything = range(len(equations.given)), range(len(equations.recurrent))
    vectors = {gate.vector for gate in found.gates} - {None}
    alike = {tuple(part.source for part in given.parts) for given in equations.given}
    whole = all(sorted(mine) == list(all_) for mine, all_ in zip(used, everything, strict=True))
    return found if whole and len(vectors) == len(equations.vectors) and len(alike) == 1 else None


def _lstm(equations: Equations) -> Known | None:
    if equations.states != 2:
        return None
    for hidden, memory in ((0, 1), (1, 0)):
        states, kept = {"hidden": hidden, "memory": memory}, equations.after[memory]
        for bound in _match(equations.terms, _MEMORY, kept, {}, states):
            for whole in _match(equations.terms, ("*", ("sigmoid", "o"), ("tanh", "c")), equations.after[hidden], bound, states):
                gates = [_gate(equations, whole[name], hidden) for name in "ifgo"]
                if whole["c"] == kept and None not in gates:
                    return Known("LSTM", tuple(gate for gate in gates if gate), hidden, memory)
    return None


def _gru(equations: Equations) -> Known | None:
    if equations.states != 1:
        return None
    for pattern in _GRU:
        for bound in _match(equations.terms, pattern, equations.after[0], {}, {"hidden": 0}):
            for whole in _match(equations.terms, _RESET, bound["n"], bound, {"hidden": 0}):
                parts = [*_addends(equations.terms, whole["x"]), *_addends(equations.terms, whole["u"])]
                inner = {equations.terms[n].op for n in _addends(equations.terms, whole["x"])}
                gates = [_gate(equations, whole["r"], 0), _gate(equations, whole["z"], 0), _summed(equations, parts, 0)]
                if inner == {"given"} and None not in gates:
                    return Known("GRU", tuple(gate for gate in gates if gate), 0)
    return None


def _rnn(equations: Equations) -> Known | None:
    kinds: dict[str, Kind] = {"tanh": "RNN_TANH", "relu": "RNN_RELU"}
    last = equations.terms[equations.after[0]]
    if equations.states != 1 or last.op not in kinds:
        return None
    gate = _gate(equations, last.terms[0], 0)
    return Known(kinds[last.op], (gate,), 0) if gate is not None else None


def _gate(equations: Equations, number: int, hidden: int) -> Gate | None:
    return _summed(equations, _addends(equations.terms, number), hidden)


def _summed(equations: Equations, parts: list[int], hidden: int) -> Gate | None:
    """A gate, if that is what these terms sum up to."""
    by_kind = {
        kind: [equations.terms[n].index for n in parts if equations.terms[n].op == kind]
        for kind in ("given", "recurrent", "vector")
    }
    givens, products, vectors = by_kind.values()
    if len(givens) != 1 or len(products) != 1 or len(vectors) > 1 or len(parts) != 2 + len(vectors):
        return None
    if equations.given[givens[0]].key is None or equations.recurrent[products[0]].source != hidden:
        return None
    return Gate(givens[0], products[0], vectors[0] if vectors else None)


def _addends(terms: tuple[Term, ...], number: int) -> list[int]:
    term = terms[number]
    return [n for operand in term.terms for n in _addends(terms, operand)] if term.op == "+" else [number]


def _match(terms: tuple[Term, ...], pattern: Any, number: int, bound: Bound, states: Bound) -> Iterator[Bound]:
    """The ways to bind the variables of a pattern so that it is the term; sums and products in either order."""
    term = terms[number]
    if isinstance(pattern, str):
        if bound.get(pattern, number) == number:
            yield {**bound, pattern: number}
    elif isinstance(pattern, float):
        if term.op == "number" and term.value == pattern:
            yield bound
    elif pattern[0] == "state":
        if term.op == "state" and term.index == states[pattern[1]]:
            yield bound
    elif term.op == pattern[0]:
        orders = permutations(term.terms) if term.op in ("+", "*") else [term.terms]
        for order in orders:
            yield from _all(terms, pattern[1:], tuple(order), bound, states)


def _all(terms: tuple[Term, ...], patterns: Any, numbers: tuple[int, ...], bound: Bound, states: Bound) -> Iterator[Bound]:
    if not patterns:
        yield bound
        return
    for first in _match(terms, patterns[0], numbers[0], bound, states):
        yield from _all(terms, patterns[1:], numbers[1:], first, states)

"""Products that begin with what is given for them, so that a step reads one number where it would read two and add them.

Comes in: the equations of a step. Goes out: the same with the sums `given c + product g` as products, where nothing else reads either, and
of each product the number of what it begins with. What is given and its product then have one adjoint.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cache

from .adjoint import ADJOINTS
from .terms import Equations, Term


@dataclass(frozen=True, slots=True)
class Joined:
    """`starts`: the number of what is given that each product begins with, none where it begins with 0."""

    equations: Equations
    starts: tuple[int | None, ...]


@cache
def joined(equations: Equations) -> Joined:
    """The equations with as many sums joined as may be."""
    terms, starts = list(equations.terms), list[int | None]([None] * len(equations.recurrent))
    readers = Counter(_leaf(equations, number) for number in _read(equations))
    for number, term in enumerate(equations.terms):
        leaves = {equations.terms[operand].op: equations.terms[operand].index for operand in term.terms}
        if term.op == "+" and leaves.keys() == {"given", "recurrent"}:
            c, g = leaves["given"], leaves["recurrent"]
            alone = readers["given", c] == readers["recurrent", g] == 1
            if alone and equations.given[c].width == equations.recurrent[g].width:
                starts[g] = c
                for operand in term.terms:
                    terms[operand] = Term("number")
                terms[number] = Term("recurrent", index=g, width=term.width)
    return Joined(replace(equations, terms=tuple(terms)), tuple(starts))


def kept_values(equations: Equations) -> dict[int, int]:
    """The functions of one product alone whose slope follows from their value, as that of a sigmoid does, and its number: such a value may
    stand in the place of the product, so that a derivative need not compute it again."""
    readers, found = Counter(_read(equations)), dict[int, int]()
    for number, term in enumerate(equations.terms):
        if len(term.terms) == 1 and equations.terms[term.terms[0]].op == "recurrent" and readers[term.terms[0]] == 1:
            (rule,) = ADJOINTS.get(term.op, ("{a}",))
            if "{a}" not in rule:
                found[number] = equations.terms[term.terms[0]].index
    return found


def _read(equations: Equations) -> list[int]:
    """Whatever is read by a term or written, as often as it is."""
    operands = [operand for term in equations.terms for operand in term.terms]
    return [*operands, *equations.after, *equations.results, *equations.computed]


def _leaf(equations: Equations, number: int) -> tuple[str, int]:
    return equations.terms[number].op, equations.terms[number].index

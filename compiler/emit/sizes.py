"""Sizes as people read them, in pictures and tables: `⌈H/4⌉` or `H/4` for (H + 3) // 4, products with a dot."""

from __future__ import annotations

from collections.abc import Callable

from ..shapes import Apply, Atom, Dim

Up = Callable[[str, str], str]  # how a division that rounds up is written, given both sides


def worded(dim: Dim, up: Up) -> str:
    """`dim` in few characters."""
    if dim.constant is not None:
        return str(dim.constant)
    alone = len(dim.terms) == 1 and dim.terms[0][1] == 1 and len(dim.terms[0][0]) == 1
    return _ceiling(dim, up) or str(_plain(dim, up, alone)).replace(" * ", "·")


def _ceiling(dim: Dim, up: Up) -> str | None:
    """`(H - 1) // stride + 1` is H/stride, rounded up; none where `dim` is nothing like it."""
    match (dim - 1).terms:
        case ((((Apply(op="//") as atom, 1),), 1),) if (atom.left + 1).constant is None and _constant_term(atom.left) == -1:
            return up(_wrapped(worded(atom.left + 1, up)), _wrapped(worded(atom.right, up)))
    return None


def _plain(dim: Dim, up: Up, alone: bool) -> Dim:
    """`dim` with each floor division replaced by a symbol that reads well."""
    total = Dim.of(0)
    for monomial, factor in dim.terms:
        product = Dim.of(factor)
        for atom, exponent in monomial:
            product = product * _division(atom, up, alone) ** exponent
        total = total + product
    return total


def _division(atom: Atom, up: Up, alone: bool) -> Dim:
    if not (isinstance(atom, Apply) and atom.op == "//"):
        return Dim({((atom, 1),): 1})
    by, added = atom.right.constant, _constant_term(atom.left)
    rounds_up = by is not None and added == by - 1
    left, right = _wrapped(worded(atom.left - added if rounds_up else atom.left, up)), _wrapped(worded(atom.right, up))
    text = up(left, right) if rounds_up else f"{left} // {right}"
    closed = alone or not (set(text) & set(" /")) or text.endswith("⌉")
    return Dim.of(text if closed else f"({text})")


def _constant_term(dim: Dim) -> int:
    return next((factor for monomial, factor in dim.terms if not monomial), 0)


def _wrapped(text: str) -> str:
    return f"({text})" if set(text) & set(" /") and not text.endswith("⌉") else text

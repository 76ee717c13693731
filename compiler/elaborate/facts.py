"""What is known of the free dims of a root: its asserts on dims, used in proofs."""

from __future__ import annotations

from ..shapes import Apply, Dim
from ..values import OPPOSITE, Formula, Text, is_proved


class Facts:
    """`H % 16 == 0` lets H be written as 16 times a whole number, and then halves of halves fit."""

    def __init__(self) -> None:
        self.substitution: dict[str, Dim] = {}
        self.at_least_zero: list[Dim] = []
        self.multiples: set[tuple[Dim, Dim]] = set()  # asserted: the first is a multiple of the second

    def learn(self, condition: Text) -> None:
        """Take a condition over values as true from here on."""
        if not isinstance(condition, Formula):
            return
        if condition.op == "and":
            for part in condition.args:
                if not isinstance(part, str):
                    self.learn(part)
            return
        if not all(isinstance(arg, Dim) for arg in condition.args) or condition.op not in OPPOSITE:
            return
        left, right = (self.reduce(arg) for arg in condition.args if isinstance(arg, Dim))
        if condition.op != "==":
            self._bound(condition.op, left, right)
            return
        for one, other in ((left, right), (right, left)):
            if one.symbol is not None and one.symbol not in other.symbols():
                self._let(one.symbol, other)
                return
        if right == 0:
            self._multiple(left)

    def _bound(self, op: str, left: Dim, right: Dim) -> None:
        gaps = {"<=": right - left, "<": right - left - 1, ">=": left - right, ">": left - right - 1}
        if op in gaps:
            self.at_least_zero.append(gaps[op])

    def _holds(self, op: str, left: Dim, right: Dim) -> bool:
        """A bound that was asserted shows it."""
        gaps = {"<=": right - left, "<": right - left - 1, ">=": left - right, ">": left - right - 1}
        return op in gaps and any((gaps[op] - known).at_least(0) for known in self.at_least_zero)

    def _multiple(self, dim: Dim) -> None:
        if len(dim.terms) != 1 or dim.terms[0][1] != 1 or len(dim.terms[0][0]) != 1:
            return
        atom = dim.terms[0][0][0][0]
        if not isinstance(atom, Apply) or atom.op != "%" or not (atom.right.constant or atom.right.at_least(1)):
            return
        self.multiples.add((atom.left, atom.right))
        name = atom.left.symbol
        if name is not None and name not in atom.right.symbols():
            self._let(name, Dim.of(f"{name}/{atom.right}") * atom.right)

    def _let(self, name: str, dim: Dim) -> None:
        self.substitution = {k: v.substitute({name: dim}) for k, v in self.substitution.items()} | {name: dim}

    def divides(self, divisor: Dim, dim: Dim) -> bool:
        """Is `dim` a multiple of `divisor`, for all free dims?"""
        dim, divisor = self.reduce(dim), self.reduce(divisor)
        return dim % divisor == 0 or (dim, divisor) in self.multiples

    def reduce(self, dim: Dim) -> Dim:
        return dim.substitute(self.substitution) if self.substitution else dim

    def equal(self, left: Dim, right: Dim) -> bool:
        return left == right or (bool(self.substitution) and self.reduce(left) == self.reduce(right))

    def decide(self, op: str, left: Dim, right: Dim) -> bool | None:
        """Is `left op right` true, false, or open, for all free dims of at least 1?"""
        left, right = self.reduce(left), self.reduce(right)
        if is_proved(Formula(op, (left, right))):
            return True
        if self._holds(op, left, right):
            return True
        if self._holds(OPPOSITE[op], left, right) or is_proved(Formula(OPPOSITE[op], (left, right))):
            return False
        return None

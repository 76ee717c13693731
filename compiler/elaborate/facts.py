"""What is known of the free dims of a root: its asserts on dims, used in proofs."""

from __future__ import annotations

from ..shapes import Apply, Dim
from ..values import OPPOSITE, Formula, Text, is_proved


class Facts:
    """`H % 16 == 0` lets H be written as 16 times a whole number, and then halves of halves fit."""

    def __init__(self) -> None:
        self.substitution: dict[str, Dim] = {}

    def learn(self, condition: Text) -> None:
        """Take a condition over values as true from here on."""
        if not isinstance(condition, Formula):
            return
        if condition.op == "and":
            for part in condition.args:
                if not isinstance(part, str):
                    self.learn(part)
            return
        if condition.op != "==":
            return
        left, right = (self.reduce(arg) for arg in condition.args if isinstance(arg, Dim))
        for one, other in ((left, right), (right, left)):
            if one.symbol is not None and one.symbol not in other.symbols():
                self._let(one.symbol, other)
                return
        if right == 0:
            self._multiple(left)

    def _multiple(self, dim: Dim) -> None:
        if len(dim.terms) != 1 or dim.terms[0][1] != 1 or len(dim.terms[0][0]) != 1:
            return
        atom = dim.terms[0][0][0][0]
        if isinstance(atom, Apply) and atom.op == "%" and atom.left.symbol and atom.right.constant:
            self._let(atom.left.symbol, Dim.of(f"{atom.left.symbol}/{atom.right.constant}") * atom.right)

    def _let(self, name: str, dim: Dim) -> None:
        self.substitution = {k: v.substitute({name: dim}) for k, v in self.substitution.items()} | {name: dim}

    def reduce(self, dim: Dim) -> Dim:
        return dim.substitute(self.substitution) if self.substitution else dim

    def equal(self, left: Dim, right: Dim) -> bool:
        return bool(self.substitution) and self.reduce(left) == self.reduce(right)

    def decide(self, op: str, left: Dim, right: Dim) -> bool | None:
        """Is `left op right` true, false, or open, for all free dims of at least 1?"""
        left, right = self.reduce(left), self.reduce(right)
        if is_proved(Formula(op, (left, right))):
            return True
        if is_proved(Formula(OPPOSITE[op], (left, right))):
            return False
        return None

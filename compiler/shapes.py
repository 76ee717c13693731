"""Exact symbolic whole numbers: what dims and hyperparameters are made of.

A `Dim` is a polynomial with rational-free integer coefficients over atoms; an atom is a symbol, or a floor division, remainder, power,
minimum or maximum that could not be resolved. Two dims are equal exactly when their normal forms are: two symbols never are by chance.
A `Size` is a dim seen twice: its `value` with the hyperparameters' numbers put in, and its `text` over the names of the declaration it
stands in, from which source is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import gcd


@dataclass(frozen=True, slots=True)
class Symbol:
    """An unknown whole number of at least 1 (dims) or any (`signed`: compile-time loop indices, int hyperparameters may be 0)."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Apply:
    """`op` of two dims that does not reduce: // % ** min max."""

    op: str
    left: Dim
    right: Dim

    def __str__(self) -> str:
        if self.op in ("min", "max"):
            return f"{self.op}({self.left}, {self.right})"
        return f"{_wrapped(self.left)} {self.op} {_wrapped(self.right)}"


CACHED_TERMS = 16
"""Results of longer operands are not kept: what a hostile spec makes should not outlive it."""

Atom = Symbol | Apply
Monomial = tuple[tuple[Atom, int], ...]  # atoms with their exponents, sorted


def _atom_key(atom: Atom) -> tuple[int, str]:
    return (0 if isinstance(atom, Symbol) else 1, str(atom))


def _monomial_key(monomial: Monomial) -> tuple[int, list[tuple[int, str, int]]]:
    degree = sum(exponent for _, exponent in monomial)
    return (-degree, [(*_atom_key(atom), exponent) for atom, exponent in monomial])


class Dim:
    """A normalised polynomial. Immutable; equal and hashed by its normal form."""

    __slots__ = ("_hash", "terms")
    terms: tuple[tuple[Monomial, int], ...]

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        kept = [(monomial, factor) for monomial, factor in terms.items() if factor]
        if len(kept) > 1:
            kept.sort(key=lambda term: _monomial_key(term[0]))
        self.terms = tuple(kept)
        self._hash = hash(self.terms)

    @staticmethod
    def of(value: int | str | Dim) -> Dim:
        """A constant, or the symbol of that name."""
        if isinstance(value, Dim):
            return value
        return _constant(value) if isinstance(value, int) else _symbol(value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return self.constant == other
        return isinstance(other, Dim) and self.terms == other.terms

    def __hash__(self) -> int:
        return self._hash

    @property
    def constant(self) -> int | None:
        """The number, where it is one."""
        if not self.terms:
            return 0
        return self.terms[0][1] if len(self.terms) == 1 and not self.terms[0][0] else None

    @property
    def symbol(self) -> str | None:
        """The name, where it is a bare symbol."""
        if len(self.terms) == 1 and self.terms[0][1] == 1:
            monomial = self.terms[0][0]
            if len(monomial) == 1 and monomial[0][1] == 1 and isinstance(monomial[0][0], Symbol):
                return monomial[0][0].name
        return None

    def symbols(self) -> frozenset[str]:
        """The names it depends on."""
        return frozenset(self._walk())

    def _walk(self) -> Iterator[str]:
        for monomial, _ in self.terms:
            for atom, _ in monomial:
                if isinstance(atom, Symbol):
                    yield atom.name
                else:
                    yield from atom.left._walk()
                    yield from atom.right._walk()

    # Arithmetic -------------------------------------------------------------------------------------------------------

    def __add__(self, other: int | Dim) -> Dim:
        terms = dict(self.terms)
        for monomial, factor in Dim.of(other).terms:
            terms[monomial] = terms.get(monomial, 0) + factor
        return Dim(terms)

    __radd__ = __add__

    def __neg__(self) -> Dim:
        return Dim({monomial: -factor for monomial, factor in self.terms})

    def __sub__(self, other: int | Dim) -> Dim:
        terms = dict(self.terms)
        for monomial, factor in Dim.of(other).terms:
            terms[monomial] = terms.get(monomial, 0) - factor
        return Dim(terms)

    def __rsub__(self, other: int | Dim) -> Dim:
        return Dim.of(other) + -self

    def __mul__(self, other: int | Dim) -> Dim:
        terms: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in Dim.of(other).terms:
                monomial = _product(left, right)
                terms[monomial] = terms.get(monomial, 0) + a * b
        return Dim(terms)

    __rmul__ = __mul__

    def __floordiv__(self, other: int | Dim) -> Dim:
        divisor = Dim.of(other)
        exact = self.divided(divisor)
        if exact is not None:
            return exact
        a, b = self.constant, divisor.constant
        if a is not None and b:
            return Dim.of(a // b)
        if b and b > 0:
            return _floor_by_number(self, b)
        return _atom(Apply("//", self, divisor))

    def __mod__(self, other: int | Dim) -> Dim:
        divisor = Dim.of(other)
        if self.divided(divisor) is not None:
            return Dim.of(0)
        a, b = self.constant, divisor.constant
        if a is not None and b:
            return Dim.of(a % b)
        if b and b > 0:  # terms whose factor is a multiple of b do not matter
            rest = Dim({m: f if m else f % b for m, f in self.terms if not m or f % b})
            return Dim.of(rest.constant % b) if rest.constant is not None else _atom(Apply("%", rest, divisor))
        return _atom(Apply("%", self, divisor))

    def __pow__(self, other: int | Dim) -> Dim:
        exponent = Dim.of(other)
        base, power = self.constant, exponent.constant
        if power is not None and 0 <= power <= 64 and (base is not None or power <= 8):
            result = Dim.of(1)
            for _ in range(power):
                result = result * self
            return result
        return _atom(Apply("**", self, exponent))

    def minimum(self, other: int | Dim) -> Dim:
        return self._extreme("min", Dim.of(other))

    def maximum(self, other: int | Dim) -> Dim:
        return self._extreme("max", Dim.of(other))

    def _extreme(self, op: str, other: Dim) -> Dim:
        difference = self - other
        if difference.at_least(0):
            return self if op == "max" else other
        if (-difference).at_least(0):
            return other if op == "max" else self
        return _atom(Apply(op, self, other))

    def divided(self, divisor: Dim) -> Dim | None:
        """The exact quotient where there provably is one, else none."""
        if not divisor.terms:
            return None
        if divisor == 1 or not self.terms:
            return self
        if len(divisor.terms) == 1:
            monomial, factor = divisor.terms[0]
            return self._divided_by_term(monomial, factor)
        quotient, rest = Dim.of(0), self
        head = Dim({divisor.terms[0][0]: divisor.terms[0][1]})
        for _ in range(len(self.terms) + 1):  # polynomial long division on the leading term
            if not rest.terms:
                return quotient
            lead = Dim({rest.terms[0][0]: rest.terms[0][1]}).divided(head)
            if lead is None:
                return None
            quotient, rest = quotient + lead, rest - lead * divisor
        return None

    def _divided_by_term(self, divisor: Monomial, factor: int) -> Dim | None:
        terms: dict[Monomial, int] = {}
        for monomial, number in self.terms:
            left = dict(monomial)
            for atom, exponent in divisor:
                if left.get(atom, 0) < exponent:
                    return None
                left[atom] -= exponent
            if number % factor:
                return None
            terms[tuple((a, e) for a, e in monomial_sorted(left) if e)] = number // factor
        return Dim(terms)

    def substitute(self, names: Mapping[str, Dim]) -> Dim:
        """With each named symbol replaced, and normalised again."""
        if not self.terms or not (self.symbols() & names.keys()):
            return self
        total = Dim.of(0)
        for monomial, factor in self.terms:
            product = Dim.of(factor)
            for atom, exponent in monomial:
                product = product * _substituted(atom, names) ** exponent
            total = total + product
        return total

    @property
    def has_quotients(self) -> bool:
        """Is a floor division among its factors?"""
        return any(isinstance(atom, Apply) and atom.op == "//" for monomial, _ in self.terms for atom, _ in monomial)

    def cancelled(self, divides: Callable[[Dim, Dim], bool]) -> Dim:
        """With `a // b * b` as a, wherever `divides(b, a)`; sums and further factors stay."""
        if not any(_beside(term) for term in self.terms):
            return self
        total = Dim({})
        for term in self.terms:
            total = total + _cancelled(term, divides)
        return total

    # Proofs -----------------------------------------------------------------------------------------------------------

    def at_least(self, bound: int) -> bool:
        """Proved for all symbols of at least 1; false means not proved."""
        low = _lower_bound(self)
        return low is not None and low >= bound

    def __str__(self) -> str:
        return _shown(self)

    def __repr__(self) -> str:
        return f"Dim({self})"


def monomial_sorted(exponents: Mapping[Atom, int]) -> Monomial:
    return tuple(sorted(exponents.items(), key=lambda item: _atom_key(item[0])))


@lru_cache(maxsize=4096)
def _constant(value: int) -> Dim:
    """A number, made without what sums need: a list may hold a hundred thousand."""
    dim = Dim.__new__(Dim)
    dim.terms = (((), value),) if value else ()
    dim._hash = hash(dim.terms)
    return dim


@lru_cache(maxsize=4096)
def _symbol(name: str) -> Dim:
    return Dim({((Symbol(name), 1),): 1})


def _atom(atom: Atom) -> Dim:
    return Dim({((atom, 1),): 1})


def _product(left: Monomial, right: Monomial) -> Monomial:
    if not left:
        return right
    if not right:
        return left
    exponents = dict(left)
    for atom, exponent in right:
        exponents[atom] = exponents.get(atom, 0) + exponent
    return monomial_sorted(exponents)


@lru_cache(maxsize=4096)
def _beside(term: tuple[Monomial, int]) -> tuple[tuple[Apply, Dim], ...]:
    """The floor divisions of one term whose divisor is a factor beside them, each with what else is there: nearly always none."""
    monomial, factor = term
    found = []
    for atom, exponent in monomial:
        if exponent != 1 or not isinstance(atom, Apply) or atom.op != "//":
            continue
        rest = Dim({monomial: factor}).divided(_atom(atom))
        beside = None if rest is None else rest.divided(atom.right)
        if beside is not None:
            found.append((atom, beside))
    return tuple(found)


def _cancelled(term: tuple[Monomial, int], divides: Callable[[Dim, Dim], bool]) -> Dim:
    """One term without the floor divisions whose divisor stands beside them."""
    for atom, beside in _beside(term):
        if divides(atom.right, atom.left):
            return (atom.left * beside).cancelled(divides)
    return Dim({term[0]: term[1]})


def _floor_by_number(dim: Dim, divisor: int) -> Dim:
    """`dim // divisor` with what divides taken out: (4 * H + 3) // 2 is 2 * H + 1; nested floors by numbers join."""
    whole = Dim({m: f // divisor for m, f in dim.terms if f % divisor == 0 or not m})
    rest = Dim({m: (f % divisor if not m else f) for m, f in dim.terms if f % divisor or not m})
    if rest.constant is not None:
        return whole + rest.constant // divisor
    shared = divisor
    for _, factor in rest.terms:
        shared = gcd(shared, factor)
    if shared > 1:
        rest, divisor = Dim({m: f // shared for m, f in rest.terms}), divisor // shared
    if divisor == 1:
        return whole + rest
    inner = _single_floor(rest)
    if inner is not None:  # (a // m + c) // n == (a + c * m) // (m * n)
        return whole + inner[0] // (inner[1] * divisor)
    return whole + _atom(Apply("//", rest, Dim.of(divisor)))


def _single_floor(dim: Dim) -> tuple[Dim, int] | None:
    """`a // m + c` as (a + c * m, m)."""
    offset, floors = 0, []
    for monomial, factor in dim.terms:
        if not monomial:
            offset = factor
        elif factor == 1 and len(monomial) == 1 and monomial[0][1] == 1 and isinstance(monomial[0][0], Apply):
            floors.append(monomial[0][0])
        else:
            return None
    if len(floors) != 1 or floors[0].op != "//" or not floors[0].right.constant:
        return None
    by = floors[0].right.constant
    return floors[0].left + offset * by, by


def _substituted(atom: Atom, names: Mapping[str, Dim]) -> Dim:
    if isinstance(atom, Symbol):
        return names.get(atom.name, _atom(atom))
    return apply(atom.op, atom.left.substitute(names), atom.right.substitute(names))


def apply(op: str, left: Dim, right: Dim) -> Dim:
    """The whole-number operator of that name."""
    if len(left.terms) + len(right.terms) > CACHED_TERMS:
        return _OPERATORS[op](left, right)
    return _applied(op, left, right)


@lru_cache(maxsize=4096)
def _applied(op: str, left: Dim, right: Dim) -> Dim:
    """Most sizes of a network come up again: as text and as value, in each block of a stage, in each root of a file."""
    return _OPERATORS[op](left, right)


_OPERATORS: dict[str, Callable[[Dim, Dim], Dim]] = {
    "+": Dim.__add__,
    "-": Dim.__sub__,
    "*": Dim.__mul__,
    "//": Dim.__floordiv__,
    "%": Dim.__mod__,
    "**": Dim.__pow__,
    "min": Dim.minimum,
    "max": Dim.maximum,
}


def _lower_bound(dim: Dim) -> int | None:
    """The least value when every symbol is at least 1; none where there is no simple bound."""
    total = 0
    for monomial, factor in dim.terms:
        low = 1
        for atom, exponent in monomial:
            bound = 1 if isinstance(atom, Symbol) else _atom_bound(atom)
            if bound is None or bound < 0:
                return None
            low *= bound**exponent
        if factor < 0 and monomial:
            return None
        total += factor * low
    return total


def _atom_bound(atom: Apply) -> int | None:
    left, right = _lower_bound(atom.left), _lower_bound(atom.right)
    if atom.op == "//" and left is not None and atom.right.constant:
        return left // atom.right.constant if atom.right.constant > 0 else None
    if atom.op == "//" and left is not None and left >= 0 and right is not None and right >= 1:
        return 0
    if atom.op == "%" and right is not None and right >= 1:
        return 0
    if atom.op == "**" and left is not None and left >= 1:
        return 1
    if atom.op in ("min", "max") and left is not None and right is not None:
        return min(left, right) if atom.op == "min" else max(left, right)
    return None


def _wrapped(dim: Dim) -> str:
    text = _shown(dim)
    simple = (dim.constant is not None and dim.constant >= 0) or dim.symbol is not None
    return text if simple else f"({text})"


def _shown(dim: Dim) -> str:
    parts: list[str] = []
    for monomial, factor in dim.terms:
        names = [_power(atom, exponent, alone=len(monomial) == 1 and abs(factor) == 1) for atom, exponent in monomial]
        if not monomial or abs(factor) != 1:
            names.insert(0, str(abs(factor)))
        sign = "-" if factor < 0 else "+"
        body = " * ".join(names)
        parts.append(f" {sign} {body}" if parts else ("-" if factor < 0 else "") + body)
    return "".join(parts) or "0"


def _power(atom: Atom, exponent: int, *, alone: bool) -> str:
    text = str(atom)
    if isinstance(atom, Apply) and atom.op not in ("min", "max") and not (alone and exponent == 1):
        text = f"({text})"
    return text if exponent == 1 else f"{text} ** {exponent}"


@dataclass(frozen=True, slots=True)
class Size:
    """A whole number known at compile time, seen twice (see the module's first words)."""

    value: Dim
    text: Dim

    @staticmethod
    def of(value: int | Dim, text: Dim | None = None) -> Size:
        dim = Dim.of(value)
        return Size(dim, dim if text is None else text)

    def __str__(self) -> str:
        return str(self.value)

    @property
    def number(self) -> int | None:
        return self.value.constant

    def _with(self, op: str, other: int | Size) -> Size:
        right = other if isinstance(other, Size) else Size.of(other)
        value = apply(op, self.value, right.value)
        alike = self.text == self.value and right.text == right.value
        return Size(value, value if alike else apply(op, self.text, right.text))

    def __add__(self, other: int | Size) -> Size:
        return self._with("+", other)

    def __sub__(self, other: int | Size) -> Size:
        return self._with("-", other)

    def __mul__(self, other: int | Size) -> Size:
        return self._with("*", other)

    def __floordiv__(self, other: int | Size) -> Size:
        return self._with("//", other)

    def __mod__(self, other: int | Size) -> Size:
        return self._with("%", other)

    def rename(self, names: Mapping[str, Dim]) -> Size:
        """The same number, its text over other names."""
        return Size(self.value, self.text.substitute(names))

"""Dims are whole numbers: whatever numbers stand for the symbols, arithmetic on dims gives what arithmetic on the numbers gives."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archc.compiler.elaborate.facts import Facts
from archc.compiler.shapes import Dim, apply
from archc.compiler.values import formula as formula_of

NAMES = ("H", "W", "n")
OPERATORS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "min": min,
    "max": max,
}
settings.register_profile("shapes", max_examples=150, deadline=None, derandomize=True)
settings.load_profile("shapes")

values = st.fixed_dictionaries({name: st.integers(1, 40) for name in NAMES})
Formula = tuple[str, Any, Any]  # an operator with two of: a formula, a name, a number


def formulas() -> st.SearchStrategy[Any]:
    leaves = st.sampled_from(NAMES) | st.integers(-6, 12)
    return st.recursive(leaves, lambda inner: st.tuples(st.sampled_from((*OPERATORS, "**")), inner, inner), max_leaves=6)


def dim_of(formula: Any) -> Dim:
    """The formula in dims; nothing is divided by 0, and powers are small."""
    if not isinstance(formula, tuple):
        return Dim.of(formula)
    op, left, right = formula[0], dim_of(formula[1]), dim_of(formula[2])
    if op == "**":
        assume(right.constant is not None and 0 <= right.constant <= 3)
    if op in ("//", "%"):
        assume(right.at_least(1) or (right.constant or 0) < 0)
    return apply(op, left, right)


def number_of(formula: Any, given: dict[str, int]) -> int:
    if isinstance(formula, str):
        return given[formula]
    if isinstance(formula, int):
        return formula
    left, right = number_of(formula[1], given), number_of(formula[2], given)
    return int(left**right) if formula[0] == "**" else OPERATORS[formula[0]](left, right)


def dims(given: dict[str, int]) -> dict[str, Dim]:
    return {name: Dim.of(value) for name, value in given.items()}


@given(formulas(), values)
def test_dims_compute_as_numbers_do(formula: Any, given: dict[str, int]) -> None:
    assert dim_of(formula).substitute(dims(given)).constant == number_of(formula, given)


@given(formulas(), values)
def test_substituting_step_by_step_is_substituting_at_once(formula: Any, given: dict[str, int]) -> None:
    dim = dim_of(formula)
    for name, value in given.items():
        dim = dim.substitute({name: Dim.of(value)})
    assert dim.constant == number_of(formula, given)


@given(formulas(), values, st.integers(-20, 20))
def test_a_lower_bound_holds(formula: Any, given: dict[str, int], bound: int) -> None:
    if dim_of(formula).at_least(bound):
        assert number_of(formula, given) >= bound


@given(formulas(), formulas(), values)
def test_an_exact_quotient_is_exact(formula: Any, by: Any, given: dict[str, int]) -> None:
    dividend, divisor = dim_of(formula), dim_of(by)
    quotient = dividend.divided(divisor)
    if quotient is not None:
        assert quotient.substitute(dims(given)).constant * number_of(by, given) == number_of(formula, given)  # type: ignore[operator]


@given(formulas(), formulas(), values)
def test_a_product_divides(formula: Any, by: Any, given: dict[str, int]) -> None:
    factor, divisor = dim_of(formula), dim_of(by)
    assume(len(divisor.terms) == 1)
    product = factor * divisor
    quotient = product.divided(divisor)
    assert quotient is not None
    assert quotient * divisor == product


@given(formulas(), values)
def test_the_text_of_a_dim_is_the_dim(formula: Any, given: dict[str, int]) -> None:
    text = str(dim_of(formula))
    assert eval(text, {"min": min, "max": max, **given}) == number_of(formula, given)


@given(formulas(), formulas())
def test_equal_dims_have_one_form(left: Any, right: Any) -> None:
    a, b = dim_of(left), dim_of(right)
    assert a + b == b + a
    assert a * b == b * a
    assert (a - b) + b == a
    assert hash(a + b) == hash(b + a)
    assert (a + b) * (a - b) == a * a - b * b
    assert (a - a).constant == 0


def test_two_symbols_are_never_equal() -> None:
    assert Dim.of("H") != Dim.of("W")
    assert not (Dim.of("H") - Dim.of("W")).at_least(0)
    assert Dim.of("H") == Dim.of("H")
    assert Dim.of(3) == 3


@pytest.mark.parametrize(
    ("dim", "shown"),
    [
        (Dim.of("H") + Dim.of("H"), "2 * H"),
        ((Dim.of("H") * 4 + 3) // 2, "2 * H + 1"),
        (Dim.of("H") // 2 // 2, "H // 4"),
        ((Dim.of("H") - 1) // 2 + 1, "(H + 1) // 2"),
        (Dim.of("H") * Dim.of("H"), "H ** 2"),
        (Dim.of("H") % 16 * 2, "2 * (H % 16)"),
        (-Dim.of("H"), "-H"),
        (Dim.of("H").minimum(Dim.of("W")), "min(H, W)"),
        (Dim.of("H").minimum(Dim.of("H") + 1), "H"),
        (Dim.of("H") // Dim.of("W") * Dim.of("W"), "W * (H // W)"),
        (Dim.of("n") ** Dim.of("W"), "n ** W"),
        (Dim.of(0), "0"),
    ],
)
def test_how_a_dim_is_shown(dim: Dim, shown: str) -> None:
    assert str(dim) == shown


# Quotients that cancel ------------------------------------------------------------------------------------------------


@given(formulas(), values, st.data())
def test_what_cancels_is_the_same_number(formula: Any, given_: dict[str, int], data: st.DataObject) -> None:
    """`a // b * b` is a wherever b divides a; for no other numbers is it taken to be."""
    dim = dim_of(formula)

    def divides(divisor: Dim, of: Dim) -> bool:
        by = divisor.substitute(dims(given_)).constant
        whole = of.substitute(dims(given_)).constant
        return by is not None and by != 0 and whole is not None and whole % by == 0

    assert dim.cancelled(divides).substitute(dims(given_)) == dim.substitute(dims(given_))
    assert dim.cancelled(lambda divisor, of: False) == dim


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 5), st.integers(1, 4))
def test_facts_prove_what_holds(quotient: int, by: int, rest: int, times: int) -> None:
    """`H % b == 0` makes H // b * b be H, and a stride that divides leave no rest; without the fact nothing is proved."""
    facts, high = Facts(), Dim.of("H")
    size, window = Dim.of(by), (high + 2 * Dim.of(rest) * by - by) // by + 1
    assert by == 1 or not facts.equal(high // size * size, high)
    facts.learn(formula_of("==", high % size, Dim.of(0)))
    product = high * times // size * size
    assert facts.equal(product, high * times)
    assert product.cancelled(facts.divides) == high * times
    number = quotient * by
    assert (
        facts.reduce(window).substitute({f"H/{by}": Dim.of(quotient), "H": Dim.of(number)})
        == (number + 2 * rest * by - by) // by + 1
    )
    assert facts.equal(window, high // size + 2 * rest)


def test_facts_of_symbols() -> None:
    facts, d, heads, s, t = Facts(), Dim.of("D"), Dim.of("heads"), Dim.of("S"), Dim.of("T")
    assert not facts.divides(heads, d)
    assert not facts.equal(s, t)
    facts.learn(formula_of("==", d % heads, Dim.of(0)))
    facts.learn(formula_of("==", s, t))
    assert (d // heads * heads * 3).cancelled(facts.divides) == d * 3
    assert facts.equal(d // heads * heads, d)
    assert facts.equal(s * 2, t + s)
    assert not facts.equal(s, d)

"""What is said of queries without keys is so at every length; and the usual mistakes are found."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archc.compiler.attention.empty import empty_rows
from archc.compiler.attention.terms import Equation
from archc.compiler.layers.attention import Attend

from ..spec import compiled
from .equations import Drawn, truths, whole


def mask_of(text: str) -> Equation | None:
    body = f"    mask[b, h, i, j] = {text}\n    return attend(x, x, x, mask=mask)"
    made = compiled(f"model Net(x: [B, T, 8], keep: bool[B, T]) {{\n{body}\n}}")
    return next(node.op.mask for node in made.graph.nodes if isinstance(node.op, Attend))


def without_keys(mask: Drawn, steps: int) -> list[int]:
    return [i for i in range(steps) if not any(mask.value({"i": i, "j": j}) for j in range(steps))]


bounds = st.tuples(whole(("i", "j"), False), st.sampled_from(["<", "<=", "==", ">", ">="]), whole(("i", "j"), False)).map(
    lambda p: Drawn(
        f"({p[0].text} {p[1]} {p[2].text})", lambda e: eval(f"a {p[1]} b", {}, {"a": p[0].value(e), "b": p[2].value(e)})
    )
)
both = st.tuples(bounds, bounds).map(lambda p: Drawn(f"({p[0].text} and {p[1].text})", lambda e: p[0].value(e) and p[1].value(e)))


@given(st.one_of(bounds, both, truths(("i", "j"), False)))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_said_is_so(drawn: Drawn) -> None:
    mask = mask_of(drawn.text)
    which = "" if mask is None else empty_rows(mask, square=True)
    for steps in (1, 2, 3, 5, 8):
        empty = without_keys(drawn, steps)
        if which:
            wanted = {"every query": range(steps), "the query at position 0": [0], "the query at the last position": [steps - 1]}
            assert set(wanted[which]) <= set(empty), which


EVERY, FIRST, LAST = "every query", "the query at position 0", "the query at the last position"


@pytest.mark.parametrize(
    ("text", "which"),
    [
        ("j < i", FIRST),
        ("i == j + 1", FIRST),
        ("i - j >= 2 and i - j < 4", FIRST),
        ("i > 3", FIRST),
        ("keep[b, j] and i > j", FIRST),
        ("j > i", LAST),
        ("j == i + 1 and keep[b, j]", LAST),
        ("j < 0", EVERY),
        ("i > j and j > i", EVERY),
        ("j >= 5 and j <= 3", EVERY),
        ("i + j < 0", EVERY),
        ("keep[b, j] and not keep[b, j]", EVERY),
        ("j <= i", ""),
        ("j <= i and keep[b, j]", ""),
        ("i - j < 4 or j > i", ""),
        ("j >= 2", ""),
        ("i // 4 == j // 4", ""),
    ],
)
def test_the_queries_that_are_named(text: str, which: str) -> None:
    mask = mask_of(text)
    assert mask is not None
    assert empty_rows(mask, square=True) == which


def test_the_last_query_of_another_length_may_have_keys() -> None:
    mask = mask_of("j > i")
    assert mask is not None
    assert empty_rows(mask, square=False) == ""

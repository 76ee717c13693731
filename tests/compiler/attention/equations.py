"""Index functions drawn at random, each as its text and as what it means at one pair of positions; and attention by plain loops."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

B, HEADS, T, S, D = 2, 2, 5, 4, 6
Env = dict[str, Any]


@dataclass(frozen=True)
class Drawn:
    """An expression: its text in parentheses, and its value where the indices and tensors of `Env` are."""

    text: str
    value: Callable[[Env], Any]

    def __repr__(self) -> str:
        return self.text


def of(name: str) -> Drawn:
    return Drawn(name, lambda env: env[name])


def number(value: float) -> Drawn:
    return Drawn(f"({value})" if value < 0 else str(value), lambda env: value)


def joined(text: str, function: Callable[..., Any], *parts: Drawn) -> Drawn:
    return Drawn(f"({text.format(*(part.text for part in parts))})", lambda env: function(*(part.value(env) for part in parts)))


def tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else torch.tensor(float(x), dtype=torch.float64)


def whole(indices: tuple[str, ...], batch: bool) -> st.SearchStrategy[Drawn]:
    """Whole numbers."""
    leaves = st.one_of(st.sampled_from(indices).map(of), st.integers(-3, 4).map(number))
    if batch:
        leaves |= st.sampled_from(
            [
                Drawn("first[b, i]", lambda e: int(e["first"][e["b"], e["i"]])),
                Drawn("second[b, j]", lambda e: int(e["second"][e["b"], e["j"]])),
            ]
        )

    def grown(inner: st.SearchStrategy[Drawn]) -> st.SearchStrategy[Drawn]:
        pair, steps = st.tuples(inner, inner), st.integers(2, 4).map(number)
        return st.one_of(
            pair.map(lambda p: joined("{} + {}", lambda a, b: a + b, *p)),
            pair.map(lambda p: joined("{} - {}", lambda a, b: a - b, *p)),
            st.tuples(inner, steps).map(lambda p: joined("{} * {}", lambda a, b: a * b, *p)),
            st.tuples(inner, steps).map(lambda p: joined("{} // {}", lambda a, b: a // b, *p)),
            st.tuples(inner, steps).map(lambda p: joined("{} % {}", lambda a, b: a % b, *p)),
            pair.map(lambda p: joined("min({}, {})", min, *p)),
            pair.map(lambda p: joined("max({}, {})", max, *p)),
            inner.map(lambda p: joined("abs({})", abs, p)),
            inner.map(lambda p: joined("-{}", lambda a: -a, p)),
        )

    return st.recursive(leaves, grown, max_leaves=4)


COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def truths(indices: tuple[str, ...], batch: bool) -> st.SearchStrategy[Drawn]:
    """Conditions."""
    numbers = whole(indices, batch)
    near = st.sampled_from(
        ["j <= i", "i >= j", "not (j > i)", "i - j >= 0", "j - i < 1", "i - j < 2", "abs(i - j) <= 1", "j < 2"]
    )
    known = near.map(lambda text: Drawn(f"({text})", lambda env: eval(text, {}, {"i": env["i"], "j": env["j"]})))
    compared = st.tuples(st.sampled_from(sorted(COMPARED)), numbers, numbers).map(
        lambda p: joined(f"{{}} {p[0]} {{}}", COMPARED[p[0]], p[1], p[2])
    )
    leaves = known | compared
    if batch:
        leaves |= st.just(Drawn("keep[b, j]", lambda e: bool(e["keep"][e["b"], e["j"]])))
        leaves |= st.just(
            Drawn("(first[b, i] == second[b, j])", lambda e: bool(e["first"][e["b"], e["i"]] == e["second"][e["b"], e["j"]]))
        )

    def grown(inner: st.SearchStrategy[Drawn]) -> st.SearchStrategy[Drawn]:
        pair = st.tuples(inner, inner)
        return st.one_of(
            pair.map(lambda p: joined("{} and {}", lambda a, b: a and b, *p)),
            pair.map(lambda p: joined("{} or {}", lambda a, b: a or b, *p)),
            inner.map(lambda p: joined("not {}", lambda a: not a, p)),
            st.tuples(inner, inner, inner).map(lambda p: joined("{1} if {0} else {2}", lambda c, a, b: a if c else b, *p)),
        )

    return st.recursive(leaves, grown, max_leaves=3)


def reals(indices: tuple[str, ...], batch: bool, *more: Drawn) -> st.SearchStrategy[Drawn]:
    """Numbers; `table` is learned."""
    numbers = whole(indices, batch)
    place = numbers.map(lambda p: joined("min(max({}, 0), 4)", lambda a: min(max(a, 0), 4), p))
    leaves = st.one_of(
        st.tuples(numbers, st.sampled_from([0.5, -0.25])).map(
            lambda p: joined("{} * {}", lambda a, b: a * b, p[0], number(p[1]))
        ),
        st.tuples(numbers, st.integers(2, 5)).map(lambda p: joined("{} / {}", lambda a, b: a / b, p[0], number(p[1]))),
        numbers.map(lambda p: joined("exp(-abs({}))", lambda a: math.exp(-abs(a)), p)),
        place.map(lambda p: joined("table[{}, 1]", lambda a: ("table", a, 1), p)).map(_looked_up),
        *(st.just(one) for one in more),
    )
    if "h" in indices:
        leaves |= place.map(lambda p: Drawn(f"table[{p.text}, h]", lambda env: env["table"][p.value(env), env["h"]]))
        leaves |= st.just(
            Drawn("(-(2 ** (-8 * (h + 1) / 2)) * (i - j))", lambda e: -(2 ** (-8 * (e["h"] + 1) / 2)) * (e["i"] - e["j"]))
        )

    def grown(inner: st.SearchStrategy[Drawn]) -> st.SearchStrategy[Drawn]:
        pair = st.tuples(inner, inner)
        return st.one_of(
            pair.map(lambda p: joined("{} + {}", lambda a, b: a + b, *p)),
            pair.map(lambda p: joined("{} * {}", lambda a, b: a * b, *p)),
            inner.map(lambda p: joined("tanh({} / 3)", lambda a: torch.tanh(tensor(a) / 3), p)),
            st.tuples(truths(indices, batch), inner, inner).map(
                lambda p: joined("{1} if {0} else {2}", lambda c, a, b: a if c else b, *p)
            ),
        )

    return st.recursive(leaves, grown, max_leaves=3)


def _looked_up(drawn: Drawn) -> Drawn:
    def value(env: Env) -> Any:
        _, row, column = drawn.value(env)
        return env["table"][row, column]

    return Drawn(drawn.text, value)


@dataclass(frozen=True)
class Case:
    """What an `attend` is given: expressions with their indices."""

    mask: tuple[tuple[str, ...], Drawn] | None
    bias: tuple[tuple[str, ...], Drawn] | None
    score: Drawn | None
    scale: float | None
    shared: bool

    @property
    def text(self) -> str:
        lines, given = [], [f"heads={HEADS}"]
        for name, pair in (("mask", self.mask), ("bias", self.bias)):
            if pair is not None:
                lines.append(f"    {name}[{', '.join(pair[0])}] = {pair[1].text}")
                given.append(f"{name}={name}")
        if self.score is not None:
            lines.append(f"    score[s, h, i, j] = {self.score.text}")
            given.append("score=score")
        if self.scale is not None:
            given.append(f"scale={self.scale}")
        if self.shared:
            given.append("kv_heads=1")
        width = D // HEADS if self.shared else D
        tensors = f"q: [B, T, {D}], k: [B, S, {width}], v: [B, S, {width}], keep: bool[B, S], first: int[B, T], second: int[B, S]"
        body = "\n".join(lines)
        head = f"model Net({tensors}) {{\n    param table: [5, 2] = normal(std=1)"
        return f"{head}\n{body}\n    return attend(q, k, v, {', '.join(given)})\n}}\n"


INDICES = (("i", "j"), ("h", "i", "j"), ("b", "h", "i", "j"))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    def equation(kind: Callable[..., st.SearchStrategy[Drawn]]) -> tuple[tuple[str, ...], Drawn]:
        indices = draw(st.sampled_from(INDICES))
        return indices, draw(kind(indices, "b" in indices))

    mask = equation(truths) if draw(st.integers(0, 3)) else None
    bias = equation(reals) if draw(st.booleans()) else None
    inner = st.just(of("s")), reals(("h", "i", "j"), False, of("s"))
    score = draw(st.one_of(*inner)) if draw(st.integers(0, 3)) == 0 else None
    scale = draw(st.sampled_from([None, None, 0.5, 1.0]))
    return Case(mask, bias, score, scale, draw(st.booleans()))


def by_loops(case: Case, given: dict[str, Tensor], table: Tensor) -> Tensor:
    """Attention at each pair of positions by itself."""
    q, k, v = (given[name] for name in "qkv")
    width = D // HEADS
    heads = k.shape[-1] // width
    outputs = []
    for b in range(B):
        for i in range(T):
            row = []
            for h in range(HEADS):
                shared = h if heads == HEADS else 0
                query = q[b, i, h * width : (h + 1) * width]
                scores, values = [], []
                for j in range(S):
                    env: Env = {
                        "b": b,
                        "h": h,
                        "i": i,
                        "j": j,
                        "table": table,
                        **{n: given[n] for n in ("keep", "first", "second")},
                    }
                    if case.mask is not None and not case.mask[1].value(env):
                        continue
                    s = (query @ k[b, j, shared * width : (shared + 1) * width]) * (case.scale or width**-0.5)
                    if case.score is not None:
                        s = tensor(case.score.value({**env, "s": s}))
                    if case.bias is not None:
                        s = s + case.bias[1].value(env)
                    scores.append(s)
                    values.append(v[b, j, shared * width : (shared + 1) * width])
                if scores:
                    row.append(torch.stack(scores).softmax(0) @ torch.stack(values))
                else:
                    row.append(torch.zeros(width, dtype=torch.float64))
            outputs.append(torch.cat(row))
    return torch.stack(outputs).reshape(B, T, D)

"""Reverse mode on the terms of a step, as text: `n3` is the value of term 3, `d3` the adjoint of it.

The text is an expression of C++ and of Python alike: a number is `T(0.5)`, a function `f_exp(…)`, a choice `f_where(…)`, which what
writes a kernel defines or puts its own in place of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from .terms import Term

CPP = "const T {name} = {text};"  # a line
CONSTANT = ("number", "count", "epsilon", "largest")  # they have no adjoint

VALUES = {
    "+": "{a} + {b}",
    "-": "{a} - {b}",
    "*": "{a} * {b}",
    "/": "{a} / {b}",
    "neg": "-{a}",
    **{name: f"f_{name}({{a}})" for name in ("sigmoid", "tanh", "relu", "exp", "log", "sqrt", "abs", "sin", "cos", "logsigmoid")},
    **{name: f"f_{name}({{a}})" for name in ("atan", "erf", "expm1", "log1p", "floor", "ceil", "round", "sign")},
    "pow": "f_pow({a}, {b})",
    **{op: f"f_where({{a}} {op} {{b}}, T(1), T(0))" for op in ("<", "<=", ">", ">=", "==", "!=")},
    "where": "f_where({a} != T(0), {b}, {c})",
    "stop": "{a}",
    "maximum": "f_where({a} >= {b}, {a}, {b})",
    "minimum": "f_where({a} <= {b}, {a}, {b})",
}

# What the adjoint `d` of a result `n` adds to the adjoints of its terms `a`, `b` and `c`; nothing where there is no slope.
ADJOINTS: Mapping[str, tuple[str, ...]] = {
    "+": ("{d}", "{d}"),
    "-": ("{d}", "-{d}"),
    "*": ("{d} * {b}", "{d} * {a}"),
    "/": ("{d} / {b}", "-{d} * {n} / {b}"),
    "neg": ("-{d}",),
    "sigmoid": ("{d} * {n} * (T(1) - {n})",),
    "tanh": ("{d} * (T(1) - {n} * {n})",),
    "relu": ("f_where({a} > T(0), {d}, T(0))",),
    "exp": ("{d} * {n}",),
    "log": ("{d} / {a}",),
    "sqrt": ("{d} / (T(2) * {n})",),
    "abs": ("f_where({a} > T(0), {d}, f_where({a} < T(0), -{d}, T(0)))",),
    "sin": ("{d} * f_cos({a})",),
    "cos": ("-{d} * f_sin({a})",),
    "logsigmoid": ("{d} * f_sigmoid(-{a})",),
    "atan": ("{d} / (T(1) + {a} * {a})",),
    "erf": ("{d} * T(1.1283791670955126) * f_exp(-{a} * {a})",),
    "expm1": ("{d} * ({n} + T(1))",),
    "log1p": ("{d} / (T(1) + {a})",),
    "pow": (
        "f_where({b} == T(0), T(0), {d} * {b} * f_pow({a}, {b} - T(1)))",
        "f_where(({a} == T(0)) & ({b} >= T(0)), T(0), {d} * {n} * f_log({a}))",
    ),
    **dict.fromkeys(("floor", "ceil", "round", "sign", "stop"), ("",)),
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), ("", "")),
    "where": ("", "f_where({a} != T(0), {d}, T(0))", "f_where({a} != T(0), T(0), {d})"),
    # As in PyTorch: two equal tensors share, and a number has no adjoint to share.
    "maximum": (
        "f_where({a} > {b}, {d}, f_where({a} == {b}, {d} * {share}, T(0)))",
        "f_where({b} > {a}, {d}, f_where({a} == {b}, {d} * T(0.5), T(0)))",
    ),
    "minimum": (
        "f_where({a} < {b}, {d}, f_where({a} == {b}, {d} * {share}, T(0)))",
        "f_where({b} < {a}, {d}, f_where({a} == {b}, {d} * T(0.5), T(0)))",
    ),
}


def values(terms: Sequence[Term], numbers: Iterable[int], read: Callable[[int], str], line: str = CPP) -> list[str]:
    """The terms of these numbers, in order; `read` gives the text of those that are read, and nothing for those that are computed."""
    lines = []
    for number in numbers:
        term = terms[number]
        text = read(number)
        if not text:
            text = f"T({term.value!r})" if term.op == "number" else VALUES[term.op].format(**_operands(term))
        lines.append(line.format(name=f"n{number}", text=text))
    return lines


def adjoints(
    terms: Sequence[Term],
    numbers: Sequence[int],
    is_read: Callable[[int], bool],
    seeds: Sequence[tuple[int, str]],
    line: str = CPP,
) -> tuple[list[str], dict[int, str]]:
    """The lines, and the name of the adjoint of each term that is read and has one. A seed is a term and its own adjoint."""
    parts: dict[int, list[str]] = {}
    for number, seed in seeds:
        parts.setdefault(number, []).append(seed)
    lines, leaves = [], {}
    for number in reversed(numbers):
        term = terms[number]
        if number not in parts or term.op in CONSTANT:
            continue
        lines.append(line.format(name=f"d{number}", text=" + ".join(parts[number])))
        if is_read(number):
            leaves[number] = f"d{number}"
            continue
        share = "T(1)" if terms[term.terms[-1]].op == "number" else "T(0.5)"
        for operand, rule in zip(term.terms, ADJOINTS[term.op], strict=True):
            if rule and terms[operand].op not in CONSTANT:
                text = rule.format(d=f"d{number}", n=f"n{number}", share=share, **_operands(term))
                parts.setdefault(operand, []).append(f"({text})")
    return lines, leaves


def _operands(term: Term) -> dict[str, str]:
    return {name: f"n{operand}" for name, operand in zip("abc", term.terms, strict=False)}

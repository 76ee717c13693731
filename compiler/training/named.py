"""Optimizers and schedules by name: what arguments each takes, under PyTorch's names and in PyTorch's bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from ...dsl import ast
from ..elaborate.body import Body
from ..errors.calls import UnknownArgument
from ..errors.training import BadClause
from ..layers.base import Refusal
from .constants import constant

Check = Callable[[object], str | None]
"""What is wrong with a constant, or none."""


def number(low: float = 0, high: float = float("inf"), *, open_low: bool = False, open_high: bool = False) -> Check:
    def check(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "a number is wanted"
        if value < low or value > high or (open_low and value == low) or (open_high and value == high):
            if high == float("inf"):
                return f"it must be {'above' if open_low else 'at least'} {low:g}"
            return f"it must lie between {low:g} and {high:g}"
        return None

    return check


def flag(value: object) -> str | None:
    return None if isinstance(value, bool) else "true or false is wanted"


def pair(value: object) -> str | None:
    fits = (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v < 1 for v in value)
    )
    return None if fits else "two numbers from 0 up to 1 are wanted"


def whole(least: int, what: str) -> Check:
    def check(value: object) -> str | None:
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
        return None if fits else f"{what} is wanted"

    return check


def rising(value: object) -> str | None:
    fits = (
        isinstance(value, list)
        and value
        and all(isinstance(v, int) and not isinstance(v, bool) and v > 0 for v in value)
        and all(a < b for a, b in pairwise(value))
    )
    return None if fits else "a list of whole numbers that rise is wanted"


def one_of(*words: str) -> Check:
    def check(value: object) -> str | None:
        return None if value in words else f"one of {', '.join(words)} is wanted"

    return check


POSITIVE, ANY, SHARE = number(open_low=True), number(), number(0, 1, open_high=True)
STEPS, LENGTH, PER = whole(0, "a number of steps"), whole(1, "a number of steps of at least 1"), one_of("step", "epoch")

OPTIMIZERS: dict[str, dict[str, Check]] = {
    "adam": {"lr": POSITIVE, "betas": pair, "eps": POSITIVE, "weight_decay": ANY, "amsgrad": flag},
    "adamw": {"lr": POSITIVE, "betas": pair, "eps": POSITIVE, "weight_decay": ANY, "amsgrad": flag},
    "sgd": {"lr": POSITIVE, "momentum": ANY, "dampening": ANY, "weight_decay": ANY, "nesterov": flag},
    "rmsprop": {"lr": POSITIVE, "alpha": SHARE, "eps": POSITIVE, "weight_decay": ANY, "momentum": ANY, "centered": flag},
    "adagrad": {"lr": POSITIVE, "lr_decay": ANY, "weight_decay": ANY, "initial_accumulator_value": ANY, "eps": POSITIVE},
    "adadelta": {"lr": POSITIVE, "rho": SHARE, "eps": POSITIVE, "weight_decay": ANY},
    "lion": {"lr": POSITIVE, "betas": pair, "weight_decay": ANY},
    "lbfgs": {
        "lr": POSITIVE,
        "max_iter": whole(1, "a whole number of at least 1"),
        "tolerance_grad": ANY,
        "tolerance_change": ANY,
        "history_size": whole(1, "a whole number of at least 1"),
        "line_search_fn": one_of("strong_wolfe"),
    },
}
SCHEDULES: dict[str, dict[str, Check]] = {
    "constant": {"warmup": STEPS, "steps": LENGTH},
    "warmup": {"steps": LENGTH, "start": number(0, 1)},
    "cosine": {"warmup": STEPS, "to": ANY, "steps": LENGTH},
    "linear": {"to": ANY, "warmup": STEPS, "steps": LENGTH},
    "polynomial": {"power": POSITIVE, "to": ANY, "warmup": STEPS, "steps": LENGTH},
    "exponential": {"gamma": number(0, 1, open_low=True), "per": PER, "warmup": STEPS, "steps": LENGTH},
    "step": {"size": whole(1, "a whole number of at least 1"), "gamma": POSITIVE, "per": PER, "warmup": STEPS, "steps": LENGTH},
    "multistep": {"milestones": rising, "gamma": POSITIVE, "per": PER, "warmup": STEPS, "steps": LENGTH},
    "one_cycle": {
        "max_lr": POSITIVE,
        "pct_start": number(0, 1, open_low=True, open_high=True),
        "anneal_strategy": one_of("cos", "linear"),
        "cycle_momentum": flag,
        "base_momentum": SHARE,
        "max_momentum": SHARE,
        "div_factor": POSITIVE,
        "final_div_factor": POSITIVE,
        "steps": LENGTH,
    },
    "plateau": {
        "factor": number(0, 1, open_low=True, open_high=True),
        "patience": whole(0, "a number of epochs"),
        "threshold": ANY,
        "cooldown": whole(0, "a number of epochs"),
        "min_lr": ANY,
        "warmup": STEPS,
    },
}
REQUIRED = {"warmup": ("steps",), "exponential": ("gamma",), "step": ("size",), "multistep": ("milestones",)}


@dataclass(frozen=True)
class Named:
    """`adam(lr=1e-3)`: a name with checked constant arguments."""

    name: str
    arguments: dict[str, object]


def named(body: Body, node: ast.Expr, what: str, table: dict[str, dict[str, Check]]) -> Named:
    """The call of one of a table's functions; refusals with nearest names."""
    name = node.function if isinstance(node, ast.Call) else node
    if not isinstance(name, ast.Name):
        raise Refusal(BadClause(node.span, f"{what} is a name with arguments, such as {next(iter(table))}"))
    if name.id not in table:
        raise Refusal(BadClause(name.span, f"there is no {what} {name.id}; there are {', '.join(table)}", tuple(table), name.id))
    checks = table[name.id]
    found = arguments(body, node.args if isinstance(node, ast.Call) else (), f"the {what} {name.id}", checks, name.id)
    missing = [key for key in REQUIRED.get(name.id, ()) if key not in found]
    if what == "schedule" and missing:
        raise Refusal(BadClause(node.span, f"{name.id} needs {missing[0]}, as in {name.id}({_example(name.id, missing[0])})"))
    return Named(name.id, found)


def _example(name: str, key: str) -> str:
    return {"steps": "100", "gamma": "gamma=0.95", "size": "30", "milestones": "[30, 60]"}[key]


def arguments(body: Body, args: tuple[ast.Arg, ...], what: str, checks: dict[str, Check], short: str) -> dict[str, object]:
    """Checked constant arguments, by position or by name."""
    found: dict[str, object] = {}
    order = list(checks)
    for place, arg in enumerate(args):
        key = arg.name.text if arg.name is not None else order[place] if place < len(order) else ""
        span = arg.name.span if arg.name is not None else arg.value.span
        if key not in checks or key in found:
            raise Refusal(UnknownArgument(span, what, key or "of so many", tuple(order)))
        value = constant(body, arg.value)
        wrong = checks[key](value)
        if wrong is not None:
            raise Refusal(BadClause(arg.value.span, f"{key} of {short}: {wrong}"))
        found[key] = value
    return found

"""The clauses of `train`: which there are, what they take, and their arguments as constants of the plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...dsl import ast
from ..elaborate.body import Body
from ..errors.calls import UnknownArgument
from ..errors.names import NotCompiledYet
from ..errors.training import BadClause
from ..layers.base import Refusal
from ..plan import OptimizerPlan, SchedulePlan
from .columns import constant, place_of

REPEATED = ("loss", "metric")
ONCE = ("optimizer", "schedule", "epochs", "steps", "batch", "seed", "split_seed", "early_stop")
LATER = ("clip", "accumulate", "precision", "freeze", "init", "ema", "watch", "rounds")
ALL = (*REPEATED, *ONCE, *LATER)

Check = Callable[[object], str | None]


def _number(low: float, high: float, *, open_low: bool = False, open_high: bool = False) -> Check:
    def check(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "a number is wanted"
        if value < low or value > high or (open_low and value == low) or (open_high and value == high):
            if high == float("inf"):
                return f"it must be {'above' if open_low else 'at least'} {low:g}"
            return f"it must lie between {low:g} and {high:g}"
        return None

    return check


def _flag(value: object) -> str | None:
    return None if isinstance(value, bool) else "true or false is wanted"


def _pair(value: object) -> str | None:
    fits = (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v < 1 for v in value)
    )
    return None if fits else "two numbers from 0 up to 1 are wanted"


def _steps(value: object) -> str | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return None if fits else "a number of steps is wanted"


_POSITIVE = _number(0, float("inf"), open_low=True)
_ANY = _number(0, float("inf"))

OPTIMIZERS: dict[str, dict[str, Check]] = {
    "adam": {"lr": _POSITIVE, "betas": _pair, "eps": _POSITIVE, "weight_decay": _ANY, "amsgrad": _flag},
    "adamw": {"lr": _POSITIVE, "betas": _pair, "eps": _POSITIVE, "weight_decay": _ANY, "amsgrad": _flag},
    "sgd": {"lr": _POSITIVE, "momentum": _ANY, "dampening": _ANY, "weight_decay": _ANY, "nesterov": _flag},
    "rmsprop": {
        "lr": _POSITIVE,
        "alpha": _number(0, 1, open_high=True),
        "eps": _POSITIVE,
        "weight_decay": _ANY,
        "momentum": _ANY,
        "centered": _flag,
    },
}
SCHEDULES: dict[str, dict[str, Check]] = {"constant": {"warmup": _steps}, "cosine": {"warmup": _steps, "to": _ANY}}


@dataclass(frozen=True)
class Named:
    """`adam(lr=1e-3)`: a name with checked constant arguments."""

    name: str
    arguments: dict[str, object]


def optimizer(body: Body, clause: ast.Clause) -> OptimizerPlan:
    named = _named(body, clause, "optimizer", OPTIMIZERS)
    return OptimizerPlan(name=named.name, arguments=named.arguments, place=place_of(clause.span))  # type: ignore[arg-type]


def schedule(body: Body, clause: ast.Clause) -> SchedulePlan:
    named = _named(body, clause, "schedule", SCHEDULES)
    return SchedulePlan(name=named.name, arguments=named.arguments, place=place_of(clause.span))  # type: ignore[arg-type]


def whole(body: Body, clause: ast.Clause, *, least: int) -> int:
    """The number of a clause such as `epochs 20`."""
    value = constant(body, _only(clause).value)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise Refusal(BadClause(_only(clause).span, f"{clause.name.text} is a whole number of at least {least}"))
    return value


def untargeted(clause: ast.Clause) -> None:
    """Targets (`optimizer encoder: …`) are for programs with several parts."""
    if clause.targets:
        raise Refusal(NotCompiledYet(clause.targets[0].span, f"{clause.name.text} of a part"))


def _only(clause: ast.Clause) -> ast.Arg:
    if len(clause.args) != 1 or clause.args[0].name is not None:
        raise Refusal(BadClause(clause.span, f"{clause.name.text} takes one argument"))
    return clause.args[0]


def _named(body: Body, clause: ast.Clause, what: str, table: dict[str, dict[str, Check]]) -> Named:
    node = _only(clause).value
    name = node.function if isinstance(node, ast.Call) else node
    if not isinstance(name, ast.Name):
        raise Refusal(BadClause(node.span, f"{what} is a name with arguments, such as {next(iter(table))}"))
    if name.id not in table:
        raise Refusal(BadClause(name.span, f"there is no {what} {name.id}; there are {', '.join(table)}", tuple(table), name.id))
    checks = table[name.id]
    arguments: dict[str, object] = {}
    order = list(checks)
    for place, arg in enumerate(node.args if isinstance(node, ast.Call) else ()):
        key = arg.name.text if arg.name is not None else order[place] if place < len(order) else ""
        span = arg.name.span if arg.name is not None else arg.value.span
        if key not in checks or key in arguments:
            raise Refusal(UnknownArgument(span, f"the {what} {name.id}", key or "of so many", tuple(order)))
        value = constant(body, arg.value)
        wrong = checks[key](value)
        if wrong is not None:
            raise Refusal(BadClause(arg.value.span, f"{key} of {name.id}: {wrong}"))
        arguments[key] = value
    return Named(name.id, arguments)

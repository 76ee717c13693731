"""The clauses of `train` and `phase` that speak of no tensor: which there are, and each as values of the plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast, get_args

from ...dsl import ast
from ..elaborate.body import Body
from ..errors.games import NotAPlayer, RoundsOfWhat
from ..errors.training import BadClause
from ..graph import Game
from ..layers.base import Refusal
from ..plan import (
    AveragePlan,
    ClipPlan,
    EarlyStopPlan,
    FreezePlan,
    InitPlan,
    OptimizerPlan,
    Precision,
    RoundsPlan,
    SchedulePlan,
    StagePlan,
)
from .constants import constant, place_of
from .named import ANY, OPTIMIZERS, POSITIVE, SCHEDULES, SHARE, arguments, flag, named
from .named import whole as whole_check
from .targets import Targets, dotted

TERMS = ("loss", "metric", "watch")
REPEATED = (
    *TERMS,
    "optimizer",
    "schedule",
    "freeze",
    "init",
    "rounds",
    "clip",
    "ema",
)  # may be said several times: for several terms or targets
NUMBERS = {"epochs": 1, "steps": 1, "batch": 1, "accumulate": 1, "seed": 0, "split_seed": 0}  # the least each may be
ONCE = (*NUMBERS, "early_stop", "average", "precision")
TARGETED = (*TERMS, "optimizer", "schedule", "init", "rounds", "clip", "ema")  # take something before a colon
OF_PROGRAM = ("seed", "split_seed")  # not of a phase
ALL = (*REPEATED, *ONCE)

Reader = Callable[[Body, ast.Clause, "Targets | None"], object]


def optimizer(body: Body, clause: ast.Clause, targets: Targets | None) -> OptimizerPlan:
    found = named(body, only(clause).value, "optimizer", OPTIMIZERS)
    sgd = found.name == "sgd" and found.arguments.get("nesterov")
    if sgd and (not found.arguments.get("momentum") or found.arguments.get("dampening")):
        raise Refusal(BadClause(only(clause).value.span, "nesterov needs a momentum above 0, and no dampening"))
    plain = cast("dict[str, Any]", found.arguments)
    return OptimizerPlan(
        name=found.name, arguments=plain, targets=_targets(clause.targets, targets), place=place_of(clause.name.span)
    )


def schedule(body: Body, clause: ast.Clause, targets: Targets | None) -> SchedulePlan:
    node = only(clause).value
    steps = node.steps if isinstance(node, ast.Flow) else (node,)
    stages = []
    for i, step in enumerate(steps):
        found = named(body, step, "schedule", SCHEDULES)
        values = cast("dict[str, Any]", dict(found.arguments))
        length = values.pop("steps", None)
        last = i == len(steps) - 1
        if not last and length is None:
            raise Refusal(BadClause(step.span, f"{found.name} is followed by another stage, so it must say how long: steps=…"))
        if found.name == "plateau" and len(steps) > 1:
            raise Refusal(BadClause(step.span, "plateau stands alone: it follows the validation, not the steps"))
        if last and found.name == "warmup":
            stages.append(StagePlan(name="warmup", arguments=values, steps=length))
            stages.append(StagePlan(name="constant"))
        else:
            stages.append(StagePlan(name=found.name, arguments=values, steps=length))
    return SchedulePlan(stages=stages, targets=_targets(clause.targets, targets), place=place_of(clause.name.span))


def freeze(body: Body, clause: ast.Clause, targets: Targets | None) -> FreezePlan:
    nodes = [*clause.targets, *(arg.value for arg in clause.args)]
    if not nodes or any(arg.name is not None for arg in clause.args):
        raise Refusal(BadClause(clause.span, "freeze names parts of the model: freeze encoder, head.norm"))
    return FreezePlan(targets=_targets(tuple(nodes), targets), place=place_of(clause.name.span))


def init(body: Body, clause: ast.Clause, targets: Targets | None) -> InitPlan:
    node = only(clause).value
    wanted = 'init takes weights from a run or a file: init encoder: checkpoint("runs/pre-1")'
    if not isinstance(node, ast.Call) or not isinstance(node.function, ast.Name) or node.function.id != "checkpoint":
        raise Refusal(BadClause(node.span, wanted))
    values = arguments(body, node.args, "checkpoint", {"path": _text, "partial": flag}, "checkpoint")
    if "path" not in values:
        raise Refusal(BadClause(node.span, wanted))
    return InitPlan(
        path=str(values["path"]),
        partial=bool(values.get("partial", False)),
        targets=_targets(clause.targets, targets),
        place=place_of(node.span),
    )


def rounds(body: Body, clause: ast.Clause, targets: Targets | None) -> RoundsPlan:
    """`rounds D: 5`, of players."""
    count = whole(body, clause, least=1)
    if targets is None:
        return RoundsPlan(players=[], count=count)
    if not isinstance(targets.root, Game):
        raise Refusal(RoundsOfWhat(clause.name.span, f"{targets.root.name} is no game"))
    if not clause.targets:
        raise Refusal(RoundsOfWhat(clause.name.span, f"the players of {targets.root.name} are {', '.join(targets.root.players)}"))
    for node in clause.targets:
        if dotted(node) not in targets.root.players:
            raise Refusal(NotAPlayer(node.span, dotted(node) or "this", targets.root.players))
    return RoundsPlan(players=[dotted(node) or "" for node in clause.targets], count=count)


def clip(body: Body, clause: ast.Clause, targets: Targets | None) -> ClipPlan:
    values = _settings(body, clause, {"norm": POSITIVE, "value": POSITIVE})
    return ClipPlan(**cast("dict[str, Any]", values), targets=_targets(clause.targets, targets))


def ema(body: Body, clause: ast.Clause, targets: Targets | None) -> AveragePlan:
    values = _settings(body, clause, {"decay": SHARE})
    return AveragePlan(decay=float(cast("float", values["decay"])), targets=_targets(clause.targets, targets))


def average(body: Body, clause: ast.Clause, targets: Targets | None) -> AveragePlan:
    values = _settings(body, clause, {"start": whole_check(1, "the number of an epoch")})
    return AveragePlan(start=int(cast("int", values["start"])))


def early_stop(body: Body, clause: ast.Clause, targets: Targets | None) -> EarlyStopPlan:
    """`early_stop 5`, `early_stop patience=5, metric=accuracy`."""
    said = {arg.name.text if arg.name is not None else "": arg for arg in clause.args}
    metric = said.get("metric")
    others = tuple(arg for arg in clause.args if arg is not metric)
    values = arguments(
        body, others, "early_stop", {"patience": whole_check(1, "a number of epochs of at least 1"), "metric": ANY}, "early_stop"
    )
    if "patience" not in values:
        raise Refusal(BadClause(clause.span, "early_stop says after how many epochs without a better value: early_stop 5"))
    name = None
    if metric is not None:
        name = metric.value.value if isinstance(metric.value, ast.String) else dotted(metric.value)
        if name is None:
            raise Refusal(BadClause(metric.value.span, "metric of early_stop: the name of a metric or loss is wanted"))
    return EarlyStopPlan(patience=int(cast("int", values["patience"])), metric=name)


def precision(body: Body, clause: ast.Clause, targets: Targets | None) -> Precision:
    node = only(clause).value
    word = node.value if isinstance(node, ast.String) else dotted(node)
    words = get_args(Precision)
    if word not in words:
        raise Refusal(BadClause(node.span, f"precision is one of {', '.join(words)}", words, word or ""))
    return cast("Precision", word)


def whole(body: Body, clause: ast.Clause, *, least: int) -> int:
    """The number of a clause such as `epochs 20`."""
    value = constant(body, only(clause).value)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise Refusal(BadClause(only(clause).span, f"{clause.name.text} is a whole number of at least {least}"))
    return value


def read(body: Body, clause: ast.Clause, targets: Targets | None) -> object:
    """A clause that speaks of no tensor as a value of the plan; `targets` is none where the model is at fault."""
    name = clause.name.text
    if clause.targets and name not in TARGETED:
        raise Refusal(BadClause(clause.targets[0].span, f"{name} is of the whole model, and takes no target"))
    if name in NUMBERS:
        return whole(body, clause, least=NUMBERS[name])
    return READERS[name](body, clause, targets)


READERS: dict[str, Reader] = {
    "optimizer": optimizer,
    "schedule": schedule,
    "freeze": freeze,
    "init": init,
    "rounds": rounds,
    "clip": clip,
    "ema": ema,
    "average": average,
    "early_stop": early_stop,
    "precision": precision,
}


def only(clause: ast.Clause) -> ast.Arg:
    if len(clause.args) != 1 or clause.args[0].name is not None:
        raise Refusal(BadClause(clause.span, f"{clause.name.text} takes one argument"))
    return clause.args[0]


def _settings(body: Body, clause: ast.Clause, checks: dict[str, Callable[[object], str | None]]) -> dict[str, object]:
    """The arguments of a clause that is like a call: `clip norm=1`, `ema 0.999`."""
    values = arguments(body, clause.args, clause.name.text, checks, clause.name.text)
    if not values:
        raise Refusal(
            BadClause(clause.span, f"{clause.name.text} takes {' and '.join(checks)}: {clause.name.text} {next(iter(checks))}=…")
        )
    return values


def _targets(nodes: tuple[ast.Expr, ...], targets: Targets | None) -> list[str]:
    if targets is None:
        return []
    return list(dict.fromkeys(path for node in nodes for path in targets.resolve(node)))


def _text(value: object) -> str | None:
    return None if isinstance(value, str) and value else "the path of a run folder or a file is wanted, in quotes"

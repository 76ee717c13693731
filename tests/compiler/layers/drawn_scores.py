"""Draws for losses, metrics and column steps."""

from random import Random
from typing import Any

from archc.compiler.graph import DType

from .drawing import Draw, dim, draws, dtype, shape, some, tensor

BROADCAST = "PyTorch broadcasts the two sides of a loss, and warns"
REDUCTIONS = ("mean", "sum", "none")


def _reduction(r: Random, *more: str) -> str:
    return r.choice((*REDUCTIONS, *more))


def _pair(r: Random, kinds: float = 0.85) -> tuple[list[int], list[int], DType, DType]:
    first = shape(r, 1, 3, (2, 3, 4))
    second = list(first)
    if r.random() < 0.1:
        second[0] += 1
    elif r.random() < 0.1:
        second = [*second, 1]
    return first, second, dtype(r, kinds), dtype(r, kinds)


@draws(*"mse l1 mae smooth_l1 huber binary_cross_entropy kl_div poisson_nll soft_margin hinge_embedding r2".split())
def _pairwise(r: Random) -> Draw:
    first, second, left, right = _pair(r)
    return Draw((tensor(*first, dtype=left), tensor(*second, dtype=right)), stricter=BROADCAST if first != second else "")


def _with(*names: str, **choices: tuple[Any, ...]) -> Any:
    def drawer(r: Random) -> Draw:
        drawn = _pairwise(r)
        given = some(r, reduction=_reduction(r), **{name: r.choice(values) for name, values in choices.items()})
        return Draw(drawn.operands, given, stricter=drawn.stricter)

    return drawer


@draws("binary_cross_entropy_with_logits")
def _logits(r: Random) -> Draw:
    first, second, left, right = _pair(r, 0.95)
    weight = [r.choice((0.5, 2.0)) for _ in range(r.choice((1, first[-1], first[-1], first[-1] + 1)))]
    given = some(r, pos_weight=weight, reduction=_reduction(r))
    return Draw((tensor(*first, dtype=left), tensor(*second, dtype=right)), given, stricter=BROADCAST if first != second else "")


@draws("gaussian_nll", "margin_ranking", "triplet_margin")
def _three(r: Random) -> Draw:
    first = shape(r, 1, 3, (2, 3))
    last = [*first[:-1], 1] if r.random() < 0.1 else first
    kinds: list[DType] = ["float", "float", "float" if r.random() < 0.95 else "int"]
    return Draw((tensor(*first, dtype=kinds[0]), tensor(*first, dtype=kinds[1]), tensor(*last, dtype=kinds[2])), some(r, reduction=_reduction(r)), stricter=BROADCAST)


@draws("cosine_embedding")
def _cosine(r: Random) -> Draw:
    batch, width = r.choice((2, 3)), r.choice((2, 4))
    target = [batch if r.random() < 0.9 else batch + 1]
    first = [batch, width] if r.random() < 0.9 else [batch, width, 2]
    given = some(r, margin=0.2, reduction=_reduction(r))
    return Draw((tensor(*first), tensor(batch, width), tensor(*target, dtype=r.choice(("float", "int")))), given, stricter=BROADCAST)


def _scores(r: Random) -> tuple[list[int], int, list[int]]:
    """The shape of scores, the dim of the classes, and the shape of the labels."""
    scores = shape(r, 1, 4, (2, 3, 4))
    at = 0 if len(scores) == 1 else r.choice((1, 1, 1, len(scores) - 1))
    return scores, at, [*scores[:at], *scores[at + 1 :]]


def _label(r: Random, label: list[int]) -> list[int]:
    return label if r.random() < 0.9 else [*label, 2] if r.random() < 0.5 else [size + 1 for size in label]


@draws("cross_entropy", "nll")
def _classes(r: Random) -> Draw:
    scores, at, label = _scores(r)
    weight = [0.5 + k for k in range(scores[at] if r.random() < 0.9 else scores[at] + 1)]
    given = some(r, weight=weight, reduction=_reduction(r), ignore_index=r.choice((-100, 1)))
    usual = 1 if len(scores) > 1 else 0
    if at != usual or r.random() < 0.2:
        given["dim"] = at - len(scores) * r.randint(0, 1)
    shown = _label(r, label)
    if r.random() < 0.1:  # forgot to say the dim, or a dim that is not there
        given["dim"] = dim(r, len(scores), 0.5)
    return Draw((tensor(*scores, dtype=dtype(r, 0.97)), tensor(*shown, dtype=dtype(r, 0.03) if r.random() < 0.1 else "int")), given)


@draws("multi_margin")
def _multi_margin(r: Random) -> Draw:
    scores = [r.choice((2, 3)), r.choice((2, 4))]
    label = [scores[0]] if r.random() < 0.9 else [scores[0] + 1]
    given = some(r, p=r.choice((1, 2, 3)), margin=0.5, reduction=_reduction(r))
    return Draw((tensor(*scores), tensor(*label, dtype="int" if r.random() < 0.95 else "float")), given)


@draws("multilabel_soft_margin")
def _soft(r: Random) -> Draw:
    first, second, _, right = _pair(r)
    return Draw((tensor(*first), tensor(*second, dtype=right)), some(r, reduction=_reduction(r)), stricter=BROADCAST if first != second else "")


@draws("multilabel_margin")
def _hinge(r: Random) -> Draw:
    first = shape(r, 1, 3 if r.random() < 0.1 else 2, (2, 3))
    label = list(first) if r.random() < 0.9 else [*first[:-1], first[-1] + 1]
    return Draw((tensor(*first), tensor(*label, dtype="int" if r.random() < 0.95 else "float")), some(r, reduction=_reduction(r)))


@draws("ctc")
def _ctc(r: Random) -> Draw:
    steps, batch, classes, length = 8, r.choice((1, 2)), r.choice((3, 5)), 2
    values = {1: [[1, 2]] * batch, 2: [steps] * batch, 3: [length] * batch}
    other = batch + 1 if r.random() < 0.1 else batch
    if other != batch:
        values[3] = [length] * other
    given = some(r, blank=r.choice((0, 0, 0, 7)), reduction=_reduction(r), zero_infinity=r.choice((True, False)))
    parts = (tensor(steps, batch, classes), tensor(batch, length, dtype="int"), tensor(batch, dtype="int"), tensor(other, dtype="int"))
    return Draw(parts, given, values=values)


@draws("accuracy", "top_k_accuracy", "perplexity", "auroc", "precision", "recall", "f1")
def _metric(r: Random) -> Draw:
    raise NotImplementedError


@draws("standardize", "categories")
def _column(r: Random) -> Draw:
    raise NotImplementedError

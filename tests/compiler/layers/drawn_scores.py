"""Draws for losses and metrics."""

from random import Random
from typing import Any

from archc.compiler.graph import DType

from .drawing import Draw, Drawer, dim, draws, dtype, shape, some, tensor

BROADCAST = "PyTorch broadcasts the two sides of a loss, and warns"
REDUCTIONS = ("mean", "sum", "none")


def _reduction(r: Random) -> str:
    return r.choice(REDUCTIONS)


def _pair(r: Random, kinds: float = 0.9) -> tuple[list[int], list[int], DType, DType]:
    first = shape(r, 1, 3, (2, 3, 4))
    second = list(first)
    if r.random() < 0.1:
        second[0] += 1
    elif r.random() < 0.1:
        second = [*second, 1]
    return first, second, dtype(r, kinds), dtype(r, kinds)


ARGUMENTS: dict[str, dict[str, tuple[Any, ...]]] = {
    "mse": {},
    "l1": {},
    "mae": {},
    "smooth_l1": {"beta": (1.0, 0.5, 0, -1)},
    "huber": {"delta": (1.0, 0.5, 2, 0.1, 0, -1)},
    "binary_cross_entropy": {},
    "kl_div": {"log_target": (True, False), "reduction": (*REDUCTIONS, "batchmean")},
    "poisson_nll": {"log_input": (True, False), "full": (True, False)},
    "soft_margin": {},
    "hinge_embedding": {"margin": (0.5, 2)},
    "r2": {},
}


def _pairwise(name: str) -> Drawer:
    choices = ({} if name == "r2" else {"reduction": REDUCTIONS}) | ARGUMENTS[name]

    def drawer(r: Random) -> Draw:
        first, second, left, right = _pair(r)
        given = some(r, **{argument: r.choice(values) for argument, values in choices.items()})
        reason = BROADCAST if first != second else "one dtype for both" if name == "r2" else ""
        return Draw((tensor(*first, dtype=left), tensor(*second, dtype=right)), given, stricter=reason)

    return drawer


for _name in ARGUMENTS:
    draws(_name)(_pairwise(_name))


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
    return Draw(
        (tensor(*first, dtype=kinds[0]), tensor(*first, dtype=kinds[1]), tensor(*last, dtype=kinds[2])),
        some(r, reduction=_reduction(r)),
        stricter=BROADCAST,
    )


@draws("cosine_embedding")
def _cosine(r: Random) -> Draw:
    batch, width = r.choice((2, 3)), r.choice((2, 4))
    target = [batch if r.random() < 0.9 else batch + 1]
    first = [batch, width] if r.random() < 0.9 else [batch, width, 2]
    given = some(r, margin=0.2, reduction=_reduction(r))
    return Draw(
        (tensor(*first), tensor(batch, width), tensor(*target, dtype=r.choice(("float", "int")))), given, stricter=BROADCAST
    )


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
    odd = r.random() < 0.1  # another dim, or one that is not there
    if odd:
        given["dim"] = dim(r, len(scores), 0.5)
    kinds: tuple[DType, DType] = dtype(r, 0.97), dtype(r, 0.03) if r.random() < 0.1 else "int"
    return Draw(
        (tensor(*scores, dtype=kinds[0]), tensor(*shown, dtype=kinds[1])),
        given,
        stricter="PyTorch has no dim here" if odd else "",
    )


@draws("multi_margin")
def _multi_margin(r: Random) -> Draw:
    scores = [r.choice((2, 3)), r.choice((2, 4))]
    label = [scores[0]] if r.random() < 0.9 else [scores[0] + 1]
    given = some(r, p=r.choice((1, 2, 3)), margin=0.5, reduction=_reduction(r))
    return Draw((tensor(*scores), tensor(*label, dtype="int" if r.random() < 0.95 else "float")), given)


@draws("multilabel_soft_margin")
def _soft(r: Random) -> Draw:
    first, second, _, right = _pair(r)
    return Draw(
        (tensor(*first), tensor(*second, dtype=right)),
        some(r, reduction=_reduction(r)),
        stricter=BROADCAST if first != second else "",
    )


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
    parts = (
        tensor(steps, batch, classes),
        tensor(batch, length, dtype="int"),
        tensor(batch, dtype="int"),
        tensor(other, dtype="int"),
    )
    return Draw(parts, given, values=values)


METRIC = "a metric says which shapes it judges"


@draws("top_k_accuracy")
def _top_k(r: Random) -> Draw:
    drawn = _of_classes(r)
    return Draw(drawn.operands, drawn.arguments | {"k": r.choice((1, 1, 2, 5))}, stricter=METRIC)


@draws("accuracy", "perplexity", "bits", "confusion")
def _of_classes(r: Random) -> Draw:
    scores, at, label = _scores(r)
    given: dict[str, Any] = {"dim": at} if at != (1 if len(scores) > 1 else 0) else {}
    return Draw((tensor(*scores, dtype=dtype(r, 0.95)), tensor(*_label(r, label), dtype="int")), given, stricter=METRIC)


@draws("auroc", "average_precision", "precision", "recall", "f1")
def _of_two(r: Random) -> Draw:
    label = shape(r, 1, 2, (2, 3))
    scores = label if r.random() < 0.6 else [label[0], 1, *label[1:]] if r.random() < 0.7 else [*label, 3]
    return Draw(
        (tensor(*scores, dtype=dtype(r, 0.95)), tensor(*label, dtype=r.choice(("int", "bool", "float")))), stricter=METRIC
    )

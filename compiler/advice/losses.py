"""Losses that are given what they surely do not want: softmax twice, scores for probabilities, predictions behind a dropout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...dsl import ast
from ...dsl.diagnostic import Edit, Fault
from ...dsl.span import Span
from ...dsl.walk import descendants
from ..errors.advice import DropoutLast, NothingToLearn, OneAlone, ScoresRaw, ScoresSquashed
from ..graph import Graph, Input, Ref
from ..layers import registry
from ..layers.base import Layer
from .flow import Flow, Made, axis_of, maker
from .text import Texts, Written

SQUASHED = {
    "cross_entropy": frozenset({"softmax", "log_softmax", "sigmoid"}),
    "binary_cross_entropy_with_logits": frozenset({"softmax", "sigmoid", "relu"}),
    "multilabel_soft_margin": frozenset({"softmax", "sigmoid", "relu"}),
}
ALONG = frozenset({"softmax", "log_softmax"})
LOGARITHMS = "logarithms of probabilities"
WANTS = {"binary_cross_entropy": "probabilities in 0 to 1", "nll": LOGARITHMS, "kl_div": LOGARITHMS}
SCORES = frozenset({"dense", "conv"})
PREDICTING = frozenset(
    """
    cross_entropy nll binary_cross_entropy binary_cross_entropy_with_logits mse l1 mae smooth_l1 huber multi_margin
    multilabel_margin multilabel_soft_margin soft_margin poisson_nll gaussian_nll
    """.split()
)
DROPOUTS = frozenset({"dropout", "alpha_dropout", "channel_dropout"})
VIEWS = frozenset({"flatten", "reshape", "squeeze", "unsqueeze", "transpose", "permute"})
COUNTING = frozenset({"accuracy", "auroc", "f1"})


class Given(NamedTuple):
    """What a loss reads first: the layer's name, its place, how it is written, the dim it works along; and whether a view came after."""

    name: str
    span: Span
    written: Written | None
    axis: int | None
    alone: bool  # only the loss, or the output that it reads, takes it, so that it can be left out
    p: float = 1.0


class Loss(NamedTuple):
    name: str
    span: Span
    written: Written | None
    classes: int | None  # the dim of the classes, where it is known


# In a model -----------------------------------------------------------------------------------------------------------


def inside(flow: Flow, texts: Texts) -> Iterator[Fault]:
    """Losses that a model computes itself."""
    for node in flow.graph.nodes:
        if not isinstance(node.op, Layer) or node.op.family != "loss" or not node.refs or not isinstance(node.inputs[0], Ref):
            continue
        type_ = flow.graph.type_of(node.refs[0])
        dim = getattr(node.op, "dim", None)
        classes = (1 if type_.rank > 1 else 0) if dim is None else axis_of(dim, type_)
        loss = Loss(node.op.name, node.span, texts.of(node), classes)
        yield from _one_class(loss, None if classes is None else type_.shape[classes].text.constant, str(type_))
        given = _given(flow, node.refs[0], texts)
        if given is not None:
            yield from _judged(loss, given)


def _given(flow: Flow, ref: Ref, texts: Texts) -> Given | None:
    made = _made(flow.graph, ref)
    if made is None:
        return None
    dim = getattr(made.layer, "dim", None)
    at = None if dim is None else axis_of(dim, made.node.type)
    alone = made.graph is flow.graph and flow.readers[_number(flow.graph, made)] == 1
    p = getattr(getattr(made.layer, "p", None), "value", 1.0)
    return Given(made.layer.name, made.node.span, texts.of(made.node), at, alone, float(p))


def _made(graph: Graph, ref: Ref) -> Made | None:
    """The layer whose numbers a loss reads; for one that works on each number alone, also behind a change of shape."""
    direct = maker(graph, ref)
    if isinstance(direct, Made) and direct.layer.name in VIEWS:
        behind = maker(graph, ref, lambda layer: layer.name in VIEWS)
        return behind if isinstance(behind, Made) and behind.layer.name not in ALONG else None
    return direct if isinstance(direct, Made) else None


def _number(graph: Graph, made: Made) -> int:
    return next(i for i, node in enumerate(graph.nodes) if node is made.node)


# In a train program ---------------------------------------------------------------------------------------------------


def of_program(node: ast.Train, root: Graph, texts: Texts) -> Iterator[Fault]:
    """The losses of a train program, read from its text: the columns need not be known for it."""
    text = texts.text(node.span.source)
    clauses = [clause for clause in node.clauses if isinstance(clause, ast.Clause) and clause.name.text == "loss"]
    for expression in (arg.value for clause in clauses for arg in clause.args):
        for place in descendants(expression):
            if isinstance(place, ast.Flow):
                for at in range(1, len(place.steps)):
                    yield from _program_loss(text.layer(place.steps[at]), _incoming(place, at), root, texts)
            elif isinstance(place, ast.Call) and isinstance(place.function, ast.Name):
                first = next((arg.value for arg in place.args if arg.name is None), None)
                if first is not None and not isinstance(text.parents.get(id(place)), ast.Flow):
                    yield from _program_loss(text.layer(place), first, root, texts)


def _incoming(flow: ast.Flow, at: int) -> ast.Expr:
    """What flows into step `at`, first of several."""
    before = flow.steps[at - 1]
    return before.items[0] if isinstance(before, ast.Tuple) and before.items else before


def _program_loss(written: Written | None, first: ast.Expr, root: Graph, texts: Texts) -> Iterator[Fault]:
    layer = registry().get(written.callee.id) if written is not None else None
    if written is None or layer is None:
        return
    if layer.name in COUNTING:
        advice = "for a loss, take cross_entropy" if layer.name == "accuracy" else "for a loss, take one of `archc layers`"
        yield NothingToLearn(written.node.span, layer.name, advice, _instead(written))
        return
    if layer.family != "loss":
        return
    squash = written.text.layer(first)
    if isinstance(first, ast.Name) and (squash is None or squash.flow is None or squash.flow[1] == 0):
        yield from _of_output(written, first.id, root, texts)
        return
    if squash is not None and (made := registry().get(squash.callee.id)) is not None:
        plain = squash.call is None or len(squash.call.args) == 1  # no dim of its own
        dim = 1 if plain and written.argument("dim") is None and _rank(squash, root) == 2 else None
        given = Given(made.name, squash.node.span, squash, dim, True)
        yield from _judged(Loss(layer.name, written.node.span, written, 1), given)


def _instead(written: Written) -> tuple[Edit, ...]:
    """cross_entropy for accuracy, where the two take the same."""
    count = len(written.call.args) if written.call is not None else 0
    if written.callee.id != "accuracy" or count != 2 or written.flow is not None:
        return ()
    return written.renamed("cross_entropy")


def _rank(squash: Written, root: Graph) -> int | None:
    """The rank of the output that a softmax in a loss is applied to."""
    if squash.flow is not None:
        flow, at = squash.flow
        tensor: ast.Expr | None = _incoming(flow, at) if at else None
    else:
        tensor = squash.call.args[0].value if squash.call is not None else None
    found = [o for o in root.outputs if isinstance(tensor, ast.Name) and o.name == tensor.id]
    return root.type_of(found[0].ref).rank if found else None


def _of_output(written: Written, name: str, root: Graph, texts: Texts) -> Iterator[Fault]:
    """A loss of an output of the model."""
    output = next((output for output in root.outputs if output.name == name), None)
    if output is None or isinstance(root.nodes[output.ref.node].op, Input):
        return
    type_ = root.type_of(output.ref)
    dim = written.argument("dim")
    classes = (1 if type_.rank > 1 else 0) if dim is None else _literal(dim.value, type_.rank)
    loss = Loss(written.callee.id, written.node.span, written, classes)
    yield from _one_class(loss, None if classes is None or not type_.rank else type_.shape[classes].number, str(type_))
    given = _given(Flow(root), output.ref, texts)
    if given is not None:
        yield from _judged(loss, given)


def _literal(value: ast.Expr, rank: int) -> int | None:
    sign, number = (-1, value.operand) if isinstance(value, ast.Unary) and value.op == "-" else (1, value)
    return sign * int(number.text) % rank if isinstance(number, ast.Number) and number.text.isdigit() and rank else None


# Judgement ------------------------------------------------------------------------------------------------------------


def _one_class(loss: Loss, size: int | None, got: str) -> Iterator[Fault]:
    if loss.name == "cross_entropy" and size == 1:
        instead = "binary_cross_entropy_with_logits"
        yield OneAlone(loss.span, loss.name, f"dim {loss.classes}", got, "0", instead)


def _judged(loss: Loss, given: Given) -> Iterator[Fault]:
    out = given.written.removed() if given.written is not None and given.alone else ()
    if given.name in SQUASHED.get(loss.name, ()):
        if given.name not in ALONG or loss.name != "cross_entropy" or (given.axis is not None and given.axis == loss.classes):
            yield ScoresSquashed(loss.span, loss.name, given.name, given.span, out)
    elif loss.name in WANTS and (given.name in SCORES or (given.name == "softmax" and loss.name != "binary_cross_entropy")):
        advice, mend = _mend(loss, given)
        yield ScoresRaw(loss.span, loss.name, WANTS[loss.name], given.name, given.span, advice, mend)
    elif given.name in DROPOUTS and loss.name in PREDICTING and given.p > 0:
        yield DropoutLast(loss.span, loss.name, given.name, given.span, out)


def _mend(loss: Loss, given: Given) -> tuple[str, tuple[Edit, ...]]:
    written = loss.written
    if loss.name == "binary_cross_entropy":
        other = "binary_cross_entropy_with_logits"
        return f"for scores, take {other}", written.renamed(other) if written is not None else ()
    if given.name == "softmax":
        edit = given.written.renamed("log_softmax") if given.written is not None and given.alone else ()
        return "say log_softmax for softmax", edit
    if loss.name == "nll":
        return "for scores, take cross_entropy", written.renamed("cross_entropy") if written is not None else ()
    return "put log_softmax before it", ()

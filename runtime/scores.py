"""Which output of a network is the scores of classes, and what the classes are called: read off the losses of its train program."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from .data.table import Array
from .executable import Executable
from .run_folder import SavedRun

BY_CLASS = r"F\.(?:cross_entropy|nll_loss|multi_margin_loss)\("
YES_OR_NO = r"F\.(?:binary_cross_entropy_with_logits|soft_margin_loss)\("


@dataclass(frozen=True)
class Scored:
    """`output` has a score for each class in dim 1; `column` is the label that it is compared with, `classes` its words if it has any.

    `binary`: it is one logit instead, above zero where the label is true."""

    output: str
    column: str
    classes: list[Any] | None = None
    binary: bool = False

    def best(self, scores: Array) -> Array:
        """The class of the highest score, under its own name where it has one."""
        if self.binary:
            return np.asarray(scores > 0)
        found: Array = scores.argmax(axis=1)
        if self.classes is None or len(self.classes) != scores.shape[1]:
            return found
        named: Array = np.asarray(self.classes)[found]
        return named


def scored_by(exe: Executable, losses: list[Any]) -> Scored | None:
    """The first loss that compares scores with classes, or one logit with a truth value."""
    outputs = exe.plan.model.outputs
    single = [name for name, shape in zip(outputs, exe.plan.model.output_shapes, strict=False) if list(shape[1:]) in ([], [1])]
    for term in losses:
        body = re.search(rf"^def {re.escape(term.function)}\(.*?(?=^def |\Z)", exe.program or "", re.MULTILINE | re.DOTALL)
        if not body or len(term.arguments) < 2:
            continue
        said = [a for a in term.arguments if a in outputs], [a for a in term.arguments if a not in outputs]
        if re.search(BY_CLASS, body[0]) and term.arguments[0] in outputs:
            return Scored(term.arguments[0], term.arguments[1])
        if re.search(YES_OR_NO, body[0]) and len(said[0]) == len(said[1]) == 1 and said[0][0] in single:
            return Scored(said[0][0], said[1][0], binary=True)
    return None


def scored(saved: SavedRun) -> Scored | None:
    """That of a run, with the words of its classes where its label is made from one column of them."""
    found = scored_by(saved.exe, list(saved.plan.last.losses))
    categories = saved.record["data"]["fitted"]["categories"]
    if found is None or found.binary or not categories:
        return found
    from .dependence import read_by

    known = [name for name in read_by(saved, [found.column]) if name in categories]
    return Scored(found.output, found.column, categories[known[0]]) if len(known) == 1 else found

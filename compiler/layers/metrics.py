"""Metrics of classes: how many are right, and in which way the others are wrong."""

import math
from collections.abc import Iterator
from typing import ClassVar

from ..emit.code import Code, Show, binary, call, method
from ..errors.layers import OutOfRange
from ..errors.shapes import DimsDisagree
from ..graph import TensorType
from ..shapes import Dim, Size
from ..values import Real
from ._rules import axis, axis_text, is_one, known, same_shape, want_at_least, want_dtype, want_float
from ._scores import Better, Metric, Reduce
from .base import Axis, Checker, Number, Positive, Refusal
from .classification import CrossEntropy

SCALAR = TensorType("float", ())


class Classified(Metric):
    """Base: scores against labels.

    Scores with classes in dim 1 (or in `dim`) say the class of the largest score; scores of the labels' own shape, or with one dim of
    size 1 more, say class 1 where they are above `threshold` (0 suits logits, 0.5 probabilities).
    """

    tensors: ClassVar[int | None] = 2

    def infer(self, see: Checker, scores: TensorType, label: TensorType) -> TensorType:
        want_float(see, self.name, scores)
        self.classes(see, scores, label)
        return SCALAR

    def classes(self, see: Checker, scores: TensorType, label: TensorType, dim: Axis | None = None) -> int | None:
        """The dim of the classes; none for scores that decide between two."""
        alike = scores.rank == label.rank and dim is None
        if alike and all(see.same(a, b) for a, b in zip(scores.shape, label.shape, strict=True)):
            return None
        if scores.rank == label.rank + 1:
            at = 1 if dim is None and scores.rank > 1 else 0 if dim is None else axis(see, self.name, dim, scores)
            others = (*scores.shape[:at], *scores.shape[at + 1 :])
            if all(see.same(a, b) for a, b in zip(others, label.shape, strict=True)):
                if is_one(see, scores.shape[at]):
                    return None
                want_dtype(see, self.name, 1, label, "int")
                return at
        rule = f"{self.name} wants a score for each class and a label for each place, or a score for each label"
        last = scores.rank == label.rank + 1 and scores.rank > 2 and dim is None
        advice = "where the classes are in the last dim, say dim=-1" if last else ""
        left, right = f"the scores are {scores}", f"the labels are {label}"
        raise Refusal(DimsDisagree(see.place(1), rule, left, right, scores.origin, label.origin, advice=advice))


def decides_two(scores: TensorType, label: TensorType, at: int) -> bool:
    """The scores decide between two classes: one for each label."""
    return scores.rank == label.rank or scores.shape[at].number == 1


def positive(
    scores: Code, label: Code, scores_type: TensorType, label_type: TensorType, threshold: str, at: str = "1"
) -> tuple[Code, Code]:
    """Scores and labels of two classes as truths of one shape."""
    if scores_type.rank > label_type.rank:
        scores = method(scores, "squeeze", at)
    truth = label if label_type.dtype == "bool" else method(label, "bool")
    return binary(">", scores, Code(threshold)), truth


class Accuracy(Classified):
    """The share of right answers.

    Scores with classes in dim 1 (or in `dim`) say the class of the largest score; scores of the labels' own shape, or with one dim of
    size 1 more, say class 1 where they are above `threshold` (0 suits logits, 0.5 probabilities).
    """

    name: ClassVar[str] = "accuracy"
    formula: ClassVar[str] = "mean(argmax(logits) == label)"
    example: ClassVar[str] = "logits: [B, 10], label: int[B] -> accuracy"
    synonyms: ClassVar[tuple[str, ...]] = (
        "Accuracy",
        "CategoricalAccuracy",
        "SparseCategoricalAccuracy",
        "BinaryAccuracy",
        "accuracy_score",
    )

    threshold: Number = Real(0.0, Dim.of(0))
    dim: Axis | None = None

    def infer(self, see: Checker, scores: TensorType, label: TensorType) -> TensorType:
        want_float(see, self.name, scores)
        self.classes(see, scores, label, self.dim)
        return SCALAR

    def forward(self, show: Show, scores: Code, label: Code) -> Code:
        scores_type, label_type = show.types
        text = ("1" if scores_type.rank > 1 else "0") if self.dim is None else axis_text(self.dim, scores_type)
        if decides_two(scores_type, label_type, int(text)):
            said, truth = positive(scores, label, scores_type, label_type, show(self.threshold), text)
        else:
            said, truth = method(scores, "argmax", dim=text), label
        return method(method(binary("==", said, truth), "float"), "mean")


class TopK(Classified):
    """The share of labels among the `k` classes of the largest scores."""

    name: ClassVar[str] = "top_k_accuracy"
    formula: ClassVar[str] = "mean(label in the k largest)"
    example: ClassVar[str] = "logits: [B, 1000], label: int[B] -> top_k_accuracy(5)"
    synonyms: ClassVar[tuple[str, ...]] = ("top_k", "TopKCategoricalAccuracy", "SparseTopKCategoricalAccuracy", "topk_accuracy")

    k: Positive
    dim: Axis | None = None

    def infer(self, see: Checker, scores: TensorType, label: TensorType) -> TensorType:
        want_float(see, self.name, scores)
        want_dtype(see, self.name, 1, label, "int")
        at = self.classes(see, scores, label, self.dim)
        if at is None:
            want_at_least(see, self.name, 0, scores, label.rank + 1)
            at = scores.rank - 1
        if see.holds("<=", self.k, scores.shape[at]) is False:
            raise Refusal(
                OutOfRange(see.place("k"), self.name, str(self.k), str(scores.shape[at]), str(scores), see.origin(0, at))
            )
        return SCALAR

    def forward(self, show: Show, scores: Code, label: Code) -> Code:
        text = ("1" if show.types[0].rank > 1 else "0") if self.dim is None else axis_text(self.dim, show.types[0])
        found = Code(f"{method(scores, 'topk', show(self.k), dim=text)}.indices")
        hit = method(binary("==", found, method(label, "unsqueeze", text)), "any", dim=text)
        return method(method(hit, "float"), "mean")


class OfLabels(Classified):
    """Base: from the cross-entropy of scores with int labels. Less is better."""

    better: ClassVar[Better] = "lower"

    dim: Axis | None = None

    def infer(self, see: Checker, scores: TensorType, label: TensorType) -> TensorType:
        want_float(see, self.name, scores)
        want_dtype(see, self.name, 1, label, "int")
        if self.classes(see, scores, label, self.dim) is None:
            want_at_least(see, self.name, 0, scores, label.rank + 1)
        return SCALAR

    def cross_entropy(self, show: Show, scores: Code, label: Code) -> Code:
        if self.dim is not None and show.types[0].rank > 2:
            scores = method(scores, "movedim", axis_text(self.dim, show.types[0]), "1")
        return call("F.cross_entropy", scores, label)


class Perplexity(OfLabels):
    """How many equally likely classes would be as hard: the exponential of the cross-entropy. Less is better.

    Over several batches it is the exponential of the mean, so no batch is kept.
    """

    name: ClassVar[str] = "perplexity"
    formula: ClassVar[str] = "exp(mean(logsumexp(x) - x[label]))"
    example: ClassVar[str] = "logits: [B, T, 100], label: int[B, T] -> perplexity(dim=-1)"
    synonyms: ClassVar[tuple[str, ...]] = ("Perplexity",)
    reduce: ClassVar[Reduce] = "collect"  # where it is part of a larger expression

    def averaged(self) -> CrossEntropy:
        """What is averaged over batches, before the exponential."""
        return CrossEntropy(dim=self.dim)

    def forward(self, show: Show, scores: Code, label: Code) -> Code:
        return call("torch.exp", self.cross_entropy(show, scores, label))


class Bits(OfLabels):
    """The cross-entropy in bits: how long the best code for the labels is, one label on average. Less is better."""

    name: ClassVar[str] = "bits"
    formula: ClassVar[str] = "mean(logsumexp(x) - x[label]) / log(2)"
    example: ClassVar[str] = "logits: [B, T, 100], label: int[B, T] -> bits(dim=-1)"
    synonyms: ClassVar[tuple[str, ...]] = ("bits_per_character", "bits_per_byte", "bpc")

    def forward(self, show: Show, scores: Code, label: Code) -> Code:
        return binary("/", self.cross_entropy(show, scores, label), Code(repr(math.log(2))))


class Confusion(Classified):
    """How often each class (row) was said to be each class (column), over all rows at once: a table, that nothing is chosen by.

    Of two classes with one score for each label, class 1 is said where the score is above `threshold`.
    """

    name: ClassVar[str] = "confusion"
    formula: ClassVar[str] = "count(label == i and argmax(logits) == j)"
    example: ClassVar[str] = "logits: [B, 10], label: int[B] -> confusion"
    synonyms: ClassVar[tuple[str, ...]] = ("ConfusionMatrix", "confusion_matrix")
    reduce: ClassVar[Reduce] = "collect"
    matrix: ClassVar[bool] = True
    helper: ClassVar[str] = '''\
def confusion(said: Tensor, label: Tensor, classes: int) -> Tensor:
    """How often each class (row) was said to be each class (column)."""
    pairs = label.flatten().long() * classes + said.flatten().long()
    return torch.zeros(classes * classes).index_add(0, pairs.cpu(), torch.ones(len(pairs))).view(classes, classes)
'''

    threshold: Number = Real(0.0, Dim.of(0))
    dim: Axis | None = None

    def infer(self, see: Checker, scores: TensorType, label: TensorType) -> TensorType:
        want_float(see, self.name, scores)
        at = self.classes(see, scores, label, self.dim)
        size = Size.of(2) if at is None else known(see, self.name, scores, at)
        return TensorType("float", (size, size))

    def forward(self, show: Show, scores: Code, label: Code) -> Code:
        scores_type, label_type = show.types
        text = ("1" if scores_type.rank > 1 else "0") if self.dim is None else axis_text(self.dim, scores_type)
        if decides_two(scores_type, label_type, int(text)):
            said, truth = positive(scores, label, scores_type, label_type, show(self.threshold), text)
            return call("confusion", said, truth, "2")
        return call("confusion", method(scores, "argmax", dim=text), label, str(scores_type.shape[int(text)].number))


class Counted(Classified):
    """Base: from counts of right and wrong; 0 where there is nothing to count.

    Of two classes with one score for each label, or of several with `average`: `macro` is the mean over the classes that occur,
    `weighted` counts each as often as it occurs, `micro` counts all together (scikit-learn's meanings).
    """

    reduce: ClassVar[Reduce] = "collect"
    averages: ClassVar[tuple[str, ...]] = ("binary", "macro", "weighted", "micro")
    quotient: ClassVar[tuple[str, str]]  # of the counts hits, said and truth

    threshold: Number = Real(0.0, Dim.of(0))
    average: str = "binary"
    dim: Axis | None = None

    def broken(self) -> Iterator[tuple[str, str]]:
        if self.average not in self.averages:
            yield "average", f"it is one of {', '.join(self.averages)}"

    def infer(self, see: Checker, scores: TensorType, label: TensorType) -> TensorType:
        want_float(see, self.name, scores)
        at = self.classes(see, scores, label, self.dim)
        left, right = f"the scores are {scores}", f"the labels are {label}"
        if at is not None and self.average == "binary":
            rule = f"{self.name} is of two classes: it wants one score for each label"
            advice = 'of several classes say average="macro"'
            raise Refusal(DimsDisagree(see.place(0), rule, left, right, scores.origin, label.origin, advice=advice))
        if at is None and self.average != "binary":
            rule = f'{self.name} with average="{self.average}" is of several classes: it wants a score for each class'
            raise Refusal(DimsDisagree(see.place(0), rule, left, right, scores.origin, label.origin))
        if at is not None:
            known(see, self.name, scores, at)
        return SCALAR

    def called(self) -> str:
        return self.helper if self.average == "binary" else self.of_classes()

    def of_classes(self) -> str:
        """The helper for several classes: what was said and what is, one-hot."""
        above, below = self.quotient
        value = {
            "macro": "(each * occurs).sum() / occurs.sum().clamp(min=1)",
            "weighted": "(each * truth).sum() / truth.sum().clamp(min=1)",
            "micro": f"({above.replace('hits', 'hits.sum()')}) / ({_summed(below)}).clamp(min=1)",
        }[self.average]
        lines = [
            f"def {self.average}_{self.name}(said: Tensor, truth: Tensor) -> Tensor:",
            f'    """The {self.name} of several classes, {_MEANINGS[self.average]}."""',
            "    hits, said, truth = (said & truth).sum(0), said.sum(0), truth.sum(0)",
        ]
        if self.average != "micro":
            lines.append(f"    each = {above} / {f'({below})' if ' ' in below else below}.clamp(min=1)")
        if self.average == "macro":
            lines.append("    occurs = said + truth > 0")
        return "\n".join([*lines, f"    return {value}", ""])

    def forward(self, show: Show, scores: Code, label: Code) -> Code:
        if self.average == "binary":
            said, truth = positive(scores, label, show.types[0], show.types[1], show(self.threshold))
            return call(self.name, said, truth)
        kind: TensorType = show.types[0]
        text = "1" if self.dim is None else axis_text(self.dim, kind)
        classes = str(kind.shape[int(text)].number)
        label = method(label, "flatten") if show.types[1].rank > 1 else label
        said = method(scores, "argmax", dim=text)
        said = method(said, "flatten") if show.types[1].rank > 1 else said
        hot = [method(call("F.one_hot", numbers, classes), "bool") for numbers in (said, label)]
        return call(f"{self.average}_{self.name}", *hot)


_MEANINGS = {
    "macro": "the mean over those that occur",
    "weighted": "each counted as often as it occurs",
    "micro": "all counted together",
}


def _summed(counts: str) -> str:
    return counts.replace("said", "said.sum()").replace("truth", "truth.sum()")


class Precision(Counted):
    """Of those that were said to be positive, how many are; of several classes with `average="macro"`, `"weighted"` or `"micro"`."""

    name: ClassVar[str] = "precision"
    formula: ClassVar[str] = "true positives / said positives"
    example: ClassVar[str] = "score: [B], label: int[B] -> precision"
    synonyms: ClassVar[tuple[str, ...]] = ("Precision", "precision_score")
    quotient: ClassVar[tuple[str, str]] = ("hits", "said")
    helper: ClassVar[str] = '''\
def precision(said: Tensor, truth: Tensor) -> Tensor:
    """Of those that were said to be positive, how many are."""
    return (said & truth).sum() / said.sum().clamp(min=1)
'''


class Recall(Counted):
    """Of the positives, how many were found; of several classes with `average="macro"`, `"weighted"` or `"micro"`."""

    name: ClassVar[str] = "recall"
    formula: ClassVar[str] = "true positives / positives"
    example: ClassVar[str] = "score: [B], label: int[B] -> recall"
    synonyms: ClassVar[tuple[str, ...]] = ("Recall", "recall_score", "sensitivity")
    quotient: ClassVar[tuple[str, str]] = ("hits", "truth")
    helper: ClassVar[str] = '''\
def recall(said: Tensor, truth: Tensor) -> Tensor:
    """Of the positives, how many were found."""
    return (said & truth).sum() / truth.sum().clamp(min=1)
'''


class F1(Counted):
    """The harmonic mean of precision and recall; of several classes with `average="macro"`, `"weighted"` or `"micro"`."""

    name: ClassVar[str] = "f1"
    formula: ClassVar[str] = "2 * precision * recall / (precision + recall)"
    example: ClassVar[str] = "score: [B], label: int[B] -> f1"
    synonyms: ClassVar[tuple[str, ...]] = ("F1Score", "FBetaScore", "f1_score")
    quotient: ClassVar[tuple[str, str]] = ("2 * hits", "said + truth")
    helper: ClassVar[str] = '''\
def f1(said: Tensor, truth: Tensor) -> Tensor:
    """The harmonic mean of precision and recall."""
    return 2 * (said & truth).sum() / (said.sum() + truth.sum()).clamp(min=1)
'''


class Ranked(Classified):
    """Base: of two classes, from the order of the scores; exact, over all rows at once."""

    reduce: ClassVar[Reduce] = "collect"

    def infer(self, see: Checker, scores: TensorType, label: TensorType) -> TensorType:
        want_dtype(see, self.name, 0, scores, "float", "int")
        if self.classes(see, scores, label) is not None:
            rule = f"{self.name} is of two classes: it wants one score for each label"
            left, right = f"the scores are {scores}", f"the labels are {label}"
            raise Refusal(DimsDisagree(see.place(0), rule, left, right, scores.origin, label.origin))
        return SCALAR

    def forward(self, show: Show, scores: Code, label: Code) -> Code:
        return call(self.name, scores, label)


class Auroc(Ranked):
    """The chance that a positive example scores higher than a negative one; ties count half. Exact, over all rows at once."""

    name: ClassVar[str] = "auroc"
    formula: ClassVar[str] = "P(score of a positive > score of a negative)"
    example: ClassVar[str] = "score: [B], label: int[B] -> auroc"
    synonyms: ClassVar[tuple[str, ...]] = ("AUROC", "AUC", "roc_auc_score", "auc")
    helper: ClassVar[str] = '''\
def auroc(score: Tensor, label: Tensor) -> Tensor:
    """The chance that a positive example scores higher than a negative one; ties count half."""
    _, place, count = score.flatten().double().unique(return_inverse=True, return_counts=True)
    rank = (count.cumsum(0) - (count - 1) / 2)[place]  # from 1; equal scores share the mean of their ranks
    positive = label.flatten().bool()
    p = positive.sum()
    return ((rank[positive].sum() - p * (p + 1) / 2) / (p * (~positive).sum())).float()
'''


class AveragePrecision(Ranked):
    """The area under precision against recall, in steps (scikit-learn's average_precision_score)."""

    name: ClassVar[str] = "average_precision"
    formula: ClassVar[str] = "sum((recall[n] - recall[n-1]) * precision[n])"
    example: ClassVar[str] = "score: [B], label: int[B] -> average_precision"
    synonyms: ClassVar[tuple[str, ...]] = ("AveragePrecision", "average_precision_score", "AUPRC")
    helper: ClassVar[str] = '''\
def average_precision(score: Tensor, label: Tensor) -> Tensor:
    """The mean of the precisions at each found positive; equal scores are found together."""
    _, place = (-score.flatten().double()).unique(return_inverse=True)
    zeros = torch.zeros(int(place.max()) + 1, dtype=torch.float64, device=score.device)
    found = zeros.index_add(0, place, label.flatten().double())
    said = zeros.index_add(0, place, torch.ones_like(place, dtype=torch.float64))
    return (found * found.cumsum(0) / said.cumsum(0)).sum().div(found.sum().clamp(min=1)).float()
'''


class R2(Metric):
    """The share of the variance that is explained: 1 is perfect, 0 is the mean; over all rows at once."""

    name: ClassVar[str] = "r2"
    formula: ClassVar[str] = "1 - sum((t - y) ** 2) / sum((t - mean(t)) ** 2)"
    example: ClassVar[str] = "y: [B, 1], t: [B, 1] -> r2"
    synonyms: ClassVar[tuple[str, ...]] = ("R2Score", "r2_score")
    reduce: ClassVar[Reduce] = "collect"
    tensors: ClassVar[int | None] = 2
    helper: ClassVar[str] = '''\
def r2(y: Tensor, t: Tensor) -> Tensor:
    """The share of the variance of t that y explains."""
    return 1 - ((t - y) ** 2).sum() / ((t - t.mean(dim=0)) ** 2).sum()
'''

    def infer(self, see: Checker, y: TensorType, t: TensorType) -> TensorType:
        want_float(see, self.name, y, t)
        want_at_least(see, self.name, 0, y, 1)
        advice = "squeeze(dim=1) takes a dim of size 1 away" if abs(y.rank - t.rank) == 1 else ""
        same_shape(see, "r2 compares tensors of one shape", y, t, advice=advice)
        return SCALAR

    def forward(self, show: Show, y: Code, t: Code) -> Code:
        return call("r2", y, t)

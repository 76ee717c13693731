"""Metrics of classes: how many are right, and in which way the others are wrong."""

from typing import ClassVar

from ..emit.code import Code, Show, binary, call, method
from ..errors.layers import OutOfRange
from ..errors.shapes import DimsDisagree
from ..graph import TensorType
from ..shapes import Dim
from ..values import Real
from ._rules import axis, axis_text, is_one, same_shape, want_at_least, want_dtype, want_float
from ._scores import Better, Metric, Reduce
from .base import Axis, Checker, Number, Positive, Refusal

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
    synonyms: ClassVar[tuple[str, ...]] = ("TopKCategoricalAccuracy", "SparseTopKCategoricalAccuracy", "topk_accuracy")

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


class Perplexity(Classified):
    """How many equally likely classes would be as hard: the exponential of the cross-entropy. Less is better."""

    name: ClassVar[str] = "perplexity"
    formula: ClassVar[str] = "exp(mean(logsumexp(x) - x[label]))"
    example: ClassVar[str] = "logits: [B, T, 100], label: int[B, T] -> perplexity(dim=-1)"
    synonyms: ClassVar[tuple[str, ...]] = ("Perplexity",)
    reduce: ClassVar[Reduce] = "collect"
    better: ClassVar[Better] = "lower"

    dim: Axis | None = None

    def infer(self, see: Checker, scores: TensorType, label: TensorType) -> TensorType:
        want_float(see, self.name, scores)
        want_dtype(see, self.name, 1, label, "int")
        if self.classes(see, scores, label, self.dim) is None:
            want_at_least(see, self.name, 0, scores, label.rank + 1)
        return SCALAR

    def forward(self, show: Show, scores: Code, label: Code) -> Code:
        if self.dim is not None and show.types[0].rank > 2:
            scores = method(scores, "movedim", axis_text(self.dim, show.types[0]), "1")
        return call("torch.exp", call("F.cross_entropy", scores, label))


class Counted(Classified):
    """Base: of two classes, from counts of right and wrong; 0 where there is nothing to count."""

    reduce: ClassVar[Reduce] = "collect"

    threshold: Number = Real(0.0, Dim.of(0))

    def infer(self, see: Checker, scores: TensorType, label: TensorType) -> TensorType:
        want_float(see, self.name, scores)
        if self.classes(see, scores, label) is not None:
            rule = f"{self.name} is of two classes: it wants one score for each label"
            raise Refusal(
                DimsDisagree(
                    see.place(0), rule, f"the scores are {scores}", f"the labels are {label}", scores.origin, label.origin
                )
            )
        return SCALAR

    def forward(self, show: Show, scores: Code, label: Code) -> Code:
        said, truth = positive(scores, label, show.types[0], show.types[1], show(self.threshold))
        return call(self.name, said, truth)


class Precision(Counted):
    """Of those that were said to be positive, how many are: two classes, one score for each label."""

    name: ClassVar[str] = "precision"
    formula: ClassVar[str] = "true positives / said positives"
    example: ClassVar[str] = "score: [B], label: int[B] -> precision"
    synonyms: ClassVar[tuple[str, ...]] = ("Precision", "precision_score")
    helper: ClassVar[str] = '''\
def precision(said: Tensor, truth: Tensor) -> Tensor:
    """Of those that were said to be positive, how many are."""
    return (said & truth).sum() / said.sum().clamp(min=1)
'''


class Recall(Counted):
    """Of the positives, how many were found: two classes, one score for each label."""

    name: ClassVar[str] = "recall"
    formula: ClassVar[str] = "true positives / positives"
    example: ClassVar[str] = "score: [B], label: int[B] -> recall"
    synonyms: ClassVar[tuple[str, ...]] = ("Recall", "recall_score", "sensitivity")
    helper: ClassVar[str] = '''\
def recall(said: Tensor, truth: Tensor) -> Tensor:
    """Of the positives, how many were found."""
    return (said & truth).sum() / truth.sum().clamp(min=1)
'''


class F1(Counted):
    """The harmonic mean of precision and recall: two classes, one score for each label."""

    name: ClassVar[str] = "f1"
    formula: ClassVar[str] = "2 * precision * recall / (precision + recall)"
    example: ClassVar[str] = "score: [B], label: int[B] -> f1"
    synonyms: ClassVar[tuple[str, ...]] = ("F1Score", "FBetaScore", "f1_score")
    helper: ClassVar[str] = '''\
def f1(said: Tensor, truth: Tensor) -> Tensor:
    """The harmonic mean of precision and recall."""
    return 2 * (said & truth).sum() / (said.sum() + truth.sum()).clamp(min=1)
'''


class Auroc(Classified):
    """The chance that a positive example scores higher than a negative one; ties count half. Exact, over all rows at once."""

    name: ClassVar[str] = "auroc"
    formula: ClassVar[str] = "P(score of a positive > score of a negative)"
    example: ClassVar[str] = "score: [B], label: int[B] -> auroc"
    synonyms: ClassVar[tuple[str, ...]] = ("AUROC", "AUC", "roc_auc_score", "auc")
    reduce: ClassVar[Reduce] = "collect"
    helper: ClassVar[str] = '''\
def auroc(score: Tensor, label: Tensor) -> Tensor:
    """The chance that a positive example scores higher than a negative one; ties count half."""
    _, place, count = score.flatten().double().unique(return_inverse=True, return_counts=True)
    rank = (count.cumsum(0) - (count - 1) / 2)[place]  # from 1; equal scores share the mean of their ranks
    positive = label.flatten().bool()
    p = positive.sum()
    return ((rank[positive].sum() - p * (p + 1) / 2) / (p * (~positive).sum())).float()
'''

    def infer(self, see: Checker, scores: TensorType, label: TensorType) -> TensorType:
        want_dtype(see, self.name, 0, scores, "float", "int")
        if self.classes(see, scores, label) is not None:
            rule = "auroc is of two classes: it wants one score for each label"
            raise Refusal(
                DimsDisagree(
                    see.place(0), rule, f"the scores are {scores}", f"the labels are {label}", scores.origin, label.origin
                )
            )
        return SCALAR

    def forward(self, show: Show, scores: Code, label: Code) -> Code:
        return call("auroc", scores, label)


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

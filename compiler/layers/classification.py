"""Losses of scores against classes."""

from typing import ClassVar

from ..emit.code import ATOM, Code, Show, call, method
from ..errors.shapes import DimsDisagree, WrongRank
from ..graph import TensorType
from ..shapes import Size
from ..values import Real
from ._rules import Dim, axis, axis_text, bad, disagree, options, same_shape, want_at_least, want_dtype, want_float, want_rank
from ._scores import Reduced
from .base import ONE, ZERO, Axis, Checker, Flag, NonNegative, Number, Numbers, Positive, Probability, Refusal, Whole


class OfClasses(Reduced):
    """Base: scores with the classes along `dim`, and an int label for each of the other places.

    PyTorch has the classes in dim 1; for `[B, T, classes]` say `dim=-1`. `weight` is a list with what each class counts.
    """

    tensors: ClassVar[int | None] = 2
    function: ClassVar[str]
    probabilities: ClassVar[bool] = False  # the target may also be a probability for each class

    weight: Numbers | None = None
    ignore_index: Whole = Size.of(-100)
    dim: Axis | None = None

    def place(self, see: Checker, scores: TensorType) -> int:
        """Which dim holds the classes."""
        if self.dim is not None:
            return axis(see, self.name, self.dim, scores)
        return 1 if scores.rank > 1 else 0

    def infer(self, see: Checker, scores: TensorType, target: TensorType) -> TensorType:
        want_float(see, self.name, scores)
        want_at_least(see, self.name, 0, scores, 1)
        at = self.place(see, scores)
        others = (*scores.shape[:at], *scores.shape[at + 1 :])
        if self.probabilities and target.dtype == "float":
            same_shape(see, f"{self.name} wants int labels, or a probability for each class", scores, target)
        else:
            want_dtype(see, self.name, 1, target, "int")
            self._labels(see, scores, target, at, others)
        classes = scores.shape[at]
        if self.weight is not None and not see.same(classes, Size.of(len(self.weight))):
            raise bad(
                see, self.name, "weight", f"it needs a number for each of {classes} classes", f"a list of {len(self.weight)}"
            )
        return self.scored(others)

    def _labels(self, see: Checker, scores: TensorType, target: TensorType, at: int, others: tuple[Size, ...]) -> None:
        rule = f"{self.name} wants a label for each place of the scores, which have their classes in dim {at}"
        fits = target.rank == len(others) and all(see.same(a, b) for a, b in zip(others, target.shape, strict=True))
        if not fits:
            last = scores.rank == target.rank + 1 and scores.rank > 2 and self.dim is None
            advice = "where the classes are in the last dim, say dim=-1" if last else ""
            left, right = f"the scores are {scores}", f"the labels are {target}"
            raise Refusal(DimsDisagree(see.place(1), rule, left, right, scores.origin, target.origin, advice=advice))

    def forward(self, show: Show, scores: Code, target: Code) -> Code:
        weight = {} if self.weight is None else {"weight": f"{scores.at(ATOM)}.new_tensor({show(list(self.weight))})"}
        scores, target = self._in_front(show, scores, target)
        return call(self.function, scores, target, **weight, **self.given(show), **options(self, show, "reduction"))

    def given(self, show: Show) -> dict[str, str]:
        return options(self, show, "ignore_index")

    def _in_front(self, show: Show, scores: Code, target: Code) -> tuple[Code, Code]:
        """The classes in dim 1, where PyTorch wants them."""
        kind: TensorType = show.types[0]
        if self.dim is None or kind.rank <= 1:
            return scores, target
        text = axis_text(self.dim, kind)
        if int(text) % kind.rank == 1:
            return scores, target
        if int(text) % kind.rank == kind.rank - 1 and self.reduction != "none" and show.types[1].dtype == "int":
            return method(scores, "flatten", "0", "-2"), method(target, "flatten")
        moved = method(scores, "movedim", text, "1")
        if self.function == "F.nll_loss":  # its gradient wants them side by side in memory
            moved = method(moved, "contiguous")
        return moved, target if show.types[1].dtype == "int" else method(target, "movedim", text, "1")


class CrossEntropy(OfClasses):
    """Of scores (logits) against int labels, or against a probability for each class: softmax and logarithm are part of it."""

    name: ClassVar[str] = "cross_entropy"
    formula: ClassVar[str] = "mean(logsumexp(x) - x[label])"
    example: ClassVar[str] = "logits: [B, 10], label: int[B] -> cross_entropy"
    synonyms: ClassVar[tuple[str, ...]] = (
        *("CrossEntropyLoss", "CategoricalCrossentropy", "SparseCategoricalCrossentropy", "softmax_cross_entropy"),
        *("categorical_crossentropy", "sparse_categorical_crossentropy"),
    )
    function: ClassVar[str] = "F.cross_entropy"
    probabilities: ClassVar[bool] = True

    weight: Numbers | None = None
    ignore_index: Whole = Size.of(-100)
    reduction: str = "mean"
    label_smoothing: Probability = Real.of(0.0)
    dim: Axis | None = None

    def given(self, show: Show) -> dict[str, str]:
        ignore = options(self, show, "ignore_index") if show.types[1].dtype == "int" else {}
        return ignore | options(self, show, "label_smoothing")


class Nll(OfClasses):
    """The negative of the label's log-probability: cross-entropy behind a `log_softmax` (F.nll_loss)."""

    name: ClassVar[str] = "nll"
    formula: ClassVar[str] = "mean(-x[label])"
    example: ClassVar[str] = "x: [B, 10], label: int[B] => nll(log_softmax(x), label)"
    synonyms: ClassVar[tuple[str, ...]] = ("NLLLoss", "nll_loss", "NLLLoss2d")
    function: ClassVar[str] = "F.nll_loss"

    weight: Numbers | None = None
    ignore_index: Whole = Size.of(-100)
    reduction: str = "mean"
    dim: Axis | None = None


class MultiMargin(Reduced):
    """The label's score is to beat every other by `margin` (F.multi_margin_loss)."""

    name: ClassVar[str] = "multi_margin"
    formula: ClassVar[str] = "mean over examples of sum_k max(0, margin - x[label] + x[k]) ** p / classes"
    example: ClassVar[str] = "x: [B, 10], label: int[B] -> multi_margin"
    synonyms: ClassVar[tuple[str, ...]] = ("MultiMarginLoss", "multi_margin_loss", "CategoricalHinge")
    tensors: ClassVar[int | None] = 2

    p: Positive = ONE
    margin: Number = Real.of(1.0)

    def infer(self, see: Checker, x: TensorType, label: TensorType) -> TensorType:
        want_float(see, self.name, x)
        want_rank(see, self.name, 0, x, "[B, classes]", 2)
        want_dtype(see, self.name, 1, label, "int")
        want_rank(see, self.name, 1, label, "[B]", 1)
        if self.p.number not in (1, 2):
            raise bad(see, self.name, "p", "it is 1 or 2", self.p)
        if not see.same(x.shape[0], label.shape[0]):
            raise disagree(
                see, "multi_margin wants a label for each example", Dim(x.shape[0], 0, 0), Dim(label.shape[0], 1, 0), (x, label)
            )
        return self.scored(x.shape[:1])

    def forward(self, show: Show, x: Code, label: Code) -> Code:
        return call("F.multi_margin_loss", x, label, **options(self, show, "p", "margin", "reduction"))


class MultilabelSoftMargin(Reduced):
    """Logistic losses of several labels at once: `[B, classes]` against 0 and 1 (F.multilabel_soft_margin_loss)."""

    name: ClassVar[str] = "multilabel_soft_margin"
    formula: ClassVar[str] = "mean over classes of -t * log(sigmoid(x)) - (1 - t) * log(sigmoid(-x))"
    example: ClassVar[str] = "x: [B, 10], t: [B, 10] -> multilabel_soft_margin"
    synonyms: ClassVar[tuple[str, ...]] = ("MultiLabelSoftMarginLoss", "multilabel_soft_margin_loss")
    tensors: ClassVar[int | None] = 2

    def infer(self, see: Checker, x: TensorType, target: TensorType) -> TensorType:
        want_float(see, self.name, x)
        want_dtype(see, self.name, 1, target, "float", "int")
        want_at_least(see, self.name, 0, x, 1)
        return self.scored(same_shape(see, "multilabel_soft_margin wants a target for each class", x, target)[:-1])

    def forward(self, show: Show, x: Code, target: Code) -> Code:
        return call("F.multilabel_soft_margin_loss", x, target, **options(self, show, "reduction"))


class MultilabelMargin(Reduced):
    """Hinge losses between the labels of an example, listed first and ended by -1, and the other classes (F.multilabel_margin_loss)."""

    name: ClassVar[str] = "multilabel_margin"
    formula: ClassVar[str] = "sum over labels j and others i of max(0, 1 - (x[j] - x[i])) / classes"
    example: ClassVar[str] = "x: [B, 10], labels: int[B, 10] -> multilabel_margin"
    synonyms: ClassVar[tuple[str, ...]] = ("MultiLabelMarginLoss", "multilabel_margin_loss")
    tensors: ClassVar[int | None] = 2

    def infer(self, see: Checker, x: TensorType, labels: TensorType) -> TensorType:
        want_float(see, self.name, x)
        want_rank(see, self.name, 0, x, "[B, classes] or [classes]", 1, 2)
        want_dtype(see, self.name, 1, labels, "int")
        return self.scored(same_shape(see, "multilabel_margin wants a list of labels as long as the scores", x, labels)[:-1])

    def forward(self, show: Show, x: Code, labels: Code) -> Code:
        return call("F.multilabel_margin_loss", x, labels, **options(self, show, "reduction"))


class Ctc(Reduced):
    """Connectionist temporal classification (Graves et al., 2006).

    It takes log-probabilities `[T, B, classes]`, labels `int[B, S]`, and the lengths of both.
    """

    name: ClassVar[str] = "ctc"
    formula: ClassVar[str] = "-log of the sum over all alignments of their probability"
    example: ClassVar[str] = "x: [T, B, 20], labels: int[B, S], lengths: int[B], label_lengths: int[B] -> ctc"
    synonyms: ClassVar[tuple[str, ...]] = ("CTCLoss", "ctc_loss", "CTC")
    tensors: ClassVar[int | None] = 4

    blank: NonNegative = ZERO
    reduction: str = "mean"
    zero_infinity: Flag = False

    def infer(
        self, see: Checker, x: TensorType, labels: TensorType, lengths: TensorType, label_lengths: TensorType
    ) -> TensorType:
        want_float(see, self.name, x)
        want_rank(see, self.name, 0, x, "[T, B, classes]", 3)
        given = (x, labels, lengths, label_lengths)
        for which, (tensor, rank) in enumerate(zip(given[1:], (2, 1, 1), strict=True), 1):
            want_dtype(see, self.name, which, tensor, "int")
            if tensor.rank != rank:
                raise Refusal(
                    WrongRank(see.place(which), self.name, "int[B, S]" if rank == 2 else "int[B]", str(tensor), tensor.origin)
                )
            if not see.same(x.shape[1], tensor.shape[0]):
                raise disagree(
                    see,
                    "ctc wants labels and lengths for each example",
                    Dim(x.shape[1], 0, 1),
                    Dim(tensor.shape[0], which, 0),
                    given,
                )
        if see.holds("<", self.blank, x.shape[2]) is False:
            raise bad(see, self.name, "blank", f"it must be one of {x.shape[2]} classes", self.blank)
        return self.scored(x.shape[1:2])

    def forward(self, show: Show, *inputs: Code) -> Code:
        return call("F.ctc_loss", *inputs, **options(self, show, "blank", "reduction", "zero_infinity"))

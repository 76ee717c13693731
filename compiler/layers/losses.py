"""Losses of numbers against numbers."""

from collections.abc import Mapping
from typing import ClassVar

from ..emit.code import ATOM, Code, Show, call
from ..errors.shapes import WrongDtype
from ..graph import DType, TensorType
from ..values import Real
from ._rules import Dim, bad, disagree, options, same_shape, want_at_least, want_dtype, want_float, want_rank
from ._scores import Reduced
from .base import Checker, Flag, Number, Numbers, PositiveNumber, Refusal

FLOATS: Mapping[DType, tuple[DType, ...]] = {"float": ("float",)}
TO_ANY: Mapping[DType, tuple[DType, ...]] = {"float": ("float", "int", "bool"), "int": ("float",), "bool": ("float",)}


class Pairwise(Reduced):
    """Base: two tensors of one shape, number against number. `pairs` says which dtypes go together."""

    tensors: ClassVar[int | None] = 2
    function: ClassVar[str]
    pairs: ClassVar[Mapping[DType, tuple[DType, ...]]] = FLOATS

    def infer(self, see: Checker, input: TensorType, target: TensorType) -> TensorType:
        want_dtype(see, self.name, 0, input, *self.pairs)
        if target.dtype not in self.pairs[input.dtype]:
            wanted = " or ".join(self.pairs[input.dtype])
            advice = "float(…) turns it into floats" if wanted == "float" else ""
            raise Refusal(WrongDtype(see.place(1), self.name, wanted, str(target), target.origin, advice))
        advice = "squeeze(dim=1) takes a dim of size 1 away" if abs(input.rank - target.rank) == 1 else ""
        shape = same_shape(see, f"{self.name} compares tensors of one shape", input, target, advice=advice)
        return self.scored(shape)

    def forward(self, show: Show, input: Code, target: Code) -> Code:
        fields = [name for name in type(self).model_fields if name != "reduction"]
        return call(self.function, input, target, **options(self, show, *fields), **options(self, show, "reduction"))


class Mse(Pairwise):
    """The mean of the squared differences (F.mse_loss). As a metric: less is better."""

    name: ClassVar[str] = "mse"
    formula: ClassVar[str] = "mean((a - b) ** 2)"
    example: ClassVar[str] = "rebuilt: [B, 30], x: [B, 30] -> mse"
    synonyms: ClassVar[tuple[str, ...]] = ("MSELoss", "mse_loss", "MeanSquaredError", "mean_squared_error", "squared_error")
    function: ClassVar[str] = "F.mse_loss"
    pairs = TO_ANY


class L1(Pairwise):
    """The mean of the absolute differences (F.l1_loss)."""

    name: ClassVar[str] = "l1"
    formula: ClassVar[str] = "mean(|a - b|)"
    example: ClassVar[str] = "y: [B, 1], t: [B, 1] -> l1"
    synonyms: ClassVar[tuple[str, ...]] = ("L1Loss", "l1_loss")
    function: ClassVar[str] = "F.l1_loss"
    pairs: ClassVar[Mapping[DType, tuple[DType, ...]]] = {"float": ("float", "int"), "int": ("float",)}


class Mae(L1):
    """The mean absolute error: `l1` under its name as a metric."""

    name: ClassVar[str] = "mae"
    example: ClassVar[str] = "y: [B, 1], t: [B, 1] -> mae"
    synonyms: ClassVar[tuple[str, ...]] = ("MeanAbsoluteError", "mean_absolute_error")


class SmoothL1(Pairwise):
    """Squares below `beta`, absolute differences above (F.smooth_l1_loss)."""

    name: ClassVar[str] = "smooth_l1"
    formula: ClassVar[str] = "mean(d ** 2 / (2 beta) if d < beta else d - beta / 2), d = |a - b|"
    example: ClassVar[str] = "y: [B, 4], t: [B, 4] -> smooth_l1"
    synonyms: ClassVar[tuple[str, ...]] = ("SmoothL1Loss", "smooth_l1_loss")
    function: ClassVar[str] = "F.smooth_l1_loss"
    pairs = TO_ANY

    beta: Number = Real.of(1.0)

    def infer(self, see: Checker, input: TensorType, target: TensorType) -> TensorType:
        if self.beta.value < 0:
            raise bad(see, self.name, "beta", "it must not be negative", self.beta)
        if self.beta.value == 0:  # plain differences, which truths do not have
            want_dtype(see, self.name, 0, input, "float", "int")
            want_dtype(see, self.name, 1, target, "float", "int")
        return super().infer(see, input, target)


class Huber(Pairwise):
    """Squares below `delta`, straight lines above (F.huber_loss)."""

    name: ClassVar[str] = "huber"
    formula: ClassVar[str] = "mean(d ** 2 / 2 if d < delta else delta * (d - delta / 2)), d = |a - b|"
    example: ClassVar[str] = "y: [B, 4], t: [B, 4] -> huber(delta=0.5)"
    synonyms: ClassVar[tuple[str, ...]] = ("HuberLoss", "huber_loss", "Huber")
    function: ClassVar[str] = "F.huber_loss"

    delta: PositiveNumber = Real.of(1.0)


class BinaryCrossEntropy(Pairwise):
    """Of probabilities in 0 to 1 against targets in 0 to 1 (F.binary_cross_entropy); of scores, take `…_with_logits`."""

    name: ClassVar[str] = "binary_cross_entropy"
    formula: ClassVar[str] = "mean(-t * log(p) - (1 - t) * log(1 - p))"
    example: ClassVar[str] = "p: [B, 1], t: [B, 1] -> binary_cross_entropy"
    synonyms: ClassVar[tuple[str, ...]] = ("BCELoss", "BinaryCrossentropy", "bce", "bce_loss")
    function: ClassVar[str] = "F.binary_cross_entropy"


class BinaryCrossEntropyWithLogits(Pairwise):
    """Of scores against targets in 0 to 1: sigmoid and cross-entropy in one, without loss of digits.

    `pos_weight` multiplies what positive targets cost: one number, or a list with one for each item of the last dim.
    """

    name: ClassVar[str] = "binary_cross_entropy_with_logits"
    formula: ClassVar[str] = "mean(softplus(x) - t * x)"
    example: ClassVar[str] = "x: [B, 1], t: [B, 1] -> binary_cross_entropy_with_logits"
    synonyms: ClassVar[tuple[str, ...]] = ("BCEWithLogitsLoss", "bce_with_logits", "sigmoid_cross_entropy")
    function: ClassVar[str] = "F.binary_cross_entropy_with_logits"

    pos_weight: Numbers | None = None

    def infer(self, see: Checker, input: TensorType, target: TensorType) -> TensorType:
        found = super().infer(see, input, target)
        if self.pos_weight is not None:
            size = input.shape[-1].number if input.rank else 1
            if len(self.pos_weight) not in (1, size):
                rule = f"it needs one number, or one for each of the last dim of {input}"
                raise bad(see, self.name, "pos_weight", rule, f"a list of {len(self.pos_weight)}")
        return found

    def forward(self, show: Show, input: Code, target: Code) -> Code:
        weighted = (
            {} if self.pos_weight is None else {"pos_weight": f"{input.at(ATOM)}.new_tensor({show(list(self.pos_weight))})"}
        )
        return call(self.function, input, target, **weighted, **options(self, show, "reduction"))


class KlDiv(Pairwise):
    """The Kullback-Leibler divergence of `target` from `input`; `input` is log-probabilities (F.kl_div).

    `target` is probabilities, or their logarithms with `log_target`. The mathematical mean over the batch is `reduction="batchmean"`.
    """

    name: ClassVar[str] = "kl_div"
    formula: ClassVar[str] = "mean(t * (log(t) - x))"
    example: ClassVar[str] = 'x: [B, 10], t: [B, 10] => kl_div(log_softmax(x), softmax(t), reduction="batchmean")'
    synonyms: ClassVar[tuple[str, ...]] = ("KLDivLoss", "KLDivergence", "kl_divergence")
    function: ClassVar[str] = "F.kl_div"
    reductions: ClassVar[tuple[str, ...]] = ("mean", "sum", "none", "batchmean")

    log_target: Flag = False


class PoissonNll(Pairwise):
    """The negative log-likelihood of counts under a Poisson distribution (F.poisson_nll_loss); `input` is the log of the rate."""

    name: ClassVar[str] = "poisson_nll"
    formula: ClassVar[str] = "mean(exp(x) - t * x)"
    example: ClassVar[str] = "x: [B, 1], t: [B, 1] -> poisson_nll"
    synonyms: ClassVar[tuple[str, ...]] = ("PoissonNLLLoss", "poisson_nll_loss", "Poisson")
    function: ClassVar[str] = "F.poisson_nll_loss"
    pairs: ClassVar[Mapping[DType, tuple[DType, ...]]] = {
        "float": ("float", "int", "bool"),
        "int": ("float",),
        "bool": ("float",),
    }

    log_input: Flag = True
    full: Flag = False

    def infer(self, see: Checker, input: TensorType, target: TensorType) -> TensorType:
        if not self.log_input:
            want_dtype(see, self.name, 0, input, "float", "int")
        if self.full:
            want_dtype(see, self.name, 1, target, "float", "int")
        return super().infer(see, input, target)


class SoftMargin(Pairwise):
    """The logistic loss of scores against targets of -1 and 1 (F.soft_margin_loss)."""

    name: ClassVar[str] = "soft_margin"
    formula: ClassVar[str] = "mean(log(1 + exp(-t * x)))"
    example: ClassVar[str] = "x: [B, 1], t: [B, 1] -> soft_margin"
    synonyms: ClassVar[tuple[str, ...]] = ("SoftMarginLoss", "soft_margin_loss")
    function: ClassVar[str] = "F.soft_margin_loss"
    pairs: ClassVar[Mapping[DType, tuple[DType, ...]]] = {"float": ("float", "int")}


class HingeEmbedding(Pairwise):
    """Distances as they are where the target is 1, the rest of `margin` where it is -1 (F.hinge_embedding_loss)."""

    name: ClassVar[str] = "hinge_embedding"
    formula: ClassVar[str] = "mean(x if t == 1 else max(0, margin - x))"
    example: ClassVar[str] = "x: [B], t: [B] -> hinge_embedding"
    synonyms: ClassVar[tuple[str, ...]] = ("HingeEmbeddingLoss", "hinge_embedding_loss", "Hinge")
    function: ClassVar[str] = "F.hinge_embedding_loss"
    pairs: ClassVar[Mapping[DType, tuple[DType, ...]]] = {"float": ("float", "int", "bool")}

    margin: Number = Real.of(1.0)


class GaussianNll(Reduced):
    """The negative log-likelihood of targets under normal distributions: mean, target, variance (F.gaussian_nll_loss)."""

    name: ClassVar[str] = "gaussian_nll"
    formula: ClassVar[str] = "mean(log(max(var, eps)) + (m - t) ** 2 / max(var, eps)) / 2"
    example: ClassVar[str] = "m: [B, 4], t: [B, 4], var: [B, 4] -> gaussian_nll"
    synonyms: ClassVar[tuple[str, ...]] = ("GaussianNLLLoss", "gaussian_nll_loss")
    tensors: ClassVar[int | None] = 3

    full: Flag = False
    eps: PositiveNumber = Real.of(1e-6)

    def infer(self, see: Checker, input: TensorType, target: TensorType, var: TensorType) -> TensorType:
        want_float(see, self.name, input, target, var)
        return self.scored(same_shape(see, "gaussian_nll wants a mean, a target and a variance of one shape", input, target, var))

    def forward(self, show: Show, *inputs: Code) -> Code:
        return call("F.gaussian_nll_loss", *inputs, **options(self, show, "full", "eps", "reduction"))


class MarginRanking(Reduced):
    """The first score is to be larger where the target is 1, the second where it is -1 (F.margin_ranking_loss)."""

    name: ClassVar[str] = "margin_ranking"
    formula: ClassVar[str] = "mean(max(0, -t * (a - b) + margin))"
    example: ClassVar[str] = "a: [B], b: [B], t: [B] -> margin_ranking"
    synonyms: ClassVar[tuple[str, ...]] = ("MarginRankingLoss", "margin_ranking_loss")
    tensors: ClassVar[int | None] = 3

    margin: Number = Real.of(0.0)

    def infer(self, see: Checker, first: TensorType, second: TensorType, target: TensorType) -> TensorType:
        want_float(see, self.name, first, second)
        want_dtype(see, self.name, 2, target, "float", "int")
        return self.scored(same_shape(see, "margin_ranking wants two scores and a target of one shape", first, second, target))

    def forward(self, show: Show, *inputs: Code) -> Code:
        return call("F.margin_ranking_loss", *inputs, **options(self, show, "margin", "reduction"))


class TripletMargin(Reduced):
    """An anchor is to be nearer to the positive than to the negative by `margin` (F.triplet_margin_loss)."""

    name: ClassVar[str] = "triplet_margin"
    formula: ClassVar[str] = "mean(max(0, |a - p| - |a - n| + margin))"
    example: ClassVar[str] = "a: [B, 64], p: [B, 64], n: [B, 64] -> triplet_margin"
    synonyms: ClassVar[tuple[str, ...]] = ("TripletMarginLoss", "triplet_margin_loss", "triplet_loss")
    tensors: ClassVar[int | None] = 3

    margin: PositiveNumber = Real.of(1.0)
    p: Number = Real.of(2.0)
    eps: Number = Real.of(1e-6)
    swap: Flag = False

    def infer(self, see: Checker, anchor: TensorType, positive: TensorType, negative: TensorType) -> TensorType:
        want_float(see, self.name, anchor, positive, negative)
        want_at_least(see, self.name, 0, anchor, 1)
        shape = same_shape(
            see, "triplet_margin wants an anchor, a positive and a negative of one shape", anchor, positive, negative
        )
        return self.scored(shape[:-1])

    def forward(self, show: Show, *inputs: Code) -> Code:
        return call("F.triplet_margin_loss", *inputs, **options(self, show, "margin", "p", "eps", "swap", "reduction"))


class CosineEmbedding(Reduced):
    """Vectors are to point the same way where the target is 1, apart where it is -1 (F.cosine_embedding_loss)."""

    name: ClassVar[str] = "cosine_embedding"
    formula: ClassVar[str] = "mean(1 - cos(a, b) if t == 1 else max(0, cos(a, b) - margin))"
    example: ClassVar[str] = "a: [B, 64], b: [B, 64], t: [B] -> cosine_embedding"
    synonyms: ClassVar[tuple[str, ...]] = ("CosineEmbeddingLoss", "cosine_embedding_loss", "CosineSimilarityLoss")
    tensors: ClassVar[int | None] = 3

    margin: Number = Real.of(0.0)

    def infer(self, see: Checker, first: TensorType, second: TensorType, target: TensorType) -> TensorType:
        want_float(see, self.name, first, second)
        want_rank(see, self.name, 0, first, "[B, D]", 2)
        want_rank(see, self.name, 2, target, "[B]", 1)
        shape = same_shape(see, "cosine_embedding wants two tensors of one shape", first, second)
        if not see.same(shape[0], target.shape[0]):
            rule = "cosine_embedding wants a target for each pair"
            raise disagree(see, rule, Dim(shape[0], 0, 0), Dim(target.shape[0], 2, 0), (first, second, target))
        return self.scored(shape[:1])

    def forward(self, show: Show, *inputs: Code) -> Code:
        return call("F.cosine_embedding_loss", *inputs, **options(self, show, "margin", "reduction"))

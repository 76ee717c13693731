"""Normalisation: over the batch, over channels, over the last dims."""

from typing import ClassVar

from ..emit.code import Code, Show, call
from ..errors.layers import TooSmall
from ..errors.shapes import DoesNotDivide
from ..graph import TensorType
from ..shapes import Size
from ..values import Real
from ._rules import axis, axis_text, bad, known, listed, options, product, want_at_least, want_float, want_rank
from .base import ONE, Axis, Checker, Family, Flag, Layer, Number, Owner, Positive, Refusal, Sizes, Weight


class Norm(Owner):
    """Base of the normalisations with a learned scale and shift."""

    family: ClassVar[Family] = "normalisation"


def _affine(size: Size, affine: bool) -> dict[str, Weight]:
    return {"weight": Weight(size), "bias": Weight(size)} if affine else {}


def _running(size: Size, tracked: bool) -> dict[str, Weight]:
    if not tracked:
        return {}
    return {
        "running_mean": Weight(size, learned=False),
        "running_var": Weight(size, learned=False),
        "num_batches_tracked": Weight(learned=False, dtype="int"),
    }


class BatchNorm(Norm):
    """Each channel (dim 1) to mean 0 and variance 1 over the batch; in evaluation with running averages (nn.BatchNorm1d to 3d)."""

    name: ClassVar[str] = "batch_norm"
    formula: ClassVar[str] = "y = (x - mean) / sqrt(var + eps) * weight + bias"
    example: ClassVar[str] = "x: [B, 16, H, W] -> batch_norm"
    synonyms: ClassVar[tuple[str, ...]] = (
        "BatchNorm1d",
        "BatchNorm2d",
        "BatchNorm3d",
        "BatchNormalization",
        "BatchNorm",
        "SyncBatchNorm",
    )
    pure: ClassVar[bool] = False

    eps: Number = Real.of(1e-5)
    momentum: Number | None = Real.of(0.1)
    affine: Flag = True
    track_running_stats: Flag = True

    @property
    def biased(self) -> bool:
        return self.affine

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_rank(see, self.name, 0, x, "[B, C] or [B, C, *spatial]", 2, 3, 4, 5)
        want_float(see, self.name, x)
        known(see, self.name, x, 1)
        return TensorType("float", x.shape)

    def weights(self, x: TensorType) -> dict[str, Weight]:
        return _affine(x.shape[1], self.affine) | _running(x.shape[1], self.track_running_stats)

    def module(self, show: Show, x: TensorType) -> str:
        given = options(self, show, "eps", "momentum", "affine", "track_running_stats")
        return call(f"nn.BatchNorm{max(1, x.rank - 2)}d", show(x.shape[1]), **given).text


class InstanceNorm(Norm):
    """Each channel of each example to mean 0 and variance 1 over its places (nn.InstanceNorm1d to 3d)."""

    name: ClassVar[str] = "instance_norm"
    formula: ClassVar[str] = "y[b, c] = (x[b, c] - mean) / sqrt(var + eps)"
    example: ClassVar[str] = "x: [B, 16, H, W] -> instance_norm(affine=true)"
    synonyms: ClassVar[tuple[str, ...]] = ("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "InstanceNormalization")

    eps: Number = Real.of(1e-5)
    momentum: Number = Real.of(0.1)
    affine: Flag = False
    track_running_stats: Flag = False

    @property
    def biased(self) -> bool:
        return self.affine

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_rank(see, self.name, 0, x, "[B, C, *spatial] with one to three spatial dims", 3, 4, 5)
        want_float(see, self.name, x)
        known(see, self.name, x, 1)
        if see.holds("<=", product(x.shape[2:]), ONE):
            raise Refusal(TooSmall(see.place(0), self.name, "more than one place in each channel", str(x), x.origin))
        return TensorType("float", x.shape)

    def weights(self, x: TensorType) -> dict[str, Weight]:
        return _affine(x.shape[1], self.affine) | _running(x.shape[1], self.track_running_stats)

    def module(self, show: Show, x: TensorType) -> str:
        given = options(self, show, "eps", "momentum", "affine", "track_running_stats")
        return call(f"nn.InstanceNorm{x.rank - 2}d", show(x.shape[1]), **given).text


class GroupNorm(Norm):
    """Groups of channels of each example to mean 0 and variance 1 (nn.GroupNorm)."""

    name: ClassVar[str] = "group_norm"
    formula: ClassVar[str] = "y[b, g] = (x[b, g] - mean) / sqrt(var + eps) * weight + bias"
    example: ClassVar[str] = "x: [B, 16, H, W] -> group_norm(4)"
    synonyms: ClassVar[tuple[str, ...]] = ("GroupNorm", "GroupNormalization")

    num_groups: Positive
    eps: Number = Real.of(1e-5)
    affine: Flag = True

    @property
    def biased(self) -> bool:
        return self.affine

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_at_least(see, self.name, 0, x, 2)
        want_float(see, self.name, x)
        channels = known(see, self.name, x, 1)
        if see.divides(self.num_groups, channels) is False:
            rule = "the groups of group_norm split the channels"
            raise Refusal(DoesNotDivide(see.place("num_groups"), rule, str(channels), str(self.num_groups), see.origin(0, 1)))
        if see.holds("<=", product(x.shape[2:]) * x.shape[0] * (channels // self.num_groups), ONE):
            raise Refusal(TooSmall(see.place(0), self.name, "more than one number in each group", str(x), x.origin))
        return TensorType("float", x.shape)

    def weights(self, x: TensorType) -> dict[str, Weight]:
        return _affine(x.shape[1], self.affine)

    def module(self, show: Show, x: TensorType) -> str:
        return call("nn.GroupNorm", show(self.num_groups), show(x.shape[1]), **options(self, show, "eps", "affine")).text


class OverLast(Norm):
    """Base of the normalisations over the last dims: `normalized_shape`, or the last dim alone where it is not given."""

    normalized_shape: Sizes | None = None

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_at_least(see, self.name, 0, x, len(self.normalized_shape or ()) or 1)
        want_float(see, self.name, x)
        if self.normalized_shape == ():
            raise bad(see, self.name, "normalized_shape", "it needs at least one size", "[]")
        for back, size in enumerate(self.over(x)[::-1], 1):
            there = known(see, self.name, x, -back)
            if not see.same(size, there):
                shown = listed(self.normalized_shape or ())
                raise bad(
                    see,
                    self.name,
                    "normalized_shape",
                    f"the last dims are {listed(x.shape[x.rank - len(self.over(x)) :])}",
                    shown,
                )
        return TensorType("float", x.shape)

    def over(self, x: TensorType) -> tuple[Size, ...]:
        return x.shape[-1:] if self.normalized_shape is None else self.normalized_shape

    def shape_text(self, show: Show, x: TensorType) -> str:
        over = self.over(x)
        return show(over[0] if len(over) == 1 else over)


class LayerNorm(OverLast):
    """The last dim of each example to mean 0 and variance 1 (nn.LayerNorm); of several last dims if their sizes are given."""

    name: ClassVar[str] = "layer_norm"
    formula: ClassVar[str] = "y = (x - mean) / sqrt(var + eps) * weight + bias"
    example: ClassVar[str] = "x: [B, T, 64] -> layer_norm"
    synonyms: ClassVar[tuple[str, ...]] = ("LayerNorm", "LayerNormalization")

    normalized_shape: Sizes | None = None
    eps: Number = Real.of(1e-5)
    elementwise_affine: Flag = True
    bias: Flag = True

    @property
    def biased(self) -> bool:
        return self.elementwise_affine and self.bias

    def weights(self, x: TensorType) -> dict[str, Weight]:
        owned = {"weight": Weight(*self.over(x)), "bias": Weight(*self.over(x))}
        return {name: one for name, one in owned.items() if self.elementwise_affine and (name == "weight" or self.bias)}

    def module(self, show: Show, x: TensorType) -> str:
        return call("nn.LayerNorm", self.shape_text(show, x), **options(self, show, "eps", "elementwise_affine", "bias")).text


class RmsNorm(OverLast):
    """The last dim divided by its root mean square (nn.RMSNorm)."""

    name: ClassVar[str] = "rms_norm"
    formula: ClassVar[str] = "y = x / sqrt(mean(x ** 2) + eps) * weight"
    example: ClassVar[str] = "x: [B, T, 64] -> rms_norm"
    synonyms: ClassVar[tuple[str, ...]] = ("RMSNorm", "RMSNormalization", "rmsnorm")

    normalized_shape: Sizes | None = None
    eps: Number | None = None
    elementwise_affine: Flag = True

    def weights(self, x: TensorType) -> dict[str, Weight]:
        return {"weight": Weight(*self.over(x))} if self.elementwise_affine else {}

    def module(self, show: Show, x: TensorType) -> str:
        return call("nn.RMSNorm", self.shape_text(show, x), **options(self, show, "eps", "elementwise_affine")).text


class LocalResponseNorm(Layer):
    """Each number divided by a power of what its neighbour channels are (AlexNet; nn.LocalResponseNorm)."""

    name: ClassVar[str] = "local_response_norm"
    family: ClassVar[Family] = "normalisation"
    formula: ClassVar[str] = "y[c] = x[c] / (k + alpha / size * sum over the neighbours of x ** 2) ** beta"
    example: ClassVar[str] = "x: [B, 96, H, W] -> local_response_norm(5, k=2)"
    synonyms: ClassVar[tuple[str, ...]] = ("LocalResponseNorm", "lrn", "LRN")

    size: Positive
    alpha: Number = Real.of(1e-4)
    beta: Number = Real.of(0.75)
    k: Number = Real.of(1.0)

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_at_least(see, self.name, 0, x, 3)
        want_float(see, self.name, x)
        return TensorType("float", x.shape)

    def forward(self, show: Show, x: Code) -> Code:
        return call("F.local_response_norm", x, show(self.size), **options(self, show, "alpha", "beta", "k"))


class Normalize(Layer):
    """Every vector along a dim to length 1 (F.normalize)."""

    name: ClassVar[str] = "normalize"
    family: ClassVar[Family] = "normalisation"
    formula: ClassVar[str] = "y = x / max(norm(x), eps)"
    example: ClassVar[str] = "x: [B, 64] -> normalize(dim=-1)"
    synonyms: ClassVar[tuple[str, ...]] = ("UnitNormalization", "l2_normalize")

    p: Number = Real.of(2.0)
    dim: Axis = ONE
    eps: Number = Real.of(1e-12)

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_float(see, self.name, x)
        axis(see, self.name, self.dim, x)
        return TensorType("float", x.shape)

    def forward(self, show: Show, x: Code) -> Code:
        return call(
            "F.normalize", x, **options(self, show, "p"), dim=axis_text(self.dim, show.types[0]), **options(self, show, "eps")
        )

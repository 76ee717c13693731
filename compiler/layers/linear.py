"""Affine maps."""

from typing import ClassVar

from ..emit.code import Code, Show, call
from ..errors.shapes import DimsDisagree, UnknownSize, WrongDtype, WrongRank
from ..graph import TensorType
from ..shapes import Dim, Size
from .base import Checker, Family, Flag, Owner, Positive, Refusal, Weight, elements


class Dense(Owner):
    """An affine map of the last dim: `y = x W^T + b`; of several tensors at once `y = W [x, h] + b` (nn.Linear)."""

    name: ClassVar[str] = "dense"
    family: ClassVar[Family] = "linear"
    formula: ClassVar[str] = "y = W x + b"
    example: ClassVar[str] = "x: [B, 30] -> dense(64)"
    tensors: ClassVar[int | None] = None
    synonyms: ClassVar[tuple[str, ...]] = ("Linear", "linear", "Dense", "fc", "LazyLinear")

    out_features: Positive
    bias: Flag = True

    def infer(self, see: Checker, *inputs: TensorType) -> TensorType:
        first = inputs[0]
        for which, tensor in enumerate(inputs):
            if tensor.rank < 1:
                raise Refusal(WrongRank(see.place(which), "dense", "a tensor with at least one dim", str(tensor), tensor.origin))
            if tensor.dtype != "float":
                raise Refusal(WrongDtype(see.place(which), "dense", "float", str(tensor), tensor.origin))
            if tensor.shape[-1].number is None:
                size = str(tensor.shape[-1])
                advice = f"give {size} a number in the signature" if tensor.shape[-1].value.symbol else ""
                raise Refusal(UnknownSize(see.span, "dense", size, str(tensor), see.origin(which, tensor.rank - 1), advice))
            agree = tensor.rank == first.rank and all(
                see.same(a, b) for a, b in zip(tensor.shape[:-1], first.shape[:-1], strict=True)
            )
            if not agree:
                rule = "tensors that one dense maps together must agree in all dims but the last"
                raise Refusal(
                    DimsDisagree(see.place(which), rule, f"one is {first}", f"another is {tensor}", first.origin, tensor.origin)
                )
        return TensorType("float", (*first.shape[:-1], self.out_features))

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        owned = {"weight": Weight(self.out_features, _total(inputs))}
        return owned | {"bias": Weight(self.out_features)} if self.bias else owned

    def module(self, show: Show, *inputs: TensorType) -> str:
        return call("nn.Linear", show(_total(inputs)), show(self.out_features), **show.options(bias=(self.bias, True))).text

    def forward(self, show: Show, *inputs: Code) -> Code:
        joined = inputs[0] if len(inputs) == 1 else call("torch.cat", f"({', '.join(map(str, inputs))})", dim="-1")
        return call(show.me, joined)

    def cost(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return elements(outputs[0]) * _total(inputs).value


def _total(inputs: tuple[TensorType, ...]) -> Size:
    total = inputs[0].shape[-1]
    for tensor in inputs[1:]:
        total = total + tensor.shape[-1]
    return total

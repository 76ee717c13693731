"""The bases of losses and metrics."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from ..graph import TensorType
from ..shapes import Size
from .base import Family, Layer

Reduce = Literal["mean", "collect"]  # over the batches of an evaluation: average by rows, or gather all and compute once
Better = Literal["higher", "lower"]


class Score(Layer):
    """Base of what judges: `reduce` says how an evaluation over batches is made, `better` which way is good."""

    reduce: ClassVar[Reduce] = "mean"
    better: ClassVar[Better]
    matrix: ClassVar[bool] = False  # its value is a table and no number: shown, and never chosen by


class Loss(Score):
    """Base of the losses."""

    family: ClassVar[Family] = "loss"
    better: ClassVar[Better] = "lower"


class Reduced(Loss):
    """Base of the losses that can be averaged, summed, or left one number for each example."""

    reductions: ClassVar[tuple[str, ...]] = ("mean", "sum", "none")

    reduction: str = "mean"

    def broken(self) -> Iterator[tuple[str, str]]:
        if self.reduction not in self.reductions:
            yield "reduction", f"it is one of {', '.join(self.reductions)}"

    def scored(self, shape: tuple[Size, ...]) -> TensorType:
        return TensorType("float", shape if self.reduction == "none" else ())


class Metric(Score):
    """Base of the metrics: a scalar that is never trained on."""

    family: ClassVar[Family] = "metric"
    better: ClassVar[Better] = "higher"

"""What column expressions have beside the ordinary ops: steps that are fitted on the training part."""

from typing import ClassVar

from ..emit.code import Code, Show, call
from ..errors.shapes import WrongDtype
from ..graph import TensorType
from .base import Checker, Family, Layer, Refusal


class Standardize(Layer):
    """Each number of a row less its mean over the training part, by its standard deviation there (1 where that is 0).

    The two are fitted on the training part alone. Written in `data` only.
    """

    name: ClassVar[str] = "standardize"
    family: ClassVar[Family] = "column"
    formula: ClassVar[str] = "y = (x - mean) / std"
    example: ClassVar[str] = "x: [B, 30] -> standardize"
    synonyms: ClassVar[tuple[str, ...]] = ("StandardScaler", "Normalization", "normalize")

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        if x.dtype == "bool":
            raise Refusal(WrongDtype(see.place(0), self.name, "float", str(x), x.origin))
        return TensorType("float", x.shape)

    def forward(self, show: Show, x: Code) -> Code:
        return call("standardized", x)


class Spread(Layer):
    """The standard deviation over the first dim, 1 where it is 0: what `standardize` divides by. It has no name in the language."""

    family: ClassVar[Family] = "column"
    helper: ClassVar[str] = '''def spread(x: Tensor) -> Tensor:
    """The standard deviation over all rows; 1 where all are equal, so that dividing by it changes nothing."""
    std = x.std(dim=0, correction=0)
    return torch.where(std == 0, torch.ones_like(std), std)
'''

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        if x.dtype != "float":
            raise Refusal(WrongDtype(see.place(0), "standardize", "float", str(x), x.origin))
        return TensorType("float", x.shape[1:])

    @property
    def title(self) -> str:
        return "spread"

    def forward(self, show: Show, x: Code) -> Code:
        return call("spread", x)


class Categories(Layer):
    """Classes as whole numbers from 0, in sorted order of what the training part holds.

    Texts of a csv, or any whole numbers. In `data` only.
    """

    name: ClassVar[str] = "categories"
    family: ClassVar[Family] = "column"
    formula: ClassVar[str] = "y = index of x among the classes"
    example: ClassVar[str] = "x: int[B] -> categories"
    synonyms: ClassVar[tuple[str, ...]] = ("LabelEncoder", "StringLookup", "factorize")

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        if x.dtype == "float":
            raise Refusal(WrongDtype(see.place(0), self.name, "int", str(x), x.origin))
        return TensorType("int", x.shape)

    def forward(self, show: Show, x: Code) -> Code:
        return x

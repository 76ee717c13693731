"""What column expressions have beside the ordinary ops: steps that are fitted on the training part, missing values, sequences, vectors.

They are written in `data` only; `training.columns` says what each becomes there.
"""

from typing import Annotated, ClassVar

from ..errors.columns import NoSequence
from ..errors.shapes import WrongDtype
from ..graph import TensorType
from ..shapes import Size
from ..values import Real, as_real
from ._arguments import Check
from ._rules import product
from .base import Checker, Family, Layer, Number, Refusal


class Standardize(Layer):
    """Each number of a row less its mean over the training part, by its standard deviation there (1 where that is 0).

    The two are fitted on the training part alone. Of sequences each feature has one mean, over all steps. Written in `data` only.
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


class Categories(Layer):
    """Classes as whole numbers from 0, in sorted order of what the training part holds.

    Words, or any whole numbers. In `data` only.
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


def _filling(value: object) -> Real | str:
    real = as_real(value) if isinstance(value, Size) else value
    if isinstance(real, Real | str):
        return real
    if isinstance(value, Layer) and value.name == "mean":
        return "mean"
    raise ValueError("it must be a number, a word, or mean")


class Fill(Layer):
    """A column of the source with its missing values filled: by a number, by `mean` (of the training part), or by a word among words.

    What it gives is float, or words. Where nothing says so, a missing value is a fault. In `data` only.
    """

    name: ClassVar[str] = "fill"
    family: ClassVar[Family] = "column"
    formula: ClassVar[str] = "y = value where x is missing, else x"
    example: ClassVar[str] = "x: [B] -> fill(0)"
    synonyms: ClassVar[tuple[str, ...]] = ("fillna", "SimpleImputer", "impute")

    value: Annotated[Real | str, Check(_filling)]

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        return TensorType("float", x.shape)


class Missing(Layer):
    """Whether a value of the source is missing. In `data` only."""

    name: ClassVar[str] = "missing"
    family: ClassVar[Family] = "column"
    formula: ClassVar[str] = "y = true where x is missing"
    example: ClassVar[str] = "x: [B] -> missing"
    synonyms: ClassVar[tuple[str, ...]] = ("isnull", "MissingIndicator")

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        return TensorType("bool", x.shape)


class Length(Layer):
    """How long the sequence of each row is, before it is padded to its batch. In `data` only."""

    name: ClassVar[str] = "length"
    family: ClassVar[Family] = "column"
    formula: ClassVar[str] = "[B, T, D] -> int[B]"
    example: ClassVar[str] = "x: [B, T, 12] -> length"

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        if x.rank < 2 or x.shape[1].number is not None:
            raise Refusal(NoSequence(see.place(0), str(x)))
        return TensorType("int", x.shape[:1])


class Padded(Layer):
    """A column of sequences, with `value` instead of 0 past the end of each in its batch: `target = padded(tags, -100)`. In `data` only.

    It is the last step of its column.
    """

    name: ClassVar[str] = "padded"
    family: ClassVar[Family] = "column"
    formula: ClassVar[str] = "y[t] = x[t] where t < length, else value"
    example: ClassVar[str] = "x: int[B, T] -> padded(-100)"
    synonyms: ClassVar[tuple[str, ...]] = ("pad_sequence",)

    value: Number

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        if x.rank < 2 or x.shape[1].number is not None:
            raise Refusal(NoSequence(see.place(0), str(x)))
        return x


class Vector(Layer):
    """Columns side by side as one vector of floats: numbers, and all numbers of vectors among them. In `data` only."""

    name: ClassVar[str] = "vector"
    family: ClassVar[Family] = "column"
    formula: ClassVar[str] = "[B], [B], [B, 3] -> [B, 5]"
    example: ClassVar[str] = "a: [B], b: [B], c: [B, 3] => vector(a, b, c)"
    synonyms: ClassVar[tuple[str, ...]] = ("VectorAssembler", "column_stack")
    tensors: ClassVar[int | None] = None

    def infer(self, see: Checker, *inputs: TensorType) -> TensorType:
        total = Size.of(0)
        for x in inputs:
            total = total + product(x.shape[1:])
        return TensorType("float", (inputs[0].shape[0], total))


class ColumnRange(Vector):
    """The source's columns from one to another, in the order of the file, as one vector of floats: `columns(age, weight)`.

    In `data` only.
    """

    name: ClassVar[str] = "columns"
    formula: ClassVar[str] = "columns(a, d) = vector(a, b, c, d)"
    example: ClassVar[str] = "a: [B], d: [B] => columns(a, d)"
    synonyms: ClassVar[tuple[str, ...]] = ()
    tensors: ClassVar[int | None] = 2

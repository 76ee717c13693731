"""Operators and functions of several tensors, broadcast as PyTorch does; numbers may stand among the tensors."""

from typing import ClassVar, Literal

from ..emit.code import Code, Show, binary, call, method, unary
from ..errors.shapes import DimsDisagree, WrongDtype
from ..graph import DType, TensorType
from ..shapes import Dim, Size
from ._elementwise import NUMERIC, Elementwise
from ._rules import Dim as Place
from ._rules import broadcast, described, disagree, kind, promoted, want_at_least, want_dtype
from .base import ZERO, Checker, Family, Given, Layer, Refusal, elements


class Arithmetic(Layer):
    """Base: two operands, broadcast."""

    family: ClassVar[Family] = "arithmetic"
    tensors: ClassVar[int | None] = 2
    numbers: ClassVar[bool] = True

    def infer(self, see: Checker, left: Given, right: Given) -> TensorType:
        shape = broadcast(see, f"the two sides of {self.name} must have one shape, or broadcast", (left, right))
        return TensorType(self.dtype(see, left, right), shape)

    def dtype(self, see: Checker, left: Given, right: Given) -> DType:
        return promoted(left, right)

    def forward(self, show: Show, left: Code, right: Code) -> Code:
        return binary(self.name, left, right)

    def no_bools(self, see: Checker, left: Given, right: Given, both: bool) -> None:
        """This operator does not work on truths, or not on two of them."""
        kinds = kind(left), kind(right)
        if kinds == ("bool", "bool") if both else "bool" in kinds:
            which = kinds.index("bool")
            raise Refusal(WrongDtype(see.place(which), self.name, "int or float", described((left, right)[which])))

    def no_zero(self, see: Checker, left: Given, right: Given) -> None:
        """Whole numbers cannot be divided by 0."""
        if isinstance(right, Size) and promoted(left, right) == "int" and see.holds("==", right, ZERO):
            raise Refusal(
                DimsDisagree(
                    see.place(1), "whole numbers cannot be divided by 0", f"the left is {described(left)}", "the right is 0"
                )
            )


class Add(Arithmetic):
    """Sum. Truths count as 0 and 1 beside numbers; two truths give `or`."""

    name: ClassVar[str] = "+"
    formula: ClassVar[str] = "y = a + b"
    example: ClassVar[str] = "a: [B, 8], b: [8] => a + b"
    synonyms: ClassVar[tuple[str, ...]] = ("add", "Add")
    neutral: ClassVar[tuple[float | None, float | None]] = (0, 0)


class Subtract(Arithmetic):
    """Difference."""

    name: ClassVar[str] = "-"
    formula: ClassVar[str] = "y = a - b"
    example: ClassVar[str] = "a: [B, 8], b: [8] => a - b"
    synonyms: ClassVar[tuple[str, ...]] = ("sub", "subtract", "Subtract")
    neutral: ClassVar[tuple[float | None, float | None]] = (None, 0)

    def dtype(self, see: Checker, left: Given, right: Given) -> DType:
        self.no_bools(see, left, right, both=False)
        return promoted(left, right)


class Multiply(Arithmetic):
    """Product, number by number."""

    name: ClassVar[str] = "*"
    formula: ClassVar[str] = "y = a * b"
    example: ClassVar[str] = "a: [B, 8], b: [B, 1] => a * b"
    synonyms: ClassVar[tuple[str, ...]] = ("mul", "multiply", "Multiply")
    neutral: ClassVar[tuple[float | None, float | None]] = (1, 1)


class Divide(Arithmetic):
    """Quotient, as a float."""

    name: ClassVar[str] = "/"
    formula: ClassVar[str] = "y = a / b"
    example: ClassVar[str] = "a: [B, 8] => a / 16"
    synonyms: ClassVar[tuple[str, ...]] = ("div", "divide", "true_divide")
    neutral: ClassVar[tuple[float | None, float | None]] = (None, 1)

    def dtype(self, see: Checker, left: Given, right: Given) -> DType:
        return "float"


class FloorDivide(Arithmetic):
    """Quotient, rounded down."""

    name: ClassVar[str] = "//"
    formula: ClassVar[str] = "y = floor(a / b)"
    example: ClassVar[str] = "a: int[B, 8] => a // 2"
    synonyms: ClassVar[tuple[str, ...]] = ("floor_divide",)

    def dtype(self, see: Checker, left: Given, right: Given) -> DType:
        self.no_bools(see, left, right, both=True)
        self.no_zero(see, left, right)
        return promoted(left, right)


class Remainder(Arithmetic):
    """What is left after division; of the sign of the divisor."""

    name: ClassVar[str] = "%"
    formula: ClassVar[str] = "y = a - b * floor(a / b)"
    example: ClassVar[str] = "a: int[B, 8] => a % 2"
    synonyms: ClassVar[tuple[str, ...]] = ("remainder", "fmod", "mod")

    def dtype(self, see: Checker, left: Given, right: Given) -> DType:
        self.no_bools(see, left, right, both=True)
        self.no_zero(see, left, right)
        return promoted(left, right)


class Power(Arithmetic):
    """Power."""

    name: ClassVar[str] = "**"
    formula: ClassVar[str] = "y = a ** b"
    example: ClassVar[str] = "a: [B, 8] => a ** 2"
    synonyms: ClassVar[tuple[str, ...]] = ("pow", "power")
    neutral: ClassVar[tuple[float | None, float | None]] = (None, 1)

    def dtype(self, see: Checker, left: Given, right: Given) -> DType:
        if not isinstance(right, bool):
            self.no_bools(see, left, right, both=True)
        if isinstance(right, Size) and kind(left) != "float" and see.holds("<", right, ZERO):
            raise Refusal(WrongDtype(see.place(0), "** of a negative exponent", "float", described(left)))
        return promoted(left, right)


class Negate(Elementwise):
    """The other sign."""

    name: ClassVar[str] = "neg"
    family: ClassVar[Family] = "arithmetic"
    formula: ClassVar[str] = "y = -a"
    example: ClassVar[str] = "a: [B, 8] => -a"
    synonyms: ClassVar[tuple[str, ...]] = ("negative",)
    twice: ClassVar[Literal["once", "nothing"] | None] = "nothing"
    gives = NUMERIC

    def forward(self, show: Show, x: Code) -> Code:
        return unary("-", x)


class Extreme(Arithmetic):
    """Base: the smaller or larger of two."""

    def dtype(self, see: Checker, left: Given, right: Given) -> DType:
        if isinstance(left, bool) or isinstance(right, bool):
            self.no_bools(see, left, right, both=True)
        return promoted(left, right)

    def forward(self, show: Show, left: Code, right: Code) -> Code:
        numbers = [not isinstance(given, TensorType) for given in show.types]
        if not any(numbers):
            return call(f"torch.{self.name}", left, right)
        bound = "max" if self.name == "minimum" else "min"
        tensor, number = (right, left) if numbers[0] else (left, right)
        return method(tensor, "clamp", **{bound: str(number)})


class Minimum(Extreme):
    """The smaller of two, number by number."""

    name: ClassVar[str] = "minimum"
    formula: ClassVar[str] = "y = min(a, b)"
    example: ClassVar[str] = "a: [B, 8], b: [8] -> minimum"
    synonyms: ClassVar[tuple[str, ...]] = ("fmin", "Minimum")


class Maximum(Extreme):
    """The larger of two, number by number."""

    name: ClassVar[str] = "maximum"
    formula: ClassVar[str] = "y = max(a, b)"
    example: ClassVar[str] = "a: [B, 8], b: [8] -> maximum"
    synonyms: ClassVar[tuple[str, ...]] = ("fmax", "Maximum")


class Matmul(Layer):
    """The matrix product of the last two dims; dims before them broadcast. A vector is a row on the left and a column on the right."""

    name: ClassVar[str] = "matmul"
    family: ClassVar[Family] = "linear"
    formula: ClassVar[str] = "y[..., i, j] = sum_k a[..., i, k] * b[..., k, j]"
    example: ClassVar[str] = "a: [B, T, 8], b: [8, D] => matmul(a, b)"
    synonyms: ClassVar[tuple[str, ...]] = ("bmm", "mm", "mv", "dot", "Dot")
    tensors: ClassVar[int | None] = 2

    def infer(self, see: Checker, left: TensorType, right: TensorType) -> TensorType:
        for which, tensor in enumerate((left, right)):
            want_at_least(see, self.name, which, tensor, 1)
            want_dtype(see, self.name, which, tensor, "float", "int")
        want_dtype(see, self.name, 1, right, left.dtype)
        inner = max(right.rank - 2, 0)
        if not see.same(left.shape[-1], right.shape[inner]):
            rule = "the last dim of the left of a matrix product and the last but one of the right must be equal"
            if right.rank == 1:
                rule = "the last dim of the left of a matrix product and the vector on the right must be equal"
            raise disagree(see, rule, Place(left.shape[-1], 0, left.rank - 1), Place(right.shape[inner], 1, inner), (left, right))
        lead = broadcast(
            see, "the dims before the last two of a matrix product must be equal, or broadcast", (left, right), skip=2
        )
        rows = left.shape[-2:-1] if left.rank > 1 else ()
        columns = right.shape[-1:] if right.rank > 1 else ()
        return TensorType(left.dtype, (*lead, *rows, *columns))

    def forward(self, show: Show, left: Code, right: Code) -> Code:
        return binary("@", left, right)

    def cost(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return elements(outputs[0]) * inputs[0].shape[-1].value


class At(Matmul):
    """The matrix product as an operator; see `matmul`."""

    name: ClassVar[str] = "@"
    example: ClassVar[str] = "a: [B, T, 8], b: [8, D] => a @ b"
    synonyms: ClassVar[tuple[str, ...]] = ()

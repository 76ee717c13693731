"""Comparisons, logic, and the choice between two tensors."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from ..emit.code import Code, Show, binary, call, unary
from ..errors.calls import NotATensor
from ..graph import DType, TensorType
from ._elementwise import Elementwise
from ._rules import broadcast, promoted, want_dtype
from .base import Checker, Family, Given, Layer, Refusal


class Comparison(Layer):
    """Base: bool comes out. Operands broadcast; numbers may stand among them."""

    family: ClassVar[Family] = "comparison"
    tensors: ClassVar[int | None] = 2
    numbers: ClassVar[bool] = True

    def infer(self, see: Checker, left: Given, right: Given) -> TensorType:
        return TensorType(
            "bool", broadcast(see, f"the two sides of {self.name} must have one shape, or broadcast", (left, right))
        )

    def forward(self, show: Show, left: Code, right: Code) -> Code:
        return binary(self.name, left, right)


class Equal(Comparison):
    """Where two are equal."""

    name: ClassVar[str] = "=="
    example: ClassVar[str] = "a: int[B, T] => a == 0"
    synonyms: ClassVar[tuple[str, ...]] = ("eq", "equal")


class NotEqual(Comparison):
    """Where two differ."""

    name: ClassVar[str] = "!="
    example: ClassVar[str] = "a: int[B, T] => a != 0"
    synonyms: ClassVar[tuple[str, ...]] = ("ne", "not_equal")


class Less(Comparison):
    """Where the left is less."""

    name: ClassVar[str] = "<"
    example: ClassVar[str] = "a: [B, 8], b: [8] => a < b"
    synonyms: ClassVar[tuple[str, ...]] = ("lt", "less")


class LessEqual(Comparison):
    """Where the left is not more."""

    name: ClassVar[str] = "<="
    example: ClassVar[str] = "a: [B, 8], b: [8] => a <= b"
    synonyms: ClassVar[tuple[str, ...]] = ("le", "less_equal")


class Greater(Comparison):
    """Where the left is more."""

    name: ClassVar[str] = ">"
    example: ClassVar[str] = "a: [B, 8] => a > 0.5"
    synonyms: ClassVar[tuple[str, ...]] = ("gt", "greater")


class GreaterEqual(Comparison):
    """Where the left is not less."""

    name: ClassVar[str] = ">="
    example: ClassVar[str] = "a: [B, 8] => a >= 0.5"
    synonyms: ClassVar[tuple[str, ...]] = ("ge", "greater_equal")


class Logic(Comparison):
    """Base: bool in, bool out."""

    operator: ClassVar[str]

    def infer(self, see: Checker, left: Given, right: Given) -> TensorType:
        for which, given in enumerate((left, right)):
            if isinstance(given, TensorType):
                want_dtype(see, self.name, which, given, "bool")
        return super().infer(see, left, right)

    def forward(self, show: Show, left: Code, right: Code) -> Code:
        return binary(self.operator, left, right)


class And(Logic):
    """Where both are true."""

    name: ClassVar[str] = "and"
    example: ClassVar[str] = "a: bool[B, T], b: bool[T] => a and b"
    synonyms: ClassVar[tuple[str, ...]] = ("logical_and", "bitwise_and")
    operator: ClassVar[str] = "&"


class Or(Logic):
    """Where one is true, or both."""

    name: ClassVar[str] = "or"
    example: ClassVar[str] = "a: bool[B, T], b: bool[T] => a or b"
    synonyms: ClassVar[tuple[str, ...]] = ("logical_or", "bitwise_or")
    operator: ClassVar[str] = "|"


class Not(Elementwise):
    """Where it is false."""

    name: ClassVar[str] = "not"
    family: ClassVar[Family] = "comparison"
    example: ClassVar[str] = "a: bool[B, T] => not a"
    synonyms: ClassVar[tuple[str, ...]] = ("logical_not", "bitwise_not")
    twice: ClassVar[Literal["once", "nothing"] | None] = "nothing"
    gives: ClassVar[Mapping[DType, DType]] = {"bool": "bool"}

    def forward(self, show: Show, x: Code) -> Code:
        return unary("~", x)


class Where(Layer):
    """One of two, place by place: `where(c, a, b)`, or `a if c else b` with a bool tensor."""

    name: ClassVar[str] = "where"
    family: ClassVar[Family] = "comparison"
    formula: ClassVar[str] = "y = a if c else b"
    example: ClassVar[str] = "c: bool[B, T], a: [B, T] => where(c, a, 0)"
    tensors: ClassVar[int | None] = 3
    numbers: ClassVar[bool] = True
    synonyms: ClassVar[tuple[str, ...]] = ("masked_fill",)

    def infer(self, see: Checker, condition: Given, left: Given, right: Given) -> TensorType:
        if not isinstance(condition, TensorType):
            raise Refusal(NotATensor(see.place(0), "a number known when compiled", "say a if c else b instead"))
        want_dtype(see, self.name, 0, condition, "bool")
        shape = broadcast(see, "the condition and both choices must have one shape, or broadcast", (condition, left, right))
        return TensorType(promoted(left, right), shape)

    def forward(self, show: Show, condition: Code, left: Code, right: Code) -> Code:
        return call("torch.where", condition, left, right)

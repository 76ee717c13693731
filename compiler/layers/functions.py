"""Functions of each number that are no activations."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from ..emit.code import Code, Show, method
from ..graph import DType, TensorType
from ..shapes import Size
from ..values import Real
from ._arguments import Check
from ._elementwise import ANY, NUMERIC, TO_BOOL, TO_FLOAT, Elementwise
from ._rules import bad, kind
from .base import Checker, Family, Layer


def _bound(value: object) -> Size | Real:
    if isinstance(value, int) and not isinstance(value, bool):
        return Size.of(value)
    if isinstance(value, float):
        return Real.of(value)
    if not isinstance(value, Size | Real):
        raise ValueError("a number is wanted")
    return value


Bound = Annotated[Size | Real, Check(_bound)]


class Function(Elementwise):
    """Base: a function that torch has by its name."""

    family: ClassVar[Family] = "arithmetic"
    gives = TO_FLOAT


class Exp(Function):
    """The exponential function."""

    name: ClassVar[str] = "exp"
    formula: ClassVar[str] = "y = e ** x"
    example: ClassVar[str] = "x: [B, 8] -> exp"
    function: ClassVar[str] = "torch.exp"


class Expm1(Function):
    """`exp(x) - 1` without loss of digits near 0."""

    name: ClassVar[str] = "expm1"
    formula: ClassVar[str] = "y = e ** x - 1"
    example: ClassVar[str] = "x: [B, 8] -> expm1"
    function: ClassVar[str] = "torch.expm1"


class Log(Function):
    """The natural logarithm."""

    name: ClassVar[str] = "log"
    formula: ClassVar[str] = "y = ln x"
    example: ClassVar[str] = "x: [B, 8] -> log"
    function: ClassVar[str] = "torch.log"


class Log2(Function):
    """The logarithm to base 2."""

    name: ClassVar[str] = "log2"
    formula: ClassVar[str] = "y = ln x / ln 2"
    example: ClassVar[str] = "x: [B, 8] -> log2"
    function: ClassVar[str] = "torch.log2"


class Log10(Function):
    """The logarithm to base 10."""

    name: ClassVar[str] = "log10"
    formula: ClassVar[str] = "y = ln x / ln 10"
    example: ClassVar[str] = "x: [B, 8] -> log10"
    function: ClassVar[str] = "torch.log10"


class Log1p(Function):
    """`log(1 + x)` without loss of digits near 0."""

    name: ClassVar[str] = "log1p"
    formula: ClassVar[str] = "y = ln(1 + x)"
    example: ClassVar[str] = "x: [B, 8] -> log1p"
    function: ClassVar[str] = "torch.log1p"


class Sqrt(Function):
    """The square root."""

    name: ClassVar[str] = "sqrt"
    formula: ClassVar[str] = "y = x ** 0.5"
    example: ClassVar[str] = "x: [B, 8] -> sqrt"
    function: ClassVar[str] = "torch.sqrt"


class Rsqrt(Function):
    """One over the square root."""

    name: ClassVar[str] = "rsqrt"
    formula: ClassVar[str] = "y = x ** -0.5"
    example: ClassVar[str] = "x: [B, 8] -> rsqrt"
    function: ClassVar[str] = "torch.rsqrt"


class Reciprocal(Function):
    """One over x."""

    name: ClassVar[str] = "reciprocal"
    formula: ClassVar[str] = "y = 1 / x"
    example: ClassVar[str] = "x: [B, 8] -> reciprocal"
    function: ClassVar[str] = "torch.reciprocal"


class Square(Function):
    """The square."""

    name: ClassVar[str] = "square"
    formula: ClassVar[str] = "y = x ** 2"
    example: ClassVar[str] = "x: [B, 8] -> square"
    function: ClassVar[str] = "torch.square"
    gives: ClassVar[Mapping[DType, DType]] = {"float": "float", "int": "int", "bool": "int"}


class Abs(Function):
    """The absolute value."""

    name: ClassVar[str] = "abs"
    formula: ClassVar[str] = "y = |x|"
    example: ClassVar[str] = "x: [B, 8] -> abs"
    synonyms: ClassVar[tuple[str, ...]] = ("absolute", "fabs")
    twice: ClassVar[Literal["once", "nothing"] | None] = "once"
    function: ClassVar[str] = "torch.abs"
    gives = NUMERIC


class Sign(Function):
    """-1, 0 or 1."""

    name: ClassVar[str] = "sign"
    formula: ClassVar[str] = "y = x / |x|"
    example: ClassVar[str] = "x: [B, 8] -> sign"
    synonyms: ClassVar[tuple[str, ...]] = ("sgn",)
    twice: ClassVar[Literal["once", "nothing"] | None] = "once"
    function: ClassVar[str] = "torch.sign"
    gives = ANY


class Floor(Function):
    """The whole number below."""

    name: ClassVar[str] = "floor"
    example: ClassVar[str] = "x: [B, 8] -> floor"
    twice: ClassVar[Literal["once", "nothing"] | None] = "once"
    function: ClassVar[str] = "torch.floor"
    gives = NUMERIC


class Ceil(Function):
    """The whole number above."""

    name: ClassVar[str] = "ceil"
    example: ClassVar[str] = "x: [B, 8] -> ceil"
    twice: ClassVar[Literal["once", "nothing"] | None] = "once"
    function: ClassVar[str] = "torch.ceil"
    gives = NUMERIC


class Round(Function):
    """The nearest whole number; halves go to the even one."""

    name: ClassVar[str] = "round"
    example: ClassVar[str] = "x: [B, 8] -> round"
    twice: ClassVar[Literal["once", "nothing"] | None] = "once"
    function: ClassVar[str] = "torch.round"
    gives = NUMERIC


class Sin(Function):
    """The sine."""

    name: ClassVar[str] = "sin"
    example: ClassVar[str] = "x: [B, 8] -> sin"
    function: ClassVar[str] = "torch.sin"


class Cos(Function):
    """The cosine."""

    name: ClassVar[str] = "cos"
    example: ClassVar[str] = "x: [B, 8] -> cos"
    function: ClassVar[str] = "torch.cos"


class Tan(Function):
    """The tangent."""

    name: ClassVar[str] = "tan"
    example: ClassVar[str] = "x: [B, 8] -> tan"
    function: ClassVar[str] = "torch.tan"


class Atan(Function):
    """The angle whose tangent it is."""

    name: ClassVar[str] = "atan"
    example: ClassVar[str] = "x: [B, 8] -> atan"
    synonyms: ClassVar[tuple[str, ...]] = ("arctan",)
    function: ClassVar[str] = "torch.atan"


class Erf(Function):
    """The error function."""

    name: ClassVar[str] = "erf"
    formula: ClassVar[str] = "y = 2 / sqrt(pi) * integral from 0 to x of exp(-t ** 2)"
    example: ClassVar[str] = "x: [B, 8] -> erf"
    function: ClassVar[str] = "torch.erf"


class IsNan(Function):
    """Where it is not a number."""

    name: ClassVar[str] = "isnan"
    example: ClassVar[str] = "x: [B, 8] -> isnan"
    function: ClassVar[str] = "torch.isnan"
    gives = TO_BOOL


class StopGradient(Elementwise):
    """The same numbers; no gradient flows back through them."""

    name: ClassVar[str] = "stop_gradient"
    family: ClassVar[Family] = "arithmetic"
    formula: ClassVar[str] = "y = x, dy/dx = 0"
    example: ClassVar[str] = "x: [B, 8] -> stop_gradient"
    synonyms: ClassVar[tuple[str, ...]] = ("detach", "no_grad", "stopgrad")
    twice: ClassVar[Literal["once", "nothing"] | None] = "once"
    gives = ANY

    def forward(self, show: Show, x: Code) -> Code:
        return method(x, "detach")


class Clip(Layer):
    """Numbers below `min` become `min`, numbers above `max` become `max`; one of them may be left out (torch.clamp)."""

    name: ClassVar[str] = "clip"
    family: ClassVar[Family] = "arithmetic"
    formula: ClassVar[str] = "y = min(max(x, min), max)"
    example: ClassVar[str] = "x: [B, 8] -> clip(0, 1)"
    synonyms: ClassVar[tuple[str, ...]] = ("clamp", "clip_by_value")
    twice: ClassVar[Literal["once", "nothing"] | None] = "once"

    min: Bound | None = None
    max: Bound | None = None

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        bounds = [bound for bound in (self.min, self.max) if bound is not None]
        if not bounds:
            raise bad(see, self.name, "min", "give min, max or both", "none")
        whole = kind(x) != "float" and all(isinstance(bound, Size) for bound in bounds)
        return TensorType("int" if whole else "float", x.shape)

    def forward(self, show: Show, x: Code) -> Code:
        if self.min is not None and self.max is not None:
            return method(x, "clamp", show(self.min), show(self.max))
        return method(
            x, "clamp", **{name: show(bound) for name, bound in (("min", self.min), ("max", self.max)) if bound is not None}
        )


class Cast(Elementwise):
    """Base: the same numbers as another dtype."""

    family: ClassVar[Family] = "arithmetic"
    still: ClassVar[bool] = True
    way: ClassVar[str]

    def forward(self, show: Show, x: Code) -> Code:
        return method(x, self.way)


class Float(Cast):
    """As floats; truths become 0 and 1."""

    name: ClassVar[str] = "float"
    example: ClassVar[str] = "x: bool[B, 8] => float(x)"
    synonyms: ClassVar[tuple[str, ...]] = ("cast", "astype", "to")
    gives = TO_FLOAT
    way: ClassVar[str] = "float"


class Int(Cast):
    """As whole numbers, rounded towards 0."""

    name: ClassVar[str] = "int"
    example: ClassVar[str] = "x: [B, 8] => int(x)"
    synonyms: ClassVar[tuple[str, ...]] = ("long",)
    gives: ClassVar[Mapping[DType, DType]] = {"float": "int", "int": "int", "bool": "int"}
    way: ClassVar[str] = "long"


class Bool(Cast):
    """As truths: everything but 0 is true."""

    name: ClassVar[str] = "bool"
    example: ClassVar[str] = "x: int[B, 8] => bool(x)"
    gives = TO_BOOL
    way: ClassVar[str] = "bool"

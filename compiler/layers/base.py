"""What a layer is: one class that declares its arguments and says its shapes, weights, cost and PyTorch text.

A family file holds classes like this one; nothing else needs to be touched to add a layer:

    class Dense(Owner):
        \"\"\"An affine map of the last dim: `y = x W^T + b`.\"\"\"

        name = "dense"
        family = "linear"
        example = "x: [B, 30] -> dense(64)"
        width: Positive
        bias: bool = True

        def infer(self, see, x): ...
        def weights(self, x): ...
        def module(self, show, x): ...

The fields are the arguments, in the order in which they may be given without a name. The docstring is the reference.
"""

from collections.abc import Iterator
from inspect import get_annotations
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, get_args

from ...dsl.diagnostic import Fault
from ...dsl.span import Span
from ..graph import DType, Operation, TensorType
from ..shapes import Dim, Size
from ..values import AxisName, Real, as_real
from ._arguments import Check, Misfit, Problem, checked

if TYPE_CHECKING:
    from ..emit.code import Code, Show

Family = Literal[
    "linear",
    "convolution",
    "pooling",
    "normalisation",
    "activation",
    "dropout",
    "embedding",
    "attention",
    "shape",
    "arithmetic",
    "reduction",
    "comparison",
    "loss",
    "metric",
    "initialiser",
    "distribution",
    "column",
    "energy",
]


Tensor = TensorType
Given = TensorType | Size | Real | bool  # what an op may be applied to: a tensor, or a number among tensors


class Refusal(Exception):
    """A layer does not take what it was given; carries the fault. Never leaves the compiler."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


class Checker(Protocol):
    """What a layer may ask while it infers. A relation that is decided by values is remembered for the text."""

    @property
    def span(self) -> Span:
        """The place of the call."""

    def place(self, which: int | str) -> Span:
        """The place of operand number `which`, or of the argument of that name."""

    def origin(self, which: int, axis: int) -> Span:
        """Where dim `axis` of operand `which` got its size."""

    def same(self, left: Size, right: Size) -> bool:
        """Are they one number? Provably, for all values of the free dims."""

    def holds(self, op: str, left: Size, right: Size) -> bool | None:
        """Is `left op right` (== != < <= > >=) true? None where it depends on free dims."""

    def divides(self, divisor: Size, size: Size) -> bool | None:
        """Does `divisor` divide `size`? None where it depends on free dims."""


class Weight:
    """A tensor that a layer owns: its shape, and whether it is learned or a buffer."""

    __slots__ = ("dtype", "learned", "shape")

    def __init__(self, *shape: Size, learned: bool = True, dtype: DType = "float") -> None:
        self.shape, self.learned, self.dtype = shape, learned, dtype


def _whole(value: object) -> Size:
    if isinstance(value, Size):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a whole number is wanted")
    return Size.of(value)


def _bounded(value: object, bound: int | None) -> Size:
    size = _whole(value)
    if bound is not None and size.number is not None and size.number < bound:
        raise ValueError(f"it must be at least {bound}")
    return size


def _at_least(bound: int | None) -> Check:
    return Check(lambda value: _bounded(value, bound))


def _real(value: object) -> Real:
    if isinstance(value, Size):
        real = as_real(value)
        if real is None:
            raise ValueError("a number is wanted that is known at compile time")
        return real
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Real.of(float(value))
    if isinstance(value, Real):
        return value
    raise ValueError("a number is wanted")


def _reals(value: object) -> tuple[Real, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("a list of numbers is wanted")
    return tuple(_real(item) for item in value)


def _probability(value: object) -> Real:
    real = _real(value)
    if not 0 <= real.value <= 1:
        raise ValueError("it must lie between 0 and 1")
    return real


def _above_zero(value: object) -> Real:
    real = _real(value)
    if not real.value > 0:
        raise ValueError("it must be more than 0")
    return real


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false is wanted")
    return value


def _sizes(bound: int | None) -> Check:
    def check(value: object) -> tuple[Size, ...]:
        return tuple(_bounded(item, bound) for item in (value if isinstance(value, list | tuple) else (value,)))

    return Check(check)


def _each_axis(bound: int | None) -> Check:
    def check(value: object) -> Size | tuple[Size, ...]:
        if isinstance(value, list | tuple):
            return tuple(_bounded(item, bound) for item in value)
        return _bounded(value, bound)

    return Check(check)


def _axis(value: object) -> AxisName | Size:
    return value if isinstance(value, AxisName) else _whole(value)


def _axes(value: object) -> AxisName | Size | tuple[AxisName | Size, ...]:
    return tuple(_axis(item) for item in value) if isinstance(value, list | tuple) else _axis(value)


Whole = Annotated[Size, _at_least(None)]
NonNegative = Annotated[Size, _at_least(0)]
Positive = Annotated[Size, _at_least(1)]
Sizes = Annotated[tuple[Size, ...], _sizes(None)]  # a list, or one alone
Number = Annotated[Real, Check(_real)]
Numbers = Annotated[tuple[Real, ...], Check(_reals)]
PositiveNumber = Annotated[Real, Check(_above_zero)]
Probability = Annotated[Real, Check(_probability)]
Flag = Annotated[bool, Check(_flag)]
Axis = Annotated[AxisName | Size, Check(_axis)]  # the elaborator reads a bare name in such an argument as the name of a dim
Axes = Annotated[AxisName | Size | tuple[AxisName | Size, ...], Check(_axes)]  # one, or a list of them
PerAxis = Size | tuple[Size, ...]  # one for all axes, or a list with one for each
PositivePerAxis = Annotated[PerAxis, _each_axis(1)]
NonNegativePerAxis = Annotated[PerAxis, _each_axis(0)]
ZERO, ONE, LAST = Size.of(0), Size.of(1), Size.of(-1)


class Layer(Operation):
    """Base of every layer and op. See the module's first words."""

    in_words: ClassVar[str] = "a layer"
    registry: ClassVar[dict[str, Any]] = {}  # those that are imported; all of them are in `layers.registry()`
    name: ClassVar[str]
    family: ClassVar[Family]
    example: ClassVar[str]  # run by a test and shown by `archc layers`; see `example_block`
    formula: ClassVar[str] = ""
    owns: ClassVar[bool] = False  # it owns weights: each time it is written it is a new one
    stateful: ClassVar[bool] = False  # a submodule without weights of its own making (dropout): it gets a key
    pure: ClassVar[bool] = True  # equal inputs give equal outputs: it may be shared, folded or dropped
    statement: ClassVar[bool] = False  # it takes statements of its own, and stands in no expression
    neutral: ClassVar[tuple[float | None, float | None]] = (None, None)  # the number that changes nothing, left and right
    twice: ClassVar[Literal["once", "nothing"] | None] = None  # what it does twice in a row: as much as once, or nothing at all
    still: ClassVar[bool] = False  # the numbers that come out are those that went in, in their order, if they are as many
    tensors: ClassVar[int | None] = 1  # how many tensors it takes; none for any number from 1
    numbers: ClassVar[bool] = False  # numbers may stand among its tensors
    variadic: ClassVar[str] = ""  # the argument that takes all that is given without a name: `reshape(1, 8, 8)`
    further: ClassVar[str] = ""  # the argument that gathers names which are not declared, with their sizes: `rearrange("…", h=4)`
    helper: ClassVar[str] = ""  # a function that its text calls, written once at the head of the generated file (see `called`)
    synonyms: ClassVar[tuple[str, ...]] = ()  # names that torch.nn, Keras and others have for it, for hints

    def __init__(self, **values: Any) -> None:
        """Checks the arguments; raises `Misfit`."""
        super().__init__(**checked(type(self), type(self).gathered(values)))
        if problems := list(self.broken()):
            raise Misfit([Problem("rule", argument, rule, getattr(self, argument)) for argument, rule in problems])

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__ and hasattr(cls, "example"):  # a step that the text calls by no name has no example
            Layer.registry[cls.name] = cls

    @property
    def title(self) -> str:
        return self.name

    @classmethod
    def gathered(cls, values: dict[str, Any]) -> dict[str, Any]:
        """What is given, with all that `further` takes under its name."""
        return values

    def broken(self) -> Iterator[tuple[str, str]]:
        """Arguments that do not go with the others, each with the rule that it breaks."""
        return iter(())

    def called(self) -> str:
        """The text of the helper that its own text calls; none where it calls none."""
        return self.helper

    @property
    def idle(self) -> bool:
        """With these arguments, whatever the hyperparameters are, it gives back what it gets."""
        return False

    @property
    def initialisers(self) -> "dict[str, Initialiser]":
        """What its tensors start from where the text says so, by their names in the state dict of the layer."""
        return {}

    def filled(self, me: str) -> list[str]:
        """Statements after those of the initialisers: what else follows from what they filled."""
        return []

    def infer(self, see: Checker, *inputs: Any) -> TensorType | tuple[TensorType, ...]:
        """The types that come out; raises `Refusal` where the layer does not take what comes in."""
        raise NotImplementedError

    def order(self, *inputs: Any) -> tuple[int, ...] | None:
        """The dims of its tensor in the order in which they come out, for what does nothing else."""
        return None

    def weights(self, *inputs: Any) -> dict[str, Weight]:
        """Parameters and buffers by their names in the state dict of the layer."""
        return {}

    def module(self, show: "Show", *inputs: Any) -> str:
        """The constructor call of its submodule, for layers that have one."""
        raise NotImplementedError

    def forward(self, show: "Show", *inputs: Any) -> "Code":
        """The expression that applies it. `show.me` is the text of its submodule where it has one."""
        from ..emit.code import call

        return call(show.me, *inputs)

    def lowering(self, *inputs: Any) -> str:
        """What was chosen to compute it, and why, where there is a choice; for the summary."""
        return ""

    def cost(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Multiply-adds of one application; 0 for what is not counted by custom (elementwise, norms, pooling)."""
        return Dim.of(0)


class Initialiser(Layer):
    """Base of what a parameter starts from: `init=normal(std=0.02)`, `param w: [D] = ones`."""

    in_words: ClassVar[str] = "an initialiser"
    family: ClassVar[Family] = "initialiser"
    tensors: ClassVar[int | None] = 0

    def infer(self, see: Checker, tensor: TensorType) -> TensorType:
        """The tensor to fill as it is; raises `Refusal` where it cannot be filled so (fans need two dims)."""
        return tensor

    def initialise(self, show: "Show", tensor: str) -> str:
        """The statement that fills `tensor`, a parameter that exists: `nn.init.normal_(self.wte.weight, std=0.02)`."""
        raise NotImplementedError


class Owner(Layer):
    """Base of the layers that own weights; each takes `init=` and `bias_init=`, by name only."""

    in_words: ClassVar[str] = "a layer with weights"
    owns: ClassVar[bool] = True

    init: Initialiser | None = None
    bias_init: Initialiser | None = None

    @property
    def biased(self) -> bool:
        """It has a bias."""
        return bool(getattr(self, "bias", False))

    def broken(self) -> Iterator[tuple[str, str]]:
        if self.bias_init is not None and not self.biased:
            yield "bias_init", "there is no bias"

    def called(self) -> str:
        """The text of the helper that its own text calls; none where it calls none."""
        return self.helper

    @property
    def initialisers(self) -> "dict[str, Initialiser]":
        given = {"weight": self.init, "bias": self.bias_init}
        return {name: init for name, init in given.items() if init is not None}


_known_order: dict[type[Layer], tuple[str, ...]] = {}


def positional(layer: type[Layer]) -> tuple[str, ...]:
    """The arguments that may be given without a name, in order: those the class itself declares, then those of its bases."""
    if not hasattr(layer, "example"):  # no text calls it by a name
        return ()
    if layer not in _known_order:
        named = {"init", "bias_init", layer.further}
        ordered = dict.fromkeys(name for cls in layer.__mro__ for name in get_annotations(cls) if name in layer.model_fields)
        _known_order[layer] = tuple(name for name in ordered if name not in named)
    return _known_order[layer]


def names_dims(layer: type[Layer], argument: str) -> bool:
    """Is a bare name in this argument the name of a dim?"""
    return _mentions(layer.model_fields[argument].annotation, AxisName)


def _mentions(annotation: Any, wanted: type) -> bool:
    return annotation is wanted or any(_mentions(arg, wanted) for arg in get_args(annotation))


def elements(tensor: TensorType) -> Dim:
    """How many numbers a tensor holds."""
    total = Dim.of(1)
    for size in tensor.shape:
        total = total * size.value
    return total


def per_axis(value: PerAxis, rank: int) -> tuple[Size, ...]:
    """One size for each of `rank` axes; a list of another length is returned as it is, for the caller to refuse."""
    return value if isinstance(value, tuple) else (value,) * rank

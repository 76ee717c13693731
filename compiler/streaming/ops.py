"""The steps that a streamed graph has beside the usual ones. Each reads the cache, its last operand."""

from typing import Any, ClassVar

from ..emit.code import ATOM, Code, Show, call
from ..graph import Input, Recur, TensorType
from ..layers.attention import Attend
from ..layers.base import Family, Layer
from ..layers.positions import SinusoidalPositions
from ..shapes import Size
from ..values import Real

CACHE = '''
class Cache:
    """What earlier tokens left behind: keys and values of each attention, in the order in which a step comes to them.

    `past` is how many tokens came before. After each step say how many it read: `cache.advance(tokens.shape[1])`.
    """

    def __init__(self):
        self.past, self.turn, self.kept = 0, 0, []

    def positions(self, steps, device):
        """Where the tokens of this step stand, counted from the first of all: [steps]."""
        return torch.arange(self.past, self.past + steps, device=device)

    def grown(self, *tensors, dim=-2, window=None):
        """Tensors behind those of earlier tokens; of a window, no more is kept than the next token sees."""
        old = self.next(None)
        if old is not None:
            tensors = tuple(torch.cat(pair, dim=dim) for pair in zip(old, tensors))
        kept = tensors
        if window is not None and tensors[0].shape[dim] > window:
            kept = tuple(t.narrow(dim, t.shape[dim] - window, window).clone() for t in tensors)
        self.kept[self.turn - 1] = kept
        return tensors if len(tensors) > 1 else tensors[0]

    def once(self, make):
        """What depends on no token of this input: made in the first step, and kept."""
        if self.next(None) is None:
            self.kept[self.turn - 1] = (make(),)
        return self.kept[self.turn - 1][0]

    def carried(self, states, run):
        """A recurrence that goes on from its last states, so many of the last things that it gives."""
        outputs = run(*(self.next(None) or ()))
        self.kept[self.turn - 1] = tuple(outputs[-states:])
        return outputs

    def next(self, start):
        """What the next place of this step kept."""
        self.turn += 1
        if self.turn > len(self.kept):
            self.kept.append(start)
        return self.kept[self.turn - 1]

    def advance(self, steps):
        """The step is over, and so many tokens were read."""
        self.past, self.turn = self.past + steps, 0

    def keep(self, rows):
        """Goes on with these of the examples, in this order."""
        self.kept = [tuple(t[rows] for t in tensors) for tensors in self.kept]
'''


class Memory(Input):
    """The cache, as a body is given it."""

    annotation: ClassVar[str] = "Cache"


class StreamedAttend(Attend):
    """An attention whose queries are those of a step. `grows`: so are its keys, which are kept; up to `window` before the next query."""

    grows: bool
    window: Size | None = None
    moving: tuple[
        int, ...
    ] = ()  # operands of the index functions that come with the step, and are read by `i`, or kept and read by `j`

    def called(self) -> str:
        return CACHE

    def lowering(self, *inputs: Any) -> str:
        return ""


class StreamedRecur(Recur):
    """A recurrence that goes on where the step before left it."""


class Lookup(Layer):
    """`table[:T]`, the first places of a tensor in order, as those at the positions of the step. Inputs: the tensor, the cache."""

    name: ClassVar[str] = "[:T]"
    family: ClassVar[Family] = "shape"
    helper: ClassVar[str] = CACHE
    axis: int
    steps: Size

    def forward(self, show: Show, x: Code, cache: Code) -> Code:
        lead = ":, " * self.axis
        return Code(f"{x.at(ATOM)}[{lead}{cache}.positions({show(self.steps)}, {x.at(ATOM)}.device)]")


class Positions(Layer):
    """The positions of the step. Inputs: a tensor that has its device, the cache."""

    name: ClassVar[str] = "positions"
    family: ClassVar[Family] = "shape"
    helper: ClassVar[str] = CACHE
    steps: Size

    def forward(self, show: Show, x: Code, cache: Code) -> Code:
        return Code(f"{cache}.positions({show(self.steps)}, {x.at(ATOM)}.device)")


class SinusoidalAt(Layer):
    """`sinusoidal_positions`, with the positions as its second input."""

    name: ClassVar[str] = "sinusoidal_positions at"
    family: ClassVar[Family] = "embedding"
    helper: ClassVar[str] = (
        SinusoidalPositions.helper.replace("x: Tensor, base", "x: Tensor, position: Tensor, base")
        .replace(
            """    steps, width = x.shape[-2:]
    position = torch.arange(steps, device=x.device, dtype=x.dtype)
""",
            """    width = x.shape[-1]
""",
        )
        .replace("of the position", "of its position")
        .replace("position[:, None] * rate", "position.to(x.dtype)[:, None] * rate")
    )
    base: Real

    def forward(self, show: Show, x: Code, position: Code) -> Code:
        return call("sinusoidal_positions", x, position, **show.options(base=(self.base, Real.of(10000.0))))


class Grown(Layer):
    """A tensor of the step behind those of earlier steps, up to `window` of them. Inputs: the tensor, the cache."""

    name: ClassVar[str] = "grown"
    family: ClassVar[Family] = "shape"
    helper: ClassVar[str] = CACHE
    pure: ClassVar[bool] = False
    axis: int
    window: Size | None = None

    def forward(self, show: Show, x: Code, cache: Code) -> Code:
        window = {} if self.window is None else {"window": show(self.window)}
        return call(f"{cache}.grown", x, dim=str(self.axis), **window)


class Once(Layer):
    """A layer on what no step changes. Inputs: those of the layer, the cache."""

    name: ClassVar[str] = "once"
    family: ClassVar[Family] = "shape"
    pure: ClassVar[bool] = False
    layer: Layer

    @property
    def title(self) -> str:
        return self.layer.title

    @property
    def initialisers(self) -> Any:
        return self.layer.initialisers

    def called(self) -> str:
        return CACHE

    def filled(self, me: str) -> list[str]:
        return self.layer.filled(me)

    def weights(self, *inputs: TensorType) -> Any:
        return self.layer.weights(*inputs[:-1])

    def module(self, show: Show, *inputs: TensorType) -> str:
        return self.layer.module(show, *inputs[:-1])

    def forward(self, show: Show, *inputs: Code) -> Code:
        *given, cache = inputs
        made = self.layer.forward(Show(show.names, show.me, show.types[:-1], show.outputs), *given)
        return Code(f"{cache}.once(lambda: {made})")

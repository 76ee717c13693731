"""Positions: what tells attention where in a text a token stands."""

from typing import ClassVar, Literal

from ..emit.code import ATOM, Code, Show, call
from ..errors.calls import WrongTensorCount
from ..errors.shapes import DoesNotDivide
from ..graph import TensorType
from ..shapes import Size
from ..values import Real
from ._rules import Dim as At
from ._rules import bad, disagree, options, want_at_least, want_dtype, want_float, want_rank
from .base import Checker, Family, Flag, Layer, Positive, PositiveNumber, Refusal

Scaling = Literal["none", "linear", "dynamic", "llama3", "yarn"]

ROTARY = '''\
def {name}(x: Tensor, position: Tensor | None = None, {options}) -> Tensor:
    """x with {pairs} turned by an angle that grows with the position{said}."""
    width = {width}
    position = torch.arange(x.shape[-2], device=x.device) if position is None else position
{before}    rate = 1.0 / base ** (torch.arange(0, width, 2, device=x.device, dtype=torch.float32) / width)
{after}    angle = position[..., None] * rate  # float32, whatever x is: half precision cannot count far
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    {split}
    {result}
'''
BEFORE = {
    "dynamic": """\
    reached = max(context, x.shape[-2])
    base = base * (factor * reached / context - (factor - 1)) ** (width / (width - 2))
""",
}
AFTER = {
    "linear": "    rate = rate / factor\n",
    "llama3": """\
    turns = context * rate / (2 * math.pi)  # how often a pair turns in the context of training
    smooth = ((turns - slow) / (fast - slow)).clamp(0, 1)
    rate = (1 - smooth) * rate / factor + smooth * rate
""",
    "yarn": """\
    low, high = (width * math.log(context / (turns * 2 * math.pi)) / (2 * math.log(base)) for turns in (fast, slow))
    low, high = max(math.floor(low), 0), min(math.ceil(high), width - 1)
    place = torch.arange(width // 2, device=x.device, dtype=torch.float32)
    stretched = ((place - low) / max(high - low, 0.001)).clamp(0, 1)
    rate = rate / factor * stretched + rate * (1 - stretched)
""",
}
SAID = {
    "none": "",
    "linear": "; all positions\n    stand closer together by a factor",
    "dynamic": ",\n    more slowly where the text is longer than in training",
    "llama3": ",\n    slow pairs more slowly by a factor",
    "yarn": ",\n    slow pairs more slowly by a factor, and all numbers larger",
}
GIVEN = {
    "none": (),
    "linear": ("factor",),
    "dynamic": ("factor", "context"),
    "llama3": ("factor", "context", "slow", "fast"),
    "yarn": ("factor", "context", "slow", "fast"),
}
FORMS = {"factor": "float", "context": "int", "slow": "float", "fast": "float"}


class Rotary(Layer):
    """Turns pairs of numbers of a query or key by angles that grow with the position ("RoFormer", Su et al., 2021).

    So the product of a query and a key says how far apart they are, and nothing else of where they stand. Number i of the first half
    of the last dim is paired with number i of the second, as Llama has it; with `interleaved` each is paired with its neighbour, as in
    the paper. `width` turns the first numbers only. A second tensor, `int[T]` or `int[B, T]`, says the positions where they are not
    0, 1, 2, …

    `scaling` is how a network goes beyond the `context` that it was trained for, `factor` times as long: `"linear"` (Chen et al., 2023),
    `"dynamic"` (NTK-aware, by the length of the text; bloc97 and emozilla, 2023), `"llama3"` and `"yarn"` (Peng et al., 2023) leave the
    pairs as they are that turn more than `fast` times within the context, and slow those that turn less than `slow` times.
    """

    name: ClassVar[str] = "rotary"
    family: ClassVar[Family] = "embedding"
    formula: ClassVar[str] = (
        "(y[t, i], y[t, i + d/2]) = (x[t, i], x[t, i + d/2]) turned by t / base ** (2i / d), where d is the width of a head"
    )
    example: ClassVar[str] = "q: [B, 8, T, 64] -> rotary"
    synonyms: ClassVar[tuple[str, ...]] = (
        "RotaryEmbedding",
        "rope",
        "RoPE",
        "apply_rotary_pos_emb",
        "RotaryPositionalEmbeddings",
    )
    tensors: ClassVar[int | None] = None

    base: PositiveNumber = Real.of(10000.0)
    width: Positive | None = None
    interleaved: Flag = False
    scaling: Scaling = "none"
    factor: PositiveNumber | None = None
    context: Positive | None = None
    slow: PositiveNumber | None = None
    fast: PositiveNumber | None = None

    def infer(self, see: Checker, *inputs: TensorType) -> TensorType:
        if len(inputs) > 2:
            raise Refusal(WrongTensorCount(see.span, self.name, "a tensor, and perhaps its positions", len(inputs)))
        x = inputs[0]
        want_at_least(see, self.name, 0, x, 2)
        want_float(see, self.name, x)
        self._want_pairs(see, x)
        self._want_scaling(see, x)
        if len(inputs) == 2:
            self._want_positions(see, x, inputs[1])
        return TensorType("float", x.shape)

    def _want_pairs(self, see: Checker, x: TensorType) -> None:
        turned, place = (x.shape[-1], see.place(0)) if self.width is None else (self.width, see.place("width"))
        if self.width is not None and see.holds("<=", self.width, x.shape[-1]) is False:
            raise bad(see, self.name, "width", f"a head has {x.shape[-1]} numbers", self.width)
        if not see.divides(Size.of(2), turned):
            raise Refusal(DoesNotDivide(place, "numbers are turned in pairs", str(turned), "2", see.origin(0, x.rank - 1)))

    def _want_scaling(self, see: Checker, x: TensorType) -> None:
        """The arguments of a scaling, those of another not; YaRN and Llama 3 have bounds of their own."""
        wanted = GIVEN[self.scaling]
        for argument in FORMS:
            value = getattr(self, argument)
            if value is None and argument in wanted[:2]:
                raise bad(see, self.name, argument, f'the scaling "{self.scaling}" needs it', "none")
            if value is not None and argument not in wanted:
                raise bad(see, self.name, argument, f'the scaling "{self.scaling}" has none', value)
        if self.scaling == "dynamic" and see.holds(">", self.width or x.shape[-1], Size.of(2)) is False:
            raise bad(see, self.name, "scaling", "with two numbers there is but one angle, which cannot be slowed", "dynamic")
        if self.factor is not None and self.factor.value < 1:
            raise bad(see, self.name, "factor", "it says how many times longer texts become, so it is at least 1", self.factor)
        slow, fast = self._bounds()
        if wanted[2:] and not slow.value < fast.value:
            raise bad(see, self.name, "slow", f"it must be less than fast, which is {fast}", slow)

    def _bounds(self) -> tuple[Real, Real]:
        default = (1.0, 4.0) if self.scaling == "llama3" else (1.0, 32.0)
        return self.slow or Real.of(default[0]), self.fast or Real.of(default[1])

    def _want_positions(self, see: Checker, x: TensorType, position: TensorType) -> None:
        want_dtype(see, self.name, 1, position, "int")
        want_rank(see, self.name, 1, position, "int[T], or int[B, T] where the examples differ", 1, *((2,) if x.rank > 2 else ()))
        pairs = [(x.rank - 2, position.rank - 1)] + ([(0, 0)] if position.rank == 2 else [])
        for ours, theirs in pairs:
            if not see.same(x.shape[ours], position.shape[theirs]):
                rule = "each place has a position"
                raise disagree(see, rule, At(x.shape[ours], 0, ours), At(position.shape[theirs], 1, theirs), (x, position))

    @property
    def _function(self) -> str:
        """Its helper's name: one for each form, so that a file with one form shows that form alone."""
        parts = [self.scaling] * (self.scaling != "none") + ["part"] * (self.width is not None)
        return "_".join(["rotary", *parts, *["neighbours"] * self.interleaved])

    def called(self) -> str:
        numbers = [f"{name}: {FORMS[name]}" for name in GIVEN[self.scaling]]
        part = self.width is not None
        turned = "x[..., :width]" if part else "x"
        split = f"a, b = {turned}.chunk(2, dim=-1)"
        pairs = "places i and i + d/2 of its last dim"
        first, second = "a * cos - b * sin", "b * cos + a * sin"
        result = f"torch.cat(({first}, {second}), dim=-1)"
        if self.interleaved:
            split, pairs = f"a, b = {turned}.unflatten(-1, (-1, 2)).unbind(-1)", "neighbours in its last dim"
            result = f"torch.stack(({first}, {second}), dim=-1).flatten(-2)"
        if part:
            pairs = f"{pairs}, of the first `width` alone,".replace("d/2", "width/2")
            result = f"torch.cat(({result}, x[..., width:]), dim=-1)"
        return ROTARY.format(
            name=self._function,
            options=", ".join(["base: float = 10000.0", *(["*"] if numbers or part else []), *numbers, *["width: int"] * part]),
            pairs=pairs,
            said=SAID[self.scaling],
            width="width" if part else "x.shape[-1]",
            before=BEFORE.get(self.scaling, ""),
            after=AFTER.get(self.scaling, ""),
            split=f"cos, sin = (t * (0.1 * math.log(factor) + 1) for t in (cos, sin))\n    {split}"
            if self.scaling == "yarn"
            else split,
            result=f"return {result}",
        ).replace("    width = width\n", "")

    def forward(self, show: Show, *inputs: Code) -> Code:
        if len(inputs) == 2 and show.types[1].rank == 2 and show.types[0].rank > 3:
            lead = ", ".join([":", *["None"] * (show.types[0].rank - 3)])
            inputs = inputs[0], Code(f"{inputs[1].at(ATOM)}[{lead}]")
        slow, fast = self._bounds()
        numbers = {"factor": self.factor, "context": self.context, "slow": slow, "fast": fast}
        given = {name: show(value) for name, value in numbers.items() if name in GIVEN[self.scaling] and value is not None}
        if self.width is not None:
            given["width"] = show(self.width)
        return call(self._function, *inputs, **options(self, show, "base"), **given)


class SinusoidalPositions(Layer):
    """Adds sines and cosines of the position to `[..., T, D]`, in pairs of falling frequency (Vaswani et al., 2017)."""

    name: ClassVar[str] = "sinusoidal_positions"
    family: ClassVar[Family] = "embedding"
    formula: ClassVar[str] = (
        "y[t, 2i] = x[t, 2i] + sin(t / base ** (2i / D));  y[t, 2i + 1] = x[t, 2i + 1] + cos(t / base ** (2i / D))"
    )
    example: ClassVar[str] = "x: [B, T, 64] -> sinusoidal_positions"
    synonyms: ClassVar[tuple[str, ...]] = ("PositionalEncoding", "SinePositionEncoding", "positional_encoding")
    helper: ClassVar[str] = '''\
def sinusoidal_positions(x: Tensor, base: float = 10000.0) -> Tensor:
    """x with sines (even places) and cosines (odd places) of the position added to its last dim."""
    steps, width = x.shape[-2:]
    position = torch.arange(steps, device=x.device, dtype=x.dtype)
    rate = base ** (-torch.arange(0, width, 2, device=x.device, dtype=x.dtype) / width)
    angle = position[:, None] * rate
    return x + torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)[:, :width]
'''

    base: PositiveNumber = Real.of(10000.0)

    def infer(self, see: Checker, x: TensorType) -> TensorType:
        want_at_least(see, self.name, 0, x, 2)
        want_float(see, self.name, x)
        return TensorType("float", x.shape)

    def forward(self, show: Show, x: Code) -> Code:
        return call("sinusoidal_positions", x, **options(self, show, "base"))

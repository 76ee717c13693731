"""What is computed with distributions: draws, log-probabilities, moments, divergences; and the choice by the mode.

None of these is called by a name of its own: `z ~ q`, `q.log_prob(y)`, `q.mean`, `kl(p, q)` and `a if training else b` make them. The
operands are the parameters that are tensors, in the order of `given`; the others are numbers in the distribution itself.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from ..emit.code import ATOM, CHOICE, OR, Code, Show, call, method
from ..graph import TensorType
from ..shapes import Size
from . import _densities
from ._densities import Part, Parts, plain
from ._rules import broadcast, same_shape, want_at_least, want_dtype, want_float
from .base import Checker, Family, Flag, Layer
from .distributions import Distribution, GumbelSoftmax, RelaxedBernoulli

Given = tuple[str, ...]
RELAXED = '''def relaxed(noisy: Tensor, temperature: float, hard: bool = False) -> Tensor:
    """Draws between 0 and 1 from logits with noise; with `hard`, 0 or 1 with the gradients of those between."""
    soft = torch.sigmoid(noisy / temperature)
    return (soft > 0.5).to(soft.dtype) + (soft - soft.detach()) if hard else soft
'''
AGREE = "the parameters of a distribution are broadcast"


def sizes_of(see: Checker, kind: Distribution, shape: Sequence[Size], tensors: Sequence[TensorType]) -> tuple[Size, ...]:
    """The shape of one draw, but for the numbers along the last dim of a vector one."""
    want_float(see, kind.name, *tensors)
    if kind.vector:
        for which, tensor in enumerate(tensors):
            want_at_least(see, kind.name, which, tensor, 1)
    return (*shape, *broadcast(see, AGREE, list(tensors), skip=1 if kind.vector else 0))


def parts(show: Show, kind: Distribution, given: Given, codes: Sequence[Code]) -> Parts:
    """All parameters that are set, by name."""
    found = {name: Part(code) for name, code in zip(given, codes, strict=False)}
    for name in kind.parameters:
        value = getattr(kind, name)
        if name not in found and value is not None:
            found[name] = plain(show, value)
    return found


def spread(code: Code, there: Sequence[TensorType], show: Show) -> Code:
    """The value in the shape that it is said to have; nothing is added where the operands have it together already."""
    wanted: TensorType = show.outputs[0]
    rank = max((tensor.rank for tensor in there), default=0)
    joined = [max((t.shape[t.rank - at].text for t in there if t.rank >= at), key=lambda d: d != 1) for at in range(rank, 0, -1)]
    if joined == [size.text for size in wanted.shape]:
        return code
    return method(code, "expand", *(show(size) for size in wanted.shape))


class Step(Layer):
    """Base: one distribution, its tensors first among the operands."""

    family: ClassVar[Family] = "distribution"
    tensors: ClassVar[int | None] = None

    distribution: Distribution
    given: Given
    shape: tuple[Size, ...] = ()  # it is repeated so often


class Draw(Step):
    """`z ~ q`. The last operand may be a tensor that tells no more than the device, where no parameter is a tensor."""

    name: ClassVar[Literal["draw"]] = "draw"
    pure: ClassVar[bool] = False

    @property
    def title(self) -> str:
        return f"~ {self.distribution.name}"

    def infer(self, see: Checker, *inputs: Any) -> TensorType:
        tensors = inputs[: len(self.given)]
        sizes = sizes_of(see, self.distribution, self.shape, tensors)
        if self.distribution.name == "categorical":
            return TensorType("int", sizes)
        return TensorType("float", (*sizes, tensors[0].shape[-1]) if self.distribution.vector else sizes)

    def forward(self, show: Show, *codes: Any) -> Code:
        p, kind = parts(show, self.distribution, self.given, codes), self.distribution
        match kind.name:
            case "normal":
                return _densities.plus(p["mean"], _densities.times(p["std"], self._noise("randn", show, codes))).code
            case "uniform":
                span = _densities.minus(p["high"], p["low"])
                return _densities.plus(p["low"], _densities.times(span, self._noise("rand", show, codes))).code
            case "gumbel":
                log = _densities.log(Part(self._exponential(show, codes)))
                return _densities.minus(p["loc"], _densities.times(p["scale"], log)).code
            case "laplace" | "logistic":
                return _densities.plus(p["mean"], _densities.times(p["scale"], self._spread(show, codes))).code
            case "bernoulli":
                return self._bernoulli(show, p, codes)
            case "relaxed_bernoulli":
                assert isinstance(kind, RelaxedBernoulli)
                noisy = _densities.plus(p["logits"], self._spread(show, codes))
                named = show.options(hard=(kind.hard, False))
                return call("relaxed", noisy.code, show.code(kind.temperature), **named)
            case "categorical":
                noise = self._noise("empty", show, codes, show.types[0].shape[-1]).code
                gumbel = method(method(noise, "exponential_"), "log")
                return method(_densities.minus(p["logits"], Part(gumbel)).code, "argmax", "dim=-1")
        assert isinstance(kind, GumbelSoftmax)
        logits = spread(p["logits"].code, show.types[:1], show)
        named = show.options(tau=(kind.temperature, 1.0), hard=(kind.hard, False))
        return call("F.gumbel_softmax", logits, **named)

    def called(self) -> str:
        return RELAXED if self.distribution.name == "relaxed_bernoulli" else ""

    def _exponential(self, show: Show, codes: Sequence[Code]) -> Code:
        """Draws of an exponential distribution, which are never 0; less than the log of one is a draw of gumbel(0, 1)."""
        return method(self._noise("empty", show, codes).code, "exponential_")

    def _spread(self, show: Show, codes: Sequence[Code]) -> Part:
        """Draws around 0 of scale 1: the difference of two exponential ones is of a laplace, that of their logs of a logistic."""
        one, other = (Part(self._exponential(show, codes)) for _ in range(2))
        if self.distribution.name == "laplace":
            return _densities.minus(one, other)
        return _densities.minus(_densities.log(one), _densities.log(other))

    def _noise(self, function: str, show: Show, codes: Sequence[Code], *further: Size) -> Part:
        """Fresh numbers in the shape of the draw, on the device of an operand and in its dtype."""
        sizes = [*show.outputs[0].shape, *further]
        for type_, code in zip(show.types, codes, strict=False):
            if type_.dtype == "float" and [size.text for size in type_.shape] == [size.text for size in sizes]:
                return Part(call(f"torch.{function}_like", code))
        texts = [show(size) for size in sizes] or ["()"]
        return Part(call(f"torch.{function}", *texts, **_where(show, codes)))

    def _bernoulli(self, show: Show, p: Parts, codes: Sequence[Code]) -> Code:
        probs = _densities.chance(p)
        if probs.tensor:
            return call("torch.bernoulli", spread(probs.code, show.types[: len(self.given)], show))
        sizes = ", ".join(show(size) for size in show.outputs[0].shape)
        shape = f"({sizes},)" if len(show.outputs[0].shape) == 1 else f"({sizes})"
        return call("torch.bernoulli", call("torch.full", shape, probs.code, **_where(show, codes)))


def _where(show: Show, codes: Sequence[Code]) -> dict[str, str]:
    """The device of the first operand, and its dtype if it is a float."""
    if not codes:
        return {}
    like = codes[0].at(ATOM)
    return {"device": f"{like}.device"} | ({"dtype": f"{like}.dtype"} if show.types[0].dtype == "float" else {})


class LogProb(Step):
    """`q.log_prob(y)`: the last operand is `y`."""

    name: ClassVar[Literal["log_prob"]] = "log_prob"

    def infer(self, see: Checker, *inputs: Any) -> TensorType:
        *tensors, y = inputs
        sizes = sizes_of(see, self.distribution, self.shape, tensors)
        match self.distribution.name:
            case "categorical":
                want_dtype(see, "log_prob of categorical", len(tensors), y, "int")
            case "bernoulli":
                want_dtype(see, "log_prob of bernoulli", len(tensors), y, "float", "int")
            case _:
                want_dtype(see, f"log_prob of {self.distribution.name}", len(tensors), y, "float")
        rule = "a value and its distribution are broadcast"
        return TensorType("float", broadcast(see, rule, [TensorType("float", sizes), y]))

    def forward(self, show: Show, *codes: Any) -> Code:
        *given, y = codes
        p = parts(show, self.distribution, self.given, given)
        if self.distribution.name == "categorical":
            return self._of_class(show, p["logits"].code, y)
        return spread(_densities.log_prob(self.distribution.name, p, Part(y)).code, show.types, show)

    def _of_class(self, show: Show, logits: Code, y: Code) -> Code:
        wanted, (classes, values) = show.outputs[0].shape, show.types
        logs = call("F.log_softmax", logits, "dim=-1")
        if [s.text for s in classes.shape[:-1]] != [s.text for s in wanted]:
            logs = method(logs, "expand", *(show(size) for size in wanted), "-1")
        if [s.text for s in values.shape] != [s.text for s in wanted]:
            y = method(y, "expand", *(show(size) for size in wanted))
        return method(method(logs, "gather", "-1", method(y, "unsqueeze", "-1")), "squeeze", "-1")


class _Read(dict[str, Part]):
    """Parameters that remember which of them are read."""

    def __init__(self, found: Parts) -> None:
        super().__init__(found)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Part:
        self.names.add(name)
        return super().__getitem__(name)


class Moment(Step):
    """`q.mean`, `q.std`, `q.variance`, `q.entropy`."""

    name: ClassVar[Literal["moment"]] = "moment"

    moment: Literal["mean", "std", "variance", "entropy"]

    @property
    def title(self) -> str:
        return self.moment

    def infer(self, see: Checker, *inputs: Any) -> TensorType:
        return TensorType("float", sizes_of(see, self.distribution, self.shape, inputs))

    def forward(self, show: Show, *codes: Any) -> Code:
        p = parts(show, self.distribution, self.given, codes)
        read = _Read(p)
        made = _densities.MOMENTS[self.moment](self.distribution.name, read)
        there = [type_ for name, type_ in zip(self.given, show.types, strict=True) if name in read.names]
        if not made.tensor:
            like = codes[0]
            return method(like, "new_full", f"({', '.join(show(size) for size in show.outputs[0].shape)},)", made.code)
        if self.distribution.vector:
            there = [TensorType("float", type_.shape[:-1]) for type_ in there]
        return spread(made.code, there, show)


class Divergence(Layer):
    """`kl(p, q)`: the tensors of `p`, then those of `q`."""

    name: ClassVar[Literal["kl"]] = "kl"
    family: ClassVar[Family] = "distribution"
    tensors: ClassVar[int | None] = None

    left: Distribution
    right: Distribution
    given: Given
    other: Given
    shape: tuple[Size, ...] = ()
    other_shape: tuple[Size, ...] = ()

    def infer(self, see: Checker, *inputs: Any) -> TensorType:
        split = len(self.given)
        here, there = inputs[:split], inputs[split:]
        a = sizes_of(see, self.left, self.shape, here)
        b = sizes_of(see, self.right, self.other_shape, there)
        if self.left.vector:
            rule = "both distributions have one number of classes"
            same_shape(see, rule, *(TensorType("float", t.shape[-1:], t.origin) for t in (here[0], there[0])))
        return TensorType("float", broadcast(see, "two distributions are broadcast", [TensorType("float", s) for s in (a, b)]))

    def forward(self, show: Show, *codes: Any) -> Code:
        split = len(self.given)
        p = parts(show, self.left, self.given, codes[:split])
        q = parts(show, self.right, self.other, codes[split:])
        types = [TensorType("float", t.shape[:-1]) if self.left.vector else t for t in show.types]
        return spread(_densities.kl(self.left.name, p, q).code, types, show)


class Choice(Layer):
    """`a if training else b`; `negated` for `not training`. One of the two may be a number."""

    name: ClassVar[Literal["choice"]] = "choice"
    family: ClassVar[Family] = "comparison"
    tensors: ClassVar[int | None] = 2
    numbers: ClassVar[bool] = True

    negated: Flag = False

    def infer(self, see: Checker, then: Any, otherwise: Any) -> TensorType:
        tensors = [given for given in (then, otherwise) if isinstance(given, TensorType)]
        if len(tensors) == 2:
            want_dtype(see, "what training chooses from", 1, tensors[1], tensors[0].dtype)
            same_shape(see, "both values that training chooses from have one shape", *tensors)
        return TensorType(tensors[0].dtype, tensors[0].shape)

    def forward(self, show: Show, then: Code, otherwise: Code) -> Code:
        codes = [then, otherwise]
        for at, type_ in enumerate(show.types):
            if not isinstance(type_, TensorType):
                codes[at] = call("torch.full_like", codes[1 - at], codes[at])
        first, second = reversed(codes) if self.negated else codes
        return Code(f"{first.at(OR)} if self.training else {second.at(CHOICE)}", CHOICE)

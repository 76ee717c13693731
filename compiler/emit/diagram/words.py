"""How sizes, shapes, numbers and layers are worded in diagrams. Nothing here knows about DOT.

A `Voice` words sizes either as the root sees them (numbers and its free dims) or as the declaration's own text does (its hyperparameters);
it remembers whether it wrote a division that rounds up, so that the picture can say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...graph import Operation, TensorType, Use
from ...layers.attention import Attend
from ...layers.base import Given, Layer, positional
from ...shapes import Dim, Size
from ...values import AxisName, Formula, Real, Truth
from ..sizes import worded
from ..summary import hypers_of

LONGEST = 48  # characters of one value, and of a line of a label
MOST = 4 * LONGEST  # characters of a label
MOST_LISTED = 4  # values of one hyperparameter that differs from level to level
SYMBOLS = {"+": "+", "-": "−", "*": "×", "/": "÷"}
GATES = {"sigmoid": "σ", "hardsigmoid": "σ", "tanh": "tanh", "exp": "exp", "relu": "relu", "softmax": "soft", "softplus": "soft+"}
POWERS = {"2": "²", "3": "³"}
HIDDEN = frozenset(
    {"init", "bias_init", "bias", "padding", "eps", "momentum", "affine", "ceil_mode"}
)  # the picture is clearer without


def short(text: str, longest: int = LONGEST) -> str:
    """Cut where it would run out of its box; what is cut says so."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def amount(number: int) -> str:
    """A number of parameters as people say it: 156, 13.3 k, 25.6 M."""
    if number < 1000:
        return str(number)
    scaled = number / 1000
    for unit in ("k", "M", "G", "T"):
        if scaled < 999.5 or unit == "T":
            break
        scaled /= 1000
    digits = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
    return f"{scaled:.{digits}f} {unit}"


@dataclass
class Voice:
    """`own` words sizes over the declaration's names; otherwise they are worded over the root's."""

    own: bool = False
    rounded_up: bool = False

    def size(self, size: Size) -> str:
        return self.dim(size.text if self.own else size.value)

    def dim(self, dim: Dim) -> str:
        return short(worded(dim, self._up))

    def _up(self, left: str, right: str) -> str:
        self.rounded_up = True
        return f"{left}/{right}"

    def shape(self, tensor: TensorType) -> str:
        dims = ", ".join(self.size(size) for size in tensor.shape)
        return f"[{dims}]" if tensor.dtype == "float" else f"{tensor.dtype}[{dims}]"

    def value(self, value: Any) -> str:
        """Any compile-time value, briefly."""
        match value:
            case bool():
                return "true" if value else "false"
            case None:
                return "none"
            case Size():
                return self.size(value)
            case Real():
                return self._text(value)
            case AxisName() | Truth() | str() | int():
                return short(str(value))
            case float():
                return f"{value:g}"
            case tuple() | list():
                shown = [self.value(item) for item in value[:6]] + (["…"] if len(value) > 6 else [])
                return f"[{', '.join(shown)}]"
            case Operation():
                return value.title
        return short(self._callable(value))

    def _callable(self, value: Any) -> str:
        """A list of the elaborator, a piece of an index, or something callable that a part was given: a layer, a part, a flow."""
        if hasattr(value, "title"):
            return str(value.title)
        if isinstance(getattr(value, "items", None), tuple):
            return self.value(value.items)
        if hasattr(value, "layer"):
            given = [self.value(argument) for argument in value.arguments.values()]
            return f"{value.layer.name}({', '.join(given)})" if given else str(value.layer.name)
        if hasattr(value, "declared"):
            return str(value.declared.node.name.text)
        return "a flow"

    def _text(self, real: Real) -> str:
        text = real.text
        return str(text.args[0]) if self.own and isinstance(text, Formula) and text.op == "name" else str(real)


# Layers and parts -----------------------------------------------------------------------------------------------------


def layer_size(layer: Layer, inputs: tuple[Given, ...], outputs: tuple[TensorType, ...], voice: Voice) -> str:
    """What stands in grey behind the name of a layer: `3×3, 64, stride 2`, `120 → 84`, `0.1`."""
    if isinstance(layer, Attend):
        return _heads(layer, inputs, voice)
    inner = getattr(layer, "layer", None)
    if isinstance(inner, Layer):
        return f"{inner.name} {layer_size(inner, inputs, outputs, voice)}"
    tensors = [tensor for tensor in inputs if isinstance(tensor, TensorType)]
    if layer.family == "linear" and layer.owns and tensors and tensors[0].rank and outputs[0].rank:
        joined = tensors[0].shape[-1]
        for tensor in tensors[1:]:
            joined = joined + tensor.shape[-1]
        return f"{voice.size(joined)} → {voice.size(outputs[0].shape[-1])}"
    if layer.family in ("convolution", "pooling") and hasattr(layer, "kernel_size") and tensors:
        return _window(layer, tensors[0], outputs[0], voice)
    fixed, named = [], []
    for name in positional(type(layer)):
        value, field = getattr(layer, name), type(layer).model_fields[name]
        if field.required:
            fixed.append(voice.value(value))
        elif name not in HIDDEN and value != field.default:
            named.append(_named(name, value, voice))
    if layer.family == "embedding" and len(fixed) == 2:
        fixed = [" → ".join(fixed)]
    return short(", ".join(fixed + named), MOST)


def _heads(layer: Attend, inputs: tuple[Given, ...], voice: Voice) -> str:
    """`8 heads of 64, 2 key heads, each for 4`."""
    q, k = (given for given in inputs[:2] if isinstance(given, TensorType))
    heads, shared = layer.counts(q, k)
    width = q.shape[-1] // heads if q.rank == 3 else q.shape[-1]
    said = f"{voice.size(heads)} head{'' if heads.value == 1 else 's'} of {voice.size(width)}"
    if shared.value != heads.value:
        ratio = heads // shared
        said += f", {voice.size(shared)} key head{'' if shared.value == 1 else 's'}, each for {voice.size(ratio)}"
    return short(said, MOST)


def _window(layer: Layer, given: TensorType, made: TensorType, voice: Voice) -> str:
    rank = max(given.rank - 2, 1)

    def axes(value: Any) -> str:
        sizes = [voice.value(size) for size in (value if isinstance(value, tuple) else (value,) * rank)]
        return "×".join(sizes)

    kernel, stride = axes(getattr(layer, "kernel_size", 1)), getattr(layer, "stride", None)
    words = [kernel]
    if layer.family == "convolution" and made.rank > 1:
        words.append(voice.size(made.shape[1]))
    usual = kernel if layer.family == "pooling" else axes(1)
    if stride is not None and axes(stride) != usual:
        words.append(_named("stride", stride, voice))
    for name, default in (("dilation", 1), ("groups", 1)):
        value = getattr(layer, name, None)
        if value is not None and axes(value) != axes(default):
            words.append(f"{name} {voice.value(value)}")
    return short(", ".join(words), MOST)


def part_size(arguments: Mapping[str, Any], voice: Voice) -> str:
    """What stands behind the name of a declared part: `width 64, stride 2`."""
    return short(", ".join(_named(name, value, voice) for name, value in arguments.items()), MOST)


def parts_size(parts: Sequence[tuple[Use, int]], voice: Voice) -> str:
    """The same for a run of levels that are one part, each with how many there are: what differs is listed, `width 64, 128`."""
    given = [hypers_of(use.graph, use.arguments) for use, _ in parts]
    named = dict.fromkeys(name for arguments in given for name in arguments)
    shown = []
    for name in named:
        values = [(_hyper(use, name), many) for use, many in parts]
        same = len({voice.value(value) for value, _ in values}) == 1
        shown.append(_named(name, values[0][0], voice) if same else f"{name} {_listed(values, voice)}")
    return short(", ".join(shown), MOST)


def _hyper(use: Use, name: str) -> Any:
    if name in use.arguments:
        return use.arguments[name]
    return next((hyper.value for hyper in use.graph.hypers if hyper.name == name), None)


def levels_size(arguments: Sequence[tuple[Mapping[str, Any], int]], voice: Voice) -> str:
    """What stands behind a run of levels of a list: `i = 0, n = 3`; `i = 1, 2, 3` where they differ."""
    names = dict.fromkeys(name for given, _ in arguments for name in given)
    shown = (f"{name} = {_listed([(given[name], many) for given, many in arguments], voice)}" for name in names)
    return short(", ".join(shown), MOST)


def _listed(values: Sequence[tuple[Any, int]], voice: Voice) -> str:
    """A value a level; one where all are the same; the first two and the last where there are many."""
    shown = [voice.value(value) for value, many in values for _ in range(min(many, MOST_LISTED + 1))]
    if len(set(shown)) == 1:
        return shown[0]
    return ", ".join(shown if len(shown) <= MOST_LISTED else [*shown[:2], "…", shown[-1]])


def _named(name: str, value: Any, voice: Voice) -> str:
    if isinstance(value, bool):
        return name if value else f"no {name}"
    shown = voice.value(value)
    return name if shown == name else f"{name} {shown}"


def number_step(layer: Layer, inputs: tuple[Given, ...], voice: Voice) -> str | None:
    """Arithmetic with a number, as a formula of x: `x ** 2`, `1 − x`; none for what has no number in it."""
    if (
        layer.family not in ("arithmetic", "comparison")
        or len(inputs) != 2
        or all(isinstance(given, TensorType) for given in inputs)
    ):
        return None
    left, right = ("x" if isinstance(given, TensorType) else voice.value(given) for given in inputs)
    if layer.name == "**" and right in POWERS:
        return f"{left}{POWERS[right]}"
    return f"{left} {SYMBOLS.get(layer.name, layer.name)} {right}"

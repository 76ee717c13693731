"""Layers that surely do not do what was meant: a bias that a norm removes, dense on an image, time for channels, one thing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...dsl import ast
from ...dsl.diagnostic import Fault
from ...dsl.span import Span
from ..errors.advice import BiasBeforeNorm, DenseOnImage, NothingBetween, OneAlone, SameTwice, TimeAsChannels
from ..graph import Graph, Input, Node, Ref, TensorType
from ..layers.base import Layer, Owner
from .flow import Flow, Made, axis_of, maker
from .text import Texts, Written

BIASED = frozenset({"conv", "conv_transpose", "depthwise", "dense"})
CENTRING = frozenset({"batch_norm", "instance_norm"})
SLIDING = frozenset(
    """
    conv conv_transpose depthwise max_pool avg_pool lp_pool adaptive_avg_pool adaptive_max_pool global_avg_pool global_max_pool
    batch_norm instance_norm channel_dropout
    """.split()
)
TIME = frozenset({"T", "S"})
TWICE = frozenset(
    """
    relu relu6 leaky_relu elu selu celu gelu silu mish tanh sigmoid hardsigmoid hardswish hardtanh softplus softmax log_softmax
    """.split()
)
CONSTANT = {"softmax": ("1", "sigmoid"), "log_softmax": ("0", "logsigmoid"), "softmin": ("1", "sigmoid")}
SMALLEST_IMAGE = 8


def advice(flow: Flow, texts: Texts) -> Iterator[Fault]:
    """What there is to say of each step of a graph."""
    for node in flow.graph.nodes:
        if isinstance(node.op, Layer) and node.inputs and isinstance(ref := node.inputs[0], Ref):
            for look in LOOKS.get(node.op.name, ()):
                yield from look(flow, node, flow.graph.type_of(ref), texts)


def _bias(flow: Flow, node: Node, x: TensorType, texts: Texts) -> Iterator[Fault]:
    """A layer with a bias, and directly behind it what subtracts the mean of each channel."""
    before = flow.only_reader(node)
    if before is None or not isinstance(before.layer, Owner) or before.layer.name not in BIASED or not before.layer.biased:
        return
    if before.layer.name == "dense" and x.rank != 2:  # the norm is then over another dim than the bias
        return
    norm, made = texts.of(node), texts.of(before.node)
    if norm is None or made is None or norm.branch != made.branch:
        return
    said = made.argument("bias")
    if said is not None and not (isinstance(said.value, ast.Literal_) and said.value.value is True):
        return  # it depends on something
    mend = () if before.layer.bias_init is not None else made.given("bias", "false")
    yield BiasBeforeNorm(before.node.span, before.layer.name, norm.callee.id, node.span, mend)


def _empty_rows(flow: Flow, node: Node, x: TensorType, texts: Texts) -> Iterator[Fault]:
    """A mask that hides all keys from some queries."""
    from ..attention.empty import empty_rows
    from ..errors.attention import EmptyRows

    mask = getattr(node.op, "mask", None)
    if mask is None:
        return
    queries, keys = (flow.graph.type_of(ref).shape[-2] for ref in node.refs[:2])
    if which := empty_rows(mask, square=queries.value == keys.value):
        yield EmptyRows(node.span, mask.text, which)


def _image(flow: Flow, node: Node, x: TensorType, texts: Texts) -> Iterator[Fault]:
    """dense where the last dim is the width of an image."""
    if x.rank not in (4, 5) or len(node.refs) != 1:
        return
    made, written = _image_made(flow.graph, node.refs[0]), texts.of(node)
    if made is None or written is None:
        return
    fixed = all(size.number is not None for size in x.shape[1:])
    yield DenseOnImage(node.span, str(x), made, written.preceded("flatten" if fixed else "global_avg_pool"))


def _image_made(graph: Graph, ref: Ref) -> Span | None:
    """Where an image `[B, C, *spatial]` comes from, if it surely is one."""

    def same_layout(layer: Layer) -> bool:
        elementwise = layer.family == "activation" and layer.name != "glu"
        return elementwise or layer.family == "dropout" or layer.name in CENTRING

    made = maker(graph, ref, same_layout)
    if isinstance(made, Made):
        return made.node.span if made.layer.family in ("convolution", "pooling") else None
    if made is None or not isinstance(made.op, Input) or graph.kind not in ("model", "block") or made.type.rank != 4:
        return None
    channels, height, width = made.type.shape[1:]
    names = [size.text.symbol or "" for size in (channels, height, width)]
    by_name = names[0] in ("C", "channels") and names[1:] == ["H", "W"]
    square = height.number == width.number and (height.number or 0) >= SMALLEST_IMAGE
    by_size = graph.kind == "model" and channels.number in (1, 3) and square
    return made.span if by_name or by_size else None


def _time(flow: Flow, node: Node, x: TensorType, texts: Texts) -> Iterator[Fault]:
    """What takes dim 1 for channels, where it is called T or S."""
    if x.rank != 3 or not isinstance(node.op, Layer):
        return
    name = next((s for s in (x.shape[1].value.symbol, x.shape[1].text.symbol) if s in TIME), None)
    if name is None or _window(node.op) == 1 or (written := texts.of(node)) is None:
        return
    flat = node.type.rank != 3
    shown = f"[{', '.join(str(size.text if size.text.symbol in TIME else size.value) for size in x.shape)}]"
    mend = written.preceded("transpose(1, 2)") if flat else written.wrapped("transpose(1, 2)", "transpose(1, 2)")
    yield TimeAsChannels(node.span, node.op.name, name, shown, mend)


def _window(layer: Layer) -> int | None:
    """The size of the window of a convolution, where all its sizes are one number."""
    kernel = getattr(layer, "kernel_size", None)
    sizes = kernel if isinstance(kernel, tuple) else (kernel,)
    numbers = {getattr(size, "number", None) for size in sizes}
    return numbers.pop() if layer.family == "convolution" and len(numbers) == 1 else None


def _twice(flow: Flow, node: Node, x: TensorType, texts: Texts) -> Iterator[Fault]:
    """The same activation, with the same arguments, directly before."""
    before = flow.graph.nodes[node.refs[0].node]
    if type(before.op) is not type(node.op) or before.op != node.op:
        return
    first, second = texts.of(before), texts.of(node)
    if first is not None and second is not None and first.branch == second.branch:
        yield SameTwice(node.span, second.callee.id, before.span, second.removed())


def _between(flow: Flow, node: Node, x: TensorType, texts: Texts) -> Iterator[Fault]:
    """dense directly behind dense, in one flow, where the middle is no bottleneck."""
    before = flow.only_reader(node)
    if before is None or before.layer.name != "dense" or len(node.refs) != 1 or len(before.node.refs) != 1:
        return
    assert isinstance(node.op, Owner)
    given = flow.graph.type_of(before.node.refs[0]).shape[-1].number
    middle, last = x.shape[-1].number, node.type.shape[-1].number
    if given is None or middle is None or last is None or middle < min(given, last) or not node.op.biased:
        return
    first, second = texts.of(before.node), texts.of(node)
    if first is None or second is None or node.owner or flow.keys[node.key or ""] != 1:
        return
    if _neighbours(first, second):
        yield NothingBetween(node.span, before.node.span, second.preceded("relu"))


def _neighbours(first: Written, second: Written) -> bool:
    """Two steps of one flow, one after the other, neither with a name of its own."""
    one, other = first.flow, second.flow
    return one is not None and other is not None and one[0] is other[0] and one[1] + 1 == other[1]


def _alone(flow: Flow, node: Node, x: TensorType, texts: Texts) -> Iterator[Fault]:
    """A softmax over a dim that the text makes 1."""
    assert isinstance(node.op, Layer)
    at = axis_of(getattr(node.op, "dim", None), x)
    if at is None or x.shape[at].text.constant != 1:
        return
    written = texts.of(node)
    if written is None:
        return
    always, instead = CONSTANT[node.op.name]
    plain = written.node is written.callee
    yield OneAlone(node.span, node.op.name, f"dim {at}", str(x), always, instead, written.renamed(instead) if plain else ())


Look = Callable[[Flow, Node, TensorType, Texts], Iterator[Fault]]
LOOKS: dict[str, list[Look]] = {"dense": [_image, _between], "attend": [_empty_rows]}
for _names, _look in ((CENTRING, _bias), (SLIDING, _time), (TWICE, _twice), (CONSTANT, _alone)):
    for _name in _names:
        LOOKS.setdefault(_name, []).append(_look)

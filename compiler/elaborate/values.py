"""What an expression is while a body is elaborated: a tensor of the graph, a compile-time value, or something callable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, dataclass_transform

from ...dsl import ast
from ...dsl.span import Span
from ..graph import Ref, TensorType
from ..layers.base import Layer
from ..resolve import Declared
from ..shapes import Size
from ..values import AxisName, Formula, Real, Text, Truth, formula, names_of

if TYPE_CHECKING:
    from ..layers import distributions
    from .body import Body


Class = TypeVar("Class")


@dataclass_transform(frozen_default=True, eq_default=False)
def fact(cls: type[Class]) -> type[Class]:
    """A frozen dataclass to the checker; at run time only `__init__` is made, since every start pays for what is made."""
    return dataclass(eq=False, repr=False)(cls)


class Poison:
    """The value of what was already reported; everything made from it is silent."""

    def __repr__(self) -> str:
        return "poison"


POISON = Poison()


@fact
class Tensor:
    """An output of a node of `body`."""

    body: Body
    ref: Ref
    type: TensorType
    name: str | None = None


@fact
class TextColumn:
    """A column of texts in a source of data: it can be compared with a word, filled, and made into `categories`."""

    name: str


@fact
class Outputs:
    """What a call with several outputs gives: its first where one value is wanted."""

    items: tuple[Value, ...]


@fact
class Group:
    """A written tuple: passes several values."""

    items: tuple[Value, ...]


@fact
class Items:
    """A list, of numbers, callables, tensors or lists. A list of tensors that a stack collected is one too."""

    items: tuple[Value, ...]


@fact
class LayerRecipe:
    """A layer or op with arguments but no tensors yet. `built` is false for a bare name such as `relu`."""

    layer: type[Layer]
    arguments: dict[str, Value]
    occurrence: ast.Node
    call: ast.Call | None = None
    built: bool = False


@fact
class PartRecipe:
    """A declared part with hyperparameters but no tensors yet."""

    declared: Declared
    arguments: dict[str, Value]
    occurrence: ast.Node
    call: ast.Call | None = None
    built: bool = False


@fact
class FlowRecipe:
    """A composed callable: steps to be threaded, evaluated in the body they were written in."""

    flow: ast.Flow
    body: Body
    occurrence: ast.Node
    closure: Scope | None = None  # where it was given to a part: what its names stand for, without texts
    then: dict[str, Value] = field(default_factory=dict)  # the callables that its names stood for when it was written


@fact
class StackRecipe:
    """`stack n { … }` without its input."""

    stack: ast.Stack
    body: Body
    occurrence: ast.Node
    closure: Scope | None = None
    then: dict[str, Value] = field(default_factory=dict)


@fact
class OverRecipe:
    """`over(T, f)`: a callable at every place of a dim, with one set of weights."""

    dim: Value
    recipe: Callable_
    occurrence: ast.Node


@fact
class Fields:
    """A record, `{a: x}`: values with names."""

    items: dict[str, Value]


@fact
class Recurring:
    """The name `recur` or `bidirectional`, which waits for its cell."""

    kind: Literal["recur", "bidirectional"]
    occurrence: ast.Node


@fact
class RecurRecipe:
    """`recur(Cell(…), options)` without its tensors. Options by name, with their places."""

    kind: Literal["recur", "bidirectional"]
    cell: PartRecipe
    options: dict[str, tuple[Value, Span]]
    occurrence: ast.Node
    shared: Shared | None = None  # whose weights are the cell's


@fact
class States:
    """The last states of a cell, by their names."""

    cell: str
    items: dict[str, Tensor]


@fact
class Shared:
    """`layer f = …`: a callable that owns its weights, one set for all uses."""

    key: str
    recipe: Recipe
    body: Body
    span: Span


@fact
class Distribution:
    """A distribution: its kind with the parameters that are numbers, those that are tensors by name, and how often it is repeated."""

    kind: distributions.Distribution
    given: dict[str, Tensor]
    shape: tuple[Size, ...]
    span: Span


@fact
class Method:
    """`q.log_prob`, waiting for its tensor."""

    distribution: Distribution
    name: str


@fact
class Mode:
    """`training`, or with `negated` its opposite: known only when the model runs."""

    negated: bool = False


@fact
class Averaged:
    """`ema(f, decay=0.996)`, to be named by `layer`."""

    source: Shared
    decay: float
    span: Span


@fact
class Function:
    """A compile-time function: `len`, `range`, `sqrt`."""

    name: str


@fact
class IndexFunction:
    """`mask[i, j] = …`: an equation with the names that it sees, written out where it is used."""

    node: ast.IndexFunction
    scope: Scope


Recipe = LayerRecipe | PartRecipe | FlowRecipe | StackRecipe | OverRecipe | RecurRecipe
Callable_ = Recipe | Recurring | Shared | Function
Value = Any  # one of the above, Size, Real, Truth, bool, str, None, AxisName, Poison

Places = Mapping[int | str, Span]  # where operands and arguments stand

CALLABLES = (LayerRecipe, PartRecipe, FlowRecipe, StackRecipe, OverRecipe, RecurRecipe, Recurring, Shared, Function)


def restamped(value: Value, occurrence: ast.Node) -> Value:
    """A recipe looked up by a name counts as written where the name stands: each use builds anew."""
    return replace(value, occurrence=occurrence) if isinstance(value, Recipe) else value


def describe(value: Value) -> str:
    """A value in a message: `a tensor [B, 64]`, `the number 7`, `the layer conv`."""
    match value:
        case Tensor():
            return f"a tensor {value.type}"
        case TextColumn():
            return f"the column {value.name}, which holds texts: categories({value.name}) makes classes of it"
        case TensorType():
            return f"a tensor {value}"
        case Size():
            return f"the number {value.value}" if value.number is not None else f"the dim {value.value}"
        case Real():
            return f"the number {value}"
        case bool():
            return "true" if value else "false"
        case Truth():
            return "a condition"
        case None:
            return "none"
        case str():
            return f'the text "{value}"'
        case Items():
            return "a list"
        case Group():
            return "a tuple"
        case Outputs():
            return describe(value.items[0])
        case LayerRecipe():
            return f"the {'distribution' if value.layer.family == 'distribution' else 'layer'} {value.layer.name}"
        case PartRecipe():
            return f"the {value.declared.node.kind} {value.declared.node.name.text}"
        case FlowRecipe():
            return "a composed callable"
        case StackRecipe():
            return f"a {value.stack.kind}"
        case RecurRecipe():
            return f"a {value.kind} of {value.cell.declared.node.name.text}"
        case Recurring():
            return f"{value.kind} without a cell"
        case States():
            return f"the last state of {value.cell}"
        case OverRecipe():
            return "a callable over a dim"
        case Fields():
            return f"a record of {', '.join(value.items)}"
        case Shared():
            return f"the layer {value.key}"
        case Function():
            return f"the function {value.name}"
        case Distribution():
            return f"the distribution {value.kind.name}"
        case Method():
            return f"{value.name} of a distribution"
        case Mode():
            return "not training" if value.negated else "training"
        case Averaged():
            return f"the average of {value.source.key}"
        case AxisName():
            return f"the dim {value.name}"
        case IndexFunction():
            return f"the index function {value.node.name.text}"
    return "this"


def names_in(value: Value) -> frozenset[str]:
    """The hyperparameters and dims whose text a compile-time value holds."""
    match value:
        case Size() | Real() | Truth():
            return names_of(value.text)
        case Items() | Group():
            return frozenset().union(*(names_in(item) for item in value.items))
        case LayerRecipe() | PartRecipe():
            return frozenset().union(*(names_in(item) for item in value.arguments.values()))
    return frozenset()


def without_text(value: Value) -> Value:
    """The value with numbers for texts: for what is passed where the names of its text mean nothing."""
    match value:
        case Size():
            return Size(value.value, value.value)
        case Real():
            return Real.of(value.value)
        case Items():
            return Items(tuple(without_text(item) for item in value.items))
        case LayerRecipe() | PartRecipe():
            return replace(value, arguments={name: without_text(item) for name, item in value.arguments.items()})
    return value


def fixed(names: frozenset[str]) -> Text:
    """The assumption that these hyperparameters keep the values they have."""
    return formula("fixed", *(Formula("name", (name,)) for name in sorted(names)))


def value_key(value: Value) -> object:
    """Equal for values that make equal graphs."""
    match value:
        case Size():
            return value.value
        case Real():
            return value.value
        case Truth():
            return value.value
        case Items() | Group():
            return tuple(value_key(item) for item in value.items)
        case Fields():
            return tuple((name, value_key(item)) for name, item in value.items.items())
        case OverRecipe():
            return (id(value.occurrence), value_key(value.dim), value_key(value.recipe))
        case LayerRecipe():
            return (value.layer, tuple((name, value_key(item)) for name, item in sorted(value.arguments.items())))
        case PartRecipe():
            return (id(value.declared.node), tuple((name, value_key(item)) for name, item in sorted(value.arguments.items())))
        case FlowRecipe() | StackRecipe():
            node = value.flow if isinstance(value, FlowRecipe) else value.stack
            names = value.closure.names if value.closure is not None else {}
            return (id(node), value.body, tuple((name, value_key(item)) for name, item in sorted(names.items())))
        case Shared():
            return (value.key, value.body)
        case bool() | str() | None | AxisName():
            return value
    return id(value)


def type_key(tensor: TensorType) -> object:
    return (tensor.dtype, tuple(size.value for size in tensor.shape))


@dataclass
class Scope:
    """Names of a body, over those of the body around it."""

    outer: Scope | None = None
    names: dict[str, Value] = field(default_factory=dict)

    def within(self, outer: Scope | None) -> set[str]:
        """The names of the scopes between `outer` and here, this one's too; all that can be seen where `outer` is none."""
        found: set[str] = set()
        scope: Scope | None = self
        while scope is not None and scope is not outer:
            found |= scope.names.keys()
            scope = scope.outer
        return found

    def get(self, name: str) -> Value:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return MISSING


class Missing:
    pass


MISSING = Missing()

"""A graph under construction: nodes, names, keys, and what was assumed on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ...dsl import ast
from ...dsl.diagnostic import Fault
from ...dsl.span import NOWHERE, Span
from ..errors.calls import TooLarge
from ..graph import Assertion, Assumption, Axis, Edge, Graph, Input, Node, Operand, Operation, Ref, TensorType
from ..layers.base import Layer, Owner, Refusal
from ..shapes import Dim, Size
from ..values import Text, conjuncts, formula, is_proved
from .values import LayerRecipe, Scope, Tensor, Value

if TYPE_CHECKING:
    from ..resolve import Declared, Unit
    from .elaborator import Elaborator

MAX_NODES = 1_000_000
Hook = Callable[["Body", tuple[Value, ...], Span, LayerRecipe], Value]
"""What a layer means here, applied to these operands; none where it means what it always does."""


@dataclass(eq=False)
class Body:
    """What is being built. A level of a stack is a body of its own, whose `outer` is the one the stack stands in."""

    elaborator: Elaborator
    unit: Unit
    name: str
    keys: dict[int, str]  # by the identity of the node of the text that builds
    outer: Body | None = None
    scope: Scope = field(default_factory=Scope)
    user: Body | None = None  # of a part: the body that uses it, which may lend it modules
    declared: Declared | None = None
    nodes: list[Node] = field(default_factory=list)
    dims: dict[str, Axis] = field(default_factory=dict)
    sizes: dict[str, Size] = field(default_factory=dict)  # the dims of the signature by their names
    rest: tuple[Size, ...] | None = None  # what `...` of the signature stands for
    constants: dict[str, Value] = field(default_factory=dict)  # hyperparameters that are no numbers: reading one fixes it
    assumptions: dict[Text, str] = field(default_factory=dict)
    assertions: list[Assertion] = field(default_factory=list)
    decided: list[str] = field(default_factory=list)
    captured: dict[tuple[int, Ref], Tensor] = field(default_factory=dict)
    captures: list[Tensor] = field(default_factory=list)  # of the outer body, in the order of the inputs made for them
    primes: dict[str, Tensor] = field(default_factory=dict)
    carried: frozenset[str] = frozenset()
    states: dict[str, Tensor] | None = None  # of a cell, by name; none for what is no cell
    buffers: dict[str, tuple[Tensor, Span]] = field(default_factory=dict)  # those declared here, with their places
    learned: dict[str, tuple[Span, Span]] = field(default_factory=dict)  # params: where their names and their keywords stand
    penalties: set[str] = field(default_factory=set)
    charged: dict[str, Tensor] = field(default_factory=dict)  # of a cell: its penalties at one step, [B, 1] each
    players: dict[str, Span] = field(default_factory=dict)  # of a game, with the places of their names
    minimizing: set[str] = field(default_factory=set)  # players that have an objective, sound or not
    objectives: list[tuple[tuple[str, ...], Tensor, Span]] = field(default_factory=list)
    averages: dict[str, tuple[str, float, Span]] = field(default_factory=dict)  # `layer key = ema(source)`
    signature: list[tuple[Dim, Axis]] = field(default_factory=list)  # what the types of the inputs must equal, by axis
    defaults: dict[str, Value] = field(default_factory=dict)  # hyperparameters that were not given, in the part's own text
    owned: dict[str, tuple[object, Span]] = field(default_factory=dict)  # layer by key: what it is, for sharing
    extra_keys: Counter[str] = field(default_factory=Counter)
    threaded: set[int] = field(default_factory=set)  # composed callables that were used: a second use builds anew
    anew: frozenset[int] = frozenset()  # nodes whose keys another use of their composed callable has
    sharing: Body | None = None  # the body of the `layer` whose composed callable is at work: its keys are used again
    shared_parts: dict[str, tuple[Graph, Span]] = field(default_factory=dict)  # of `layer f = Part(…)`, the first use
    poisoned: bool = False
    function: bool = False  # of data or of a program: it has no weights
    rows: bool = False  # columns of data: dim numbers are of one row
    hooks: Mapping[str, Hook] = field(default_factory=dict)  # layers that mean something of their own here

    def root(self) -> Body:
        return self if self.outer is None else self.outer.root()

    def report(self, fault: Fault) -> None:
        self.poisoned = True
        if not self.elaborator.is_guess(fault):
            self.elaborator.report(fault)

    # Assumptions ------------------------------------------------------------------------------------------------------

    def assume(self, condition: Text, reason: str) -> None:
        """The text relies on `condition`, which was decided with the values."""
        if condition is not True and condition not in self.assumptions and not is_proved(condition):
            self.assumptions[condition] = reason

    def assumed(self) -> tuple[Assumption, ...]:
        return tuple(Assumption(condition=condition, reason=reason) for condition, reason in self.assumptions.items())

    def same(self, left: Size, right: Size) -> bool:
        """One number, for all values of the free dims; remembered for the text."""
        if left.value != right.value and not self.elaborator.facts.equal(left.value, right.value):
            return False
        if left.text != right.text:
            self.assume(formula("==", left.text, right.text), "two sizes that must agree")
        return True

    def simplest(self, size: Size) -> Size:
        """`D // heads * heads` is D, where heads is known to divide D."""
        value, text = size.value, size.text
        if value.has_quotients:
            value = value.cancelled(self.elaborator.facts.divides)
        if text.has_quotients:
            text = text.cancelled(self._divides_in_text)
        return size if value is size.value and text is size.text else Size(value, text)

    def _divides_in_text(self, divisor: Dim, dim: Dim) -> bool:
        """Does the text rely on it, or check it?"""
        condition = formula("==", dim % divisor, Dim.of(0))
        checked = (part for assertion in self.assertions for part in conjuncts(assertion.condition))
        return condition is True or condition in self.assumptions or condition in checked

    def _simplified(self, type_: TensorType) -> TensorType:
        if not any(size.value.has_quotients or size.text.has_quotients for size in type_.shape):
            return type_
        return TensorType(type_.dtype, tuple(self.simplest(size) for size in type_.shape), type_.origin)

    def holds(self, op: str, left: Size, right: Size) -> bool | None:
        condition = self.elaborator.facts.decide(op, left.value, right.value)
        if condition is not None:
            text = formula(op, left.text, right.text)
            self.assume(text if condition else formula("not", text), "a relation of sizes")
        return condition

    def divides(self, divisor: Size, size: Size) -> bool | None:
        return self.holds("==", size % divisor, Size.of(0))

    # Nodes ------------------------------------------------------------------------------------------------------------

    def add(
        self,
        op: Operation,
        inputs: tuple[Operand, ...],
        types: tuple[TensorType, ...],
        span: Span,
        key: str | None = None,
        *,
        named: bool = False,
        owner: int = 0,
    ) -> int:
        """A node; its number."""
        if len(self.nodes) >= MAX_NODES:
            raise Refusal(TooLarge(span, f"{self.name} has more than {MAX_NODES:,} steps"))
        outputs = tuple(Edge(type=_placed(self._simplified(type_), span)) for type_ in types)
        node = Node(op=op, inputs=inputs, outputs=outputs, key=key, span=span, named=named, owner=owner, gate=False)
        self.nodes.append(node)
        return len(self.nodes) - 1

    def tensor(self, number: int, output: int = 0, name: str | None = None) -> Tensor:
        return Tensor(self, Ref(number, output), self.nodes[number].outputs[output].type, name)

    def input(self, name: str, type_: TensorType, span: Span) -> Tensor:
        number = self.add(Input(name=name), (), (type_,), span)
        self.label(number, 0, name)
        return self.tensor(number, 0, name)

    def label(self, number: int, output: int, name: str) -> None:
        """Name an output of a node, unless the text has named it before."""
        node = self.nodes[number]
        if node.outputs[output].name is None:
            edges = list(node.outputs)
            edges[output] = Edge(type=edges[output].type, name=name)
            self.nodes[number] = node.model_copy(update={"outputs": tuple(edges)})

    def mark_gate(self, number: int) -> None:
        self.nodes[number] = self.nodes[number].model_copy(update={"gate": True})

    def local(self, tensor: Tensor) -> Tensor:
        """The tensor as seen from this body: a tensor of a body around it comes in as an input."""
        if tensor.body is self:
            return tensor
        known = self.captured.get((id(tensor.body), tensor.ref))
        if known is None:
            assert self.outer is not None, "a tensor of a body that is not around this one"
            outer = self.outer.local(tensor)
            known = self.input(tensor.name or f"input{len(self.captures) + 1}", tensor.type, tensor.type.origin)
            self.captures.append(outer)
            self.captured[(id(tensor.body), tensor.ref)] = known
        return known

    def key(self, occurrence: ast.Node, kind: str) -> tuple[str, int]:
        """The key of what is built at this place of the text, and how many bodies up it stands."""
        home = self.sharing
        if home is None:
            return self._own_key(occurrence, kind), 0
        key = home.keys.setdefault(id(occurrence), home.keys.get(id(occurrence)) or home._own_key(occurrence, kind))
        return key, self.levels_up(home)

    def _own_key(self, occurrence: ast.Node, kind: str) -> str:
        """A recipe used again by name counts its uses."""
        found = self.keys.get(id(occurrence)) if id(occurrence) not in self.anew else None
        if found is not None:
            return found
        base = occurrence.id if isinstance(occurrence, ast.Name) else kind
        while True:
            self.extra_keys[base] += 1
            if (key := f"{base}{self.extra_keys[base]}") not in self.written_keys:
                return key

    @cached_property
    def written_keys(self) -> frozenset[str]:
        """The keys that the text gives, which none that is counted may take."""
        return frozenset(self.keys.values())

    def inside(self, other: Body) -> bool:
        """Is this `other`, or a level of a stack in it?"""
        return self is other or (self.outer is not None and self.outer.inside(other))

    @property
    def holder(self) -> Body | None:
        """The body one up: the one a level stands in, or the one that uses a part."""
        return self.outer or self.user

    def levels_up(self, other: Body) -> int:
        """How many bodies up `other` stands; 0 for this one."""
        body, up = self, 0
        while body is not other:
            assert body.holder is not None, "a layer of a body that is not around this one"
            body, up = body.holder, up + 1
        return up

    def up(self, levels: int) -> Body:
        """The body so many bodies up."""
        return self if levels == 0 or self.holder is None else self.holder.up(levels - 1)

    @property
    def depth(self) -> int:
        """How many bodies are above this one."""
        return 0 if self.holder is None else self.holder.depth + 1

    def operands(self, values: tuple[Value, ...]) -> tuple[Operand, ...]:
        return tuple(self.local(value).ref if isinstance(value, Tensor) else value for value in values)


def _placed(type_: TensorType, span: Span) -> TensorType:
    return type_ if type_.origin != NOWHERE else TensorType(type_.dtype, type_.shape, span)


class LayerChecker:
    """What a layer may ask while it infers (see `layers.base.Checker`)."""

    def __init__(self, body: Body, values: tuple[Value, ...], places: dict[int | str, Span], span: Span) -> None:
        self.body, self.values, self.places, self.span = body, values, places, span

    def place(self, which: int | str) -> Span:
        return self.places.get(which, self.span)

    def origin(self, which: int, axis: int) -> Span:
        """Back through the steps that handed the size on unchanged, to the one that made it."""
        value = self.values[which]
        if not isinstance(value, Tensor):
            return self.place(which)
        body, ref = value.body, value.ref
        rank = value.type.rank
        from_end = (axis % rank) - rank
        size = value.type.shape[axis].value
        while True:
            node = body.nodes[ref.node]
            before = [r for r in node.refs if _has(body, r, from_end, size)]
            if not before or isinstance(node.op, Input) or _sets(node.op, from_end):
                return node.type.origin if node.type.origin != NOWHERE else node.span
            ref = before[0]

    def same(self, left: Size, right: Size) -> bool:
        return self.body.same(left, right)

    def holds(self, op: str, left: Size, right: Size) -> bool | None:
        return self.body.holds(op, left, right)

    def divides(self, divisor: Size, size: Size) -> bool | None:
        return self.body.divides(divisor, size)


def _has(body: Body, ref: Ref, from_end: int, size: Dim) -> bool:
    shape = body.nodes[ref.node].outputs[ref.output].type.shape
    return len(shape) >= -from_end and shape[from_end].value == size


def _sets(op: Operation, from_end: int) -> bool:
    """Layers with weights make their width, though the number may be that of what came in."""
    if not isinstance(op, Owner):
        return False
    return from_end == -1 if op.name == "dense" else isinstance(op, Layer) and op.family == "convolution"

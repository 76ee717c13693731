"""The typed graph: what a checked declaration is, on one screen. Frozen values with a place on each node.

A `Graph` is one declaration with its hyperparameters given: nodes in the order of the text (which is an order of computation), each with
typed outputs. Hierarchy is kept: a block applied is one `Use` node that holds the block's own graph, a stack is one `Repeat` node that
holds one graph for each run of equal levels. Every size is seen twice (see `shapes.Size`): `value` over the root's free dims, `text` over
the names of the declaration that the graph belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from ..dsl.span import NOWHERE, Span
from .record import Record
from .shapes import Size
from .values import Real

if TYPE_CHECKING:
    import networkx

SWEEPS = 10  # of mean field, in an energy whose hidden units meet
DType = Literal["float", "int", "bool"]


@dataclass(frozen=True, slots=True)
class TensorType:
    """The dtype and shape of a tensor. `origin` is where it got them, for messages; it does not count in comparisons."""

    dtype: DType
    shape: tuple[Size, ...]
    origin: Span = field(default=NOWHERE, compare=False)

    @property
    def rank(self) -> int:
        return len(self.shape)

    def __str__(self) -> str:
        dims = ", ".join(str(size.value) for size in self.shape)
        return f"[{dims}]" if self.dtype == "float" else f"{self.dtype}[{dims}]"


class Ref(NamedTuple):
    """Output `output` of node `node` of the same graph."""

    node: int
    output: int = 0


Operand = Ref | Size | Real | bool  # a tensor, or a number written where a tensor may stand


class Operation(Record):
    """What a node does. The layers of the registry are operations; so are the few below that the language itself has."""

    @property
    def title(self) -> str:
        """How people call it: `conv`, `Block`, `stack`."""
        return type(self).__name__.lower()


class Input(Operation):
    """A tensor given to the declaration; `axes` are the local names of its dims, for reading them at run time."""

    annotation: ClassVar[str] = "Tensor"
    name: str


class Parameter(Operation):
    """`param` or `buffer`: a tensor that the declaration owns; `init` is an initialiser of the registry, none for zeros."""

    name: str
    learned: bool
    init: Operation | None = None


class Weight(Operation):
    """`emb.weight`: a tensor of a layer named by `layer`; the node's key is the layer's."""

    attribute: str


class Next(Operation):
    """`q' = …`: the value of the buffer at the node's key after a training step; the node has the one input, and is read by none."""

    name: str
    pure: ClassVar[bool] = False


class Penalty(Operation):
    """`penalty name = …`: its one input, a number, is added to every loss whose computation ran it."""

    name: str
    pure: ClassVar[bool] = False


class Use(Operation):
    """A declared part applied. `arguments` give its hyperparameters, and `dims` its free dims, in the text of the caller."""

    graph: Graph
    arguments: dict[str, Any]
    dims: dict[str, Size]

    @property
    def title(self) -> str:
        return self.graph.name


class Stepped(Use):
    """A cell applied inside of a cell: one step of it. Inputs: its tensors, then its states. Outputs: its own, then its next states."""


class State(Input):
    """A state of a cell: an input of each step. The node's operand is what it starts from, which no step computes."""


class Latent(Input):
    """Hidden units of an energy: an input of the energy, which nobody gives."""


class Start(Operation):
    """A tensor of one number, on the device of its operand and of its dtype where both are float: what a state begins as."""

    value: Real


class Recur(Use):
    """A cell taken over dim 1 of its first inputs, `graph.stepped` of them; its further tensors, `constants`, are the same at every step.

    Inputs: the stepped tensors, the constants, then `int[B]` lengths if `lengths`, then the states to start from if `given`.
    Outputs: those of the cell with the steps in dim 1, then the last states. `both`: one cell ahead and one back, with weights of their
    own, all they give concatenated in the last dim. Of a `chunk` of steps no gradient goes back into the one before it.
    """

    chunk: Size | None = None
    constants: int = 0
    lengths: bool = False
    given: bool = False
    reverse: bool = False
    both: bool = False

    @property
    def states(self) -> int:
        """How many states the cell has."""
        return sum(isinstance(node.op, State) for node in self.graph.nodes)

    @property
    def cells(self) -> int:
        """How many sets of weights."""
        return 2 if self.both else 1


class SlopePenalty(Use):
    """How far from 1 the slope of a player's score is, at a point drawn between two tensors, for each example: `[B]`.

    Inputs: the two tensors, then whatever else the player takes. The graph is the player's, and gives one score or several.
    """


class Level(Record):
    """A run of `count` levels with one graph. `arguments` and `dims` as in `Use`; for a list, one run a level."""

    graph: Graph
    count: Size
    arguments: dict[str, Any]
    dims: dict[str, Size]


class Repeat(Operation):
    """`stack` or `parallel`.

    Inputs: the `carried` values first (a plain stack carries one), then what the levels read from outside, then, for each list that is
    walked and holds tensors, its items level by level. Outputs: the carried values, then, if `collects`, the values the levels returned.
    In each level's graph the inputs are in the same order, the outputs are the next carried values, then the collected ones.
    A body that is one layer or one block has `single` set: its key is the level's own. Where it is `routed`, which a pass decides, a last
    input holds the weights of the levels, and the one output is their weighted sum.
    """

    kind: Literal["stack", "parallel"]
    levels: tuple[Level, ...]
    carried: int
    captured: int = 0
    walked: int = 0
    collects: int = 0
    tied: bool = False
    single: bool = False
    routed: bool = False
    count: Size

    @property
    def title(self) -> str:
        return self.kind


class Edge(Record):
    """An output of a node: its type, and the name the text gives it, if any."""

    type: TensorType
    name: str | None = None


class Node(Record):
    """One step. `key` is the name of its submodule or parameter in the state dict; nodes with one key share weights."""

    op: Operation
    inputs: tuple[Operand, ...] = ()
    outputs: tuple[Edge, ...]
    key: str | None = None
    named: bool = False  # the key was given by the text (`layer`, `as`, `param`), not counted
    owner: int = 0  # how many bodies up the submodule of this key stands: a `layer` written outside a stack, used in its levels
    gate: bool = False  # drawn as a gate
    span: Span

    @property
    def type(self) -> TensorType:
        return self.outputs[0].type

    @property
    def refs(self) -> tuple[Ref, ...]:
        return tuple(operand for operand in self.inputs if isinstance(operand, Ref))

    @property
    def is_free(self) -> bool:
        """Would nothing but its results be missed: does it own no weights, keep nothing, draw nothing, check nothing?"""
        match self.op:
            case Input():
                return True
            case Use():
                return self.op.graph.is_free
            case Repeat():
                return all(level.graph.is_free for level in self.op.levels)
        return getattr(self.op, "idle", False) or (self.key is None and getattr(self.op, "pure", False))


class Hyper(Record):
    """A hyperparameter with the value it has here; `default` is none where the text requires one."""

    name: str
    value: Any
    default: Any = None
    required: bool = False


class Assertion(Record):
    """An `assert` that is not always true: checked where its names are known, in the constructor or when the model runs."""

    condition: Any  # a Text over the declaration's names
    message: str | None
    span: Span
    written: str = ""  # the condition as it stands in the spec


class Assumption(Record):
    """A relation that was decided with the values of the hyperparameters, and that the generated text relies on."""

    condition: Any  # a Text over the declaration's names
    reason: str


class Output(Record):
    name: str
    ref: Ref


class Average(NamedTuple):
    """`layer key = ema(source, decay)`: of two keys of one body, the first holds an average of the weights of the second."""

    key: str
    source: str
    decay: float


class Axis(NamedTuple):
    """Where a free dim can be read at run time: axis `axis` of input `input`."""

    input: int
    axis: int


class Graph(Record):
    """One declaration with its hyperparameters given. The first nodes are the inputs, in order."""

    name: str
    kind: str
    doc: str | None = None
    hypers: tuple[Hyper, ...] = ()
    dims: dict[str, Axis]  # the free dims of the signature
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    assertions: tuple[Assertion, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    stepped: int = 0  # of a cell: how many of its inputs, the first ones, each step has anew
    charged: tuple[str, ...] = ()  # of a cell: its penalties, the outputs before its states, [B, 1] each
    averages: tuple[Average, ...] = ()
    channels_last: str = ""  # of a root: why its weights lie so in memory; empty where they do not
    decided: tuple[str, ...] = ()  # what an `if` or a list decided, for the docstring
    span: Span

    @cached_property
    def inputs(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if isinstance(node.op, Input))

    @cached_property
    def is_free(self) -> bool:
        """Would nothing but what it returns be missed? See `Node.is_free`."""
        return not self.assertions and all(node.is_free for node in self.nodes)

    @cached_property
    def reach(self) -> int:
        """How many bodies up the furthest module stands that is used in it; 0 where it uses its own alone."""
        own = max((node.owner for node in self.nodes), default=0)
        return max(own, max((child.reach for _, child in self.children()), default=0) - 1)

    def type_of(self, ref: Ref) -> TensorType:
        return self.nodes[ref.node].outputs[ref.output].type

    def children(self) -> Iterator[tuple[Node, Graph]]:
        """The graphs one floor down, with the nodes that hold them."""
        for node in self.nodes:
            if isinstance(node.op, Use):
                yield node, node.op.graph
            elif isinstance(node.op, Repeat):
                for level in node.op.levels:
                    yield node, level.graph

    def digraph(self) -> networkx.MultiDiGraph[int]:
        """The nodes by number, an edge for each tensor that flows, with its `ref` and its place among the reader's inputs."""
        import networkx

        drawing: networkx.MultiDiGraph[int] = networkx.MultiDiGraph()
        drawing.add_nodes_from(range(len(self.nodes)))
        for number, node in enumerate(self.nodes):
            for place, operand in enumerate(node.inputs):
                if isinstance(operand, Ref):
                    drawing.add_edge(operand.node, number, ref=operand, place=place)
        return drawing

    def ancestors(self, numbers: set[int]) -> set[int]:
        """The nodes that any of these depend on."""
        import networkx

        drawing = self.digraph()
        return set().union(*(networkx.ancestors(drawing, number) for number in numbers))


UnitKind = Literal["binary", "real", "onehot"]


class Units(Record):
    """A block of units of an energy. `mean` gives what is to be expected of them, from all else that the energy speaks of."""

    name: str
    kind: UnitKind
    hidden: bool
    mean: Graph


class Crossing(Record):
    """Where two blocks of hidden units meet in a term of an energy."""

    one: str
    other: str
    term: Span


class Machine(Graph):
    """An energy. As a graph it is what it is as a layer: its inputs in, the means of the hidden units out.

    Where hidden units meet (`crossing`, as in a deep Boltzmann machine) there is no free energy, and the means are those of mean field:
    `start` gives each block given those before it, with all others at 0; then they take turns. The mean of a hidden block takes the
    visible units and, where hidden units meet, all other hidden ones.

    `total` is the energy of visible units, further inputs and hidden units, `free` what is left of it when the hidden units are summed
    out: -log of the sum (or integral) of exp(-energy) over all their states. Both are one number an example. `statistics` is the
    sum of -energy over the examples, each with its weight, which is the last input; then the slope of that sum in each parameter, in the
    order of the text. There is none where slopes are left to autograd.
    """

    blocks: tuple[Units, ...]
    total: Graph
    free: Graph | None
    start: Graph | None
    crossing: Crossing | None
    statistics: Graph | None

    @property
    def visible(self) -> tuple[Units, ...]:
        return tuple(block for block in self.blocks if not block.hidden)

    @property
    def hidden(self) -> tuple[Units, ...]:
        return tuple(block for block in self.blocks if block.hidden)

    @property
    def derived(self) -> dict[str, Graph]:
        """The graphs that its class has a method for, by the method's name."""
        means = {f"mean_{block.name}": block.mean for block in self.blocks}
        found = {"energy": self.total, "free_energy": self.free, **means, "start": self.start, "statistics": self.statistics}
        return {name: graph for name, graph in found.items() if graph is not None}


class Objective(Record):
    """What `players` minimize together: one update of a round."""

    name: str
    players: tuple[str, ...]
    span: Span


class Made(NamedTuple):
    """A value that a game names and that is such as the input `like`: its players make it, of draws (and labels) alone if `drawn`."""

    name: str
    like: str
    players: tuple[str, ...]
    drawn: bool


class Game(Graph):
    """A game: its outputs are its objectives, one number each, in the order in which a round takes them; then what it makes.

    Weights lie under the keys of `players`, each under one.
    """

    players: tuple[str, ...]
    objectives: tuple[Objective, ...]


def has_machine(graph: Graph) -> bool:
    """Is it an energy, or are some at work in it?"""
    return _any_graph(graph, lambda here: isinstance(here, Machine))


def has_gates(graph: Graph) -> bool:
    """Is there a gate, at any depth?"""
    return _any_graph(graph, lambda here: any(node.gate for node in here.nodes))


def _any_graph(graph: Graph, wanted: Callable[[Graph], bool]) -> bool:
    seen: set[int] = set()
    pending = [graph]
    while pending:
        here = pending.pop()
        if wanted(here):
            return True
        if id(here) not in seen:
            seen.add(id(here))
            pending.extend(child for _, child in here.children())
    return False

"""The language on one screen: every node of the AST, frozen, each with its place.

Equality ignores places and comments, so `parse(print(x)) == x` means what it says. Nodes are data: no behaviour here.
"""

from dataclasses import dataclass, field
from typing import Literal

from .span import NOWHERE, Span


@dataclass(frozen=True, kw_only=True)
class Node:
    span: Span = field(default=NOWHERE, compare=False, repr=False)


# Names and types ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ident(Node):
    """A name where it is bound or named as such, with its own place (declaration, parameter, `as`, keyword argument)."""

    text: str


@dataclass(frozen=True)
class Rest(Node):
    """`...` in a type or a slice: any run of dims."""


@dataclass(frozen=True)
class TensorType(Node):
    """`int[B, T]`; without a dtype it is a float tensor (`dtype` none)."""

    dtype: Ident | None
    dims: tuple["Expr | Rest", ...]


@dataclass(frozen=True)
class HyperType(Node):
    """`width: int`."""

    name: str


@dataclass(frozen=True)
class Param(Node):
    name: Ident
    type: TensorType | HyperType | None = None
    default: "Expr | None" = None


# Expressions ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Name(Node):
    id: str


@dataclass(frozen=True)
class Primed(Node):
    """`h'`: the next value of h; `id` is without the prime."""

    id: str


@dataclass(frozen=True)
class Number(Node):
    """`text` as written; an int exactly when it has neither a point nor an exponent."""

    text: str


@dataclass(frozen=True)
class String(Node):
    value: str


@dataclass(frozen=True)
class Literal_(Node):  # noqa: N801
    """`true`, `false` or `none`."""

    value: bool | None


@dataclass(frozen=True)
class List(Node):
    items: tuple["Expr", ...]


@dataclass(frozen=True)
class Tuple(Node):
    items: tuple["Expr", ...]


@dataclass(frozen=True)
class Record(Node):
    fields: tuple[tuple[Ident, "Expr"], ...]


@dataclass(frozen=True)
class Unary(Node):
    op: Literal["-", "not"]
    operand: "Expr"


@dataclass(frozen=True)
class Binary(Node):
    """`op` is one of + - * / // % @ ** and or .. (half-open range)."""

    op: str
    left: "Expr"
    right: "Expr"


@dataclass(frozen=True)
class Compare(Node):
    """`a < b <= c` reads as in Python: `first`, then each operator with its right side."""

    first: "Expr"
    rest: tuple[tuple[str, "Expr"], ...]


@dataclass(frozen=True)
class Ternary(Node):
    """`then if condition else otherwise`."""

    condition: "Expr"
    then: "Expr"
    otherwise: "Expr"


@dataclass(frozen=True)
class As(Node):
    """`expr as name`: a named step."""

    value: "Expr"
    name: Ident


@dataclass(frozen=True)
class Flow(Node):
    """`a -> b -> c`: at least two steps."""

    steps: tuple["Expr", ...]


@dataclass(frozen=True)
class Arg(Node):
    value: "Expr"
    name: Ident | None = None


@dataclass(frozen=True)
class Call(Node):
    function: "Expr"
    args: tuple[Arg, ...]


@dataclass(frozen=True)
class Slice(Node):
    """`start:stop` inside `[ ]`, either side may be missing."""

    start: "Expr | None"
    stop: "Expr | None"


@dataclass(frozen=True)
class Index(Node):
    base: "Expr"
    items: tuple["Expr | Slice | Rest", ...]


@dataclass(frozen=True)
class Attribute(Node):
    base: "Expr"
    name: Ident


@dataclass(frozen=True)
class Carry(Node):
    """`from h = x`: the carried value's name and its start."""

    name: Ident
    start: "Expr"


@dataclass(frozen=True)
class Stack(Node):
    """`stack count { }`, `stack names in over { }`; `kind` parallel is the same sideways. Either `count` or `over` is set."""

    kind: Literal["stack", "parallel"]
    count: "Expr | None"
    names: tuple[Ident, ...]
    over: "Expr | None"
    tied: bool
    carries: tuple[Carry, ...]
    body: tuple["Statement", ...]


Expr = (
    Name
    | Primed
    | Number
    | String
    | Literal_
    | List
    | Tuple
    | Record
    | Unary
    | Binary
    | Compare
    | Ternary
    | As
    | Flow
    | Call
    | Index
    | Attribute
    | Stack
)


# Statements -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Assign(Node):
    """`y = e`, `a, b = e`, `h' = e`: each target a name or a primed name."""

    targets: tuple[Name | Primed, ...]
    value: Expr


@dataclass(frozen=True)
class IndexFunction(Node):
    """`mask[i, j] = e`."""

    name: Ident
    indices: tuple[Ident, ...]
    value: Expr


@dataclass(frozen=True)
class Draw(Node):
    """`z ~ e`."""

    name: Ident
    distribution: Expr


@dataclass(frozen=True)
class LayerDef(Node):
    name: Ident
    value: Expr


@dataclass(frozen=True)
class ParamDef(Node):
    """`param` (learned) or `buffer` (not)."""

    kind: Literal["param", "buffer"]
    name: Ident
    type: TensorType
    init: Expr | None


@dataclass(frozen=True)
class StateDef(Node):
    name: Ident
    type: TensorType
    init: Expr | None


@dataclass(frozen=True)
class LatentDef(Node):
    name: Ident
    type: TensorType


@dataclass(frozen=True)
class GateDef(Node):
    name: Ident
    value: Expr


@dataclass(frozen=True)
class PenaltyDef(Node):
    name: Ident
    value: Expr


@dataclass(frozen=True)
class PlayerDef(Node):
    name: Ident
    value: Expr


@dataclass(frozen=True)
class Minimizes(Node):
    """`E, R minimizes e` in a game."""

    players: tuple[Ident, ...]
    objective: Expr


@dataclass(frozen=True)
class Assert(Node):
    condition: Expr
    message: str | None


@dataclass(frozen=True)
class If(Node):
    """`otherwise` is none without an `else`; `else if` is an If alone in `otherwise`."""

    condition: Expr
    then: tuple["Statement", ...]
    otherwise: tuple["Statement", ...] | None


@dataclass(frozen=True)
class Return(Node):
    values: tuple[Expr, ...]


@dataclass(frozen=True)
class Value(Node):
    """An expression alone: the last line of a `stack` or `parallel` body."""

    value: Expr


Statement = (
    Assign
    | IndexFunction
    | Draw
    | LayerDef
    | ParamDef
    | StateDef
    | LatentDef
    | GateDef
    | PenaltyDef
    | PlayerDef
    | Minimizes
    | Assert
    | If
    | Return
    | Value
)


# Declarations ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Import(Node):
    """`from std.recurrent import LSTM` (`path` dotted) or `from "./blocks.arch" import X` (`is_file`)."""

    module: str
    is_file: bool
    names: tuple[Ident, ...]


@dataclass(frozen=True)
class Declaration(Node):
    """model, block, cell, attention, energy or adversarial. `hypers` and `tensors` are already told apart (section 3)."""

    kind: Literal["model", "block", "cell", "attention", "energy", "adversarial"]
    name: Ident
    hypers: tuple[Param, ...]
    tensors: tuple[Param, ...]
    result: tuple[TensorType, ...] | None
    body: tuple[Statement, ...]
    doc: str | None = None


@dataclass(frozen=True)
class Column(Node):
    """`image = images / 16`, with a type where one is declared."""

    name: Ident
    type: TensorType | None
    value: Expr


@dataclass(frozen=True)
class TrainWhere(Node):
    condition: Expr


@dataclass(frozen=True)
class Data(Node):
    name: Ident
    source: Expr
    columns: tuple[Column | TrainWhere, ...]
    doc: str | None = None


@dataclass(frozen=True)
class Clause(Node):
    """`optimizer wte, blocks.norm: adamw(lr=6e-5)`: name, targets (dotted names), arguments."""

    name: Ident
    targets: tuple[Expr, ...]
    args: tuple[Arg, ...]


@dataclass(frozen=True)
class EachMinimizes(Node):
    part: Ident
    objective: Expr


@dataclass(frozen=True)
class EachSolves(Node):
    part: Ident
    layer: Ident
    method: Expr


@dataclass(frozen=True)
class Phase(Node):
    name: Ident
    clauses: tuple["Clause | EachMinimizes | EachSolves", ...]


@dataclass(frozen=True)
class Train(Node):
    """`train name: Model(hypers) on data { … }`; `name` none means the model's."""

    name: Ident | None
    model: Ident
    hypers: tuple[Arg, ...]
    data: Ident | None
    clauses: tuple[Clause | EachMinimizes | EachSolves | Phase, ...]
    doc: str | None = None


Item = Import | Declaration | Data | Train


@dataclass(frozen=True)
class Comment(Node):
    """A comment as written, `#` included; `own_line` when nothing but space stands before it."""

    text: str
    own_line: bool


@dataclass(frozen=True)
class File(Node):
    """A whole source. `comments` hold every comment that is not a doc comment; they and blank lines matter to the printer alone."""

    items: tuple[Item, ...]
    comments: tuple[Comment, ...] = field(default=(), compare=False)

"""The language on one screen: every node of the AST, frozen, each with its place.

Equality ignores places and comments, so `parse(print(x)) == x` means what it says. Nodes are data: no behaviour here.
"""

from dataclasses import dataclass, field, fields
from typing import Literal, TypeVar, dataclass_transform

from .span import NOWHERE, Span

Class = TypeVar("Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def node(cls: type[Class]) -> type[Class]:
    """A frozen dataclass to the checker. At run time only `__init__` is made for each class, since every start pays for what is made."""
    cls.__doc__ = cls.__doc__ or cls.__name__  # else dataclass makes one out of the signature
    return dataclass(eq=False, repr=False)(cls)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def _base(cls: type[Class]) -> type[Class]:
    return dataclass(eq=False, repr=False, kw_only=True)(cls)


@_base
class Node:
    """Base of all nodes: two are equal when they are of one class and all but their places is equal."""

    span: Span = field(default=NOWHERE, compare=False, repr=False)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return False
        return all(getattr(self, item.name) == getattr(other, item.name) for item in fields(self) if item.compare)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, item.name) for item in fields(self) if item.compare)))

    def __repr__(self) -> str:
        shown = ", ".join(f"{item.name}={getattr(self, item.name)!r}" for item in fields(self) if item.repr)
        return f"{type(self).__name__}({shown})"


# Names and types ------------------------------------------------------------------------------------------------------


@node
class Ident(Node):
    """A name where it is bound or named as such, with its own place (declaration, parameter, `as`, keyword argument)."""

    text: str


@node
class Rest(Node):
    """`...` in a type or a slice: any run of dims."""


@node
class TensorType(Node):
    """`int[B, T]`; without a dtype it is a float tensor (`dtype` none)."""

    dtype: Ident | None
    dims: tuple["Expr | Rest", ...]


@node
class HyperType(Node):
    """`width: int`."""

    name: str


@node
class Param(Node):
    name: Ident
    type: TensorType | HyperType | None = None
    default: "Expr | None" = None


# Expressions ----------------------------------------------------------------------------------------------------------


@node
class Name(Node):
    id: str


@node
class Primed(Node):
    """`h'`: the next value of h; `id` is without the prime."""

    id: str


@node
class Number(Node):
    """`text` as written; an int exactly when it has neither a point nor an exponent."""

    text: str


@node
class String(Node):
    value: str


@node
class Literal_(Node):  # noqa: N801
    """`true`, `false` or `none`."""

    value: bool | None


@node
class List(Node):
    items: tuple["Expr", ...]


@node
class Tuple(Node):
    items: tuple["Expr", ...]


@node
class Record(Node):
    fields: tuple[tuple[Ident, "Expr"], ...]


@node
class Unary(Node):
    op: Literal["-", "not"]
    operand: "Expr"


@node
class Binary(Node):
    """`op` is one of + - * / // % @ ** and or .. (half-open range)."""

    op: str
    left: "Expr"
    right: "Expr"


@node
class Compare(Node):
    """`a < b <= c` reads as in Python: `first`, then each operator with its right side."""

    first: "Expr"
    rest: tuple[tuple[str, "Expr"], ...]


@node
class Ternary(Node):
    """`then if condition else otherwise`."""

    condition: "Expr"
    then: "Expr"
    otherwise: "Expr"


@node
class As(Node):
    """`expr as name`: a named step."""

    value: "Expr"
    name: Ident


@node
class Flow(Node):
    """`a -> b -> c`: at least two steps."""

    steps: tuple["Expr", ...]


@node
class Arg(Node):
    value: "Expr"
    name: Ident | None = None


@node
class Call(Node):
    function: "Expr"
    args: tuple[Arg, ...]


@node
class Slice(Node):
    """`start:stop` inside `[ ]`, either side may be missing."""

    start: "Expr | None"
    stop: "Expr | None"


@node
class Index(Node):
    base: "Expr"
    items: tuple["Expr | Slice | Rest", ...]


@node
class Attribute(Node):
    base: "Expr"
    name: Ident


@node
class Carry(Node):
    """`from h = x`: the carried value's name and its start."""

    name: Ident
    start: "Expr"


@node
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


@node
class Assign(Node):
    """`y = e`, `a, b = e`, `h' = e`: each target a name or a primed name."""

    targets: tuple[Name | Primed, ...]
    value: Expr


@node
class IndexFunction(Node):
    """`mask[i, j] = e`."""

    name: Ident
    indices: tuple[Ident, ...]
    value: Expr


@node
class Draw(Node):
    """`z ~ e`."""

    name: Ident
    distribution: Expr


@node
class LayerDef(Node):
    name: Ident
    value: Expr


@node
class ParamDef(Node):
    """`param` (learned) or `buffer` (not)."""

    kind: Literal["param", "buffer"]
    name: Ident
    type: TensorType
    init: Expr | None


@node
class StateDef(Node):
    name: Ident
    type: TensorType
    init: Expr | None


@node
class LatentDef(Node):
    name: Ident
    type: TensorType


@node
class GateDef(Node):
    name: Ident
    value: Expr


@node
class PenaltyDef(Node):
    name: Ident
    value: Expr


@node
class PlayerDef(Node):
    name: Ident
    value: Expr


@node
class Minimizes(Node):
    """`E, R minimizes e` in a game."""

    players: tuple[Ident, ...]
    objective: Expr


@node
class Assert(Node):
    condition: Expr
    message: str | None


@node
class If(Node):
    """`otherwise` is none without an `else`; `else if` is an If alone in `otherwise`."""

    condition: Expr
    then: tuple["Statement", ...]
    otherwise: tuple["Statement", ...] | None


@node
class Return(Node):
    values: tuple[Expr, ...]


@node
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


@node
class Import(Node):
    """`from std.recurrent import LSTM` (`path` dotted) or `from "./blocks.arch" import X` (`is_file`)."""

    module: str
    is_file: bool
    names: tuple[Ident, ...]


@node
class Declaration(Node):
    """model, block, cell, attention, energy or adversarial. `hypers` and `tensors` are already told apart (section 3)."""

    kind: Literal["model", "block", "cell", "attention", "energy", "adversarial"]
    name: Ident
    hypers: tuple[Param, ...]
    tensors: tuple[Param, ...]
    result: tuple[TensorType, ...] | None
    body: tuple[Statement, ...]
    doc: str | None = None


@node
class Column(Node):
    """`image = images / 16`, with a type where one is declared."""

    name: Ident
    type: TensorType | None
    value: Expr


@node
class TrainWhere(Node):
    condition: Expr


@node
class Data(Node):
    name: Ident
    source: Expr
    columns: tuple[Column | TrainWhere, ...]
    doc: str | None = None


@node
class Clause(Node):
    """`optimizer wte, blocks.norm: adamw(lr=6e-5)`: name, targets (dotted names), arguments."""

    name: Ident
    targets: tuple[Expr, ...]
    args: tuple[Arg, ...]


@node
class EachMinimizes(Node):
    part: Ident
    objective: Expr


@node
class EachSolves(Node):
    part: Ident
    layer: Ident
    method: Expr


@node
class Phase(Node):
    name: Ident
    clauses: tuple["Clause | EachMinimizes | EachSolves", ...]


@node
class Train(Node):
    """`train name: Model(hypers) on data { … }`; `name` none means the model's."""

    name: Ident | None
    model: Ident
    hypers: tuple[Arg, ...]
    data: Ident | None
    clauses: tuple[Clause | EachMinimizes | EachSolves | Phase, ...]
    doc: str | None = None


Item = Import | Declaration | Data | Train


@node
class Comment(Node):
    """A comment as written, `#` included; `own_line` when nothing but space stands before it."""

    text: str
    own_line: bool


@node
class File(Node):
    """A whole source. `comments` hold every comment that is not a doc comment; they and blank lines matter to the printer alone."""

    items: tuple[Item, ...]
    comments: tuple[Comment, ...] = field(default=(), compare=False)

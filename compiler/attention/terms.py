"""Index functions as data: `mask[i, j] = j <= i` is an equation, a list of terms that each read earlier ones.

Equal terms are one, so a function used a hundred times takes the room of one, and work over an equation is linear in its terms.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from ..graph import DType, Operation
from ..record import Record
from ..shapes import Size
from ..values import Real

INDICES = ("b", "h", "i", "j")
"""Example, head, query position, key position: the axes of a score, in order."""

ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%", "**", "neg", "min", "max"})
COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
LOGIC = frozenset({"and", "or", "not"})
FUNCTIONS = frozenset({"abs", "sqrt", "log", "exp", "ceil", "floor"})

Reach = Literal["whole", "start", "any"]
"""How an index of a tensor reads a dim: every place in order, the first places in order, or places that must be looked up."""


class Term(Record):
    """One step. `args` are the places of the terms it reads.

    `op` is an index (`b h i j`), the score `s`, a `number`, a `read` of tensor number `tensor` of those that the equation reads,
    an operator,
    a function, `where`, or `layer` for an elementwise op of the registry.
    """

    op: str
    args: tuple[int, ...] = ()
    dtype: DType
    value: Any = None  # of a number: a Size, Real or bool
    tensor: int = -1
    reach: tuple[Reach, ...] = ()  # of a read: one for each of its indices
    layer: Operation | None = None
    name: str = ""  # the index function whose value it is


class Equation(Record):
    """An index function given to `attend`: its value is the last term. `tensors` are the places of what it reads among the operands."""

    in_words: ClassVar[str] = "an index function"

    terms: tuple[Term, ...]
    indices: tuple[str, ...]
    text: str  # as the language writes it, with what is known put in: `j <= i and i - j < 128`
    tensors: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.text

    @property
    def root(self) -> Term:
        return self.terms[-1]

    @property
    def reads(self) -> bool:
        """Does it depend on tensors, or on sizes and hyperparameters alone?"""
        return bool(self.tensors)

    def value_at(self, place: int) -> Equation:
        """The equation whose value is an earlier term of this one."""
        return self.model_copy(update={"terms": self.terms[: place + 1]})

    def axes(self) -> tuple[frozenset[str], ...]:
        """The indices that each term depends on."""
        found: list[frozenset[str]] = []
        for term in self.terms:
            own = frozenset((term.op,)) if term.op in INDICES else frozenset(INDICES) if term.op == "s" else frozenset()
            found.append(own.union(*(found[arg] for arg in term.args)))
        return tuple(found)


class Terms:
    """Terms under construction, each once."""

    def __init__(self) -> None:
        self.terms: list[Term] = []
        self.known: dict[object, int] = {}

    def add(
        self,
        op: str,
        dtype: DType,
        args: Iterable[int] = (),
        *,
        value: Size | Real | bool | None = None,
        tensor: int = -1,
        reach: tuple[Reach, ...] = (),
        layer: Operation | None = None,
    ) -> int:
        """The place of a term, which may be there already."""
        args = tuple(args)
        key = (op, dtype, args, type(value), value, tensor, reach, None if layer is None else (type(layer), repr(layer)))
        if key not in self.known:
            self.known[key] = len(self.terms)
            term = Term(op=op, args=args, dtype=dtype, value=value, tensor=tensor, reach=reach, layer=layer, name="")
            self.terms.append(term)
        return self.known[key]

    def label(self, place: int, name: str) -> None:
        """Name a term after the index function whose value it is, unless it has a name."""
        term = self.terms[place]
        if not term.name and term.args:
            self.terms[place] = term.model_copy(update={"name": name})

    def equation(self, root: int, operands: Iterable[int], names: Iterable[str], indices: tuple[str, ...]) -> Equation:
        """The equation whose value is the term at `root`, with the terms that it needs alone."""
        wanted = {root}
        for place in range(root, -1, -1):
            if place in wanted:
                wanted.update(self.terms[place].args)
        places = {place: number for number, place in enumerate(sorted(wanted))}
        operands, names = tuple(operands), tuple(names)
        read = sorted({self.terms[place].tensor for place in wanted if self.terms[place].tensor >= 0})
        tensors = {tensor: number for number, tensor in enumerate(read)}
        terms = tuple(
            self.terms[place].model_copy(
                update={
                    "args": tuple(places[arg] for arg in self.terms[place].args),
                    "tensor": tensors.get(self.terms[place].tensor, -1),
                }
            )
            for place in sorted(wanted)
        )
        text = written(terms, tuple(names[tensor] for tensor in read))
        return Equation(terms=terms, indices=indices, text=text, tensors=tuple(operands[tensor] for tensor in read))


# Text -----------------------------------------------------------------------------------------------------------------

_LEVELS = {"or": 1, "and": 2, "not": 3, **dict.fromkeys(COMPARISONS, 4), "+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "%": 6}
_LEVELS |= {"neg": 7, "**": 8, "where": 0}
LONGEST = 200


def written(terms: tuple[Term, ...], names: tuple[str, ...] = ()) -> str:
    """An equation as the language writes it; cut off where it would be long."""
    found: list[tuple[str, int]] = []

    def at(place: int, level: int) -> str:
        text, own = found[place]
        return text if own >= level else f"({text})"

    for term in terms:
        op, args = term.op, term.args
        match op:
            case "number":
                shown = str(term.value).lower() if isinstance(term.value, bool) else str(term.value)
                made = (shown, 9 if _is_word(shown) else 7 if _is_word(shown[1:]) else 5)
            case "read":
                name = names[term.tensor] if term.tensor < len(names) else f"tensor{term.tensor}"
                made = (f"{name}[{', '.join(at(arg, 0) for arg in args)}]" if args else name, 9)
            case "where":
                made = (f"{at(args[1], 1)} if {at(args[0], 1)} else {at(args[2], 0)}", 0)
            case "not" | "neg":
                made = (f"{'not ' if op == 'not' else '-'}{at(args[0], _LEVELS[op])}", _LEVELS[op])
            case _ if op in _LEVELS:
                level = _LEVELS[op]
                sides = (level + 1, level) if op == "**" else (level + (level == 4), level + 1)
                made = (f"{at(args[0], sides[0])} {op} {at(args[1], sides[1])}", level)
            case _ if args:
                function = term.layer.title if term.layer is not None else op
                made = (f"{function}({', '.join(at(arg, 0) for arg in args)})", 9)
            case _:
                made = (op, 9)
        found.append(made if len(made[0]) <= LONGEST else (f"{made[0][: LONGEST - 1]}…", 9))
    return found[-1][0]


def _is_word(text: str) -> bool:
    return text.replace("_", "").replace(".", "").isalnum()

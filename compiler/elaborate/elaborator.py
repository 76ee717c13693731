"""One run over a program: parts elaborated once for each set of values, faults told once, limits kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ...dsl import ast
from ...dsl.diagnostic import Diagnostic, Fault, Report
from ...dsl.span import Span
from ..errors.calls import (
    MissingArgument,
    NoReturn,
    NotATensor,
    NotCompileTime,
    OutputNames,
    TooLarge,
    TooManyArguments,
    UnknownArgument,
    WrongResult,
    WrongTensorCount,
)
from ..errors.names import ContainsItself, NameTaken
from ..errors.shapes import NoSuchDim, UnknownSize, WrongDtype, WrongRank
from ..graph import Average, Graph, Hyper, Output, TensorType
from ..keys import RECURRING, keys_of, snake
from ..layers import registry
from ..layers.base import Refusal
from ..resolve import Declared
from ..shapes import Size
from ..values import Real, Text, Truth, substitute
from .body import Body
from .callables import lends
from .expressions import advice_on_tensors, has_tensor, number, one
from .facts import Facts
from .hypers import hyper_scope
from .parts import Part
from .signatures import Site, bind_inputs, dim_of, dtype_of, split_rest
from .statements import Returned, run
from .values import Fields, Group, Items, Poison, Tensor, Value, describe, type_key, value_key

MAX_DEPTH = 200
"""So many parts may stand inside of one another; brackets nest no deeper either."""
SURE = (MissingArgument, NoSuchDim, TooManyArguments, UnknownArgument, WrongDtype, WrongRank, WrongTensorCount)
"""Faults that no value of a hyperparameter would heal."""


class _Misfit(Exception):
    """A use gives a part what its signature does not take; the fault is told."""


class Elaborator:
    """Holds what is shared by all bodies of one root. `standalone`: parts are looked at without a use, so sizes may be unknown."""

    def __init__(self, report: Report, *, standalone: bool = False) -> None:
        self.sink, self.standalone = report, standalone
        self.facts = Facts()
        self.cache: dict[object, Part | None] = {}
        self.cells: dict[tuple[int, int], Graph] = {}
        self.composed: dict[object, Graph | None] = {}  # callables given to parts
        self.active: list[Declared] = []
        self.uses: list[Site | None] = []
        self.keys: dict[int, dict[int, str]] = {}
        self.told: set[tuple[str, Span]] = set()
        self.unknown: frozenset[str] = frozenset()  # what a part that is looked at without a use would be given
        self.place: Span | None = None  # of the `train` line that sets the hyperparameters of the root

    # Faults -----------------------------------------------------------------------------------------------------------

    def report(self, fault: Fault | Diagnostic) -> None:
        """Each fault of a place once, though the place is elaborated for several sets of values."""
        mark = (fault.code, fault.span)
        if mark not in self.told:
            self.told.add(mark)
            self.sink.add(fault)

    def is_guess(self, fault: Fault) -> bool:
        """Is it about what only a use would tell? For parts that are looked at without one."""
        if not self.standalone or isinstance(fault, SURE):
            return False
        texts = " ".join(value for name in fault.facts if isinstance(value := getattr(fault, name), str))
        return isinstance(fault, UnknownSize | NotCompileTime) or not self.unknown.isdisjoint(re.findall(r"\w+", texts))

    def place_of(self, body: Body, inside: Span) -> Span:
        """The use that broke a contract of the part being elaborated; at a root the `train` line, or the contract's own place."""
        use = self.uses[-1] if self.uses else None
        return use.span if use is not None else self.place or inside

    # Parts ------------------------------------------------------------------------------------------------------------

    def part(
        self, declared: Declared, hypers: Mapping[str, Value], types: tuple[TensorType | None, ...], use: Site | None
    ) -> Part | None:
        """The graph of a declaration for these hyperparameters and types; none when something in it is wrong."""
        if id(declared.node) in declared.unit.broken:
            return None
        if declared in self.active:
            chain = [d.node.name.text for d in self.active[self.active.index(declared) :]] + [declared.node.name.text]
            raise Refusal(ContainsItself(use.span if use else declared.node.span, declared.node.name.text, tuple(chain)))
        key = (
            id(declared.node),
            tuple((name, value_key(hypers[name])) for name in sorted(hypers)),
            tuple(t and type_key(t) for t in types),
            use.body.depth if use is not None and any(lends(value) for value in hypers.values()) else None,
        )
        if key not in self.cache and len(self.active) >= MAX_DEPTH:
            raise Refusal(
                TooLarge(use.span if use else declared.node.span, f"parts stand inside of one another more than {MAX_DEPTH} deep")
            )
        if key not in self.cache:
            self.active.append(declared)
            self.uses.append(use)
            try:
                self.cache[key] = self._elaborate(declared, hypers, types, use)
            except _Misfit:  # told of this use; another one has a place of its own
                return None
            finally:
                self.active.pop()
                self.uses.pop()
        return self.cache[key]

    def _elaborate(
        self, declared: Declared, hypers: Mapping[str, Value], types: tuple[TensorType | None, ...], use: Site | None
    ) -> Part | None:
        node = declared.node
        body = self.body(declared)
        body.user = use.body if use is not None else None
        try:
            hyper_scope(body, node, hypers)
            if not bind_inputs(body, node, types, use):
                raise _Misfit
        except Refusal as refusal:
            body.report(refusal.fault)
            return None
        returned = run(body, node.body)
        if node.kind == "adversarial":
            from ..game import game

            played = game(body, node, returned)
            return None if played is None else Part(played, tuple(body.signature), body.defaults)
        if returned is None and not body.poisoned:
            body.report(NoReturn(node.name.span, node.name.text, _last_name(node.body)))
        if returned is None or body.poisoned:
            return None
        if node.kind == "energy":
            from ..energy import machine

            made = machine(body, node, returned)
            return None if made is None or body.poisoned else Part(made, tuple(body.signature), body.defaults)
        outputs = self._outputs(body, node, returned)
        if outputs is not None and body.states is not None:
            from .recurrence import next_states

            outputs = next_states(body, node, outputs)
        if outputs is None:
            return None
        graph = self.graph(body, node, outputs)
        if node.kind == "cell":
            from ..returned import charged

            graph = charged(graph.model_copy(update={"charged": tuple(body.charged)}))
        record = len(returned) == 1 and isinstance(returned[0][0], Fields)
        return None if body.poisoned else Part(graph, tuple(body.signature), body.defaults, record)

    def stepped(self, cell: Graph, count: int) -> Graph:
        """The graph of a cell of which the first `count` inputs are stepped: one object for all such uses."""
        return self.cells.setdefault((id(cell), count), cell.model_copy(update={"stepped": count}))

    def body(self, declared: Declared) -> Body:
        node = declared.node
        keys = self.keys_of(node.body, declared)
        states: dict[str, Tensor] | None = {} if node.kind == "cell" else None
        return Body(self, declared.unit, node.name.text, keys, states=states, declared=declared)

    def keys_of(self, statements: tuple[ast.Statement, ...], declared: Declared | None, of: object = None) -> dict[int, str]:
        """Keys of a body, worked out once; `of` is what lives as long as the text, where `statements` do not."""
        place = id(statements if of is None else of)
        known = self.keys.get(place)
        if known is None:
            known = self.keys[place] = keys_of(statements, self._kind_of(declared), self._clash)
        return known

    def _clash(self, name: ast.Ident, first: ast.Ident, what: str) -> None:
        self.report(NameTaken(name.span, name.text, what, first.span))

    def level_keys(self, statements: tuple[ast.Statement, ...], body: Body) -> dict[int, str]:
        """Keys of the levels of a stack that stands in `body`."""
        return self.keys_of(statements, body.root().declared)

    def _kind_of(self, declared: Declared | None) -> Callable[[str], str | None]:
        names = declared.unit.names if declared is not None else {}
        hypers = {param.name.text for param in declared.node.hypers} if declared is not None else set()

        def kind(name: str) -> str | None:
            if name in hypers:
                return None
            if name in names:
                return snake(name)
            if name in RECURRING:
                return name
            layer = registry().get(name)
            return name if layer is not None and (layer.owns or layer.stateful) else None

        return kind

    def graph(self, body: Body, node: ast.Declaration, outputs: tuple[Output, ...]) -> Graph:
        hypers = tuple(
            Hyper(
                name=param.name.text,
                value=body.scope.names[param.name.text],
                default=_literal(param.default),
                required=param.default is None,
            )
            for param in node.hypers
        )
        return Graph(
            name=node.name.text,
            kind=node.kind,
            doc=node.doc,
            hypers=hypers,
            dims=body.dims,
            nodes=tuple(body.nodes),
            outputs=outputs,
            assertions=tuple(body.assertions),
            assumptions=tuple(a for a in body.assumed() if all(a.condition != known.condition for known in body.assertions)),
            averages=averages_of(body),
            decided=tuple(dict.fromkeys(body.decided)),
            span=node.span,
        )

    # Results ----------------------------------------------------------------------------------------------------------

    def _outputs(self, body: Body, node: ast.Declaration, returned: Returned) -> tuple[Output, ...] | None:
        """The outputs with their names; the types that were promised are kept."""
        if len(returned) == 1 and isinstance(fields := returned[0][0], Fields):
            named = [(value, returned[0][1], name) for name, value in fields.items.items()]
        else:
            named = [(value, expr, output_name(expr)) for item, expr in returned for value in _several(item)]
        flat = [(value, expr) for value, expr, _ in named]
        if any(isinstance(value, Poison) for value, _ in flat):
            return None
        outputs: list[Output] = []
        taken: dict[str, Span] = {}
        for value, expr, name in named:
            if not isinstance(value, Tensor):
                body.report(NotATensor(expr.span, describe(value), advice_on_tensors(value)))
                return None
            if node.kind == "model" and name in taken:
                body.report(OutputNames(expr.span, name, taken[name]))
                return None
            taken[name] = expr.span
            outputs.append(Output(name=name, ref=body.local(value).ref))
        return tuple(outputs) if self._kept(body, node, flat) else None

    def _kept(self, body: Body, node: ast.Declaration, values: list[tuple[Value, ast.Expr]]) -> bool:
        if node.result is None:
            return True
        source = body.unit.source
        if len(node.result) != len(values):
            place = values[0][1].span.to(values[-1][1].span)
            promised, given = (f"{n} tensor{'s' if n != 1 else ''}" for n in (len(node.result), len(values)))
            declared = node.result[0].span.to(node.result[-1].span)
            body.report(WrongResult(place, node.name.text, promised, given, declared))
            return False
        kept = True
        for promised_type, (value, expr) in zip(node.result, values, strict=True):
            if not self._keeps(body, promised_type, value.type):
                body.report(
                    WrongResult(expr.span, node.name.text, source.slice(promised_type.span), str(value.type), promised_type.span)
                )
                kept = False
        return kept

    def _keeps(self, body: Body, promised: ast.TensorType, given: TensorType) -> bool:
        split = split_rest(promised.dims, given.rank)
        if split is None or dtype_of(promised) != given.dtype:
            return False
        before, covered = split
        rests = [i for i, dim in enumerate(promised.dims) if isinstance(dim, ast.Rest)]
        after = len(promised.dims) - before - 1 if rests else 0
        pairs = list(zip(promised.dims[:before], given.shape[:before], strict=False))
        if after:
            pairs += list(zip(promised.dims[-after:], given.shape[-after:], strict=True))
        if rests and not self._same_rest(body, given.shape[before : before + covered]):
            return False
        for dim, size in pairs:
            assert not isinstance(dim, ast.Rest)
            if isinstance(dim, ast.Name) and dim.id[0].isupper() and dim.id not in body.sizes:
                body.sizes[dim.id] = size
                body.scope.names[dim.id] = size
            elif (promised_size := dim_of(body, dim)) is not None and not body.same(promised_size, size):
                return False
        return True

    def _same_rest(self, body: Body, run_: tuple[Size, ...]) -> bool:
        """`...` in a result is the run of dims that `...` stood for in the inputs."""
        rest = body.rest
        return rest is None or (len(rest) == len(run_) and all(body.same(a, b) for a, b in zip(rest, run_, strict=True)))

    # Facts and limits -------------------------------------------------------------------------------------------------

    def learn(self, body: Body, truth: Truth) -> None:
        """An assert on free dims is a fact about the values from here on."""
        if truth.value is None:
            self.facts.learn(substitute(truth.text, value_names(body)))


def value_names(body: Body) -> dict[str, Text]:
    """From the names of a declaration to their values."""
    names: dict[str, Text] = {}
    scope = body.scope
    chain = []
    while scope is not None:
        chain.append(scope)
        scope = scope.outer  # type: ignore[assignment]
    for level in reversed(chain):
        for name, value in level.names.items():
            if isinstance(value, Size | Real):
                names[name] = value.value
    return names


def averages_of(body: Body) -> tuple[Average, ...]:
    """The averages of layers that the body keeps."""
    if not body.averages:
        return ()
    from .training import averages

    return averages(body)


def _last_name(statements: Sequence[ast.Statement]) -> str:
    """What the last statement named, if it named one thing."""
    last = statements[-1] if statements else None
    named = isinstance(last, ast.Assign) and len(last.targets) == 1 and isinstance(last.targets[0], ast.Name)
    return last.targets[0].id if named and isinstance(last, ast.Assign) else ""


def _several(value: Value) -> list[Value]:
    """`return f(x)` of a part with several outputs returns its first; a tuple or list of tensors returns them all."""
    value = one(value)
    if isinstance(value, Items | Group) and has_tensor(value):
        return [inner for item in value.items for inner in _several(item)]
    return [value]


def _literal(default: ast.Expr | None) -> Value:
    """A default that is a number, truth or text as it is written; none for any other."""
    match default:
        case ast.Number(text=text):
            return number(text)
        case ast.String(value=value) | ast.Literal_(value=value):
            return value
    return None


def output_name(expr: ast.Expr) -> str:
    """The last identifier of what is returned, or its `as` name; `output` for anything else."""
    match expr:
        case ast.Name(id=name):
            return name
        case ast.As(name=ident):
            return ident.text
        case ast.Attribute(name=ident):
            return ident.text
        case ast.Primed(id=name):
            return name
        case ast.Flow(steps=steps) if isinstance(steps[-1], ast.As):
            return steps[-1].name.text
    return "output"

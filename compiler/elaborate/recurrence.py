"""Cells and what takes them over time: states, `recur`, `bidirectional`.

A cell is elaborated as a block is, for one step: its graph has the states as further inputs and their next values as further outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...dsl import ast
from ...dsl.span import Span
from ..errors.calls import MissingArgument, NotATensor, TooManyArguments, UnknownArgument, WrongArgument, WrongTensorCount
from ..errors.recurrence import (
    CellWithoutInput,
    NoNextState,
    NotACell,
    OptionTaken,
    PastEnd,
    StartDepends,
    StateChanges,
    StateOutsideCell,
)
from ..errors.shapes import DimsDisagree, UnknownSize, WrongDtype, WrongRank
from ..graph import (
    Graph,
    Input,
    Next,
    Operand,
    Output,
    Parameter,
    Recur,
    Ref,
    Start,
    State,
    TensorType,
)
from ..layers import registry
from ..layers.base import Initialiser, Refusal
from ..layers.initialisers import Constant, Ones, Zeros
from ..shapes import Size
from ..values import Real, Truth
from .applying import apply_layer
from .body import Body, LayerChecker
from .building import build
from .expressions import evaluate, one
from .parts import given_tensors, instantiate, placed, renamed
from .statements import written_type
from .training import charge
from .values import (
    MISSING,
    POISON,
    Group,
    LayerRecipe,
    Outputs,
    PartRecipe,
    Poison,
    RecurRecipe,
    Recurring,
    Shared,
    States,
    Tensor,
    Value,
    describe,
)

OPTIONS = ("reverse", "length", "init", "chunk")
Given = list[tuple[Value, Span]]
Named = dict[str, tuple[Value, Span]]

# States ---------------------------------------------------------------------------------------------------------------


def define_state(body: Body, node: ast.StateDef) -> None:
    """`state h: [B, width] = start`: an input of the step, whose operand is what it starts from."""
    name = node.name.text
    if body.states is None:
        kind = body.root().elaborator.active[-1].node.kind if body.root().elaborator.active else "model"
        raise Refusal(StateOutsideCell(node.span, name, "stack" if body.outer is not None else kind))
    body.carried |= {name}
    if not any(isinstance(at.op, Input) for at in body.nodes):
        body.report(CellWithoutInput(node.span, body.name))
        body.scope.names[name] = POISON
        return
    type_ = written_type(body, node.type)
    start = _start(body, node, type_) if type_ is not None else None
    if type_ is None or start is None:
        body.poisoned = True
        body.scope.names[name] = POISON
        return
    number = body.add(State(name=name), (start,), (type_,), node.span)
    body.label(number, 0, name)
    body.states[name] = body.scope.names[name] = body.tensor(number, 0, name)


def _start(body: Body, node: ast.StateDef, type_: TensorType) -> Ref | None:
    """The tensor that a state is before the first step."""
    if node.init is None:
        return constant_start(body, Real.of(0.0), type_, node.span)
    if isinstance(node.init, ast.Name) and node.init.id == "learned" and body.scope.get("learned") is MISSING:
        return _learned(body, node, type_)
    value = one(evaluate(body, node.init))
    match value:
        case Poison():
            return None
        case Tensor():
            return _computed(body, node, type_, value)
        case Size() | Real() if value.number is not None if isinstance(value, Size) else True:
            return constant_start(
                body, Real.of(float(value.value if isinstance(value, Real) else value.number or 0)), type_, node.span
            )
        case LayerRecipe():
            layer = build(body, value, {})
            if isinstance(layer, Zeros | Ones | Constant):
                filling = layer.value if isinstance(layer, Constant) else Real.of(float(isinstance(layer, Ones)))
                return constant_start(body, filling, type_, node.span)
            if isinstance(layer, Initialiser):
                raise Refusal(_not_a_start(node, f"{layer.name}, which is drawn"))
    raise Refusal(_not_a_start(node, describe(value)))


def _not_a_start(node: ast.StateDef, got: str) -> WrongArgument:
    assert node.init is not None
    wanted = "zeros, ones, a number, learned, or a tensor of the constant inputs"
    return WrongArgument(node.init.span, f"the state {node.name.text}", "the start", wanted, got)


def constant_start(body: Body, value: Real, type_: TensorType, span: Span) -> Ref:
    inputs = [(i, at) for i, at in enumerate(body.nodes) if isinstance(at.op, Input)]
    like = next((i for i, at in inputs if at.type.dtype == "float"), inputs[0][0])
    return Ref(body.add(Start(value=value), (Ref(like),), (type_,), span))


def _learned(body: Body, node: ast.StateDef, type_: TensorType) -> Ref:
    """One start for all examples: a parameter without the batch."""
    assert node.init is not None
    name, shape = node.name.text, type_.shape[1:]
    for size in shape:
        if size.number is None:
            raise Refusal(UnknownSize(node.type.span, f"the state {name}", str(size), str(type_)))
    own = TensorType("float", shape, node.type.span)
    number = body.add(Parameter(name=name, learned=True), (), (own,), node.span, name, named=True)
    recipe = LayerRecipe(registry()["expand"], {"sizes": tuple(type_.shape)}, node.init, built=True)
    value = apply_layer(body, recipe, (body.tensor(number),), node.init.span, {})
    assert isinstance(value, Tensor)
    return value.ref


def _computed(body: Body, node: ast.StateDef, type_: TensorType, value: Tensor) -> Ref:
    assert node.init is not None
    if value.type.dtype != type_.dtype or value.type.rank != type_.rank:
        raise Refusal(_not_a_start(node, describe(value)))
    for axis, (want, have) in enumerate(zip(type_.shape, value.type.shape, strict=True)):
        if not body.same(want, have):
            origin = LayerChecker(body, (value,), {}, node.init.span).origin(0, axis)
            rule = f"the start of {node.name.text} must be of its type"
            raise Refusal(
                DimsDisagree(node.init.span, rule, f"the state is {type_}", f"the start is {value.type}", node.type.span, origin)
            )
    return body.local(value).ref


def next_states(body: Body, node: ast.Declaration, outputs: tuple[Output, ...]) -> tuple[Output, ...] | None:
    """The outputs of a cell's graph: its own, then the next value of each state, which is of the state's type."""
    following: list[Output] = []
    assert body.states is not None
    for name, state in body.states.items():
        after = body.primes.get(name)
        if after is None:
            body.report(NoNextState(body.nodes[state.ref.node].span, name, node.name.text))
            continue
        place = body.nodes[body.local(after).ref.node].span
        same = after.type.dtype == state.type.dtype and after.type.rank == state.type.rank
        for axis, (left, right) in enumerate(zip(after.type.shape, state.type.shape, strict=False)):
            if same and not body.same(left, right):
                origin = LayerChecker(body, (after,), {}, place).origin(0, axis)
                body.report(StateChanges(place, name, str(state.type), str(after.type), state.type.origin, origin))
                break
        if not same:
            body.report(StateChanges(place, name, str(state.type), str(after.type), state.type.origin))
        following.append(Output(name=name, ref=body.local(after).ref))
    charged = (Output(name=name, ref=value.ref) for name, value in body.charged.items())
    return None if body.poisoned else (*outputs, *charged, *following)


# Over time ------------------------------------------------------------------------------------------------------------


def recur_of(body: Body, callee: Recurring, given: Given, named: Named, node: ast.Call) -> Value:
    """`recur(Cell(…), reverse=true, memory=m)`: the cell with its options, waiting for its tensors."""
    kind = callee.kind
    if not given:
        raise Refusal(MissingArgument(node.span, kind, ("cell",)))
    (cell, place), *rest = given
    shared = cell if isinstance(cell, Shared) else None
    if shared is not None and isinstance(shared.recipe, PartRecipe):
        cell = shared.recipe
        if kind == "bidirectional":
            raise Refusal(NotACell(place, kind, f"{describe(shared)}, which has one set of weights for two directions"))
    if not isinstance(cell, PartRecipe) or (not cell.declared.hollow and cell.declared.node.kind != "cell"):
        raise Refusal(NotACell(place, kind, describe(cell)))
    if cell.declared.hollow:
        return POISON
    if rest:
        raise Refusal(TooManyArguments(rest[0][1], kind, 1, len(given)))
    tensors = [param.name for param in cell.declared.node.tensors]
    for tensor in tensors:
        if tensor.text in OPTIONS:
            raise Refusal(OptionTaken(tensor.span, tensor.text))
    allowed = [*(option for option in OPTIONS if kind == "recur" or option != "reverse"), *(tensor.text for tensor in tensors)]
    for arg in node.args:
        if arg.name is not None and arg.name.text not in allowed:
            raise Refusal(UnknownArgument(arg.name.span, kind, arg.name.text, tuple(allowed)))
    return RecurRecipe(kind, cell, named, callee.occurrence, shared)


def apply_recur(
    body: Body,
    recipe: RecurRecipe,
    values: tuple[Value, ...],
    named: Mapping[str, Value],
    span: Span,
    places: Mapping[int | str, Span],
    key: str | None = None,
    owner: int = 0,
    *,
    shared: bool = False,
) -> Value:
    """A cell at work over dim 1 of what flows in: its outputs, then its last states."""
    if recipe.shared is not None:
        key, owner, shared = recipe.shared.key, body.levels_up(recipe.shared.body), True
    options = {**recipe.options, **{name: (value, places.get(name, span)) for name, value in named.items()}}
    stepped = [_stepped(recipe, one(value), places.get(i, span)) for i, value in enumerate(values)]
    if not stepped:
        raise Refusal(WrongTensorCount(span, recipe.kind, "at least 1 tensor", 0))
    for i, tensor in enumerate(stepped[1:], 1):
        if not body.same(tensor.type.shape[1], stepped[0].type.shape[1]):
            rule = "tensors that are stepped together must have one length"
            raise Refusal(DimsDisagree(places.get(i, span), rule, f"one is {stepped[0].type}", f"another is {tensor.type}"))
    now = tuple(_one_step(tensor) for tensor in stepped)
    constants = {name: value for name, (value, _) in options.items() if name not in OPTIONS}
    spots: dict[int | str, Span] = {**places, **{name: place for name, (_, place) in options.items()}}
    declared = recipe.cell.declared.node
    given = given_tensors(declared, now, constants, span, spots)
    made = instantiate(body, recipe.cell, given, span)
    if made is None:
        return POISON
    graph, steps = body.elaborator.stepped(made.graph, len(now)), stepped[0].type.shape[1]
    states = [node for node in graph.nodes if isinstance(node.op, State)]
    _check_starts(graph, len(now))
    types = [renamed(graph.type_of(output.ref), made.names) for output in graph.outputs]
    outputs, last = types[: len(types) - len(states)], types[len(types) - len(states) :]
    given_out = len(outputs) - len(graph.charged)
    if any(type_.rank == 0 for type_ in outputs):
        raise Refusal(WrongRank(span, f"an output of {declared.name.text}", "[B, …]", "[]"))
    reverse = _reverse(options)
    length = _length(body, options, stepped[0])
    if length is not None:
        _want_of_examples(graph, options["length"][1])
    both = recipe.kind == "bidirectional"
    results = [TensorType(t.dtype, (t.shape[0], steps, *t.shape[1:])) for t in outputs] + last
    if both:
        results = [_doubled(recipe, type_, span) for type_ in results]
    start = _given_states(body, recipe, options, results[len(outputs) :], [str(node.op.name) for node in states])  # type: ignore[attr-defined]
    key, owner, named_key = placed(body, recipe, span, graph, recipe.kind, key, owner, shared=shared)
    op = Recur(
        graph=graph,
        chunk=_chunk(options),
        arguments=made.arguments,
        dims=made.dims,
        constants=len(made.tensors) - len(now),
        lengths=length is not None,
        given=bool(start),
        reverse=reverse,
        both=both,
    )
    operands: tuple[Operand, ...] = body.operands(
        (*stepped, *made.tensors[len(now) :], *((length,) if length is not None else ()), *start)
    )
    number = body.add(op, operands, tuple(results), span, key, owner=owner, named=named_key)
    tensors = [body.tensor(number, i) for i in range(len(results))]
    names = [node.op.name for node in states if isinstance(node.op, State)]
    after = States(declared.name.text, dict(zip(names, tensors[len(outputs) :], strict=True)))
    for name, steps_of in zip(graph.charged, tensors[given_out : len(outputs)], strict=True):
        charge(body, name, steps_of, length, recipe.occurrence)
    return Outputs((*tensors[:given_out], after))


def _want_of_examples(graph: Graph, place: Span) -> None:
    """Steps past the end of an example change no state, but would change buffers and penalties of blocks, which are of all examples."""
    from ..returned import of_part

    for node in graph.nodes:
        if isinstance(node.op, Next):
            raise Refusal(PastEnd(place, graph.name, f"sets {node.op.name}", node.span))
    inner = of_part(graph)
    if inner is not None:
        raise Refusal(PastEnd(place, graph.name, f"adds the penalty {inner.outputs[0].name} of a block", inner.span))


def _stepped(recipe: RecurRecipe, value: Value, place: Span) -> Tensor:
    if not isinstance(value, Tensor):
        raise Refusal(NotATensor(place, describe(value)))
    if value.type.rank < 2:
        raise Refusal(WrongRank(place, recipe.kind, "steps in dim 1, [B, T, …]", str(value.type), value.type.origin))
    return value


def _one_step(tensor: Tensor) -> Tensor:
    type_ = tensor.type
    return replace(tensor, type=TensorType(type_.dtype, (type_.shape[0], *type_.shape[2:]), type_.origin))


def _check_starts(graph: Graph, stepped: int) -> None:
    """No state starts from what the steps bring."""
    inputs = [i for i, node in enumerate(graph.nodes) if isinstance(node.op, Input)][:stepped]
    for node in graph.nodes:
        if not isinstance(node.op, State):
            continue
        pending = list(node.refs)
        while pending:
            ref = pending.pop()
            before = graph.nodes[ref.node]
            if ref.node in inputs or isinstance(before.op, State):
                assert isinstance(before.op, Input)
                raise Refusal(StartDepends(node.span, node.op.name, before.op.name))
            pending += () if isinstance(before.op, Start) else before.refs


def _reverse(options: Named) -> bool:
    value, place = options.get("reverse", (False, None))
    if isinstance(value, Truth) and value.value is not None:
        value = value.value
    if not isinstance(value, bool):
        assert place is not None
        raise Refusal(WrongArgument(place, "recur", "reverse", "true or false", describe(value)))
    return value


def _chunk(options: Named) -> Size | None:
    """How many steps a gradient goes back through at most."""
    value, place = options.get("chunk", (None, None))
    if value is None:
        return None
    assert place is not None
    value = one(value)
    if not isinstance(value, Size) or value.number is None or value.number < 1:
        raise Refusal(WrongArgument(place, "recur", "chunk", "a number of steps of at least 1", describe(value)))
    return value


def _length(body: Body, options: Named, stepped: Tensor) -> Tensor | None:
    """`int[B]`: how many steps of each example count."""
    if "length" not in options or options["length"][0] is None:
        return None
    value, place = options["length"]
    value = one(value)
    if not isinstance(value, Tensor):
        raise Refusal(WrongArgument(place, "recur", "length", "a tensor int[B]", describe(value)))
    if value.type.dtype != "int":
        raise Refusal(WrongDtype(place, "length of recur", "int", str(value.type), value.type.origin))
    if value.type.rank != 1:
        raise Refusal(WrongRank(place, "length of recur", "int[B]", str(value.type), value.type.origin))
    if not body.same(value.type.shape[0], stepped.type.shape[0]):
        rule = "there is one length for each example"
        raise Refusal(DimsDisagree(place, rule, f"the lengths are {value.type}", f"the steps are {stepped.type}"))
    return value


def _doubled(recipe: RecurRecipe, type_: TensorType, span: Span) -> TensorType:
    """Both ways side by side."""
    if type_.rank < 2:
        raise Refusal(WrongRank(span, recipe.kind, "outputs and states with a dim beside the batch", str(type_)))
    last = type_.shape[-1]
    return TensorType(type_.dtype, (*type_.shape[:-1], Size(last.value * 2, last.text * 2)))


def _given_states(
    body: Body, recipe: RecurRecipe, options: Named, types: list[TensorType], names: list[str]
) -> tuple[Tensor, ...]:
    """The states that `init` gives: the last of another `recur`, a tuple in order, or one tensor for one state."""
    if "init" not in options or options["init"][0] is None:
        return ()
    value, place = options["init"]
    match value:
        case States():
            if set(value.items) != set(names):
                wanted = f"the states {', '.join(names)}"
                raise Refusal(WrongArgument(place, recipe.kind, "init", wanted, f"{', '.join(value.items)} of {value.cell}"))
            tensors = [value.items[name] for name in names]
        case Group():
            tensors = [one(item) for item in value.items]
        case _:
            tensors = [one(value)]
    if len(tensors) != len(names) or not all(isinstance(tensor, Tensor) for tensor in tensors):
        wanted = f"a state, or a tuple of tensors for {', '.join(names)}"
        raise Refusal(WrongArgument(place, recipe.kind, "init", wanted, describe(value)))
    for name, tensor, type_ in zip(names, tensors, types, strict=True):
        fits = tensor.type.dtype == type_.dtype and tensor.type.rank == type_.rank
        if not fits or not all(body.same(a, b) for a, b in zip(tensor.type.shape, type_.shape, strict=True)):
            rule = f"{name} starts as the state {name} is"
            raise Refusal(
                DimsDisagree(place, rule, f"the state is {type_}", f"init gives {tensor.type}", right_origin=tensor.type.origin)
            )
    return tuple(tensors)

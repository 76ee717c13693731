"""A cell inside of a cell: one step of it, its states part of the outer one."""

from __future__ import annotations

from collections.abc import Container, Mapping

from ...dsl import ast
from ...dsl.span import Span
from ..errors.recurrence import InnerStart
from ..graph import Graph, Node, Parameter, Ref, Start, State, Stepped, Weight
from ..keys import snake
from ..layers import registry
from ..layers.base import Refusal
from ..values import Text
from .applying import apply_layer
from .body import Body
from .parts import given_tensors, instantiate, placed, renamed
from .recurrence import constant_start
from .training import add_charge
from .values import POISON, LayerRecipe, Outputs, PartRecipe, States, Tensor, Value


def apply_step(
    body: Body,
    recipe: PartRecipe,
    values: tuple[Value, ...],
    named: dict[str, Value],
    span: Span,
    places: Mapping[int | str, Span],
    key: str | None = None,
    owner: int = 0,
    *,
    shared: bool = False,
) -> Value:
    """A cell at work inside of a cell: one step of it, its states part of the outer one."""
    assert body.states is not None
    declared = recipe.declared.node
    made = instantiate(body, recipe, given_tensors(declared, values, named, span, places), span)
    if made is None:
        return POISON
    graph = body.elaborator.stepped(made.graph, len(made.tensors))
    key, owner, named_key = placed(body, recipe, span, graph, snake(declared.name.text), key, owner, shared=shared)
    inner = [node for node in graph.nodes if isinstance(node.op, State)]
    names = [_fresh(f"{key}_{node.outputs[0].name}", body.states) for node in inner]
    for name, node in zip(names, inner, strict=True):
        type_ = renamed(node.type, made.names)
        start = _inner_start(body, graph, made.names, node, (key, owner), recipe.occurrence)
        number = body.add(State(name=name), (start,), (type_,), span)
        body.states[name] = body.tensor(number, 0, name)
        body.label(number, 0, name)
    types = tuple(renamed(graph.type_of(output.ref), made.names) for output in graph.outputs)
    op = Stepped(graph=graph, arguments=made.arguments, dims=made.dims)
    operands = body.operands((*made.tensors, *(body.states[name] for name in names)))
    number = body.add(op, operands, types, span, key, owner=owner, named=named_key)
    tensors = [body.tensor(number, k) for k in range(len(types))]
    outputs = len(types) - len(inner) - len(graph.charged)
    for name, value in zip(graph.charged, tensors[outputs:], strict=False):
        add_charge(body, name, value, span)
    after = tensors[len(types) - len(inner) :]
    body.primes |= dict(zip(names, after, strict=True))
    for k, name in enumerate(names, len(types) - len(inner)):
        body.label(number, k, name)
    states = {str(node.op.name): value for node, value in zip(inner, after, strict=True)}  # type: ignore[attr-defined]
    return Outputs((*tensors[:outputs], States(declared.name.text, states)))


def _fresh(name: str, taken: Container[str]) -> str:
    return next(each for each in (name, *(f"{name}{k}" for k in range(2, 10_000))) if each not in taken)


def _inner_start(body: Body, graph: Graph, names: Mapping[str, Text], state: Node, module: tuple[str, int], use: ast.Node) -> Ref:
    """What a state of an inner cell starts from, said in the outer one."""
    before = graph.nodes[state.refs[0].node]
    if isinstance(before.op, Start):
        return constant_start(body, before.op.value, renamed(state.type, names), use.span)
    source = graph.nodes[before.refs[0].node] if before.refs else before
    if not isinstance(source.op, Parameter) or source.key is None:
        raise Refusal(InnerStart(use.span, graph.name, str(state.outputs[0].name), state.span))
    type_ = renamed(source.type, names)
    weight = body.add(Weight(attribute=source.key), (), (type_,), use.span, module[0], owner=module[1])
    sizes = tuple(renamed(state.type, names).shape)
    recipe = LayerRecipe(registry()["expand"], {"sizes": sizes}, use, built=True)
    value = apply_layer(body, recipe, (body.tensor(weight),), use.span, {})
    assert isinstance(value, Tensor)
    return value.ref

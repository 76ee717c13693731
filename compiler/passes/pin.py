"""Pinning: the root keeps a hyperparameter in its constructor only if the text is right for every value that its asserts allow.

Comes in: a root whose `assumptions` say what was decided with the values of its hyperparameters. Goes out: the same root with every
hyperparameter that an unproved assumption names, or that is no number, replaced by its value; nothing decided depends on a name any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from ..graph import Assertion, Edge, Graph, Level, Machine, Node, Operation, Recur, Repeat, TensorType, Use
from ..record import Record
from ..shapes import Apply, Dim, Size
from ..values import Formula, Real, Text, Truth, conjuncts, is_proved, names_of, substitute

Texts = Mapping[str, Text]
Made = TypeVar("Made", bound=Record)


def pin(root: Graph) -> Graph:
    """The root with its pinned hyperparameters replaced by their values."""
    return _without(root, pinned(root))


def pin_all(root: Graph) -> Graph:
    """The root with all its hyperparameters replaced by their values."""
    return _without(root, frozenset(hyper.name for hyper in root.hypers))


def _without(root: Graph, names: frozenset[str]) -> Graph:
    values = {hyper.name: _text(hyper.value) for hyper in root.hypers if hyper.name in names}
    numbers = {name: text for name, text in values.items() if text is not None}
    kept = tuple(hyper for hyper in root.hypers if hyper.name not in names)
    return renamed(root, numbers).model_copy(update={"hypers": kept})


def pinned(root: Graph) -> frozenset[str]:
    """The hyperparameters of the root that the text fixes."""
    proved = facts_of(root)
    names = {hyper.name for hyper in root.hypers if _text(hyper.value) is None}
    for assumption in root.assumptions:
        if not _follows(assumption.condition, proved):
            names |= names_of(assumption.condition)
    return frozenset(names & {hyper.name for hyper in root.hypers})


def facts_of(root: Graph) -> frozenset[Text]:
    """Conditions over the root's names that some constructor or `forward` checks: the asserts of the root and of all its parts."""
    return _facts(root, {})


def _facts(graph: Graph, known: dict[int, frozenset[Text]]) -> frozenset[Text]:
    if id(graph) not in known:
        found = {part for assertion in graph.assertions for part in conjuncts(assertion.condition)}
        for node in graph.nodes:
            if isinstance(node.op, Use):
                names = texts(node.op.arguments, node.op.dims)
                lifted = _facts(node.op.graph, known)
                found |= {substitute(fact, names) for fact in lifted if names_of(fact) <= names.keys()}
            elif isinstance(node.op, Repeat):
                for level in node.op.levels:
                    names = texts(level.arguments, level.dims)
                    found |= {substitute(fact, names) for fact in _facts(level.graph, known)}
        known[id(graph)] = frozenset(found)
    return known[id(graph)]


def _follows(condition: Text, facts: frozenset[Text]) -> bool:
    """Is it checked, or true whatever the numbers, or true because one number that is checked divides another?"""
    parts = conjuncts(condition)
    if all(part in facts or is_proved(part) for part in parts):
        return True
    quotients = _quotients(facts)
    return bool(quotients) and all(part in facts or is_proved(substitute(part, quotients)) for part in parts)


def _quotients(facts: frozenset[Text]) -> dict[str, Text]:
    """From `a % b == 0`: a is b times a whole number. One such fact for each name, none in a circle."""
    found: dict[str, Text] = {}
    for fact in sorted(facts, key=str):
        pair = _multiple(fact)
        if pair is None or pair[0] in found or pair[1].symbols() & {pair[0], *found}:
            continue
        if any(pair[0] in names_of(text) for text in found.values()):
            continue
        found[pair[0]] = pair[1] * Dim.of(f"{pair[0]}/{pair[1]}")
    return found


def _multiple(fact: Text) -> tuple[str, Dim] | None:
    """`a % b == 0` for a name a."""
    if not isinstance(fact, Formula) or fact.op != "==" or fact.args[1] != Dim.of(0) or not isinstance(fact.args[0], Dim):
        return None
    atoms = [atom for monomial, factor in fact.args[0].terms if factor == 1 for atom, exponent in monomial if exponent == 1]
    if len(fact.args[0].terms) != 1 or len(atoms) != 1 or not isinstance(atoms[0], Apply) or atoms[0].op != "%":
        return None
    name = atoms[0].left.symbol
    return None if name is None else (name, atoms[0].right)


def _text(value: Any) -> Text | None:
    """The number of a hyperparameter; none for lists, truths, callables and what else is no number."""
    if isinstance(value, Size):
        return value.value if value.number is not None else None
    if isinstance(value, Real):
        return value.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Dim.of(value) if isinstance(value, int) else value


def shown(value: Any) -> str:
    """A hyperparameter's value as the language writes it."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Size | Real | Truth | int | float):
        return str(value)
    items = getattr(value, "items", None)
    if isinstance(items, tuple):
        return shown(items)
    return getattr(getattr(value, "layer", None), "name", "") or "a callable"


# Renaming -------------------------------------------------------------------------------------------------------------


def texts(arguments: Mapping[str, Any], dims: Mapping[str, Size]) -> dict[str, Text]:
    """What the names of a part stand for, in the text of its user; only numbers have texts."""
    numbers = {name: value.text for name, value in arguments.items() if isinstance(value, Size | Real)}
    return numbers | {name: size.text for name, size in dims.items()}


def renamed(graph: Graph, names: Texts) -> Graph:
    """The graph with names replaced in every text of its own; the graphs of parts have names of their own and stay."""
    if not names:
        return graph
    update: dict[str, Any] = {
        "nodes": tuple(_node(node, names) for node in graph.nodes),
        "assertions": tuple(_assertion(assertion, names) for assertion in graph.assertions),
    }
    if isinstance(graph, Machine):
        blocks = tuple(block.model_copy(update={"mean": renamed(block.mean, names)}) for block in graph.blocks)
        rest = {"total": graph.total, "free": graph.free, "start": graph.start, "statistics": graph.statistics}
        update |= {"blocks": blocks} | {name: None if one is None else renamed(one, names) for name, one in rest.items()}
    return graph.model_copy(update=update)


def _node(node: Node, names: Texts) -> Node:
    outputs = tuple(Edge(type=_value(edge.type, names), name=edge.name) for edge in node.outputs)
    return node.model_copy(update={"op": operation(node.op, names), "inputs": _value(node.inputs, names), "outputs": outputs})


def _assertion(assertion: Assertion, names: Texts) -> Assertion:
    return assertion.model_copy(update={"condition": _value(assertion.condition, names)})


def operation(op: Operation, names: Texts) -> Operation:
    """An operation with names replaced in its arguments."""
    if isinstance(op, Recur) and op.chunk is not None:
        op = op.model_copy(update={"chunk": _value(op.chunk, names)})
    if isinstance(op, Use):
        return op.model_copy(update={"arguments": _value(op.arguments, names), "dims": _value(op.dims, names)})
    if isinstance(op, Repeat):
        levels = tuple(_level(level, names) for level in op.levels)
        return op.model_copy(update={"levels": levels, "count": _value(op.count, names)})
    return _fields(op, names)


def _fields(record: Made, names: Texts) -> Made:
    return record.model_copy(update={name: _value(value, names) for name, value in record})


def _level(level: Level, names: Texts) -> Level:
    own = level.arguments.keys() | level.dims.keys() | {hyper.name for hyper in level.graph.hypers}
    inner = {name: text for name, text in names.items() if name not in own}
    update = {"graph": renamed(level.graph, inner), "count": _value(level.count, names)}
    return level.model_copy(update=update | {"arguments": _value(level.arguments, names), "dims": _value(level.dims, names)})


def _value(value: Any, names: Texts) -> Any:
    match value:
        case Dim() | Formula():
            return _replaced(value, names)
        case Size():
            text = _replaced(value.text, names)
            return Size(value.value, text) if isinstance(text, Dim) else value
        case Real():
            return Real(value.value, _replaced(value.text, names))
        case Truth():
            return Truth(value.value, _replaced(value.text, names))
        case TensorType():
            return TensorType(value.dtype, _value(value.shape, names), value.origin)
        case tuple() if type(value) is tuple:
            return tuple(_value(item, names) for item in value)
        case list():
            return [_value(item, names) for item in value]
        case dict():
            return {name: _value(item, names) for name, item in value.items()}
        case Operation():
            return operation(value, names)
        case Record() if not isinstance(value, Graph):
            return _fields(value, names)
    return value


def _replaced(text: Text, names: Texts) -> Text:
    """`text` with names replaced; a whole number that was given as a real stands where a dim is wanted too."""
    text = substitute(text, names)
    whole = {name: Dim.of(int(value)) for name, value in names.items() if isinstance(value, float) and value.is_integer()}
    return substitute(text, whole) if whole and names_of(text) & whole.keys() else text

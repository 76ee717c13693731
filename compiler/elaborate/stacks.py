"""`stack` and `parallel`: levels are elaborated until their type no longer changes; equal levels are one run with a count.

A level is a body inside the body the stack stands in: it sees its names, and the tensors it reads from there come in as further inputs. The
dims of what it carries have names of its own, since they may differ from level to level.
"""

from __future__ import annotations

from ...dsl import ast
from ...dsl.span import Span
from ...dsl.walk import descendants
from ..errors.calls import NotATensor, TooLarge, Unpacking
from ..errors.stacks import BadCount, NotAList, TiedChanges
from ..graph import Assertion, Graph, Input, Level, Ref, Repeat, TensorType, Use
from ..layers.base import Layer, Refusal
from ..penalties import penalty_names
from ..shapes import Dim, Size
from ..values import formula
from . import numbers
from .body import Body
from .expressions import evaluate, one
from .levels import StackInMaking, add_level
from .values import (
    POISON,
    Group,
    Items,
    Outputs,
    Poison,
    StackRecipe,
    Tensor,
    Value,
    describe,
    type_key,
)

MAX_LEVELS = 100_000
UNSETTLED = 100
"""So many levels may differ before the first two of one type, where there are more in all than may differ."""


def run_stack(
    body: Body, node: ast.Stack, incoming: tuple[Value, ...] | None, occurrence: ast.Node, recipe: StackRecipe | None = None
) -> Value:
    """The value of a stack: the last carried value (or values), then what the levels returned."""
    if recipe is None:
        return _run(body, node, incoming, occurrence, body)
    from .callables import meaning

    with meaning(body, recipe):
        return _run(body, node, incoming, occurrence, recipe.body)


LEVELS = {"stack": "Level", "parallel": "Branch"}
"""What stands behind the name of a declaration in the name of its unnamed levels: `UNetLevel`."""


def _run(body: Body, node: ast.Stack, incoming: tuple[Value, ...] | None, occurrence: ast.Node, home: Body) -> Value:
    key, owner = (node.kind, 0) if body.function else body.key(occurrence, node.kind)
    carried, values = _start(body, node, incoming)
    if any(isinstance(value, Poison) for value in values):
        return POISON
    items = _items(body, node)
    if items is None:
        return POISON
    unnamed = key.removeprefix(node.kind).isdigit()
    title = LEVELS[node.kind] if unnamed else "".join(part.title() for part in key.split("_"))
    keys = body.elaborator.level_keys(node.body, home)
    stack = StackInMaking(body, node, f"{body.name}{title}", keys, carried, values)
    if (isinstance(items, Size) and items.number == 0) or (isinstance(items, list) and not items):
        return _identity(body, stack, items)
    outcome = None
    for _ in range(3):  # again when a later level reads more from outside than the ones before it
        before = len(stack.captures)
        outcome = _unroll(stack, items)
        if outcome is None:
            return POISON
        if len(stack.captures) == before or not (len(stack.levels) > 1 or stack.walked):
            break
        stack.levels, stack.types, stack.walked, stack.cache = [], [], [], {}
    assert outcome is not None
    return _finish(stack, items, outcome, key, owner)


def _start(body: Body, node: ast.Stack, incoming: tuple[Value, ...] | None) -> tuple[list[str], list[Value]]:
    """The names and first values of what is carried."""
    if node.carries:
        starts = [one(evaluate(body, carry.start)) for carry in node.carries]
        for carry, value in zip(node.carries, starts, strict=True):
            if not isinstance(value, Tensor | Poison):
                raise Refusal(NotATensor(carry.start.span, describe(value)))
        return [carry.name.text for carry in node.carries], [v if isinstance(v, Poison) else body.local(v) for v in starts]
    if not incoming:
        raise Refusal(NotATensor(node.span, f"a {node.kind} that nothing flows into"))
    for value in incoming:
        if not isinstance(value, Tensor):
            raise Refusal(NotATensor(node.span, describe(value)))
    names = ["x"] if len(incoming) == 1 else [f"x{i + 1}" for i in range(len(incoming))]
    return names, [body.local(value) for value in incoming]


def _items(body: Body, node: ast.Stack) -> Size | list[tuple[Value, ...]] | None:
    """The number of levels, or for a list the values of its names level by level."""
    if node.count is not None:
        count = one(evaluate(body, node.count))
        if isinstance(count, Poison):
            return None
        number = numbers.known(body, count, node.count.span, "the number of levels", keep=True)
        if number > MAX_LEVELS and (node.kind == "parallel" or _returns(node)):
            raise Refusal(BadCount(node.count.span, f"{number:,}", f"{MAX_LEVELS:,} that are told apart are the most"))
        if number < 0:
            raise Refusal(BadCount(node.count.span, str(number), "there are none below zero"))
        assert isinstance(count, Size)
        return count
    assert node.over is not None
    over = one(evaluate(body, node.over))
    if isinstance(over, Poison):
        return None
    if not isinstance(over, Items):
        written = body.unit.source.slice(node.over.span)
        raise Refusal(NotAList(node.over.span, describe(over), written if isinstance(over, Size) else ""))
    if len(over.items) > MAX_LEVELS:
        raise Refusal(BadCount(node.over.span, f"{len(over.items):,}", f"{MAX_LEVELS:,} that differ are the most"))
    return [_row(node, item) for item in over.items]


def _returns(node: ast.Stack) -> bool:
    """Does each level give something to a list?"""
    return any(isinstance(inner, ast.Return) for statement in node.body for inner in descendants(statement))


def _row(node: ast.Stack, item: Value) -> tuple[Value, ...]:
    if len(node.names) == 1:
        return (item,)
    if not isinstance(item, Items) or len(item.items) != len(node.names):
        raise Refusal(
            Unpacking(
                node.names[0].span.to(node.names[-1].span), len(node.names), len(item.items) if isinstance(item, Items) else 1
            )
        )
    return item.items


def _unroll(stack: StackInMaking, items: Size | list[tuple[Value, ...]]) -> list[TensorType] | None:
    """Fill `levels`; the types of the carried values at the end, in the body's text. None when a level is at fault."""
    types = [value.type for value in stack.values]
    if isinstance(items, list):
        for row in items:
            after = add_level(stack, types, row, Size.of(1))
            if after is None:
                return None
            types = after if stack.node.kind == "stack" else types
        return types
    return _counted(stack, items, types)


def _counted(stack: StackInMaking, count: Size, types: list[TensorType]) -> list[TensorType] | None:
    """Levels by number: the rest are equal as soon as what comes out has the type of what came in."""
    number = count.number
    assert number is not None
    if stack.node.kind == "parallel" or stack.node.tied:
        after = add_level(stack, types, (), count)
        if after is None or stack.node.kind == "parallel":
            return None if after is None else types
        if [type_key(t) for t in after] != [type_key(t) for t in types]:
            raise Refusal(TiedChanges(stack.node.span, ", ".join(map(str, types)), ", ".join(map(str, after))))
        _assume_equal(stack.body, after, types)
        return types
    for done in range(number):
        if done > (MAX_LEVELS if number <= MAX_LEVELS else UNSETTLED):
            raise Refusal(BadCount(stack.node.span, f"{number:,}", f"{MAX_LEVELS:,} that differ are the most"))
        if any(numbers.is_huge(size.value) for type_ in types for size in type_.shape):
            raise Refusal(TooLarge(stack.node.span, f"after {done} levels, a dim has more than {numbers.MAX_DIGITS} digits"))
        probe = add_level(stack, types, (), Size.of(1))
        if probe is None:
            return None
        settled = [type_key(t) for t in probe] == [type_key(t) for t in types]
        if settled:
            if probe != types and any(a.shape != b.shape for a, b in zip(probe, types, strict=True)):
                _assume_equal(stack.body, probe, types)
            last = stack.levels[-1]
            rest = Size(count.value - done, count.text - done)
            if done or any(node.owner for node in last.graph.nodes):
                _at_least(stack.body, count, done + 1, stack.node.span)
            stack.levels[-1] = last.model_copy(update={"count": rest})
            return types
        types = probe
    if number:
        stack.body.assume(formula("==", count.text, Dim.of(number)), "the number of levels")
    return types


def _at_least(body: Body, count: Size, least: int, span: Span) -> None:
    """The first levels differ from the rest, or use a layer from outside, so the text is right only if there are so many."""
    condition = formula(">=", count.text, Dim.of(least))
    if condition is not True:
        body.assertions.append(Assertion(condition=condition, message="the stack has too few levels", span=span))


def _assume_equal(body: Body, left: list[TensorType], right: list[TensorType]) -> None:
    for one_type, other in zip(left, right, strict=True):
        for a, b in zip(one_type.shape, other.shape, strict=True):
            body.same(a, b)


def _identity(body: Body, stack: StackInMaking, items: Size | list[tuple[Value, ...]]) -> Value:
    """No levels: what comes in comes out, and nothing is collected."""
    if isinstance(items, Size):
        body.assume(formula("==", items.text, Dim.of(0)), "the number of levels")
    if stack.node.kind == "parallel":
        return Items(())
    last: tuple[Value, ...] = tuple(stack.values)
    return last[0] if len(last) == 1 and not stack.node.carries else Outputs((*last, Items(())))


def _finish(stack: StackInMaking, items: Size | list[tuple[Value, ...]], types: list[TensorType], key: str, owner: int) -> Value:
    """The node, and the values that come out of it."""
    body, node = stack.body, stack.node
    levels = _runs(stack.levels)
    total = items if isinstance(items, Size) else Size.of(len(items))
    collects = len(stack.types[0]) if stack.types else 0
    runs = zip(stack.levels, stack.types, strict=True)
    collected = [type_ for level, types_ in runs if types_ for _ in range(level.count.number or 1) for type_ in types_]
    if collects and isinstance(items, Size) and items.number is not None:
        body.assume(formula("==", items.text, Dim.of(items.number)), "the list that a stack collects")
    if isinstance(items, Size) and items.number == 1 and any(penalty_names(level.graph) for level in stack.levels):
        body.assume(formula("==", items.text, Dim.of(1)), "the penalty of the one level")
    parallel = node.kind == "parallel"
    op = Repeat(
        kind=node.kind,
        levels=levels,
        carried=len(stack.carried),
        captured=len(stack.captures),
        walked=len(stack.walked),
        collects=collects,
        tied=node.tied,
        single=all(_single(level.graph) for level in levels),
        count=total,
    )
    operands = body.operands((*stack.values, *stack.captures, *stack.walked))
    if body.function:
        from .unfolding import unfold_levels

        results = unfold_levels(body, op, operands, node.span)
    else:
        typed = tuple(TensorType(t.dtype, t.shape, node.span) for t in (*(() if parallel else types), *collected))
        number = body.add(op, operands, typed, node.span, key, owner=owner)
        results = tuple(body.tensor(number, i) for i in range(len(typed)))
    last, gathered = (results[: -len(collected)], results[-len(collected) :]) if collected else (results, ())
    listed = Items(
        gathered
        if stack.listed
        else tuple(Group(tuple(gathered[i : i + collects])) for i in range(0, len(gathered), collects or 1))
    )
    if parallel:
        return listed
    return Outputs((*last, listed)) if collects else last[0] if len(last) == 1 else Outputs(last)


def _runs(levels: list[Level]) -> tuple[Level, ...]:
    """Neighbouring levels that are equal in graph and text become one."""
    runs: list[Level] = []
    for level in levels:
        if (
            runs
            and runs[-1].graph is level.graph
            and runs[-1].arguments == level.arguments
            and _texts(runs[-1]) == _texts(level)
            and not level.arguments
        ):
            count = Size(runs[-1].count.value + level.count.value, runs[-1].count.text + level.count.text)
            runs[-1] = runs[-1].model_copy(update={"count": count})
        else:
            runs.append(level)
    return tuple(runs)


def _texts(level: Level) -> dict[str, Dim]:
    return {name: size.text for name, size in level.dims.items()}


def _single(graph: Graph) -> bool:
    """Is the level one keyed call, so that its key is the level's own?"""
    work = [(number, node) for number, node in enumerate(graph.nodes) if not isinstance(node.op, Input)]
    if len(work) != 1:
        return False
    number, node = work[0]
    whole = all(output.ref == Ref(number, i) for i, output in enumerate(graph.outputs))
    if not whole or node.key is None or node.owner:
        return False
    return node.op.graph.reach < 2 if isinstance(node.op, Use) else isinstance(node.op, Layer)

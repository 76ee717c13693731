"""Index functions: `mask[i, j] = j <= i` is written out where `attend` is given it.

Comes in: a definition, and `attend` with those that it is given. Goes out: their equations, checked for their indices and dtypes, and
the tensors that they read among the operands of `attend`.
"""

from __future__ import annotations

from dataclasses import replace

from ...dsl import ast
from ...dsl.span import Span
from ...dsl.walk import descendants
from ..attention.terms import INDICES, Equation
from ..errors.attention import NotAnIndexFunction, Recursion, WrongIndexDtype, WrongIndices
from ..graph import DType
from ..layers.attention import Attend
from ..layers.base import Refusal
from ..shapes import Size
from ..values import Real, Truth
from .body import Body
from .building import build
from .index_entries import KINDS, Entry
from .index_expressions import Expressions
from .values import MISSING, POISON, IndexFunction, LayerRecipe, Places, Poison, Scope, Tensor, Value, describe

FORMS = {"mask": (("i", "j"), ("h", "i", "j"), INDICES), "score": (("s", "h", "i", "j"),)}
FORMS["bias"] = FORMS["mask"]
WORDS = {"mask": "[i, j], [h, i, j] or [b, h, i, j]", "score": "[s, h, i, j]"}
WORDS["bias"] = WORDS["mask"]


def define(body: Body, node: ast.IndexFunction) -> None:
    """Bind an index function: it sees the names as they are here."""
    name = node.name.text
    indices = {index.text for index in node.indices}
    before = body.scope.get(name)
    for inner in descendants(node.value):
        if isinstance(inner, ast.Name) and inner.id == name and name not in indices and before is MISSING:
            body.scope.names[name] = POISON
            raise Refusal(Recursion(inner.span, name))
    body.scope.names[name] = IndexFunction(node, Scope(body.scope.outer, dict(body.scope.names)))


def written_out(
    body: Body, recipe: LayerRecipe, values: tuple[Value, ...], places: Places, span: Span
) -> tuple[LayerRecipe, tuple[Value, ...]]:
    """`attend` with its index functions as equations, and the tensors that they read after q, k and v."""
    names = [name for name in FORMS if name in recipe.arguments]
    if not names:
        return recipe, values
    tensors = [value for value in values if isinstance(value, Tensor)]
    fits = len(tensors) == len(values) == 3 and all(t.type.rank == tensors[0].type.rank in (3, 4) for t in tensors)
    arguments = {name: value for name, value in recipe.arguments.items() if name not in FORMS}
    if not fits:
        return replace(recipe, arguments=arguments), values
    op = build(body, replace(recipe, arguments=arguments), places)
    assert isinstance(op, Attend)
    q, k = tensors[0].type, tensors[1].type
    extents = dict(zip(INDICES, (q.shape[0], op.counts(q, k)[0], q.shape[-2], k.shape[-2]), strict=True))
    given = [(name, recipe.arguments[name], places.get(name, _argument(recipe, name) or span)) for name in names]
    for name, value, place in given:
        if value is not None and (equation := _equation(Expressions(body, extents), name, value, place, tensors)) is not None:
            arguments[name] = equation
    return replace(recipe, arguments=arguments), tuple(tensors)


def _argument(recipe: LayerRecipe, name: str) -> Span | None:
    """Where the argument of that name stands in the call that built the layer."""
    args = recipe.call.args if recipe.call is not None else ()
    return next((arg.value.span for arg in args if arg.name is not None and arg.name.text == name), None)


def _equation(write: Expressions, argument: str, value: Value, place: Span, operands: list[Tensor]) -> Equation | None:
    """The equation of an argument; none where it says nothing: no bias, a mask that lets all through. What it reads joins `operands`."""
    if not isinstance(value, IndexFunction):
        raise Refusal(_no_function(argument, value, place))
    roles = _roles(argument, value, place)
    result = write.applied(value, tuple(write.index(role) for role in roles), value.node.value.span)
    if isinstance(result, Poison):
        return None
    dtype = write.dtype(result, value.node.value.span)
    if (dtype == "bool") != (argument == "mask"):
        raise Refusal(_wrong_dtype(argument, value, dtype, place))
    if not isinstance(result, Entry) and argument != "score":
        number = result.number if isinstance(result, Size) else result.value if isinstance(result, Real | Truth) else result
        if number == (argument == "mask"):  # true, or 0
            return None
    root = write.lifted(result, value.node.value.span)
    names = tuple(tensor.name or "tensor" for tensor in write.read)
    return write.terms.equation(root.place, (_operand(operands, tensor) for tensor in write.read), names, roles)


def _roles(argument: str, function: IndexFunction, place: Span) -> tuple[str, ...]:
    """What the indices of a function stand for."""
    formals = tuple(index.text for index in function.node.indices)
    roles = next((form for form in FORMS[argument] if len(form) == len(formals)), None)
    listed, name = f"[{', '.join(formals)}]", function.node.name
    if roles is None:
        raise Refusal(WrongIndices(place, f"the {argument} of attend", WORDS[argument], listed, name.span))
    for formal, role in zip(formals, roles, strict=True):
        if formal in (*INDICES, "s") and formal != role:
            wanted, mend = f"[{', '.join(roles)}]", _reordered(name.text, argument, formals)
            raise Refusal(WrongIndices(place, f"the {argument} of attend", wanted, listed, name.span, mend))
    return roles


def _wrong_dtype(argument: str, function: IndexFunction, dtype: DType, place: Span) -> WrongIndexDtype:
    mend = ""
    if argument == "mask":
        mend = "a comparison makes a mask; numbers that are added to the scores are a bias: attend(…, bias=…)"
    elif argument == "bias":
        mend = "truths that hide keys are a mask: attend(…, mask=…)"
    wanted = KINDS["bool"] if argument == "mask" else KINDS["float"]
    what, given = f"the {argument} of attend", f"given as the {argument} here"
    return WrongIndexDtype(function.node.value.span, what, wanted, KINDS[dtype], place, given, mend)


def _operand(operands: list[Tensor], tensor: Tensor) -> int:
    """The place of a tensor among the operands of `attend`."""
    for place, known in enumerate(operands[3:], 3):
        if known.body is tensor.body and known.ref == tensor.ref:
            return place
    operands.append(tensor)
    return len(operands) - 1


def _no_function(argument: str, value: Value, place: Span) -> NotAnIndexFunction:
    mend = ""
    if isinstance(value, Tensor):
        name = value.name or "keep"
        count = value.type.rank
        read = {2: "b, j", 3: "b, i, j", 4: "b, h, i, j"}.get(count, "…")
        mend = f"make it one before: {argument}[b, h, i, j] = {name}[{read}]"
    elif isinstance(value, str):
        mend = f"write the equation: {argument}[i, j] = j <= i"
    return NotAnIndexFunction(place, argument, describe(value), mend)


def _reordered(name: str, argument: str, formals: tuple[str, ...]) -> str:
    """What was meant by indices of the usual names in another order."""
    forms = [form for form in FORMS[argument] if set(formals) <= set(form)]
    if not forms:
        return ""
    listed = f"{name}[{', '.join(forms[0])}]"
    return f"the query stands before the key: {listed}" if len(forms[0]) == len(formals) else f"with b there are four: {listed}"

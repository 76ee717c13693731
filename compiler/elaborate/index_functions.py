"""Index functions: `mask[i, j] = j <= i` is written out where `attend` is given it.

Comes in: the equation as it stands in the text. Goes out: its terms, with what is known at compile time folded, every value of
one dtype, and
every tensor read inside its dims as far as that can be proved.
"""

from __future__ import annotations

from dataclasses import replace

from ...dsl import ast
from ...dsl.span import Span
from ...dsl.walk import descendants
from ..attention.ranges import Range, range_of
from ..attention.terms import FUNCTIONS, INDICES, Equation, Reach, Terms
from ..errors.attention import (
    IndexFunctionElsewhere,
    NotAnIndexExpression,
    NotAnIndexFunction,
    PlaceOutside,
    Recursion,
    WrongIndexDtype,
    WrongIndices,
    WrongTensorIndices,
)
from ..errors.calls import BadArithmetic, TooLarge
from ..graph import DType
from ..layers import registry
from ..layers._elementwise import Elementwise
from ..layers.attention import Attend
from ..layers.base import Refusal
from ..resolve import FUNCTIONS as ON_NUMBERS
from ..shapes import Dim, Size
from ..values import Real, Truth
from . import expressions, numbers
from .body import Body, LayerChecker
from .building import build
from .values import MISSING, POISON, IndexFunction, Items, LayerRecipe, Places, Poison, Scope, Tensor, Value, describe

MAX_TERMS = 2_000
MAX_DEPTH = 60
FORMS = {"mask": (("i", "j"), ("h", "i", "j"), INDICES), "score": (("s", "h", "i", "j"),)}
FORMS["bias"] = FORMS["mask"]
WORDS = {"mask": "[i, j], [h, i, j] or [b, h, i, j]", "score": "[s, h, i, j]"}
WORDS["bias"] = WORDS["mask"]
KINDS: dict[DType, str] = {"bool": "true or false", "int": "a whole number", "float": "a number"}


class Entry:
    """A value that depends on the indices: a term under construction."""

    def __init__(self, place: int, dtype: DType, range_: Range) -> None:
        self.place, self.dtype, self.range = place, dtype, range_


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
        if (equation := Writer(body, extents, tensors).given(name, value, place)) is not None:
            arguments[name] = equation
    return replace(recipe, arguments=arguments), tuple(tensors)


def _argument(recipe: LayerRecipe, name: str) -> Span | None:
    """Where the argument of that name stands in the call that built the layer."""
    args = recipe.call.args if recipe.call is not None else ()
    return next((arg.value.span for arg in args if arg.name is not None and arg.name.text == name), None)


class Writer:
    """Writes out one index function. `extents` are the sizes of the indices; `tensors` are gathered behind q, k and v."""

    def __init__(self, body: Body, extents: dict[str, Size], tensors: list[Tensor]) -> None:
        self.body, self.extents, self.tensors = body, extents, tensors
        self.terms = Terms()
        self.read: list[Tensor] = []
        self.function: list[IndexFunction] = []
        self.known: dict[object, Value] = {}

    # What attend is given ---------------------------------------------------------------------------------------------

    def given(self, argument: str, value: Value, place: Span) -> Equation | None:
        """The equation of an argument; none where it says nothing: no bias, a mask that lets all through."""
        if value is None:
            return None
        if not isinstance(value, IndexFunction):
            raise Refusal(_no_function(argument, value, place))
        formals = tuple(index.text for index in value.node.indices)
        roles = next((form for form in FORMS[argument] if len(form) == len(formals)), None)
        listed = f"[{', '.join(formals)}]"
        if roles is None:
            raise Refusal(WrongIndices(place, f"the {argument} of attend", WORDS[argument], listed, value.node.name.span))
        for formal, role in zip(formals, roles, strict=True):
            if formal in (*INDICES, "s") and formal != role:
                mend = _reordered(value.node.name.text, argument, formals)
                wanted = f"[{', '.join(roles)}]"
                raise Refusal(WrongIndices(place, f"the {argument} of attend", wanted, listed, value.node.name.span, mend))
        result = self.applied(value, tuple(self._index(role) for role in roles), value.node.value.span)
        if isinstance(result, Poison):
            return None
        return self._checked(argument, value, result, place, roles)

    def _checked(
        self, argument: str, function: IndexFunction, result: Value, place: Span, roles: tuple[str, ...]
    ) -> Equation | None:
        dtype = self._dtype(result, function.node.value.span)
        wanted = "bool" if argument == "mask" else "float"
        if (dtype == "bool") != (wanted == "bool"):
            mend = ""
            if argument == "mask" and dtype != "bool":
                mend = "a comparison makes a mask; numbers that are added to the scores are a bias: attend(…, bias=…)"
            elif argument == "bias":
                mend = "truths that hide keys are a mask: attend(…, mask=…)"
            raise Refusal(
                WrongIndexDtype(
                    function.node.value.span,
                    f"the {argument} of attend",
                    KINDS["bool"] if argument == "mask" else KINDS["float"],
                    KINDS[dtype],
                    place,
                    f"given as the {argument} here",
                    mend,
                )
            )
        if not isinstance(result, Entry):
            number = result.number if isinstance(result, Size) else result.value if isinstance(result, Real | Truth) else result
            if number == (argument == "mask"):  # true, or 0
                return None
        root = self.lifted(result, function.node.value.span)
        names = tuple(tensor.name or "tensor" for tensor in self.read)
        return self.terms.equation(root.place, (self._operand(tensor) for tensor in self.read), names, roles)

    def _operand(self, tensor: Tensor) -> int:
        """The place of a tensor among the operands of `attend`."""
        for place, known in enumerate(self.tensors[3:], 3):
            if known.body is tensor.body and known.ref == tensor.ref:
                return place
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def _index(self, role: str) -> Entry:
        if role == "s":
            return Entry(self.terms.add("s", "float"), "float", Range())
        high = self.extents[role] - 1
        return Entry(self.terms.add(role, "int"), "int", Range(Dim.of(0), high.value, reached=True, moving=frozenset((role,))))

    # Functions --------------------------------------------------------------------------------------------------------

    def applied(self, function: IndexFunction, args: tuple[Value, ...], span: Span) -> Value:
        """An index function of these values."""
        key = (id(function.node), id(function.scope), tuple(_key(arg) for arg in args))
        if key in self.known:
            return self.known[key]
        if len(self.function) >= MAX_DEPTH:
            raise Refusal(TooLarge(span, f"more than {MAX_DEPTH} index functions stand in each other"))
        names = {index.text: arg for index, arg in zip(function.node.indices, args, strict=True)}
        before = self.body.scope
        self.body.scope = Scope(Scope(function.scope.outer, function.scope.names), names)
        self.function.append(function)
        try:
            result = self.value(function.node.value)
        finally:
            self.body.scope = before
            self.function.pop()
        if isinstance(result, Entry) and len(self.function) > 0:
            self.terms.label(result.place, function.node.name.text)
        self.known[key] = result
        return result

    # Expressions ------------------------------------------------------------------------------------------------------

    def value(self, node: ast.Expr) -> Value:
        """A compile-time value, or an entry."""
        if len(self.terms.terms) > MAX_TERMS:
            raise Refusal(TooLarge(node.span, f"an index function has more than {MAX_TERMS:,} steps"))
        match node:
            case ast.Name():
                return self._name(node)
            case ast.Number() | ast.Literal_() | ast.String():
                return expressions.evaluate(self.body, node)
            case ast.Unary():
                return self._unary(node)
            case ast.Binary():
                return self._logic(node) if node.op in ("and", "or") else self._binary(node)
            case ast.Compare():
                return self._compare(node)
            case ast.Ternary():
                return self._ternary(node)
            case ast.Call():
                return self._call(node)
            case ast.Index():
                return self._index_of(node)
            case ast.Attribute():
                return self._whole(expressions.evaluate(self.body, node), node)
        what = {ast.Flow: "a flow", ast.Stack: "a stack", ast.List: "a list", ast.Tuple: "a tuple"}.get(type(node), "this form")
        mend = "write functions with parentheses: tanh(s)" if isinstance(node, ast.Flow) else ""
        raise Refusal(NotAnIndexExpression(node.span, what, self._called(), mend))

    def _called(self) -> str:
        return self.function[-1].node.name.text

    def _name(self, node: ast.Name) -> Value:
        return self._whole(expressions.name(self.body, node), node)

    def _whole(self, value: Value, node: ast.Expr) -> Value:
        """A value by its name: a tensor has to be a single number."""
        if isinstance(value, Tensor):
            if value.type.rank:
                name = self.body.unit.source.slice(node.span)
                raise Refusal(WrongTensorIndices(node.span, name, str(value.type), value.type.rank, 0, value.type.origin))
            return self._reading(value, (), node.span)
        if isinstance(value, IndexFunction):
            raise Refusal(IndexFunctionElsewhere(node.span, value.node.name.text))
        if isinstance(value, Entry | Size | Real | Truth | bool | Poison | str | Items) or value is None:
            return value
        raise Refusal(NotAnIndexExpression(node.span, describe(value), self._called()))

    def _unary(self, node: ast.Unary) -> Value:
        value = self.value(node.operand)
        if isinstance(value, Poison):
            return POISON
        if not isinstance(value, Entry):
            if node.op == "-":
                return numbers.negated(value, node.span)
            truth = numbers.truth(value, node.operand.span)
            return not numbers.decided(self.body, truth, node.operand.span, "a condition of an index function")
        if node.op == "-":
            self._want(value, node.operand.span, "int", "float")
            return self._made("neg", value.dtype, value)
        self._want(value, node.operand.span, "bool")
        term = self.terms.terms[value.place]
        return self._at(term.args[0]) if term.op == "not" else self._made("not", "bool", value)

    def _logic(self, node: ast.Binary) -> Value:
        """`and`, `or`: what is known decides before the other side is looked at, so `window == none or i - j < window` is right."""
        left = self._truth(node.left)
        if left is (node.op == "or"):
            return left
        right = self._truth(node.right)
        if isinstance(left, Poison) or isinstance(right, Poison):
            return POISON
        if isinstance(left, bool):
            return right
        if isinstance(right, bool):
            return right if right is (node.op == "or") else left
        return left if left.place == right.place else self._made(node.op, "bool", left, right)

    def _truth(self, node: ast.Expr) -> Entry | bool | Poison:
        value = self.value(node)
        if isinstance(value, Entry):
            self._want(value, node.span, "bool")
            return value
        if isinstance(value, Poison):
            return value
        truth = numbers.truth(value, node.span)
        return numbers.decided(self.body, truth, node.span, "a condition of an index function")

    def _binary(self, node: ast.Binary) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(left, Poison) or isinstance(right, Poison):
            return POISON
        if not isinstance(left, Entry) and not isinstance(right, Entry):
            if node.op == "..":
                return numbers.counted(self.body, left, right, node.span)
            return numbers.arithmetic(self.body, node.op, left, right, node.span)
        if node.op in ("..", "@"):
            raise Refusal(NotAnIndexExpression(node.span, f"{node.op}", self._called()))
        return self._arithmetic(node, self._number(left, node.left), self._number(right, node.right))

    def _arithmetic(self, node: ast.Binary, left: Entry, right: Entry) -> Entry:
        whole = left.dtype == right.dtype == "int"
        power = self.terms.terms[right.place].value
        if node.op in ("/", "//", "%") and right.range.number == 0:
            raise Refusal(BadArithmetic(node.span, f"{node.op} 0 has no result"))
        exact = node.op != "/" and (node.op != "**" or (isinstance(power, Size) and (power.number or 0) > 0))
        return self._made(node.op, "int" if whole and exact else "float", left, right)

    def _compare(self, node: ast.Compare) -> Value:
        if any(
            isinstance(side, ast.Literal_) and side.value is None for side in (node.first, *(right for _, right in node.rest))
        ):
            return expressions.evaluate(self.body, node)  # `t == none` is compile time, and t may be a whole tensor
        terms = [(node.first, self.value(node.first))] + [(right, self.value(right)) for _, right in node.rest]
        if any(isinstance(value, Poison) for _, value in terms):
            return POISON
        result: Value = True
        for (left_node, left), (op, _), (right_node, right) in zip(terms, node.rest, terms[1:], strict=False):
            one = self._compared(op, left_node, left, right_node, right)
            if isinstance(result, Entry) and isinstance(one, Entry):
                result = self._made("and", "bool", result, one)
            elif result is True or one is False:
                result = one
        return result

    def _compared(self, op: str, left_node: ast.Expr, left: Value, right_node: ast.Expr, right: Value) -> Value:
        span = left_node.span.to(right_node.span)
        if not isinstance(left, Entry) and not isinstance(right, Entry):
            truth = numbers.truth(numbers.compared(self.body, op, left, right, span), span)
            return numbers.decided(self.body, truth, span, "a comparison in an index function")
        a, b = self.lifted(left, left_node.span), self.lifted(right, right_node.span)
        if (a.dtype == "bool") != (b.dtype == "bool") or (a.dtype == "bool" and op not in ("==", "!=")):
            which = (b, right_node) if a.dtype == "bool" else (a, left_node)
            other = KINDS["bool"] if a.dtype == "bool" else KINDS["float"]
            if a.dtype == b.dtype:
                which, other = (a, left_node), KINDS["float"]
            elif a.dtype != "bool":
                which, other = (b, right_node), KINDS["float"]
            raise Refusal(WrongIndexDtype(which[1].span, f"a side of {op}", other, KINDS[which[0].dtype]))
        return self._made(op, "bool", a, b)

    def _ternary(self, node: ast.Ternary) -> Value:
        condition = self._truth(node.condition)
        if isinstance(condition, Poison):
            return POISON
        if isinstance(condition, bool):
            return self.value(node.then if condition else node.otherwise)
        then, otherwise = self.value(node.then), self.value(node.otherwise)
        if isinstance(then, Poison) or isinstance(otherwise, Poison):
            return POISON
        a, b = self.lifted(then, node.then.span), self.lifted(otherwise, node.otherwise.span)
        if (a.dtype == "bool") != (b.dtype == "bool"):
            raise Refusal(WrongIndexDtype(node.otherwise.span, "the other value of if", KINDS[a.dtype], KINDS[b.dtype]))
        dtype: DType = a.dtype if a.dtype == b.dtype else "float"
        return self._made("where", dtype, condition, a, b)

    # Calls ------------------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Value:
        function = node.function
        if not isinstance(function, ast.Name):
            raise Refusal(NotAnIndexExpression(node.span, "this call", self._called()))
        if isinstance(self.body.scope.get(function.id), IndexFunction):
            mend = f"index functions have brackets: {function.id}[…]"
            raise Refusal(NotAnIndexExpression(node.span, f"the call of {function.id}", self._called(), mend))
        args = [self.value(arg.value) for arg in node.args if arg.name is None]
        if any(isinstance(arg, Poison) for arg in args):
            return POISON
        known = function.id in ON_NUMBERS or function.id in registry()
        if self.body.scope.get(function.id) is not MISSING or not known:
            raise Refusal(NotAnIndexExpression(node.span, f"{function.id}(…)", self._called()))
        if function.id in ON_NUMBERS and not any(isinstance(arg, Entry) for arg in args):
            return expressions.evaluate(self.body, node)
        places = [arg.value for arg in node.args if arg.name is None]
        if function.id in ("min", "max") and len(args) > 1:
            sides = [self._number(arg, place) for arg, place in zip(args, places, strict=True)]
            result = sides[0]
            for side in sides[1:]:
                dtype: DType = "int" if result.dtype == side.dtype == "int" else "float"
                result = self._made(function.id, dtype, result, side)
            return result
        if function.id in FUNCTIONS and len(args) == 1:
            x = self._number(args[0], places[0])
            same = function.id == "abs"
            return self._made(function.id, x.dtype if same else "int" if function.id in ("ceil", "floor") else "float", x)
        return self._layer(node, function, args, places)

    def _layer(self, node: ast.Call, function: ast.Name, args: list[Value], places: list[ast.Expr]) -> Value:
        """An elementwise op of the registry: `tanh(s / cap)`."""
        layer = registry().get(function.id)
        if layer is None or not issubclass(layer, Elementwise) or layer.owns or not layer.pure or len(args) != 1:
            raise Refusal(NotAnIndexExpression(node.span, f"{function.id}(…)", self._called()))
        named = {arg.name.text: expressions.evaluate(self.body, arg.value) for arg in node.args if arg.name is not None}
        op = build(self.body, LayerRecipe(layer, named, function, node), {})
        assert isinstance(op, Elementwise)
        x = self.lifted(args[0], places[0].span)
        if x.dtype not in op.gives and "float" in op.gives and x.dtype == "int":
            x = Entry(x.place, "float", x.range)
        if x.dtype not in op.gives:
            raise Refusal(WrongIndexDtype(places[0].span, f"what {op.name} takes", KINDS["float"], KINDS[x.dtype]))
        return self._made("layer", op.gives[x.dtype], x, layer=op)

    # Tensors ----------------------------------------------------------------------------------------------------------

    def _index_of(self, node: ast.Index) -> Value:
        base = expressions.name(self.body, node.base) if isinstance(node.base, ast.Name) else self._base(node.base)
        if isinstance(base, Poison):
            return POISON
        items: list[ast.Expr] = []
        for item in node.items:
            if isinstance(item, ast.Slice | ast.Rest):
                raise Refusal(NotAnIndexExpression(item.span, "a slice", self._called(), "read one place of the tensor"))
            items.append(item)
        if isinstance(base, IndexFunction):
            return self._use(base, items, node)
        if isinstance(base, Items):
            if any(isinstance(self.value(item), Entry) for item in items):
                mend = "a list is read at compile time; what is read by index is a param or a tensor"
                raise Refusal(NotAnIndexExpression(node.span, "a list read by an index", self._called(), mend))
            return expressions.evaluate(self.body, node)
        if not isinstance(base, Tensor):
            raise Refusal(NotAnIndexExpression(node.base.span, describe(base), self._called()))
        name = self.body.unit.source.slice(node.base.span)
        if base.type.rank != len(items):
            place = node.span
            raise Refusal(WrongTensorIndices(place, name, str(base.type), base.type.rank, len(items), base.type.origin))
        places = tuple(self._place(base, name, axis, item) for axis, item in enumerate(items))
        return POISON if any(place is None for place in places) else self._reading(base, places, node.span)  # type: ignore[arg-type]

    def _base(self, node: ast.Expr) -> Value:
        value = expressions.evaluate(self.body, node)
        return value if isinstance(value, Tensor | Items | Poison) else self._whole(value, node)

    def _use(self, function: IndexFunction, items: list[ast.Expr], node: ast.Index) -> Value:
        formals = function.node.indices
        if len(items) != len(formals):
            listed = f"[{', '.join(index.text for index in formals)}]"
            got = f"{len(items)} ind{'ex' if len(items) == 1 else 'ices'}"
            raise Refusal(WrongIndices(node.span, function.node.name.text, listed, got, function.node.name.span))
        args = tuple(self.value(item) for item in items)
        return POISON if any(isinstance(arg, Poison) for arg in args) else self.applied(function, args, node.span)

    def _place(self, tensor: Tensor, name: str, axis: int, item: ast.Expr) -> tuple[Entry, Reach] | None:
        """An index of a tensor, and how it reads its dim."""
        value = self.value(item)
        if isinstance(value, Poison):
            return None
        entry = self.lifted(value, item.span)
        size = tensor.type.shape[axis]
        if entry.dtype != "int":
            mend = "floor(…) makes a whole number" if entry.dtype == "float" else ""
            what = f"the index of dim {axis} of {name}"
            raise Refusal(WrongIndexDtype(item.span, what, KINDS["int"], KINDS[entry.dtype], mend=mend))
        facts = self.body.elaborator.facts
        for bound, outside in ((entry.range.high, ">="), (entry.range.low, "<")):
            against = size.value if outside == ">=" else Dim.of(0)
            if bound is not None and entry.range.reached and facts.decide(outside, bound, against):
                origin = LayerChecker(self.body, (tensor,), {}, item.span).origin(0, axis)
                reaches = f"reaches {bound}" if entry.range.low != entry.range.high else f"is {bound}"
                if (shown := self.body.unit.source.slice(item.span)) == str(bound):
                    shown, reaches = "this place", f"is {bound}"
                raise Refusal(PlaceOutside(item.span, name, shown, reaches, str(size), origin))
        term = self.terms.terms[entry.place]
        if term.op in INDICES:
            extent = self.extents[term.op]
            if self.body.same(extent, size):
                return entry, "whole"
            if facts.decide("<=", extent.value, size.value) and self.body.holds("<=", extent, size):
                return entry, "start"
        return entry, "any"

    def _reading(self, tensor: Tensor, places: tuple[tuple[Entry, Reach], ...], span: Span) -> Entry:
        number = next((n for n, known in enumerate(self.read) if known.body is tensor.body and known.ref == tensor.ref), None)
        if number is None:
            number = len(self.read)
            self.read.append(tensor)
        args = tuple(entry.place for entry, _ in places)
        reach = tuple(reach for _, reach in places)
        dtype = tensor.type.dtype
        return Entry(self.terms.add("read", dtype, args, tensor=number, reach=reach), dtype, Range())

    # Entries ----------------------------------------------------------------------------------------------------------

    def _made(self, op: str, dtype: DType, *entries: Entry, layer: Elementwise | None = None) -> Entry:
        place = self.terms.add(op, dtype, (entry.place for entry in entries), layer=layer)
        facts = self.body.elaborator.facts
        return Entry(place, dtype, range_of(op, tuple(entry.range for entry in entries), facts.decide))

    def _at(self, place: int) -> Entry:
        return Entry(place, self.terms.terms[place].dtype, Range())

    def lifted(self, value: Value, span: Span) -> Entry:
        """A value as an entry; a compile-time number becomes a term."""
        if isinstance(value, Entry):
            return value
        if isinstance(value, Truth):
            value = numbers.decided(self.body, value, span, "a condition of an index function")
        dtype = self._dtype(value, span)
        bound = value.value if isinstance(value, Size) else None
        return Entry(self.terms.add("number", dtype, value=value), dtype, Range(bound, bound, reached=True))

    def _dtype(self, value: Value, span: Span) -> DType:
        match value:
            case Entry():
                return value.dtype
            case Size():
                return "int"
            case Real():
                return "float"
            case bool() | Truth():
                return "bool"
        raise Refusal(NotAnIndexExpression(span, describe(value), self._called() if self.function else "it"))

    def _number(self, value: Value, node: ast.Expr) -> Entry:
        entry = self.lifted(value, node.span)
        self._want(entry, node.span, "int", "float")
        return entry

    def _want(self, entry: Entry, span: Span, *dtypes: DType) -> None:
        if entry.dtype not in dtypes:
            raise Refusal(WrongIndexDtype(span, "this", KINDS[dtypes[-1]], KINDS[entry.dtype]))


def _key(value: Value) -> object:
    return ("entry", value.place, value.dtype) if isinstance(value, Entry) else value


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

"""Expressions of index functions: what each says for one query and one key.

Comes in: the equation as it stands in the text. Goes out: a compile-time value, or an entry, with what is known at compile time folded.
"""

from __future__ import annotations

from ...dsl import ast
from ...dsl.span import Span
from ..attention.terms import FUNCTIONS
from ..errors.attention import (
    IndexFunctionElsewhere,
    NotAnIndexExpression,
    WrongIndexDtype,
    WrongIndices,
    WrongTensorIndices,
)
from ..errors.calls import BadArithmetic, TooLarge
from ..graph import DType
from ..layers import registry
from ..layers._elementwise import Elementwise
from ..layers.base import Refusal
from ..scopes import FUNCTIONS as ON_NUMBERS
from ..shapes import Size
from ..values import Real, Truth
from . import expressions, numbers
from .body import Body
from .building import build
from .index_entries import KINDS, Entries, Entry
from .values import MISSING, POISON, IndexFunction, Items, LayerRecipe, Poison, Scope, Tensor, Value, describe

MAX_TERMS = 2_000
MAX_DEPTH = 60


class Expressions(Entries):
    """Writes out expressions, each index function of the same values once."""

    def __init__(self, body: Body, extents: dict[str, Size]) -> None:
        super().__init__(body, extents)
        self.known: dict[object, Value] = {}

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
        raise Refusal(NotAnIndexExpression(node.span, what, self.called(), mend))

    def _name(self, node: ast.Name) -> Value:
        return self._whole(expressions.name(self.body, node), node)

    def _whole(self, value: Value, node: ast.Expr) -> Value:
        """A value by its name: a tensor has to be a single number."""
        if isinstance(value, Tensor):
            if value.type.rank:
                name = self.body.unit.source.slice(node.span)
                raise Refusal(WrongTensorIndices(node.span, name, str(value.type), value.type.rank, 0, value.type.origin))
            return self.reading(value, ())
        if isinstance(value, IndexFunction):
            raise Refusal(IndexFunctionElsewhere(node.span, value.node.name.text))
        if isinstance(value, Entry | Size | Real | Truth | bool | Poison | str | Items) or value is None:
            return value
        raise Refusal(NotAnIndexExpression(node.span, describe(value), self.called()))

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
            self.want(value, node.operand.span, "int", "float")
            return self.made("neg", value.dtype, value)
        self.want(value, node.operand.span, "bool")
        term = self.terms.terms[value.place]
        return self.at(term.args[0]) if term.op == "not" else self.made("not", "bool", value)

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
        return left if left.place == right.place else self.made(node.op, "bool", left, right)

    def _truth(self, node: ast.Expr) -> Entry | bool | Poison:
        value = self.value(node)
        if isinstance(value, Entry):
            self.want(value, node.span, "bool")
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
            raise Refusal(NotAnIndexExpression(node.span, f"{node.op}", self.called()))
        return self._arithmetic(node, self.number(left, node.left), self.number(right, node.right))

    def _arithmetic(self, node: ast.Binary, left: Entry, right: Entry) -> Entry:
        whole = left.dtype == right.dtype == "int"
        power = self.terms.terms[right.place].value
        if node.op in ("/", "//", "%") and right.range.number == 0:
            raise Refusal(BadArithmetic(node.span, f"{node.op} 0 has no result"))
        exact = node.op != "/" and (node.op != "**" or (isinstance(power, Size) and (power.number or 0) > 0))
        return self.made(node.op, "int" if whole and exact else "float", left, right)

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
                result = self.made("and", "bool", result, one)
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
        return self.made(op, "bool", a, b)

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
        return self.made("where", dtype, condition, a, b)

    # Calls ------------------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Value:
        function = node.function
        if not isinstance(function, ast.Name):
            raise Refusal(NotAnIndexExpression(node.span, "this call", self.called()))
        if isinstance(self.body.scope.get(function.id), IndexFunction):
            mend = f"index functions have brackets: {function.id}[…]"
            raise Refusal(NotAnIndexExpression(node.span, f"the call of {function.id}", self.called(), mend))
        args = [self.value(arg.value) for arg in node.args if arg.name is None]
        if any(isinstance(arg, Poison) for arg in args):
            return POISON
        known = function.id in ON_NUMBERS or function.id in registry()
        if self.body.scope.get(function.id) is not MISSING or not known:
            raise Refusal(NotAnIndexExpression(node.span, f"{function.id}(…)", self.called()))
        if function.id in ON_NUMBERS and not any(isinstance(arg, Entry) for arg in args):
            return expressions.evaluate(self.body, node)
        places = [arg.value for arg in node.args if arg.name is None]
        if function.id in ("min", "max") and len(args) > 1:
            sides = [self.number(arg, place) for arg, place in zip(args, places, strict=True)]
            result = sides[0]
            for side in sides[1:]:
                dtype: DType = "int" if result.dtype == side.dtype == "int" else "float"
                result = self.made(function.id, dtype, result, side)
            return result
        if function.id in FUNCTIONS and len(args) == 1:
            x = self.number(args[0], places[0])
            same = function.id == "abs"
            return self.made(function.id, x.dtype if same else "int" if function.id in ("ceil", "floor") else "float", x)
        return self._layer(node, function, args, places)

    def _layer(self, node: ast.Call, function: ast.Name, args: list[Value], places: list[ast.Expr]) -> Value:
        """An elementwise op of the registry: `tanh(s / cap)`."""
        layer = registry().get(function.id)
        if layer is None or not issubclass(layer, Elementwise) or layer.owns or not layer.pure or len(args) != 1:
            raise Refusal(NotAnIndexExpression(node.span, f"{function.id}(…)", self.called()))
        named = {arg.name.text: expressions.evaluate(self.body, arg.value) for arg in node.args if arg.name is not None}
        op = build(self.body, LayerRecipe(layer, named, function, node), {})
        assert isinstance(op, Elementwise)
        x = self.lifted(args[0], places[0].span)
        if x.dtype not in op.gives and "float" in op.gives and x.dtype == "int":
            x = Entry(x.place, "float", x.range)
        if x.dtype not in op.gives:
            raise Refusal(WrongIndexDtype(places[0].span, f"what {op.name} takes", KINDS["float"], KINDS[x.dtype]))
        return self.made("layer", op.gives[x.dtype], x, layer=op)

    # Tensors ----------------------------------------------------------------------------------------------------------

    def _index_of(self, node: ast.Index) -> Value:
        base = expressions.name(self.body, node.base) if isinstance(node.base, ast.Name) else self._base(node.base)
        if isinstance(base, Poison):
            return POISON
        items: list[ast.Expr] = []
        for item in node.items:
            if isinstance(item, ast.Slice | ast.Rest):
                raise Refusal(NotAnIndexExpression(item.span, "a slice", self.called(), "read one place of the tensor"))
            items.append(item)
        if isinstance(base, IndexFunction):
            return self._use(base, items, node)
        if isinstance(base, Items):
            if any(isinstance(self.value(item), Entry) for item in items):
                mend = "a list is read at compile time; what is read by index is a param or a tensor"
                raise Refusal(NotAnIndexExpression(node.span, "a list read by an index", self.called(), mend))
            return expressions.evaluate(self.body, node)
        if not isinstance(base, Tensor):
            raise Refusal(NotAnIndexExpression(node.base.span, describe(base), self.called()))
        name = self.body.unit.source.slice(node.base.span)
        if base.type.rank != len(items):
            place = node.span
            raise Refusal(WrongTensorIndices(place, name, str(base.type), base.type.rank, len(items), base.type.origin))
        values = [self.value(item) for item in items]
        if any(isinstance(value, Poison) for value in values):
            return POISON
        places = tuple(self.placed(base, name, axis, values[axis], item.span) for axis, item in enumerate(items))
        return self.reading(base, places)

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


def _key(value: Value) -> object:
    return ("entry", value.place, value.dtype) if isinstance(value, Entry) else value

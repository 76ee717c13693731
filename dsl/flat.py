"""Expressions, types and heads of declarations -> text on one line, with no parenthesis that is not needed."""

from collections.abc import Iterable

from . import ast
from .span import Loc

# How tightly each kind of expression binds; an operand that binds more loosely than its place asks for is put in parentheses
TERNARY, FLOW, AS, OR, AND, NOT, COMPARE, RANGE, SUM, PRODUCT, NEGATIVE, POWER, POSTFIX, ATOM = range(14)
_BINARY = {
    "or": OR,
    "and": AND,
    "..": RANGE,
    "+": SUM,
    "-": SUM,
    "*": PRODUCT,
    "/": PRODUCT,
    "//": PRODUCT,
    "%": PRODUCT,
    "@": PRODUCT,
    "**": POWER,
}
_LEVELS: dict[type, int] = {
    ast.Ternary: TERNARY,
    ast.Flow: FLOW,
    ast.As: AS,
    ast.Compare: COMPARE,
    ast.Call: POSTFIX,
    ast.Index: POSTFIX,
    ast.Attribute: POSTFIX,
}


def level(node: ast.Expr) -> int:
    if isinstance(node, ast.Binary):
        return _BINARY[node.op]
    if isinstance(node, ast.Unary):
        return NOT if node.op == "not" else NEGATIVE
    return _LEVELS.get(type(node), ATOM)


def operands(node: ast.Binary) -> tuple[int, int]:
    """The levels that the left and the right side of an operator ask for."""
    own = _BINARY[node.op]
    if node.op == "**":
        return POSTFIX, NEGATIVE
    if node.op == "..":
        return SUM, SUM
    return own, own + 1


class Flat:
    """Text on one line. `kept` are the places, start and end, of what the author put in parentheses: around an operand they stay, needed
    or not, since they were put there to be clear."""

    def __init__(self, kept: frozenset[tuple[Loc, Loc]] = frozenset()) -> None:
        self.kept = kept

    def expr(self, node: ast.Expr, least: int = TERNARY) -> str:
        """`node` on one line, in parentheses if it binds more loosely than `least`."""
        text = self._plain(node)
        return f"({text})" if self.parenthesized(node, least) else text

    def parenthesized(self, node: ast.Expr, least: int) -> bool:
        own = level(node)
        return own < least or (least > AS and own < POSTFIX and (node.span.start, node.span.end) in self.kept)

    def _plain(self, node: ast.Expr) -> str:
        match node:
            case ast.Name():
                return node.id
            case ast.Primed():
                return node.id + "'"
            case ast.Number():
                return node.text
            case ast.String():
                return f'"{node.value}"'
            case ast.Literal_():
                return "none" if node.value is None else str(node.value).lower()
            case ast.Call():
                return f"{self.expr(node.function, POSTFIX)}({self.args(node.args)})"
            case ast.Attribute():
                return f"{self.expr(node.base, POSTFIX)}.{node.name.text}"
            case ast.Index():
                return f"{self.expr(node.base, POSTFIX)}[{', '.join([self.item(x) for x in node.items])}]"
            case ast.List():
                return f"[{self.commas(node.items)}]"
            case ast.Tuple():
                return f"({self.commas(node.items)}{',' if len(node.items) == 1 else ''})"
            case ast.Record():
                return "{" + ", ".join([f"{name.text}: {self.expr(value)}" for name, value in node.fields]) + "}"
        return self._operators(node)

    def _operators(self, node: ast.Expr) -> str:
        match node:
            case ast.Unary():
                own = level(node)
                return ("not " if node.op == "not" else "-") + self.expr(node.operand, own)
            case ast.Binary():
                left, right = operands(node)
                gap = "" if node.op == ".." else " "
                return f"{self.expr(node.left, left)}{gap}{node.op}{gap}{self.expr(node.right, right)}"
            case ast.Compare():
                return " ".join([self.expr(node.first, RANGE), *[f"{op} {self.expr(side, RANGE)}" for op, side in node.rest]])
            case ast.Ternary():
                return f"{self.expr(node.then, FLOW)} if {self.expr(node.condition, OR)} else {self.expr(node.otherwise)}"
            case ast.As():
                return f"{self.expr(node.value, OR)} as {node.name.text}"
            case ast.Flow():
                return " -> ".join([self.expr(step, AS) for step in node.steps])
            case ast.Stack():
                return f"{self.stack_head(node)} {self.one_line_body(node.body)}"
        raise TypeError(f"not an expression: {node!r}")

    def item(self, node: ast.Expr | ast.Slice | ast.Rest) -> str:
        """What stands in the brackets of an index or a type."""
        if isinstance(node, ast.Rest):
            return "..."
        if isinstance(node, ast.Slice):
            return (
                ("" if node.start is None else self.expr(node.start)) + ":" + ("" if node.stop is None else self.expr(node.stop))
            )
        return self.expr(node)

    def commas(self, items: Iterable[ast.Expr]) -> str:
        return ", ".join([self.expr(x) for x in items])

    def arg(self, node: ast.Arg) -> str:
        return self.expr(node.value) if node.name is None else f"{node.name.text}={self.expr(node.value)}"

    def args(self, items: Iterable[ast.Arg]) -> str:
        return ", ".join([self.arg(a) for a in items])

    def names(self, idents: Iterable[ast.Ident]) -> str:
        return ", ".join([i.text for i in idents])

    def stack_head(self, node: ast.Stack) -> str:
        """`stack … from …`, without the body."""
        what = (
            self.expr(node.count)
            if node.count is not None
            else f"{self.names(node.names)} in {self.expr(node.over or ast.List(()))}"
        )
        tied = " tied" if node.tied else ""
        carries = ", ".join([f"{c.name.text} = {self.expr(c.start)}" for c in node.carries])
        return f"{node.kind} {what}{tied}" + (f" from {carries}" if carries else "")

    def one_line_body(self, body: tuple[ast.Statement, ...]) -> str:
        """A body of at most one statement that has no body of its own."""
        if not body:
            return "{ }"
        return "{ " + self.simple(body[0]) + " }"

    def tensor_type(self, node: ast.TensorType) -> str:
        return (node.dtype.text if node.dtype else "") + "[" + ", ".join([self.item(d) for d in node.dims]) + "]"

    def param(self, node: ast.Param) -> str:
        type = (
            ""
            if node.type is None
            else f": {self.tensor_type(node.type) if isinstance(node.type, ast.TensorType) else node.type.name}"
        )
        return node.name.text + type + ("" if node.default is None else f" = {self.expr(node.default)}")

    def result(self, types: tuple[ast.TensorType, ...]) -> str:
        return self.tensor_type(types[0]) if len(types) == 1 else "(" + ", ".join([self.tensor_type(t) for t in types]) + ")"

    def parameters(self, node: ast.Declaration) -> list[tuple[ast.Param, ...]]:
        """The pairs of parentheses of a declaration: one where that says the same."""
        if not node.tensors:
            return [node.hypers]
        if not node.hypers and all(isinstance(p.type, ast.TensorType) for p in node.tensors):
            return [node.tensors]
        return [node.hypers, node.tensors]

    def head(self, node: ast.Declaration) -> str:
        """`model Name(hypers)(tensors) -> type`."""
        pairs = "".join("(" + ", ".join([self.param(p) for p in pair]) + ")" for pair in self.parameters(node))
        return f"{node.kind} {node.name.text}{pairs}" + ("" if node.result is None else f" -> {self.result(node.result)}")

    def binding(self, node: ast.Statement) -> tuple[str, ast.Expr] | None:
        """What stands left of a statement's value with the sign, and the value; none for what has no such form."""
        match node:
            case ast.Assign():
                return ", ".join([self.expr(t) for t in node.targets]) + " =", node.value
            case ast.IndexFunction():
                return f"{node.name.text}[{self.names(node.indices)}] =", node.value
            case ast.Draw():
                return f"{node.name.text} ~", node.distribution
            case ast.LayerDef():
                return f"layer {node.name.text} =", node.value
            case ast.GateDef():
                return f"gate {node.name.text} =", node.value
            case ast.PenaltyDef():
                return f"penalty {node.name.text} =", node.value
            case ast.PlayerDef():
                return f"player {node.name.text} =", node.value
            case ast.Minimizes():
                return f"{self.names(node.players)} minimizes", node.objective
            case ast.ParamDef() if node.init is not None:
                return f"{node.kind} {node.name.text}: {self.tensor_type(node.type)} =", node.init
            case ast.StateDef() if node.init is not None:
                return f"state {node.name.text}: {self.tensor_type(node.type)} =", node.init
            case ast.Return() if len(node.values) == 1:
                return "return", node.values[0]
            case ast.Assert() if node.message is None:
                return "assert", node.condition
        return None

    def simple(self, node: ast.Statement) -> str:
        """A statement on one line; an `if` has none."""
        bound = self.binding(node)
        if bound is not None:
            return f"{bound[0]} {self.expr(bound[1])}"
        match node:
            case ast.Value():
                return self.expr(node.value)
            case ast.Return():
                return f"return {self.commas(node.values)}"
            case ast.Assert():
                return f'assert {self.expr(node.condition)}, "{node.message}"'
            case ast.ParamDef():
                return f"{node.kind} {node.name.text}: {self.tensor_type(node.type)}"
            case ast.StateDef():
                return f"state {node.name.text}: {self.tensor_type(node.type)}"
            case ast.LatentDef():
                return f"latent {node.name.text}: {self.tensor_type(node.type)}"
        raise TypeError(f"not on one line: {node!r}")

"""Expressions -> lines: flows broken at `->`, long calls in their brackets, bodies of stacks.

Where a flow is broken is the author's choice and is kept; what is longer than WIDTH is broken besides. Breaks outside of brackets
stand only where the language lets a line go on: before `->`, an operator, `else`. What is broken for its width looks, when it is read
again, as if its author had broken it; so width is measured on the text that a node would have on one line, whoever broke it.
"""

from collections.abc import Callable

from . import ast, flat
from .span import Loc
from .walk import children

WIDTH = 120
STEP = 4
MANY, SHORT = 12, 10
"""More items than this, none of them longer, are a row of numbers and not a list to be read one by one."""
FARTHEST = WIDTH // 2
"""A flow whose first step ends right of this column begins a new line before its first arrow."""

# Its text if it can stand on one line, whether its author wanted it to, and what writes it
Item = tuple[str | None, bool, Callable[[int], None]]
Wrapped = ast.Call | ast.List | ast.Tuple | ast.Index | ast.Record


class Lines:
    """Finished lines and the one that is being written."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.line = ""

    def write(self, text: str) -> None:
        self.line += text

    def end(self, indent: int = 0) -> None:
        """End the line; the next one begins at column `indent`."""
        self.done.append(self.line.rstrip())
        self.line = " " * indent

    @property
    def column(self) -> int:
        return len(self.line)

    def fits(self, text: str) -> bool:
        return len(self.line) + len(text) <= WIDTH


class ExpressionWriter:
    """Writes expressions into `lines`. `body` writes the statements of a stack, `between` the comments between two places."""

    def __init__(
        self,
        lines: Lines,
        one_line: flat.Flat,
        body: Callable[[ast.Stack, int], None],
        between: Callable[[Loc, Loc, int], bool],
        has_comment: Callable[[Loc, Loc], bool],
    ) -> None:
        self.flat = one_line
        self.lines, self.body, self.between, self.has_comment = lines, body, between, has_comment
        self._forced: dict[int, tuple[ast.Node, bool]] = {}
        self._solid: dict[int, tuple[ast.Node, bool]] = {}

    def solid(self, node: ast.Node) -> bool:
        """`node` cannot stand on one line: it holds comments, or a body of several statements."""
        known = self._solid.get(id(node))
        if known is None:
            known = self._solid[id(node)] = (node, self._is_solid(node))
        return known[1]

    def _is_solid(self, node: ast.Node) -> bool:
        if isinstance(node, ast.If):
            return True
        if isinstance(node, ast.Flow) and any(
            self.has_comment(a.span.end, b.span.start) for a, b in zip(node.steps, node.steps[1:], strict=False)
        ):
            return True
        if isinstance(node, ast.Stack) and (len(node.body) > 1 or self.has_comment(node.span.start, node.span.end)):
            return True
        return any(self.solid(child) for child in children(node))

    def one_line(self, node: ast.Expr, least: int = flat.TERNARY) -> str | None:
        """The text of `node` on one line, if it can stand there."""
        return None if self.solid(node) else self.flat.expr(node, least)

    def forced(self, node: ast.Node) -> bool:
        """`node` cannot stand on one line, or its author did not want it to."""
        known = self._forced.get(id(node))
        if known is None:
            known = self._forced[id(node)] = (node, self._is_forced(node))
        return known[1]

    def _is_forced(self, node: ast.Node) -> bool:
        if isinstance(node, ast.If):
            return True
        if isinstance(node, ast.Flow) and any(self.breaks(a, b) for a, b in zip(node.steps, node.steps[1:], strict=False)):
            return True
        if isinstance(node, ast.Stack) and not self._inline(node):
            return True
        return any(self.forced(child) for child in children(node))

    def _inline(self, node: ast.Stack) -> bool:
        if self.has_comment(node.span.start, node.span.end):
            return False
        return not node.body or (len(node.body) == 1 and node.body[0].span.end.line == node.span.end.line)

    def breaks(self, before: ast.Node, after: ast.Node) -> bool:
        """The author began a new line between two steps of a flow."""
        return after.span.start.line > before.span.end.line or self.has_comment(before.span.end, after.span.start)

    def write(self, node: ast.Expr, indent: int, least: int = flat.TERNARY, hang: int = STEP) -> None:
        """`node` at the place where the lines end; lines of its own begin at `indent` or right of it, a flow's by `hang`."""
        if not self.forced(node):
            text = self.flat.expr(node, least)
            if self.lines.fits(text):
                self.lines.write(text)
                return
        if self.flat.parenthesized(node, least):
            self.lines.write("(")
            self._broken(node, indent, STEP)
            self.lines.write(")")
        else:
            self._broken(node, indent, hang)

    def _broken(self, node: ast.Expr, indent: int, hang: int) -> None:
        match node:
            case ast.Flow():
                self._flow(node, indent, hang)
            case ast.Stack():
                self._stack(node, indent)
            case ast.Call() | ast.List() | ast.Tuple() | ast.Index() | ast.Record():
                self._wrapped(node, indent)
            case _:
                self._operators(node, indent)

    def _operators(self, node: ast.Expr, indent: int) -> None:
        write, lines = self.write, self.lines
        match node:
            case ast.As():
                write(node.value, indent, flat.OR)
                lines.write(f" as {node.name.text}")
            case ast.Attribute():
                write(node.base, indent, flat.POSTFIX)
                lines.write(f".{node.name.text}")
            case ast.Unary():
                lines.write("not " if node.op == "not" else "-")
                write(node.operand, indent, flat.level(node))
            case ast.Binary():
                left, right = flat.operands(node)
                write(node.left, indent, left)
                self._operator(node.op, node.right, indent, right)
            case ast.Compare():
                write(node.first, indent, flat.RANGE)
                for op, side in node.rest:
                    self._operator(op, side, indent, flat.RANGE)
            case ast.Ternary():
                write(node.then, indent, flat.FLOW)
                lines.write(" if ")
                write(node.condition, indent, flat.OR)
                self._operator("else", node.otherwise, indent, flat.TERNARY)
            case _:
                lines.write(self.flat.expr(node))

    def _operator(self, op: str, right: ast.Expr, indent: int, least: int) -> None:
        """An operator and its right side, on a new line where they would not fit."""
        lines, gap = self.lines, "" if op == ".." else " "
        text = self.one_line(right, least)
        if text is not None and not lines.fits(gap + op + gap + text) and lines.column > indent + STEP:
            lines.end(indent + STEP)
            lines.write(op + gap)
        else:
            lines.write(gap + op + gap)
        self.write(right, indent, least)

    # Types and parameters ---------------------------------------------------------------------------------------------

    def tensor_type(self, node: ast.TensorType, indent: int) -> None:
        if not self.forced(node):
            self.lines.write(self.flat.tensor_type(node))
            return
        self.lines.write(("" if node.dtype is None else node.dtype.text) + "[")
        self._row([self._slice(dim) for dim in node.dims], indent)
        self.lines.write("]")

    def param(self, node: ast.Param, indent: int) -> None:
        if not self.forced(node) and self.lines.fits(self.flat.param(node)):
            self.lines.write(self.flat.param(node))
            return
        self.lines.write(node.name.text)
        if isinstance(node.type, ast.TensorType):
            self.lines.write(": ")
            self.tensor_type(node.type, indent)
        elif node.type is not None:
            self.lines.write(f": {node.type.name}")
        if node.default is not None:
            self.lines.write(" = ")
            self.write(node.default, indent)

    def args(self, args: tuple[ast.Arg, ...], indent: int, then: str = "") -> None:
        """`(…)`, and room for what comes after it on its last line."""
        self._bracketed("(", ")", [self._item("" if a.name is None else f"{a.name.text}=", a.value) for a in args], indent, then)

    def _row(self, items: list[Item], indent: int) -> None:
        for k, (_, _, write) in enumerate(items):
            self.lines.write(", " if k else "")
            write(indent)

    # Flows ------------------------------------------------------------------------------------------------------------

    def _flow(self, node: ast.Flow, indent: int, hang: int) -> None:
        lines, steps = self.lines, node.steps
        here = len(lines.done)
        self.write(steps[0], indent, flat.AS)
        whole = len(lines.done) == here
        first = self.breaks(steps[0], steps[1]) or not whole or lines.column > FARTHEST or not self._step_fits(steps[1])
        arrow = indent + hang if first and whole else lines.column + 1
        if not whole:
            first, arrow = self.breaks(steps[0], steps[1]), indent + hang
        for k in range(1, len(steps)):
            self.between(steps[k - 1].span.end, steps[k].span.start, arrow)
            new = self.breaks(steps[k - 1], steps[k]) or (not self._step_fits(steps[k]) and (k > 1 or first))
            new = new or (k == 1 and first and whole)
            if new:
                lines.end(arrow)
                lines.write("-> ")
            else:
                lines.write(" -> ")
            inner = lines.column if isinstance(steps[k], ast.Stack) and new else indent
            self.write(steps[k], inner, flat.AS)

    def _step_fits(self, step: ast.Expr) -> bool:
        inner = step.value if isinstance(step, ast.As) else step
        if isinstance(inner, ast.Stack) and not self._inline(inner):
            return self.solid(inner) or self.lines.fits(f" -> {self.flat.stack_head(inner)} {{")
        text = self.one_line(step, flat.AS)
        return text is None or self.lines.fits(" -> " + text)

    # Brackets ---------------------------------------------------------------------------------------------------------

    def _stack(self, node: ast.Stack, indent: int) -> None:
        lines = self.lines
        lines.write(f"{node.kind} ")
        if node.count is not None:
            self.write(node.count, indent)
        elif node.over is not None:
            lines.write(f"{self.flat.names(node.names)} in ")
            self.write(node.over, indent)
        lines.write(" tied" if node.tied else "")
        for k, carry in enumerate(node.carries):
            lines.write(f"{', ' if k else ' from '}{carry.name.text} = ")
            self.write(carry.start, indent)
        lines.write(" ")
        self.body(node, indent)

    def _wrapped(self, node: Wrapped, indent: int) -> None:
        """A call, list, tuple, index or record; if it is too long, and nothing in it breaks anyway, its items are on lines of their own."""
        opener, closer, items = self._parts(node, indent)
        self._bracketed(opener, closer, items, indent)

    def _bracketed(self, opener: str, closer: str, items: list[Item], indent: int, then: str = "") -> None:
        lines = self.lines
        lines.write(opener)
        texts = [text for text, _, _ in items if text is not None]
        together, wanted = ", ".join(texts), not any(forced for _, forced, _ in items)
        if len(texts) < len(items) or lines.fits(together + closer + then):
            if wanted:
                lines.write(together)
            else:
                self._row(items, indent)
        elif items:
            lines.end(indent + STEP)
            if wanted and lines.fits(together):
                lines.write(together)
            else:
                self._column(items, indent + STEP)
            lines.end(indent)
        lines.write(closer)

    def _column(self, items: list[Item], indent: int) -> None:
        """Each item on a line of its own; of a list of short ones, as many to a line as it takes."""
        filled = len(items) > MANY and all(text is not None and len(text) <= SHORT for text, _, _ in items)
        for k, (text, _, write) in enumerate(items):
            if k and filled and self.lines.fits(f", {text},"):
                self.lines.write(", ")
            elif k:
                self.lines.write(",")
                self.lines.end(indent)
            write(indent)

    def _parts(self, node: Wrapped, indent: int) -> tuple[str, str, list[Item]]:
        """The brackets and what stands in them."""
        match node:
            case ast.Call():
                self.write(node.function, indent, flat.POSTFIX)
                return "(", ")", [self._item("" if a.name is None else f"{a.name.text}=", a.value) for a in node.args]
            case ast.Index():
                self.write(node.base, indent, flat.POSTFIX)
                return "[", "]", [self._slice(x) for x in node.items]
            case ast.Record():
                return "{", "}", [self._item(f"{name.text}: ", value) for name, value in node.fields]
            case ast.List():
                return "[", "]", [self._item("", x) for x in node.items]
        return "(", ",)" if len(node.items) == 1 else ")", [self._item("", x) for x in node.items]

    def _item(self, prefix: str, value: ast.Expr) -> Item:
        def write(indent: int) -> None:
            self.lines.write(prefix)
            self.write(value, indent)

        text = self.one_line(value)
        return None if text is None else prefix + text, self.forced(value), write

    def _slice(self, node: ast.Expr | ast.Slice | ast.Rest) -> Item:
        if not isinstance(node, ast.Slice | ast.Rest):
            return self._item("", node)
        sides = [] if isinstance(node, ast.Rest) else [node.start, node.stop]
        forced = any(side is not None and self.forced(side) for side in sides)
        solid = any(side is not None and self.solid(side) for side in sides)

        def write(indent: int) -> None:
            if not forced:
                self.lines.write(self.flat.item(node))
                return
            for k, side in enumerate(sides):
                self.lines.write(":" if k else "")
                if side is not None:
                    self.write(side, indent)

        return None if solid else self.flat.item(node), forced, write

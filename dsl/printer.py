"""AST -> canonical text: what `archc fmt` writes.

`parse(print_file(file)) == file`, printing what was printed changes nothing, and every comment and doc comment stays. Canonical are
indentation, spaces, parentheses, one blank line between declarations and at most one between statements, and the columns of
clauses. The author's are: blank lines, where a flow goes on on a new line, whether a stack of one line stands on one, and whether the
`=` of neighbouring lines stand below each other.
"""

from collections.abc import Sequence

from . import ast
from .depth import room
from .diagnostic import Report
from .flat import Flat
from .margins import Margins, Marks, after, marks_of, stack_head
from .parser import parse
from .source import Source
from .span import Loc
from .writer import STEP, ExpressionWriter, Lines

HEAD_WIDTH = 140
CLAUSE_WIDTH = len("optimizer")
WIDEST_ALIGNED = 60  # a left side of more characters pushes its neighbours out of sight

AnyClause = ast.Clause | ast.EachMinimizes | ast.EachSolves | ast.Phase
Aligned = ast.Assign | ast.IndexFunction | ast.Column


def format_source(source: Source, report: Report | None = None) -> str:
    """The canonical text of `source`; its own text if it has faults of syntax, which then are in `report`."""
    report = Report() if report is None else report
    found = Report()
    file = parse(source, found)
    report.sources.update(found.sources)
    report.extend(found.diagnostics)
    return print_file(file, source) if found.ok else source.text


def print_file(file: ast.File, source: Source | None = None) -> str:
    """The canonical text of `file`. With the source that it was read from, the author's choices in the layout are kept."""
    with room():
        return _Printer(file, Marks() if source is None else marks_of(source)).file(file)


class _Printer:
    def __init__(self, file: ast.File, marks: Marks) -> None:
        self.marks = marks
        self.flat = Flat(marks.kept)
        self.lines = Lines()
        self.margins = Margins(file, marks, self.lines)
        self.expressions = ExpressionWriter(
            self.lines, self.flat, self._stack_body, self.margins.between, self.margins.has_comment
        )

    # Bodies -----------------------------------------------------------------------------------------------------------

    def _open(self, head_end: Loc, inside: Sequence[ast.Node]) -> None:
        """`{` at the end of the line, with the comment beside it."""
        opener = after(self.marks.openers, head_end)
        self.lines.write("{")
        self.lines.end()
        self.margins.beside(opener, inside[0].span.start if inside else after(self.marks.closers, opener))
        self.margins.last = None

    def _close(self, last: Loc, indent: int) -> Loc:
        """The comments before the `}` that comes after `last`, and the indentation at which it stands; its place."""
        closer = after(self.marks.closers, last)
        self.margins.before(closer, indent + STEP)
        self.lines.line = " " * indent
        self.margins.last = closer.line
        return closer

    def _body(self, head_end: Loc, body: Sequence[ast.Statement], indent: int) -> Loc:
        """`{ … }` over several lines, from `{` to `}`; where it ended in the source."""
        self._open(head_end, body)
        self._statements(body, indent + STEP)
        closer = self._close(body[-1].span.end if body else after(self.marks.openers, head_end), indent)
        self.lines.write("}")
        return closer

    def _stack_body(self, node: ast.Stack, indent: int) -> None:
        self._body(stack_head(node), node.body, indent)

    def _statements(self, body: Sequence[ast.Statement], indent: int) -> None:
        widths = self._alignment(body)
        for k, statement in enumerate(body):
            self._lead(statement, indent)
            self._statement(statement, indent, widths.get(k, 0), first=k == 0)
            self._end(statement)

    def _lead(self, node: ast.Node, indent: int) -> None:
        self.margins.before(node.span.start, indent)
        self.margins.hoist(node, indent)
        self.margins.blank(node.span.start.line)
        self.lines.line = " " * indent

    def _end(self, node: ast.Node) -> None:
        self.lines.end()
        self.margins.beside(node.span.end)
        self.margins.last = node.span.end.line

    def _alignment(self, body: Sequence[ast.Node]) -> dict[int, int]:
        """For each statement that its author aligned with a neighbour at the `=`: how wide its left side is made."""
        widths: dict[int, int] = {}
        run: list[int] = []
        for k in range(len(body) + 1):
            column = self._equals(body, k)
            if run and (column is None or column != self._equals(body, run[-1]) or not _next_line(body[run[-1]], body[k])):
                if len(run) > 1:
                    width = max(len(self._left(body[i])) for i in run)
                    widths.update((i, width) for i in run)
                run = []
            if column is not None:
                run.append(k)
        return widths

    def _equals(self, body: Sequence[ast.Node], k: int) -> int | None:
        if k == len(body) or not isinstance(node := body[k], Aligned):
            return None
        if isinstance(node, ast.Column) and node.type is not None and self.expressions.forced(node.type):
            return None  # its left side takes several lines
        if len(self._left(node)) > WIDEST_ALIGNED:
            return None
        return self.marks.equals.get(node.span.start.line)

    def _statement(self, node: ast.Statement, indent: int, width: int, first: bool) -> None:
        lines, write = self.lines, self.expressions.write
        if isinstance(node, ast.If):
            self._if(node, indent)
            return
        bound = None if isinstance(node, ast.ParamDef | ast.StateDef | ast.LatentDef) else self.flat.binding(node)
        if bound is not None:
            lines.write(self._left(node).ljust(width) + " = " if isinstance(node, Aligned) else bound[0] + " ")
            write(bound[1], indent)
        elif isinstance(node, ast.ParamDef | ast.StateDef | ast.LatentDef):
            self._typed(node, indent)
        elif isinstance(node, ast.Value):
            self._value(node.value, indent, first)
        elif isinstance(node, ast.Return):
            for k, value in enumerate(node.values):
                lines.write(", " if k else "return ")
                write(value, indent)
        elif isinstance(node, ast.Assert):
            lines.write("assert ")
            write(node.condition, indent)
            lines.write(f', "{node.message}"')

    def _typed(self, node: ast.ParamDef | ast.StateDef | ast.LatentDef, indent: int) -> None:
        kind = node.kind if isinstance(node, ast.ParamDef) else "state" if isinstance(node, ast.StateDef) else "latent"
        self.lines.write(f"{kind} {node.name.text}: ")
        self.expressions.tensor_type(node.type, indent)
        if not isinstance(node, ast.LatentDef) and node.init is not None:
            self.lines.write(" = ")
            self.expressions.write(node.init, indent)

    def _value(self, node: ast.Expr, indent: int, first: bool) -> None:
        """An expression alone; a `-` that begins its line would go on with the line before it."""
        leftmost = node
        while True:
            match leftmost:
                case ast.Flow():
                    leftmost = leftmost.steps[0]
                case ast.Ternary():
                    leftmost = leftmost.then
                case ast.Binary():
                    leftmost = leftmost.left
                case ast.Compare():
                    leftmost = leftmost.first
                case ast.As():
                    leftmost = leftmost.value
                case _:
                    break
        dash = isinstance(leftmost, ast.Unary) and leftmost.op == "-" and not first
        if dash:
            self.lines.write("(")
        self.expressions.write(node, indent, hang=STEP if dash else 0)
        if dash:
            self.lines.write(")")

    def _if(self, node: ast.If, indent: int) -> None:
        self.lines.write("if ")
        self.expressions.write(node.condition, indent)
        self.lines.write(" ")
        closer = self._body(node.condition.span.end, node.then, indent)
        other = node.otherwise
        if other is None:
            return
        self.lines.write(" else ")
        if len(other) == 1 and isinstance(other[0], ast.If) and self._is_else_if(closer, other[0]):
            self._if(other[0], indent)
        else:
            self._body(closer, other, indent)

    def _is_else_if(self, closer: Loc, node: ast.If) -> bool:
        """`else if …`, and not an `if` alone in the braces of an `else`; the two are one in the AST."""
        return not self.marks.openers or not self.margins.has_comment(closer, node.span.start)

    # Declarations -----------------------------------------------------------------------------------------------------

    def file(self, file: ast.File) -> str:
        previous: ast.Item | None = None
        for item in file.items:
            self._item_lead(previous, item)
            self._item(item)
            self._end(item)
            previous = item
        if previous is not None and self.margins.left:
            self.lines.done.append("")
        self.margins.before(Loc(10**9, 1), 0)
        text = "\n".join(self.lines.done).strip("\n")
        return text + "\n" if text else ""

    def _item_lead(self, previous: ast.Item | None, item: ast.Item) -> None:
        imports = isinstance(previous, ast.Import) and isinstance(item, ast.Import)
        if previous is not None and not imports:
            self.lines.done.append("")
        self.margins.before(item.span.start, 0)
        self._hoist_head(item)
        doc = [] if isinstance(item, ast.Import) or item.doc is None else item.doc.split("\n")
        self.margins.blank(item.span.start.line - len(doc))
        self.lines.done += [f"## {line}".rstrip() for line in doc]
        self.lines.line = ""

    def _hoist_head(self, item: ast.Item) -> None:
        """Comments inside the head of a declaration go above it."""
        self.margins.before(item.span.end if isinstance(item, ast.Import) else self._head_end(item, inside=True), 0)

    def _head_end(self, item: ast.Declaration | ast.Data | ast.Train, inside: bool = False) -> Loc:
        """Where the head ends: before its `{`, which is the first that no expression in the head has."""
        ends = [item.name.span.end] if item.name is not None else [item.span.start]
        if isinstance(item, ast.Declaration):
            ends += [p.span.end for p in (*item.hypers, *item.tensors)] + [t.span.end for t in item.result or ()]
        elif isinstance(item, ast.Data):
            ends.append(item.source.span.end)
        else:
            ends += [item.model.span.end, *[a.span.end for a in item.hypers], *([item.data.span.end] if item.data else [])]
        end = max(ends)
        if not inside:
            return end
        return min(after(self.marks.openers, end), item.span.end)

    def _item(self, item: ast.Item) -> None:
        match item:
            case ast.Import():
                module = f'"{item.module}"' if item.is_file else item.module
                self.lines.write(f"from {module} import {self.flat.names(item.names)}")
            case ast.Declaration():
                self._head(item)
                self._body(self._head_end(item), item.body, 0)
            case ast.Data():
                self._data(item)
            case ast.Train():
                self._train(item)

    def _head(self, item: ast.Declaration) -> None:
        lines = self.lines
        params, outputs = self.flat.parameters(item), item.result or ()
        forced = any(self.expressions.forced(node) for node in (*item.hypers, *item.tensors, *outputs))
        if not forced and len(self.flat.head(item)) + 2 <= HEAD_WIDTH:
            lines.write(self.flat.head(item) + " ")
            return
        lines.write(f"{item.kind} {item.name.text}")
        for pair in params:
            lines.write("(")
            if pair:
                self._pair(pair)
            lines.write(")")
        if item.result is not None:
            lines.write(" -> (" if len(outputs) > 1 else " -> ")
            for k, output in enumerate(outputs):
                lines.write(", " if k else "")
                self.expressions.tensor_type(output, 0)
            lines.write(")" if len(outputs) > 1 else "")
        lines.write(" ")

    def _pair(self, params: tuple[ast.Param, ...]) -> None:
        """Parameters on lines of their own, indented: on one if they fit there."""
        lines = self.lines
        lines.end(STEP)
        together = not any(self.expressions.forced(p) for p in params) and lines.fits(
            ", ".join([self.flat.param(p) for p in params])
        )
        for k, param in enumerate(params):
            if k:
                lines.write(", " if together else ",")
                if not together:
                    lines.end(STEP)
            self.expressions.param(param, STEP)
        lines.end()

    def _data(self, item: ast.Data) -> None:
        lines = self.lines
        lines.write(f"data {item.name.text} = ")
        self.expressions.write(item.source, 0)
        head = self._head_end(item)
        if not item.columns and not self.margins.has_comment(head, item.span.end):
            return
        lines.write(" ")
        self._open(head, item.columns)
        widths = self._alignment(item.columns)
        for k, column in enumerate(item.columns):
            self._lead(column, STEP)
            if isinstance(column, ast.TrainWhere):
                lines.write("train_where ")
                self.expressions.write(column.condition, STEP)
            else:
                self._column(column, widths.get(k, 0))
            self._end(column)
        self._close(item.columns[-1].span.end if item.columns else after(self.marks.openers, head), 0)
        lines.write("}")

    def _column(self, node: ast.Column, width: int) -> None:
        if node.type is not None and self.expressions.forced(node.type):
            self.lines.write(f"{node.name.text}: ")
            self.expressions.tensor_type(node.type, STEP)
        else:
            self.lines.write(self._left(node).ljust(width))
        self.lines.write(" = ")
        self.expressions.write(node.value, STEP)

    def _train(self, item: ast.Train) -> None:
        lines = self.lines
        lines.write("train " + ("" if item.name is None else f"{item.name.text}: ") + item.model.text)
        data = " " if item.data is None else f" on {item.data.text} "
        if item.hypers:
            self.expressions.args(item.hypers, 0, data + "{")
        lines.write(data)
        self._clauses(self._head_end(item), item.clauses, 0)

    def _clauses(self, head_end: Loc, clauses: Sequence[AnyClause], indent: int) -> None:
        self._open(head_end, clauses)
        names = [len(c.name.text) for c in clauses if isinstance(c, ast.Clause)]
        width = max((n for n in names if n <= CLAUSE_WIDTH), default=0)
        for clause in clauses:
            self._lead(clause, indent + STEP)
            self._clause(clause, indent + STEP, width)
            self._end(clause)
        self._close(clauses[-1].span.end if clauses else after(self.marks.openers, head_end), indent)
        self.lines.write("}")

    def _clause(self, node: AnyClause, indent: int, width: int) -> None:
        lines, write = self.lines, self.expressions.write
        match node:
            case ast.Phase():
                lines.write(f"phase {node.name.text} ")
                self._phase(node, indent)
            case ast.EachMinimizes():
                lines.write(f"each {node.part.text} minimizes ")
                write(node.objective, indent)
            case ast.EachSolves():
                lines.write(f"each {node.part.text} solves {node.layer.text} by ")
                write(node.method, indent)
            case ast.Clause():
                lines.write(node.name.text.ljust(width if node.args else 0))
                targets = f" {self.flat.commas(node.targets)}:" if node.targets else ""
                lines.write(targets)
                for k, arg in enumerate(node.args):
                    lines.write(("," if k else "") + " " + ("" if arg.name is None else f"{arg.name.text}="))
                    write(arg.value, indent)

    def _phase(self, node: ast.Phase, indent: int) -> None:
        """On one line if it has one clause, its author wrote it so, and it fits."""
        lines, clauses = self.lines, node.clauses
        inline = len(clauses) == 1 and node.span.start.line == node.span.end.line and not self.expressions.forced(clauses[0])
        done, before = len(lines.done), lines.line
        if inline:
            lines.write("{ ")
            self._clause(clauses[0], indent, 0)
            lines.write(" }")
            if len(lines.done) == done and lines.fits(""):
                return
            del lines.done[done:]
            lines.line = before
        self._clauses(node.name.span.end, clauses, indent)

    def _left(self, node: ast.Node) -> str:
        """The left side of an assignment or a column, without the `=`."""
        if isinstance(node, ast.Column):
            return node.name.text if node.type is None else f"{node.name.text}: {self.flat.tensor_type(node.type)}"
        bound = self.flat.binding(node)  # type: ignore[arg-type]
        return "" if bound is None else bound[0].removesuffix(" =")


def _next_line(before: ast.Node, after: ast.Node) -> bool:
    return after.span.start.line == before.span.end.line + 1

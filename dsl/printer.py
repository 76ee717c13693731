"""AST -> canonical text: what `archc fmt` writes.

`parse(print_file(file)) == file`, printing what was printed changes nothing, and every comment and doc comment stays. Canonical are
indentation, spaces, parentheses, one blank line between declarations and at most one between statements, and the columns of
clauses. The author's are: blank lines, where a flow goes on on a new line, whether a stack of one line stands on one, and whether the
`=` of neighbouring lines stand below each other.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from . import ast
from .depth import room
from .diagnostic import Report
from .flat import Flat
from .lexer import ENDS, lex
from .parser import parse
from .source import Source
from .span import Loc
from .writer import STEP, ExpressionWriter, Lines

HEAD_WIDTH = 140
CLAUSE_WIDTH = len("optimizer")

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
        return _Printer(file, _Marks() if source is None else _marks(source)).file(file)


@dataclass
class _Marks:
    """What nodes do not say of the source: braces, the first `=` of each line, and what stands in parentheses that are no call's."""

    openers: list[Loc] = field(default_factory=list)
    closers: list[Loc] = field(default_factory=list)
    equals: dict[int, int] = field(default_factory=dict)
    kept: frozenset[tuple[Loc, Loc]] = frozenset()


def _marks(source: Source) -> _Marks:
    marks = _Marks()
    tokens = lex(source, lambda fault: None).tokens
    kept, opened = [], []
    for i, token in enumerate(tokens):
        if token.type == "{":
            marks.openers.append(token.start)
        elif token.type == "}":
            marks.closers.append(token.start)
        elif token.type == "=":
            marks.equals.setdefault(token.line, token.column)
        elif token.type == "(":
            opened.append(i)
        elif token.type == ")":
            first = opened.pop()
            if first == 0 or tokens[first - 1].type not in ENDS:
                kept.append((tokens[first + 1].start, tokens[i - 1].end))
    marks.kept = frozenset(kept)
    return marks


def _after(places: list[Loc], place: Loc) -> Loc:
    k = bisect_left(places, place)
    return places[k] if k < len(places) else place


class _Printer:
    def __init__(self, file: ast.File, marks: _Marks) -> None:
        self.marks = marks
        self.flat = Flat(marks.kept)
        self.comments = sorted(file.comments, key=lambda c: c.span.start)
        self.places = [c.span.start for c in self.comments]
        self.next = 0
        self.lines = Lines()
        self.last: int | None = None  # the line of the source that was printed last; none where no blank line may follow
        self.expressions = ExpressionWriter(self.lines, self.flat, self._stack_body, self._between, self._has_comment)

    # Comments and blank lines -----------------------------------------------------------------------------------------

    def _has_comment(self, start: Loc, end: Loc) -> bool:
        k = bisect_left(self.places, start)
        return k < len(self.places) and self.places[k] < end

    def _blank(self, line: int) -> None:
        """A blank line, if there is one in the source between what was printed last and `line`."""
        if self.last is not None and line > self.last + 1 and self.lines.done and self.lines.done[-1]:
            self.lines.done.append("")

    def _before(self, place: Loc, indent: int) -> None:
        """The comments up to `place`, on lines of their own."""
        while self.next < len(self.comments) and self.places[self.next] < place:
            self._own(self.comments[self.next], indent)
            self.next += 1

    def _own(self, comment: ast.Comment, indent: int) -> None:
        self._blank(comment.span.start.line)
        self.lines.done.append(" " * indent + comment.text)
        self.last = comment.span.start.line

    def _beside(self, end: Loc) -> None:
        """The comment that stands right of `end` on its line, if there is one, beside the line just written."""
        if self.next < len(self.comments):
            comment = self.comments[self.next]
            if not comment.own_line and comment.span.start.line == end.line and comment.span.start >= end:
                self.lines.done[-1] = _beside(self.lines.done[-1], comment)
                self.next += 1

    def _between(self, start: Loc, end: Loc, indent: int) -> bool:
        """Inside a flow: the comments between two steps; the first beside the line, others on lines of their own."""
        found = False
        while self.next < len(self.comments) and self.places[self.next] < end:
            comment = self.comments[self.next]
            if not found and not comment.own_line:
                self.lines.line = _beside(self.lines.line, comment)
            else:
                self.lines.end(indent)
                self.lines.write(comment.text)
            self.next += 1
            found = True
        return found

    def _hoist(self, node: ast.Node, indent: int) -> None:
        """Comments in the middle of a statement, where a line of its own has no place for them, go above it."""
        start = bisect_left(self.places, node.span.start)
        stop = bisect_left(self.places, node.span.end)
        if start == stop:
            return
        kept = self._rooms(node)
        inner = self.comments[start:stop]
        above = [c for c in inner if not any(a <= c.span.start < b for a, b in kept)]
        stay = [c for c in inner if any(a <= c.span.start < b for a, b in kept)]
        for comment in above:
            self.last = None if self.last is None else comment.span.start.line - 1
            self._own(comment, indent)
        if above:
            self.last = node.span.start.line - 1
        self.comments[start:stop] = [*above, *stay]
        self.places[start:stop] = [*(node.span.start for _ in above), *(c.span.start for c in stay)]
        self.next = start + len(above)

    def _rooms(self, node: ast.Node) -> list[tuple[Loc, Loc]]:
        """The stretches of a statement or clause in which comments can stand."""
        if isinstance(node, ast.If):
            return [(_after(self.marks.openers, node.condition.span.end), node.span.end)]
        if isinstance(node, ast.Phase):
            return [(_after(self.marks.openers, node.name.span.end), node.span.end)]
        value = node.value if isinstance(node, ast.Value | ast.Column) else None
        if value is None and not isinstance(node, ast.Clause | ast.EachMinimizes | ast.EachSolves | ast.TrainWhere):
            bound = self.flat.binding(node)  # type: ignore[arg-type]
            value = bound[1] if bound else None
        return [] if value is None else self._value_rooms(value)

    def _value_rooms(self, value: ast.Expr) -> list[tuple[Loc, Loc]]:
        if isinstance(value, ast.Flow):
            rooms = [(a.span.end, b.span.start) for a, b in zip(value.steps, value.steps[1:], strict=False)]
            return [*rooms, *(r for step in value.steps for r in self._value_rooms(step))]
        if isinstance(value, ast.As):
            return self._value_rooms(value.value)
        if isinstance(value, ast.Stack):
            return [(_after(self.marks.openers, self._stack_head(value)), value.span.end)]
        return []

    @staticmethod
    def _stack_head(node: ast.Stack) -> Loc:
        """Where the last expression of a stack's head ends."""
        last = node.carries[-1] if node.carries else node.over if node.over is not None else node.count
        return node.span.start if last is None else last.span.end

    # Bodies -----------------------------------------------------------------------------------------------------------

    def _open(self, head_end: Loc, indent: int) -> None:
        """`{` at the end of the line, with the comment beside it."""
        opener = _after(self.marks.openers, head_end)
        self.lines.write("{")
        self.lines.end()
        self._beside(opener)
        self.last = None

    def _close(self, last: Loc, indent: int) -> Loc:
        """The comments before the `}` that comes after `last`, and the indentation at which it stands; its place."""
        closer = _after(self.marks.closers, last)
        self._before(closer, indent + STEP)
        self.lines.line = " " * indent
        self.last = closer.line
        return closer

    def _body(self, head_end: Loc, body: Sequence[ast.Statement], indent: int) -> Loc:
        """`{ … }` over several lines, from `{` to `}`; where it ended in the source."""
        self._open(head_end, indent)
        self._statements(body, indent + STEP)
        closer = self._close(body[-1].span.end if body else _after(self.marks.openers, head_end), indent)
        self.lines.write("}")
        return closer

    def _stack_body(self, node: ast.Stack, indent: int) -> None:
        self._body(self._stack_head(node), node.body, indent)

    def _statements(self, body: Sequence[ast.Statement], indent: int) -> None:
        widths = self._alignment(body)
        for k, statement in enumerate(body):
            self._lead(statement, indent)
            self._statement(statement, indent, widths.get(k, 0), first=k == 0)
            self._end(statement)

    def _lead(self, node: ast.Node, indent: int) -> None:
        self._before(node.span.start, indent)
        self._hoist(node, indent)
        self._blank(node.span.start.line)
        self.lines.line = " " * indent

    def _end(self, node: ast.Node) -> None:
        self.lines.end()
        self._beside(node.span.end)
        self.last = node.span.end.line

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
        if k == len(body) or not isinstance(body[k], Aligned):
            return None
        span = body[k].span
        return self.marks.equals.get(span.start.line) if span.start.line == span.end.line else None

    def _statement(self, node: ast.Statement, indent: int, width: int, first: bool) -> None:
        lines, write = self.lines, self.expressions.write
        if isinstance(node, ast.If):
            return self._if(node, indent)
        bound = self.flat.binding(node)
        if bound is not None:
            left = self._left(node) if isinstance(node, Aligned) else bound[0]
            lines.write((left.ljust(width) + " = " if isinstance(node, Aligned) else left + " "))
            write(bound[1], indent)
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
        else:
            lines.write(self.flat.simple(node))

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
        return not self.marks.openers or not self._has_comment(closer, node.span.start)

    # Declarations -----------------------------------------------------------------------------------------------------

    def file(self, file: ast.File) -> str:
        previous: ast.Item | None = None
        for item in file.items:
            self._item_lead(previous, item)
            self._item(item)
            self._end(item)
            previous = item
        if previous is not None and self.next < len(self.comments):
            self.lines.done.append("")
        self._before(Loc(10**9, 1), 0)
        text = "\n".join(self.lines.done).strip("\n")
        return text + "\n" if text else ""

    def _item_lead(self, previous: ast.Item | None, item: ast.Item) -> None:
        imports = isinstance(previous, ast.Import) and isinstance(item, ast.Import)
        if previous is not None and not imports:
            self.lines.done.append("")
        self._before(item.span.start, 0)
        self._hoist_head(item)
        doc = [] if isinstance(item, ast.Import) or item.doc is None else item.doc.split("\n")
        self._blank(item.span.start.line - len(doc))
        self.lines.done += [f"## {line}".rstrip() for line in doc]
        self.lines.line = ""

    def _hoist_head(self, item: ast.Item) -> None:
        """Comments inside the head of a declaration go above it."""
        self._before(item.span.end if isinstance(item, ast.Import) else self._head_end(item, inside=True), 0)

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
        opener = _after(self.marks.openers, end)
        return min(opener, item.span.end) if opener > end else item.span.end

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
        lines, text = self.lines, self.flat.head(item)
        if len(text) + 2 <= HEAD_WIDTH:
            return lines.write(text + " ")
        lines.write(f"{item.kind} {item.name.text}")
        for pair in self.flat.parameters(item):
            lines.write("(")
            texts = [self.flat.param(p) for p in pair]
            together = ", ".join(texts)
            if texts:
                lines.end(STEP)
                lines.write(together if lines.fits(together) else (",\n" + " " * STEP).join(texts))
                lines.end()
            lines.write(")")
        lines.write(" " if item.result is None else f" -> {self.flat.result(item.result)} ")

    def _data(self, item: ast.Data) -> None:
        lines = self.lines
        lines.write(f"data {item.name.text} = ")
        self.expressions.write(item.source, 0)
        head = self._head_end(item)
        if not item.columns and not self._has_comment(head, item.span.end):
            return
        lines.write(" ")
        self._open(head, 0)
        widths = self._alignment(item.columns)
        for k, column in enumerate(item.columns):
            self._lead(column, STEP)
            if isinstance(column, ast.TrainWhere):
                lines.write("train_where ")
                self.expressions.write(column.condition, STEP)
            else:
                lines.write(self._left(column).ljust(widths.get(k, 0)) + " = ")
                self.expressions.write(column.value, STEP)
            self._end(column)
        self._close(item.columns[-1].span.end if item.columns else _after(self.marks.openers, head), 0)
        lines.write("}")

    def _train(self, item: ast.Train) -> None:
        name = "" if item.name is None else f"{item.name.text}: "
        hypers = f"({self.flat.args(item.hypers)})" if item.hypers else ""
        data = "" if item.data is None else f" on {item.data.text}"
        self.lines.write(f"train {name}{item.model.text}{hypers}{data} ")
        self._clauses(self._head_end(item), item.clauses, 0)

    def _clauses(self, head_end: Loc, clauses: Sequence[AnyClause], indent: int) -> None:
        self._open(head_end, indent)
        names = [len(c.name.text) for c in clauses if isinstance(c, ast.Clause)]
        width = max((n for n in names if n <= CLAUSE_WIDTH), default=0)
        for clause in clauses:
            self._lead(clause, indent + STEP)
            self._clause(clause, indent + STEP, width)
            self._end(clause)
        self._close(clauses[-1].span.end if clauses else _after(self.marks.openers, head_end), indent)
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
        """On one line if it has one clause and its author wrote it so."""
        clauses = node.clauses
        inline = len(clauses) == 1 and node.span.start.line == node.span.end.line and not self.expressions.forced(clauses[0])
        if not inline:
            return self._clauses(node.name.span.end, clauses, indent)
        self.lines.write("{ ")
        self._clause(clauses[0], indent, 0)
        self.lines.write(" }")

    def _left(self, node: ast.Node) -> str:
        """The left side of an assignment or a column, without the `=`."""
        if isinstance(node, ast.Column):
            return node.name.text if node.type is None else f"{node.name.text}: {self.flat.tensor_type(node.type)}"
        bound = self.flat.binding(node)  # type: ignore[arg-type]
        return "" if bound is None else bound[0].removesuffix(" =")


def _beside(line: str, comment: ast.Comment) -> str:
    """The comment stays in its column if the line leaves room for it."""
    line = line.rstrip()
    return line.ljust(max(len(line) + 2, comment.span.start.column - 1)) + comment.text


def _next_line(before: ast.Node, after: ast.Node) -> bool:
    return after.span.start.line == before.span.end.line + 1

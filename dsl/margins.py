"""What stands beside the code when a file is printed: comments, blank lines, and where the source had its braces.

Every comment is printed once and in order: before the statement that follows it, beside the line it stood beside, between two steps of
a flow, or, from the middle of a statement that goes on one line, above it.
"""

from bisect import bisect_left
from dataclasses import dataclass, field

from . import ast
from .lexer import lex
from .source import Source
from .span import Loc
from .writer import Lines


@dataclass
class Marks:
    """What nodes do not say of the source: braces, the first `=` of each line, and what stands in parentheses."""

    openers: list[Loc] = field(default_factory=list)
    closers: list[Loc] = field(default_factory=list)
    equals: dict[int, int] = field(default_factory=dict)
    kept: frozenset[tuple[Loc, Loc]] = frozenset()


def marks_of(source: Source) -> Marks:
    marks = Marks()
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
            kept.append((tokens[first + 1].start, tokens[i - 1].end))
    marks.kept = frozenset(kept)
    return marks


def after(places: list[Loc], place: Loc) -> Loc:
    k = bisect_left(places, place)
    return places[k] if k < len(places) else place


class Margins:
    """The comments of one file, in order, on their way into `lines`."""

    def __init__(self, file: ast.File, marks: Marks, lines: Lines) -> None:
        self.marks, self.lines = marks, lines
        self.comments = sorted(file.comments, key=lambda c: c.span.start)
        self.places = [c.span.start for c in self.comments]
        self.next = 0
        self.last: int | None = None  # the line of the source that was printed last; none where no blank line may follow

    @property
    def left(self) -> bool:
        """Not all comments have been printed."""
        return self.next < len(self.comments)

    def has_comment(self, start: Loc, end: Loc) -> bool:
        k = max(self.next, bisect_left(self.places, start))
        return k < len(self.places) and self.places[k] < end

    def blank(self, line: int) -> None:
        """A blank line, if there is one in the source between what was printed last and `line`."""
        if self.last is not None and line > self.last + 1 and self.lines.done and self.lines.done[-1]:
            self.lines.done.append("")

    def before(self, place: Loc, indent: int) -> None:
        """The comments up to `place`, on lines of their own."""
        while self.next < len(self.comments) and self.places[self.next] < place:
            self.own(self.comments[self.next], indent)
            self.next += 1

    def own(self, comment: ast.Comment, indent: int) -> None:
        self.blank(comment.span.start.line)
        self.lines.done.append(" " * indent + comment.text)
        self.last = comment.span.start.line

    def beside(self, end: Loc, until: Loc | None = None) -> None:
        """The comment that stands right of `end` on its line (and before `until`), if there is one, beside the line just written."""
        if self.left:
            comment, place = self.comments[self.next], self.places[self.next]
            if not comment.own_line and place.line == end.line and place >= end and (until is None or place < until):
                self.lines.done[-1] = _beside(self.lines.done[-1], comment)
                self.next += 1

    def between(self, start: Loc, end: Loc, indent: int) -> bool:
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

    def hoist(self, node: ast.Node, indent: int) -> None:
        """Comments in the middle of a statement, where a line of its own has no place for them, go above it."""
        start = max(self.next, bisect_left(self.places, node.span.start))
        stop = bisect_left(self.places, node.span.end)
        if start >= stop:
            return
        kept = self._rooms(node)
        inner = self.comments[start:stop]
        above = [c for c in inner if not any(a <= c.span.start < b for a, b in kept)]
        stay = [c for c in inner if any(a <= c.span.start < b for a, b in kept)]
        for comment in above:
            self.last = None if self.last is None else comment.span.start.line - 1
            self.own(comment, indent)
        if above:
            self.last = node.span.start.line - 1
        self.comments[start:stop] = [*above, *stay]
        self.places[start:stop] = [*(node.span.start for _ in above), *(c.span.start for c in stay)]
        self.next = start + len(above)

    def _rooms(self, node: ast.Node) -> list[tuple[Loc, Loc]]:
        """The stretches of a statement or clause in which comments can stand."""
        if isinstance(node, ast.If):
            return [(after(self.marks.openers, node.condition.span.end), node.span.end)]
        if isinstance(node, ast.Phase):
            return [(after(self.marks.openers, node.name.span.end), node.span.end)]
        value = _value(node)
        return [] if value is None else self._value_rooms(value)

    def _value_rooms(self, value: ast.Expr) -> list[tuple[Loc, Loc]]:
        if isinstance(value, ast.Flow):
            rooms = [(a.span.end, b.span.start) for a, b in zip(value.steps, value.steps[1:], strict=False)]
            return [*rooms, *(r for step in value.steps for r in self._value_rooms(step))]
        if isinstance(value, ast.As):
            return self._value_rooms(value.value)
        if isinstance(value, ast.Stack):
            return [(after(self.marks.openers, stack_head(value)), value.span.end)]
        return []


def _value(node: ast.Node) -> ast.Expr | None:
    """The expression with which a statement ends."""
    match node:
        case ast.Return(values=(value,)) | ast.Assert(condition=value, message=None):
            return value
        case ast.Draw(distribution=value) | ast.Minimizes(objective=value) | ast.Value(value=value) | ast.Column(value=value):
            return value
        case ast.ParamDef() | ast.StateDef():
            return node.init
        case ast.Assign() | ast.IndexFunction() | ast.LayerDef() | ast.GateDef() | ast.PenaltyDef() | ast.PlayerDef():
            return node.value
    return None


def stack_head(node: ast.Stack) -> Loc:
    """Where the last expression of a stack's head ends."""
    last = node.carries[-1] if node.carries else node.over if node.over is not None else node.count
    return node.span.start if last is None else last.span.end


def _beside(line: str, comment: ast.Comment) -> str:
    """The comment stays in its column if the line leaves room for it."""
    line = line.rstrip()
    return line.ljust(max(len(line) + 2, comment.span.start.column - 1)) + comment.text

"""The text behind a graph: which expression stands at a place, what is around it, and the edits that take it out or put something in."""

from __future__ import annotations

import re
from functools import cache

from ...dsl import ast
from ...dsl.diagnostic import Edit
from ...dsl.source import Source
from ...dsl.span import Loc, Span
from ...dsl.walk import children
from ..graph import Node
from ..resolve import Program, Unit


class Written:
    """An expression with what is around it."""

    def __init__(self, text: Text, node: ast.Node, callee: ast.Name, call: ast.Call | None) -> None:
        self.text, self.node, self.callee, self.call = text, node, callee, call

    @property
    def branch(self) -> object:
        """The innermost choice (`if`) that it stands in, with the side; equal for two expressions that are always both there."""
        child: ast.Node = self.node
        while (parent := self.text.parents.get(id(child))) is not None:
            if isinstance(parent, ast.Ternary):
                return id(parent), id(child)
            if isinstance(parent, ast.If):
                return id(parent), any(child is statement for statement in parent.then)
            child = parent
        return None

    @property
    def flow(self) -> tuple[ast.Flow, int] | None:
        """The flow that it is a step of, and the number of the step; none where it has a name of its own there (`as`)."""
        parent = self.text.parents.get(id(self.node))
        if not isinstance(parent, ast.Flow):
            return None
        return parent, next(i for i, step in enumerate(parent.steps) if step is self.node)

    def argument(self, name: str) -> ast.Arg | None:
        """The argument of that name, as it is written."""
        args = () if self.call is None else self.call.args
        return next((arg for arg in args if arg.name is not None and arg.name.text == name), None)

    # Edits ------------------------------------------------------------------------------------------------------------

    def removed(self) -> tuple[Edit, ...]:
        """Out of its flow, or `f(x)` to `x`; nothing where that is not plain."""
        if self.flow is not None:
            flow, at = self.flow
            if at == 0:
                return ()
            gap = Span(self.node.span.source, flow.steps[at - 1].span.end, self.node.span.start)
            if not re.fullmatch(r"\)*\s*->\s*", self.text.source.slice(gap)):
                return ()
            closers = len(self.text.source.slice(gap)) - len(self.text.source.slice(gap).lstrip(")"))
            start = Loc(gap.start.line, gap.start.column + closers)
            return (Edit(Span(gap.source, start, self.node.span.end), ""),)
        tensors = [arg for arg in self.call.args if arg.name is None] if self.call is not None else []
        if self.call is None or self.call.function is not self.callee or len(tensors) != 1 or not isinstance(self.node, ast.Call):
            return ()
        inner = self.text.source.slice(tensors[0].value.span)
        plain = isinstance(tensors[0].value, ast.Name | ast.Call | ast.Attribute | ast.Index)
        return (Edit(self.node.span, inner if plain else f"({inner})"),)

    def preceded(self, step: str) -> tuple[Edit, ...]:
        """With another step before it in its flow."""
        if self.flow is None or self.flow[1] == 0:
            return ()
        place = self.node.span
        return (Edit(Span(place.source, place.start, place.start), f"{step} -> "),)

    def wrapped(self, before: str, after: str) -> tuple[Edit, ...]:
        """With a step before it and one after."""
        if self.flow is None or self.flow[1] == 0:
            return ()
        return (Edit(self.node.span, f"{before} -> {self.text.source.slice(self.node.span)} -> {after}"),)

    def renamed(self, name: str) -> tuple[Edit, ...]:
        """Another layer in its place, with the arguments it has."""
        return (Edit(self.callee.span, name),)

    def given(self, argument: str, value: str) -> tuple[Edit, ...]:
        """With an argument set; the call it is built with must be written there."""
        old = self.argument(argument)
        if old is not None:
            return (Edit(old.value.span, value),)
        if self.call is None:
            return (Edit(Span(self.node.span.source, self.node.span.end, self.node.span.end), f"({argument}={value})"),)
        end = self.call.span.end
        place = Span(self.call.span.source, Loc(end.line, end.column - 1), end)
        if self.text.source.slice(place) != ")":
            return ()
        before = self.text.source.slice(Span(place.source, self.call.function.span.end, place.start))
        comma = "" if not self.call.args or before.endswith(", ") else " " if before.rstrip().endswith(",") else ", "
        return (Edit(Span(place.source, place.start, place.start), f"{comma}{argument}={value}"),)


class Text:
    """A file, with the parent of each node, and the innermost expression at each place."""

    def __init__(self, unit: Unit) -> None:
        self.source: Source = unit.source
        self.parents: dict[int, ast.Node] = {}
        self.places: dict[tuple[Loc, Loc], ast.Node] = {}
        waiting: list[ast.Node] = [unit.file]
        while waiting:
            node = waiting.pop()
            for child in children(node):
                self.parents[id(child)] = node
                waiting.append(child)
            if not isinstance(node, ast.Arg | ast.Value | ast.Ident | ast.Return):
                self.places[node.span.start, node.span.end] = node

    def written(self, place: Span, name: str) -> Written | None:
        """The layer `name` at a place, if it is written there by its name: `name`, `name(…)`, `name(…)(…)`."""
        return self.layer(self.places.get((place.start, place.end)), name)

    def layer(self, node: ast.Node | None, name: str = "") -> Written | None:
        """`node` as a layer that is written out, `name` if one is given."""
        callee: ast.Node | None = node
        call: ast.Call | None = None
        while isinstance(callee, ast.Call):
            call, callee = callee, callee.function
        if node is None or not isinstance(callee, ast.Name) or (name and callee.id != name):
            return None
        return Written(self, node, callee, call)


class Texts:
    """The files of a program, each read when something in it is in question."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.text = cache(lambda name: Text(program.units[name]))

    def of(self, node: Node) -> Written | None:
        """How a step of a graph is written, if its layer stands there by its name."""
        name = getattr(node.op, "name", None)
        if node.span.source not in self.program.units or not isinstance(name, str):
            return None
        written: Written | None = self.text(node.span.source).written(node.span, name)
        return written


def whole_lines(source: Source, span: Span) -> tuple[Edit, ...]:
    """Takes the lines of a statement out, if nothing else stands on them."""
    before = source.line(span.start.line)[: span.start.column - 1]
    after = source.line(span.end.line)[span.end.column - 1 :]
    if before.strip() or after.strip() or span.end.line >= len(source.lines):
        return ()
    return (Edit(Span(span.source, Loc(span.start.line, 1), Loc(span.end.line + 1, 1)), ""),)

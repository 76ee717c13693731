"""Text -> AST and diagnostics.

Whatever the text is, `parse` returns a File and reports what is wrong with it; it never raises and nothing in its result nests
deeper than LIMIT. A statement, clause, column or declaration that is broken is left out, all others are there. The way:
lexer (characters), layout (newlines and brackets), lr (the automaton of grammar.lark), with builder for what is right and mistakes
for what is wrong.
"""

from dataclasses import replace
from typing import Any

from . import ast, table
from . import faults as f
from .builder import Builder
from .depth import collector_paused
from .diagnostic import Fault, Report
from .layout import LIMIT, lay_out
from .lexer import lex
from .lr import Automaton
from .mistakes import Mistakes
from .source import Source
from .span import Loc, Span

MOST_FAULTS = 100


def parse(source: Source, report: Report) -> ast.File:
    """The AST of `source`; faults of syntax (E01xx) go to `report`, which also learns the source."""
    report.sources[source.name] = source
    with collector_paused():
        return _Reading(source, report).run()


class _Reading:
    def __init__(self, source: Source, report: Report) -> None:
        self.source, self.target = source, report
        self.faults = 0
        self.deep = False

    def run(self) -> ast.File:
        source = self.source
        lexed = lex(source, self.report)
        whole = Span(source.name, Loc(1, 1), source.end().end)
        tokens = lay_out(lexed.tokens, source.name, self.report)
        if tokens is None:
            return ast.File((), tuple(lexed.comments), span=whole)
        rules = table.load()
        builder = Builder(source, self.report)
        mistakes = Mistakes(source.name, self.report, self.enough)
        automaton = Automaton(rules, builder.makers(rules), mistakes, self._too_deep, LIMIT)
        items, comments = _with_docs(automaton.run(tokens), lexed.comments)
        return ast.File(tuple(items), tuple(comments), span=whole)

    def report(self, fault: Fault) -> None:
        self.faults += 1
        if self.faults <= MOST_FAULTS:
            self.target.add(fault)
        elif self.faults == MOST_FAULTS + 1:
            self.target.add(f.TooManyFaults(fault.span, MOST_FAULTS))

    def enough(self) -> bool:
        return self.faults > MOST_FAULTS

    def _too_deep(self, value: Any, start: Loc, end: Loc) -> Any:
        """What stands for a value that nests too deeply: nothing that anyone would walk."""
        span = Span(self.source.name, start, end)
        if not self.deep:
            self.deep = True
            self.report(f.TooDeep(span, LIMIT, "`else if`" if isinstance(value, ast.If) else "the operators of this expression"))
        return None if isinstance(value, ast.If) else ast.Name("_", span=span)


def _with_docs(items: list[ast.Item], comments: list[ast.Comment]) -> tuple[list[ast.Item], list[ast.Comment]]:
    """Give each declaration the `##` lines between it and what stands before it; the comments that are left."""
    rest: list[ast.Comment] = []
    out: list[ast.Item] = []
    before, k = Loc(1, 1), 0
    for item in items:
        while k < len(comments) and comments[k].span.start < before:
            rest.append(comments[k])
            k += 1
        doc: list[str] = []
        while k < len(comments) and comments[k].span.start < item.span.start:
            comment = comments[k]
            k += 1
            if not isinstance(item, ast.Import) and is_doc(comment):
                doc.append(comment.text[2:].removeprefix(" "))
            else:
                rest.append(comment)
        before = item.span.end
        out.append(item if isinstance(item, ast.Import) or not doc else replace(item, doc="\n".join(doc)))
    return out, [*rest, *comments[k:]]


def is_doc(comment: ast.Comment) -> bool:
    """`## …` on a line of its own, and not a ruler of many #."""
    return comment.own_line and comment.text.startswith("##") and not comment.text.startswith("###")

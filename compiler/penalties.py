"""Which penalties run in a graph, at any depth: each name once, since those of one name are summed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..dsl.span import Span
from .graph import Game, Graph, Penalty, Repeat, Use

if TYPE_CHECKING:
    from .plan import Term

Known = dict[int, dict[str, Span]]


def penalties_of(graph: Graph, known: Known) -> dict[str, Span]:
    """The names in the order of the text, with the place of the first of each; `known` keeps what was looked at."""
    if id(graph) not in known:
        found: dict[str, Span] = {}
        for node in graph.nodes:
            match node.op:
                case Penalty(name=name):
                    found.setdefault(name, node.span)
                case Use(graph=inner):
                    found = _joined(found, penalties_of(inner, known))
                case Repeat(levels=levels):
                    for level in levels:
                        found = _joined(found, penalties_of(level.graph, known))
        known[id(graph)] = found
    return known[id(graph)]


def _joined(first: dict[str, Span], more: dict[str, Span]) -> dict[str, Span]:
    return first | {name: span for name, span in more.items() if name not in first}


def penalty_names(root: Graph) -> tuple[str, ...]:
    """The names of the penalties that stand beside a root's outputs; a game adds its own to its objectives."""
    return () if isinstance(root, Game) else tuple(penalties_of(root, {}))


def penalty_terms(root: Graph) -> list[Term]:
    """The penalties of a root as terms of its losses."""
    from .plan import Place, Term

    def place(span: Span) -> Place:
        return Place(file=span.source, line=span.start.line, column=span.start.column)

    found = penalties_of(root, {})
    wanted = [(name, found[name]) for name in penalty_names(root)]
    return [Term(name=n, function="", arguments=[], penalty=True, better="lower", place=place(s)) for n, s in wanted]

"""`layer t = ema(f)` in the generated source: a start equal to `f`, and the method that moves averages after a step of the optimizer."""

from __future__ import annotations

from ....dsl.span import Span
from ...graph import Average, Game, Graph
from ..code import Show
from .lines import Line
from .names import checked_key


def start_lines(graph: Graph, built: set[str]) -> list[Line]:
    """At the end of a constructor: averages start as what they are averages of, and are not learned."""
    lines = []
    for average in _built(graph, built):
        me, source = checked_key(average.key), checked_key(average.source)
        lines.append(Line(f"self.{me}.load_state_dict(self.{source}.state_dict())", graph.span))
        lines.append(Line(f"self.{me}.requires_grad_(False)", graph.span))
    return lines


def method_lines(graph: Graph, built: set[str], inner: list[str]) -> list[Line]:
    """`update_averages`; `inner` are the classes of parts that have one of their own, for the root."""
    span, averages = graph.span, _built(graph, built)
    if not averages and not inner:
        return []
    if isinstance(graph, Game):
        return _of_game(averages, inner, span)
    lines = [
        Line("@torch.no_grad()", span),
        Line("def update_averages(self) -> None:", span),
        Line('"""Moves averages towards the weights they follow. To be called after each step of the optimizer."""', span, 1),
    ]
    for average in averages:
        lines += _moved(average, span)
    if inner:
        lines += _within("self", inner, span)
    return lines


def _of_game(averages: list[Average], inner: list[str], span: Span) -> list[Line]:
    """The same of a game: what follows a player moves when the player has."""
    lines = [
        Line("@torch.no_grad()", span),
        Line("def update_averages(self, *moved: str) -> None:", span),
        Line(
            '"""Moves averages towards the weights of players that were moved, which they follow. To be called after each update."""',
            span,
            1,
        ),
    ]
    for average in averages:
        lines.append(Line(f'if "{average.source}" in moved:', span, 1))
        lines += [line.moved(1) for line in _moved(average, span)]
    if inner:
        lines.append(Line("for player in moved:", span, 1))
        lines += [line.moved(1) for line in _within("getattr(self, player)", inner, span)]
    return lines


def _within(module: str, inner: list[str], span: Span) -> list[Line]:
    """The averages of parts within a module."""
    kinds = inner[0] if len(inner) == 1 else f"({', '.join(inner)})"
    return [
        Line(f"for module in {module}.modules():", span, 1),
        Line(f"if isinstance(module, {kinds}):", span, 2),
        Line("module.update_averages()", span, 3),
    ]


def _moved(average: Average, span: Span) -> list[Line]:
    me, source, decay = average.key, average.source, Show({})(average.decay)
    return [
        Line(f"for average, weight in zip(self.{me}.parameters(), self.{source}.parameters()):", span, 1),
        Line(f"average.lerp_(weight, 1 - {decay})", span, 2),
        Line(f"for average, statistic in zip(self.{me}.buffers(), self.{source}.buffers()):", span, 1),
        Line("average.copy_(statistic)", span, 2),
    ]


def _built(graph: Graph, built: set[str]) -> list[Average]:
    """Those whose two layers are there."""
    return [average for average in graph.averages if {average.key, average.source} <= built]

"""A source text with its name: what spans point into."""

from dataclasses import dataclass
from functools import cached_property

from .span import Loc, Span


@dataclass(frozen=True)
class Source:
    """`name` is how people know it (a path as they wrote it, `<stdin>`); lines are split as editors do."""

    name: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        return self.text.replace("\r\n", "\n").split("\n")

    def line(self, number: int) -> str:
        """Line `number`, from 1; empty past the end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def slice(self, span: Span) -> str:
        """The text of `span`."""
        first, last = span.start, span.end
        if first.line == last.line:
            return self.line(first.line)[first.column - 1 : last.column - 1]
        inner = [self.line(n) for n in range(first.line + 1, last.line)]
        return "\n".join([self.line(first.line)[first.column - 1 :], *inner, self.line(last.line)[: last.column - 1]])

    def end(self) -> Span:
        place = Loc(len(self.lines), len(self.lines[-1]) + 1)
        return Span(self.name, place, place)

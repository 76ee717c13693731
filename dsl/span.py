"""Places in a source text: frozen, ordered, 1-based as editors count them."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Loc:
    """A place between two characters: line and column count from 1, columns in characters."""

    line: int
    column: int


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """A stretch of one source, `end` exclusive; `source` is the name under which the text was read."""

    source: str
    start: Loc
    end: Loc

    def to(self, other: "Span") -> "Span":
        """The stretch from here to the end of `other`."""
        return Span(self.source, self.start, other.end)


NOWHERE = Span("", Loc(1, 1), Loc(1, 1))

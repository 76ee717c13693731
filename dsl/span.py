"""Places in a source text: frozen, ordered, 1-based as editors count them.

They are tuples, since there are two of the one and one of the other for each token and node, and all are compared.
"""

from typing import NamedTuple


class Loc(NamedTuple):
    """A place between two characters: line and column count from 1, columns in characters."""

    line: int
    column: int


class Span(NamedTuple):
    """A stretch of one source, `end` exclusive; `source` is the name under which the text was read."""

    source: str
    start: Loc
    end: Loc

    def to(self, other: "Span") -> "Span":
        """The stretch from here to the end of `other`."""
        return Span(self.source, self.start, other.end)


NOWHERE = Span("", Loc(1, 1), Loc(1, 1))

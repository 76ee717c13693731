"""Names with gaps: `stack1.{i}.dense1.{kind}` on our side, `{transformer.|}h.{i}.mlp.c_fc.{kind}` on theirs.

`{name}` is a part of a name without dots. `{a|b}` is one of several texts, of which one may be empty. `*` in what is ignored is any text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product

PIECE = re.compile(r"\{(?P<name>[A-Za-z_]\w*)\}|\{(?P<choice>[\w.\-]*(?:\|[\w.\-]*)+)\}|(?P<text>[\w.\-]+|\*)", re.ASCII)
MOST_CHOICES = 64
MOST_GAPS = 2  # in one part between dots, and as many `*`: a match is looked for in time that grows with the square of a name
LONGEST = 1_000
"""Characters of a pattern, and of a tensor's name."""


class BadPattern(ValueError):
    """It cannot be read; the text says why."""


@dataclass(frozen=True)
class Pattern:
    """A name with gaps, cut into pieces: texts, gaps by their names, and choices."""

    text: str
    pieces: tuple[tuple[str, str], ...]

    @staticmethod
    def of(text: str) -> "Pattern":
        """Reads a pattern; raises `BadPattern`."""
        if len(text) > LONGEST:
            raise BadPattern(f"it is longer than {LONGEST:,} characters")
        pieces, at = [], 0
        while at < len(text):
            found = PIECE.match(text, at)
            if found is None:
                raise BadPattern(f"at {text[at : at + 12]!r} stands neither a part of a name nor {{name}} nor {{this|that}}")
            kind = str(found.lastgroup)
            pieces.append((kind if found[0] != "*" else "any", found[kind]))
            at = found.end()
        if not pieces:
            raise BadPattern("it is empty")
        if _most_gaps(pieces) > MOST_GAPS or sum(kind == "any" for kind, _ in pieces) > MOST_GAPS:
            raise BadPattern(f"more than {MOST_GAPS} gaps stand between two dots, or more than {MOST_GAPS} * in it")
        pattern = Pattern(text, tuple(pieces))
        if len(list(islice(pattern._choices(), MOST_CHOICES + 1))) > MOST_CHOICES:
            raise BadPattern(f"it has more than {MOST_CHOICES} forms")
        return pattern

    @property
    def gaps(self) -> frozenset[str]:
        return frozenset(value for kind, value in self.pieces if kind == "name")

    @property
    def is_name(self) -> bool:
        """Has it texts and gaps alone?"""
        return all(kind in ("text", "name") for kind, _ in self.pieces)

    def _choices(self) -> "product[tuple[str, ...]]":
        return product(*(value.split("|") for kind, value in self.pieces if kind == "choice"))

    def names(self, gaps: Mapping[str, str]) -> list[str]:
        """The names that it stands for, in the order of its choices, with the gaps filled."""
        found = []
        for chosen in self._choices():
            rest = iter(chosen)
            parts = (gaps[value] if kind == "name" else next(rest) if kind == "choice" else value for kind, value in self.pieces)
            found.append("".join(parts))
        return found

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """What it matches; a gap that stands in it twice is the same text both times."""
        seen: set[str] = set()
        parts = []
        for kind, value in self.pieces:
            if kind == "name":
                parts.append(f"(?P={value})" if value in seen else f"(?P<{value}>[^.]+)")
                seen.add(value)
            else:
                parts.append(".*" if kind == "any" else "|".join(map(re.escape, value.split("|"))).join(("(?:", ")")))
        return re.compile("".join(parts))

    def match(self, name: str) -> dict[str, str] | None:
        """What fills the gaps, where the name fits."""
        found = self.regex.fullmatch(name)
        return None if found is None else found.groupdict()


def _most_gaps(pieces: list[tuple[str, str]]) -> int:
    """How many gaps stand in one part between dots, at most."""
    most = gaps = 0
    for kind, value in pieces:
        if kind == "name":
            gaps += 1
            most = max(most, gaps)
        elif kind == "text" and "." in value:
            gaps = 0
    return most

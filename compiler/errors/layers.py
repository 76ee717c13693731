"""Faults of single layers: what does not fit has nothing to do with dtype or rank alone."""

from ...dsl.diagnostic import Diagnostic, Fault, Label
from ...dsl.span import NOWHERE, Span


def _from(origin: Span, text: str) -> tuple[Label, ...]:
    return () if origin == NOWHERE else (Label(origin, text),)


class OutOfRange(Fault):
    """An index lies outside the dim it reads, or more numbers are taken from a dim than it has.

    Indices count from 0, or from the end with a minus: a dim of size 4 has 0 to 3, or -4 to -1.
    """

    code = "E0310"
    title = "an index lies outside its dim"

    layer: str
    index: str
    size: str
    got: str
    origin: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.layer} reads {self.index} of a dim of size {self.size}: {self.got} does not reach so far",
            f"{self.size} is the size of the dim",
            *_from(self.origin, f"{self.size} comes from here"),
        )


class BadPattern(Fault):
    """The pattern of `rearrange` or `einsum` is not one, or does not fit the tensors.

    `rearrange("b t (h d) -> b h t d", h=8)` names each dim once on each side of the arrow; parentheses split a dim or join several.
    `einsum("b i d, b j d -> b i j")` has one list of names for each tensor; a name that is missing on the right is summed over.
    """

    code = "E0311"
    title = "a pattern does not fit"

    layer: str
    pattern: str
    reason: str
    origin: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f'the pattern "{self.pattern}" of {self.layer} does not fit: {self.reason}',
            self.reason,
            *_from(self.origin, "this one"),
        )


class TooSmall(Fault):
    """A layer computes statistics over dims that hold one number alone, so that there is nothing to compute."""

    code = "E0312"
    title = "a tensor is too small"

    layer: str
    need: str
    got: str
    origin: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.layer} needs {self.need}, but was given {self.got}",
            f"needs {self.need}",
            *_from(self.origin, f"{self.got} is made here"),
        )


class ElementsDisagree(Fault):
    """A new shape must hold as many numbers as the old one.

    `reshape` keeps the first dim (the batch) and speaks of one row: `reshape(1, 8, 8)` on [B, 64] gives [B, 1, 8, 8]. One size may be -1.
    """

    code = "E0313"
    title = "a new shape holds another number of elements"

    layer: str
    wanted: str
    have: str
    got: str
    origin: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.layer} makes {self.wanted} of each row, but {self.got} has {self.have} numbers in each",
            f"{self.have} numbers do not fill {self.wanted}",
            *_from(self.origin, f"{self.got} is made here"),
        )

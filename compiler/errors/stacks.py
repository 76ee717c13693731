"""Faults of `stack` and `parallel`."""

from ...dsl.diagnostic import Diagnostic, Fault, Help
from ...dsl.span import NOWHERE, Span
from .shapes import _from


class BadCount(Fault):
    """A stack has a number of levels that cannot be: below zero, or more than archc tells apart."""

    code = "E0501"
    title = "a stack cannot have so many levels"

    count: str
    rule: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"a stack of {self.count} levels cannot be: {self.rule}", self.rule)


class TiedChanges(Fault):
    """The levels of a tied stack share their weights, so what comes out of a level must be of the type of what comes in."""

    code = "E0502"
    title = "a tied stack changes its type"

    before: str
    after: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"the levels of a tied stack share their weights, but {self.before} goes in and {self.after} comes out",
            "changes the type",
        )


class NothingNext(Fault):
    """A `stack … from` carries values, and each level has to give every one of them its next value with a prime, once."""

    code = "E0503"
    title = "a carried value gets no next value"

    name: str
    origin: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        labels = _from(self.origin, "this stack gives it none") if self.origin != self.span else ()
        helps = (Help(f"in the body, say {self.name}' = …"),)
        return self.say(
            f"each level must give {self.name} its next value", f"{self.name} is carried from here", *labels, helps=helps
        )


class NotAList(Fault):
    """`stack x in LIST` has a level for each item of a list; a number of levels is said as `stack 12 { … }`."""

    code = "E0505"
    title = "a list is wanted"

    got: str
    count: str = ""

    def diagnostic(self) -> Diagnostic:
        helps = (
            (Help(f"for so many levels, say stack {self.count} {{ … }}, or stack i in 0..{self.count} {{ … }}"),)
            if self.count
            else ()
        )
        return self.say(f"a list is wanted here, but this is {self.got}", "not a list", helps=helps)


class NoValue(Fault):
    """The body of a plain stack or parallel ends with the layer, flow or part that a level is."""

    code = "E0504"
    title = "a level that does nothing"

    kind: str
    got: str = ""

    def diagnostic(self) -> Diagnostic:
        but = f", but this is {self.got}" if self.got else ", but this one ends with nothing to apply"
        return self.say(
            f"the body of a {self.kind} ends with what a level is, such as a layer or a part{but}", "nothing to apply"
        )

"""Faults of shapes and dtypes: what a layer was given does not fit."""

import re

from ...dsl.diagnostic import Diagnostic, Edit, Fault, Help, Label
from ...dsl.span import NOWHERE, Span


def _from(origin: Span, text: str) -> tuple[Label, ...]:
    return () if origin == NOWHERE else (Label(origin, text),)


class WrongRank(Fault):
    """A layer reads a fixed number of dims and was given a tensor with another number of them.

    The message names the shape that came, and a label shows where that tensor was made. `flatten`, `reshape`, `squeeze` and an index with
    `none` change the number of dims.
    """

    code = "E0301"
    title = "a tensor has the wrong number of dims"

    layer: str
    wanted: str
    got: str
    origin: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.layer} wants {self.wanted}, but was given {self.got}",
            f"wants {self.wanted}",
            *_from(self.origin, f"{self.got} is made here"),
        )


class WrongDtype(Fault):
    """A layer works on numbers of one kind (float, int, bool) and was given another.

    `embedding` and `one_hot` read ints, conditions are bool, everything with weights computes in float.
    """

    code = "E0302"
    title = "a tensor has the wrong dtype"

    layer: str
    wanted: str
    got: str
    origin: Span = NOWHERE
    advice: str = ""

    def diagnostic(self) -> Diagnostic:
        helps = (Help(self.advice),) if self.advice else ()
        return self.say(
            f"{self.layer} wants {self.wanted} numbers, but was given {self.got}",
            f"wants {self.wanted}",
            *_from(self.origin, f"{self.got} is made here"),
            helps=helps,
        )


def _where_it_fits(left: str, right: str) -> str:
    """H and 2 * (H // 2) are one where H is even."""
    for size, other in ((left, right), (right, left)):
        halves = re.fullmatch(r"(\d+) \* \((\w+) // (\d+)\)", other)
        if halves is not None and halves[1] == halves[3] and halves[2] == size:
            return f"they fit where {size} is a multiple of {halves[1]}: assert {size} % {halves[1]} == 0"
    return ""


class DimsDisagree(Fault):
    """Two sizes that must be one number are not, or cannot be shown to be.

    The labels show where each of them came from. Two different symbols are never taken for equal: if they are, say so with one
    name in the
    signature.
    """

    code = "E0303"
    title = "two dims that must agree do not"

    rule: str  # "the two sides of + must have one shape"
    left: str  # "main is [B, 64, H, W]"
    right: str
    left_origin: Span = NOWHERE
    right_origin: Span = NOWHERE
    left_size: str = ""
    right_size: str = ""
    advice: str = ""
    left_place: Span = NOWHERE  # of the other operand, where both are written here
    left_type: str = ""
    right_type: str = ""

    def diagnostic(self) -> Diagnostic:
        advice = self.advice or _where_it_fits(self.left_size, self.right_size)
        helps = (Help(advice),) if advice else ()
        both = self.left_place not in (NOWHERE, self.span, self.left_origin, self.right_origin)
        labels: tuple[Label, ...] = (Label(self.left_place, self.left_type),) if both else ()
        labels += _from(self.left_origin, f"{self.left_size} comes from here" if self.left_size else self.left)
        labels += _from(self.right_origin, f"{self.right_size} comes from here" if self.right_size else self.right)
        return self.say(f"{self.rule}, but {self.left} and {self.right}", self.right_type if both else "", *labels, helps=helps)


class DoesNotDivide(Fault):
    """A size has to be a multiple of another: heads of a width, groups of channels, parts of a chunk."""

    code = "E0305"
    title = "a size does not divide"

    rule: str
    size: str
    divisor: str
    origin: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        known = not re.search(r"[A-Za-z]", self.size + self.divisor)
        promise = f"to promise it, and have it checked when the model runs: assert {self.size} % {self.divisor} == 0"
        return self.say(
            f"{self.rule}, but {self.size} is not {'' if known else 'known to be '}a multiple of {self.divisor}",
            f"{self.divisor} {'does' if known else 'may'} not divide {self.size}",
            *_from(self.origin, f"{self.size} comes from here"),
            helps=() if known or not self.size.isidentifier() else (Help(promise),),
        )


class BadArgument(Fault):
    """An argument of a layer has a value it cannot work with; the reference (`archc layers NAME`) says which it can."""

    code = "E0306"
    title = "an argument has a value that does not fit"

    layer: str
    argument: str
    rule: str
    value: str
    replacement: str | None = None

    def diagnostic(self) -> Diagnostic:
        helps = () if self.replacement is None else (Help(f"say {self.replacement}", (Edit(self.span, self.replacement),)),)
        return self.say(f"{self.argument} of {self.layer} is {self.value}: {self.rule}", self.rule, helps=helps)


class UnknownSize(Fault):
    """The weights of a layer need a number that is only known when the model runs.

    Batch, time and image sizes may stay symbolic; what weights are made of may not. Give the dim a number in the signature, or
    take it out
    of the flow before the layer, with a pooling to a fixed size, say.
    """

    code = "E0307"
    title = "weights need a size that is not known"

    layer: str
    size: str
    got: str
    origin: Span = NOWHERE
    advice: str = ""

    def diagnostic(self) -> Diagnostic:
        helps = (Help(self.advice),) if self.advice else ()
        return self.say(
            f"the weights of {self.layer} need the size {self.size} of {self.got}, which is not known before the model runs",
            "needs a number here",
            *_from(self.origin, f"{self.size} comes from here"),
            helps=helps,
        )


class WindowTooLarge(Fault):
    """A convolution or pooling window does not fit into the (padded) tensor it slides over."""

    code = "E0308"
    title = "a window is larger than what it slides over"

    layer: str
    window: str
    size: str
    got: str
    origin: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.layer} slides a window of {self.window} over {self.size}, which is too small: it was given {self.got}",
            "the window does not fit",
            *_from(self.origin, f"{self.got} is made here"),
        )


class NoSuchDim(Fault):
    """`dim=` names a dim that the tensor does not have, or has twice, or counts past its last."""

    code = "E0309"
    title = "a tensor has no such dim"

    layer: str
    dim: str
    got: str
    reason: str = "has no such dim"

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.layer} works on dim {self.dim}, but {self.got} {self.reason}", f"{self.got} {self.reason}")


class RestOfNothing(Fault):
    """`...` in a type is the run of dims that a use gives to the signature of a part, and the same one throughout the part.

    A root has no use, and a type in a body has no run where the signature has none: there the dims are written out.
    """

    code = "E0314"
    title = "`...` stands for no dims"

    why: str

    def diagnostic(self) -> Diagnostic:
        helps = (Help("write the dims out: [B, T, D]"),)
        return self.say(f"... stands for the dims that a use gives to a signature, and {self.why}", "no dims", helps=helps)

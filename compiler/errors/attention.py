"""Faults of attention: index functions, and what `attend` compares."""

from ...dsl.diagnostic import Diagnostic, Edit, Fault, Help, Label
from ...dsl.span import NOWHERE, Span


def _from(origin: Span, text: str) -> tuple[Label, ...]:
    return () if origin == NOWHERE else (Label(origin, text),)


def _help(text: str) -> tuple[Help, ...]:
    return (Help(text),) if text else ()


class WidthsDiffer(Fault):
    """A query and a key are compared by their product, number by number, so a head of q and a head of k must have one width.

    `attend` cuts the width of q into `heads` and the width of k into `kv_heads`, which is `heads` where it is not given. Where k and v
    are narrower on purpose, several query heads share a key head: `kv_heads=heads / 2`.
    """

    code = "E0304"
    title = "queries and keys have different widths"

    q: str
    k: str
    q_width: str
    k_width: str
    q_origin: Span = NOWHERE
    k_origin: Span = NOWHERE
    split: str = ""  # ": its 8 heads are 96 wide, those of k 48"
    mend: str = ""

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"q and k must have one width to be compared, but q is {self.q} and k is {self.k}{self.split}",
            "",
            *_from(self.q_origin, f"q gets its {self.q_width} here"),
            *_from(self.k_origin, f"k gets its {self.k_width} here"),
            helps=_help(self.mend),
        )


class NotAnIndexFunction(Fault):
    """`mask`, `bias` and `score` of `attend` are index functions: equations that say a value for each pair of positions.

    They are written before the `attend`, `mask[i, j] = j <= i`, and given by their name, `attend(q, k, v, mask=mask)`. A tensor
    becomes one by
    being indexed: `mask[b, h, i, j] = keep[b, j]`.
    """

    code = "E1001"
    title = "an index function is wanted"

    argument: str
    got: str
    mend: str = ""

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.argument} of attend is an index function, but this is {self.got}",
            "not an index function",
            helps=_help(self.mend),
        )


class WrongIndices(Fault):
    """An index function has indices of a fixed number and order.

    A `mask` or `bias` that is given to `attend` has `[i, j]`, `[h, i, j]` or `[b, h, i, j]`: query position, key position, head,
    example. A `score`
    has `[s, h, i, j]`, where s is the score itself. A function that is used in another takes as many indices as it was defined with.
    """

    code = "E1002"
    title = "an index function has other indices"

    name: str
    wanted: str
    got: str
    defined: Span = NOWHERE
    mend: str = ""

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.name} is wanted with the indices {self.wanted}, but has {self.got}",
            f"wants {self.wanted}",
            *_from(self.defined, "defined here"),
            helps=_help(self.mend),
        )


class Recursion(Fault):
    """An index function uses itself. Index functions are equations that are written out, so each may use only those before it."""

    code = "E1003"
    title = "an index function that uses itself"

    name: str

    def diagnostic(self) -> Diagnostic:
        return self.say(f"the index function {self.name} uses itself", "this is the function itself")


class NotAnIndexExpression(Fault):
    """An index function speaks of one pair of positions at a time.

    It may use arithmetic, comparisons, `and or not`, `… if … else …`, functions of single numbers (`tanh`, `exp`, `min`), other
    index functions,
    and tensors at one place. Layers that own weights, slices, flows and whole tensors do not belong in it; compute those before, give
    the tensor a name, and read it by index.
    """

    code = "E1004"
    title = "this does not belong in an index function"

    what: str
    function: str
    mend: str = ""

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.what} does not belong in the index function {self.function}", "not one number", helps=_help(self.mend)
        )


class WrongIndexDtype(Fault):
    """A value in an index function has the wrong dtype.

    A mask is true or false; a bias and a score are numbers; the places of a tensor are whole numbers; arithmetic works on
    numbers, `and or not`
    on truths. `floor(x)` and `ceil(x)` make whole numbers, a comparison makes a truth.
    """

    code = "E1005"
    title = "a value of an index function has the wrong dtype"

    what: str
    wanted: str
    got: str
    origin: Span = NOWHERE
    origin_text: str = ""
    mend: str = ""

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.what} must be {self.wanted}, but this is {self.got}",
            f"must be {self.wanted}",
            *_from(self.origin, self.origin_text),
            helps=_help(self.mend),
        )


class WrongTensorIndices(Fault):
    """A tensor in an index function is read at one place, so it is given one index for each of its dims.

    For `keep: bool[B, S]` that is `keep[b, j]`.
    """

    code = "E1006"
    title = "a tensor is read with too few or too many indices"

    name: str
    type: str
    dims: int
    given: int
    origin: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        wanted = "no index" if self.dims == 0 else f"{self.dims} ind{'ex' if self.dims == 1 else 'ices'}"
        return self.say(
            f"{self.name} is {self.type} and wants {wanted} here, but has {self.given}",
            f"wants {wanted}",
            *_from(self.origin, f"{self.type} comes from here"),
        )


class PlaceOutside(Fault):
    """An index function reads a tensor at a place that it does not have.

    The indices run over all positions: `i` from 0 to the number of queries, `j` over the keys, `h` over the heads, `b` over the batch. A
    position that depends on them must stay inside the dim for all of them: `min(max(j - i, 0), 31)` for a table of 32.
    """

    code = "E1007"
    title = "a place outside of a tensor"

    name: str
    place: str  # "h"
    reaches: str  # "reaches 11"
    size: str
    origin: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.place} {self.reaches}, but this dim of {self.name} has the size {self.size}",
            f"the size is {self.size}",
            *_from(self.origin, f"{self.size} comes from here"),
        )


class NoAttend(Fault):
    """An `attention` is a block with at least one `attend`; without one it is a `block`."""

    code = "E1008"
    title = "an attention that does not attend"

    name: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"the attention {self.name} has no attend",
            "nothing in it attends",
            helps=(Help(f"say block {self.name}, or use attend(q, k, v, …) in it"),),
        )


class LengthsDiffer(Fault):
    """Each key has a value: k and v must have one length."""

    code = "E1009"
    title = "keys and values have different lengths"

    k: str
    v: str
    k_origin: Span = NOWHERE
    v_origin: Span = NOWHERE
    k_length: str = ""
    v_length: str = ""

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"each key has one value, but k is {self.k} and v is {self.v}",
            "",
            *_from(self.k_origin, f"k gets its {self.k_length} here"),
            *_from(self.v_origin, f"v gets its {self.v_length} here"),
        )


class HeadsDisagree(Fault):
    """Tensors that are split into heads before `attend`, `[B, heads, T, d]`, say themselves how many there are.

    k and v have one number of heads, which divides that of q. `heads=` and `kv_heads=` may be left out; where they are given they
    must agree.
    """

    code = "E1010"
    title = "the heads do not agree"

    rule: str
    got: str
    origin: Span = NOWHERE

    def diagnostic(self) -> Diagnostic:
        return self.say(f"{self.rule}, but {self.got}", "", *_from(self.origin, "this one"))


class IndexFunctionElsewhere(Fault):
    """An index function has no value of its own.

    It is given to `attend`, or used in another index function with its indices, `near[i, j]`.
    """

    code = "E1011"
    title = "an index function where a value is wanted"

    name: str

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"{self.name} is an index function, which has no value by itself",
            "an index function",
            helps=(Help(f"give it to attend(q, k, v, mask={self.name}), or use it in an index function as {self.name}[…]"),),
        )


class UnusedIndexFunction(Fault):
    """An index function that nothing uses masks nothing: most often it was to be given to `attend`, `mask=mask`."""

    code = "W1001"
    title = "an index function that nothing uses"

    name: str
    mend: tuple[Edit, ...] = ()

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"the index function {self.name} is never used",
            "decides nothing",
            helps=(Help("give it to attend, or leave the line out", self.mend),),
        )


class EmptyRows(Fault):
    """A mask leaves queries with no key to attend to, whatever the batch holds: their outputs are zeros.

    The first query of `j < i` has no key before it. `j <= i` lets each query see itself.
    """

    code = "W1002"
    title = "a mask that leaves queries with nothing to attend to"

    mask: str
    which: str  # "the query at position 0"
    mend: str = ""

    def diagnostic(self) -> Diagnostic:
        return self.say(
            f"with the mask {self.mask}, {self.which} has nothing to attend to", "its output is zeros", helps=_help(self.mend)
        )

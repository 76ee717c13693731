"""Index functions of one pair of positions, as FlexAttention calls them: `mask(b, h, i, j)` and `score(s, b, h, i, j)`.

Comes in: equations, and what their tensors and numbers are called where the functions stand. Goes out: the lines of a function. Numbers are
bound as defaults, so that two masks with the same code and the same numbers are one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ...attention.terms import Equation, Term
from ...shapes import Size
from ..code import Code, Show, binary, method
from .equations import Sheet, joined
from .names import Names

INDICES = ("b", "h", "i", "j")


def function(
    name: str,
    equations: Mapping[str, Equation],
    extents: Mapping[str, Size],
    tensors: Mapping[int, Code],
    number: Callable[[str], str],
    dtype: str,
) -> list[str]:
    """A function `name` of the mask, or of the score and the bias. `number` gives what a hyperparameter or a dim is called, `dtype` the
    text of that of the queries."""
    words = {word for code in tensors.values() for word in re.findall(r"\w+", code.text)}
    names = Names(words)
    given: dict[str, str] = {}
    bound: dict[str, str] = {}

    def record(name: str) -> str:
        return bound.setdefault(name, names.new(name))

    indices = {index: names.new(index) for index in INDICES}
    s, kind = names.new("s"), names.new("dtype")
    sheet = _Pair(joined(equations), Show(record), extents, tensors, f"{indices['i']}.device", kind, names.new, s)
    sheet.indices = indices
    if "mask" in equations:
        value = sheet.truth("mask")
        parameters = list(indices.values())
    else:
        value = sheet.number("score") if "score" in equations else Code(s)
        value = binary("+", value, sheet.number("bias")) if "bias" in equations else value
        parameters = [s, *indices.values()]
    given = {own: number(other) for other, own in bound.items()} | ({kind: dtype} if sheet.typed else {})
    signature = ", ".join([*parameters, *(f"{own}={text}" for own, text in given.items())])
    return [f"def {name}({signature}):", *(f"    {line}" for line in [*sheet.lines, f"return {value}"])]


class _Pair(Sheet):
    """Positions are numbers, and every tensor is read at one place."""

    def _is_view(self, term: Term) -> bool:
        return False

    def _position(self, index: str, as_float: bool) -> Code:
        code = Code(self.indices[index])
        if not as_float:
            return code
        self.typed = True
        return method(code, "to", self.dtype)

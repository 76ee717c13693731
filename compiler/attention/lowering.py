"""How an `attend` is computed, chosen by what its index functions say.

Comes in: the operation. Goes out: a `Lowering` with the reason in words, which the summary and the docstrings tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .recognise import Form

if TYPE_CHECKING:
    from ..layers.attention import Attend

Kind = Literal["plain", "whole", "causal", "blocks", "kept", "batch"]


@dataclass(frozen=True)
class Lowering:
    """How, and why: words that go on from the equations.

    `whole`: no mask at all; `causal`: the flag of scaled_dot_product_attention; `blocks`: by blocks of queries, each with the keys from
    the first to the last that one of them may see by its window or its document; `kept`: with a mask built once; `batch`: with a mask
    built in each forward; `plain`: scores written out.
    """

    kind: Kind
    reason: str


def lowering_of(op: Attend) -> Lowering:
    """The lowering of an `attend`."""
    mask, bias = op.mask, op.bias
    if bias is not None and bias.root.op == "number":
        bias = None  # the same number for all keys changes no weight
    form = None if mask is None else Form(mask)
    alone = bias is None and op.score is None
    if form is None and alone:
        return Lowering("whole", "")
    if form is not None and form.is_causal and alone:
        return Lowering("causal", "runs as the causal flag")
    if form is not None and form.near is not None:
        what, which = ("is a window", "window") if form.near.ours is None else ("keeps documents apart", "documents")
        reason = f"{what}, computed by blocks: the cost grows with the {which}, not with the square of the length"
        return Lowering("blocks", reason)
    if op.score is not None:
        return Lowering("plain", "needs all scores written out")
    if any(equation is not None and equation.reads for equation in (mask, bias)):
        return Lowering("batch", "is built in each forward, since it reads tensors")
    return Lowering("kept", "is built once for each length and kept")


def said_of(op: Attend) -> str:
    """The equations, as they are written in the language."""
    given = [f"{name}[{', '.join(equation.indices)}] = {equation.text}" for name, equation in op.equations.items()]
    return ", ".join(given)

"""How an `attend` is computed, chosen by what its index functions say.

Comes in: the operation. Goes out: a `Lowering` with the reason in words, which the summary and the docstrings tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .recognise import Form

if TYPE_CHECKING:
    from ..layers.attention import Attend

Kind = Literal["plain", "whole", "causal", "window", "documents", "kept", "batch"]


@dataclass(frozen=True)
class Lowering:
    """How, and why.

    `whole`: no mask at all; `causal`: the flag of scaled_dot_product_attention; `window`: by blocks of
    queries with the keys near them; `documents`: by blocks of queries with the keys from the first to the last that has
    the number of one of them; `kept`: with a mask built once; `batch`: with a mask
    built in each forward; `plain`: scores written out.
    """

    kind: Kind
    reason: str


def lowering_of(op: Attend) -> Lowering:
    """The lowering of an `attend`."""
    mask, bias = op.mask, op.bias
    if bias is not None and bias.root.op == "number":
        bias = None  # the same number for all keys changes no weight
    if op.score is not None:
        return Lowering("plain", "the score is rewritten, so all scores are written out")
    if mask is None and bias is None:
        return Lowering("whole", "")
    if mask is not None and bias is None and Form(mask).is_causal:
        return Lowering("causal", f"{_said(op)} runs as the causal flag")
    if mask is not None and bias is None and Form(mask).window is not None:
        reason = "is a window, computed by blocks: the cost grows with the window, not with the square of the length"
        return Lowering("window", f"{_said(op)} {reason}")
    if mask is not None and bias is None and Form(mask).documents is not None:
        reason = "keeps documents apart, computed by blocks: the cost grows with the documents, not with the square of the length"
        return Lowering("documents", f"{_said(op)} {reason}")
    if any(equation is not None and equation.reads for equation in (mask, bias)):
        return Lowering("batch", f"{_said(op)} is built in each forward, since it reads tensors")
    return Lowering("kept", f"{_said(op)} is built once for each length and kept")


def _said(op: Attend) -> str:
    """The equations, as they are written in the language."""
    given = [f"{name}[{', '.join(equation.indices)}] = {equation.text}" for name, equation in op.equations.items()]
    return ", ".join(given)

"""Attention on a GPU: index functions as the mask and score functions of FlexAttention, which evaluates them pair by pair in its kernel.

Comes in: a graph. Goes out: the same with `FlexAttend` where FlexAttention is the better way on a GPU; its text is for GPUs alone, and the
runtime puts it under a network that lies on one. It has not run on a GPU yet.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..graph import Graph, TensorType
from ..layers.attention import Attend
from ..passes.base import Pass
from ..streaming.ops import StreamedAttend
from .lowering import lowering_of

NARROWEST = 16  # numbers of a head that its kernel on a GPU wants at least

FLEXED = '''
BLOCKS = {}  # of masks that sizes alone decide
FLEX = torch.compile(flex_attention)


def flexed(q: Tensor, k: Tensor, v: Tensor, mask=None, score=None, batch=False, heads=False, kept=False, scale=None) -> Tensor:
    """FlexAttention by functions of one pair of positions; blocks of pairs that the mask leaves out are never computed."""
    blocks = None
    if mask is not None:
        sizes = len(q) if batch else None, q.shape[1] if heads else None, q.shape[2], k.shape[2]
        key = mask.__code__, mask.__defaults__, sizes, q.device
        blocks = BLOCKS.get(key) if kept else None
        if blocks is None:
            with torch.inference_mode(False):
                blocks = create_block_mask(mask, *sizes, device=q.device)
        if kept:
            BLOCKS[key] = blocks
            if len(BLOCKS) > 32:
                del BLOCKS[next(iter(BLOCKS))]
    attend = FLEX if q.is_cuda else flex_attention  # on a CPU it is not fused, and has no gradients
    return attend(q, k, v, score_mod=score, block_mask=blocks, scale=scale, enable_gqa=k.shape[1] != q.shape[1])
'''


class FlexAttend(Attend):
    """An attention that is written as a call of FlexAttention."""

    def called(self) -> str:
        return FLEXED

    def lowering(self, *inputs: Any) -> str:
        return "runs in FlexAttention"


class Flex(Pass):
    """Options: `narrowest`, the least width of a head."""

    name: ClassVar[str] = "flex"
    narrowest: int = NARROWEST

    def apply(self, graph: Graph) -> Graph:
        nodes = list(graph.nodes)
        for number, node in enumerate(nodes):
            if isinstance(node.op, Attend) and not unfit(node.op, *map(graph.type_of, node.refs[:2]), narrowest=self.narrowest):
                made = FlexAttend(**dict(node.op))
                nodes[number] = node.model_copy(update={"op": made})
        return graph.model_copy(update={"nodes": tuple(nodes)}) if nodes != list(graph.nodes) else graph


def unfit(op: Attend, q: TensorType, k: TensorType, *, narrowest: int = NARROWEST) -> str:
    """Why FlexAttention is not the way on a GPU; empty where it is."""
    if isinstance(op, StreamedAttend):
        return "a step has few queries"
    if lowering_of(op).kind in ("whole", "causal"):
        return "scaled_dot_product_attention has a kernel for it"
    if op.drops:
        return "FlexAttention has no dropout"
    if any(term.op == "read" and term.dtype == "float" for e in op.equations.values() for term in e.terms):
        return "FlexAttention adds the gradients of what an index function reads up in no fixed order"
    if any(not e.axes()[-1] for e in op.equations.values()):
        return "an index function is one number"
    heads, _ = op.counts(q, k)
    width = q.shape[-1].number if q.rank == 4 else (q.shape[-1] // heads).number
    if width is None or width < narrowest:
        return f"its kernel wants heads of {narrowest} numbers at least"
    return ""

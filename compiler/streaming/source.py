"""The Python of a streamed model: a module for a step, and one for what is computed before all steps."""

from __future__ import annotations

from dataclasses import dataclass

from ..emit.torch.module import Emitted, emit_module
from ..graph import Graph
from ..passes import PASSES
from .rewrite import streamed


@dataclass(frozen=True)
class StreamedSource:
    """The texts. `step` is called with what `before` gives, the new tokens, and a `Cache` of its own module."""

    step: Emitted
    before: Emitted | None


def streamed_source(root: Graph, target: str, file_name: str) -> StreamedSource:
    """A root whose input `target` comes token by token. Raises `NotStreamed` where it cannot."""
    found = streamed(PASSES.run(root), target)
    return StreamedSource(
        emit_module(found.step, file_name), None if found.before is None else emit_module(found.before, file_name)
    )

"""A trained network as one that reads its tokens as they come, with its own weights (see `compiler.streaming`)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ...compiler.streaming.rewrite import NotStreamed
from ...compiler.streaming.source import streamed_source
from ..kernels.behind import build_behind
from ..loader import load_text
from ..loading import recompiled
from ..run_folder import SavedRun

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ...compiler.emit.torch.module import Emitted
    from ...compiler.pipeline import Compiled


@dataclass(frozen=True)
class Stream:
    """`step(*given, tokens, cache)` gives the logits; `before(source)` what is given, nothing where there is no encoder."""

    step: "nn.Module"
    before: "nn.Module | None"
    fresh: Callable[[], Any]

    def given(self, source: "Tensor | None") -> "tuple[Tensor, ...]":
        """What an encoder hands to all steps."""
        if self.before is None or source is None:
            return ()
        found = self.before(source)
        return found if isinstance(found, tuple) else (found,)


def stream_of(saved: SavedRun, model: "nn.Module", target: str) -> Stream:
    """The network of a run in steps; raises `NotStreamed` where it computes all tokens at once."""
    compiled = recompiled(dict(saved.exe.sources), saved.exe.name, dict(saved.exe.hyperparameters))
    if compiled.graph_hash != saved.exe.graph_hash:
        raise NotStreamed("the run is of another version of archc")
    texts = streamed_source(compiled.graph, target, "spec.arch")
    step = built(compiled, texts.step, model)
    build_behind(step, compiled.plan.model.recurrences)
    before = None if texts.before is None else built(compiled, texts.before, model)
    return Stream(step, before, load_text(compiled, texts.step.text, texts.step.spans).Cache)


def built(compiled: "Compiled", emitted: "Emitted", model: "nn.Module") -> "nn.Module":
    """The class of a text with the tensors of the trained network, not copies of them."""
    hypers = compiled.hyperparameters
    arguments = {emitted.keywords.get(name, name): hypers[name] for name in emitted.parameters}
    with torch.device("meta"):
        made: nn.Module = getattr(load_text(compiled, emitted.text, emitted.spans), emitted.class_name)(**arguments)
    trained = model.state_dict(keep_vars=True)
    made.load_state_dict({name: trained[name] for name in made.state_dict()}, assign=True)
    return made.eval()

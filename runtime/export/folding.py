"""A network to export with its norms in the layers before them: the same outputs in evaluation, in fewer steps."""

from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from ...compiler.emit.torch import emit_module
from ...compiler.passes.fold_norms import fold_norms, folded_state
from ...compiler.passes.order import PASSES
from ..executable import Executable
from ..loader import build
from ..loading import recompiled
from .formats import relative_sources

if TYPE_CHECKING:
    from torch import nn


def folded(exe: Executable, model: "nn.Module") -> "tuple[Executable, nn.Module]":
    """What is executed, and the network with the weights that it wants; both as they are where there is nothing to fold."""
    compiled = recompiled(relative_sources(exe), exe.name, dict(exe.hyperparameters))
    graph, foldings = fold_norms(PASSES.run(compiled.graph))
    if not foldings:
        return exe, model
    root = next(iter(exe.sources), "")
    emitted = emit_module(graph, PurePath(root).name)
    arguments = {emitted.keywords.get(name, name): exe.hyperparameters[name] for name in emitted.parameters}
    plan = exe.plan.model_copy(
        update={"model": exe.plan.model.model_copy(update={"class_name": emitted.class_name, "arguments": arguments})}
    )
    short = replace(exe, source=emitted.text, spans={}, plan=plan)
    network = build(short).eval()
    network.load_state_dict(folded_state(model.state_dict(), foldings))
    return short, network

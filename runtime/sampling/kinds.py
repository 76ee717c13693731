"""The kinds of models that make something, each a module of this package, in the order in which they are asked.

A kind has `fits(saved) -> bool`, which looks at the plan of a run and imports no torch, and `sample(saved, wanted) -> Sampled`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...dsl.span import NOWHERE
from ..faults.sampling import NothingToSample
from ..run_folder import SavedRun
from ..stops import Misused

if TYPE_CHECKING:
    from .wanted import Sampled, Wanted

KINDS: dict[str, str] = {
    "texts, token by token": "texts",
    "what an energy, or a stack of them, dreams": "dreams",
    "what the players of a game make of draws": "made",
    "what follows from a draw z ~ q, where kl(q, prior) says what q should not stray from": "decoders",
}
"""What a kind makes, in words, and its module."""


def sampled(saved: SavedRun, wanted: "Wanted") -> "Sampled":
    """What the first kind that fits makes; a fault where none does."""
    for module in KINDS.values():
        kind: Any = import_module(f".{module}", __package__)
        if kind.fits(saved):
            found: Sampled = kind.sample(saved, wanted)
            return found
    raise Misused(NothingToSample(NOWHERE, saved.exe.plan.model.class_name, tuple(KINDS)))

"""Passes: each takes a typed graph and gives a new one. `PASSES` is what every compilation runs, in order.

Pinning (`pin`) is asked for by the emitter, since what it fixes is told in the docstrings.
"""

from .base import Pass, Pipeline
from .drop_unused import DropUnused

PASSES = Pipeline(passes=(DropUnused(),))

__all__ = ["PASSES", "Pass", "Pipeline"]

"""`PASSES`: the passes that every compilation runs, in order.

Pinning (`pin`) is asked for by the emitter, since what it fixes is told in the docstrings; `fold_norms` is for the export of a trained
network. What does not pay is no pass: `benchmarks/passes.py` measures those there are and those left out.
"""

from .base import Pipeline
from .channels_last import ChannelsLast
from .drop_unused import DropUnused
from .fold import Fold
from .route import Route
from .share import Share

PASSES = Pipeline(passes=(Fold(), Share(), DropUnused(), Route(), ChannelsLast()))

"""What a game makes, looked at as it is trained: grids of images in the run folder, and whether all of them have become one.

What is looked at is made of the first training rows and of fixed draws, with all norms as in evaluation: no number of the run depends on
it. In the first quarter of a phase nobody is called collapsed: what has not learned yet gives much the same for all, too.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...compiler.plan import MadePlan, ModelPlan
from ...dsl.diagnostic import Fault
from ...dsl.span import Span
from ..data.batches import Batch
from ..faults.games import Collapsed
from ..files import write_whole
from ..sampling.grids import as_images
from ..sampling.images import Array, grid, png
from .determinism import evaluating
from .wiring import Wiring

FOLDER = "samples"
LOOKS = 20  # in a phase, about
ROWS = 64
ALIKE = 0.01  # of the variance of what is real
IN_A_ROW = 3  # looks after which what does not differ is called collapsed


@dataclass(frozen=True)
class Picture:
    """What was made, by its name, as a sheet of images."""

    name: str
    sheet: Array


class Gallery:
    """Looks at what a model makes after an epoch; `tell` hears of a collapse, once."""

    def __init__(
        self, plan: ModelPlan, model: nn.Module, wiring: Wiring, batch: Batch, place: Span, tell: Callable[[Fault], None]
    ) -> None:
        self.plan, self.wiring, self.tell, self.place = plan, wiring, tell, place
        self.model: Any = model
        self.batch = tuple(column[:ROWS] for column in batch)
        self.low = dict.fromkeys((made.name for made in plan.made), 0)
        self.told: set[str] = set()

    @staticmethod
    def due(epoch: int, epochs: int) -> bool:
        """After which epochs, from 1, it looks: about twenty times, the last among them."""
        return epoch == epochs or epoch % math.ceil(epochs / LOOKS) == 0

    def look(self, epoch: int, epochs: int) -> Iterator[Picture]:
        """Makes, judges, and gives what are images."""
        for made, values, real in self._made():
            if 4 * epoch > epochs:
                self._judge(made, values, real)
            numbers: Array = values.float().cpu().numpy()
            images = as_images(numbers)
            if images is not None:
                yield Picture(made.name, grid(images))

    def _made(self) -> Sequence[tuple[MadePlan, Tensor, Tensor]]:
        given = self.wiring.given(self.batch)
        inputs = [given[i] for i in self.wiring.inputs]
        likes = {plan.name: tensor for plan, tensor in zip(self.plan.inputs, inputs, strict=True)}
        training = [module for module in self.model.modules() if module.training]
        self.model.eval()
        try:
            with torch.no_grad(), evaluating(inputs[0].device):
                draws = self.model.draw_round(*inputs) if hasattr(self.model, "draw_round") else ()
                made = self.model.make(*inputs, *draws)
        finally:
            for module in training:
                module.training = True
        return [(plan, value, likes[plan.like]) for plan, value in zip(self.plan.made, made, strict=True)]

    def _judge(self, made: MadePlan, values: Tensor, real: Tensor) -> None:
        share = spread(values) / max(spread(real), 1e-12)
        self.low[made.name] = self.low[made.name] + 1 if share < ALIKE else 0
        if self.low[made.name] >= IN_A_ROW and made.name not in self.told:
            self.told.add(made.name)
            self.tell(Collapsed(self.place, " and ".join(made.players), made.name, made.like, share))


def spread(rows: Tensor) -> float:
    """The variance between rows, of all their numbers together."""
    return float(rows.flatten(1).double().var(0).sum()) if len(rows) > 1 else 0.0


def keep(folder: Path, picture: Picture, epoch: int) -> None:
    """`samples/fake-0010.png`"""
    (folder / FOLDER).mkdir(exist_ok=True)
    write_whole(folder / FOLDER / f"{picture.name}-{epoch:04d}.png", png(picture.sheet))

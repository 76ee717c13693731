"""Tensors that are images, as they are shown: in a grid, as letters, in a file."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...dsl.span import NOWHERE
from ..faults.sampling import BadSamplingOption
from ..stops import Misused
from .images import Array, grid, letters, png, sides


@dataclass(frozen=True)
class Rows:
    """What was made, `[n, …]`, of `what` ("its units")."""

    values: Array
    what: str
    notes: tuple[str, ...] = ()

    def said(self) -> str:
        images = as_images(self.values)
        if images is not None:
            return "\n\n".join(map(letters, images))
        return "\n".join(" ".join(f"{x:.4g}" for x in row) for row in self.values.reshape(len(self.values), -1))

    def records(self) -> list[dict[str, Any]]:
        return [{"values": row.tolist()} for row in self.values]

    def file(self, ending: str) -> bytes:
        """A grid of images in `.png`, the numbers in `.npy`."""
        if ending == ".npy":
            made = io.BytesIO()
            np.save(made, self.values)
            return made.getvalue()
        images = as_images(self.values)
        if ending != ".png" or images is None:
            reason = (
                f"{self.what} are no image: .npy has their numbers" if ending == ".png" else "it is a .png, or a .npy of numbers"
            )
            raise Misused(BadSamplingOption(NOWHERE, "-o", f"a file that ends in {ending or 'nothing'}", reason))
        return png(grid(images))


def as_images(values: Array) -> Array | None:
    """As `[n, H, W]` from 0 to 1; none where they are no images."""
    found = sides(values.shape[1:])
    if found is None:
        return None
    low, high = float(values.min()), float(values.max())
    scaled = values if low >= 0 and high <= 1 else (values - low) / max(high - low, 1e-12)
    images: Array = scaled.reshape(len(scaled), *found)
    return images

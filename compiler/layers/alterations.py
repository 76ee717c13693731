"""Alterations of rows in training: what makes of few examples many. In evaluation each gives its row as it is, or the middle of it.

Comes in: a column and, in training, numbers between 0 and 1 that were drawn for each row (`[B, count]`). Written in `data` only.
"""

from typing import ClassVar

from ..emit.code import ATOM, Code, Show, call
from ..errors.shapes import WrongDtype
from ..graph import TensorType
from ..shapes import Size
from ._rules import bad, product, want_dtype, want_rank
from .base import ZERO, Checker, Family, Layer, NonNegative, Positive, PositiveNumber, Probability, Refusal, Whole

IMAGE = "[channels, height, width]"


class Alteration(Layer):
    """Base: what is drawn for a row, and the text of what is done with it."""

    family: ClassVar[Family] = "column"
    tensors: ClassVar[int | None] = 1
    drawn: ClassVar[str] = "uniform"
    plain: ClassVar[bool] = True  # in evaluation the row stays as it is

    def count(self, x: TensorType) -> Size:
        """How many numbers are drawn for a row."""
        return Size.of(1)

    def infer(self, see: Checker, x: TensorType, *draw: TensorType) -> TensorType:
        return x


class OfImages(Alteration):
    """Base: of images."""

    def infer(self, see: Checker, x: TensorType, *draw: TensorType) -> TensorType:
        want_rank(see, self.name, 0, x, f"images {IMAGE}", 4)
        return x


CROPPED = '''def cropped(x: Tensor, draw: Tensor, height: int, width: int, padding: int) -> Tensor:
    """A window of each image, at the place that `draw` says, after padding with zeros."""
    x = F.pad(x, (padding, padding, padding, padding))
    room = torch.tensor([x.shape[2] - height + 1, x.shape[3] - width + 1])
    top, left = (draw * room).long().unbind(1)
    down = top[:, None, None] + torch.arange(height)[:, None]
    along = left[:, None, None] + torch.arange(width)
    return x[torch.arange(len(x))[:, None, None], :, down, along].movedim(-1, 1)
'''


class RandomCrop(OfImages):
    """A window of an image at a random place, after padding with zeros; in evaluation the middle, without padding. In `data` only."""

    name: ClassVar[str] = "random_crop"
    formula: ClassVar[str] = "[C, H, W] -> [C, height, width]"
    example: ClassVar[str] = "x: [B, 3, 32, 32] -> random_crop(28)"
    synonyms: ClassVar[tuple[str, ...]] = ("RandomCrop",)
    helper: ClassVar[str] = CROPPED
    plain: ClassVar[bool] = False

    height: Positive
    width: Positive | None = None
    padding: NonNegative = ZERO

    def count(self, x: TensorType) -> Size:
        return Size.of(2)

    @property
    def window(self) -> tuple[Size, Size]:
        return self.height, self.width if self.width is not None else self.height

    def infer(self, see: Checker, x: TensorType, *draw: TensorType) -> TensorType:
        super().infer(see, x)
        for window, size in zip(self.window, x.shape[2:], strict=True):
            if see.holds("<=", window, size) is not True:
                raise bad(see, self.name, "height", f"the window must fit into the image {x}", window)
        return TensorType(x.dtype, (*x.shape[:2], *self.window))

    def forward(self, show: Show, x: Code, *draw: Code) -> Code:
        height, width = self.window
        if draw:
            return call("cropped", x, draw[0], str(height), str(width), str(self.padding))
        top, left = ((show.types[0].shape[2 + i] - window) // Size.of(2) for i, window in enumerate(self.window))
        return Code(f"{x.at(ATOM)}[:, :, {top} : {top + height}, {left} : {left + width}]")


class RandomShift(OfImages):
    """An image moved by up to `by` pixels up or down and left or right; zeros come in. In `data` only."""

    name: ClassVar[str] = "random_shift"
    formula: ClassVar[str] = "y[c, i, j] = x[c, i - a, j - b]"
    example: ClassVar[str] = "x: [B, 1, 8, 8] -> random_shift(1)"
    synonyms: ClassVar[tuple[str, ...]] = ("RandomTranslation", "RandomAffine")
    helper: ClassVar[str] = CROPPED

    by: Positive

    def count(self, x: TensorType) -> Size:
        return Size.of(2)

    def forward(self, show: Show, x: Code, *draw: Code) -> Code:
        return call("cropped", x, draw[0], str(show.types[0].shape[2]), str(show.types[0].shape[3]), str(self.by))


class RandomFlip(Alteration):
    """A row mirrored along a dim of it, the last by default, with probability `p`. In `data` only."""

    name: ClassVar[str] = "random_flip"
    formula: ClassVar[str] = "y = flip(x) with probability p"
    example: ClassVar[str] = "x: [B, 3, 32, 32] -> random_flip"
    synonyms: ClassVar[tuple[str, ...]] = ("RandomHorizontalFlip", "RandomVerticalFlip", "RandomFlip")
    helper: ClassVar[str] = '''def flipped(x: Tensor, draw: Tensor, dim: int, p: float) -> Tensor:
    """Each row mirrored where `draw` is below `p`."""
    chosen = (draw < p).reshape(-1, *[1] * (x.dim() - 1))
    return torch.where(chosen, x.flip(dim), x)
'''

    dim: Whole = Size.of(-1)
    p: Probability = 0.5  # type: ignore[assignment]

    def infer(self, see: Checker, x: TensorType, *draw: TensorType) -> TensorType:
        dim = self.dim.number
        if dim is None or not -(x.rank - 1) <= dim < x.rank or dim == 0:
            raise bad(see, self.name, "dim", f"a row of {x} has {x.rank - 1} dims", self.dim)
        return x

    def forward(self, show: Show, x: Code, *draw: Code) -> Code:
        return call("flipped", x, draw[0], str(self.dim), show(self.p))


class RandomRotate(OfImages):
    """An image turned by up to so many degrees to either side, between pixels linear; zeros come in. In `data` only."""

    name: ClassVar[str] = "random_rotate"
    formula: ClassVar[str] = "y = x turned by an angle between -degrees and degrees"
    example: ClassVar[str] = "x: [B, 1, 8, 8] -> random_rotate(10)"
    synonyms: ClassVar[tuple[str, ...]] = ("RandomRotation",)
    helper: ClassVar[str] = '''def rotated(x: Tensor, draw: Tensor, degrees: float) -> Tensor:
    """Each image turned by the part of `degrees` that `draw` says."""
    angle = torch.deg2rad((2 * draw[:, 0] - 1) * degrees)
    ratio, zero = x.shape[2] / x.shape[3], torch.zeros_like(angle)
    first = torch.stack((angle.cos(), -angle.sin() * ratio, zero), dim=1)
    second = torch.stack((angle.sin() / ratio, angle.cos(), zero), dim=1)
    grid = F.affine_grid(torch.stack((first, second), dim=1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)
'''

    degrees: PositiveNumber

    def infer(self, see: Checker, x: TensorType, *draw: TensorType) -> TensorType:
        want_dtype(see, self.name, 0, x, "float")
        return super().infer(see, x)

    def forward(self, show: Show, x: Code, *draw: Code) -> Code:
        return call("rotated", x, draw[0], show(self.degrees))


class Noise(Alteration):
    """A row with normal noise of standard deviation `std` added to each of its numbers. In `data` only."""

    name: ClassVar[str] = "noise"
    formula: ClassVar[str] = "y = x + std * e, e ~ normal(0, 1)"
    example: ClassVar[str] = "x: [B, 64] -> noise(0.1)"
    synonyms: ClassVar[tuple[str, ...]] = ("GaussianNoise",)
    helper: ClassVar[str] = '''def noisy(x: Tensor, draw: Tensor, std: float) -> Tensor:
    """Each row with normal noise; `draw` is uniform."""
    return x + std * torch.special.ndtri(draw).reshape(x.shape)
'''

    std: PositiveNumber

    def count(self, x: TensorType) -> Size:
        return product(x.shape[1:])

    def infer(self, see: Checker, x: TensorType, *draw: TensorType) -> TensorType:
        want_dtype(see, self.name, 0, x, "float")
        if self.count(x).number is None:
            raise bad(see, self.name, "std", "noise is for rows whose sizes are known", x)
        return x

    def forward(self, show: Show, x: Code, *draw: Code) -> Code:
        return call("noisy", x, draw[0], show(self.std))


class Mixup(Alteration):
    """A row mixed with the one before it in its batch, by a share drawn from Beta(alpha, alpha) (Zhang et al., 2018).

    All columns of a row that are mixed with one alpha are mixed by one share: `image = mixup(images / 255, 0.2)` and
    `soft = mixup(one_hot(labels, 10), 0.2)`. In `data` only.
    """

    name: ClassVar[str] = "mixup"
    formula: ClassVar[str] = "y = s * x + (1 - s) * x_before, s ~ Beta(alpha, alpha)"
    example: ClassVar[str] = "x: [B, 10] -> mixup(0.2)"
    synonyms: ClassVar[tuple[str, ...]] = ("MixUp",)
    drawn: ClassVar[str] = "beta"
    helper: ClassVar[str] = '''def mixed(x: Tensor, share: Tensor) -> Tensor:
    """Each row mixed with the one before it in the batch."""
    share = share.reshape(-1, *[1] * (x.dim() - 1))
    return share * x + (1 - share) * x.roll(1, 0)
'''

    alpha: PositiveNumber = 0.2  # type: ignore[assignment]

    def infer(self, see: Checker, x: TensorType, *draw: TensorType) -> TensorType:
        if x.dtype != "float":
            raise Refusal(WrongDtype(see.place(0), self.name, "float", str(x), x.origin))
        return x

    def forward(self, show: Show, x: Code, *draw: Code) -> Code:
        return call("mixed", x, draw[0])

"""`--tensorboard`: the losses and metrics of a run as event files in its folder, for TensorBoard. It only listens."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...dsl.diagnostic import Diagnostic
from ...dsl.span import NOWHERE
from ..faults.runs import NoTensorboard
from ..sampling.images import png
from ..stops import Misused
from .progress import Progress

if TYPE_CHECKING:
    from .gallery import Picture

FOLDER = "tensorboard"


def require() -> None:
    """A fault where TensorBoard is not installed, before anything is trained."""
    from importlib.util import find_spec

    if find_spec("tensorboard") is None:
        raise Misused(NoTensorboard(NOWHERE))


class Board:
    """Passes on what it hears to another listener, and writes it down."""

    def __init__(self, inner: Progress) -> None:
        self.inner = inner
        self.writer: Any = None

    def open(self, folder: Path, step: int) -> None:
        """The event files of a run; what they say of later steps than `step` counts no more."""
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder / FOLDER), purge_step=step + 1)

    def begin(self, title: str, steps: int, step: int, epochs: int | None) -> None:
        self.inner.begin(title, steps, step, epochs)

    def step(self, step: int, loss: float) -> None:
        if self.writer is not None:
            self.writer.add_scalar("train/loss of a step", loss, step)
        self.inner.step(step, loss)

    def epoch(self, step: int, row: Mapping[str, Any]) -> None:
        for part in ("train", "validation"):
            for name, value in row.get(part, {}).items():
                if self.writer is not None and not isinstance(value, list):
                    self.writer.add_scalar(f"{part}/{name}", value, step)
        for gate, numbers in row.get("gates", {}).items():
            for name, value in numbers.items():
                if self.writer is not None:
                    self.writer.add_scalar(f"gates/{gate}/{name}", value, step)
        self.inner.epoch(step, row)

    def picture(self, step: int, picture: "Picture") -> None:
        """As a PNG of our own making: TensorBoard's would ask for Pillow."""
        if self.writer is not None:
            from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]

            height, width = (int(size) for size in picture.sheet.shape)
            image = Summary.Image(height=height, width=width, colorspace=1, encoded_image_string=png(picture.sheet))
            value = Summary.Value(tag=picture.name, image=image)
            self.writer._get_file_writer().add_summary(Summary(value=[value]), step)
        self.inner.picture(step, picture)

    def note(self, text: str) -> None:
        self.inner.note(text)

    def warn(self, diagnostic: Diagnostic, sources: Mapping[str, str]) -> None:
        self.inner.warn(diagnostic, sources)

    def end(self, final: Mapping[str, Any], folder: str) -> None:
        for name, value in (final.get("test") or {}).items():
            if self.writer is not None and not isinstance(value, list):
                self.writer.add_scalar(f"test/{name}", value, final["steps"])
        self.inner.end(final, folder)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.inner.close()

"""A run that was trained, as Python sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dsl.span import NOWHERE
from .data.table import Array
from .faults.runs import NotTrained
from .run_folder import METRICS, WEIGHTS, SavedRun, read
from .stops import Misused

if TYPE_CHECKING:
    from torch import nn

    from .data.parts import Fitted
    from .export.api import Exported
    from .sampling.wanted import Sampled


@dataclass(frozen=True)
class DryRun:
    """What one batch forward and backward showed."""

    name: str
    loss: float
    rows: int
    parameters: int
    steps: int
    seconds: float


class Run:
    """A run folder with what can be done with it. It is read anew at each use, so it always tells what is on disk."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    @property
    def saved(self) -> SavedRun:
        """The run's own texts and record."""
        return read(self.folder)

    @property
    def record(self) -> dict[str, Any]:
        """run.json."""
        return self.saved.record

    @property
    def status(self) -> str:
        return str(self.record["status"])

    @property
    def metrics(self) -> dict[str, Any]:
        """The result: epochs, steps, the best epoch, and all losses and metrics of its weights on validation and test part."""
        return dict(self.record.get("result") or {})

    @property
    def history(self) -> list[dict[str, Any]]:
        """A row an epoch: the mean training loss, and all losses and metrics on the validation part."""
        from .train.journal import rows

        return [row for row in rows(self.folder / METRICS) if "epoch" in row]

    @property
    def losses(self) -> list[float]:
        """The training loss of each step."""
        from .train.journal import rows

        return [row["loss"] for row in rows(self.folder / METRICS) if "step" in row]

    def model(self) -> "nn.Module":
        """The network with its best weights, in evaluation mode, built from the run's own model.py."""
        return trained(self.saved)

    def evaluate(self, split: str = "test", data: "str | Mapping[str, Any] | None" = None) -> dict[str, Any]:
        """All losses and metrics of the best weights on a part, or on all rows of other data."""
        from .evaluate import evaluate

        return evaluate(self.folder, split, data)

    def predict(self, data: "str | Mapping[str, Any]") -> dict[str, Array]:
        """The outputs for other data, by name, a row an example: a source as on the command line, a DataFrame, or arrays by name."""
        from .predict import predict

        return predict(self.folder, data)

    def sample(self, *prompts: str, count: int = 1, **options: Any) -> "Sampled":
        """What the network makes: texts behind prompts, by the options of `archc sample` (see `runtime.sampling.wanted.Wanted`)."""
        from .sampling.api import sample
        from .sampling.wanted import Wanted

        return sample(self.folder, Wanted(prompts=prompts, count=count, **options))

    def export(self, path: str | Path, to: str | None = None, dims: Mapping[str, int] | None = None) -> "Exported":
        """Writes the network for others to run: onnx, pt2 or safetensors, as `to` or the ending says (see `runtime.export`)."""
        from .export.api import export

        return export(self.folder, path, to, dims=dims)

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        from .run_page import page

        saved = self.saved
        return page(saved.exe.name, str(self.folder), self.status, self.history, self.metrics)


def trained(saved: SavedRun) -> "nn.Module":
    """The network of a run with its best weights, in evaluation mode."""
    from .loader import build
    from .stepping import give_steps
    from .train import weights
    from .train.wiring import in_precision

    path = saved.folder / WEIGHTS
    if not path.is_file():
        raise Misused(NotTrained(NOWHERE, str(saved.folder)))
    model = in_precision(build(saved.exe), saved.plan.last)
    try:
        weights.put(model, weights.read(path))
    except (ValueError, RuntimeError) as error:
        from .blame import first_line
        from .faults.runs import NotARun

        raise Misused(NotARun(NOWHERE, str(saved.folder), f"{WEIGHTS} does not fit: {first_line(error)}")) from None
    if saved.record.get("kernels"):
        from .kernels.attach import attach

        attach(model, saved.exe.plan.model.recurrences, cached=True)
    return give_steps(model, saved.exe).eval()


def packed_fitted(fitted: "Fitted") -> dict[str, Any]:
    """What was fitted, as JSON that keeps every bit of a float32."""
    values = {k: {"dtype": str(t.dtype).removeprefix("torch."), "values": t.tolist()} for k, t in fitted.values.items()}
    return {"categories": fitted.categories, "values": values}


def unpacked_fitted(record: Mapping[str, Any]) -> "Fitted":
    """What `packed_fitted` gave."""
    import torch

    from .data.parts import Fitted

    packed = record["data"]["fitted"]
    values = {k: torch.from_numpy(np.array(v["values"], dtype=v["dtype"])) for k, v in packed["values"].items()}
    return Fitted(packed["categories"], values)

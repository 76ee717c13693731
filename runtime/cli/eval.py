"""`archc eval`: the losses and metrics of a run."""

from typing import Annotated

import typer

from . import options
from .show import out, out_json, table


def run(
    folder: options.RunFolder,
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="Which part: train, validation or test.")] = "test",
    data: Annotated[str | None, typer.Option("--data", metavar="SOURCE", help="All rows of other data instead.")] = None,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Evaluate a run's best weights on the test part."""
    from ..evaluate import evaluate

    found = evaluate(folder, split, data, device)
    if json:
        out_json({"run": folder, "split": None if data is not None else split, "data": data, "metrics": found})
    else:
        numbers = {name: value for name, value in found.items() if not isinstance(value, list)}
        out(table([[name, f"{value:.6g}"] for name, value in numbers.items()]))
        for name, value in found.items():
            if name not in numbers:
                out(f"{name}\n{table([[f'{count:.0f}' for count in row] for row in value])}")

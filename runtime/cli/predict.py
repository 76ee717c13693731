"""`archc predict`: what a run's network says of new data."""

from typing import Annotated

import typer

from . import options
from .show import say, unwritable


def run(
    folder: options.RunFolder,
    data: Annotated[str, typer.Option("--data", metavar="SOURCE", help="A .csv or .npz file, or a source as a spec writes it.")],
    output: Annotated[str, typer.Option("-o", "--output", metavar="OUT.csv", help="Where to write: .csv or .npz.")],
    device: options.Device = "auto",
) -> None:
    """Write the outputs of a run's best weights for new data."""
    from ..predict import predict

    try:
        found = predict(folder, data, output, device)
    except OSError as error:
        raise unwritable(output, error) from None
    rows = max((len(values) for values in found.values() if values.ndim), default=0)
    say(f"wrote {rows:,} rows of {', '.join(found)} to {output}")

"""`archc predict`: what a run's network says of new data."""

from typing import Annotated

import typer

from . import options
from .show import say


def run(
    folder: options.RunFolder,
    data: Annotated[str, typer.Option("--data", metavar="SOURCE", help="A data file, or a source as a spec writes it.")],
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT.csv",
            help="Where to write: csv, tsv, json, jsonl, parquet or npz; - for standard output.",
        ),
    ],
    device: options.Device = "auto",
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
) -> None:
    """Write the outputs of a run's best weights for new data, a row an example, in the order of the data."""
    from ..predict import predict_to

    rows, names = predict_to(output, folder, data, device, progress=not quiet)
    if not quiet:
        say(f"wrote {rows:,} rows of {', '.join(names)} to {'standard output' if output == '-' else output}")

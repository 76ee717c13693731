"""`archc load-weights`: weights from elsewhere."""

from typing import Annotated

import typer

from . import options
from .show import out_json, say, write_result

What = Annotated[
    str, typer.Argument(metavar="RUN|FILE", help="The folder of a run, or a spec: a path, a shipped spec's name, or -.")
]


def run(
    what: What,
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="WEIGHTS", help="A .safetensors, .bin, .pt or .pth file, an index of several, or a folder with one."
        ),
    ],
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="OUT.safetensors", help="Where to write; - for standard output.")
    ],
    map: Annotated[
        str | None,
        typer.Option(
            "--map", metavar="MAP", help="What each tensor is made of: a JSON file, or the name of a map that ships with archc."
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="PATTERN", help="Tensors of the file that are not needed. May be given several times."),
    ] = None,
    json: options.Json = False,
    model: options.Model = None,
    set: options.Set = None,
) -> None:
    """Put weights from elsewhere into a spec's network: every tensor of either side is used once, or named."""
    from ..export.formats import safetensors_bytes
    from ..weights.api import loaded

    found = loaded(what, source, map, model=model, ignore=tuple(ignore or ()), hyperparameters=options.settings(set))
    write_result(output, safetensors_bytes(found.network, found.executable))
    if json and output != "-":
        out_json({"path": output, "tensors": found.tensors, "used": found.used, "unused": found.unused})
    else:
        beside = f"; {found.unused} more are copies or not needed" if found.unused else ""
        say(f"wrote {output}: {found.tensors} tensors of {found.executable.name}, from {found.used} of {source}{beside}")

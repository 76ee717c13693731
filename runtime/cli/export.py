"""`archc export`: a network for others to run."""

from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .show import out_json, say, write_result

if TYPE_CHECKING:
    from ..export.api import Exported

Source = Annotated[
    str, typer.Argument(metavar="RUN|FILE", help="The folder of a run, or a spec: a path, a shipped spec's name, or -.")
]


def run(
    what: Source,
    output: Annotated[
        str,
        typer.Option(
            "-o", "--output", metavar="PATH", help="Where to write; the ending may say the format. - for standard output."
        ),
    ],
    to: Annotated[
        str | None, typer.Option("--to", metavar="onnx|pt2|safetensors", help="The format, where the ending does not say it.")
    ] = None,
    dim: Annotated[
        list[str] | None,
        typer.Option("--dim", metavar="NAME=SIZE", help="Fix a free dim, which would stay free in the file. Several times."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Draws the weights of a spec; a run has its own.")] = 0,
    fold: Annotated[
        bool, typer.Option("--fold", help="Put norms into the convolutions and dense layers before them (onnx, pt2).")
    ] = False,
    json: options.Json = False,
    model: options.Model = None,
    set: options.Set = None,
) -> None:
    """Export a run, or a spec with fresh weights, for others to run. The file has been run in another process before it is there."""
    from ..export.api import exported, format_of

    kind = format_of(output, to)
    sizes, hypers = options.dims(dim, None), options.settings(set)
    [made] = exported(what, kind, model=model, dims=sizes, seed=seed, hyperparameters=hypers, fold=fold)
    write_result(output, made.data)
    if json and output != "-":
        out_json(
            {
                "path": output,
                "format": made.format,
                "bytes": len(made.data),
                "opset": made.opset,
                "inputs": made.inputs,
                "outputs": made.outputs,
                "least": made.least,
                "difference": made.difference,
            }
        )
    else:
        say(told(made, output))


def told(made: "Exported", output: str) -> str:
    """What a person wants to know of the file."""
    inputs = ", ".join(f"{name} [{', '.join(map(str, shape))}]" for name, shape in made.inputs.items())
    above = ", ".join(f"{name} >= {least}" for name, least in made.least.items() if least > 1)
    form = f"ONNX (opset {made.opset})" if made.opset else made.format
    return (
        f"wrote {output}: {form}, {inputs} to {', '.join(made.outputs)}"
        + (f", with {above}" if above else "")
        + f"; run in another process, it differs by {made.difference:.1g}"
    )

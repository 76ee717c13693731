"""`archc summary`: a table of layers, shapes, parameters, multiply-adds and activation memory."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .show import coloured, out, out_json, show_report

if TYPE_CHECKING:
    from ...compiler.emit.summary import Summary
    from ...compiler.training.told import Told

PLAIN_WIDTH = 140


def run(
    file: options.File,
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, metavar="N", help="How many examples: the size of dim B.")
    ] = None,
    dim: Annotated[
        list[str] | None, typer.Option("--dim", metavar="NAME=SIZE", help="The size of a free dim. Several times.")
    ] = None,
    json: options.Json = False,
    model: options.Model = None,
    set: options.Set = None,
) -> None:
    """Show layers, shapes, parameters, multiply-adds and activation memory; then what is trained in which order."""
    from ...compiler.emit.summary import summarise
    from ...compiler.training.told import programs
    from ..compiling import Wanted, elaborated
    from ..specs import read_spec

    spec = read_spec(file)
    found, report = elaborated(spec, Wanted(model=model, hypers=options.settings(set)))
    show_report(report)
    summary = _sized(summarise(found.graph), options.dims(dim, batch))
    training = programs(found.parsed.main.file, found.graph, spec)
    if json:
        out_json(summary.json_object() | {"training": [told.json_object() for told in training]})
    else:
        _print(summary)
        for told in training:
            _tell(told)


def _sized(summary: "Summary", sizes: dict[str, int]) -> "Summary":
    from ...dsl.span import NOWHERE
    from ..faults.specs import NotKnown
    from ..stops import Misused

    unknown = [name for name in sizes if name not in summary.dims]
    if unknown:
        raise Misused(*(NotKnown(NOWHERE, "free dim", name, summary.dims, f" in {summary.model}") for name in unknown))
    return summary.at(sizes)


def _print(summary: "Summary") -> None:
    from rich.console import Console

    from ..summary_table import table

    plain = not sys.stdout.isatty()
    console = Console(
        file=sys.stdout,
        color_system="auto" if coloured(sys.stdout) else None,
        width=PLAIN_WIDTH if plain else None,
        highlight=False,
    )
    console.print(table(summary))


def _tell(told: "Told") -> None:
    """The phases of a train program, a line each."""
    out(f" {told.head}")
    wide = max(len(step.phase) for step in told.steps)
    words = max(len(step.what) for step in told.steps)
    for step in told.steps:
        parts = f"  ({', '.join(step.parts)})" if step.parts else ""
        out(f"   {step.phase:{wide}}  {step.what:{words}}  {step.length}{parts}".rstrip())
    out("")

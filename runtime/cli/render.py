"""`archc render`: a diagram, in the format that the ending names."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .show import say, show_report, write_result

if TYPE_CHECKING:
    from ..diagram import Format


def run(
    file: options.File,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="OUT.svg", help="svg, png, pdf or dot by the ending; default NAME.svg here."),
    ] = None,
    depth: Annotated[
        int | None, typer.Option("--depth", min=0, metavar="N", help="How far blocks are opened; default: as far as reads well.")
    ] = None,
    model: options.Model = None,
    set: options.Set = None,
) -> None:
    """Draw a spec."""
    from ..compiling import Wanted, diagram, elaborated
    from ..diagram import render
    from ..specs import STDIN, read_spec

    form = _format(output)
    source = read_spec(file)
    found, report = elaborated(source, Wanted(model=model, hypers=options.settings(set)))
    show_report(report)
    picture = render(diagram(found, depth).dot, form)
    name = output or f"{found.name if source.name == STDIN else Path(source.name).stem}.svg"
    write_result(name, picture)
    if output is None:
        say(f"wrote {name}")


def _format(output: str | None) -> "Format":
    from ..diagram import FORMATS

    ending = "svg" if output in (None, "-") else Path(output or "").suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        raise typer.BadParameter(f"{output}: the ending says the format, and there are {', '.join(FORMATS)}", param_hint="-o")
    return ending  # type: ignore[return-value]

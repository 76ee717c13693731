"""`archc check`: all diagnostics of all files, and silence when there are none."""

from typing import Annotated

import typer

from ...dsl.diagnostic import Diagnostic, Report
from ..specs import expand, read_spec
from ..stops import Stopped
from .show import out_json, show_diagnostics

Files = Annotated[list[str], typer.Argument(metavar="FILE…", help="Specs, or folders of them; - for standard input.")]


def run(
    files: Files,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings count as faults.")] = False,
    data: Annotated[bool, typer.Option("--data", help="Also open the data sources and check their columns.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line for each diagnostic, on standard output.")] = False,
) -> None:
    """Check specs: syntax, names, shapes, training programs. Silent when all is well."""
    status = 0
    seen: set[Diagnostic] = set()
    for name in files:
        try:
            expanded = expand(name)
        except Stopped as stopped:
            status = max(status, _told(stopped.report, stopped.exit_code, strict, json, seen))
            continue
        for file in expanded:
            report, worst = _checked(file, data)
            status = max(status, _told(report, worst, strict, json, seen))
    raise typer.Exit(status)


def _checked(file: str, data: bool) -> tuple[Report, int]:
    """What is wrong with one file, and the exit status if something is."""
    try:
        source = read_spec(file)
        from ..compiling import check

        return check(source, data=data), 1
    except Stopped as stopped:
        return stopped.report, stopped.exit_code


def _told(report: Report, worst: int, strict: bool, json: bool, seen: set[Diagnostic]) -> int:
    """Shows what was not shown for another file already; the exit status."""
    new = [d for d in report.ordered() if d not in seen]
    seen.update(new)
    if json:
        from ...dsl.render import to_json

        for diagnostic in new:
            out_json(to_json(diagnostic))
    else:
        show_diagnostics(new, report.sources)
    return worst if not report.ok or (strict and report.diagnostics) else 0

"""`archc fmt`: canonical form, in place."""

from typing import Annotated

import typer

from ...dsl.diagnostic import Report
from ..specs import expand, read_spec
from ..stops import InputFaults, Stopped
from .show import out, say, show_report, write_result


def run(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Specs, or folders of them; - formats standard input to standard output.")
    ],
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 when something would change.")] = False,
) -> None:
    """Bring specs into canonical form, in place. Comments stay."""
    status = 0
    for name in files:
        try:
            for file in expand(name):
                status = max(status, _format(file, check))
        except Stopped as stopped:
            show_report(stopped.report)
            status = max(status, stopped.exit_code)
    raise typer.Exit(status)


def _format(file: str, check: bool) -> int:
    from ...dsl.printer import format_source

    try:
        source = read_spec(file)
        report = Report()
        text = format_source(source, report)
        if not report.ok:
            raise InputFaults(report=report)
        if file == "-" and not check:
            out(text, end="")
        elif text == source.text:
            return 0
        elif check:
            say(f"{source.name} would change")
            return 1
        else:
            write_result(file, text.encode())
    except Stopped as stopped:
        show_report(stopped.report)
        return stopped.exit_code
    return 0

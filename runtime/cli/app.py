"""The commands, put together. Help is plain text: what draws frames around it takes longer to import than the compiler."""

from typing import Annotated

import typer

from . import check, compile, eval, explain, fmt, layers, new, predict, render, specs, summary, train

app = typer.Typer(
    name="archc",
    help="A compiler for neural-network architectures: checks, compiles, draws and trains what an .arch file says.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def version(wanted: bool) -> None:
    if wanted:
        from ... import __version__

        from .show import out

        out(f"archc {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A compiler for neural-network architectures: checks, compiles, draws and trains what an .arch file says."""


for command in (check, fmt, compile, summary, render, train, eval, predict, specs, new, layers, explain):
    app.command(name=command.__name__.rpartition(".")[2])(command.run)

"""The commands, put together. Help is plain text: what draws frames around it takes longer to import than the compiler."""

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

COMMANDS = (
    "check",
    "fmt",
    "compile",
    "summary",
    "render",
    "train",
    "eval",
    "predict",
    "sample",
    "export",
    "load-weights",
    "specs",
    "new",
    "layers",
    "explain",
)


def build(words: Sequence[str] = ()) -> typer.Typer:
    """The application, for these words: with one command when they begin with its name, else with all of them."""
    app = typer.Typer(
        name="archc",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    app.callback()(options)
    for name in words[:1] if words and words[0] in COMMANDS else COMMANDS:
        app.command(name=name)(import_module(f"{__package__}.{name.replace('-', '_')}").run)
    return app


def version(wanted: bool) -> None:
    if wanted:
        from ... import __version__
        from .show import out

        out(f"archc {__version__}")
        raise typer.Exit


def options(
    version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A compiler for neural-network architectures: checks, compiles, draws and trains what an .arch file says."""

"""The arguments that several commands share, declared once."""

from collections.abc import Iterable
from typing import Annotated

import typer

File = Annotated[
    str, typer.Argument(metavar="FILE", help="A spec: a path, the bare name of a shipped spec, or - for standard input.")
]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Which model, where the spec has several.")]
Train = Annotated[str | None, typer.Option("--train", metavar="NAME", help="Which train program, where the spec has several.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A hyperparameter of the model; wins over the spec. May be given several times."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Device = Annotated[
    str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where to compute; auto takes CUDA where it is there.")
]
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="The folder of a run that archc train made.")]


def settings(given: Iterable[str] | None) -> dict[str, object]:
    """`--set` as hyperparameters; of one key given twice the last counts."""
    found: dict[str, object] = {}
    for item in given or ():
        key, sign, value = item.partition("=")
        if not sign or not key.strip().isidentifier() or not value.strip():
            raise typer.BadParameter(f"{item!r} is not KEY=VALUE, as in --set width=128", param_hint="--set")
        found[key.strip()] = value.strip()
    return found


def dims(given: Iterable[str] | None, batch: int | None) -> dict[str, int]:
    """`--dim T=128` and `--batch 32` as sizes."""
    found = {} if batch is None else {"B": batch}
    for item in given or ():
        key, _, value = item.partition("=")
        if not key.strip().isidentifier() or not value.strip().isdecimal():
            raise typer.BadParameter(f"{item!r} is not NAME=SIZE, as in --dim T=128", param_hint="--dim")
        found[key.strip()] = int(value)
    return found

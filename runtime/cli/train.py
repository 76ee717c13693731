"""`archc train`: runs the train program of a spec, or goes on with a run."""

from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from ...compiler.plan import Precision
from . import options
from .show import out, out_json, say, show_report

if TYPE_CHECKING:
    from ..compiling import Compiled

MaybeFile = Annotated[
    str | None,
    typer.Argument(metavar="FILE", help="A spec: a path, the bare name of a shipped spec, or -. Not needed with --resume."),
]


def run(
    file: MaybeFile = None,
    output: Annotated[str | None, typer.Option("--out", metavar="DIR", help="The run folder; default runs/NAME-N.")] = None,
    resume: Annotated[str | None, typer.Option("--resume", metavar="DIR", help="Go on with the run in this folder.")] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="SOURCE", help="Other data: a file by its ending, or a source as a spec writes it."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, metavar="N", help="How many epochs, instead of what the spec says.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, metavar="N", help="How many steps, instead of what the spec says.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="The seed of weights, order and draws.")] = None,
    split_seed: Annotated[int | None, typer.Option("--split-seed", metavar="N", help="The seed of the split into parts.")] = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="auto|cpu|cuda", help="Where to compute; default auto.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option("--precision", metavar="float32|float64|bf16|fp16", help="Instead of what the spec says.")
    ] = None,
    compile: Annotated[
        bool, typer.Option("--compile", help="Build the model by torch.compile; bits differ from a plain run.")
    ] = False,
    kernels: Annotated[
        bool | None,
        typer.Option(
            "--kernels/--no-kernels",
            help="Cells, and draws of binary units, in kernels built by g++, or in PyTorch.",
            show_default="kernels",
        ),
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write event files for TensorBoard.")] = False,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", min=0, max=256, metavar="N", help="Threads that make batches ahead; the bits do not depend on it."
        ),
    ] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="One batch forward and backward; nothing is written.")] = False,
    accept_drift: Annotated[bool, typer.Option("--accept-drift", help="Resume although the bits will differ.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    json: options.Json = False,
    model: options.Model = None,
    train: options.Train = None,
    set: options.Set = None,
) -> None:
    """Train a spec. Prints the run folder when it is done."""
    if file is None and resume is None:
        raise typer.BadParameter("give a spec to train, or --resume DIR", param_hint="FILE")
    if epochs is not None and steps is not None:
        raise typer.BadParameter("--epochs and --steps both say how long; give one", param_hint="--steps")
    if dry_run and (resume is not None or file is None):
        raise typer.BadParameter("--dry-run tries a spec, and --resume goes on with a run", param_hint="--dry-run")
    if precision is not None and precision not in get_args(Precision):
        raise typer.BadParameter(f"there are {', '.join(get_args(Precision))}", param_hint="--precision")
    found = _compiled(file, model, train, options.settings(set), data) if file is not None else None
    if dry_run and found is not None:
        _dry_run(found, data, seed, device, json)
        return
    from ..train import api

    made = api.train(
        found,
        out=output,
        resume=resume,
        data=data,
        epochs=epochs,
        steps=steps,
        seed=seed,
        split_seed=split_seed,
        precision=cast("Precision | None", precision),
        compile=True if compile else None,
        kernels=kernels,
        tensorboard=tensorboard,
        device=device,
        accept_drift=accept_drift,
        workers=workers,
        progress=not quiet,
        diagram=(lambda: found.diagram().svg) if found is not None else None,
    )
    if json:
        out_json({"run": str(made.folder), "status": made.status, **made.metrics})
    else:
        out(str(made.folder))


def _compiled(file: str, model: str | None, train: str | None, hypers: dict[str, object], data: str | None) -> "Compiled":
    from ..compiling import Wanted, compiled
    from ..specs import read_spec

    found = compiled(read_spec(file), Wanted(model=model, train=train, hypers=hypers, training=True, data=data))
    show_report(found.report)
    return found


def _dry_run(found: "Compiled", data: str | None, seed: int | None, device: str | None, json: bool) -> None:
    from ..train import api

    tried: Any = api.dry_run(found, data=data, seed=seed, device=device)
    if json:
        from dataclasses import asdict

        out_json(asdict(tried))
        return
    say(f"{tried.name}: one batch of {tried.rows} rows forward and backward in {tried.seconds:.2g} s, loss {tried.loss:.4g}")
    out(f"{tried.name} has {tried.parameters:,} parameters; the program would take {tried.steps:,} steps")

"""`archc sample`: what a trained model makes."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .show import out, out_json, say, write_result


def run(
    folder: options.RunFolder,
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            "--prompt", metavar="TEXT", help="What a text begins with, or what is to be answered. May be given several times."
        ),
    ] = None,
    count: Annotated[int, typer.Option("-n", metavar="N", help="How many samples, of each prompt if there are some.")] = 1,
    tokens: Annotated[int | None, typer.Option("--tokens", metavar="N", help="How many tokens at most; default 200.")] = None,
    temperature: Annotated[
        float, typer.Option("--temperature", metavar="X", help="Below 1 likelier tokens are drawn more often; 0 is --greedy.")
    ] = 1.0,
    top_k: Annotated[int | None, typer.Option("--top-k", metavar="K", help="Draw among the K likeliest tokens.")] = None,
    top_p: Annotated[
        float | None,
        typer.Option("--top-p", metavar="P", help="Draw among the likeliest tokens that together have probability P."),
    ] = None,
    beam: Annotated[int | None, typer.Option("--beam", metavar="K", help="Search for the likeliest text with K beams.")] = None,
    greedy: Annotated[bool, typer.Option("--greedy", help="Take the likeliest token each time.")] = False,
    stop: Annotated[str | None, typer.Option("--stop", metavar="TEXT", help="A text ends before the first TEXT in it.")] = None,
    given: Annotated[
        list[str] | None, typer.Option("--given", metavar="NAME=VALUE", help="An input of the model. May be given several times.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", metavar="N", help="How many steps of a Gibbs chain, for energies; default 1000.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The seed of the draws.")] = 0,
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="PATH", help="Write it to a file.")] = None,
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Keep what earlier tokens gave; without, all is computed anew.")
    ] = True,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Write what a run's best weights make: texts token by token, from a prompt; what an energy dreams, or a decoder
    makes of its prior, as a grid of images."""
    from ..sampling.api import sample
    from ..sampling.wanted import Wanted

    made = sample(
        folder,
        Wanted(
            prompts=tuple(prompt or ()),
            count=count,
            tokens=tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            beam=beam,
            greedy=greedy,
            stop=stop,
            seed=seed,
            steps=steps,
            cache=cache,
            given=tuple((name, str(value)) for name, value in options.settings(given).items()),
            device=device,
        ),
    )
    for note in made.notes:
        say(note)
    if output is not None:
        write_result(output, made.file(Path(output).suffix.lower()))
        if output != "-":
            say(f"wrote {output}")
    if json:
        for record in made.records():
            out_json(record)
    elif output is None:
        out(made.said())

"""`archc eval`: the losses and metrics of a run."""

from typing import Annotated

import typer

from . import options
from .show import out, out_json, table


def run(
    folder: options.RunFolder,
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="Which part: train, validation or test.")] = "test",
    data: Annotated[str | None, typer.Option("--data", metavar="SOURCE", help="All rows of other data instead.")] = None,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Evaluate a run's best weights on the test part."""
    from ..evaluate import evaluate

    found = evaluate(folder, split, data, device)
    if json:
        out_json({"run": folder, "split": None if data is not None else split, "data": data, "metrics": found})
    else:
        numbers = {name: value for name, value in found.items() if not isinstance(value, list)}
        out(table([[name, f"{value:.6g}"] for name, value in numbers.items()]))
        for name, value in found.items():
            if name not in numbers:
                out(f"\n{confusion(name, value, classes(folder, len(value)))}")


def classes(folder: str, count: int) -> list[str]:
    """What the classes of a run are called: by their words where its data has them, else by their numbers."""
    from pathlib import Path

    from ..run_folder import read
    from ..scores import scored

    found = scored(read(Path(folder)))
    words = found.classes if found is not None and found.classes is not None and len(found.classes) == count else range(count)
    return [str(word) for word in words]


def confusion(name: str, counts: list[list[float]], words: list[str]) -> str:
    """A row for each class as it is, a column for each class as it was said to be; the counts flush right under their class."""
    rows = [["is \\ said to be", *words], *([word, *(f"{n:.0f}" for n in row)] for word, row in zip(words, counts, strict=True))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(words) + 1)]
    lines = [
        "  ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    return "\n".join([f"{name}:", *lines])

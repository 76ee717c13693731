"""`archc compile`: a spec to PyTorch text, or to its graph."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .show import out, say, show_report, unwritable, write_result

if TYPE_CHECKING:
    from ..compiling import Compiled


class Form(StrEnum):
    """What to write instead of PyTorch."""

    graph = "graph"
    dot = "dot"


def run(
    file: options.File,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="OUT.py", help="Where to write; standard output if not given.")
    ] = None,
    program: Annotated[
        bool,
        typer.Option(
            "--program", help="Also the losses, metrics and columns; -o then names model.py, or a folder for both files."
        ),
    ] = False,
    emit: Annotated[
        Form | None, typer.Option("--emit", help="The typed graph as JSON, or a drawing in DOT, instead of PyTorch.")
    ] = None,
    model: options.Model = None,
    train: options.Train = None,
    set: options.Set = None,
) -> None:
    """Compile a spec to a PyTorch module that imports torch only."""
    from ..compiling import Wanted, compiled
    from ..specs import read_spec

    if program and emit:
        raise typer.BadParameter(f"--program writes PyTorch, and --emit {emit.value} something else", param_hint="--program")
    wanted = Wanted(model=model, train=train, hypers=options.settings(set), training=program or train is not None)
    found = compiled(read_spec(file), wanted)
    show_report(found.report)
    if program:
        _both(found, output)
    else:
        write_result(output or "-", _text(found, emit).encode())


def _text(found: "Compiled", emit: Form | None) -> str:
    if emit is Form.graph:
        import json

        from ...compiler.emit.json import graph_data

        return json.dumps(graph_data(found.graph), indent=1, ensure_ascii=False) + "\n"
    if emit is Form.dot:
        return found.diagram().dot
    return found.source


def _both(found: "Compiled", output: str | None) -> None:
    """model.py and program.py, which imports it by that name."""
    text = found.program or ""
    if output is None or output == "-":
        out(f"# model.py\n{found.source}\n# program.py\n{text}", end="")
        return
    place = Path(output)
    if place.suffix == ".py" and place.name != "model.py":
        raise typer.BadParameter(
            "program.py imports its model by the name model, so say -o model.py or -o FOLDER", param_hint="-o"
        )
    folder = place.parent if place.suffix == ".py" else place
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(str(folder), error) from None
    write_result(str(folder / "model.py"), found.source.encode())
    write_result(str(folder / "program.py"), text.encode())
    say(f"wrote {folder / 'model.py'} and {folder / 'program.py'}")

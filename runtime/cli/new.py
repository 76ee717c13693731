"""`archc new`: a starting spec, made from a shipped one."""

from pathlib import Path
from typing import Annotated

import typer

from ...dsl import ast
from ...dsl.diagnostic import Report
from ...dsl.parser import parse
from ...dsl.source import Source
from ...dsl.span import NOWHERE, Span
from ..faults.specs import FileTaken, NotKnown
from ..specs import ENDING, read_spec, shipped
from ..stops import Misused
from .show import out, say, write_result


def run(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="The shipped spec to start from; `archc specs` lists them.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the model, or of the file.")],
) -> None:
    """Start a spec of your own from a shipped one: NAME.arch, with a model of that name."""
    known = shipped()
    if kind not in known:
        raise Misused(NotKnown(NOWHERE, "kind of spec", kind, tuple(known)))
    path = Path(name if name.endswith(ENDING) else f"{name}{ENDING}")
    model = class_name(path.name.removesuffix(ENDING))
    if not model.isidentifier() or not model.isascii():
        raise typer.BadParameter(f"{name!r} gives no name for a model; letters, digits and _ do", param_hint="NAME")
    if path.exists():
        raise Misused(FileTaken(NOWHERE, str(path)))
    text = renamed(read_spec(known[kind]), model)
    write_result(str(path), text.encode())
    out(str(path))
    say(f"archc check {path} · archc render {path} · archc train {path}")


def class_name(stem: str) -> str:
    """`my_net` and `my-net` as MyNet."""
    return "".join(word[:1].upper() + word[1:] for word in stem.replace("-", "_").split("_"))


def renamed(source: Source, model: str) -> str:
    """The text with its first model under another name, wherever the spec names it; comments stay as they are."""
    file = parse(source, Report())
    declared = [item for item in file.items if isinstance(item, ast.Declaration)]
    models = [item for item in declared if item.kind in ("model", "adversarial")]
    root = (models or [item for item in declared if item.kind == "energy"])[0]
    taken = {item.name.text for item in file.items if isinstance(item, ast.Declaration) and item is not root}
    if model in taken:
        raise Misused(NotKnown(NOWHERE, "free name", model, (), f": {source.name} declares it"))
    places = [
        root.name.span,
        *(item.model.span for item in file.items if isinstance(item, ast.Train) and item.model.text == root.name.text),
    ]
    lines = list(source.lines)
    for span in sorted(places, reverse=True):
        lines[span.start.line - 1] = _replaced(lines[span.start.line - 1], span, model)
    return "\n".join(lines)


def _replaced(line: str, span: Span, text: str) -> str:
    return line[: span.start.column - 1] + text + line[span.end.column - 1 :]

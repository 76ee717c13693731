"""`archc specs`: the shipped specs and the modules of the standard library, a line each."""

from pathlib import Path
from typing import Annotated

import typer

from ...dsl import ast
from ...dsl.diagnostic import Report
from ...dsl.parser import parse
from ..specs import library, read_spec, shipped
from .options import Json
from .show import out, out_json, table


def run(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Print this spec instead of the list.")] = None,
    json: Json = False,
) -> None:
    """List the specs that ship with archc and the modules of its standard library, or print one."""
    known, modules = shipped(), library()
    if name is not None:
        out(_named(name, {**known, **modules}).read_text(encoding="utf-8"), end="")
    elif json:
        for spec, path in known.items():
            model, trains, doc = described(path)
            out_json({"name": spec, "model": model, "trains": trains, "doc": doc, "path": str(path)})
        for module, path in modules.items():
            out_json({"name": module, "declares": _declared(module), "path": str(path)})
    else:
        rows = [[spec, *_line(path)] for spec, path in known.items()]
        out(table([*rows, *([module, "", f"to import: {', '.join(_declared(module))}"] for module in modules)]))


def _declared(module: str) -> list[str]:
    from ..library import parts

    return [part.name for part in parts() if part.module == module]


def _named(name: str, known: dict[str, Path]) -> Path:
    from ...dsl.span import NOWHERE
    from ..faults.specs import NotKnown
    from ..stops import Misused

    if name not in known:
        raise Misused(NotKnown(NOWHERE, "shipped spec", name, tuple(known)))
    return known[name]


def _line(path: Path) -> tuple[str, str]:
    model, trains, doc = described(path)
    return model, doc or ("has a train program" if trains else "")


def described(path: Path) -> tuple[str, bool, str]:
    """The first model of a spec, whether it has a train program, and the first sentence of what is said of it."""
    file = parse(read_spec(path), Report())
    declared = [item for item in file.items if isinstance(item, ast.Declaration)]
    roots = [item for item in declared if item.kind in ("model", "adversarial")] or [i for i in declared if i.kind == "energy"]
    doc = (roots[0].doc or "").split("\n")[0] if roots else ""
    return roots[0].name.text if roots else "", any(isinstance(item, ast.Train) for item in file.items), doc

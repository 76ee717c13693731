"""`archc explain`: the long story of a diagnostic."""

import inspect
import pkgutil
from importlib import import_module
from typing import Annotated

import typer

from ...dsl.diagnostic import Fault
from .show import out, table

HOMES = ("dsl.faults", "compiler.errors", "runtime.faults")


def run(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="A code as E0304; without one, all of them are listed.")
    ] = None,
) -> None:
    """Tell the long story of a diagnostic, by its code."""
    known = faults()
    if code is None:
        out(table([[name, fault.title] for name, fault in sorted(known.items())]))
        return
    fault = known.get(code.upper())
    if fault is None:
        from ...dsl.span import NOWHERE
        from ..faults.specs import NotKnown
        from ..stops import Misused

        raise Misused(NotKnown(NOWHERE, "diagnostic", code, tuple(sorted(known))))
    kind = "advice" if fault.code.startswith("W") else "error"
    out(f"{fault.code}: {fault.title} ({kind})\n\n{inspect.cleandoc(fault.__doc__ or '')}")


def faults() -> dict[str, type[Fault]]:
    """Every fault that archc knows, by its code."""
    package = __name__.split(".runtime.")[0]
    for home in HOMES:
        module = import_module(f"{package}.{home}")
        for info in pkgutil.walk_packages(module.__path__, f"{module.__name__}."):
            import_module(info.name)
    return Fault.registry

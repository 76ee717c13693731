"""The compiler, given the world: specs from files, columns from the data sources that a spec names.

Comes in: a spec, and what a command line or Python says about it. Goes out: a `Compiled`, or a stop with everything the compiler found.
Torch is not imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..compiler import pipeline
from ..dsl.diagnostic import Report
from ..dsl.source import Source
from .specs import STDIN, read_spec, reader
from .stops import InputFaults, Stopped

if TYPE_CHECKING:
    from ..compiler.plan import SourceCall
    from ..compiler.training.columns import Schema, Schemas
    from ..dsl.diagnostic import Fault


@dataclass(frozen=True)
class Compiled(pipeline.Compiled):
    """A compiled model: `source` is its PyTorch text, `graph` its typed graph, `program` its losses, metrics and columns if it has them."""

    def diagram(self, depth: int | None = None) -> Diagram:
        """A picture that shows itself in a notebook; `depth` is how far blocks are opened."""
        return diagram(self, depth)


@dataclass(frozen=True)
class Diagram:
    """A picture as DOT text; rendered when it is looked at or saved."""

    dot: str

    @property
    def svg(self) -> str:
        from .diagram import render

        return render(self.dot, "svg").decode()

    def save(self, path: str | Path) -> None:
        """Writes svg, png, pdf or dot, as the ending says."""
        from .diagram import FORMATS, render
        from .files import write_whole

        for format in FORMATS:
            if Path(path).suffix.lower() == f".{format}":
                write_whole(Path(path), render(self.dot, format))  # type: ignore[arg-type]
                return
        raise ValueError(f"{path}: the ending says the format, and there are {', '.join(FORMATS)}")

    def _repr_svg_(self) -> str:
        return self.svg


@dataclass(frozen=True)
class Wanted:
    """What is asked of a spec beside its text. `data` replaces the source of a train program's data."""

    model: str | None = None
    train: str | None = None
    hypers: Mapping[str, object] = field(default_factory=dict)
    training: bool = False
    data: str | None = None


def diagram(found: Compiled | pipeline.Elaborated, depth: int | None = None) -> Diagram:
    from ..compiler.emit.diagram import dot_of

    return Diagram(dot_of(found.graph, depth, {name: Source(name, text) for name, text in found.sources.items()}))


def compile_spec(
    path_or_name: str | Path, model: str | None = None, program: bool | str = False, **hyperparameters: Any
) -> Compiled:
    """A model of a spec at its own defaults; raises `InputFaults` with everything the compiler found.

    With `program` (true: the first; or the name of one), a train program with the hyperparameters that it trains the model with.
    """
    train = program if isinstance(program, str) else None
    return compiled(read_spec(path_or_name), Wanted(model=model, train=train, hypers=hyperparameters, training=bool(program)))


def compiled(source: Source, wanted: Wanted) -> Compiled:
    """The compiled model; raises `InputFaults`. Its `report` has the warnings."""
    found, report = attempt(source, wanted)
    if found is None:
        raise InputFaults(report=report)
    return found


def attempt(source: Source, wanted: Wanted) -> tuple[Compiled | None, Report]:
    """The compiled model, if it has no errors, and all that was found."""
    found, report = pipeline.compile_source(source, **_asked(source, wanted))
    if found is None:
        return None, report
    return Compiled(**{item.name: getattr(found, item.name) for item in fields(pipeline.Compiled)}), report


def elaborated(source: Source, wanted: Wanted) -> tuple[pipeline.Elaborated, Report]:
    """The model as it is drawn and summed up, with the warnings; raises `InputFaults`. No source is written from it."""
    found, report = pipeline.elaborate_source(source, **_asked(source, wanted))
    if found is None:
        raise InputFaults(report=report)
    return found, report


def _asked(source: Source, wanted: Wanted) -> pipeline.Asked:
    return {
        "root": wanted.model,
        "train": wanted.train,
        "training": wanted.training,
        "hypers": wanted.hypers,
        "read": reader(source),
        "shelf": _shelf,
        "schema": schemas(source, wanted.data),
    }


def _shelf() -> dict[str, str]:
    from .library import parts

    return {part.name: part.module for part in parts()}


def check(source: Source, *, data: bool = False) -> Report:
    """Everything that is wrong with a spec; with `data` its sources are opened too, as far as their headers."""
    return pipeline.check_source(
        source, read=reader(source), shelf=_shelf, schema=schemas(source) if data else pipeline.no_schema
    )


def check_spec(path_or_name: str | Path) -> Report:
    """Everything that is wrong with a spec; a file that cannot be read is in the report too."""
    try:
        return check(read_spec(path_or_name))
    except Stopped as stopped:
        return stopped.report


def schemas(source: Source, data: str | None = None) -> Schemas:
    """How the columns of a source are asked for: in the file beside the spec, or in what `--data` says."""
    base = Path() if source.name == STDIN else Path(source.name).parent

    def ask(call: SourceCall) -> Schema | list[Fault] | None:
        from .data.calls import from_command_line
        from .data.sources import schema

        try:
            return dict(schema(call, base) if data is None else schema(from_command_line(data), Path()))
        except Stopped as stopped:
            if data is not None:
                raise
            return cast("list[Fault]", stopped.report.diagnostics)

    return ask

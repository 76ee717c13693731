"""What ends a command of the runtime before its end: exceptions that carry diagnostics and the exit status, never a traceback.

Everything the runtime raises on purpose is one of these; anything else that comes out is a bug in archc.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ..dsl.diagnostic import Fault, Report
from ..dsl.source import Source
from ..dsl.span import Loc, Span

if TYPE_CHECKING:
    from ..compiler.plan import Place


class Stopped(Exception):
    """Base of them all: `report` holds the diagnostics and the texts they point into."""

    exit_code: ClassVar[int] = 1

    def __init__(self, *faults: Fault, report: Report | None = None, sources: Iterable[Source] = ()) -> None:
        self.report = report if report is not None else Report()
        self.report.extend(faults)
        for source in sources:
            self.report.sources.setdefault(source.name, source)
        super().__init__()

    def knows(self, texts: Mapping[str, str]) -> None:
        """Adds source texts, so that a renderer can show the lines."""
        for name, text in texts.items():
            self.report.sources.setdefault(name, Source(name, text))

    def __str__(self) -> str:
        lines = []
        for d in self.report.ordered():
            at = f"{d.span.source}:{d.span.start.line}:{d.span.start.column}: " if d.span.source else ""
            lines.append(f"{at}{d.severity}[{d.code}]: {d.message}")
            lines += [f"  note: {note}" for note in d.notes]
            lines += [f"  help: {help.text}" for help in d.helps]
        return "\n".join(lines)


class InputFaults(Stopped):
    """The spec, its data or an argument has faults: exit status 1."""

    exit_code = 1


class Misused(Stopped):
    """What was asked cannot be asked: exit status 2."""

    exit_code = 2


class RunFailed(Stopped):
    """A run went wrong while it ran: exit status 3."""

    exit_code = 3


class Interrupted(Exception):
    """Ctrl-C: the state is saved in `folder` at `step`, or no step was made (`folder` is none): exit status 130."""

    exit_code: ClassVar[int] = 130

    def __init__(self, folder: Path | None = None, step: int = 0) -> None:
        self.folder = folder
        self.step = step
        super().__init__(folder, step)

    def __str__(self) -> str:
        if self.folder is None:
            return "interrupted before the first step"
        return f"interrupted; step {self.step} is saved. To go on: archc train --resume {self.folder}"


def span_of(place: "Place", width: int = 1) -> Span:
    """The place as a span of `width` characters."""
    return Span(place.file, Loc(place.line, place.column), Loc(place.line, place.column + width))

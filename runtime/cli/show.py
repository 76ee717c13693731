"""What commands print: results on standard output, all else on standard error. Colour only on a terminal that wants it."""

import errno
import json
import os
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from ...dsl.diagnostic import Diagnostic, Report
from ...dsl.source import Source
from ...dsl.span import NOWHERE
from ..faults.specs import CannotWrite
from ..stops import Misused, RunFailed, Stopped


def out(text: str, end: str = "\n") -> None:
    """A result. When nobody reads any more, the rest is dropped and the command goes on to its own exit status."""
    _print(text + end, sys.stdout)


def out_json(value: object) -> None:
    """A result as one line of JSON."""
    out(json.dumps(value, ensure_ascii=False, allow_nan=False, default=str))


def say(text: str) -> None:
    """Something for the person, on standard error."""
    _print(text + "\n", sys.stderr)


def show_report(report: Report) -> None:
    """All diagnostics of a report, on standard error."""
    show_diagnostics(report.ordered(), report.sources)


def show_diagnostics(diagnostics: Iterable[Diagnostic], sources: Mapping[str, Source]) -> None:
    for diagnostic in diagnostics:
        from ...dsl.render import render

        say(render(diagnostic, sources, colour=coloured(sys.stderr)) + "\n")


def coloured(stream: TextIO) -> bool:
    """Whether colour is wanted there: a terminal, NO_COLOR not set (https://no-color.org), and not a dumb one."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as columns two blanks apart, the last as long as it likes."""
    widths = [max((len(row[i]) for row in rows if i < len(row)), default=0) for i in range(max(map(len, rows), default=0))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows)


def write_result(path: str, data: bytes) -> None:
    """A result into a file, whole or not at all; `-` is standard output. Folders on the way are not made.

    Links are followed, an old file keeps its permissions, and what is no file (a pipe, /dev/null) is written into, not replaced.
    """
    if path == "-":
        with _readers():
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
        return
    from ..files import write_whole

    target = Path(os.path.realpath(path))
    try:
        mode = target.stat().st_mode if target.exists() else None
        if mode is not None and not stat.S_ISREG(mode):
            target.write_bytes(data)
            return
        write_whole(target, data)
        if mode is not None:
            target.chmod(stat.S_IMODE(mode))
    except OSError as error:
        raise unwritable(path, error) from None


def unwritable(path: str, error: OSError) -> Stopped:
    """The stop for a file that cannot be written: a full disk is a failure, a wrong place is wrong use."""
    fault = CannotWrite(NOWHERE, path, (error.strerror or type(error).__name__).lower())
    return RunFailed(fault) if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", -1), errno.EIO) else Misused(fault)


def close_output() -> None:
    """Flushes both streams, so that a broken pipe is met here and not in the interpreter's last moments."""
    for stream in (sys.stdout, sys.stderr):
        with _readers(stream):
            stream.flush()


def _print(text: str, stream: TextIO) -> None:
    with _readers(stream):
        try:
            stream.write(text)
        except UnicodeEncodeError:
            stream.write(text.encode(stream.encoding, "replace").decode(stream.encoding))


class _readers(suppress):  # noqa: N801 - used as a function is
    """Within: a stream whose reader went away is turned to nowhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(BrokenPipeError)
        self.stream = stream if stream is not None else sys.stdout

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        caught = bool(super().__exit__(kind, error, trace))
        if caught:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
        return caught

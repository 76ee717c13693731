"""DOT text to a picture: svg, png, pdf or dot, with the `dot` program where there is one, else without.

Comes in: text that `compiler.emit.diagram` wrote. Goes out: the bytes of a file. Nothing in the text is executed, no file is read for
it, and no renderer runs longer than `PATIENCE` seconds. What a renderer cannot do is a fault that says what to install.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal, get_args

from ..dsl.span import NOWHERE
from .faults.diagrams import CannotDraw
from .stops import RunFailed

Format = Literal["svg", "png", "pdf", "dot"]
FORMATS: tuple[str, ...] = get_args(Format)
PATIENCE = 60.0
SHARP = 144  # dots an inch, for png


class DrawingFailed(RunFailed):
    """No picture: carries the fault."""


def render(dot: str, format: Format) -> bytes:
    """The picture of a DOT text. Raises `DrawingFailed`."""
    if format == "dot":
        return dot.encode()
    failed = None
    if shutil.which("dot"):
        try:
            return _with_dot(dot, format)
        except DrawingFailed as failure:  # an old or broken installation: the other one may still do it
            failed = failure
    pure = _pure_program()
    if pure is None:
        raise failed or _failure(format, "there is no renderer")
    return _with_pure(pure, dot, format)


def _with_dot(dot: str, format: Format) -> bytes:
    """By the `dot` program. Without plug-ins that read files: labels of ours name none."""
    return _run(["dot", *_options(format)], dot, format)


def _with_pure(program: str, dot: str, format: Format) -> bytes:
    """By the fall-back, which knows no pdf: its drawing instructions are written as one."""
    if format != "pdf":
        return _run([program, "-q", *_options(format)], dot, format)
    from .diagram_pdf import pdf_of

    return pdf_of(_run([program, "-q", "-Tjson"], dot, format))


def _options(format: Format) -> list[str]:
    return [f"-T{format}", *([f"-Gdpi={SHARP}"] if format == "png" else [])]


def _pure_program() -> str | None:
    """The fall-back's program: where its package put it, which need not be on the path."""
    name = "graphviz-pure.exe" if sys.platform == "win32" else "graphviz-pure"
    try:
        files = distribution("graphviz-pure").files or []
    except PackageNotFoundError:
        return shutil.which(name)
    for file in files:
        if file.name == name and Path(str(file.locate())).is_file():
            return str(Path(str(file.locate())).resolve())
    return shutil.which(name)


def _run(command: list[str], dot: str, format: Format) -> bytes:
    try:
        done = subprocess.run(command, input=dot.encode(), capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise _failure(format, f"{Path(command[0]).name} took longer than {PATIENCE:.0f} seconds") from None
    except OSError as error:
        raise _failure(format, f"{Path(command[0]).name} does not start ({error.strerror})") from None
    if done.returncode != 0 or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise _failure(format, f"{Path(command[0]).name} said: {said[0] if said else f'exit status {done.returncode}'}")
    return done.stdout


def _failure(format: Format, reason: str) -> DrawingFailed:
    return DrawingFailed(CannotDraw(NOWHERE, format, reason))

"""Specs as files: what a person writes for FILE becomes a `Source`, and so does what a spec imports.

Comes in: a path, the bare name of a shipped spec, or `-`. Goes out: text under the name that diagnostics show. Imports are files beside the
spec (ending in .arch, in its folder or below, links followed) or modules of the standard library; nothing else is ever read.
"""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..dsl.nearest import nearest
from ..dsl.source import Source
from ..dsl.span import Loc, Span
from .faults.specs import EmptyFolder, NoSuchSpec, NotText, SpecIsFolder, SpecUnreadable
from .stops import InputFaults, Misused, Stopped

FOLDER = Path(__file__).parent.parent / "specs"
LIBRARY = "std"
ENDING = ".arch"
STDIN = "<stdin>"
LARGEST = 16 << 20
MOST_HINTS = 500

Reader = Callable[[str, bool, str], Source | str]
"""`read(module, is_file, importer)` gives the source of an import, or a sentence that says why not ("is not there")."""


def shipped() -> dict[str, Path]:
    """The specs that ship with archc by their bare names."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{ENDING}"))}


def library() -> dict[str, Path]:
    """The modules of the standard library: `std.recurrent`."""
    return {f"{LIBRARY}.{path.stem}": path for path in sorted((FOLDER / LIBRARY).glob(f"*{ENDING}"))}


def read_spec(name: str | Path) -> Source:
    """The spec that `name` means: `-` is standard input, an existing path wins over a shipped name. Raises `InputFaults` or `Misused`."""
    text = str(name)
    if text == "-":
        return Source(STDIN, _decoded(STDIN, _bytes_of(STDIN, lambda: sys.stdin.buffer.read(LARGEST + 1))))
    path = _located(text)
    if os.path.isdir(path):
        inside = tuple(sorted(p.name for p in _entries(path) if p.suffix == ENDING))
        hidden = shipped().get(text)
        raise Misused(SpecIsFolder(_at(text), text, inside, str(hidden) if hidden else ""))
    return _read(path, _shown(path))


def expand(name: str) -> list[str]:
    """The specs that an argument means where folders are allowed: itself, or every .arch file in the folder and below it."""
    if name == "-" or not os.path.isdir(name):
        return [name]
    found = sorted(
        os.path.join(folder, file) for folder, file in _walk(name) if file.endswith(ENDING) and not file.startswith(".")
    )
    if not found:
        raise Misused(EmptyFolder(_at(name), name))
    return found


def reader(root: Source) -> Reader:
    """How the imports of `root`, and theirs, are read."""
    home = Path(os.path.dirname(root.name)) if root.name != STDIN else Path()

    def read(module: str, is_file: bool, importer: str) -> Source | str:
        return _neighbour(home, module, importer) if is_file else _module(module)

    return read


# Where ----------------------------------------------------------------------------------------------------------------


def _located(text: str) -> Path:
    """The path of an existing file or folder, or of the shipped spec of that name."""
    if not text or "\0" in text:
        raise Misused(NoSuchSpec(_at(text), text.replace("\0", "\\0"), tuple(shipped())))
    path = Path(text)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        known = shipped()
        if text in known:
            return known[text]
        siblings = tuple(str(p) for p in _entries(path.parent) if p.suffix == ENDING)
        raise Misused(NoSuchSpec(_at(text), text, tuple(known), siblings)) from None
    except OSError as error:
        raise Misused(SpecUnreadable(_at(text), text, _why(error))) from None
    return path


def _shown(path: Path) -> str:
    """The name under which diagnostics show a file: as it was written, but below the working folder without that."""
    try:
        return str(path.relative_to(Path.cwd())) if path.is_absolute() else str(path)
    except (ValueError, OSError):
        return str(path)


def _entries(folder: Path) -> list[Path]:
    try:
        return [path for path, _ in zip(folder.iterdir(), range(MOST_HINTS), strict=False)]
    except OSError:
        return []


def _walk(folder: str) -> Iterator[tuple[str, str]]:
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from ((here, file) for file in files)


# Imports --------------------------------------------------------------------------------------------------------------


def _module(module: str) -> Source | str:
    known = library()
    if module not in known:
        has = "" if nearest(module, known) else f", which has {', '.join(known)}"
        return f"is not in the standard library{has}"
    try:
        return _read(known[module], f"{LIBRARY}:{known[module].name}")
    except Stopped as stopped:
        return _sentence(stopped)


def _neighbour(home: Path, module: str, importer: str) -> Source | str:
    """A file beside the one that imports it, which must lie in the folder of the spec or below."""
    if ":" in importer and importer.startswith(f"{LIBRARY}:"):
        return "is a file, and the standard library imports modules only"
    if not module or not module.isprintable():
        return "is no path of a file"
    if PurePosixPath(module).is_absolute() or PureWindowsPath(module).drive or "\\" in module:
        return 'is not beside this file; an import is written "./name.arch"'
    if not module.endswith(ENDING):
        return f"does not end in {ENDING}"
    path = Path(os.path.normpath((home if importer == STDIN else Path(os.path.dirname(importer))) / module))
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(home)):
        return "lies outside the folder of the spec, where nothing is read"
    if not os.path.isfile(path):
        near = nearest(path.name, (p.name for p in _entries(path.parent) if p.suffix == ENDING))
        return "is not there" + (f"; {near} is" if near else "")
    try:
        return _read(path, _shown(path))
    except Stopped as stopped:
        return _sentence(stopped)


def _sentence(stopped: Stopped) -> str:
    """What went wrong with a file that is imported, without its name."""
    fault = stopped.report.diagnostics[0].message
    return fault[fault.index(" ") + 1 :] if " " in fault else fault


# Text -----------------------------------------------------------------------------------------------------------------


def _read(path: Path, name: str) -> Source:
    return Source(name, _decoded(name, _bytes_of(name, lambda: _open(path))))


def _open(path: Path) -> bytes:
    """The bytes of a file or a pipe; never of a device, which might have no end."""
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise OSError(0, "it is neither a file nor a pipe")
        return file.read(LARGEST + 1)


def _bytes_of(name: str, read: Callable[[], bytes]) -> bytes:
    try:
        data = read()
    except OSError as error:
        raise Misused(SpecUnreadable(_at(name), name, _why(error))) from None
    if len(data) > LARGEST:
        raise InputFaults(NotText(_at(name), name, f"it is longer than {LARGEST >> 20} MiB"))
    return data


def _decoded(name: str, data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputFaults(NotText(_at(name), name, "it is UTF-16"))
    if b"\0" in data:
        raise InputFaults(NotText(_place(name, data, data.index(b"\0")), name, "it holds a zero byte, as binary files do"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _place(name, data, error.start)
        raise InputFaults(NotText(place, name, f"byte {data[error.start]:#04x} in line {place.start.line}")) from None


def _place(name: str, data: bytes, offset: int) -> Span:
    """Where a byte is, in characters as far as they can be read."""
    line = data.count(b"\n", 0, offset) + 1
    before = data[data.rfind(b"\n", 0, offset) + 1 : offset]
    column = len(before.decode("utf-8", "replace")) + 1
    return Span(name, Loc(line, column), Loc(line, column + 1))


def _at(name: str) -> Span:
    return Span(name, Loc(1, 1), Loc(1, 1))


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


__all__ = ["Reader", "expand", "library", "read_spec", "reader", "shipped"]

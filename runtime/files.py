"""Files that are written whole or not at all: a temporary name, fsync, rename, fsync of the folder.

A process that is killed at any moment leaves the old file or the new one, and perhaps a temporary one that `sweep` removes.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".tmp"


def write_whole(path: Path, data: bytes) -> None:
    """Replaces the file at `path` by one with these bytes."""
    with drafted(path.parent, path.name, lambda: path.name) as file:
        file.write(data)


@contextmanager
def drafted(folder: Path, draft: str, name: Callable[[], str]) -> Iterator[BinaryIO]:
    """A file to write into; when the block ends well it appears in `folder` under `name()`, else not at all."""
    temporary = folder / f".{draft}{TEMPORARY}"
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, folder / name())
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Makes renames in the folder last; where folders cannot be opened (not on POSIX) there is nothing to do."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Removes what writers that were killed left behind."""
    for path in folder.glob(f".*{TEMPORARY}"):
        path.unlink(missing_ok=True)

"""C++ text -> a loaded library, built once: kept by its text, the flags, the compiler and the processor.

A library that somebody else can write is somebody else's code: the folder and the file must be the user's own, writable by no other.
"""

import ctypes
import fcntl
import functools
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
LIMIT = 600.0  # seconds that a build may take, on a machine that does other things as well


class CannotBuild(Exception):
    """Why there is no library, as the end of a sentence."""


def folder() -> Path:
    """Where libraries are kept: `$ARCHC_KERNELS`, else `archc/kernels` in the user's cache."""
    own = os.environ.get("ARCHC_KERNELS")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "archc" / "kernels"


def identity(text: str) -> str:
    """What a library of this text would be kept as, from which alone its bits follow; raises `CannotBuild`."""
    return _key(text, _compiler())


@functools.cache
def library(text: str, *, cached: bool = False) -> ctypes.CDLL:
    """The library of a translation unit, built if no process has built it yet, unless only what is `cached` is wanted; raises
    `CannotBuild`."""
    compiler, where = _compiler(), folder()
    try:
        where.mkdir(parents=True, exist_ok=True, mode=0o700)
        _want_private(where)
        path = where / f"{_key(text, compiler)}.so"
        if cached and not path.exists():
            raise CannotBuild("its kernel is not built on this machine")
        if not path.exists():
            _build(text, compiler, path)
        _want_private(path)
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise CannotBuild(f"its kernel could not be kept in {where} ({error.strerror or error})") from None


def _compiler() -> str:
    found = shutil.which("g++")
    if found is None:
        raise CannotBuild("there is no g++ on this machine")
    return found


def _want_private(path: Path) -> None:
    found = path.stat()
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
        raise CannotBuild(f"others can write to {path}")


def _build(text: str, compiler: str, path: Path) -> None:
    """Under a lock, so that of two processes one builds; moved in place when whole, so that none loads a half."""
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return
        with tempfile.TemporaryDirectory(dir=path.parent) as work:
            source, made = Path(work) / "cell.cpp", Path(work) / "cell.so"
            source.write_text(text)
            try:
                done = subprocess.run(
                    [compiler, *FLAGS, "-o", str(made), str(source)], capture_output=True, text=True, timeout=LIMIT, check=False
                )
            except subprocess.TimeoutExpired:
                raise CannotBuild(f"g++ took more than {LIMIT:g} seconds") from None
            if done.returncode:
                raise CannotBuild(f"g++ refused its kernel: {done.stderr.strip().splitlines()[0] if done.stderr else ''}")
            made.chmod(0o700)
            made.replace(path)


def _key(text: str, compiler: str) -> str:
    return sha256("\0".join([text, *FLAGS, _version(compiler), _processor()]).encode()).hexdigest()[:32]


@functools.cache
def _version(compiler: str) -> str:
    return subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False, timeout=LIMIT).stdout


@functools.cache
def _processor() -> str:
    """What -march=native depends on: the model and the features of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
